//! What is kept of a run as it goes: the last entries of its log, sums over time, lengths of windows.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;
use sim_core::drive::clock::log::{Entry, Happened};
use sim_core::drive::clock::stats::Stats;
use sim_core::oracle::Class;
use sim_core::step::frame::Act;

use crate::moment::{History, Logged};
use crate::run::Run;

/// Entries of the log that are kept.
pub(crate) const ENTRIES: usize = 4096;
/// The width of a slot of the history at first, in cycles.
const WIDTH_CYCLES: u64 = 64;
/// Digits of the lengths of windows: within 1 %.
const DIGITS: u8 = 2;

/// It is part of what a checkpoint holds: a run that was taken back has kept as much as one that came there directly.
#[derive(Clone, Debug)]
pub(crate) struct Follow {
    /// The last entries of the log, oldest first.
    pub(crate) log: VecDeque<Logged>,
    /// The log has all that it would have, had every event been logged.
    pub(crate) whole: bool,
    pub(crate) history: History,
    /// By class: the lengths of the windows that have closed, in cycles.
    pub(crate) closed: BTreeMap<Class, Histogram<u64>>,
    sums: Sums,
}

/// What the history is the differences of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    ipis: u64,
    flush_cycles: u64,
    deferred: u64,
    windows: u64,
    violations: u64,
}

impl Sums {
    fn of(stats: &Stats) -> Sums {
        let (ipis, flush_cycles) = (stats.ipis_sent, stats.cycles.total());
        let violations = stats.violations.values().sum();
        Sums { ipis, flush_cycles, deferred: stats.deferred, windows: stats.windows_opened(), violations }
    }
}

impl Follow {
    pub(crate) fn new() -> Follow {
        Follow {
            log: VecDeque::new(),
            whole: true,
            history: History::new(),
            closed: BTreeMap::new(),
            sums: Sums::default(),
        }
    }

    /// Takes in what was logged of the event that was made last; `seen` hears of each entry.
    pub(crate) fn take(&mut self, run: &mut dyn Run, position: u64, seen: &mut impl FnMut(&Entry)) {
        let (now, finished) = (run.now_cycles(), run.finished());
        let stats = run.stats_mut();
        let mut windows = finished;
        if let Some(mut log) = stats.log.take() {
            for entry in &log {
                match entry.what {
                    Happened::Act(Act::FlushEnd(request), _) if request.mm.is_none() => {
                        stats.potential.lengths_cycles.clear();
                    }
                    Happened::Window(..) => windows = true,
                    Happened::Violation(..) | Happened::Act(..) | Happened::Sweep(_) => {}
                }
                seen(entry);
                if self.log.len() == ENTRIES {
                    self.log.pop_front();
                    self.whole = true;
                }
                self.log.push_back(Logged { position, entry: *entry });
            }
            log.clear();
            stats.log = Some(log);
        }
        if windows {
            self.close(stats);
        }
        self.sum(now, stats);
    }

    /// Makes at most so many events and logs none of them. Returns how many were made. The log is not whole then.
    pub(crate) fn unlogged(&mut self, run: &mut dyn Run, most: u64) -> u64 {
        let mut made = 0;
        // What comes in one slot of the history need not be told apart.
        while made < most
            && let Some(next) = run.next_cycles()
        {
            made += run.unlogged(self.history.end_of_slot(next), most - made);
            self.sum(run.now_cycles(), run.stats());
        }
        if made > 0 {
            self.log.clear();
            self.whole = false;
            let stats = run.stats_mut();
            stats.potential.lengths_cycles.clear();
            self.close(stats);
        }
        made
    }

    /// Adds what has come since it was last asked to the history.
    fn sum(&mut self, now: u64, stats: &Stats) {
        let sums = Sums::of(stats);
        if sums != self.sums {
            self.history.add(now, &self.sums, &sums);
            self.sums = sums;
        }
    }

    /// Takes the lengths of windows that have closed, so that copies of a run stay small.
    fn close(&mut self, stats: &mut Stats) {
        for (&class, windows) in stats.windows.iter_mut().filter(|(_, windows)| !windows.lengths_cycles.is_empty()) {
            let fresh = || Histogram::new(DIGITS).expect("two digits are few enough");
            let closed = self.closed.entry(class).or_insert_with(fresh);
            for length in windows.lengths_cycles.drain(..) {
                closed.record(length).expect("it grows as needed");
            }
        }
    }
}

impl History {
    fn new() -> History {
        let none = Vec::new;
        let (ipis, flush_cycles, deferred, windows, violations) = (none(), none(), none(), none(), none());
        History { width_cycles: WIDTH_CYCLES, ipis, flush_cycles, deferred, windows, violations }
    }

    fn slots(&mut self) -> [&mut Vec<u64>; 5] {
        let History { ipis, flush_cycles, deferred, windows, violations, .. } = self;
        [ipis, flush_cycles, deferred, windows, violations]
    }

    /// When the slot of a time is over, as wide as slots are when that time has come.
    fn end_of_slot(&self, at: u64) -> u64 {
        let mut width = self.width_cycles;
        while at / width >= History::SLOTS as u64 {
            width *= 2;
        }
        (at / width + 1) * width
    }

    /// Adds what came between two sums to the slot of a time, no earlier than those before.
    fn add(&mut self, now: u64, before: &Sums, after: &Sums) {
        let more = [
            after.ipis - before.ipis,
            after.flush_cycles - before.flush_cycles,
            after.deferred - before.deferred,
            after.windows - before.windows,
            after.violations - before.violations,
        ];
        let at = self.reach(now);
        for (slots, more) in self.slots().into_iter().zip(more) {
            slots[at] += more;
        }
    }

    /// Makes slots up to a time. Returns the last.
    fn reach(&mut self, now: u64) -> usize {
        while now / self.width_cycles >= History::SLOTS as u64 {
            self.width_cycles *= 2;
            self.slots().into_iter().for_each(join);
        }
        let at = (now / self.width_cycles) as usize;
        if self.ipis.len() <= at {
            self.slots().into_iter().for_each(|slots| slots.resize(at + 1, 0));
        }
        at
    }

    /// The same with slots up to a time.
    pub(crate) fn until(&self, now: u64) -> History {
        let mut history = self.clone();
        history.reach(now);
        history
    }
}

/// Joins neighbours.
fn join(slots: &mut Vec<u64>) {
    *slots = slots.chunks(2).map(|pair| pair.iter().sum()).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_double_and_nothing_is_lost() {
        let mut history = History::new();
        let mut sums = Sums::default();
        for now in (0..20_000).step_by(7) {
            let (ipis, windows, violations) = (sums.ipis + 1, sums.windows + 2, sums.violations + 3);
            let after = Sums { ipis, windows, violations, ..sums };
            assert!(now < history.end_of_slot(now) && history.end_of_slot(now).is_multiple_of(64));
            history.add(now, &sums, &after);
            assert!(history.end_of_slot(now) <= now + history.width_cycles);
            sums = after;
        }
        assert_eq!(history.width_cycles, 256);
        assert_eq!(history.ipis.len(), 20_000_usize.div_ceil(256));
        assert_eq!(history.ipis.iter().sum::<u64>(), sums.ipis);
        assert_eq!(history.violations.iter().sum::<u64>(), 3 * sums.ipis);
        // Events at 0, 7, 14, .. 252.
        assert_eq!((history.ipis[0], history.windows[0], history.deferred[0]), (37, 74, 0));
    }
}
