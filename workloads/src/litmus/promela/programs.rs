//! The programs of a file: a process for each CPU, with its operations one after the other, and one for what the hardware does
//! by itself.

mod passes;
mod walks;

use std::fmt::Write;

use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Mm, Rights, Span};
use sim_core::policy::PolicyInfo;

use super::facts::Facts;

/// The text of one process under way.
pub(super) struct Process<'f, 'l> {
    facts: &'f Facts<'l>,
    policy: &'f PolicyInfo,
    cpu: usize,
    out: String,
}

/// All processes, and what there is before the first of them runs.
pub(super) fn processes(facts: &Facts<'_>, policy: &PolicyInfo) -> String {
    let mut out = String::new();
    for cpu in 0..facts.cpus {
        let mut process = Process { facts, policy, cpu, out: String::new() };
        for &op in &facts.litmus.scenario.programs[cpu] {
            process.operation(op);
        }
        // An interrupt that is more than one step suspends what it interrupts.
        let provided = if acks_first(facts) { format!(" provided (serving[{cpu}] == 0)") } else { String::new() };
        let _ = write!(out, "\n/* ---- CPU {cpu} ---- */\nproctype cpu{cpu}(){provided} {{\n{}", locals(facts, cpu));
        out += &process.out;
        out += "  skip\n}\n";
    }
    out += &hardware(facts);
    out += "\ninit {\n  atomic {\n";
    out += &facts.start();
    for cpu in 0..facts.cpus {
        let _ = writeln!(out, "    run cpu{cpu}();");
    }
    out += "    run hardware()\n  }\n}\n";
    out
}

fn acks_first(facts: &Facts<'_>) -> bool {
    !facts.on("acks_after_flush")
}

/// The variables of a process, by what it does.
fn locals(facts: &Facts<'_>, cpu: usize) -> String {
    let walks = |op: &Op| !matches!(op.kind, OpKind::Access(_) | OpKind::Signal(_) | OpKind::Await(_));
    if facts.litmus.scenario.programs[cpu].iter().any(walks) {
        let batch = if facts.on("batch_per_task") { "  byte batch_mask;\n  bool required, writable;\n" } else { "" };
        format!(
            "{batch}  byte freeing, keeping, was, from, to, g1, g2, changed, gathered, v0, v1, v2, v3;\n  bool nested, forced, unlinks, going, usable;\n"
        )
    } else {
        "  byte from, to;\n".to_owned()
    }
}

/// Interrupts and broadcasts that arrive, and ticks.
fn hardware(facts: &Facts<'_>) -> String {
    let mut out = "\n/* ---- Interrupts between any two steps ---- */\nproctype hardware() {\nend:\n  do\n".to_owned();
    let pairs = || (0..facts.cpus).flat_map(|from| (0..facts.cpus).map(move |to| (from, to))).filter(|(a, b)| a != b);
    let reached = || pairs().filter(|&(_, to)| facts.home(to).is_some());
    let taken = |from, to| format!("posted[{from} * CPUS + {to}] && (BROADCASTS || !irqs_off[{to}])");
    out += "#if ACKS_AFTER_FLUSH || BROADCASTS\n";
    for (from, to) in reached() {
        let _ = writeln!(out, "  :: d_step {{ {} -> SERVE({from}, {to}) }}   /* [G1] [G7] [G9] */", taken(from, to));
    }
    out += "#else\n";
    for (from, to) in reached() {
        let _ = writeln!(
            out,
            "  :: d_step {{ {} && !serving[{to}] -> ACK({from}, {to}) }}   /* [G1] [G9] */",
            taken(from, to)
        );
    }
    for to in (0..facts.cpus).filter(|&to| facts.home(to).is_some()) {
        let _ = writeln!(out, "  :: d_step {{ serving[{to}] -> FLUSH_AFTER_ACK({to}) }}   /* [G7] */");
    }
    out += "#endif\n";
    out += "#if DEFERS_UNMAP\n";
    for (from, to) in reached() {
        let _ = writeln!(out, "  :: d_step {{ records[{from} * CPUS + {to}] -> SWEEP({from}, {to}) }}");
    }
    for cpu in 0..facts.cpus {
        let _ = writeln!(out, "  :: d_step {{ sweeping[{cpu}] && SWEPT({cpu}) -> LET_GO({cpu}) }}   /* [LZ2] */");
    }
    out += "#endif\n";
    // Without a CPU to interrupt there would be no option.
    out += "  :: false\n  od\n}\n";
    out
}

impl Process<'_, '_> {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "  {text}");
    }

    fn step(&mut self, labels: &str, text: &str) {
        let _ = writeln!(self.out, "  d_step {{ {text} }};   /* {labels} */");
    }

    /// The address space of the CPU.
    fn mm(&self) -> Mm {
        Mm(self.facts.home(self.cpu).expect("a system call has an address space") as u16)
    }

    fn comment(&mut self, what: &str, pages: &[usize]) {
        let names: Vec<&str> = pages.iter().map(|&page| self.facts.name_of(page)).collect();
        let _ = writeln!(self.out, "  /* {what} {} */", names.join(" "));
    }

    fn operation(&mut self, op: Op) {
        match op.kind {
            OpKind::Access(kind) => self.access(kind, op.span),
            OpKind::Mprotect | OpKind::NumaScan | OpKind::UffdWp => self.change(op, self.mm()),
            OpKind::SoftDirty(mm) => self.change(op, mm),
            OpKind::Munmap | OpKind::Dontneed | OpKind::Free => self.zap(op),
            OpKind::Mremap => self.mremap(op),
            OpKind::Mmap(backing) => self.mmap(op, backing),
            OpKind::Signal(flag) => self.step("[U5]", &format!("true -> flags = flags | {}", 1 << flag)),
            OpKind::Await(flag) => self.step("[U6]", &format!("(flags & {}) -> skip", 1 << flag)),
            OpKind::Reclaim(mm) => self.reclaim(mm, op.span),
            OpKind::Writeback(mm) => self.writeback(mm, op.span),
            OpKind::Truncate(mm) => self.truncate(mm, op.span),
            OpKind::Migrate(mm) => self.migrate(mm, op.span),
            OpKind::Ksm(mm, stable) => self.ksm((mm, op.span.first), (stable, op.to)),
            OpKind::Fork(child) => self.fork(child),
            OpKind::Mincore(trusted) => self.mincore(op.span, trusted),
            OpKind::Gup => self.gup(op.span),
            OpKind::UnmapMapping(mm) => self.unmap_mapping(mm, op.span),
            OpKind::Kswapd | OpKind::Pageout | OpKind::Exit(_) | OpKind::Other => {
                unreachable!("refused before: {:?}", op.kind)
            }
        }
    }

    fn access(&mut self, kind: AccessKind, span: Span) {
        let (mm, store) = (self.mm(), u8::from(kind == AccessKind::Store));
        let page = self.facts.page_at(mm, span.first);
        self.comment(if store == 1 { "write" } else { "read" }, &[page]);
        let (cpu, table) = (self.cpu, self.facts.table_of(page));
        self.line(&format!("ACCESS({cpu}, {page}, {table}, {}, {store});", mm.0));
    }

    /// One step: the lock, the VMA, the promise.
    fn mmap(&mut self, op: Op, backing: Backing) {
        let (mm, (r, w)) = (self.mm(), bits(op.rights));
        let pages = self.facts.pages_in(mm, op.span);
        self.comment("mmap", &pages);
        let backing = if backing == Backing::SharedFile { "FILE" } else { "ANONYMOUS" };
        let wanted = mask(&pages);
        let mut text = format!("!writer[{0}] && readers[{0}] == 0 && SETTLED({wanted}) -> skip", mm.0);
        for page in pages {
            let _ = write!(
                text,
                "; vm[{page}] = 1; vr[{page}] = {r}; vw[{page}] = {w}; vb[{page}] = {backing}; found[{page}] = 0"
            );
            let _ = write!(text, "; GRANT({page}, {r}, {w}); PROMISE({page}, {r}, {w})");
        }
        self.step("[C1] [C2] [C3]", &text);
    }

    fn reclaim(&mut self, mm: Mm, span: Span) {
        let pages = self.facts.pages_in(mm, span);
        self.comment("reclaim", &pages);
        let isolate: Vec<String> = pages.iter().zip(0..).map(|(page, n)| format!("ISOLATE({page}, v{n})")).collect();
        self.step("[R0]", &format!("true -> {}", isolate.join("; ")));
        for n in 0..pages.len() {
            self.shrink(n);
        }
        self.line(&format!("END_OF_LIST({});   /* [R7] [R8] [R9] */", self.cpu));
    }

    /// One folio of the list, whatever maps it.
    fn shrink(&mut self, n: usize) {
        let (cpu, v) = (self.cpu, format!("v{n}"));
        self.line("if");
        self.line(&format!(":: d_step {{ {v} != 0 && (folio[{v} - 1] & LOCKED) -> keeping = keeping | (1 << ({v} - 1)); {v} = 0 }}   /* [R1] */"));
        self.line(&format!(":: d_step {{ {v} != 0 && !(folio[{v} - 1] & LOCKED) -> TAKE({v}) }};   /* [R1] */"));
        for page in 0..self.facts.pages {
            let (table, mm) = (self.facts.table_of(page), self.facts.mm_of(page));
            let unmap = if self.facts.defers(self.policy, cpu, mm) { "UNMAP_DEFERRED" } else { "UNMAP_NOW" };
            self.line(&format!("   {unmap}({cpu}, {page}, {table}, {mm}, ({v} - 1));"));
        }
        self.line(&format!("   DISPOSE({cpu}, {v})"));
        self.line(&format!(":: {v} == 0"));
        self.line("fi;");
    }
}

/// Read and write, as numbers.
fn bits(rights: Rights) -> (u8, u8) {
    (u8::from(rights.read()), u8::from(rights.write()))
}

fn mask(pages: &[usize]) -> usize {
    pages.iter().fold(0, |mask, page| mask | 1 << page)
}
