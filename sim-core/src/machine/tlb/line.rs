//! Sets of four ways, as most first levels for data have them, each in one line of the host's caches.
//!
//! With many cores an access finds all that it looks at cold, so what counts is how many lines that is. Ages are an order of the ways,
//! a byte a set, and all of them lie beside what finds the sets. A remainder of a way or a set is itself: it saves the check of a bound.

use prefetch_index::prefetch_index;

use super::key::{LIVE_ONLY, NEVER_USED, VPN_SHIFT};
use super::search::find_in;
use super::{Entry, HOST_LINE_BYTES};

/// Ways of a set.
const LINE_WAYS: usize = 4;
/// Sets at most: their ages are to be in the line that every access reads anyway.
const SETS_MAX: usize = 16;

#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
struct Line {
    tags: [u64; LINE_WAYS],
    entries: [Entry; LINE_WAYS],
}

const _: () = assert!(size_of::<Line>() == HOST_LINE_BYTES);

/// The ways of a set by age, two bits each, the youngest lowest.
#[derive(Clone, Copy, Debug)]
struct Ages(u8);

impl Ages {
    /// Any order will do: ways never used are filled by their number, and ages count from the first use on.
    const EMPTY: Ages = Ages(0b00_01_10_11);

    #[inline]
    fn used(&mut self, way: usize) {
        self.0 = USED[usize::from(self.0)][way];
    }

    #[inline]
    fn oldest(self) -> usize {
        usize::from(self.0 >> 6)
    }

    fn oldest_first(self) -> impl Iterator<Item = usize> {
        (0..LINE_WAYS).rev().map(move |at| usize::from(self.0 >> (2 * at) & 3))
    }
}

/// By order and way: the order once this way is the youngest.
static USED: [[u8; LINE_WAYS]; 256] = {
    let mut table = [[0; LINE_WAYS]; 256];
    let mut order = 0;
    while order < 256 {
        let mut way = 0;
        while way < LINE_WAYS {
            // All that were younger than it are one older.
            let (mut next, mut place, mut at) = (way, 1, 0);
            while at < LINE_WAYS {
                let other = order >> (2 * at) & 3;
                if other != way && place < LINE_WAYS {
                    next |= other << (2 * place);
                    place += 1;
                }
                at += 1;
            }
            table[order][way] = next as u8;
            way += 1;
        }
        order += 1;
    }
    table
};

/// An array of such sets. A way is known by its number among those of all sets.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Lines {
    sets: Box<[Line]>,
    /// The bits of a page number that choose its set.
    mask: u64,
    ages: [Ages; SETS_MAX],
}

impl Lines {
    /// An empty array, if it can be one of these.
    pub(super) fn new(sets: u64, ways: usize) -> Option<Lines> {
        let fits = ways == LINE_WAYS && sets.is_power_of_two() && sets <= SETS_MAX as u64;
        let empty = || Lines {
            sets: vec![Line::default(); sets as usize].into(),
            mask: sets - 1,
            ages: [Ages::EMPTY; SETS_MAX],
        };
        fits.then(empty)
    }

    /// Asks the host for all of it.
    #[inline]
    pub(super) fn prefetch(&self) {
        (0..self.sets.len()).for_each(|set| prefetch_index(&self.sets, set));
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.sets)
    }

    pub(super) fn ways(&self) -> usize {
        self.sets.len() * LINE_WAYS
    }

    #[inline]
    fn set_of(&self, tag: u64) -> usize {
        (tag >> VPN_SHIFT & self.mask) as usize
    }

    /// The translation, which becomes the youngest of its set if it serves.
    #[expect(clippy::inline_always, reason = "a call here makes a hit a third dearer")]
    #[inline(always)]
    pub(super) fn lookup_if(&mut self, tag: u64, serves: impl Fn(Entry) -> bool) -> Option<Entry> {
        let set = self.set_of(tag);
        let line = &self.sets[set];
        let way = find_in::<LINE_WAYS>(&line.tags, tag, 0)? % LINE_WAYS;
        let entry = line.entries[way];
        if !serves(entry) {
            return None;
        }
        self.ages[set % SETS_MAX].used(way);
        Some(entry)
    }

    /// Where the page is, alive or as a ghost.
    #[inline]
    pub(super) fn search(&self, tag: u64) -> Option<usize> {
        self.find(tag, LIVE_ONLY)
    }

    /// Where the page is, if it is there alive.
    #[inline]
    pub(super) fn live_at(&self, tag: u64) -> Option<usize> {
        self.find(tag, 0)
    }

    #[inline]
    fn find(&self, tag: u64, ignored: u64) -> Option<usize> {
        let set = self.set_of(tag);
        find_in::<LINE_WAYS>(&self.sets[set].tags, tag, ignored).map(|way| set * LINE_WAYS + way)
    }

    /// The way to fill next.
    #[inline]
    pub(super) fn oldest(&self, tag: u64) -> usize {
        let set = self.set_of(tag);
        let (tags, ages) = (&self.sets[set].tags, self.ages[set % SETS_MAX]);
        let way = if tags.iter().fold(LIVE_ONLY, |all, tag| all & tag) != 0 {
            ages.oldest()
        } else {
            let unused = tags.iter().position(|&tag| tag == NEVER_USED);
            let ghost = || ages.oldest_first().find(|&way| tags[way] & LIVE_ONLY == 0);
            unused.or_else(ghost).expect("a way that is not live is free")
        };
        set * LINE_WAYS + way
    }

    /// Fills a way. Returns what was in it.
    #[inline]
    pub(super) fn put(&mut self, at: usize, tag: u64, entry: Entry) -> (u64, Entry) {
        let (set, way) = (at / LINE_WAYS, at % LINE_WAYS);
        self.ages[set % SETS_MAX].used(way);
        let line = &mut self.sets[set];
        (std::mem::replace(&mut line.tags[way], tag), std::mem::replace(&mut line.entries[way], entry))
    }

    /// A live way is a ghost from now on.
    pub(super) fn release(&mut self, at: usize) {
        *self.tag_mut(at) &= !LIVE_ONLY;
    }

    /// A ghost is forgotten.
    pub(super) fn forget(&mut self, at: usize) {
        *self.tag_mut(at) = NEVER_USED;
    }

    #[inline]
    fn tag_mut(&mut self, at: usize) -> &mut u64 {
        &mut self.sets[at / LINE_WAYS].tags[at % LINE_WAYS]
    }

    #[inline]
    pub(super) fn tag(&self, at: usize) -> u64 {
        self.sets[at / LINE_WAYS].tags[at % LINE_WAYS]
    }

    #[inline]
    pub(super) fn entry(&self, at: usize) -> Entry {
        self.sets[at / LINE_WAYS].entries[at % LINE_WAYS]
    }

    pub(super) fn entry_mut(&mut self, at: usize) -> &mut Entry {
        &mut self.sets[at / LINE_WAYS].entries[at % LINE_WAYS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table against a list: each way, after each of the orders that there are.
    #[test]
    fn ages_are_the_order_of_use() {
        let mut orders = 0;
        for code in 0..256_usize {
            let young_first: Vec<usize> = (0..LINE_WAYS).map(|at| code >> (2 * at) & 3).collect();
            if (0..LINE_WAYS).any(|way| !young_first.contains(&way)) {
                continue;
            }
            orders += 1;
            for way in 0..LINE_WAYS {
                let mut ages = Ages(code as u8);
                ages.used(way);
                let expected: Vec<usize> = young_first.iter().rev().copied().filter(|&other| other != way).collect();
                assert_eq!(
                    ages.oldest_first().collect::<Vec<_>>(),
                    [expected.as_slice(), &[way]].concat(),
                    "{code:#b}"
                );
                assert_eq!(ages.oldest(), expected[0], "{code:#b}");
            }
        }
        assert_eq!(orders, 24);
    }

    #[test]
    fn only_few_sets_of_four_ways_are_lines() {
        for (sets, ways, fits) in
            [(16, 4, true), (1, 4, true), (32, 4, false), (12, 4, false), (16, 2, false), (16, 8, false)]
        {
            assert_eq!(Lines::new(sets, ways).is_some(), fits, "{sets} sets of {ways} ways");
        }
    }
}
