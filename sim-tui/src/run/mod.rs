//! Runs that are made event by event: one file a kind.

mod clock;
mod witness;

pub use clock::ClockRun;
pub use witness::WitnessRun;

use sim_core::drive::clock::look::Look;
use sim_core::drive::clock::stats::Stats;
use sim_core::nouns::types::{Cpu, Lock, Page};
use sim_core::policy::PolicyInfo;
use sim_core::world::World;
use sim_core::world::big::Big;

/// A run under way. It is the same run each time: whoever makes as many events finds the same state.
pub trait Run: Send {
    /// Makes at least one event, if any is left, and at most `most`. What is in the log afterwards is of the last of them. Returns
    /// how many were made.
    fn steps(&mut self, most: u64) -> u64 {
        self.steps_before(u64::MAX, most)
    }

    /// The same with events before a time in cycles only: none, if the next one is later.
    fn steps_before(&mut self, before_cycles: u64, most: u64) -> u64;

    /// Makes at most so many events before a time, in cycles, and logs none of them. Returns how many were made.
    fn unlogged(&mut self, before_cycles: u64, most: u64) -> u64 {
        let log = self.stats_mut().log.take();
        let mut made = 0;
        while made < most {
            let more = self.steps_before(before_cycles, most - made);
            if more == 0 {
                break;
            }
            made += more;
        }
        self.stats_mut().log = log;
        made
    }

    /// The time of the last event, in cycles.
    fn now_cycles(&self) -> u64;

    /// The time of the next one; none: nothing is left.
    fn next_cycles(&self) -> Option<u64>;

    /// Is nothing left? Windows that are open then stay so.
    fn finished(&self) -> bool;

    /// The machine and the kernel.
    fn world(&self) -> &Big;

    /// What was measured.
    fn stats(&self) -> &Stats;

    /// The same, to take what was logged out of it.
    fn stats_mut(&mut self) -> &mut Stats;

    /// A look at each core.
    fn looks(&self) -> Vec<Look>;

    /// Cores that wait for locks, by the lock itself ([`Lock::plain`]): in the order in which they came, where that is known.
    fn lock_waiters(&self) -> Vec<(Lock, Vec<Cpu>)>;

    /// Reclaim cycles, as `mmusim compare` counts them.
    fn reclaim_cycles(&self) -> u64;

    /// What runs, on one line.
    fn title(&self) -> &str;

    /// The policy.
    fn policy(&self) -> &'static PolicyInfo;

    /// The name of a page: its address space, and its number there in hexadecimal.
    fn page_name(&self, page: Page) -> String {
        let world = self.world();
        format!("{}:{:#x}", world.mm_of(page).0, world.vpn(page))
    }

    /// A copy that goes on by itself.
    fn boxed_clone(&self) -> Box<dyn Run>;
}
