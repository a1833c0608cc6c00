//! Scheduler ticks on the clock, where a policy leaves flushes to them.
//!
//! All CPUs tick at the same times, the multiples of the period, as Linux does unless it is started with `skew_tick=1`. What a tick
//! does under every policy is no cost here: only the sweep is. A CPU that waits or has nothing to do ticks when something is left to
//! it, or when it has something to let go: its other ticks would find nothing.

use crate::drive::clock::Clock;
use crate::drive::clock::cores::{Core, State};
use crate::drive::clock::source::Source;
use crate::nouns::types::Cpu;
use crate::oracle::Marks;
use crate::step::frame::{Frame, Path, Wait};
use crate::world::World;

/// When CPUs tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticks {
    pub(super) period_cycles: u64,
}

impl Ticks {
    /// The first tick after a time, in cycles.
    pub(super) fn after(self, time: u64) -> u64 {
        (time / self.period_cycles + 1) * self.period_cycles
    }

    /// The first at a time or after it.
    pub(super) fn from(self, time: u64) -> u64 {
        time.next_multiple_of(self.period_cycles)
    }
}

impl Core {
    /// Says when it ticks next, if it is to tick from a time on; a tick that is overdue stays so.
    fn wind(&mut self, wanted: Option<(Ticks, u64)>) {
        self.tick = wanted.map(|(ticks, since)| {
            let next = || ticks.from(since).max(ticks.after(self.ticked));
            self.tick.unwrap_or_else(next)
        });
    }
}

impl<S: Source> Clock<S> {
    /// Says when a core ticks next, if there is anything for it to do then.
    #[inline]
    pub(super) fn wind(&mut self, cpu: Cpu) {
        if let Some(ticks) = self.ticks {
            self.wind_since(cpu, ticks, self.now);
        }
    }

    /// The same, where what there is to do is there from this time on.
    fn wind_since(&mut self, cpu: Cpu, ticks: Ticks, time: u64) {
        let core = &self.cores[usize::from(cpu.0)];
        if core.in_interrupt() {
            return;
        }
        let busy = core.may_run();
        let wanted = busy || self.world.is_asked(cpu) || self.world.may_let_go(cpu);
        let since = if busy { core.began().max(time) } else { time };
        self.core(cpu).wind(if wanted { Some((ticks, since)) } else { None });
    }

    /// The tick of a core: it sweeps what others have left to it, then lets go of what it has held back.
    pub(super) fn tick(&mut self, cpu: Cpu, time: u64) {
        self.nest(cpu, time, Frame::new(Path::Held));
        let core = self.core(cpu);
        (core.tick, core.sweeps_from) = (None, Some(0));
        self.stats.tick(cpu, time);
        self.sweep_on(cpu);
    }

    /// Sweeps up to and including the next CPU that has left something.
    pub(super) fn sweep_on(&mut self, cpu: Cpu) {
        let core = self.core(cpu);
        let (first, mut now) = (core.sweeps_from.expect("a sweep is under way"), core.ready);
        let mut next = None;
        for from in (first..self.world.cpus()).map(Cpu).filter(|&from| from != cpu) {
            let (at, found) = self.sweep(cpu, from, now);
            now = at;
            if found {
                next = Some(from.0 + 1);
                break;
            }
        }
        let core = self.core(cpu);
        (core.ready, core.sweeps_from) = (now, next);
    }

    /// The whole of it at once, in a switch of address spaces.
    pub(super) fn sweep_all(&mut self, cpu: Cpu) {
        if self.ticks.is_none() {
            return;
        }
        let mut now = self.core(cpu).ready;
        for from in (0..self.world.cpus()).map(Cpu).filter(|&from| from != cpu) {
            (now, _) = self.sweep(cpu, from, now);
        }
        self.core(cpu).ready = now;
        self.stats.sweeps += 1;
    }

    /// Makes the flushes that one CPU has left to another. Returns when that is done, and whether there were any.
    fn sweep(&mut self, cpu: Cpu, from: Cpu, now: u64) -> (u64, bool) {
        let looked = self.prices.look_for_records((cpu, now), from, &self.world);
        let mut end = now + looked;
        let left: Vec<_> = self.world.records(from).filter(|record| record.is_left_to(cpu)).copied().collect();
        for record in &left {
            end += self.prices.sweep_record((cpu, end), from, record);
        }
        self.stats.swept(cpu, from, left.len() as u64, (end, end - now));
        if left.is_empty() {
            return (end, false);
        }
        let records = self.world.records(from).count();
        let mut gone = Vec::new();
        self.world.deliver(from, cpu, &mut |page, entry| gone.push((page, entry)));
        for (page, entry) in gone {
            if !Marks::of(entry).is_clean() {
                self.stats.window(cpu, page, None, now);
            }
        }
        if self.world.records(from).count() < records {
            self.swept(from, end);
        }
        (end, true)
    }

    /// All have swept some record of a CPU: it may let go of what it has held back, and whoever waits for addresses looks again.
    fn swept(&mut self, from: Cpu, now: u64) {
        if let Some(ticks) = self.ticks
            && self.world.may_let_go(from)
        {
            self.take_up(from);
            self.wind_since(from, ticks, now);
            self.schedule(from);
        }
        for waiter in (0..self.world.cpus()).map(Cpu) {
            if self.core(waiter).state == State::Parked(Wait::Sweeps) {
                self.resume(waiter, now);
            }
        }
    }

    /// A CPU has left a flush to others, some of whom may have nothing else to do.
    pub(super) fn left_to_others(&mut self) {
        for cpu in (0..self.world.cpus()).map(Cpu) {
            if !self.core(cpu).may_run() {
                self.schedule(cpu);
            }
        }
    }
}
