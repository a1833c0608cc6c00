//! The loop of the clock: one event after the other, until nothing is left.

use crate::drive::clock::Clock;
use crate::drive::clock::cores::State;
use crate::drive::clock::source::Source;
use crate::nouns::types::Cpu;
use crate::world::World;

impl<S: Source> Clock<S> {
    /// Runs until no core has anything left to do, and what was left to ticks is done. Returns the time of the last step in cycles; ticks
    /// of a core that was done do not count.
    ///
    /// # Panics
    /// If a waiter is never woken or an interrupt never taken.
    pub fn run(&mut self) -> u64 {
        while self.steps(u64::MAX) > 0 {}
        let end = self.end.expect("nothing is left");
        self.stats.finish(end);
        end
    }

    /// Makes one event: what the earliest core, the swap device or a broadcast does next. Without run-ahead each access is one.
    /// False once nothing is left. Windows that are open then stay so: only [`Clock::run`] closes the statistics.
    ///
    /// # Panics
    /// As [`Clock::run`].
    pub fn step(&mut self) -> bool {
        self.steps(1) > 0
    }

    /// Makes at least one event, if any is left, and at most `most`: the next one, then accesses that touch nothing shared. Whatever
    /// is logged is of the last of them. Returns how many were made.
    ///
    /// # Panics
    /// As [`Clock::run`].
    pub fn steps(&mut self, most: u64) -> u64 {
        self.steps_before(u64::MAX, most)
    }

    /// The same with events before a time in cycles only: none, if the next one is later.
    ///
    /// # Panics
    /// As [`Clock::run`].
    pub fn steps_before(&mut self, before_cycles: u64, most: u64) -> u64 {
        if self.end.is_some() || most == 0 {
            return 0;
        }
        let (time, source) = self.tree.min().expect("it would have ended");
        if time >= before_cycles {
            return 0;
        }
        debug_assert!(time >= self.now, "time goes forward: {time} after {}", self.now);
        self.now = time;
        if !self.recent.is_empty() {
            self.recent.forget_before(time);
        }
        let mut made = 1;
        let idle =
            self.ticks.is_some() && self.cores.get(usize::from(source)).is_some_and(|core| core.ticks_idly(time));
        if source < self.world.cpus() {
            self.turn(Cpu(source), time);
            self.schedule_own(Cpu(source));
            self.take_up_left();
            if self.lookahead_cycles.is_none() && !self.stats.has_logged() {
                made += self.one_by_one(before_cycles, most - 1);
            }
        } else if source == self.fabric_source() {
            self.broadcast_done(time);
        } else {
            self.io_completes(time);
        }
        if self.ticks.is_some() && !idle {
            let ready = if source < self.world.cpus() { self.ready_cycles(usize::from(source)) } else { time };
            self.worked_until = self.worked_until.max(ready);
        }
        if self.tree.min().is_none() {
            self.nothing_due();
        }
        made
    }

    /// Orders may have been held for that; else the run is over.
    #[cold]
    fn nothing_due(&mut self) {
        // Whoever ran ahead may have been done later than the last event.
        let last = self.ends_cycles().into_iter().fold(self.now, u64::max);
        self.release_held(last);
        if self.tree.min().is_none() {
            self.assert_finished();
            self.end = Some(if self.ticks.is_some() { self.worked_until } else { last });
        }
    }

    /// Events taken from the tree so far; run-ahead saves them.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Steps of kernel paths made so far. Who is blocked makes none, and user accesses are not of the kernel.
    pub fn kernel_steps(&self) -> u64 {
        self.heard.kernel_steps
    }

    /// Those of them that acted on something shared: the others are made along with the next one that does.
    pub fn kernel_acts(&self) -> u64 {
        self.kernel_acts
    }

    /// When each core did its last step, in cycles.
    pub fn ends_cycles(&self) -> Vec<u64> {
        (0..self.cores.len()).map(|n| self.ready_cycles(n)).collect()
    }

    fn assert_finished(&self) {
        for (n, core) in self.cores.iter().enumerate() {
            assert_eq!(core.state, State::Done, "CPU {n} is left waiting: {core:?}");
            assert_eq!(core.arrival, None, "CPU {n} misses an interrupt");
            let cpu = Cpu(n as u16);
            assert!(!self.world.interrupt_pending(cpu), "CPU {n} leaves a request queued");
            assert!(!self.world.acks_outstanding(cpu), "CPU {n} misses an acknowledgement");
            assert!(!self.world.broadcast_pending(cpu), "CPU {n} has asked for a flush that is not made");
            assert!(!self.world.may_let_go(cpu), "CPU {n} holds frames back");
        }
        assert!(self.waiters.is_empty(), "{:?}", self.waiters);
    }
}
