//! Steps by the places that they looked at, among what the CPUs share: a few of many, and where states agree in these, a step does the
//! same, whatever the rest is. Which places does not have to be told: the world notes every look and every write.
//!
//! What a step looks at next may depend on what it has seen, so what counts is all that any step of the same CPU in the same
//! situation has looked at so far. That grows, and nothing that is kept becomes wrong by it: it was right for every state that agrees in
//! fewer places.

use super::memo::{Faced, Faces, LEFT_OUT, Table};
use super::parts::Parts as Rows;
use super::race::Parts;
use super::visited::digest;
use super::{Effect, Interner, Successor};
use crate::world::small::{CPUS, SHARED_WORDS};

/// Steps at most, and kinds of steps; then it starts afresh.
const MOST: usize = 1 << 18;

/// What steps of a kind have looked at: CPUs, a bit each, and what they share.
type Looks = (u8, [u64; SHARED_WORDS]);

/// What a step looked at and what it wrote to, as bits of the words of what the CPUs share.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) looked: Vec<u64>,
    pub(super) written: Vec<u64>,
}

/// What a step did that was not disabled.
#[derive(Clone, Copy, Debug)]
struct Did {
    /// The CPU that took it.
    own: u32,
    /// The number of what it wrote to what the CPUs share.
    wrote: u32,
    faced: Faced,
    effect: Effect,
}

/// Steps, by all that they depend on.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// By the CPU and the code of the step.
    looks: Table<[u32; 2], Looks>,
    /// The CPU and the code, the faces of those it looked at, and the words of what they share, with nothing in all other places.
    keys: Rows,
    /// By the number of the key, with the CPUs that it looked at.
    did: Vec<(u8, Option<Did>)>,
    provisional: Vec<u32>,
    /// Bits written to, then what was written.
    writes: Rows,
    /// What the CPUs share, after a write.
    changed: Table<[u32; 2], u32>,
    row: Vec<u64>,
}

impl Steps {
    /// Where a move leads, and which CPUs it looks at, if that is known; nowhere if it is disabled.
    pub(super) fn find(
        &mut self,
        key: &Parts,
        (cpu, code): (usize, u32),
        faces: &mut Faces,
        parts: &mut Interner<'_>,
    ) -> Option<(u8, Option<Successor<Parts>>)> {
        let looks = self.looks.find(&[key[1 + cpu], code])?;
        self.key_of(key, (cpu, code), looks, faces, parts);
        let n = self.keys.find(&self.row, digest(&self.row))?;
        let (saw, did) = self.did[n as usize];
        let Some(Did { own, wrote, faced, effect }) = did else { return Some((saw, None)) };
        let mut to = *key;
        to[0] = self.write(key[0], wrote, parts);
        to[1 + cpu] = own;
        for (part, face) in to[1..].iter_mut().zip(faced) {
            if face != LEFT_OUT {
                *part = faces.change(*part, face, parts);
            }
        }
        Some((saw, Some(Successor { key: to, effect })))
    }

    /// Keeps where a move led.
    pub(super) fn keep(
        &mut self,
        key: &Parts,
        (cpu, code, saw): (usize, u32, u8),
        notes: &Notes,
        took: Option<Successor<Parts>>,
        (faces, parts): (&mut Faces, &Interner<'_>),
    ) {
        // All at once: a key means nothing without what was looked at.
        if self.did.len() >= MOST || self.looks.rows.len() >= MOST {
            *self = Steps::default();
        }
        let kind = [key[1 + cpu], code];
        let (mut seen, mut looked) =
            self.looks.find(&kind).map_or((0, [0; SHARED_WORDS]), |row| self.looks.rows[row].1);
        seen |= saw;
        looked.iter_mut().zip(&notes.looked).for_each(|(all, bits)| *all |= bits);
        let looks = self.looks.keep(kind, (seen, looked), false);
        self.key_of(key, (cpu, code), looks, faces, parts);
        let did = took.map(|Successor { key: to, effect }| Did {
            own: to[1 + cpu],
            wrote: self.wrote([key[0], to[0]], notes, parts),
            faced: faces.faced(key, &to, cpu, parts),
            effect,
        });
        let new = self.did.len() as u32;
        let n = self.keys.number(&self.row, digest(&self.row));
        assert!(n == new, "only what cannot be found is kept");
        self.did.push((saw, did));
        if did.is_some_and(|did| parts.provisional(did.own)) {
            self.provisional.push(n);
        }
    }

    /// Puts together what a step depends on that looks at as much as this row says.
    fn key_of(
        &mut self,
        key: &Parts,
        (cpu, code): (usize, u32),
        looks: usize,
        faces: &mut Faces,
        parts: &Interner<'_>,
    ) {
        let (saw, looked) = &self.looks.rows[looks].1;
        self.row.clear();
        self.row.push(u64::from(key[1 + cpu]) | u64::from(code) << 32 | u64::from(*saw) << 40);
        let others = (0..CPUS).filter(|&n| n != cpu && saw >> n & 1 != 0);
        self.row.extend(others.map(|n| u64::from(faces.of(key[1 + n], parts))));
        self.row.extend(parts.part(key[0]).iter().zip(looked).map(|(word, bits)| word & bits));
    }

    /// The number of what a step wrote that led from one to the other.
    fn wrote(&mut self, [before, after]: [u32; 2], notes: &Notes, parts: &Interner<'_>) -> u32 {
        let (before, after) = (parts.part(before), parts.part(after));
        // A bit that was looked at is known before, and if it stayed as it was, nothing has to be written.
        let same =
            before.iter().zip(after).zip(&notes.looked).map(|((before, after), looked)| looked & !(before ^ after));
        let mut row: Vec<u64> = notes.written.iter().zip(same).map(|(written, same)| written & !same).collect();
        if row.iter().all(|&bits| bits == 0) {
            return LEFT_OUT;
        }
        row.extend_from_within(..);
        row[after.len()..].iter_mut().zip(after).for_each(|(bits, after)| *bits &= after);
        self.writes.number(&row, digest(&row))
    }

    /// What the CPUs share, after it was written to.
    fn write(&mut self, shared: u32, wrote: u32, parts: &mut Interner<'_>) -> u32 {
        if wrote == LEFT_OUT {
            return shared;
        }
        let key = [shared, wrote];
        if let Some(row) = self.changed.find(&key) {
            return self.changed.rows[row].1;
        }
        let mut row = std::mem::take(&mut parts.row);
        let (written, values) = self.writes.row(wrote).split_at(parts.part(shared).len());
        let words = parts.part(shared).iter().zip(written.iter().zip(values));
        row.extend(words.map(|(word, (bits, value))| word & !bits | value));
        parts.row = row;
        let changed = parts.number_row();
        self.changed.keep(key, changed, parts.provisional(changed));
        changed
    }

    pub(super) fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        for n in self.provisional.drain(..) {
            if let Some(did) = &mut self.did[n as usize].1 {
                did.own = new(did.own);
            }
        }
        self.changed.renumber(|part| *part = new(*part));
    }
}
