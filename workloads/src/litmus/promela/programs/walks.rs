//! Operations that walk the page tables of their own address space: mprotect and its like, munmap, madvise, mremap.

use std::fmt::Write;

use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Mm, Span};

use super::{Process, bits, mask};

/// The labels of a walk: the locks and counts it begins with, its PTL, its check, one PTE, its flush, its end.
struct Labels {
    name: &'static str,
    begin: &'static str,
    lock: &'static str,
    check: &'static str,
    pte: &'static str,
    unlock: &'static str,
    flush: &'static str,
    end: &'static str,
}

const CHANGE: Labels = Labels {
    name: "change",
    begin: "[M1] [M2] [M3]",
    lock: "[M4]",
    check: "[M5]",
    pte: "[M6]",
    unlock: "[M7]",
    flush: "[M8]",
    end: "[M9] [M10]",
};

const ZAP: Labels = Labels {
    name: "zap",
    begin: "[Z1] [Z2]",
    lock: "[Z3]",
    check: "[Z4]",
    pte: "[Z5]",
    unlock: "[Z6] [Z7]",
    flush: "[Z9]",
    end: "[Z9] [Z10]",
};

impl Process<'_, '_> {
    /// Consecutive pages under the same page table.
    fn by_table(&self, pages: &[usize]) -> Vec<Vec<usize>> {
        pages.chunk_by(|&a, &b| self.facts.table_of(a) == self.facts.table_of(b)).map(<[usize]>::to_vec).collect()
    }

    /// The PTL and the check, in whichever order.
    fn lock_and_check(&mut self, table: usize, page: usize, mm: Mm, checks: bool, labels: &Labels) {
        let check = format!("CHECK({}, {page}, {});   /* {} */", self.cpu, mm.0, labels.check);
        let lock = format!("LOCK({table});   /* {} */", labels.lock);
        let late = self.facts.on("check_under_ptl");
        if checks && !late {
            self.line(&check);
        }
        self.line(&lock);
        if checks && late {
            self.line(&check);
        }
    }

    /// mprotect, NUMA balancing, userfaultfd, soft-dirty tracking.
    pub(super) fn change(&mut self, op: Op, mm: Mm) {
        let (cpu, n, (r, w)) = (self.cpu, mm.0, bits(op.rights));
        let pages = self.facts.pages_in(mm, op.span);
        let mprotect = op.kind == OpKind::Mprotect;
        let soft_dirty = matches!(op.kind, OpKind::SoftDirty(_));
        let counts = !soft_dirty || self.facts.on("soft_dirty_counts");
        self.comment(CHANGE.name, &pages);
        let alone = mprotect || (soft_dirty && self.facts.on("soft_dirty_excludes_faults"));
        let mut begin = if alone {
            format!("!writer[{n}] && readers[{n}] == 0 -> writer[{n}] = 1")
        } else {
            format!("!writer[{n}] -> readers[{n}]++")
        };
        // All pages are of one VMA.
        let first = pages[0];
        let _ = match op.kind {
            OpKind::Mprotect => write!(begin, "; going = vm[{first}] && (vr[{first}] != {r} || vw[{first}] != {w})"),
            OpKind::SoftDirty(_) => write!(begin, "; going = 1"),
            _ => write!(begin, "; going = vm[{first}]"),
        };
        let counted = if mprotect && self.facts.on("mprotect_gathers") { "1" } else { "going" };
        let mut changes = "skip".to_owned();
        for &p in pages.iter().filter(|_| mprotect) {
            let _ = write!(changes, "; vr[{p}] = {r}; vw[{p}] = {w}");
            let _ = write!(changes, "; granted_r[{p}] = granted_r[{p}] || {r}; granted_w[{p}] = granted_w[{p}] || {w}");
        }
        let _ = write!(begin, "; if :: going -> {changes} :: else fi");
        if counts {
            let _ = write!(begin, "; if :: {counted} -> COUNT({n}) :: else fi");
        }
        self.step(CHANGE.begin, &begin);
        self.line("if");
        self.line(":: going ->");
        for group in self.by_table(&pages) {
            let table = self.facts.table_of(group[0]);
            let checks = self.facts.on("check_in_mprotect") && !soft_dirty;
            self.lock_and_check(table, group[0], mm, checks, &CHANGE);
            let (last, others) = group.split_last().expect("a table has a page");
            let one = |page: usize| match op.kind {
                OpKind::Mprotect => format!("CHANGE({page}, {r}, {w})"),
                OpKind::NumaScan => format!("HINT({page})"),
                _ => format!("PROTECT({cpu}, {page})"),
            };
            for &page in others {
                self.step(CHANGE.pte, &format!("true -> {}", one(page)));
            }
            let labels = format!("{} {}", CHANGE.pte, CHANGE.unlock);
            self.step(&labels, &format!("true -> {}; ptl[{table}] = 0", one(*last)));
        }
        self.line("   skip");
        self.line(":: !going");
        self.line("fi;");
        self.line("if");
        self.line(&format!(":: {counted} ->"));
        self.flush_changes(op.span, mm, soft_dirty, counts);
        self.line("   skip");
        self.line(&format!(":: !({counted})"));
        self.line("fi;");
        let mut end = "true -> skip".to_owned();
        if counts && self.facts.on("pending_until_flushed") {
            let _ = write!(end, "; if :: {counted} -> UNCOUNT({n}) :: else fi");
        }
        let _ = write!(end, "; going = 0");
        let _ = if alone { write!(end, "; writer[{n}] = 0") } else { write!(end, "; readers[{n}]--") };
        for p in pages {
            let _ = match op.kind {
                OpKind::Mprotect => write!(
                    end,
                    "; granted[{p}] = vm[{p}]; granted_r[{p}] = vm[{p}] && vr[{p}]; granted_w[{p}] = vm[{p}] && vw[{p}]"
                ),
                OpKind::NumaScan => Ok(()),
                _ => write!(end, "; RETURNS({cpu}, {p}, 0, FAULTS)"),
            };
        }
        self.step(CHANGE.end, &end);
    }

    /// M8: what was changed or, before v5.19, the range if something was; soft-dirty tracking flushes everything.
    fn flush_changes(&mut self, span: Span, mm: Mm, everything: bool, counts: bool) {
        let (cpu, n) = (self.cpu, mm.0);
        if counts && !self.facts.on("pending_until_flushed") {
            self.step("[M9]", &format!("true -> UNCOUNT({n})"));
        }
        if everything {
            self.line(&format!("SHOOT({cpu}, MASK({n}), PAGES_OF({n}));   /* {} */", CHANGE.flush));
            self.step(CHANGE.flush, "true -> changed = 0");
            return;
        }
        let gathers = self.facts.on("mprotect_gathers");
        let range = self.facts.range(mm, span);
        let pages = if gathers { "COVER(changed)".to_owned() } else { range.to_string() };
        self.line(&format!("FLUSH_OWED({cpu}, {n}, {}, {pages});   /* {} */", u8::from(gathers), CHANGE.flush));
    }

    /// munmap, `MADV_DONTNEED`, `MADV_FREE`.
    pub(super) fn zap(&mut self, op: Op) {
        let (cpu, mm) = (self.cpu, self.mm());
        let n = mm.0;
        let pages = self.facts.pages_in(mm, op.span);
        let (unmaps, ages) = (op.kind == OpKind::Munmap, op.kind == OpKind::Free);
        self.comment(if unmaps { "munmap" } else { ZAP.name }, &pages);
        let downgrades = self.facts.on("munmap_downgrades");
        let mut begin = match (unmaps, downgrades) {
            (true, false) => format!("!writer[{n}] && readers[{n}] == 0 -> writer[{n}] = 1"),
            (true, true) => format!("!writer[{n}] && readers[{n}] == 0 -> readers[{n}]++"),
            (false, _) => format!("!writer[{n}] -> readers[{n}]++"),
        };
        for p in pages.iter().filter(|_| unmaps) {
            let _ = write!(begin, "; vm[{p}] = 0");
        }
        // All pages of a madvise are of one VMA.
        let first = pages[0];
        let (going, counted) = match op.kind {
            OpKind::Munmap => ("1".to_owned(), "1"),
            _ if self.facts.on("madvise_gathers") => (advised(first, ages), "1"),
            _ => (advised(first, ages), "going"),
        };
        self.step(ZAP.begin, &format!("{begin}; going = {going}; if :: {counted} -> COUNT({n}) :: else fi"));
        self.line("if");
        self.line(":: going ->");
        for group in self.by_table(&pages) {
            self.zap_table(&group, mm, (unmaps, ages));
        }
        if unmaps {
            self.unlink(&pages, n);
        }
        self.line("   skip");
        self.line(":: !going");
        self.line("fi;");
        self.line("if");
        self.line(&format!(":: {counted} ->"));
        if !self.facts.on("pending_until_flushed") {
            self.step("[Z9]", &format!("true -> UNCOUNT({n})"));
        }
        if unmaps {
            self.line(&format!("FLUSH_UNMAPPED({cpu}, {n});   /* {} */", ZAP.flush));
        } else {
            self.line(&format!("FLUSH_OWED({cpu}, {n}, 1, COVER(changed));   /* {} */", ZAP.flush));
        }
        self.line("   skip");
        self.line(&format!(":: !({counted})"));
        self.line("fi;");
        let mut end = "true -> FREE_GATHERED(); forced = 0".to_owned();
        if self.facts.on("pending_until_flushed") {
            let _ = write!(end, "; if :: {counted} -> UNCOUNT({n}) :: else fi");
        }
        let alone = unmaps && !downgrades;
        let _ = if alone { write!(end, "; writer[{n}] = 0") } else { write!(end, "; readers[{n}]--") };
        let _ = write!(end, "; going = 0");
        for p in pages {
            let _ = match op.kind {
                OpKind::Munmap => write!(end, "; FORBID({p})"),
                OpKind::Free => write!(end, "; RETURNS({cpu}, {p}, 0, LOST)"),
                _ => write!(end, "; RETURNS({cpu}, {p}, DATA, 0)"),
            };
        }
        self.step(ZAP.end, &end);
    }

    fn zap_table(&mut self, group: &[usize], mm: Mm, (unmaps, ages): (bool, bool)) {
        let (cpu, table) = (self.cpu, self.facts.table_of(group[0]));
        let checks = self.facts.on(if ages { "check_in_free" } else { "check_in_zap" });
        self.lock_and_check(table, group[0], mm, checks, &ZAP);
        for (at, &page) in group.iter().enumerate() {
            if ages {
                self.step("[Z5]", &format!("true -> AGE({cpu}, {page})"));
            } else {
                self.step(ZAP.pte, &format!("true -> ZAP({cpu}, {page}, {})", u8::from(unmaps)));
            }
            if ages && at == 0 && group.len() > 1 && self.facts.on("free_drops_ptl") {
                self.step("[A4]", &format!("true -> ptl[{table}] = 0"));
                let again = checks && self.facts.on("recheck_after_relock");
                let labels = Labels { lock: "[A4]", ..ZAP };
                self.lock_and_check(table, group[1], mm, again, &labels);
            }
        }
        if !ages {
            self.line(&format!("FLUSH_FORCED({cpu}, {});   /* [Z6] */", mm.0));
        }
        let mut unlock = format!("true -> ptl[{table}] = 0; forced = 0");
        for p in group.iter().filter(|_| !ages) {
            let _ = write!(unlock, "; if :: vb[{p}] != DRIVER -> kept[{p}] = 0 :: else fi");
        }
        self.step(ZAP.unlock, &unlock);
    }

    /// Z8: whoever goes by the VMAs of a driver does not find this one any more.
    fn unlink(&mut self, pages: &[usize], n: u16) {
        let cpu = self.cpu;
        if self.facts.on("pfnmap_flushes_before_unlink") {
            self.line("if");
            self.line(&format!(
                ":: unlinks && changed -> SHOOT({cpu}, MASK({n}), COVER(changed)); d_step {{ true -> changed = 0 }}   /* [Z8] */"
            ));
            self.line(":: !(unlinks && changed)");
            self.line("fi;");
        }
        let mut text = "true -> unlinks = 0".to_owned();
        for p in pages {
            let _ = write!(text, "; if :: vb[{p}] == DRIVER -> kept[{p}] = 0 :: else fi");
        }
        self.step("[Z8]", &text);
    }

    pub(super) fn mremap(&mut self, op: Op) {
        let (cpu, mm) = (self.cpu, self.mm());
        let n = mm.0;
        let from = self.facts.pages_in(mm, op.span);
        let to = self.facts.pages_in(mm, Span { first: op.to, ..op.span });
        self.comment("mremap", &from);
        let (f, pairs) = (from[0], from.iter().copied().zip(to.iter().copied()).collect::<Vec<_>>());
        let mut may = format!("vm[{f}]");
        for (p, q) in &pairs {
            let _ = write!(
                may,
                " && vm[{p}] && vr[{p}] == vr[{f}] && vw[{p}] == vw[{f}] && vb[{p}] == vb[{f}] && !vm[{q}]"
            );
        }
        let mut begin = format!(
            "!writer[{n}] && readers[{n}] == 0 && SETTLED({}) -> writer[{n}] = 1; going = ({may}); if :: going -> skip",
            mask(&to)
        );
        for (p, q) in &pairs {
            let _ = write!(
                begin,
                "; vm[{q}] = 1; vr[{q}] = vr[{p}]; vw[{q}] = vw[{p}]; vb[{q}] = vb[{p}]; GRANT({q}, vr[{p}], vw[{p}])"
            );
        }
        begin += " :: else fi";
        self.step("[V1]", &begin);
        self.line("if");
        self.line(":: going ->");
        let both = |&(p, q): &(usize, usize)| (self.facts.table_of(p), self.facts.table_of(q));
        let groups: Vec<Vec<(usize, usize)>> =
            pairs.chunk_by(|a, b| both(a) == both(b)).map(<[(usize, usize)]>::to_vec).collect();
        for group in groups {
            self.move_extent(&group, mm);
        }
        self.line("if");
        let range = self.facts.range(mm, op.span);
        self.line(&format!(":: forced -> SHOOT({cpu}, MASK({n}), {range})   /* [V5] */"));
        self.line(":: !forced");
        self.line("fi;");
        let mut end = format!("true -> forced = 0; going = 0; writer[{n}] = 0");
        for (p, q) in &pairs {
            let _ = write!(end, "; vm[{p}] = 0; PROMISE({q}, vr[{q}], vw[{q}])");
        }
        for (p, _) in &pairs {
            let _ = write!(end, "; FORBID({p})");
        }
        self.step("[V6]", &end);
        self.line(&format!(":: d_step {{ !going -> writer[{n}] = 0 }}"));
        self.line("fi;");
    }

    /// As far as one pair of page tables reaches.
    fn move_extent(&mut self, group: &[(usize, usize)], mm: Mm) {
        let (cpu, n) = (self.cpu, mm.0);
        let (old, new) = (self.facts.table_of(group[0].0), self.facts.table_of(group[0].1));
        let check = format!("CHECK({cpu}, {}, {n});   /* [V3] */", group[0].0);
        let (checks, late) = (self.facts.on("check_in_mremap"), self.facts.on("check_under_ptl"));
        if checks && !late {
            self.line(&check);
        }
        self.line(&format!("LOCK({old});   /* [V2] */"));
        if new != old {
            self.line(&format!("LOCK({new});   /* [V2] */"));
        }
        if checks && late {
            self.line(&check);
        }
        for (p, q) in group {
            self.step("[V4]", &format!("true -> MOVE({p}, {q})"));
        }
        let extent = self.facts.cover(mask(&group.iter().map(|pair| pair.0).collect::<Vec<_>>()));
        self.line("if");
        self.line(&format!(
            ":: changed -> SHOOT({cpu}, MASK({n}), {extent}); d_step {{ true -> changed = 0 }}   /* [V5] */"
        ));
        if self.facts.on("mremap_flushes_under_ptl") {
            self.line(&format!(":: !changed -> NOTHING_OWED({cpu})"));
        } else {
            self.line(":: d_step { !changed -> forced = 1 }");
        }
        self.line("fi;");
        self.step("[V6]", &format!("true -> ptl[{old}] = 0; ptl[{new}] = 0"));
    }
}

/// Is a madvise of this VMA not refused?
fn advised(page: usize, ages: bool) -> String {
    if ages { format!("vm[{page}] && vb[{page}] == ANONYMOUS") } else { format!("vm[{page}] && vb[{page}] != DRIVER") }
}
