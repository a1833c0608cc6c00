//! A witness: an interleaving that is given.

use std::sync::Arc;

use sim_core::drive::clock::along::{Along, Unplayable};
use sim_core::drive::clock::look::{Doing, Look};
use sim_core::drive::clock::stats::Stats;
use sim_core::nouns::types::{Cpu, Lock, Page};
use sim_core::policy::PolicyInfo;
use sim_core::step::frame::Wait;
use sim_core::world::big::Big;

use super::Run;

/// The moves of a witness; each is an event.
#[derive(Clone)]
pub struct WitnessRun {
    along: Along,
    title: Arc<str>,
    policy: &'static PolicyInfo,
}

impl WitnessRun {
    /// Moves at their start.
    ///
    /// # Errors
    /// If one of them cannot be made.
    pub fn new(mut along: Along, title: &str, policy: &'static PolicyInfo) -> Result<WitnessRun, Unplayable> {
        // There are few: one that cannot be made is found here, and not on the way.
        let mut aside = along.clone();
        while aside.step()?.is_some() {}
        along.stats.log = Some(Vec::new());
        Ok(WitnessRun { along, title: title.into(), policy })
    }
}

impl Run for WitnessRun {
    fn steps_before(&mut self, before_cycles: u64, most: u64) -> u64 {
        if most == 0 || self.along.next_cycles().is_some_and(|next| next >= before_cycles) {
            return 0;
        }
        let made = self.along.step().expect("all moves have been made once");
        u64::from(made.is_some())
    }

    fn now_cycles(&self) -> u64 {
        self.along.now_cycles()
    }

    fn next_cycles(&self) -> Option<u64> {
        self.along.next_cycles()
    }

    fn finished(&self) -> bool {
        self.along.end_cycles().is_some()
    }

    fn world(&self) -> &Big {
        self.along.world()
    }

    fn stats(&self) -> &Stats {
        &self.along.stats
    }

    fn stats_mut(&mut self) -> &mut Stats {
        &mut self.along.stats
    }

    fn looks(&self) -> Vec<Look> {
        (0..self.along.world().cpus()).map(|cpu| self.along.look(Cpu(cpu))).collect()
    }

    fn lock_waiters(&self) -> Vec<(Lock, Vec<Cpu>)> {
        let waits = |(cpu, look): (u16, Look)| match look.doing {
            Doing::Waiting(Wait::Lock(lock)) => Some((lock.plain(), Cpu(cpu))),
            _ => None,
        };
        let mut waiting: Vec<_> = (0..).zip(self.looks()).filter_map(waits).collect();
        waiting.sort_unstable();
        waiting.chunk_by(|a, b| a.0 == b.0).map(|w| (w[0].0, w.iter().map(|&(_, cpu)| cpu).collect())).collect()
    }

    fn reclaim_cycles(&self) -> u64 {
        self.along.reclaims_done()
    }

    fn title(&self) -> &str {
        &self.title
    }

    fn policy(&self) -> &'static PolicyInfo {
        self.policy
    }

    fn page_name(&self, page: Page) -> String {
        self.along.scenario().page_name(page)
    }

    fn boxed_clone(&self) -> Box<dyn Run> {
        Box::new(self.clone())
    }
}
