//! Cache lines that several CPUs use: who has each, and how long it is on its way.
//!
//! A line is in one place at a time while it is written: a CPU that wants to write one that is on its way to another waits until
//! that one has it. So lines that everybody writes (`mmap_lock`, `tlb_gen`, the call queue of a CPU) cost each CPU more the more
//! CPUs write them, and no number for contention is needed.

use rustc_hash::FxHashMap;

use crate::machine::profile::{Distance, Profile};
use crate::nouns::cpuset::CpuSet;
use crate::nouns::types::{Cpu, Mm, Table};

/// A cache line the model tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum LineId {
    Mmap(Mm),
    /// The lock of its anonymous VMA.
    AnonVma(Mm),
    Ptl(Table),
    /// Eight PTEs of a table.
    Ptes(Table, u64),
    /// A level above, of a table's part of the tree.
    Upper(Table, u8),
    Mask(Mm),
    Words(Mm),
    /// `mm->context.tlb_gen`.
    Gen(Mm),
    /// `mm->tlb_flush_pending`.
    Pending(Mm),
    /// The call-function queue of a CPU.
    Queue(Cpu),
    /// `lruvec->lru_lock`.
    Lru,
    /// A flag of user space.
    Flag(u8),
}

/// Who has a line.
#[derive(Clone, Debug, Default)]
struct Owner {
    /// Who wrote it last.
    writer: Option<Cpu>,
    /// Who has read it since.
    readers: CpuSet<16>,
    /// When its last writer has it, in cycles.
    there_at: u64,
}

/// How a CPU finds a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nobody has touched it yet.
    Untouched,
    /// In its own cache, good for what it wants.
    Own,
    /// With somebody this far away.
    Away(Distance),
}

/// All lines that have been touched.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(FxHashMap<LineId, Owner>);

impl Lines {
    /// Every CPU has its own call queue.
    pub(super) fn with_queues(cpus: u16) -> Lines {
        let mut lines = Lines::default();
        (0..cpus).map(Cpu).for_each(|cpu| lines.hand_over(LineId::Queue(cpu), cpu));
        lines
    }

    /// How a CPU that only reads would find a line.
    pub(super) fn to_read(&self, p: &Profile, cpu: Cpu, id: LineId) -> Found {
        match self.0.get(&id) {
            None => Found::Untouched,
            Some(Owner { writer: Some(writer), readers, .. }) if *writer != cpu && !readers.contains(cpu) => {
                Found::Away(p.distance(writer.0, cpu.0))
            }
            Some(_) => Found::Own,
        }
    }

    /// How one that writes would: the copies of all others have to go, the farthest last.
    fn to_write(&self, p: &Profile, cpu: Cpu, id: LineId) -> Found {
        let Some(owner) = self.0.get(&id) else {
            return Found::Untouched;
        };
        let others = owner.readers.iter().chain(owner.writer).filter(|&other| other != cpu);
        let farthest = others.map(|other| p.distance(other.0, cpu.0)).max();
        farthest.map_or(Found::Own, Found::Away)
    }

    /// Reads a line at `now`. A copy costs `transfer`, and comes no sooner than the last writer has the line; what costs 0
    /// otherwise is left to the caller.
    pub(super) fn read(
        &mut self,
        p: &Profile,
        (cpu, now): (Cpu, u64),
        id: LineId,
        transfer: impl Fn(Distance) -> u64,
    ) -> Option<u64> {
        let found = self.to_read(p, cpu, id);
        let owner = self.0.entry(id).or_default();
        owner.readers.insert(cpu);
        match found {
            Found::Away(distance) => {
                let cycles = owner.there_at.saturating_sub(now) + transfer(distance);
                // The next one is served when this request has been looked up; a copy needs nobody to give anything up.
                owner.there_at = owner.there_at.max(now) + p.cache.llc_cyc.min(transfer(distance));
                Some(cycles)
            }
            Found::Untouched | Found::Own => None,
        }
    }

    /// Writes it, and keeps it for `hold` cycles from when it is there. None: it was the CPU's own.
    pub(super) fn write(
        &mut self,
        p: &Profile,
        (cpu, now): (Cpu, u64),
        id: LineId,
        hold: u64,
        transfer: impl Fn(Distance) -> u64,
    ) -> Option<u64> {
        let found = self.to_write(p, cpu, id);
        let owner = self.0.entry(id).or_default();
        let cycles = match found {
            Found::Away(distance) => Some(owner.there_at.saturating_sub(now) + transfer(distance)),
            Found::Untouched | Found::Own => None,
        };
        *owner = Owner { writer: Some(cpu), readers: CpuSet::EMPTY, there_at: now + cycles.unwrap_or(0) + hold };
        cycles
    }

    /// A line changes hands at a price of its own.
    pub(super) fn hand_over(&mut self, id: LineId, to: Cpu) {
        self.0.insert(id, Owner { writer: Some(to), ..Owner::default() });
    }
}
