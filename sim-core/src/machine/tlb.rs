//! One TLB array: sets x ways, true LRU.
//!
//! The search compares all tags of a set without branching: an early exit costs four times as much on random hits
//! (mispredictions). In a wide set a lookup first tries where this page number was found last time (a guess that the tag confirms,
//! so it is never wrong). The translation used last is kept aside: it is the youngest of its set, so to use it again changes nothing.
//!
//! A flush leaves the tag in its way as a *ghost*: the way is free, but a later miss can tell that it would have hit had the flush
//! not been. A ghost lasts until its way is filled again. Free ways are filled before any live entry is evicted, never used ones
//! first, then the ghost used longest ago: the array forgets ghosts in the order in which it would have evicted the entries.

mod key;
mod search;

use std::mem::offset_of;
use std::ops::Range;

use prefetch_index::prefetch_index;

use key::VPN_SHIFT;
pub use key::{Key, PageSize, VPN_BITS};
use search::{find, find_in, least_in, least_of};

/// Set in a tag and clear in a ghost of the same page.
const LIVE_ONLY: u64 = 0b10;
const NEVER_USED: u64 = 0;
/// Set in the stamp of a live way, so that the smallest stamp is a free way if there is one.
const LIVE_STAMP: u64 = 1 << 63;
/// The low bits of a stamp are its way, unless the set is wide: so the smallest stamp says where it is.
const WAY_BITS: u32 = SEARCHED_WAYS.ilog2();
const WAY_MASK: u64 = SEARCHED_WAYS as u64 - 1;
/// What the clock goes on by.
const TICK: u64 = 1 << WAY_BITS;

/// What a translation says about its page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Physical frame, in pages of 4 KiB.
    pub frame: u32,
    /// Stores are allowed.
    pub writable: bool,
    /// The dirty bit as the walk read or set it: a store through a clean entry translates again.
    pub dirty: bool,
    /// Instruction fetches are allowed.
    pub executable: bool,
    /// For the oracle: what has been promised against this translation. The hardware never looks at it.
    pub marks: u8,
}

const _: () = assert!(size_of::<Entry>() == 8);

/// What a lookup in one array found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The translation.
    Hit(Entry),
    /// Only its ghost: a flush removed it, and nothing has taken the way since.
    Flushed,
    /// Nothing.
    Absent,
}

/// What a hit needs beside the tag is together: with many cores each access finds its lines cold.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// Time of last use, and which way this is.
    stamp: u64,
    entry: Entry,
}

/// Bytes of a cache line of the host, as of x86-64 and most arm64.
const HOST_LINE_BYTES: usize = 64;
const WAYS_OF_A_LINE: usize = HOST_LINE_BYTES / size_of::<Way>();

/// Wider sets are searched only where a guess fails and a count says that something may be found.
const SEARCHED_WAYS: usize = 16;
/// The first level of most cores; what is short enough to be compiled into a lookup.
const USUAL_WAYS: usize = 4;
/// The number of sets is not a power of two.
const NO_MASK: u64 = u64::MAX;

/// A set-associative array of translations.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Tlb {
    /// This and the next by set and way.
    tags: Box<[u64]>,
    ways: Box<[Way]>,
    /// The bits of a page number that choose its set, or `NO_MASK`; that too if the number of ways is not the usual one.
    usual_mask: u64,
    clock: u64,
    /// The live tag used last, or `NEVER_USED`, and what it says: most accesses are to the page of the one before.
    last_tag: u64,
    last_entry: Entry,
    // Up to here is what every hit looks at.
    ways_per_set: usize,
    /// As `usual_mask`, with any number of ways.
    set_mask: u64,
    /// Where a page whose number ends in these bits was last. Unused if sets are narrow, as the next.
    guesses: Box<[u32]>,
    /// How many pages whose numbers end in these bits are there, ghosts included: 0 saves the search.
    counts: Box<[u32]>,
    sets: u64,
    held: usize,
    ghosts: usize,
    /// One bit for each live way: a flush visits what is there, not the whole array.
    live: Box<[u64]>,
}

const _: () = assert!(offset_of!(Tlb, ways_per_set) == HOST_LINE_BYTES);

impl Tlb {
    /// An empty array. The number of sets, `entries / ways`, is free: set = page number modulo sets.
    ///
    /// # Panics
    /// If `entries` is not a positive multiple of `ways`.
    pub fn new(entries: u32, ways: u32) -> Self {
        assert!(
            ways > 0 && entries > 0 && entries.is_multiple_of(ways),
            "{entries} entries do not make whole sets of {ways} ways"
        );
        let (total, sets, ways_per_set) = (entries as usize, u64::from(entries / ways), ways as usize);
        // Searching a wide set in vain is slow: more buckets, so that more of them are empty.
        let narrow = ways_per_set <= SEARCHED_WAYS;
        let buckets = if narrow { 1 } else { 4 * total.next_power_of_two() };
        let set_mask = if sets.is_power_of_two() { sets - 1 } else { NO_MASK };
        let way = |at: usize| {
            let stamp = if narrow { (at % ways_per_set) as u64 } else { 0 };
            Way { stamp, entry: Entry::default() }
        };
        Self {
            tags: vec![NEVER_USED; total].into(),
            ways: (0..total).map(way).collect(),
            usual_mask: if ways_per_set == USUAL_WAYS { set_mask } else { NO_MASK },
            clock: 0,
            last_tag: NEVER_USED,
            last_entry: Entry::default(),
            ways_per_set,
            set_mask,
            guesses: vec![0; buckets].into(),
            counts: vec![0; buckets].into(),
            sets,
            held: 0,
            ghosts: 0,
            live: vec![0; total.div_ceil(64)].into(),
        }
    }

    /// How much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let ways = self.tags.len() * (size_of::<u64>() + size_of::<Way>());
        ways + (self.guesses.len() + self.counts.len()) * size_of::<u32>()
    }

    /// Translations held now.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Looks a translation up and makes it the most recently used of its set.
    #[inline]
    pub fn lookup(&mut self, key: Key) -> Found {
        self.lookup_tag(key.live_tag())
    }

    /// [`Tlb::lookup`] by the live tag: a key travels in memory as three fields, and copying it stalls a hit for 12 ns.
    #[inline]
    pub(super) fn lookup_tag(&mut self, tag: u64) -> Found {
        if let Some(entry) = self.lookup_if(tag, |_| true) {
            return Found::Hit(entry);
        }
        if self.ghosts > 0 && self.search(tag).is_some() { Found::Flushed } else { Found::Absent }
    }

    /// [`Tlb::lookup`], unless it would not hit or find a translation that does not serve: then nothing changes.
    #[expect(clippy::inline_always, reason = "a call here makes a hit a third dearer")]
    #[inline(always)]
    pub(super) fn lookup_if(&mut self, tag: u64, serves: impl Fn(Entry) -> bool) -> Option<Entry> {
        if tag == self.last_tag && serves(self.last_entry) {
            return Some(self.last_entry);
        }
        if self.is_usual() {
            let at = self.live_at_usual(tag)?;
            return self.touch(at, tag, serves);
        }
        let at = self.live_at_any(tag)?;
        let entry = self.touch(at, tag, serves)?;
        if !self.is_narrow() {
            self.guesses[self.bucket_of(tag)] = at as u32;
        }
        Some(entry)
    }

    /// Makes a live way that serves the most recently used.
    #[inline]
    fn touch(&mut self, at: usize, tag: u64, serves: impl Fn(Entry) -> bool) -> Option<Entry> {
        let way = &mut self.ways[at];
        if !serves(way.entry) {
            return None;
        }
        self.clock += TICK;
        way.stamp = way.stamp & WAY_MASK | self.clock | LIVE_STAMP;
        (self.last_tag, self.last_entry) = (tag, way.entry);
        Some(way.entry)
    }

    /// The translation, if held; its age does not change.
    pub fn peek(&self, key: Key) -> Option<Entry> {
        self.live_at(key.live_tag()).map(|at| self.ways[at].entry)
    }

    /// Puts a translation in as the most recently used of its set, over an older one of the same page. Returns what had to leave.
    pub fn insert(&mut self, key: Key, entry: Entry) -> Option<(Key, Entry)> {
        let (tag, old) = self.insert_tag(key.live_tag(), entry)?;
        Some((Key::from_tag(tag), old))
    }

    pub(super) fn insert_tag(&mut self, tag: u64, entry: Entry) -> Option<(u64, Entry)> {
        let at = self.search(tag).unwrap_or_else(|| self.oldest(tag));
        self.put(at, tag, entry)
    }

    /// [`Tlb::insert`] after a lookup that did not hit; returns no victim.
    pub(super) fn refill_tag(&mut self, tag: u64, entry: Entry) {
        debug_assert_eq!(self.live_at(tag), None);
        let own = if self.ghosts > 0 { self.search(tag) } else { None };
        self.put(own.unwrap_or_else(|| self.oldest(tag)), tag, entry);
    }

    /// Changes a translation in place, if held; its age does not change.
    pub fn update(&mut self, key: Key, f: impl FnOnce(Entry) -> Entry) -> bool {
        self.update_tag(key.live_tag(), f)
    }

    pub(super) fn update_tag(&mut self, tag: u64, f: impl FnOnce(Entry) -> Entry) -> bool {
        let Some(at) = self.live_at(tag) else {
            return false;
        };
        let entry = &mut self.ways[at].entry;
        *entry = f(*entry);
        if tag == self.last_tag {
            self.last_entry = *entry;
        }
        true
    }

    /// Flushes one page: its ghost stays.
    pub fn invalidate(&mut self, key: Key) -> Option<Entry> {
        if self.held == 0 {
            return None;
        }
        let at = self.live_at(key.live_tag())?;
        Some(self.release(at))
    }

    /// Takes one page out without a trace, as for an eviction elsewhere that this array must follow.
    pub fn remove(&mut self, key: Key) -> Option<Entry> {
        self.remove_tag(key.live_tag())
    }

    pub(super) fn remove_tag(&mut self, tag: u64) -> Option<Entry> {
        let at = self.live_at(tag)?;
        let entry = self.release(at);
        if !self.is_narrow() {
            self.counts[self.bucket_of(tag)] -= 1;
        }
        self.tags[at] = NEVER_USED;
        self.ghosts -= 1;
        self.ways[at].stamp &= WAY_MASK;
        Some(entry)
    }

    /// Flushes one address space, or all of them for `None`, and reports each translation removed, by set and way.
    pub fn sweep(&mut self, asid: Option<u16>, sink: &mut impl FnMut(Key, Entry)) {
        let mut left = self.held;
        for word in 0..self.live.len() {
            if left == 0 {
                break;
            }
            let mut bits = self.live[word];
            while bits != 0 {
                let at = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                left -= 1;
                let key = Key::from_tag(self.tags[at]);
                if asid.is_none_or(|asid| asid == key.asid) {
                    sink(key, self.release(at));
                }
            }
        }
    }

    /// All translations held, by set and way.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Entry)> {
        let live = |at: &usize| self.live[at / 64] >> (at % 64) & 1 == 1;
        (0..self.tags.len()).filter(live).map(|at| (Key::from_tag(self.tags[at]), self.ways[at].entry))
    }

    // From here on pages go by their live tag: one register where a key is three fields in memory.

    #[inline]
    fn bucket_of(&self, tag: u64) -> usize {
        (tag >> VPN_SHIFT) as usize & (self.guesses.len() - 1)
    }

    /// Is the number of ways the usual one, and that of sets a power of two?
    #[inline]
    fn is_usual(&self) -> bool {
        self.usual_mask != NO_MASK
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

    /// Where the page is, alive or as a ghost.
    fn search(&self, tag: u64) -> Option<usize> {
        if !self.is_narrow() && self.counts[self.bucket_of(tag)] == 0 {
            return None;
        }
        let set = self.set_of(tag);
        find(&self.tags[set.clone()], tag, LIVE_ONLY).map(|way| set.start + way)
    }

    /// Where the page is, if it is there alive.
    #[inline]
    pub(super) fn live_at(&self, tag: u64) -> Option<usize> {
        if self.is_usual() { self.live_at_usual(tag) } else { self.live_at_any(tag) }
    }

    /// The same for the usual geometry.
    #[inline]
    fn live_at_usual(&self, tag: u64) -> Option<usize> {
        let start = self.usual_start(tag);
        // A hit reads its way: it comes from memory beside the tags, and not behind them.
        prefetch_index(&self.ways, start);
        let set = &self.tags[start..start + USUAL_WAYS];
        find_in::<USUAL_WAYS>(set, tag, 0).map(|way| start + way)
    }

    /// The first way of a set of that geometry.
    #[inline]
    fn usual_start(&self, tag: u64) -> usize {
        (tag >> VPN_SHIFT & self.usual_mask) as usize * USUAL_WAYS
    }

    /// Where it is in any.
    #[inline(never)]
    fn live_at_any(&self, tag: u64) -> Option<usize> {
        if self.is_narrow() {
            let set = self.set_of(tag);
            set.clone().step_by(WAYS_OF_A_LINE).for_each(|at| prefetch_index(&self.ways, at));
            return find(&self.tags[set.clone()], tag, 0).map(|way| set.start + way);
        }
        let guess = self.guesses[self.bucket_of(tag)] as usize;
        if self.tags[guess] == tag {
            return Some(guess);
        }
        self.search(tag).filter(|at| self.tags[*at] == tag)
    }

    /// The way to fill next: of the smallest stamp.
    #[inline]
    fn oldest(&self, tag: u64) -> usize {
        if self.is_usual() {
            let start = self.usual_start(tag);
            let least = least_of(&self.ways[start..start + USUAL_WAYS]);
            return start + (least & WAY_MASK) as usize;
        }
        let set = self.set_of(tag);
        let ways = &self.ways[set.clone()];
        let least = match ways.len() {
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
    fn put(&mut self, at: usize, tag: u64, entry: Entry) -> Option<(u64, Entry)> {
        self.clock += TICK;
        let old_tag = std::mem::replace(&mut self.tags[at], tag);
        let way = &mut self.ways[at];
        way.stamp = way.stamp & WAY_MASK | self.clock | LIVE_STAMP;
        let old = std::mem::replace(&mut way.entry, entry);
        (self.last_tag, self.last_entry) = (tag, entry);
        if !self.is_narrow() {
            if old_tag != NEVER_USED {
                self.counts[self.bucket_of(old_tag)] -= 1;
            }
            let bucket = self.bucket_of(tag);
            self.counts[bucket] += 1;
            self.guesses[bucket] = at as u32;
        }
        if old_tag & LIVE_ONLY == 0 {
            self.live[at / 64] |= 1 << (at % 64);
            self.held += 1;
            self.ghosts -= usize::from(old_tag != NEVER_USED);
            return None;
        }
        (old_tag != tag).then_some((old_tag, old))
    }

    /// Frees a live way and leaves the ghost.
    fn release(&mut self, at: usize) -> Entry {
        if self.tags[at] == self.last_tag {
            self.last_tag = NEVER_USED;
        }
        self.tags[at] &= !LIVE_ONLY;
        let way = &mut self.ways[at];
        way.stamp &= !LIVE_STAMP;
        self.live[at / 64] &= !(1 << (at % 64));
        self.held -= 1;
        self.ghosts += 1;
        way.entry
    }
}

#[cfg(test)]
mod tests;
