//! Second-level lookups that wait for the host's memory, a few of them at a time.
//!
//! The second levels of many cores are more than the nearer caches of the host hold, and a lookup there waits for memory as long as dozens
//! of accesses take. So a core that runs ahead is left at the access that its first level does not serve: the host is asked for what
//! the second level has of the page, other cores have their turns, and then this one goes on, earlier than it would be the earliest.
//! It may, up to the same horizon as ever.

use std::collections::VecDeque;

use crate::drive::clock::Clock;
use crate::drive::clock::cores::Looked;
use crate::drive::clock::source::{Access, Source};
use crate::nouns::types::Cpu;
use crate::world::big::Big;

/// Cores that are left at a time: more of them save no more.
const LEFT_MAX: usize = 2;

/// TLBs of fewer bytes than this, those of all cores together, are in a nearer cache of the host: to leave a core then costs more than it
/// saves. Between 64 cores with 1,536 entries each (2.7 MB), where it makes no difference, and 128 (5.3 MB), where it begins to
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
    /// In the order in which they were; some may have had a turn since.
    left: VecDeque<Cpu>,
}

impl Overlap {
    pub(super) fn new(is_on: bool) -> Overlap {
        Overlap { is_on, left: VecDeque::new() }
    }
}

impl<S: Source> Clock<S> {
    /// Leaves a core at an access that its first level does not serve, which becomes its order.
    #[inline(never)]
    pub(super) fn leave_at(&mut self, cpu: Cpu, access: Access) -> Looked {
        self.world.prefetch_second(cpu, (access.task, access.vpn));
        self.overlap.left.push_back(cpu);
        Looked::First
    }

    /// Lets the core that was left first go on, while as many are left as may be.
    #[inline]
    pub(super) fn take_up_left(&mut self) {
        while self.overlap.left.len() >= LEFT_MAX
            && let Some(cpu) = self.overlap.left.pop_front()
        {
            if self.cores[usize::from(cpu.0)].is_left() {
                self.go_on_left(cpu, self.now);
                self.schedule(cpu);
            }
        }
    }

    /// Makes the access that a core was left at, and those after it that its TLB serves and that begin before its horizon, at the time of an
    /// event.
    pub(super) fn go_on_left(&mut self, cpu: Cpu, time: u64) {
        let horizon = self.horizon(cpu, time);
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
        self.ask_held(now + cycles);
        if now + cycles < horizon {
            self.hits(cpu, horizon);
        }
    }
}
