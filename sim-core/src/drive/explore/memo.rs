//! Steps taken before: most depend on nothing but what the CPUs share and on the CPU that takes them, and many states agree in
//! these. Which step does is not declared but seen: the world notes every look at another CPU.

use std::sync::Arc;

use arrayvec::ArrayVec;

use super::Effect;
use super::race::{Move, Parts};
use super::twins::Twins;
use super::visited::{Key, Slots};
use crate::world::small::{CPUS, PAGES};

/// A step that looks at all of them is not worth keeping: its state will not come again.
pub(super) const ALL: u8 = u8::MAX;

/// Steps remembered at most in each of two tables (about 100 MB in all); then it starts afresh.
const MOST: usize = 1 << 20;

/// What a CPU may try, in order.
pub(super) type Moves = ArrayVec<Move, { 2 + PAGES + 2 * CPUS }>;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// Nothing: it is disabled.
    Disabled,
    /// It changed these parts; those of the CPUs that it did not look at are left out.
    Moved(Parts, Effect),
}

/// What is known of a step by the two parts it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// They tell what it does.
    Did(Took),
    /// It also looks at these CPUs, a bit each.
    Looks(u8),
}

/// What depends on the part of one CPU alone.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// What it may try.
    pub(super) moves: Moves,
    /// It has nothing left to do.
    pub(super) idle: bool,
}

/// What a worker remembers of a race.
#[derive(Debug, Default)]
pub struct Memo {
    narrow: Table<[u32; 3], Known>,
    wide: Table<[u32; 2 + CPUS], Took>,
    /// By the number of the part.
    views: Vec<Option<View>>,
    tested: Vec<Option<bool>>,
    /// The parts under other numbers of CPUs, by the number of the part and the way to rename.
    renamed: Vec<Option<Box<[u32]>>>,
    twins: Option<Arc<Twins>>,
}

#[derive(Debug)]
struct Table<K, V> {
    slots: Slots,
    rows: Vec<(K, V)>,
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
    fn find(&self, key: &K) -> Option<usize> {
        self.slots.find(key.digest(), |n| self.rows[n as usize].0 == *key).map(|n| n as usize)
    }

    fn keep(&mut self, key: K, value: V, provisional: bool) {
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
}

impl Memo {
    /// What a move did that was made by a CPU in a state of these parts, if that is known.
    #[inline]
    pub(super) fn find(&self, parts: &Parts, cpu: usize, mv: Move) -> Option<Took> {
        let row = self.narrow.find(&narrow(parts, cpu, mv))?;
        match self.narrow.rows[row].1 {
            Known::Did(took) => Some(took),
            Known::Looks(ALL) => None,
            Known::Looks(at) => {
                let row = self.wide.find(&wide(parts, at, cpu, mv))?;
                Some(self.wide.rows[row].1)
            }
        }
    }

    /// Keeps what a move did that looked at these CPUs.
    pub(super) fn keep(&mut self, parts: &Parts, (cpu, mv, saw): (usize, Move, u8), took: Took, provisional: bool) {
        let key = narrow(parts, cpu, mv);
        let before = match self.narrow.find(&key).map(|row| self.narrow.rows[row].1) {
            Some(Known::Looks(at)) => at,
            _ => 0,
        };
        let saw = saw | before | 1 << cpu;
        if saw == 1 << cpu {
            return self.narrow.keep(key, Known::Did(took), provisional);
        }
        if saw != before {
            self.narrow.keep(key, Known::Looks(saw), false);
        }
        if saw != ALL {
            self.wide.keep(wide(parts, saw, cpu, mv), took, provisional);
        }
    }

    pub(super) fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        let renumber = |took: &mut Took| {
            if let Took::Moved(parts, _) = took {
                *parts = parts.map(|id| if id == LEFT_OUT { id } else { new(id) });
            }
        };
        for n in self.narrow.provisional.drain(..) {
            if let Known::Did(took) = &mut self.narrow.rows[n as usize].1 {
                renumber(took);
            }
        }
        for n in self.wide.provisional.drain(..) {
            renumber(&mut self.wide.rows[n as usize].1);
        }
    }

    #[inline]
    pub(super) fn view(&self, part: u32) -> Option<&View> {
        self.views.get(part as usize)?.as_ref()
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
const LEFT_OUT: u32 = u32::MAX;

/// The parts of these CPUs, and what all share.
pub(super) fn masked(parts: &Parts, cpus: u8) -> Parts {
    std::array::from_fn(|n| if n == 0 || cpus >> (n - 1) & 1 != 0 { parts[n] } else { LEFT_OUT })
}

/// A state with the parts that a step changed.
#[inline]
pub(super) fn patched(parts: &Parts, changed: &Parts) -> Parts {
    std::array::from_fn(|n| if changed[n] == LEFT_OUT { parts[n] } else { changed[n] })
}

fn code(mv: Move) -> u32 {
    match mv {
        Move::Step(_) => 0,
        Move::Interrupt(_) => 1,
        Move::Tick(_) => 2,
        Move::Evict(_, page) => 3 + page.0,
        Move::Deliver(_, to) => (3 + PAGES as u32) + u32::from(to.0),
        Move::Toward(_, to) => (3 + PAGES as u32 + CPUS as u32) + u32::from(to.0),
    }
}

#[inline]
fn narrow(parts: &Parts, cpu: usize, mv: Move) -> [u32; 3] {
    // The part of a CPU says which one it is.
    [parts[0], parts[1 + cpu], code(mv)]
}

fn wide(parts: &Parts, saw: u8, cpu: usize, mv: Move) -> [u32; 2 + CPUS] {
    let mut key = [0; 2 + CPUS];
    key[..=CPUS].copy_from_slice(&masked(parts, saw));
    key[1 + CPUS] = code(mv) << 3 | cpu as u32;
    key
}
