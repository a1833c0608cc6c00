//! One TLB array: sets x ways, true LRU.
//!
//! The search compares all tags of a set without branching: an early exit costs four times as much on random hits
//! (mispredictions). The translation used last is kept aside: it is the youngest of its set, so to use it again changes nothing.
//!
//! A flush leaves the tag in its way as a *ghost*: the way is free, but a later miss can tell that it would have hit had the flush
//! not been. A ghost lasts until its way is filled again. Free ways are filled before any live entry is evicted, never used ones
//! first, then the ghost used longest ago: the array forgets ghosts in the order in which it would have evicted the entries.
//!
//! The sets of an array are kept as one of two kinds (`line.rs`, `stamped.rs`), by how many there are and how wide.

mod key;
mod line;
mod search;
mod stamped;

use std::mem::offset_of;
use std::slice::from_ref;

use prefetch_index::prefetch_index;

pub use key::{Key, PageSize, VPN_BITS};
use key::{LIVE_ONLY, NEVER_USED};
use line::Lines;
use stamped::Stamped;

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

/// Bytes of a cache line of the host, as of x86-64 and most arm64.
const HOST_LINE_BYTES: usize = 64;

/// The sets of an array, by what they are. Their fields come after one tag, as `repr` has it: what is asserted below counts on that.
#[derive(Clone, Debug)]
#[repr(u8)]
enum Sets {
    /// A few, of four ways. Not in a box: so what finds a set is in the first line of the array.
    Lines(Lines),
    /// All others.
    Stamped(Stamped),
}

/// A set-associative array of translations.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Tlb {
    /// The live tag used last, or `NEVER_USED`, and what it says: most accesses are to the page of the one before.
    last_tag: u64,
    last_entry: Entry,
    sets: Sets,
    held: usize,
    ghosts: usize,
    /// One bit for each live way: a flush visits what is there, not the whole array.
    live: Box<[u64]>,
}

// All that a hit in lines looks at but its set, with the tag of the enum.
const _: () = assert!(offset_of!(Tlb, sets) + size_of::<u64>() + size_of::<Lines>() <= HOST_LINE_BYTES);
// What `prefetch` asks for beside the first line: the second, which `Stamped` reaches into.
const _: () = assert!(offset_of!(Tlb, held) / HOST_LINE_BYTES == 1);

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
        let (sets, ways_per_set) = (u64::from(entries / ways), ways as usize);
        let lines = Lines::new(sets, ways_per_set).map(Sets::Lines);
        Self {
            last_tag: NEVER_USED,
            last_entry: Entry::default(),
            sets: lines.unwrap_or_else(|| Sets::Stamped(Stamped::new(sets, ways_per_set))),
            held: 0,
            ghosts: 0,
            live: vec![0; (entries as usize).div_ceil(64)].into(),
        }
    }

    /// Asks the host for what many lookups will look at: where sets are, and the sets themselves, if they are few.
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch_index(from_ref(&self.last_tag), 0);
        prefetch_index(from_ref(&self.held), 0);
        if let Sets::Lines(lines) = &self.sets {
            lines.prefetch();
        }
    }

    /// Asks the host for what a lookup of this tag looks at, where the sets are many.
    #[inline]
    pub(super) fn prefetch_set(&self, tag: u64) {
        if let Sets::Stamped(stamped) = &self.sets {
            stamped.prefetch_set(tag);
        }
    }

    /// How much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.sets {
            Sets::Lines(lines) => lines.bytes(),
            Sets::Stamped(stamped) => stamped.bytes(),
        }
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
        if let Some(&entry) = self.lookup_if(tag, |_| true) {
            return Found::Hit(entry);
        }
        if self.ghosts > 0 && self.search(tag).is_some() { Found::Flushed } else { Found::Absent }
    }

    /// [`Tlb::lookup`], unless it would not hit or find a translation that does not serve: then nothing changes. What is found stays
    /// where it is: who needs a field of it reads that one.
    #[expect(clippy::inline_always, reason = "a call here makes a hit a third dearer")]
    #[inline(always)]
    pub(super) fn lookup_if(&mut self, tag: u64, serves: impl Fn(Entry) -> bool) -> Option<&Entry> {
        if tag == self.last_tag && serves(self.last_entry) {
            return Some(&self.last_entry);
        }
        let entry = match &mut self.sets {
            Sets::Lines(lines) => lines.lookup_if(tag, serves)?,
            Sets::Stamped(stamped) => stamped.lookup_if(tag, serves)?,
        };
        (self.last_tag, self.last_entry) = (tag, entry);
        Some(&self.last_entry)
    }

    /// The translation, if held; its age does not change.
    pub fn peek(&self, key: Key) -> Option<Entry> {
        self.live_at(key.live_tag()).map(|at| self.entry(at))
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
        let entry = match &mut self.sets {
            Sets::Lines(lines) => lines.entry_mut(at),
            Sets::Stamped(stamped) => stamped.entry_mut(at),
        };
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
        match &mut self.sets {
            Sets::Lines(lines) => lines.forget(at),
            Sets::Stamped(stamped) => stamped.forget(at),
        }
        self.ghosts -= 1;
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
                let key = Key::from_tag(self.tag(at));
                if asid.is_none_or(|asid| asid == key.asid) {
                    sink(key, self.release(at));
                }
            }
        }
    }

    /// All translations held, by set and way.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Entry)> {
        let live = |at: &usize| self.live[at / 64] >> (at % 64) & 1 == 1;
        let ways = match &self.sets {
            Sets::Lines(lines) => lines.ways(),
            Sets::Stamped(stamped) => stamped.ways(),
        };
        (0..ways).filter(live).map(|at| (Key::from_tag(self.tag(at)), self.entry(at)))
    }

    // From here on pages go by their live tag: one register where a key is three fields in memory.

    #[inline]
    fn tag(&self, at: usize) -> u64 {
        match &self.sets {
            Sets::Lines(lines) => lines.tag(at),
            Sets::Stamped(stamped) => stamped.tag(at),
        }
    }

    #[inline]
    fn entry(&self, at: usize) -> Entry {
        match &self.sets {
            Sets::Lines(lines) => lines.entry(at),
            Sets::Stamped(stamped) => stamped.entry(at),
        }
    }

    /// Where the page is, alive or as a ghost.
    fn search(&self, tag: u64) -> Option<usize> {
        match &self.sets {
            Sets::Lines(lines) => lines.search(tag),
            Sets::Stamped(stamped) => stamped.search(tag),
        }
    }

    /// Where the page is, if it is there alive.
    #[inline]
    fn live_at(&self, tag: u64) -> Option<usize> {
        match &self.sets {
            Sets::Lines(lines) => lines.live_at(tag),
            Sets::Stamped(stamped) => stamped.live_at(tag),
        }
    }

    /// The way to fill next.
    #[inline]
    fn oldest(&self, tag: u64) -> usize {
        match &self.sets {
            Sets::Lines(lines) => lines.oldest(tag),
            Sets::Stamped(stamped) => stamped.oldest(tag),
        }
    }

    #[inline]
    fn put(&mut self, at: usize, tag: u64, entry: Entry) -> Option<(u64, Entry)> {
        let (old_tag, old) = match &mut self.sets {
            Sets::Lines(lines) => lines.put(at, tag, entry),
            Sets::Stamped(stamped) => stamped.put(at, tag, entry),
        };
        (self.last_tag, self.last_entry) = (tag, entry);
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
        if self.tag(at) == self.last_tag {
            self.last_tag = NEVER_USED;
        }
        match &mut self.sets {
            Sets::Lines(lines) => lines.release(at),
            Sets::Stamped(stamped) => stamped.release(at),
        }
        self.live[at / 64] &= !(1 << (at % 64));
        self.held -= 1;
        self.ghosts += 1;
        self.entry(at)
    }
}

#[cfg(test)]
mod tests;
