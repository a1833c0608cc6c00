//! CPUs that differ by nothing but their numbers, and a state with other numbers for them.

use super::{CPUS, MMS, PAGES, Scenario, Small};
use crate::nouns::cpuset::CpuSet;
use crate::nouns::types::{Cpu, Page, Task};

/// The new number of each CPU.
pub(crate) type Renaming = [u8; CPUS];

impl Scenario {
    /// Do two CPUs run the same program, in the same address space, with the same translations cached at the start? Nothing
    /// else tells a CPU from another: operations name pages.
    pub(crate) fn alike(&self, a: Cpu, b: Cpu) -> bool {
        let program = |cpu: Cpu| &self.programs[usize::from(cpu.0)];
        let holds = |cpu: Cpu, page: u8| {
            let page = Page(u32::from(page));
            let cached = self.cached.iter().find(|cached| (cached.cpu, cached.page) == (cpu, page));
            cached.map(|cached| (cached.writable, cached.dirty))
        };
        program(a) == program(b)
            && self.home(a) == self.home(b)
            && (0..self.all_pages()).all(|page| holds(a, page) == holds(b, page))
    }

    /// Every way to exchange the numbers of CPUs that are alike. The first changes nothing.
    pub(crate) fn renamings(&self) -> Vec<Renaming> {
        let mut all = vec![std::array::from_fn(|n| n as u8)];
        let cpus = (0..self.programs.len() as u16).map(Cpu);
        for b in cpus {
            let earlier: Vec<_> = (0..b.0).map(Cpu).filter(|&a| self.alike(a, b)).collect();
            // Each way so far, and the same after this CPU has changed places with one before it.
            for n in 0..all.len() {
                let way: Renaming = all[n];
                all.extend(earlier.iter().map(|a| {
                    let mut way = way;
                    way.swap(usize::from(a.0), usize::from(b.0));
                    way
                }));
            }
        }
        all
    }
}

fn cpu(cpu: Cpu, to: Renaming) -> Cpu {
    Cpu(u16::from(to[usize::from(cpu.0)]))
}

fn cpus(set: &mut CpuSet<1>, to: Renaming) {
    let renamed = set.iter().fold(0, |word, n| word | 1 << to[usize::from(n.0)]);
    *set = CpuSet::from_words([renamed]);
}

impl Small<'_> {
    /// Renames CPUs in what they share.
    pub(crate) fn rename_shared(&mut self, to: Renaming) {
        let shared = &mut self.shared;
        for n in 0..PAGES {
            let emptier = shared.emptier.at(n);
            *emptier = emptier.map(|task| Task(cpu(Cpu(task.0), to).0));
            let owner = shared.ptl.at(n);
            *owner = owner.map(|owner| cpu(owner, to));
        }
        for n in 0..MMS {
            let writer = shared.mmap_writer.at(n);
            *writer = writer.map(|writer| cpu(writer, to));
            cpus(shared.mmap_readers.at(n), to);
            cpus(shared.mask.at(n), to);
        }
    }

    /// Renames CPUs in what one CPU knows; it stays in its place.
    pub(crate) fn rename_cpu(&mut self, n: usize, to: Renaming) {
        let state = &mut *self.cpus[n];
        let sets =
            [&mut state.batch_mask, &mut state.targets, &mut state.waiting, &mut state.queued, &mut state.serving];
        for set in sets {
            cpus(set, to);
        }
        let issued = state.issued;
        for (n, pages) in issued.into_iter().enumerate() {
            state.issued[usize::from(to[n])] = pages;
        }
    }

    /// Whom a CPU has not told yet of the shootdown it has under way.
    pub(crate) fn targets(&mut self, cpu: Cpu) -> &mut CpuSet<1> {
        &mut self.cpu(cpu).targets
    }

    /// Whom a CPU serves in its interrupt.
    pub(crate) fn serving(&mut self, cpu: Cpu) -> &mut CpuSet<1> {
        &mut self.cpu(cpu).serving
    }

    /// The same, looked at only.
    pub(crate) fn targets_and_serving(&self, cpu: Cpu) -> (CpuSet<1>, CpuSet<1>) {
        let state = &self.cpus[usize::from(cpu.0)];
        (state.targets, state.serving)
    }
}
