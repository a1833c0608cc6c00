//! What happened when: a run as slices of cores, arrows between them and counters, for a viewer of timelines.
//!
//! User accesses are not in it, only their faults: there are too many of them, and a run without any is a gap.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::drive::clock::source::{Order, What};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Cpu, Page};
use crate::oracle::Class;
use crate::step::frame::{Act, Wait};
use crate::world::{Cause, Request};

/// Something that a core does for a while. Slices of a core nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// An operation, from its entry to its return.
    Operation(OpKind),
    /// A page fault, from its entry to its exit.
    Fault(Page),
    /// A shootdown, as its initiator sees it.
    Flush {
        /// Why.
        cause: Cause,
        /// Are there other CPUs to tell?
        remote: bool,
    },
    /// The initiator queues a request at this CPU.
    Post(Cpu),
    /// The initiator flushes its own TLB.
    FlushLocal,
    /// The call-function interrupt, with so many requests in the queue.
    Interrupt(u16),
    /// A target flushes for this initiator; in its interrupt, or in a tick.
    FlushRemote(Cpu),
    /// A tick, in which it sweeps.
    Tick,
    /// Nothing: it waits for somebody else.
    Wait(Wait),
}

/// What happens at one time on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A slice begins.
    Begin(Slice),
    /// The slice that began last ends.
    End,
    /// An access of this page broke a promise.
    Violation(Page, Class),
    /// Usable translations that break a promise: so many more, or fewer.
    Stale(i32),
    /// Flushes put off by reclaim: so many more, or fewer.
    Pending(i32),
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in cycles.
    pub at_cycles: u64,
    /// On which core.
    pub cpu: Cpu,
    /// What.
    pub what: Happening,
}

/// Everything that happened in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// As the clock came by them: in the order of time for one core, not for several.
    events: Vec<Event>,
    /// Translations that break a promise.
    stale: FxHashSet<(Cpu, Page)>,
    /// By reclaimer: flushes put off.
    pending: FxHashMap<Cpu, i32>,
}

impl Timeline {
    /// Nothing yet.
    pub fn new() -> Timeline {
        Timeline::default()
    }

    /// The events in the order of time, those of one time by core, and those of one core as they came. Run-ahead does not
    /// change it.
    pub fn into_events(self) -> Vec<Event> {
        let mut events = self.events;
        events.sort_by_key(|event| (event.at_cycles, event.cpu));
        events
    }

    fn push(&mut self, at_cycles: u64, cpu: Cpu, what: Happening) {
        self.events.push(Event { at_cycles, cpu, what });
    }

    /// A slice without any other in it. Of no length it is not drawn.
    fn whole(&mut self, cpu: Cpu, slice: Slice, end: u64, cycles: u64) {
        if cycles > 0 {
            self.push(end - cycles, cpu, Happening::Begin(slice));
            self.push(end, cpu, Happening::End);
        }
    }

    pub(super) fn begin(&mut self, cpu: Cpu, order: &Order, now: u64) {
        if let Some(kind) = drawn(order) {
            self.push(now, cpu, Happening::Begin(Slice::Operation(kind)));
        }
    }

    pub(super) fn done(&mut self, cpu: Cpu, order: &Order, now: u64) {
        if drawn(order).is_some() {
            self.push(now, cpu, Happening::End);
        }
    }

    pub(super) fn waited(&mut self, cpu: Cpu, wait: Wait, cycles: u64, end: u64) {
        self.whole(cpu, Slice::Wait(wait), end, cycles);
    }

    pub(super) fn violated(&mut self, cpu: Cpu, page: Page, class: Class, now: u64) {
        self.push(now, cpu, Happening::Violation(page, class));
    }

    pub(super) fn tick(&mut self, cpu: Cpu, now: u64) {
        self.push(now, cpu, Happening::Begin(Slice::Tick));
    }

    pub(super) fn swept(&mut self, cpu: Cpu, from: Cpu, end: u64, cycles: u64) {
        self.whole(cpu, Slice::FlushRemote(from), end, cycles);
    }

    /// The translation of a page at this CPU breaks a promise, or it is gone.
    pub(super) fn stale(&mut self, cpu: Cpu, page: Page, is_stale: bool, now: u64) {
        let holder = (cpu, page);
        if is_stale && self.stale.insert(holder) {
            self.push(now, cpu, Happening::Stale(1));
        } else if !is_stale && self.stale.remove(&holder) {
            self.push(now, cpu, Happening::Stale(-1));
        }
    }

    /// An act that took `cycles` and ended at `now`.
    pub(super) fn act(&mut self, cpu: Cpu, act: Act, now: u64, cycles: u64) {
        let begin = |slice| (now - cycles, Happening::Begin(slice));
        let (at, what) = match act {
            Act::FaultEnter(page) => begin(Slice::Fault(page)),
            Act::FlushBegin { request: Request { cause, .. }, remote } => begin(Slice::Flush { cause, remote }),
            Act::IrqEnter { requests } => begin(Slice::Interrupt(requests)),
            Act::FaultExit(..) | Act::IrqExit => (now, Happening::End),
            Act::FlushEnd(request) => {
                self.push(now, cpu, Happening::End);
                // The flush of an address space leaves those of reclaim pending.
                let flushed = if request.mm.is_none() { self.pending.remove(&cpu) } else { None };
                match flushed {
                    Some(pending) => (now, Happening::Pending(-pending)),
                    None => return,
                }
            }
            Act::Deferred { .. } => {
                *self.pending.entry(cpu).or_default() += 1;
                (now, Happening::Pending(1))
            }
            Act::Post { to, .. } => return self.whole(cpu, Slice::Post(to), now, cycles),
            Act::FlushLocal(_) => return self.whole(cpu, Slice::FlushLocal, now, cycles),
            Act::FlushRemote { from, .. } => return self.whole(cpu, Slice::FlushRemote(from), now, cycles),
            _ => return,
        };
        self.push(at, cpu, what);
    }
}

/// An order that is drawn.
fn drawn(order: &Order) -> Option<OpKind> {
    match order.what {
        What::Op(op) => Some(op.kind).filter(|kind| !matches!(kind, OpKind::Access(_))),
        What::Load(_) | What::Unload => None,
    }
}
