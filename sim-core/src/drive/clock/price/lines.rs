//! Cache lines that several CPUs use: who has each, and how long it is on its way.
//!
//! A line is in one place at a time while it is written: a CPU that wants to write one that is on its way to another waits until
//! that one has it. So lines that everybody writes (`mmap_lock`, `tlb_gen`, the call queue of a CPU) cost each CPU more the more
//! CPUs write them, and no number for contention is needed. The first who reads a line takes it from its writer; once it is there,
//! all others have their copies at once: a cache answers a request every few cycles (a slice of Intel's last level 32 bytes a cycle, so a
//! line every two; recalled, with medium confidence), however long an answer is on its way.

use crate::machine::profile::{Distance, Places, Profile};
use crate::nouns::cpuset::Crowds;
use crate::nouns::types::{Cpu, Mm, Table};
use crate::world::big::RECORDS_MAX;

/// Lines of one page table: of eight PTEs each.
pub(super) const PTE_LINES: usize = 64;
/// Levels above it.
const UPPER_LINES: usize = 3;

/// A cache line the model tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum LineId {
    Mmap(Mm),
    /// The lock of its anonymous VMA.
    AnonVma(Mm),
    Ptl(Table),
    /// Eight PTEs of a table: which of its lines.
    Ptes(Table, u8),
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
    /// How many records a CPU has made for others to sweep.
    Records(Cpu),
    /// One of them, by its place in the ring.
    Record(Cpu, u8),
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
    /// When its last writer has it, or the first who read it since, in cycles.
    there_at: u64,
    /// Has another one read it since?
    copied: bool,
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

/// Nobody has touched the line.
const UNTOUCHED: u32 = u32::MAX;
const OF_MM: usize = 6;
const OF_TABLE: usize = 1 + UPPER_LINES + PTE_LINES;
const OF_RING: usize = 1 + RECORDS_MAX as usize;

/// All lines that have been touched.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    places: Places,
    owners: Vec<Owner>,
    /// By owner: who else has read the line since. Nobody, if it is not copied.
    readers: Crowds,
    /// Where the owner of each line is: by what there is any number of, then by line.
    of_mms: Vec<[u32; OF_MM]>,
    of_tables: Vec<[u32; OF_TABLE]>,
    of_cpus: Vec<[u32; 1]>,
    of_rings: Vec<[u32; OF_RING]>,
    /// Of the whole machine.
    others: Vec<[u32; 1]>,
}

impl Lines {
    /// Every CPU has its own call queue.
    pub(super) fn with_queues(profile: &Profile, cpus: u16) -> Lines {
        let mut lines = Lines {
            places: Places::new(profile),
            owners: Vec::new(),
            readers: Crowds::new(cpus),
            of_mms: Vec::new(),
            of_tables: Vec::new(),
            of_cpus: Vec::new(),
            of_rings: Vec::new(),
            others: Vec::new(),
        };
        (0..cpus).map(Cpu).for_each(|cpu| lines.hand_over(LineId::Queue(cpu), cpu));
        lines
    }

    /// How far one CPU is from another.
    #[inline]
    pub(super) fn distance(&self, from: Cpu, to: Cpu) -> Distance {
        self.places.distance(from.0, to.0)
    }

    fn slot(&mut self, id: LineId) -> &mut u32 {
        match id {
            LineId::Mmap(mm) => row(&mut self.of_mms, mm.0, 0),
            LineId::AnonVma(mm) => row(&mut self.of_mms, mm.0, 1),
            LineId::Mask(mm) => row(&mut self.of_mms, mm.0, 2),
            LineId::Words(mm) => row(&mut self.of_mms, mm.0, 3),
            LineId::Gen(mm) => row(&mut self.of_mms, mm.0, 4),
            LineId::Pending(mm) => row(&mut self.of_mms, mm.0, 5),
            LineId::Ptl(table) => row(&mut self.of_tables, table.0, 0),
            LineId::Upper(table, level) => row(&mut self.of_tables, table.0, 1 + usize::from(level)),
            LineId::Ptes(table, line) => row(&mut self.of_tables, table.0, 1 + UPPER_LINES + usize::from(line)),
            LineId::Queue(cpu) => row(&mut self.of_cpus, cpu.0, 0),
            LineId::Records(cpu) => row(&mut self.of_rings, cpu.0, 0),
            LineId::Record(cpu, place) => row(&mut self.of_rings, cpu.0, 1 + usize::from(place)),
            LineId::Lru => row(&mut self.others, 0_u16, 0),
            LineId::Flag(flag) => row(&mut self.others, 1 + u16::from(flag), 0),
        }
    }

    /// The owner of a line, by number, and whether somebody has touched it before.
    #[inline]
    fn owner(&mut self, id: LineId) -> (u32, bool) {
        match *self.slot(id) {
            UNTOUCHED => (self.new_owner(id), false),
            at => (at, true),
        }
    }

    #[cold]
    fn new_owner(&mut self, id: LineId) -> u32 {
        let fresh = self.owners.len() as u32;
        *self.slot(id) = fresh;
        self.owners.push(Owner::default());
        self.readers.push();
        fresh
    }

    /// Reads a line at `now`. A copy costs `transfer`, and is sent no sooner than the last writer has the line and its first reader a
    /// copy; what costs 0 otherwise is left to the caller. And how the line was found.
    pub(super) fn find(
        &mut self,
        (cpu, now): (Cpu, u64),
        id: LineId,
        transfer: impl Fn(Distance) -> u64,
    ) -> (Found, Option<u64>) {
        let (at, touched) = self.owner(id);
        let owner = &mut self.owners[at as usize];
        if owner.writer == Some(cpu) || owner.copied && self.readers.contains(at, cpu) {
            return (Found::Own, None);
        }
        let first = !std::mem::replace(&mut owner.copied, true);
        self.readers.insert(at, cpu);
        let Some(writer) = owner.writer else {
            return (if touched { Found::Own } else { Found::Untouched }, None);
        };
        let distance = self.places.distance(writer.0, cpu.0);
        let cycles = owner.there_at.saturating_sub(now) + transfer(distance);
        if first {
            owner.there_at = now + cycles;
        }
        (Found::Away(distance), Some(cycles))
    }

    /// The price alone.
    #[inline]
    pub(super) fn read(&mut self, cpu: (Cpu, u64), id: LineId, transfer: impl Fn(Distance) -> u64) -> Option<u64> {
        self.find(cpu, id, transfer).1
    }

    /// Writes it, and keeps it for `hold` cycles from when it is there: the copies of all others have to go, the farthest last. None:
    /// it was the CPU's own.
    pub(super) fn write(
        &mut self,
        (cpu, now): (Cpu, u64),
        id: LineId,
        hold: u64,
        transfer: impl Fn(Distance) -> u64,
    ) -> Option<u64> {
        let (at, _) = self.owner(id);
        let owner = &self.owners[at as usize];
        let farthest = match owner.writer {
            _ if owner.copied => self.call_in(at, cpu),
            Some(writer) if writer != cpu => Some(self.places.distance(writer.0, cpu.0)),
            _ => None,
        };
        let owner = &mut self.owners[at as usize];
        let cycles = farthest.map(|far| owner.there_at.saturating_sub(now) + transfer(far));
        *owner = Owner { writer: Some(cpu), there_at: now + cycles.unwrap_or(0) + hold, copied: false };
        cycles
    }

    /// A line changes hands at a price of its own.
    pub(super) fn hand_over(&mut self, id: LineId, to: Cpu) {
        let (at, _) = self.owner(id);
        self.owners[at as usize] = Owner { writer: Some(to), there_at: 0, copied: false };
        self.readers.clear(at);
    }

    /// All copies of a line go. Returns how far the farthest of all others who had it is from a CPU.
    #[inline(never)]
    fn call_in(&mut self, at: u32, cpu: Cpu) -> Option<Distance> {
        let distance = |other: Cpu| self.places.distance(other.0, cpu.0);
        let mut farthest = self.owners[at as usize].writer.filter(|&writer| writer != cpu).map(distance);
        let mut from = 0;
        while farthest != Some(self.places.farthest)
            && let Some(reader) = self.readers.next_from(at, from)
        {
            from = reader.0 + 1;
            if reader != cpu {
                farthest = farthest.max(Some(distance(reader)));
            }
        }
        self.readers.clear(at);
        farthest
    }
}

#[inline]
fn row<const N: usize>(rows: &mut Vec<[u32; N]>, at: impl Into<u32>, line: usize) -> &mut u32 {
    let at = at.into() as usize;
    if at >= rows.len() {
        add_rows(rows, at + 1);
    }
    &mut rows[at][line]
}

#[cold]
#[inline(never)]
fn add_rows<const N: usize>(rows: &mut Vec<[u32; N]>, length: usize) {
    rows.resize(length, [UNTOUCHED; N]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::prime_profile;

    #[test]
    fn a_lock_that_is_ones_own_is_held_for_as_long_as_any() {
        let mut lines = Lines::with_queues(&prime_profile(), 2);
        let (hold, transfer) = (100, |_| 7);
        assert_eq!(lines.write((Cpu(0), 0), LineId::Lru, hold, transfer), None);
        assert_eq!(lines.write((Cpu(0), 500), LineId::Lru, hold, transfer), None);
        assert_eq!(lines.write((Cpu(1), 530), LineId::Lru, hold, transfer), Some(70 + 7));
        // A copy of it has to go first, and who has none pays for one.
        assert_eq!(lines.read((Cpu(0), 1_000), LineId::Lru, transfer), Some(7));
        assert_eq!(lines.read((Cpu(0), 1_100), LineId::Lru, transfer), None);
        assert_eq!(lines.write((Cpu(1), 2_000), LineId::Lru, 0, transfer), Some(7));
        assert_eq!(lines.write((Cpu(1), 2_100), LineId::Lru, 0, transfer), None);
    }

    #[test]
    fn a_write_takes_all_copies_away_for_good() {
        let mut lines = Lines::with_queues(&prime_profile(), 4);
        let transfer = |_| 7;
        let read = |lines: &mut Lines, cpu, now| lines.read((Cpu(cpu), now), LineId::Lru, transfer);
        assert_eq!(lines.write((Cpu(0), 0), LineId::Lru, 0, transfer), None);
        assert_eq!([1, 2, 1].map(|cpu| read(&mut lines, cpu, 1_000)), [Some(7), Some(14), None]);
        assert_eq!(lines.write((Cpu(0), 2_000), LineId::Lru, 0, transfer), Some(7));
        // The first reader fetches it from the writer, the others wait for that and not for each other.
        assert_eq!([3, 2, 1].map(|cpu| read(&mut lines, cpu, 3_000)), [Some(7), Some(14), Some(14)]);
        assert_eq!(read(&mut lines, 0, 4_000), None);
    }
}
