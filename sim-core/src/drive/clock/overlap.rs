//! Second-level lookups that wait for the host's memory, two of them at a time.
//!
//! The second levels of many cores are more than the nearer caches of the host hold, and a lookup there waits for memory as long as dozens
//! of accesses take. So a core that runs ahead is left at the access that its first level does not serve: the host is asked for what
//! the second level has of the page, other cores have their turns, and then this one goes on, earlier than it would be the earliest.
//! It may, up to the same horizon as ever.

use crate::drive::clock::Clock;
use crate::drive::clock::cores::Looked;
use crate::drive::clock::source::{Access, Source};
use crate::nouns::types::Cpu;
use crate::world::big::Big;

/// TLBs of fewer bytes than this, those of all cores together, are in the caches of the host, as a rule: to leave a core then costs more
/// than it saves. Between 64 cores with 1,536 entries each (2.7 MB), where it saves nothing, and 256 (10.7 MB); at 128 it does at times
/// (docs/speed.md).
const LARGE_BYTES: usize = 4_000_000;

pub(super) fn is_worth_it(world: &Big) -> bool {
    world.tlb_bytes() >= LARGE_BYTES
}

/// Which cores are left.
#[derive(Clone, Debug)]
pub(super) struct Overlap {
    /// Is any, ever?
    pub(super) is_on: bool,
    /// The last one; it may have had a turn since. More than two at a time save no more.
    last: Option<Cpu>,
    /// The one before it, which is to go on.
    due: Option<Cpu>,
}

impl Overlap {
    pub(super) fn new(is_on: bool) -> Overlap {
        Overlap { is_on, last: None, due: None }
    }
}

impl<S: Source> Clock<S> {
    /// Leaves a core at an access that its first level does not serve, which becomes its order.
    #[inline(never)]
    pub(super) fn leave_at(&mut self, cpu: Cpu, access: Access) -> Looked {
        self.world.prefetch_second(cpu, (access.task, access.vpn));
        self.overlap.due = self.overlap.last.replace(cpu).filter(|&before| before != cpu);
        Looked::First
    }

    /// Lets the core go on that was left before the last one. If it is left again, the other one is next.
    #[inline]
    pub(super) fn take_up_left(&mut self) {
        while let Some(cpu) = self.overlap.due.take() {
            if !self.cores[usize::from(cpu.0)].is_left() {
                continue;
            }
            // Two that are alone would be each other's horizon for ever.
            let bound = self.now.saturating_add(self.lookahead_cycles.unwrap_or(0));
            let horizon = self.horizon(cpu, self.now).min(bound);
            if self.cores[usize::from(cpu.0)].ready < horizon {
                self.go_on_left(cpu, horizon);
                self.schedule(cpu);
            }
        }
    }

    /// Makes the access that a core was left at, and those after it that its TLB serves and that begin before its horizon.
    pub(super) fn go_on_left(&mut self, cpu: Cpu, horizon: u64) {
        let core = &self.cores[usize::from(cpu.0)];
        let now = core.ready;
        let is_first = core.stack.is_empty() && [core.arrival, core.tick].iter().flatten().all(|&time| now < time);
        debug_assert!(is_first, "what {core:?} is left at began before its horizon, so that nothing comes first");
        let access = core.order.and_then(|order| order.access()).expect("it was left at an access");
        let Some(cycles) = self.far(cpu, access, now) else {
            self.core(cpu).looked = Looked::Both;
            return;
        };
        let core = self.core(cpu);
        (core.looked, core.order, core.ready) = (Looked::Nowhere, None, now + cycles);
        if now + cycles < horizon {
            self.hits(cpu, horizon);
        }
    }
}
