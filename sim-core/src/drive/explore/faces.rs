//! The faces of CPUs: what others can see of each, numbered by a worker; and the tables it keeps by such numbers.

use super::Interner;
use super::node::Parts;
use super::visited::{Key, Slots, digest};
use crate::world::small::{CPU_WORDS, CPUS};

/// In place of the number of a part.
pub(super) const LEFT_OUT: u32 = u32::MAX;

/// Rows at most in a table; then it starts afresh.
const MOST: usize = 1 << 20;

/// The faces that a step gave to other CPUs.
pub(super) type Faced = [u32; CPUS];

/// What other CPUs can see of a CPU, numbered.
#[derive(Debug, Default)]
pub(super) struct Faces {
    slots: Slots,
    rows: Vec<[u64; CPU_WORDS]>,
    /// By the number of the part.
    of_parts: Vec<Option<u32>>,
    /// The part with another face, by part and face.
    changed: Table<[u32; 2], u32>,
}

impl Faces {
    /// The face of a CPU.
    #[inline]
    pub(super) fn of(&mut self, part: u32, parts: &Interner<'_>) -> u32 {
        match self.of_parts.get(part as usize) {
            Some(&Some(face)) => face,
            _ => self.number(part, parts),
        }
    }

    #[cold]
    fn number(&mut self, part: u32, parts: &Interner<'_>) -> u32 {
        let row = *parts.part(part).first_chunk().expect("a CPU has more words");
        let Faces { slots, rows, .. } = self;
        let new = rows.len() as u32;
        let digest_of = |face: u32| digest(&rows[face as usize]);
        let known = slots.find_or_insert(digest(&row), new, |face| rows[face as usize] == row, digest_of);
        let face = known.unwrap_or_else(|| {
            self.rows.push(row);
            new
        });
        // Numbers that only this worker knows change when its batch is taken in.
        if !parts.provisional(part) {
            put(&mut self.of_parts, part, face);
        }
        face
    }

    /// The same CPU on the same path, with another face.
    #[inline]
    pub(super) fn change(&mut self, part: u32, face: u32, parts: &mut Interner<'_>) -> u32 {
        let key = [part, face];
        if let Some(row) = self.changed.find(&key) {
            return self.changed.rows[row].1;
        }
        let mut row = std::mem::take(&mut parts.row);
        row.extend_from_slice(&self.rows[face as usize]);
        row.extend_from_slice(&parts.part(part)[CPU_WORDS..]);
        parts.row = row;
        let changed = parts.number_row();
        self.changed.keep(key, changed, parts.provisional(changed));
        changed
    }

    pub(super) fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        self.changed.renumber(|part| *part = new(*part));
    }

    /// The faces that a step of this CPU gave to others.
    pub(super) fn faced(&mut self, from: &Parts, to: &Parts, cpu: usize, parts: &Interner<'_>) -> Faced {
        std::array::from_fn(|n| {
            let changed = n != cpu && to[1 + n] != from[1 + n];
            if changed { self.of(to[1 + n], parts) } else { LEFT_OUT }
        })
    }
}

/// Values by keys.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    slots: Slots,
    pub(super) rows: Vec<(K, V)>,
    /// Rows with provisional numbers.
    provisional: Vec<u32>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { slots: Slots::default(), rows: Vec::new(), provisional: Vec::new() }
    }
}

impl<K: Key, V: Copy> Table<K, V> {
    #[inline]
    pub(super) fn find(&self, key: &K) -> Option<usize> {
        self.slots.find(key.digest(), |n| self.rows[n as usize].0 == *key).map(|n| n as usize)
    }

    pub(super) fn keep(&mut self, key: K, value: V, provisional: bool) {
        if self.rows.len() == MOST {
            *self = Table::default();
        }
        let n = self.find(&key).unwrap_or_else(|| {
            let rows = &self.rows;
            self.slots.insert(key.digest(), rows.len() as u32, |n| rows[n as usize].0.digest());
            self.rows.push((key, value));
            self.rows.len() - 1
        });
        self.rows[n].1 = value;
        if provisional {
            self.provisional.push(n as u32);
        }
    }

    /// Gives new numbers in place of the provisional ones.
    pub(super) fn renumber(&mut self, new: impl Fn(&mut V)) {
        for n in self.provisional.drain(..) {
            new(&mut self.rows[n as usize].1);
        }
    }
}

/// Puts a value at its number, with room for those before it.
pub(super) fn put<T: Clone>(all: &mut Vec<Option<T>>, part: u32, value: T) {
    if all.len() <= part as usize {
        all.resize(part as usize + 1, None);
    }
    all[part as usize] = Some(value);
}
