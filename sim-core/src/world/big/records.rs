//! What munmap leaves to other CPUs under LATR: a ring of records a CPU, each with those that have not swept it yet.

use std::collections::VecDeque;

use super::{Big, Cpu, Cpus, Entry, Mm, Page, Span, World};

/// Records that a CPU can have under way: the ring of LATR has so many states.
pub const RECORDS_MAX: u64 = 64;

/// A flush that was left to other CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// How many the CPU had made before it.
    pub number: u64,
    /// Of which address space.
    pub mm: Mm,
    /// Of which pages.
    pub span: Span,
    left_to: Cpus,
}

impl Record {
    /// Has a CPU not swept it yet?
    pub fn is_left_to(&self, cpu: Cpu) -> bool {
        self.left_to.contains(cpu)
    }
}

/// The ring of a CPU.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    /// Those that somebody has yet to sweep, the oldest first.
    pub(super) active: VecDeque<Record>,
    made: u64,
    /// How many records of others are left to this CPU.
    asked: u32,
}

impl Ring {
    /// Is the place of the next one free?
    pub(super) fn has_room(&self) -> bool {
        self.active.front().is_none_or(|oldest| self.made - oldest.number < RECORDS_MAX)
    }
}

impl Big {
    /// The records of a CPU that somebody has yet to sweep, the oldest first.
    pub fn records(&self, from: Cpu) -> impl DoubleEndedIterator<Item = &Record> {
        self.cpus[usize::from(from.0)].records.active.iter()
    }

    /// How many records a CPU has made.
    pub fn records_made(&self, from: Cpu) -> u64 {
        self.cpus[usize::from(from.0)].records.made
    }

    /// Has a CPU something to sweep?
    pub fn is_asked(&self, cpu: Cpu) -> bool {
        self.cpus[usize::from(cpu.0)].records.asked > 0
    }

    pub(super) fn leave_to_others(&mut self, from: Cpu, mm: Mm, span: Span) {
        let state = &mut self.mms[usize::from(mm.0)];
        let (before, mask) = (state.tlb_gen, state.mask);
        // Who is in the mask is told; who is not, and has been, learns by the generation that it has missed something.
        state.tlb_gen += 1;
        for cpu in mask.iter() {
            let seen = self.cpus[usize::from(cpu.0)].gens.entry(mm.0).or_insert(0);
            *seen += u64::from(*seen == before);
        }
        let mut left_to = mask;
        left_to.remove(from);
        if left_to.is_empty() {
            return;
        }
        for cpu in left_to.iter() {
            self.cpus[usize::from(cpu.0)].records.asked += 1;
        }
        let ring = &mut self.cpus[usize::from(from.0)].records;
        ring.active.push_back(Record { number: ring.made, mm, span, left_to });
        ring.made += 1;
    }

    /// Makes the flushes that one CPU has left to another; false if there are none.
    pub(super) fn sweep(&mut self, from: Cpu, to: Cpu, gone: &mut dyn FnMut(Page, Entry)) -> bool {
        let ring = &mut self.cpus[usize::from(from.0)].records;
        let mut swept = Vec::new();
        for record in ring.active.iter_mut().filter(|record| record.left_to.contains(to)) {
            record.left_to.remove(to);
            swept.push((record.mm, record.span));
        }
        ring.active.retain(|record| !record.left_to.is_empty());
        self.cpus[usize::from(to.0)].records.asked -= swept.len() as u32;
        for &what in &swept {
            self.tlb_drop(to, what, gone);
        }
        !swept.is_empty()
    }
}
