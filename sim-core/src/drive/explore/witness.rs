//! A counterexample, printed the way kernel changelogs print races: one column a CPU.

use std::fmt::{self, Write as _};

use crate::drive::explore::System;
use crate::drive::explore::race::{Move, Race, Recorder, Violation};
use crate::drive::explore::snapshot::Snapshot;
use crate::kernel::path::label;
use crate::nouns::types::{AccessKind, Cpu, Lock, Page};
use crate::step::frame::{Act, Path};

/// One line of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose column.
    pub cpu: Cpu,
    /// The step's number in the reference.
    pub id: &'static str,
    /// What happens.
    pub text: String,
    /// What of PTEs, TLBs and the words of the address space it changed; empty if nothing.
    pub state: String,
}

/// A shortest execution that breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// How many columns.
    pub cpus: usize,
    /// The steps, in order.
    pub lines: Vec<Line>,
    /// What was broken at the end.
    pub violation: Option<Violation>,
    /// The names of all pages.
    pub names: Vec<String>,
}

impl Witness {
    /// Replays moves from the start and keeps what each did.
    pub fn replay(race: &Race<'_>, moves: &[Move]) -> Witness {
        let mut node = race.initial();
        let mut lines = Vec::new();
        let mut recorder = Recorder::default();
        let name = |page: Page| race.scenario.page_name(page);
        let mut before = Snapshot::of(race.scenario, &mut node);
        for &mv in moves {
            let (heard, shown) = (recorder.acts.len(), lines.len());
            assert!(race.make(&mut node, mv, &mut recorder), "a witness replays: {mv:?}");
            if let Move::Evict(cpu, page) = mv {
                let text = format!("[TLB entry of {} evicted]", name(page));
                lines.push(Line { cpu, id: "HW", text, state: String::new() });
            }
            if let Move::Deliver(from, to) = mv {
                let text = format!("[the flush that CPU{} asked for is made]", from.0);
                lines.push(Line { cpu: to, id: "HW", text, state: String::new() });
            }
            for (cpu, act, at) in &recorder.acts[heard..] {
                let label = label(*at);
                let text = describe(act, label.text, at.path, &name);
                lines.push(Line { cpu: *cpu, id: label.id, text, state: String::new() });
            }
            // A move without an act changes nothing that is shown; if it did, the next line would show it.
            if let Some(line) = lines[shown..].last_mut() {
                let after = Snapshot::of(race.scenario, &mut node);
                line.state = after.since(&before);
                before = after;
            }
        }
        let violation = recorder.violations.last().copied();
        let names = (0..u32::from(race.scenario.all_pages())).map(|page| name(Page(page))).collect();
        Witness { cpus: race.scenario.programs.len(), lines, violation, names }
    }

    /// The step numbers of one CPU, in order.
    pub fn ids_of(&self, cpu: Cpu) -> Vec<&'static str> {
        self.lines.iter().filter(|l| l.cpu == cpu).map(|l| l.id).collect()
    }

    /// Where a step stands in the witness, counted from 0.
    pub fn position(&self, cpu: Cpu, id: &str) -> Option<usize> {
        self.lines.iter().position(|l| l.cpu == cpu && l.id == id)
    }
}

/// What an act of a step with this label is called, for readers who know the kernel.
pub fn describe(act: &Act, text: &str, path: Path, name: &dyn Fn(Page) -> String) -> String {
    match act {
        Act::Use { page, kind, level, .. } => {
            let verb = match kind {
                AccessKind::Load => "reads",
                AccessKind::Store => "writes",
                AccessKind::Fetch => "fetches",
            };
            let through = if level.is_some() { "through the cached translation" } else { "[PTE now cached in TLB]" };
            format!("user {verb} {} {through}", name(*page))
        }
        Act::PteXchg { page, old, new } if path == Path::Unmap => {
            format!("{text}: {} {} -> {}", name(*page), pte(*old), pte(*new))
        }
        Act::PteRead(page)
            if matches!(
                path,
                Path::Mprotect | Path::Munmap | Path::Dontneed | Path::Free | Path::Mremap | Path::Fork
            ) =>
        {
            format!("{text}: [PTE of {} non-present - no flush]", name(*page))
        }
        // Passes that walk as mprotect does.
        Act::Enter(kind) if path == Path::Mprotect => format!("{}()", kind.name()),
        Act::Lock(Lock::MmapRead(_)) if path == Path::Mprotect => "mmap_read_lock()".to_owned(),
        Act::FaultEnter(page) => format!("page fault on {}", name(*page)),
        _ => text.to_owned(),
    }
}

fn pte(pte: crate::nouns::types::Pte) -> &'static str {
    use crate::nouns::types::Pte;
    match pte {
        Pte::None => "none",
        Pte::Swap => "swap",
        Pte::Present(p) if p.dirty => "present, dirty",
        Pte::Present(_) => "present",
    }
}

/// With `{:#}` lines are followed by the state they change.
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDTH: usize = 44;
        let mut heads = String::new();
        let mut rules = String::new();
        for cpu in 0..self.cpus {
            let head = format!("CPU{cpu}");
            write!(rules, "{:<WIDTH$}", "-".repeat(head.len()))?;
            write!(heads, "{head:<WIDTH$}")?;
        }
        writeln!(f, "{}\n{}", heads.trim_end(), rules.trim_end())?;
        for line in &self.lines {
            let indent = WIDTH * usize::from(line.cpu.0);
            writeln!(f, "{:indent$}{:<5} {}", "", line.id, line.text)?;
            if f.alternate() && !line.state.is_empty() {
                writeln!(f, "{:indent$}      [{}]", "", line.state)?;
            }
        }
        if let Some(v) = self.violation {
            let name = &self.names[v.page.0 as usize];
            writeln!(f, "=> {} violation: {} of {name} on CPU{}", v.class.name(), verb(v.kind), v.cpu.0)?;
        }
        Ok(())
    }
}

fn verb(kind: AccessKind) -> &'static str {
    match kind {
        AccessKind::Load => "load",
        AccessKind::Store => "store",
        AccessKind::Fetch => "fetch",
    }
}
