//! Sets of any number of ways, and any number of sets.
//!
//! Each way has the time of its last use. In a wide set a lookup first tries where this page number was found last time (a guess that
//! the tag confirms, so it is never wrong).

use std::ops::Range;

use prefetch_index::prefetch_index;

use super::key::{LIVE_ONLY, NEVER_USED, VPN_SHIFT};
use super::search::{find, least_in, least_of};
use super::{Entry, HOST_LINE_BYTES};

/// Set in the stamp of a live way, so that the smallest stamp is a free way if there is one.
const LIVE_STAMP: u64 = 1 << 63;
/// The low bits of a stamp are its way, unless the set is wide: so the smallest stamp says where it is.
const WAY_BITS: u32 = SEARCHED_WAYS.ilog2();
const WAY_MASK: u64 = SEARCHED_WAYS as u64 - 1;
/// What the clock goes on by.
const TICK: u64 = 1 << WAY_BITS;

/// What a hit needs beside the tag is together: with many cores each access finds its lines cold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// Time of last use, and which way this is.
    pub(super) stamp: u64,
    entry: Entry,
}

const WAYS_OF_A_LINE: usize = HOST_LINE_BYTES / size_of::<Way>();

/// Wider sets are searched only where a guess fails and a count says that something may be found.
const SEARCHED_WAYS: usize = 16;
/// The number of sets is not a power of two.
const NO_MASK: u64 = u64::MAX;

/// An array of such sets. A way is known by its number among those of all sets.
#[derive(Clone, Debug)]
pub(super) struct Stamped {
    /// This and the next by set and way.
    tags: Box<[u64]>,
    ways: Box<[Way]>,
    ways_per_set: usize,
    /// The bits of a page number that choose its set, or `NO_MASK`.
    set_mask: u64,
    clock: u64,
    sets: u64,
    /// Where a page whose number ends in these bits was last. Unused if sets are narrow, as the next.
    guesses: Box<[u32]>,
    /// How many pages whose numbers end in these bits are there, ghosts included: 0 saves the search.
    counts: Box<[u32]>,
}

impl Stamped {
    /// An empty array.
    pub(super) fn new(sets: u64, ways_per_set: usize) -> Stamped {
        let total = sets as usize * ways_per_set;
        // Searching a wide set in vain is slow: more buckets, so that more of them are empty.
        let narrow = ways_per_set <= SEARCHED_WAYS;
        let buckets = if narrow { 1 } else { 4 * total.next_power_of_two() };
        let way = |at: usize| {
            let stamp = if narrow { (at % ways_per_set) as u64 } else { 0 };
            Way { stamp, entry: Entry::default() }
        };
        Stamped {
            tags: vec![NEVER_USED; total].into(),
            ways: (0..total).map(way).collect(),
            ways_per_set,
            set_mask: if sets.is_power_of_two() { sets - 1 } else { NO_MASK },
            clock: 0,
            sets,
            guesses: vec![0; buckets].into(),
            counts: vec![0; buckets].into(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let ways = size_of_val(&*self.tags) + size_of_val(&*self.ways);
        ways + size_of_val(&*self.guesses) + size_of_val(&*self.counts)
    }

    pub(super) fn ways(&self) -> usize {
        self.tags.len()
    }

    #[inline]
    fn bucket_of(&self, tag: u64) -> usize {
        (tag >> VPN_SHIFT) as usize & (self.guesses.len() - 1)
    }

    #[inline]
    fn is_narrow(&self) -> bool {
        self.ways_per_set <= SEARCHED_WAYS
    }

    /// The ways of the set of this page.
    #[inline]
    fn set_of(&self, tag: u64) -> Range<usize> {
        let vpn = tag >> VPN_SHIFT;
        // The division is several times as slow as the mask, and most arrays have a power of two of sets.
        let set = if self.set_mask == NO_MASK { vpn % self.sets } else { vpn & self.set_mask };
        let start = set as usize * self.ways_per_set;
        start..start + self.ways_per_set
    }

    /// The translation, which becomes the youngest of its set if it serves.
    #[inline]
    pub(super) fn lookup_if(&mut self, tag: u64, serves: impl Fn(Entry) -> bool) -> Option<Entry> {
        let at = self.live_at(tag)?;
        let entry = self.ways[at].entry;
        if !serves(entry) {
            return None;
        }
        self.use_way(at);
        if !self.is_narrow() {
            self.guesses[self.bucket_of(tag)] = at as u32;
        }
        Some(entry)
    }

    /// Where the page is, alive or as a ghost.
    pub(super) fn search(&self, tag: u64) -> Option<usize> {
        if !self.is_narrow() && self.counts[self.bucket_of(tag)] == 0 {
            return None;
        }
        let set = self.set_of(tag);
        find(&self.tags[set.clone()], tag, LIVE_ONLY).map(|way| set.start + way)
    }

    /// Where the page is, if it is there alive.
    #[inline(never)]
    pub(super) fn live_at(&self, tag: u64) -> Option<usize> {
        if self.is_narrow() {
            let set = self.set_of(tag);
            self.expect_hit(&set);
            return find(&self.tags[set.clone()], tag, 0).map(|way| set.start + way);
        }
        let guess = self.guesses[self.bucket_of(tag)] as usize;
        if self.tags[guess] == tag {
            return Some(guess);
        }
        self.search(tag).filter(|at| self.tags[*at] == tag)
    }

    /// Asks the host for the set of this page, unless it is wide: then a guess says where to look.
    #[inline]
    pub(super) fn prefetch_set(&self, tag: u64) {
        if self.is_narrow() {
            let set = self.set_of(tag);
            prefetch_index(&self.tags, set.start);
            prefetch_index(&self.tags, set.end - 1);
            self.expect_hit(&set);
        }
    }

    /// A hit reads its way: it comes from memory beside the tags, and not behind them.
    #[inline]
    fn expect_hit(&self, set: &Range<usize>) {
        let lines = self.ways_per_set.div_ceil(WAYS_OF_A_LINE);
        // As many steps as the widest set has lines, without a loop.
        for line in 0..SEARCHED_WAYS / WAYS_OF_A_LINE {
            if line < lines {
                prefetch_index(&self.ways, set.start + line * WAYS_OF_A_LINE);
            }
        }
    }

    /// The way to fill next: of the smallest stamp.
    #[inline]
    pub(super) fn oldest(&self, tag: u64) -> usize {
        let set = self.set_of(tag);
        let ways = &self.ways[set.clone()];
        let least = match ways.len() {
            4 => least_in::<4>(ways),
            8 => least_in::<8>(ways),
            12 => least_in::<12>(ways),
            16 => least_in::<16>(ways),
            _ => None,
        };
        let least = least.unwrap_or_else(|| least_of(ways));
        if self.is_narrow() {
            return set.start + (least & WAY_MASK) as usize;
        }
        set.start + ways.iter().position(|way| way.stamp == least).unwrap_or(0)
    }

    #[inline]
    fn use_way(&mut self, at: usize) {
        self.clock += TICK;
        let way = &mut self.ways[at];
        way.stamp = way.stamp & WAY_MASK | self.clock | LIVE_STAMP;
    }

    /// Fills a way. Returns what was in it.
    #[inline]
    pub(super) fn put(&mut self, at: usize, tag: u64, entry: Entry) -> (u64, Entry) {
        self.use_way(at);
        let old = (std::mem::replace(&mut self.tags[at], tag), std::mem::replace(&mut self.ways[at].entry, entry));
        if !self.is_narrow() {
            if old.0 != NEVER_USED {
                self.counts[self.bucket_of(old.0)] -= 1;
            }
            let bucket = self.bucket_of(tag);
            self.counts[bucket] += 1;
            self.guesses[bucket] = at as u32;
        }
        old
    }

    /// A live way is a ghost from now on.
    pub(super) fn release(&mut self, at: usize) {
        self.tags[at] &= !LIVE_ONLY;
        self.ways[at].stamp &= !LIVE_STAMP;
    }

    /// A ghost is forgotten.
    pub(super) fn forget(&mut self, at: usize) {
        if !self.is_narrow() {
            self.counts[self.bucket_of(self.tags[at])] -= 1;
        }
        self.tags[at] = NEVER_USED;
        self.ways[at].stamp &= WAY_MASK;
    }

    #[inline]
    pub(super) fn tag(&self, at: usize) -> u64 {
        self.tags[at]
    }

    #[inline]
    pub(super) fn entry(&self, at: usize) -> Entry {
        self.ways[at].entry
    }

    pub(super) fn entry_mut(&mut self, at: usize) -> &mut Entry {
        &mut self.ways[at].entry
    }

    /// Tags that are there, and how many the counts say.
    #[cfg(test)]
    pub(super) fn counted(&self) -> (usize, usize) {
        (self.tags.iter().filter(|tag| **tag != NEVER_USED).count(), self.counts.iter().sum::<u32>() as usize)
    }
}
