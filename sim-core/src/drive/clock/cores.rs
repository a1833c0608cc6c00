//! One core under the clock: when it goes on, and what it is in the middle of.

use crate::drive::clock::source::Order;
use crate::drive::engine::Stack;
use crate::kernel::frame::Wait;

/// What a core is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Its next step or order is due at `ready`.
    #[default]
    Running,
    /// Nothing to do before `ready`: user code without effect here (`work`), or a recorded time that has not come.
    Idle {
        /// Cycles of work left; an interrupt delays them. None: waiting for a time, which does not move.
        work: bool,
        /// When it became idle: an interrupt that came before that is taken then.
        since: u64,
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
    ready: u64,
    at: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Core {
    pub(super) stack: Stack,
    pub(super) state: State,
    /// When the core goes on, in cycles.
    pub(super) ready: u64,
    /// When the interrupt sent to it arrives, in cycles; at most one is under way.
    pub(super) arrival: Option<u64>,
    pub(super) order: Option<Order>,
    interrupted: Option<Interrupted>,
}

impl Core {
    /// When something next happens on this core.
    pub(super) fn next_event(&self) -> Option<u64> {
        let arrival = self.arrival.filter(|_| !self.stack.in_interrupt());
        match self.state {
            State::Running => Some(self.ready),
            State::Idle { since, .. } => Some(arrival.map_or(self.ready, |a| a.max(since).min(self.ready))),
            State::Parked(_) | State::Held | State::Done => arrival.map(|a| a.max(self.ready)),
        }
    }

    /// Has an interrupt arrived that can be taken at this time?
    pub(super) fn interrupt_due(&self, time: u64) -> bool {
        !self.stack.in_interrupt() && self.arrival.is_some_and(|a| a <= time)
    }

    /// Takes the interrupt at this time. Returns what the core was waiting for, and for how many cycles.
    pub(super) fn enter_interrupt(&mut self, time: u64) -> Option<(Wait, u64)> {
        self.arrival = None;
        self.interrupted = Some(Interrupted {
            state: self.state,
            ready: self.ready,
            at: time,
        });
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
            State::Running | State::Parked(_) => {}
            State::Idle { work, .. } => {
                self.state = State::Idle { work, since: now };
                let left = before.ready - before.at;
                self.ready = if work { now + left } else { before.ready.max(now) };
            }
            State::Held | State::Done => self.state = before.state,
        }
    }

    /// Waits for the time of an order.
    pub(super) fn wait_for(&mut self, order: Order, now: u64) {
        let worked = now + order.work;
        self.ready = worked.max(order.not_before);
        if self.ready > now {
            self.state = State::Idle {
                work: worked >= order.not_before,
                since: now,
            };
        }
    }

    /// Pauses in the middle of an operation; interrupts are taken meanwhile.
    pub(super) fn pause_until(&mut self, not_before: u64) {
        if not_before > self.ready {
            self.state = State::Idle {
                work: false,
                since: self.ready,
            };
            self.ready = not_before;
        }
    }

    /// Waits for somebody else.
    pub(super) fn park(&mut self, wait: Wait) {
        self.state = State::Parked(wait);
    }

    /// What it waited for has come.
    pub(super) fn wake(&mut self, now: u64) {
        self.state = State::Running;
        self.ready = self.ready.max(now);
    }
}
