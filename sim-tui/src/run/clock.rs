//! A workload or a recording on the clock.

use std::sync::Arc;

use sim_core::drive::clock::Clock;
use sim_core::drive::clock::look::Look;
use sim_core::drive::clock::source::Source;
use sim_core::drive::clock::stats::Stats;
use sim_core::nouns::types::{Cpu, Lock};
use sim_core::policy::PolicyInfo;
use sim_core::world::big::Big;

use super::Run;

/// A clock, and what it runs.
#[derive(Clone)]
pub struct ClockRun<S: Source> {
    clock: Clock<S>,
    title: Arc<str>,
    policy: &'static PolicyInfo,
}

impl<S: Source> ClockRun<S> {
    /// A clock at its start.
    pub fn new(mut clock: Clock<S>, title: &str, policy: &'static PolicyInfo) -> ClockRun<S> {
        clock.stats.log = Some(Vec::new());
        ClockRun { clock, title: title.into(), policy }
    }
}

impl<S: Source + Clone + Send + 'static> Run for ClockRun<S> {
    fn steps_before(&mut self, before_cycles: u64, most: u64) -> u64 {
        self.clock.steps_before(before_cycles, most)
    }

    fn now_cycles(&self) -> u64 {
        self.clock.now_cycles()
    }

    fn next_cycles(&self) -> Option<u64> {
        self.clock.next_cycles()
    }

    fn finished(&self) -> bool {
        self.clock.end_cycles().is_some()
    }

    fn world(&self) -> &Big {
        &self.clock.world
    }

    fn stats(&self) -> &Stats {
        &self.clock.stats
    }

    fn stats_mut(&mut self) -> &mut Stats {
        &mut self.clock.stats
    }

    fn looks(&self) -> Vec<Look> {
        (0..self.clock.world.cpus()).map(|cpu| self.clock.look(Cpu(cpu))).collect()
    }

    fn lock_waiters(&self) -> Vec<(Lock, Vec<Cpu>)> {
        self.clock.lock_waiters()
    }

    fn reclaim_cycles(&self) -> u64 {
        self.clock.source.reclaim_cycles() + self.clock.stats.pressure.reclaim_cycles()
    }

    fn title(&self) -> &str {
        &self.title
    }

    fn policy(&self) -> &'static PolicyInfo {
        self.policy
    }

    fn boxed_clone(&self) -> Box<dyn Run> {
        Box::new(self.clone())
    }
}
