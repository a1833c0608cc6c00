//! What LATR costs: a record where others find it, and their sweeps.
//!
//! A CPU has a ring of records, each a line of its own, and a count of them, one more. A sweep reads the count of every other CPU: a
//! copy of its own, if nothing is new. What is new it reads line by line; for each record that names it, it flushes and takes itself
//! off the mask in it.

use crate::drive::clock::price::Prices;
use crate::drive::clock::price::lines::LineId;
use crate::nouns::types::{Cpu, Span};
use crate::world::Request;
use crate::world::big::{Big, RECORDS_MAX, Record};

/// How far each CPU has come in the records of each other one.
#[derive(Clone, Debug, Default)]
pub(super) struct Looked {
    cpus: usize,
    /// By who looks, then by who has made them.
    seen: Vec<u64>,
}

impl Looked {
    pub(super) fn new(cpus: u16) -> Looked {
        Looked { cpus: usize::from(cpus), seen: Vec::new() }
    }

    /// What is new to a CPU; it is not any more.
    fn take(&mut self, cpu: Cpu, from: Cpu, made: u64) -> std::ops::Range<u64> {
        // There are none where no policy leaves anything to others.
        self.seen.resize(self.cpus * self.cpus, 0);
        let seen = std::mem::replace(&mut self.seen[usize::from(cpu.0) * self.cpus + usize::from(from.0)], made);
        seen.max(made.saturating_sub(RECORDS_MAX))..made
    }
}

impl Prices {
    /// The CPU writes its last record and counts it, and flushes its own TLB. Where nobody else is to flush there is no record.
    pub(super) fn record(&mut self, cpu: (Cpu, u64), request: Request, world: &Big) -> u64 {
        let own = self.flush_of_record(request.span);
        let left = world.records(cpu.0).next_back().map(|record| record.number);
        let Some(number) = left.filter(|number| number + 1 == world.records_made(cpu.0)) else { return own };
        let (who, mut now) = cpu;
        now += self.write((who, now), LineId::Record(who, place(number)));
        now += self.write((who, now), LineId::Records(who));
        now - cpu.1 + own
    }

    /// A CPU looks for what another one has left to it, and reads what is new.
    pub(in crate::drive::clock) fn look_for_records(&mut self, cpu: (Cpu, u64), from: Cpu, world: &Big) -> u64 {
        let mut cycles = self.read(cpu, LineId::Records(from));
        for number in self.looked.take(cpu.0, from, world.records_made(from)) {
            cycles += self.read((cpu.0, cpu.1 + cycles), LineId::Record(from, place(number)));
        }
        self.slowed(cpu.0, cycles)
    }

    /// It flushes for one record and takes itself off its mask.
    pub(in crate::drive::clock) fn sweep_record(&mut self, cpu: (Cpu, u64), from: Cpu, record: &Record) -> u64 {
        let flushed = self.flush_of_record(Some(record.span));
        let masked = self.write((cpu.0, cpu.1 + flushed), LineId::Record(from, place(record.number)));
        self.slowed(cpu.0, flushed + masked)
    }

    /// A record names its pages however many they are.
    fn flush_of_record(&self, span: Option<Span>) -> u64 {
        self.invalidations(span.filter(|span| span.pages <= self.ceiling_pages))
    }
}

/// Its place in the ring.
fn place(number: u64) -> u8 {
    (number % RECORDS_MAX) as u8
}
