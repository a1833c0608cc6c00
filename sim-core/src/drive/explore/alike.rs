//! Which CPUs of a scenario differ by nothing but their numbers.

use crate::nouns::cpuset::CpuSet;
use crate::nouns::types::Cpu;
use crate::step::era::Protections;
use crate::world::small::{CPUS, Renaming, Scenario};

/// The CPUs of a scenario that are alike.
#[derive(Clone, Debug)]
pub(super) struct Twins {
    /// The first changes nothing.
    pub(super) renamings: Vec<Renaming>,
    /// The lowest and the highest CPU that is like this one.
    extent: [(u16, u16); CPUS],
}

impl Twins {
    pub(super) fn of(scenario: &Scenario, protections: &Protections) -> Twins {
        let mut renamings = scenario.renamings();
        if !protections.mask_complete || !protections.batch_per_task {
            // The mutants pass over the CPU with the highest number, or share the batch of the lowest: more than names.
            renamings.truncate(1);
        }
        let cpus = scenario.programs.len() as u16;
        let extent = std::array::from_fn(|n| {
            let like = |&other: &u16| n < usize::from(cpus) && scenario.alike(Cpu(n as u16), Cpu(other));
            (0..cpus).filter(like).fold((n as u16, n as u16), |(low, high), n| (low.min(n), high.max(n)))
        });
        Twins { renamings, extent }
    }

    /// Are any alike? If every CPU is of its own kind, symmetry changes nothing.
    pub(super) fn any(&self) -> bool {
        self.renamings.len() > 1
    }

    /// Whom of these a CPU may turn to next: nobody has to come before whose kind has higher numbers only.
    pub(super) fn next(&self, of: &CpuSet<1>) -> impl Iterator<Item = Cpu> {
        let extent = |cpu: Cpu| self.extent[usize::from(cpu.0)];
        of.iter().filter(move |&cpu| of.iter().all(|other| extent(other).1 >= extent(cpu).0))
    }
}
