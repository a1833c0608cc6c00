//! Operations that come by the rmap, or concern one page: writeback, truncation, migration, KSM, fork, mincore, gup, drivers.

use std::fmt::Write;

use sim_core::nouns::types::{Mm, Span};

use super::Process;

impl Process<'_, '_> {
    /// A line for every page that could map a frame.
    fn for_mappings(&mut self, line: impl Fn(usize, usize, usize) -> String) {
        for page in 0..self.facts.pages {
            let text = line(page, self.facts.table_of(page), self.facts.mm_of(page));
            self.line(&format!("   {text};"));
        }
    }

    /// Dirty pages of a file, one after the other.
    pub(super) fn writeback(&mut self, mm: Mm, span: Span) {
        let cpu = self.cpu;
        for page in self.facts.pages_in(mm, span) {
            self.comment("mkclean", &[page]);
            let is_dirty = format!("IS_FILE(FILE_PAGE({page})) && (folio[FILE_PAGE({page}) - 1] & DIRTY)");
            self.line("if");
            self.line(&format!(
                ":: d_step {{ {is_dirty} && !(folio[FILE_PAGE({page}) - 1] & LOCKED) -> v0 = FILE_PAGE({page}); folio[v0 - 1] = folio[v0 - 1] | LOCKED }};   /* [W1] */"
            ));
            self.for_mappings(|q, t, mm| format!("MAKE_CLEAN({cpu}, {q}, {t}, {mm}, (v0 - 1))"));
            if self.facts.on("mkclean_checks_pending") {
                self.line(&format!("   CHECK({cpu}, {page}, {});   /* [W5] */", mm.0));
            }
            self.line("   d_step { true -> folio[v0 - 1] = folio[v0 - 1] & ~(DIRTY | LOCKED); FRAME_CLEANED(v0 - 1); v0 = 0 }   /* [W5] [W6] */");
            self.line(&format!(":: !({is_dirty})"));
            self.line("fi;");
        }
    }

    /// Pages of a file go, wherever they are mapped.
    pub(super) fn truncate(&mut self, mm: Mm, span: Span) {
        let cpu = self.cpu;
        for page in self.facts.pages_in(mm, span) {
            self.comment("truncate", &[page]);
            self.line("if");
            self.line(&format!(
                ":: d_step {{ IS_FILE(FILE_PAGE({page})) -> v0 = FILE_PAGE({page}); held[v0 - 1]++ }};   /* [T1] */"
            ));
            self.for_mappings(|q, t, mm| format!("UNMAP_FILE({cpu}, {q}, {t}, {mm}, (v0 - 1))"));
            self.line(
                "   d_step { !(folio[v0 - 1] & LOCKED) -> folio[v0 - 1] = folio[v0 - 1] | LOCKED };   /* [T5] */",
            );
            self.for_mappings(|q, t, mm| format!("UNMAP_FILE({cpu}, {q}, {t}, {mm}, (v0 - 1))"));
            let mut text = "true -> folio[v0 - 1] = folio[v0 - 1] & ~(CACHED | DIRTY | LOCKED)".to_owned();
            for q in 0..self.facts.pages {
                let _ = write!(text, "; if :: found[{q}] == v0 -> found[{q}] = 0 :: else fi");
            }
            self.step("[T5] [T6]", &format!("{text}; held[v0 - 1]--; PUT(v0 - 1); v0 = 0"));
            self.line(&format!(":: !IS_FILE(FILE_PAGE({page}))"));
            self.line("fi;");
        }
    }

    pub(super) fn migrate(&mut self, mm: Mm, span: Span) {
        let (cpu, page) = (self.cpu, self.facts.page_at(mm, span.first));
        self.comment("migrate", &[page]);
        let locked = format!("((pte[{page}] & PRESENT) && (folio[pfn[{page}]] & LOCKED))");
        self.line("if");
        self.line(&format!(":: d_step {{ !{locked} && MOVABLE({page}) -> TAKE_FOR_MOVE({page}) }};   /* [G1] */"));
        let batches = self.facts.on("migration_batches");
        let defers: Vec<u8> =
            (0..self.facts.mms).map(|mm| u8::from(batches && self.facts.defers(self.policy, cpu, mm))).collect();
        self.for_mappings(|q, t, mm| format!("MOVE_AWAY({cpu}, {q}, {t}, {mm}, {})", defers[mm]));
        if self.facts.on("flush_before_copy") {
            self.line(&format!("   FLUSH_IF_REQUIRED({cpu});   /* [G3] */"));
        }
        self.line("   d_step { true -> COPY_AWAY() };   /* [G4] */");
        self.for_mappings(|q, t, _| format!("MOVE_BACK({q}, {t})"));
        self.line(&format!("   RELEASE_MOVED({cpu})"));
        self.line(&format!(":: !{locked} && !MOVABLE({page})"));
        self.line("fi;");
    }

    /// KSM goes over the stable page first, then over the one that gets its frame. v0 has the one, v1 the other.
    pub(super) fn ksm(&mut self, own: (Mm, u64), stable: (Mm, u64)) {
        let cpu = self.cpu;
        let (s, p) = (self.facts.page_at(stable.0, stable.1), self.facts.page_at(own.0, own.1));
        self.comment("ksm", &[p, s]);
        let protect = |process: &mut Self, page: usize, v: &str, mm: u16| {
            let table = process.facts.table_of(page);
            process.line("if");
            process.line(&format!(
                ":: d_step {{ !writer[{mm}] && MERGEABLE({page}, v0) -> readers[{mm}]++; TAKE_FOR_MERGE({page}, {v}) }};   /* [S1] */"
            ));
            process.line(&format!("   WRITE_PROTECT({cpu}, {page}, {table}, {mm}, {v});"));
        };
        protect(self, s, "v0", stable.0.0);
        let unlock = |v: &str, mm: u16| format!("UNLOCK_FOLIO({v}); readers[{mm}]--");
        self.step(
            "[S5] [S9]",
            &format!(
                "true -> if :: going -> merged[v0 - 1] = 1; folio[v0 - 1] = (folio[v0 - 1] | DIRTY) & ~LAZYFREE :: else fi; {}",
                unlock("v0", stable.0.0)
            ),
        );
        self.line("if");
        self.line(":: going ->");
        self.step("", "true -> going = 0; was = 0");
        protect(self, p, "v1", own.0.0);
        let table = self.facts.table_of(p);
        self.line("if");
        self.line(":: d_step { going -> FRAME_COPIED(v1 - 1) };   /* [S6] */");
        self.line(&format!("   REPLACE({cpu}, {p}, {table}, {}, v0, v1)", own.0.0));
        self.line(":: !going");
        self.line("fi;");
        self.step("[S9]", &format!("true -> {}; LET_GO_OF(v1)", unlock("v1", own.0.0)));
        self.line(&format!(":: d_step {{ !writer[{}] && !MERGEABLE({p}, v0) -> skip }}", own.0.0));
        self.line("fi");
        self.line(":: !going");
        self.line("fi;");
        self.step("[S9]", "true -> LET_GO_OF(v0); going = 0; was = 0");
        self.line(&format!(":: d_step {{ !writer[{}] && !MERGEABLE({s}, v0) -> skip }}", stable.0.0));
        self.line("fi;");
    }

    pub(super) fn fork(&mut self, child: Mm) {
        let (cpu, mm) = (self.cpu, self.mm());
        let (n, m) = (mm.0, child.0);
        let pages = self.facts.pages_in(mm, Span::ALL);
        self.comment("fork", &pages);
        let mut begin = format!(
            "!writer[{n}] && readers[{n}] == 0 && !writer[{m}] && readers[{m}] == 0 -> writer[{n}] = 1; writer[{m}] = 1"
        );
        for &p in &pages {
            let q = self.facts.twin_of(p, child);
            let _ = write!(begin, "; vm[{q}] = vm[{p}]; vr[{q}] = vr[{p}]; vw[{q}] = vw[{p}]; vb[{q}] = vb[{p}]");
            let _ = write!(
                begin,
                "; granted[{q}] = vm[{p}]; granted_r[{q}] = vm[{p}] && vr[{p}]; granted_w[{q}] = vm[{p}] && vw[{p}]"
            );
        }
        self.step("[K1]", &begin);
        for &p in &pages {
            let (q, t) = (self.facts.twin_of(p, child), self.facts.table_of(p));
            self.step("[K2] [K3]", &format!("!ptl[{t}] -> DUPLICATE({p}, {q})"));
        }
        self.line("if");
        self.line(&format!(":: FORK_FLUSHES_ALWAYS || forced -> SHOOT({cpu}, MASK({n}), PAGES_OF({n}))   /* [K4] */"));
        self.line(":: !(FORK_FLUSHES_ALWAYS || forced)");
        self.line("fi;");
        let forked: String = pages.iter().fold(String::new(), |text, p| text + &format!("; FORKED({p})"));
        self.step("[K4]", &format!("true -> forced = 0; writer[{n}] = 0; writer[{m}] = 0{forked}"));
    }

    /// Whoever trusts it takes a page that is not resident for one that nobody can reach.
    pub(super) fn mincore(&mut self, span: Span, trusted: bool) {
        let (cpu, mm) = (self.cpu, self.mm());
        let (n, page) = (mm.0, self.facts.page_at(mm, span.first));
        self.comment("mincore", &[page]);
        let table = self.facts.table_of(page);
        let conclude = if trusted {
            format!("if :: vm[{page}] && !RESIDENT({page}) -> PASS({cpu}, {page}) :: else fi")
        } else {
            "skip".to_owned()
        };
        self.step("[I1] [I2] [I3] [I4]", &format!("!writer[{n}] && !ptl[{table}] -> readers[{n}]++; {conclude}"));
        let end = if trusted { format!("; RETURNS({cpu}, {page}, DATA, 0)") } else { String::new() };
        self.step("[I5]", &format!("true -> readers[{n}]--{end}"));
    }

    pub(super) fn gup(&mut self, span: Span) {
        let (cpu, mm) = (self.cpu, self.mm());
        let page = self.facts.page_at(mm, span.first);
        self.comment("gup", &[page]);
        self.line(&format!("PIN({cpu}, {page}, {}, {});", self.facts.table_of(page), mm.0));
    }

    /// A driver takes its memory back.
    pub(super) fn unmap_mapping(&mut self, mm: Mm, span: Span) {
        let cpu = self.cpu;
        for page in self.facts.pages_in(mm, span) {
            self.comment("unmap-mapping", &[page]);
            let mine = format!("(found[{page}] && vb[{page}] == DRIVER && !(folio[found[{page}] - 1] & ISOLATED))");
            self.line("if");
            self.line(&format!(
                ":: d_step {{ {mine} -> v0 = found[{page}]; folio[v0 - 1] = folio[v0 - 1] | ISOLATED }};   /* [D1] */"
            ));
            self.for_mappings(|q, t, mm| format!("UNMAP_DRIVERS({cpu}, {q}, {t}, {mm}, (v0 - 1))"));
            self.line("   d_step { true -> GIVE_AWAY(v0) }   /* [D7] */");
            self.line(&format!(":: !{mine}"));
            self.line("fi;");
        }
    }
}
