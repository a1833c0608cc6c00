//! Cores that wait for somebody else, and who goes on when.

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

/// Who waits for what, longest first. Few things are waited for at a time: to look through them takes less than a hash of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Queues {
    /// None is empty.
    queues: Vec<(WaitKey, Vec<Cpu>)>,
    /// Empty ones, for use again.
    spare: Vec<Vec<Cpu>>,
}

impl Queues {
    /// Does nobody wait?
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Who waits for this.
    pub(super) fn of(&self, key: WaitKey) -> &[Cpu] {
        self.place(key).map_or(&[], |at| &self.queues[at].1)
    }

    #[inline]
    fn place(&self, key: WaitKey) -> Option<usize> {
        self.queues.iter().position(|(other, _)| *other == key)
    }

    fn join(&mut self, key: WaitKey, cpu: Cpu) {
        debug_assert!(self.queues.iter().all(|(_, queue)| !queue.contains(&cpu)), "{cpu:?} waits twice");
        let at = self.place(key).unwrap_or_else(|| {
            self.queues.push((key, self.spare.pop().unwrap_or_default()));
            self.queues.len() - 1
        });
        self.queues[at].1.push(cpu);
    }

    fn leave(&mut self, key: WaitKey, cpu: Cpu) {
        if let Some(at) = self.place(key) {
            self.queues[at].1.retain(|&other| other != cpu);
            self.drop_empty(at);
        }
    }

    fn take_first(&mut self, key: WaitKey) -> Option<Cpu> {
        let at = self.place(key)?;
        let first = self.queues[at].1.remove(0);
        self.drop_empty(at);
        Some(first)
    }

    fn take_all(&mut self, key: WaitKey) -> Option<Vec<Cpu>> {
        let at = self.place(key)?;
        Some(self.queues.swap_remove(at).1)
    }

    /// A queue that has been taken and emptied.
    fn give_back(&mut self, queue: Vec<Cpu>) {
        debug_assert!(queue.is_empty());
        self.spare.push(queue);
    }

    fn drop_empty(&mut self, at: usize) {
        if self.queues[at].1.is_empty() {
            let (_, queue) = self.queues.swap_remove(at);
            self.give_back(queue);
        }
    }
}

impl<S: Source> Clock<S> {
    /// Wakes waiters: the first for a PTL, which it is handed; all for anything else.
    pub(super) fn wake(&mut self, key: WaitKey, lock: Option<Lock>, from: Cpu, now: u64) {
        if self.waiters.is_empty() {
            return;
        }
        if let Some(Lock::Ptl(table)) = lock {
            if let Some(first) = self.waiters.take_first(key) {
                let order = self.cores[usize::from(first.0)].order;
                let heir = order.expect("a waiter executes an order").task;
                self.world.hand_over(table, heir);
                self.hand_over(first, lock, from, now);
            }
        } else if let Some(mut woken) = self.waiters.take_all(key) {
            for cpu in woken.drain(..) {
                self.hand_over(cpu, lock, from, now);
            }
            self.waiters.give_back(woken);
        }
    }

    /// Who waited goes on: for a lock, when that has been handed over.
    fn hand_over(&mut self, cpu: Cpu, lock: Option<Lock>, from: Cpu, now: u64) {
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
        if let Some(key) = wait_key(wait) {
            self.waiters.leave(key, cpu);
        }
    }

    /// A core joins the queue for this.
    pub(super) fn join_queue(&mut self, cpu: Cpu, wait: Wait) {
        if let Some(key) = wait_key(wait) {
            self.waiters.join(key, cpu);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_first_in_first_out_and_gone_when_nobody_is_left() {
        let (memory, io) = (WaitKey::Memory, WaitKey::Io);
        let mut queues = Queues::default();
        for (key, cpu) in [(memory, 3), (io, 1), (memory, 2), (memory, 5)] {
            queues.join(key, Cpu(cpu));
        }
        assert_eq!((queues.of(memory), queues.of(io)), (&[Cpu(3), Cpu(2), Cpu(5)][..], &[Cpu(1)][..]));
        queues.leave(memory, Cpu(2));
        queues.leave(io, Cpu(9));
        assert_eq!(queues.take_first(memory), Some(Cpu(3)));
        assert_eq!(queues.take_first(memory), Some(Cpu(5)));
        assert_eq!((queues.take_first(memory), queues.of(io)), (None, &[Cpu(1)][..]));
        queues.leave(io, Cpu(1));
        assert!(queues.is_empty());
        queues.join(io, Cpu(4));
        queues.join(memory, Cpu(6));
        queues.join(memory, Cpu(0));
        assert_eq!(queues.take_all(memory), Some(vec![Cpu(6), Cpu(0)]));
        assert_eq!((queues.take_all(memory), queues.of(io)), (None, &[Cpu(4)][..]));
    }
}
