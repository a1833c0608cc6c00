//! Pending checks, and the reclaim cycles they pay for.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::nouns::types::{Cpu, Mm};

/// Which reclaim cycle each pending check pays for: the last one that had set the pending state of the address space when the
/// check read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycles {
    /// Pending checks made, whatever they found.
    pub checks: u64,
    /// Pending checks that found a flush pending, by the policy's own words and before anything was flushed.
    pub found: u64,
    /// Flushes of pending checks by reclaim cycle; a cycle that has begun and cost none is there with 0.
    extra: BTreeMap<u64, u64>,
    /// By CPU: the cycle of the order under way.
    under_way: Vec<Option<u64>>,
    /// By CPU: the cycle a check under way pays for, if it has to flush.
    owed: Vec<Option<u64>>,
    set_by: FxHashMap<Mm, u64>,
    /// By CPU: how many cycles began there that no order is for.
    own: Vec<u64>,
}

/// Sets such cycles apart from those that orders number.
const OWN: u64 = 1 << 63;

impl Cycles {
    pub(super) fn new(cpus: u16) -> Cycles {
        let none = vec![None; usize::from(cpus)];
        Cycles {
            checks: 0,
            found: 0,
            extra: BTreeMap::new(),
            under_way: none.clone(),
            owed: none,
            set_by: FxHashMap::default(),
            own: vec![0; usize::from(cpus)],
        }
    }

    /// Reclaim cycles that have begun.
    pub fn begun(&self) -> u64 {
        self.extra.len() as u64
    }

    /// How many of the cycles that have begun cost how many flushes of pending checks.
    pub fn by_extra(&self) -> BTreeMap<u64, u64> {
        let mut cycles = BTreeMap::new();
        for &extra in self.extra.values() {
            *cycles.entry(extra).or_default() += 1;
        }
        cycles
    }

    /// An order begins on a CPU, maybe one of a cycle.
    pub(super) fn begin(&mut self, cpu: Cpu, cycle: Option<u64>) {
        self.under_way[usize::from(cpu.0)] = cycle;
        if let Some(cycle) = cycle {
            self.extra.entry(cycle).or_default();
        }
    }

    /// A cycle begins that no order is for: kswapd is woken, or a task reclaims for its own allocation. Its number must not
    /// depend on what other CPUs do.
    pub(super) fn begin_own(&mut self, cpu: Cpu) {
        let own = &mut self.own[usize::from(cpu.0)];
        *own += 1;
        let cycle = OWN | u64::from(cpu.0) << 40 | *own;
        self.begin(cpu, Some(cycle));
    }

    /// Reclaim touches the pending state after a clear. Only now can a check find it: a cycle that has cleared a PTE and not
    /// come this far has no part in a check made meanwhile under another page table.
    pub(super) fn set(&mut self, cpu: Cpu, mm: Mm) {
        if let Some(cycle) = self.under_way[usize::from(cpu.0)] {
            self.set_by.insert(mm, cycle);
        }
    }

    /// A check reads the pending state.
    pub(super) fn checked(&mut self, cpu: Cpu, mm: Mm, found: bool) {
        self.checks += 1;
        self.found += u64::from(found);
        self.owed[usize::from(cpu.0)] = self.set_by.get(&mm).copied();
    }

    /// It flushes.
    pub(super) fn paid(&mut self, cpu: Cpu) {
        if let Some(cycle) = self.owed[usize::from(cpu.0)] {
            *self.extra.entry(cycle).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECLAIM: [Cpu; 2] = [Cpu(0), Cpu(1)];
    const CALLER: Cpu = Cpu(2);

    #[test]
    fn a_check_pays_for_the_last_cycle_that_set_the_state_before_it_read() {
        let mut cycles = Cycles::new(3);
        cycles.begin(RECLAIM[0], Some(7));
        cycles.begin(RECLAIM[1], Some(8));
        cycles.set(RECLAIM[0], Mm(0));
        cycles.checked(CALLER, Mm(0), true);
        // Between the read and the flush.
        cycles.set(RECLAIM[1], Mm(0));
        cycles.paid(CALLER);
        assert_eq!(cycles.extra, BTreeMap::from([(7, 1), (8, 0)]));
        cycles.checked(CALLER, Mm(0), true);
        cycles.paid(CALLER);
        cycles.checked(CALLER, Mm(0), false);
        assert_eq!(cycles.extra, BTreeMap::from([(7, 1), (8, 1)]));
        assert_eq!((cycles.checks, cycles.found), (3, 2));
        assert_eq!(cycles.by_extra(), BTreeMap::from([(1, 2)]));
    }

    #[test]
    fn the_orders_of_a_cycle_count_once_and_address_spaces_are_apart() {
        let mut cycles = Cycles::new(3);
        for _ in 0..3 {
            cycles.begin(RECLAIM[0], Some(1));
            cycles.set(RECLAIM[0], Mm(0));
            cycles.begin(RECLAIM[0], None);
        }
        cycles.begin(RECLAIM[0], Some(2));
        cycles.set(RECLAIM[0], Mm(1));
        for _ in 0..2 {
            cycles.checked(CALLER, Mm(0), true);
            cycles.paid(CALLER);
        }
        assert_eq!(cycles.begun(), 2);
        assert_eq!(cycles.by_extra(), BTreeMap::from([(0, 1), (2, 1)]));
    }
}
