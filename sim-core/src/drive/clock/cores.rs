//! One core under the clock: when it goes on, and what it is in the middle of.

use crate::drive::clock::source::{Access, Order};
use crate::drive::engine::Stack;
use crate::step::frame::{Path, Wait};

/// What a core is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Its next step or order is due at `ready`.
    #[default]
    Running,
    /// Nothing to do before `ready`: user code without effect here, or a recorded time that has not come.
    Idle {
        /// When it began, in cycles: no interrupt is taken sooner.
        since: u64,
        /// When the user code ends; an interrupt delays it.
        worked: u64,
        /// The recorded time, which does not move.
        not_before: u64,
    },
    /// Waits for somebody else.
    Parked(Wait),
    /// Has an order that may not begin yet.
    Held,
    /// No orders left. It still takes interrupts.
    Done,
}

/// The state to go back to after an interrupt.
#[derive(Clone, Copy, Debug)]
struct Interrupted {
    state: State,
    at: u64,
}

/// Which levels of its TLB a core has looked an access up in, without one that serves it. No other than this core can change that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Looked {
    #[default]
    Nowhere,
    /// In the first: there it is left, with nothing before the access ([`super::overlap`]).
    First,
    /// In both.
    Both,
}

impl Looked {
    /// In both, unless there is work before the access: until then others may change that.
    pub(super) fn in_both(access: Access) -> Looked {
        if access.work == 0 { Looked::Both } else { Looked::Nowhere }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Core {
    pub(super) stack: Stack,
    pub(super) state: State,
    /// When the core goes on, in cycles. Of a free core the clock knows better ([`super::Clock::take_up`]).
    pub(super) ready: u64,
    /// When the interrupt sent to it arrives, in cycles; at most one is under way.
    pub(super) arrival: Option<u64>,
    /// When it ticks next, in cycles; none: there is nothing for it to do then.
    pub(super) tick: Option<u64>,
    /// When its last tick was over.
    pub(super) ticked: u64,
    /// In a tick: the CPU at which its sweep goes on.
    pub(super) sweeps_from: Option<u16>,
    pub(super) order: Option<Order>,
    /// Of its order, if that is an access.
    pub(super) looked: Looked,
    interrupted: Option<Interrupted>,
}

impl Core {
    /// A core that has not begun, and when it ticks first.
    pub(super) fn ticking(tick: Option<u64>) -> Core {
        Core { tick, ..Core::default() }
    }

    /// Is it left at an access?
    #[inline]
    pub(super) fn is_left(&self) -> bool {
        self.looked == Looked::First
    }

    /// Is it in an interrupt?
    #[inline]
    pub(super) fn in_interrupt(&self) -> bool {
        debug_assert_eq!(self.interrupted.is_some(), self.stack.in_interrupt());
        self.interrupted.is_some()
    }

    /// When something next happens on this core.
    #[inline]
    pub(super) fn next_event(&self) -> Option<u64> {
        match self.state {
            State::Running => Some(self.ready),
            State::Idle { since, .. } => {
                Some(self.interrupted_at().map_or(self.ready, |a| a.max(since).min(self.ready)))
            }
            State::Parked(_) | State::Held | State::Done => self.interrupted_at().map(|a| a.max(self.ready)),
        }
    }

    /// When the next interrupt or tick comes, if it can be taken then.
    #[inline]
    fn interrupted_at(&self) -> Option<u64> {
        let first = match self.tick {
            Some(tick) => Some(self.arrival.map_or(tick, |arrival| arrival.min(tick))),
            None => self.arrival,
        };
        first.filter(|_| !self.stack.irqs_off())
    }

    /// Has it nothing to do, and nothing on its way to it? Then its next order is due at `ready`.
    #[inline]
    pub(super) fn is_free(&self) -> bool {
        let nothing = self.order.is_none() && self.stack.is_empty() && self.arrival.is_none();
        self.state == State::Running && nothing && self.tick.is_none_or(|tick| self.ready < tick)
    }

    /// Does it do something, and not wait for anybody else?
    #[inline]
    pub(super) fn may_run(&self) -> bool {
        matches!(self.state, State::Running | State::Idle { .. })
    }

    /// Is there nothing that it does at this time, nor spins for? If it is in no user code either, the CPU is idle.
    pub(super) fn rests(&self, time: u64) -> bool {
        match self.state {
            State::Running => false,
            State::Idle { worked, .. } => worked <= time,
            // `folio_lock()`, `io_schedule()` and the wait for memory sleep; locks are spun for as long as their owners run.
            State::Parked(wait) => matches!(wait, Wait::Folio(_) | Wait::Io | Wait::Memory),
            State::Held | State::Done => true,
        }
    }

    /// When what it is doing now began.
    pub(super) fn began(&self) -> u64 {
        match self.state {
            State::Idle { since, .. } => since,
            _ => self.ready,
        }
    }

    /// Has an interrupt arrived that can be taken at this time?
    #[inline]
    pub(super) fn interrupt_due(&self, time: u64) -> bool {
        self.arrival.is_some_and(|a| a <= time) && !self.stack.irqs_off()
    }

    /// Has a tick come that can be taken at this time?
    #[inline]
    pub(super) fn tick_due(&self, time: u64) -> bool {
        self.tick.is_some_and(|tick| tick <= time) && !self.stack.irqs_off()
    }

    /// Is what it does at this time a tick, and nothing left to do besides?
    pub(super) fn ticks_idly(&self, time: u64) -> bool {
        match self.interrupted {
            Some(before) => before.state == State::Done && self.stack.frames().iter().any(|f| f.path == Path::Held),
            None => self.state == State::Done && !self.interrupt_due(time),
        }
    }

    /// Takes an interrupt at this time. Returns what the core was waiting for, and for how many cycles.
    pub(super) fn enter_interrupt(&mut self, time: u64) -> Option<(Wait, u64)> {
        debug_assert!(self.began() <= time, "time goes forward on a core: {self:?} at {time}");
        self.interrupted = Some(Interrupted { state: self.state, at: time });
        let parked = match self.state {
            State::Parked(wait) => Some((wait, time - self.ready)),
            _ => None,
        };
        self.state = State::Running;
        self.ready = time;
        parked
    }

    /// The interrupt is done: go on where it came.
    pub(super) fn leave_interrupt(&mut self) {
        let before = self.interrupted.take().expect("an interrupt was entered");
        let now = self.ready;
        match before.state {
            // A waiter looks again at once: what it waited for may have come meanwhile.
            State::Running | State::Parked(_) | State::Held => {}
            State::Idle { worked, not_before, .. } => {
                self.idle(now, now + worked.saturating_sub(before.at), not_before);
            }
            State::Done => self.state = State::Done,
        }
    }

    /// Waits for the time of an order.
    pub(super) fn wait_for(&mut self, order: &Order, now: u64) {
        self.idle(now, now + order.work, order.not_before);
    }

    #[inline]
    fn idle(&mut self, since: u64, worked: u64, not_before: u64) {
        self.ready = worked.max(not_before).max(since);
        if self.ready > since {
            self.state = State::Idle { since, worked, not_before };
        }
    }

    /// Pauses in the middle of an operation; interrupts are taken meanwhile.
    pub(super) fn pause_until(&mut self, not_before: u64) {
        self.idle(self.ready, 0, not_before);
    }

    /// Waits for somebody else.
    pub(super) fn park(&mut self, wait: Wait) {
        self.state = State::Parked(wait);
    }

    /// What it waited for has come.
    pub(super) fn wake(&mut self, now: u64) {
        debug_assert!(matches!(self.state, State::Parked(_) | State::Held), "only a waiter is woken: {self:?}");
        self.state = State::Running;
        self.ready = self.ready.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nouns::types::{FrameNo, Lock, Table};

    #[test]
    fn a_held_core_asks_again_after_an_interrupt() {
        // What it was held for may have been done meanwhile, when nobody could ask it.
        let mut core = Core { state: State::Held, arrival: Some(5), ..Core::default() };
        assert!(core.interrupt_due(5));
        core.enter_interrupt(5);
        core.leave_interrupt();
        assert_eq!(core.state, State::Running);
        assert_eq!(core.next_event(), Some(5));
    }

    #[test]
    fn who_waits_without_spinning_rests() {
        let rests = |state| Core { state, ..Core::default() }.rests(10);
        let working = |worked| State::Idle { since: 0, worked, not_before: 99 };
        for state in [State::Held, State::Done, working(10), State::Parked(Wait::Io), State::Parked(Wait::Memory)] {
            assert!(rests(state), "{state:?}");
        }
        assert!(rests(State::Parked(Wait::Folio(FrameNo(0)))));
        let lock = State::Parked(Wait::Lock(Lock::Ptl(Table(0))));
        for state in [State::Running, working(11), lock, State::Parked(Wait::Acks)] {
            assert!(!rests(state), "{state:?}");
        }
    }
}
