//! Cores that wait for somebody else, and who goes on when.

use std::collections::hash_map::Entry;

use crate::drive::clock::Clock;
use crate::drive::clock::cores::State;
use crate::drive::clock::source::Source;
use crate::nouns::types::{Cpu, FrameNo, Lock};
use crate::step::frame::Wait;

/// What waiters queue for: a read and a write hold of `mmap_lock` end each other's wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum WaitKey {
    /// A lock.
    Lock(Lock),
    /// A folio lock.
    Folio(FrameNo),
    /// Memory to be freed, or put back for others to reclaim.
    Memory,
    /// The swap device.
    Io,
    /// A flag of user space.
    Flag(u8),
}

fn wait_key(wait: Wait) -> Option<WaitKey> {
    Some(match wait {
        Wait::Acks | Wait::Broadcasts | Wait::Sweeps => return None,
        Wait::Lock(lock) => WaitKey::Lock(lock.plain()),
        Wait::Folio(frame) => WaitKey::Folio(frame),
        Wait::Memory => WaitKey::Memory,
        Wait::Io => WaitKey::Io,
        Wait::Flag(flag) => WaitKey::Flag(flag),
    })
}

impl<S: Source> Clock<S> {
    /// Wakes waiters: the first for a PTL, which it is handed; all for anything else.
    pub(super) fn wake(&mut self, key: WaitKey, lock: Option<Lock>, from: Cpu, now: u64) {
        if self.waiters.is_empty() {
            return;
        }
        let Entry::Occupied(mut queue) = self.waiters.entry(key) else {
            return;
        };
        if let Some(Lock::Ptl(table)) = lock {
            let first = queue.get_mut().remove(0);
            if queue.get().is_empty() {
                self.spare_queues.push(queue.remove());
            }
            let order = self.cores[usize::from(first.0)].order;
            let heir = order.expect("a waiter executes an order").task;
            self.world.hand_over(table, heir);
            return self.go_on(first, lock, from, now);
        }
        let mut woken = queue.remove();
        for cpu in woken.drain(..) {
            self.go_on(cpu, lock, from, now);
        }
        self.spare_queues.push(woken);
    }

    /// Who waited for a lock goes on when that has been handed over.
    fn go_on(&mut self, cpu: Cpu, lock: Option<Lock>, from: Cpu, now: u64) {
        let handoff = lock.map_or(0, |lock| self.prices.handoff_cycles(lock, from, cpu));
        self.resume(cpu, now + handoff);
    }

    /// A waiter goes on at this time.
    pub(super) fn resume(&mut self, cpu: Cpu, now: u64) {
        let core = &mut self.cores[usize::from(cpu.0)];
        if let State::Parked(wait) = core.state {
            self.stats.waited(cpu, wait, now.saturating_sub(core.ready), core.ready.max(now));
        }
        core.wake(now);
        self.schedule(cpu);
    }

    /// An interrupt takes a waiter out of its queue; it tries again afterwards.
    pub(super) fn leave_queue(&mut self, cpu: Cpu, wait: Wait) {
        if let Some(key) = wait_key(wait)
            && let Entry::Occupied(mut queue) = self.waiters.entry(key)
        {
            queue.get_mut().retain(|&c| c != cpu);
            if queue.get().is_empty() {
                self.spare_queues.push(queue.remove());
            }
        }
    }

    /// A core joins the queue for this.
    pub(super) fn join_queue(&mut self, cpu: Cpu, wait: Wait) {
        if let Some(key) = wait_key(wait) {
            debug_assert!(!self.waiters.values().flatten().any(|&c| c == cpu), "{cpu:?} waits twice");
            let spare = &mut self.spare_queues;
            self.waiters.entry(key).or_insert_with(|| spare.pop().unwrap_or_default()).push(cpu);
        }
    }
}
