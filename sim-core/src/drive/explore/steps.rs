//! Steps taken before. A step depends on the CPU that takes it and on a few places more, of what the CPUs share and of what they can see
//! of each other; where states agree in these, it does the same, whatever the rest is. Which places these are is not declared but
//! seen: the world notes every look and every write. Of another CPU a step can see everything but the frames of the path it is on.
//!
//! What a step looks at next may depend on what it has seen, so what counts is all that any step of the same CPU in the same
//! situation has looked at so far. When that grows, what was kept by fewer places is not found any more.

#[cfg(test)]
mod tests;

use super::faces::{Faced, Faces, LEFT_OUT, Table};
use super::node::Parts;
use super::parts::Parts as Rows;
use super::visited::{Slots, digest, digest_of};
use super::{Effect, Interner, Successor};
use crate::world::small::{CPUS, SHARED_WORDS};

/// Steps at most (about 100 MB in all); then it starts afresh.
const MOST: usize = 1 << 20;

/// Words that a step may look at: of what the CPUs share, then a face for each CPU.
const WORDS: usize = SHARED_WORDS + CPUS;

/// A state, as steps look at it.
#[derive(Debug, Default)]
pub(super) struct Site {
    pub(super) key: Parts,
    words: [u64; WORDS],
}

/// What a step looked at and what it wrote to.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// CPUs, a bit each.
    pub(super) saw: u8,
    /// Bits of the words of what the CPUs share.
    pub(super) looked: Vec<u64>,
    pub(super) written: Vec<u64>,
}

/// What is known of the steps of a kind.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// The number of what they look at.
    looks: u32,
    /// What they all do, if they look at nothing else.
    always: u32,
}

/// Nothing.
const UNKNOWN: Kind = Kind { looks: 0, always: LEFT_OUT };

/// What a step did.
#[derive(Clone, Copy, Debug)]
struct Did {
    /// Where its key begins.
    key: u32,
    /// The part of the CPU that took it; none if it is disabled.
    own: u32,
    /// The number of what it wrote to what the CPUs share, if it did.
    wrote: u32,
    /// The number of the faces that it gave to others, if it did.
    faced: u32,
    effect: Effect,
}

/// Steps, by all that they depend on.
#[derive(Debug)]
pub(super) struct Steps {
    /// A part of a CPU and a move each.
    kinds: Vec<Kind>,
    /// Words and bits of them, by number.
    looks: Vec<Box<[(usize, u64)]>>,
    masks: Rows,
    slots: Slots,
    did: Vec<Did>,
    /// Keys: the kind and what it looks at, then what it saw there.
    keys: Vec<u64>,
    provisional: Vec<u32>,
    /// Bits written to, then what was written.
    writes: Rows,
    faced: Vec<Faced>,
    /// What the CPUs share, after a write.
    changed: Table<u64, u32>,
}

impl Default for Steps {
    fn default() -> Self {
        Steps {
            kinds: Vec::new(),
            // A step that was never taken has looked at nothing.
            looks: vec![Box::default()],
            masks: Rows::default(),
            slots: Slots::default(),
            did: Vec::new(),
            keys: Vec::new(),
            provisional: Vec::new(),
            writes: Rows::default(),
            faced: Vec::new(),
            changed: Table::default(),
        }
    }
}

impl Site {
    /// Turns to another state.
    #[inline]
    pub(super) fn turn(&mut self, key: &Parts, cpus: usize, faces: &mut Faces, parts: &Interner<'_>) {
        self.key = *key;
        for (word, &shared) in self.words.iter_mut().zip(parts.part(key[0])) {
            *word = shared;
        }
        for n in 0..cpus {
            self.words[SHARED_WORDS + n] = u64::from(faces.of(key[1 + n], parts));
        }
    }
}

impl Steps {
    /// Numbers so many new kinds in a row, and says which is the first.
    pub(super) fn new_kinds(&mut self, more: usize) -> u32 {
        let first = self.kinds.len();
        self.kinds.resize(first + more, UNKNOWN);
        first as u32
    }

    /// Adds what a step of a CPU leads to, unless it is disabled; false if that is not known.
    #[inline]
    pub(super) fn find(
        &mut self,
        site: &Site,
        (cpu, kind): (usize, u32),
        (faces, parts): (&mut Faces, &mut Interner<'_>),
        out: &mut Vec<Successor<Parts>>,
    ) -> bool {
        let always = self.kinds[kind as usize].always;
        let n = if always == LEFT_OUT { self.find_by_looks(site, kind) } else { Some(always) };
        let Some(n) = n else { return false };
        let Did { own, wrote, faced, effect, .. } = self.did[n as usize];
        if own == LEFT_OUT {
            return true;
        }
        let shared = self.write(site.key[0], wrote, parts);
        // Changed where it lies: a copy of what has just been put together waits for that.
        out.push(Successor { key: site.key, effect });
        let to = &mut out.last_mut().expect("just added").key;
        (to[0], to[1 + cpu]) = (shared, own);
        if faced != LEFT_OUT {
            for (part, face) in to[1..].iter_mut().zip(self.faced[faced as usize]) {
                if face != LEFT_OUT {
                    *part = faces.change(*part, face, parts);
                }
            }
        }
        true
    }

    #[inline]
    fn find_by_looks(&self, site: &Site, kind: u32) -> Option<u32> {
        let (first, looks) = self.looks_of(kind);
        let saw = || looks.iter().map(|&(n, bits)| site.words[n] & bits);
        let is_it = |n: u32| {
            let key = &self.keys[self.did[n as usize].key as usize..];
            key[0] == first && saw().zip(&key[1..]).all(|(word, &known)| word == known)
        };
        self.slots.find(digest_of(std::iter::once(first).chain(saw())), is_it)
    }

    /// What a key of this kind begins with, and what it looks at.
    #[inline]
    fn looks_of(&self, kind: u32) -> (u64, &[(usize, u64)]) {
        let Kind { looks, .. } = self.kinds[kind as usize];
        (u64::from(kind) | u64::from(looks) << 32, &self.looks[looks as usize])
    }

    /// Keeps where a step led that could not be found.
    pub(super) fn keep(
        &mut self,
        site: &Site,
        (cpu, kind): (usize, u32),
        notes: &Notes,
        took: Option<Successor<Parts>>,
        (faces, parts): (&mut Faces, &Interner<'_>),
    ) {
        if self.did.len() == MOST {
            let kinds = vec![UNKNOWN; self.kinds.len()];
            *self = Steps { kinds, ..Steps::default() };
        }
        self.look(kind, cpu, notes);
        let (first, looks) = self.looks_of(kind);
        let key = std::iter::once(first).chain(looks.iter().map(|&(n, bits)| site.words[n] & bits));
        let (begins, n) = (self.keys.len(), self.did.len() as u32);
        self.keys.extend(key.collect::<Vec<_>>());
        let mut did =
            Did { key: begins as u32, own: LEFT_OUT, wrote: LEFT_OUT, faced: LEFT_OUT, effect: Effect::default() };
        if let Some(Successor { key: to, effect }) = took {
            (did.own, did.effect) = (to[1 + cpu], effect);
            did.wrote = self.wrote([site.key[0], to[0]], notes, parts);
            let given = faces.faced(&site.key, &to, cpu, parts);
            if given != [LEFT_OUT; CPUS] {
                did.faced = self.faced.len() as u32;
                self.faced.push(given);
            }
            if parts.provisional(did.own) {
                self.provisional.push(n);
            }
        }
        self.did.push(did);
        let Steps { slots, keys, did, .. } = self;
        let key_of = |n: u32| {
            let end = did.get(n as usize + 1).map_or(keys.len(), |next| next.key as usize);
            &keys[did[n as usize].key as usize..end]
        };
        slots.insert(digest_of(key_of(n).iter().copied()), n, |n| digest_of(key_of(n).iter().copied()));
    }

    /// The next step that is kept is of this kind, and such steps look at this as well.
    fn look(&mut self, kind: u32, cpu: usize, notes: &Notes) {
        let mut masks = [0; WORDS];
        for &(n, bits) in self.looks_of(kind).1 {
            masks[n] = bits;
        }
        masks.iter_mut().zip(&notes.looked).for_each(|(all, bits)| *all |= bits);
        for n in (0..CPUS).filter(|&n| n != cpu && notes.saw >> n & 1 != 0) {
            masks[SHARED_WORDS + n] = u64::MAX;
        }
        let looks = 1 + self.masks.number(&masks, digest(&masks));
        if looks as usize == self.looks.len() {
            self.looks.push(masks.into_iter().enumerate().filter(|&(_, bits)| bits != 0).collect());
        }
        let kind = &mut self.kinds[kind as usize];
        kind.looks = looks;
        kind.always = if self.looks[looks as usize].is_empty() { self.did.len() as u32 } else { LEFT_OUT };
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
    #[inline]
    fn write(&mut self, shared: u32, wrote: u32, parts: &mut Interner<'_>) -> u32 {
        if wrote == LEFT_OUT {
            return shared;
        }
        match self.changed.find(&key_of_write(shared, wrote)) {
            Some(row) => self.changed.rows[row].1,
            None => self.write_anew(shared, wrote, parts),
        }
    }

    #[cold]
    fn write_anew(&mut self, shared: u32, wrote: u32, parts: &mut Interner<'_>) -> u32 {
        let mut row = std::mem::take(&mut parts.row);
        let (written, values) = self.writes.row(wrote).split_at(parts.part(shared).len());
        let words = parts.part(shared).iter().zip(written.iter().zip(values));
        row.extend(words.map(|(word, (bits, value))| word & !bits | value));
        parts.row = row;
        let changed = parts.number_row();
        self.changed.keep(key_of_write(shared, wrote), changed, parts.provisional(changed));
        changed
    }

    pub(super) fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        for n in self.provisional.drain(..) {
            let own = &mut self.did[n as usize].own;
            *own = new(*own);
        }
        self.changed.renumber(|part| *part = new(*part));
    }
}

fn key_of_write(shared: u32, wrote: u32) -> u64 {
    u64::from(shared) | u64::from(wrote) << 32
}
