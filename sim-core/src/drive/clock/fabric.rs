//! Broadcast invalidations on the clock: an event source beside the cores.
//!
//! What a CPU has issued is done everywhere at one time, when the last of it is: until then the translations are there.

use std::collections::BTreeSet;

use crate::drive::clock::Clock;
use crate::drive::clock::cores::State;
use crate::drive::clock::source::Source;
use crate::nouns::types::Cpu;
use crate::oracle::Marks;
use crate::step::frame::Wait;
use crate::world::{Request, World};

/// When what each CPU has issued is done.
#[derive(Clone, Debug, Default)]
pub(super) struct Fabric {
    /// By time in cycles, and by CPU; a CPU is there once.
    done_at: BTreeSet<(u64, u16)>,
    /// By CPU.
    of: Vec<Option<u64>>,
    /// By CPU: when its last one is out.
    out_at: Vec<u64>,
}

impl Fabric {
    pub(super) fn new(cpus: u16) -> Fabric {
        Fabric { done_at: BTreeSet::new(), of: vec![None; usize::from(cpus)], out_at: vec![0; usize::from(cpus)] }
    }

    /// When something is done next.
    pub(super) fn next(&self) -> Option<u64> {
        self.done_at.first().map(|&(time, _)| time)
    }

    /// How many other CPUs have something under way.
    fn peers(&self, cpu: Cpu) -> u64 {
        let own = self.of[usize::from(cpu.0)].is_some();
        self.done_at.len() as u64 - u64::from(own)
    }

    fn set(&mut self, cpu: Cpu, time: u64) {
        if let Some(before) = self.of[usize::from(cpu.0)].replace(time) {
            self.done_at.remove(&(before, cpu.0));
        }
        self.done_at.insert((time, cpu.0));
    }

    fn take_first(&mut self) -> Option<Cpu> {
        let (_, cpu) = self.done_at.pop_first()?;
        self.of[usize::from(cpu)] = None;
        Some(Cpu(cpu))
    }
}

impl<S: Source> Clock<S> {
    /// A CPU has issued an invalidation at this time.
    pub(super) fn broadcast(&mut self, cpu: Cpu, request: Request, now: u64) {
        if !self.world.broadcast_pending(cpu) {
            // The only CPU of the machine.
            return;
        }
        let peers = self.fabric.peers(cpu);
        let (occupies, latency) = self.prices.broadcast_cycles(request, peers);
        let out_at = &mut self.fabric.out_at[usize::from(cpu.0)];
        *out_at = (*out_at).max(now) + occupies;
        let before = self.fabric.of[usize::from(cpu.0)].unwrap_or(0);
        let done = before.max(self.fabric.out_at[usize::from(cpu.0)] + latency);
        self.fabric.set(cpu, done);
        self.stats.broadcasts += 1;
        self.schedule_fabric();
    }

    /// What a CPU has issued is done: the translations of all others go, and it goes on if it waited.
    pub(super) fn broadcast_done(&mut self, now: u64) {
        let from = self.fabric.take_first().expect("only what was issued is done");
        for to in (0..self.world.cpus()).map(Cpu) {
            let mut gone = Vec::new();
            self.world.deliver(from, to, &mut |page, entry| gone.push((page, entry)));
            for (page, entry) in gone {
                if !Marks::of(entry).is_clean() {
                    self.stats.window(to, page, None, now);
                }
            }
        }
        if self.cores[usize::from(from.0)].state == State::Parked(Wait::Broadcasts) {
            self.resume(from, now);
        }
        self.schedule_fabric();
    }

    fn schedule_fabric(&mut self) {
        let source = self.fabric_source();
        match self.fabric.next() {
            Some(time) => self.tree.set(source, time),
            None => self.tree.clear(source),
        }
    }

    /// The number of the source after the cores and the swap device.
    pub(super) fn fabric_source(&self) -> u16 {
        self.world.cpus() + 1
    }
}
