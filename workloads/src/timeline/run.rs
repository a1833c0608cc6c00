//! The timeline of a run on the clock.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use sim_core::drive::clock::timeline::{Event, Happening, Slice};
use sim_core::nouns::types::{Cpu, Lock};
use sim_core::step::frame::Wait;

use super::{Arrow, Counter, Mark, What};

/// The marks of the events of a run, which are in the order of time.
pub fn of_run(events: &[Event]) -> Vec<Mark> {
    let (mut arrows, mut stale, mut pending) = (Arrows::default(), 0, 0);
    let marks = events.iter().map(|event| {
        let Cpu(cpu) = event.cpu;
        let what = match event.what {
            Happening::Begin(slice) => {
                let (name, about) = named(slice);
                What::Begin { cpu, name, about, arrow: arrows.of(event.cpu, slice) }
            }
            Happening::End => What::End(cpu),
            Happening::Violation(page, class) => {
                What::Instant(cpu, format!("{} violation, page {}", class.name(), page.0).into())
            }
            Happening::Stale(more) => {
                stale += i64::from(more);
                What::Count(Counter::Stale, stale)
            }
            Happening::Pending(more) => {
                pending += i64::from(more);
                What::Count(Counter::Pending, pending)
            }
        };
        Mark { at_cycles: event.at_cycles, what }
    });
    marks.collect()
}

/// Requests on their way. A CPU waits for all it has told before it tells anybody again, so each pair has one at most.
#[derive(Default)]
pub(super) struct Arrows {
    under_way: FxHashMap<(Cpu, Cpu), u64>,
    last: u64,
}

impl Arrows {
    fn of(&mut self, cpu: Cpu, slice: Slice) -> Option<Arrow> {
        match slice {
            Slice::Post(to) => Some(self.start(cpu, to)),
            Slice::FlushRemote(from) => self.end(from, cpu),
            _ => None,
        }
    }

    pub(super) fn start(&mut self, from: Cpu, to: Cpu) -> Arrow {
        self.last += 1;
        self.under_way.insert((from, to), self.last);
        Arrow::From(self.last)
    }

    pub(super) fn end(&mut self, from: Cpu, to: Cpu) -> Option<Arrow> {
        self.under_way.remove(&(from, to)).map(Arrow::To)
    }
}

/// What a slice is called, and the number it is about.
fn named(slice: Slice) -> (Cow<'static, str>, Option<(&'static str, u64)>) {
    let plain = |name: &'static str| (Cow::Borrowed(name), None);
    match slice {
        Slice::Operation(kind) => plain(kind.call()),
        Slice::Fault(page) => ("fault".into(), Some(("page", u64::from(page.0)))),
        Slice::Flush { cause, remote: true } => (format!("flush: {}", cause.name()).into(), None),
        Slice::Flush { cause, remote: false } => (format!("flush: {}, local only", cause.name()).into(), None),
        Slice::Post(Cpu(to)) => ("post".into(), Some(("to_cpu", u64::from(to)))),
        Slice::FlushLocal => plain("flush own TLB"),
        Slice::Interrupt(requests) => ("interrupt".into(), Some(("requests", u64::from(requests)))),
        Slice::Tick => plain("tick"),
        Slice::FlushRemote(Cpu(from)) => ("flush".into(), Some(("for_cpu", u64::from(from)))),
        Slice::Wait(wait) => plain(waiting(wait)),
    }
}

fn waiting(wait: Wait) -> &'static str {
    match wait {
        Wait::Lock(Lock::MmapRead(_)) => "waiting for mmap_lock, to read",
        Wait::Lock(Lock::MmapWrite(_)) => "waiting for mmap_lock, to write",
        Wait::Lock(Lock::Ptl(_)) => "waiting for a page-table lock",
        Wait::Acks => "waiting for acknowledgements",
        Wait::Broadcasts => "waiting for broadcasts",
        Wait::Sweeps => "waiting for sweeps",
        Wait::Folio(_) => "waiting for a folio lock",
        Wait::Memory => "waiting for memory",
        Wait::Io => "waiting for the swap device",
        Wait::Flag(_) => "waiting for a flag",
    }
}
