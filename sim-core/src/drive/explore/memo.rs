//! Steps taken before: most depend on nothing but what the CPUs share and on the CPU that takes them, and many states agree in
//! these. Which step does is not declared but seen: the world notes every look at another CPU. Of that one a step can see
//! everything but the frames of the path it is on, and states that differ in such frames agree, too.

use std::sync::Arc;

use super::race::Parts;
use super::steps::{Notes, Steps};
use super::twins::Twins;
use super::view::View;
use super::visited::{Key, Slots, digest};
use super::{Effect, Interner, Successor};
use crate::world::small::{CPU_WORDS, CPUS};

/// Rows at most in each table of steps (about 100 MB in all); then it starts afresh.
const MOST: usize = 1 << 20;

/// What a step did, to what the CPUs share and to the CPU that took it; nothing if it is disabled.
type Took = Option<([u32; 2], Effect)>;

/// The faces that a step gave to other CPUs.
pub(super) type Faced = [u32; CPUS];

/// What the CPUs share, the CPU that takes a step, the faces of those that it looks at, and the code of the step.
type Wide = [u64; (3 + CPUS).div_ceil(2)];

/// What is known of a step by the two parts it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// They tell what it does.
    Did(Took),
    /// It also looks at these CPUs, a bit each.
    Looks(u8),
}

/// What a worker remembers of a race.
#[derive(Debug, Default)]
pub struct Memo {
    narrow: Table<[u32; 3], Known>,
    wide: Table<Wide, (Took, Faced)>,
    faces: Faces,
    steps: Steps,
    /// By the number of the part.
    views: Vec<Option<View>>,
    tested: Vec<Option<bool>>,
    /// The parts under other numbers of CPUs, by the number of the part and the way to rename.
    renamed: Vec<Option<Box<[u32]>>>,
    twins: Option<Arc<Twins>>,
}

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

    /// The faces that a step of this CPU gave to others.
    pub(super) fn faced(&mut self, from: &Parts, to: &Parts, cpu: usize, parts: &Interner<'_>) -> Faced {
        std::array::from_fn(|n| {
            if n == cpu || to[1 + n] == from[1 + n] { LEFT_OUT } else { self.of(to[1 + n], parts) } //
        })
    }

    /// What a step depends on that looks at these CPUs.
    #[inline]
    fn wide(&mut self, key: &Parts, saw: u8, (cpu, code): (usize, u32), parts: &Interner<'_>) -> Wide {
        let mut number = |at: usize| match at.checked_sub(2) {
            None if at == 0 => key[0],
            None => key[1 + cpu],
            Some(CPUS..) => code << 3 | cpu as u32,
            Some(n) if n != cpu && saw >> n & 1 != 0 => self.of(key[1 + n], parts),
            Some(_) => LEFT_OUT,
        };
        // Two at a time, since what is written by halves is slow to read as a whole.
        std::array::from_fn(|n| u64::from(number(2 * n)) | u64::from(number(2 * n + 1)) << 32)
    }
}

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

    /// Keeps a value, and says in which row.
    pub(super) fn keep(&mut self, key: K, value: V, provisional: bool) -> usize {
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
        n
    }

    /// Gives new numbers in place of the provisional ones.
    pub(super) fn renumber(&mut self, new: impl Fn(&mut V)) {
        for n in self.provisional.drain(..) {
            new(&mut self.rows[n as usize].1);
        }
    }
}

impl Memo {
    /// Adds what a move of a CPU leads to from a state of these parts, unless it is disabled; false if that is not known.
    #[inline]
    pub(super) fn find(
        &mut self,
        key: &Parts,
        (cpu, code): (usize, u32),
        parts: &mut Interner<'_>,
        out: &mut Vec<Successor<Parts>>,
    ) -> bool {
        let Some(row) = self.narrow.find(&narrow(key, cpu, code)) else {
            return self.recall(key, (cpu, code), parts, out);
        };
        let (took, faced) = match self.narrow.rows[row].1 {
            Known::Did(took) => (took, None),
            Known::Looks(at) => match self.wide.find(&self.faces.wide(key, at, (cpu, code), parts)) {
                Some(row) => (self.wide.rows[row].1.0, Some(&self.wide.rows[row].1.1)),
                None => return self.recall(key, (cpu, code), parts, out),
            },
        };
        let Some(([shared, own], effect)) = took else { return true };
        // Changed where it lies: a copy of what has just been put together waits for that.
        out.push(Successor { key: *key, effect });
        let to = &mut out.last_mut().expect("just added").key;
        (to[0], to[1 + cpu]) = (shared, own);
        for (part, &face) in to[1..].iter_mut().zip(faced.into_iter().flatten()) {
            if face != LEFT_OUT {
                *part = self.faces.change(*part, face, parts);
            }
        }
        true
    }

    /// The same for a move that was not made from these parts yet, but maybe from others that are the same to it.
    #[cold]
    fn recall(
        &mut self,
        key: &Parts,
        (cpu, code): (usize, u32),
        parts: &mut Interner<'_>,
        out: &mut Vec<Successor<Parts>>,
    ) -> bool {
        let Some((saw, took)) = self.steps.find(key, (cpu, code), &mut self.faces, parts) else { return false };
        self.keep_parts(key, (cpu, code, saw), took, parts);
        out.extend(took);
        true
    }

    /// Keeps what a move did that looked at these CPUs, and at this much of what they share.
    pub(super) fn keep(
        &mut self,
        key: &Parts,
        mv: (usize, u32, u8),
        notes: &Notes,
        took: Option<Successor<Parts>>,
        parts: &Interner<'_>,
    ) {
        self.steps.keep(key, mv, notes, took, (&mut self.faces, parts));
        self.keep_parts(key, mv, took, parts);
    }

    fn keep_parts(
        &mut self,
        key: &Parts,
        (cpu, code, saw): (usize, u32, u8),
        took: Option<Successor<Parts>>,
        parts: &Interner<'_>,
    ) {
        let row = narrow(key, cpu, code);
        let before = match self.narrow.find(&row).map(|row| self.narrow.rows[row].1) {
            Some(Known::Looks(at)) => at,
            _ => 0,
        };
        let saw = saw | before | 1 << cpu;
        let own = took.map(|Successor { key, effect }| ([key[0], key[1 + cpu]], effect));
        let provisional = own.is_some_and(|(changed, _)| changed.iter().any(|&part| parts.provisional(part)));
        if saw == 1 << cpu {
            self.narrow.keep(row, Known::Did(own), provisional);
            return;
        }
        if saw != before {
            self.narrow.keep(row, Known::Looks(saw), false);
        }
        let faced = took.map_or([LEFT_OUT; CPUS], |took| self.faces.faced(key, &took.key, cpu, parts));
        let wide = self.faces.wide(key, saw, (cpu, code), parts);
        self.wide.keep(wide, (own, faced), provisional);
    }

    pub(super) fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        let renumber = |took: &mut Took| {
            if let Some((changed, _)) = took {
                *changed = changed.map(&new);
            }
        };
        self.narrow.renumber(|known| {
            if let Known::Did(took) = known {
                renumber(took);
            }
        });
        self.wide.renumber(|(took, _)| renumber(took));
        self.faces.changed.renumber(|part| *part = new(*part));
        self.steps.renumber(&new);
    }

    #[inline]
    pub(super) fn view(&self, part: u32) -> Option<View> {
        *self.views.get(part as usize)?
    }

    pub(super) fn keep_view(&mut self, part: u32, view: View) {
        put(&mut self.views, part, view);
    }

    /// The twins of the scenario, worked out once.
    pub(super) fn twins(&mut self, of: impl FnOnce() -> Twins) -> Arc<Twins> {
        self.twins.get_or_insert_with(|| Arc::new(of())).clone()
    }

    #[inline]
    pub(super) fn renamed(&self, part: u32, way: usize) -> Option<u32> {
        let renamed = self.renamed.get(part as usize)?.as_ref()?[way];
        (renamed != LEFT_OUT).then_some(renamed)
    }

    pub(super) fn keep_renamed(&mut self, part: u32, (way, ways): (usize, usize), renamed: u32) {
        if self.renamed.get(part as usize).is_none_or(Option::is_none) {
            put(&mut self.renamed, part, vec![LEFT_OUT; ways].into_boxed_slice());
        }
        self.renamed[part as usize].as_mut().expect("put there before")[way] = renamed;
    }

    #[inline]
    pub(super) fn tested(&self, shared: u32) -> Option<bool> {
        *self.tested.get(shared as usize)?
    }

    pub(super) fn keep_tested(&mut self, shared: u32, tested: bool) {
        put(&mut self.tested, shared, tested);
    }
}

fn put<T: Clone>(all: &mut Vec<Option<T>>, part: u32, value: T) {
    if all.len() <= part as usize {
        all.resize(part as usize + 1, None);
    }
    all[part as usize] = Some(value);
}

/// In place of the number of a part.
pub(super) const LEFT_OUT: u32 = u32::MAX;

#[inline]
fn narrow(parts: &Parts, cpu: usize, code: u32) -> [u32; 3] {
    // The part of a CPU says which one it is.
    [parts[0], parts[1 + cpu], code]
}
