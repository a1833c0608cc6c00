//! What the panes call things.

use sim_core::drive::clock::log::Happened;
use sim_core::drive::explore::describe;
use sim_core::kernel::path::label;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Cpu, Lock, Page, Pte};
use sim_core::step::frame::{Act, StepId, Wait};
use sim_core::world::Folio;

use crate::moment::{Core, Doing, Moment};
use crate::theme::Role;

impl Moment {
    /// What a page is called.
    pub(crate) fn page_name(&self, page: Page) -> String {
        let row = self.pages.binary_search_by_key(&page, |row| row.page);
        row.map_or_else(|_| format!("page {}", page.0), |at| self.pages[at].name.clone())
    }
}

/// An operation, as a program would write it.
pub(crate) fn operation(op: &Op) -> String {
    match op.kind {
        OpKind::Access(_) | OpKind::Reclaim(_) | OpKind::Kswapd | OpKind::Other => op.kind.name().to_owned(),
        _ if op.span.pages > 0 => format!("{} {} pages", op.kind.call(), op.span.pages),
        _ => op.kind.name().to_owned(),
    }
}

/// What a core waits for.
pub(crate) fn wait(wait: Wait) -> String {
    match wait {
        Wait::Lock(held) => lock(held),
        Wait::Acks => "acknowledgements".to_owned(),
        Wait::Broadcasts => "its broadcasts".to_owned(),
        Wait::Sweeps => "sweeps of other CPUs".to_owned(),
        Wait::Folio(frame) => format!("folio lock of f{}", frame.0),
        Wait::Memory => "free memory".to_owned(),
        Wait::Io => "the swap device".to_owned(),
        Wait::Flag(flag) => format!("flag {flag}"),
    }
}

/// A lock.
pub(crate) fn lock(lock: Lock) -> String {
    match lock {
        Lock::MmapRead(mm) => format!("mmap_lock (read) of mm {}", mm.0),
        Lock::MmapWrite(mm) => format!("mmap_lock (write) of mm {}", mm.0),
        Lock::Ptl(table) => format!("ptl of table {}", table.0),
    }
}

/// The number and label of a step.
pub(crate) fn step(at: StepId) -> String {
    let label = label(at);
    format!("{} {}", label.id, label.text)
}

/// What a core is doing, in words.
pub(crate) fn doing(core: &Core) -> String {
    match core.doing {
        Doing::Waiting(what) => {
            let at = core.steps.last().map_or(String::new(), |&at| format!(" at {}", label(at).id));
            format!("for {}{at}", wait(what))
        }
        Doing::Held => "for its turn".to_owned(),
        Doing::Idle => String::new(),
        Doing::Done => "nothing left to do".to_owned(),
        Doing::User => core.op.as_ref().map_or(String::new(), operation),
        Doing::Kernel | Doing::Interrupt => core.steps.last().map_or(String::new(), |&at| step(at)),
    }
}

/// A page-table entry: rights, A, D.
pub(crate) fn pte(pte: Pte) -> String {
    match pte {
        Pte::None => "none".to_owned(),
        Pte::Swap => "swap".to_owned(),
        Pte::Present(p) => {
            let rights = if p.protnone {
                "--"
            } else if p.writable {
                "rw"
            } else {
                "r-"
            };
            let (a, d) = (if p.accessed { 'A' } else { '-' }, if p.dirty { 'D' } else { '-' });
            format!("{rights}{a}{d}")
        }
    }
}

/// Where a folio is: its LRU list or what keeps it off them.
pub(crate) fn place(folio: Folio) -> String {
    let place = match folio.list() {
        Some(list) => {
            format!("{} {}", if list.active { "active" } else { "inactive" }, if list.anon { "anon" } else { "file" })
        }
        None if !folio.allocated => "free".to_owned(),
        None if folio.isolated => "isolated".to_owned(),
        None => "off LRU".to_owned(),
    };
    let marks = [
        (folio.dirty, " dirty"),
        (folio.writeback, " writeback"),
        (folio.locked, " locked"),
        (folio.lazyfree, " lazyfree"),
        (folio.ksm, " ksm"),
    ];
    marks.iter().filter(|(is, _)| *is).fold(place, |text, (_, mark)| text + mark)
}

/// CPUs, with `*` behind those of the second list; at most `most` of them.
pub(crate) fn cpus(all: &[Cpu], marked: &[Cpu], most: usize) -> String {
    let of = |cpu: &Cpu| format!("{}{}", cpu.0, if marked.contains(cpu) { "*" } else { "" });
    // The marked ones are what one looks for.
    let sorted = marked.iter().chain(all.iter().filter(|cpu| !marked.contains(cpu)));
    let shown: Vec<_> = sorted.take(most).map(of).collect();
    let more = all.len().saturating_sub(most);
    if more > 0 { format!("{} +{more}", shown.join(" ")) } else { shown.join(" ") }
}

/// A number with its thousands apart.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The role, the step and the words of an entry of the log.
pub(crate) fn entry(moment: &Moment, what: &Happened) -> (Role, &'static str, String) {
    let name = |page| moment.page_name(page);
    match *what {
        Happened::Act(act, at) => {
            let label = label(at);
            let text = match act {
                Act::Post { to, sent: true } => format!("IPI to CPU{}", to.0),
                Act::Post { to, sent: false } => format!("request queued at CPU{}: an IPI is on its way", to.0),
                Act::FlushBegin { request, remote } => {
                    let whom = if remote { "other CPUs too" } else { "own TLB only" };
                    format!("flush begins, {}: {whom}", request.cause.name())
                }
                Act::FlushEnd(_) => "flush ends: every CPU has answered".to_owned(),
                Act::IrqEnter { requests } => format!("interrupt: {requests} flush requests"),
                Act::FlushRemote { from, .. } => format!("flushes its TLB for CPU{}", from.0),
                Act::Deferred { page, dirty } => {
                    format!("flush of {} put off{}", name(page), if dirty { " (dirty)" } else { "" })
                }
                Act::Words { check: Some(true), .. } => "pending check: a flush is pending".to_owned(),
                Act::Words { check: Some(false), .. } => "pending check: no flush is pending".to_owned(),
                Act::Use { page, kind, .. } => format!("{} {}", verb(kind), name(page)),
                Act::Lock(held) => format!("takes {}", lock(held)),
                Act::Unlock(held) => format!("releases {}", lock(held)),
                Act::Downgrade(mm) => format!("lets readers in: {} from now on", lock(Lock::MmapRead(mm))),
                Act::Return(kind) => format!("{}() returns, its promise holds", kind.name()),
                act => describe(&act, label.text, at.path, &name),
            };
            let role = match act {
                Act::Deferred { .. } => Role::Pending,
                Act::Post { .. } => Role::Flush,
                _ => Role::of_path(at.path),
            };
            (role, label.id, text)
        }
        Happened::Sweep(from) => (Role::Interrupt, "LZ2", format!("sweeps what CPU{} has left to it", from.0)),
        Happened::Window(page, Some(class)) => {
            (Role::Stale, "", format!("* WINDOW opens: {} is stale here ({})", name(page), class.name()))
        }
        Happened::Window(page, None) => (Role::Dim, "", format!("the stale translation of {} is gone", name(page))),
        Happened::Violation(page, class) => {
            (Role::Violation, "", format!("! VIOLATION ({}): {} through a stale translation", class.name(), name(page)))
        }
    }
}

fn verb(kind: AccessKind) -> &'static str {
    match kind {
        AccessKind::Load => "reads",
        AccessKind::Store => "writes",
        AccessKind::Fetch => "fetches",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn stale_holders_come_first() {
        let all = [0, 1, 2, 3].map(Cpu);
        assert_eq!(cpus(&all, &[Cpu(2)], 2), "2* 0 +2");
    }
}
