//! One TLB array: sets x ways, true LRU.
//!
//! The search compares all tags of a set without branching: an early exit costs four times as much on random hits
//! (mispredictions). In a wide set a lookup first tries where this page number was found last time (a guess that the tag confirms,
//! so it is never wrong).
//!
//! A flush leaves the tag in its way as a *ghost*: the way is free, but a later miss can tell that it would have hit had the flush
//! not been. A ghost lasts until its way is filled again. Free ways are filled before any live entry is evicted, never used ones
//! first, then the ghost used longest ago: the array forgets ghosts in the order in which it would have evicted the entries.

mod search;

use std::ops::Range;

use search::{find, find_in, least_in, least_of};

/// Bits of a page number: 57-bit addresses in pages of 4 KiB.
pub const VPN_BITS: u32 = 45;

/// Size of the page a translation maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageSize {
    /// 4 KiB.
    Size4K,
    /// 2 MiB.
    Size2M,
}

impl PageSize {
    /// log2 of the size in bytes.
    pub fn shift(self) -> u32 {
        match self {
            Self::Size4K => 12,
            Self::Size2M => 21,
        }
    }
}

/// What a translation is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Number of the page *in units of its own size*: address >> 12, or address >> 21 for 2 MiB. Below 2^45.
    pub vpn: u64,
    /// Address space (PCID, ASID).
    pub asid: u16,
    /// Size of the page.
    pub size: PageSize,
}

impl Key {
    /// The page number `vpn`, counted in pages of `size`, of the address space `asid`.
    pub fn new(vpn: u64, asid: u16, size: PageSize) -> Self {
        Self { vpn, asid, size }
    }

    /// The page of `size` that holds a virtual address.
    pub fn of(address: u64, asid: u16, size: PageSize) -> Self {
        Self::new(address >> size.shift(), asid, size)
    }

    /// The tag of a live way. Two low bits: 00 never used, 01 ghost, 11 live.
    #[inline]
    pub(super) fn live_tag(self) -> u64 {
        assert!(self.vpn >> VPN_BITS == 0, "page number {:#x} is too large", self.vpn);
        self.vpn << VPN_SHIFT | u64::from(self.asid) << 3 | (self.size as u64) << 2 | LIVE
    }

    pub(super) fn from_tag(tag: u64) -> Self {
        let size = if tag & 0b100 == 0 { PageSize::Size4K } else { PageSize::Size2M };
        Self::new(tag >> VPN_SHIFT, (tag >> 3) as u16, size)
    }
}

const VPN_SHIFT: u32 = 19;
const LIVE: u64 = 0b11;
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
    ways_per_set: usize,
    /// The bits of a page number that choose its set, or `NO_MASK`.
    set_mask: u64,
    clock: u64,
    /// The number of ways is the usual one, and that of sets a power of two.
    is_usual: bool,
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
        let way = |at: usize| {
            let stamp = if narrow { (at % ways_per_set) as u64 } else { 0 };
            Way { stamp, entry: Entry::default() }
        };
        Self {
            tags: vec![NEVER_USED; total].into(),
            ways: (0..total).map(way).collect(),
            ways_per_set,
            set_mask: if sets.is_power_of_two() { sets - 1 } else { NO_MASK },
            clock: 0,
            is_usual: ways_per_set == USUAL_WAYS && sets.is_power_of_two(),
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
        if self.is_usual {
            let at = self.live_at_usual(tag)?;
            return self.touch(at, serves);
        }
        let at = self.live_at_any(tag)?;
        let entry = self.touch(at, serves)?;
        if !self.is_narrow() {
            self.guesses[self.bucket_of(tag)] = at as u32;
        }
        Some(entry)
    }

    /// Makes a live way that serves the most recently used.
    #[inline]
    fn touch(&mut self, at: usize, serves: impl Fn(Entry) -> bool) -> Option<Entry> {
        let way = &mut self.ways[at];
        if !serves(way.entry) {
            return None;
        }
        self.clock += TICK;
        way.stamp = way.stamp & WAY_MASK | self.clock | LIVE_STAMP;
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
        if self.is_usual { self.live_at_usual(tag) } else { self.live_at_any(tag) }
    }

    /// The same for the usual geometry.
    #[inline]
    fn live_at_usual(&self, tag: u64) -> Option<usize> {
        let start = self.usual_start(tag);
        let set = &self.tags[start..start + USUAL_WAYS];
        find_in::<USUAL_WAYS>(set, tag, 0).map(|way| start + way)
    }

    /// The first way of a set of that geometry.
    #[inline]
    fn usual_start(&self, tag: u64) -> usize {
        (tag >> VPN_SHIFT & self.set_mask) as usize * USUAL_WAYS
    }

    /// Where it is in any.
    #[inline(never)]
    fn live_at_any(&self, tag: u64) -> Option<usize> {
        if self.is_narrow() {
            let set = self.set_of(tag);
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
        if self.is_usual {
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
