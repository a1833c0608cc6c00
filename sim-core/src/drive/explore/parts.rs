//! Parts of states, each stored once and numbered: most transitions change one or two parts, and a state is a few numbers.
//!
//! Numbers are equal if and only if the words are, so a key made of them is as exact as the words themselves.

use super::visited::{Slots, digest};

/// Rows of words, numbered in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    words: Vec<u64>,
    /// Where each row ends in `words`.
    ends: Vec<u32>,
    slots: Slots,
}

impl Parts {
    pub(super) fn row(&self, id: u32) -> &[u64] {
        row_of(&self.words, &self.ends, id)
    }

    fn find(&self, row: &[u64], digest: u64) -> Option<u32> {
        self.slots.find(digest, |id| self.row(id) == row)
    }

    /// The number of a row, new or not.
    pub(super) fn number(&mut self, row: &[u64], digest: u64) -> u32 {
        let Parts { words, ends, slots } = self;
        let (new, is_it) = (ends.len() as u32, |id: u32| row_of(words, ends, id) == row);
        let digest_of = |id: u32| super::visited::digest(row_of(words, ends, id));
        slots.find_or_insert(digest, new, is_it, digest_of).unwrap_or_else(|| {
            words.extend_from_slice(row);
            ends.push(u32::try_from(words.len()).expect("parts stay below 32 GiB"));
            new
        })
    }

    pub(super) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> u64 {
        self.words.len() as u64 * 8 + self.ends.len() as u64 * 4 + self.slots.bytes()
    }

    /// Takes in what a worker has found, and says how it is numbered here.
    pub(super) fn absorb(&mut self, found: &Parts) -> Vec<u32> {
        (0..found.len()).map(|id| self.number(found.row(id), digest(found.row(id)))).collect()
    }
}

#[inline]
fn row_of<'w>(words: &'w [u64], ends: &[u32], id: u32) -> &'w [u64] {
    let end = |id: u32| ends[id as usize] as usize;
    &words[id.checked_sub(1).map_or(0, end)..end(id)]
}

/// Numbers parts for one worker: those that all workers know, and behind them the ones that it has found since.
#[derive(Debug)]
pub struct Interner<'p> {
    known: Option<&'p Parts>,
    pub(super) own: Parts,
    /// A row under construction.
    pub(crate) row: Vec<u64>,
}

impl Default for Interner<'_> {
    fn default() -> Self {
        Interner::new(None, Parts::default())
    }
}

impl<'p> Interner<'p> {
    pub(super) fn new(known: Option<&'p Parts>, own: Parts) -> Self {
        Interner { known, own, row: Vec::new() }
    }

    /// Does only this worker know a part by this number?
    pub(super) fn provisional(&self, id: u32) -> bool {
        self.known.is_some_and(|parts| id >= parts.len())
    }

    /// How many parts all workers know.
    fn known(&self) -> u32 {
        self.known.map_or(0, Parts::len)
    }

    /// The number of a part.
    pub fn number(&mut self, row: &[u64]) -> u32 {
        let digest = digest(row);
        let known = self.known.and_then(|parts| parts.find(row, digest));
        known.unwrap_or_else(|| self.known() + self.own.number(row, digest))
    }

    /// The number of the row under construction, which is emptied.
    pub(crate) fn number_row(&mut self) -> u32 {
        let row = std::mem::take(&mut self.row);
        let id = self.number(&row);
        self.row = row;
        self.row.clear();
        id
    }

    /// The part with this number.
    pub fn part(&self, id: u32) -> &[u64] {
        match self.known {
            Some(parts) if id < parts.len() => parts.row(id),
            _ => self.own.row(id - self.known()),
        }
    }
}
