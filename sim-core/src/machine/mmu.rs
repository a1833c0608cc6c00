//! The MMU of one core: first-level TLBs for instructions and data, a second level, paging-structure caches.
//!
//! Each first-level array exists once per page size, as the profile sizes them. Cores whose first level takes any size in one
//! fully associative array (Zen, Neoverse) are given two arrays of that size: right for programs that use one page size, up to
//! twice too large for those that mix them.
//!
//! The second level is inclusive: what it evicts leaves the first level too, without a ghost. A size it does not hold (2 MiB on
//! some cores) lives in the first level alone, and leaves the MMU when the last first-level copy goes. All copies of a
//! translation are equal at all times.

use super::profile::Profile;
use super::psc::{Levels, Psc};
use super::tlb::{Entry, Found, Key, PageSize, Tlb};

/// What the core wants to do with the page; fetches go through the instruction TLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read data.
    Load,
    /// Write data.
    Store,
    /// Read instructions.
    Fetch,
}

/// Where a translation was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// In the first level.
    L1(Entry),
    /// In the second level; the first level has it now.
    Stlb(Entry),
    /// Nowhere: the page must be walked.
    Miss {
        /// The page was held when a flush removed it, and nothing has taken its way since: the flush caused this walk. Decided
        /// by the last array to hold the page (the second level, or this first level for sizes that live there alone).
        flushed: bool,
    },
}

/// The translation hardware of one core.
#[derive(Clone, Debug)]
pub struct Mmu {
    /// By page size.
    fetch: [Tlb; 2],
    /// By page size.
    data: [Tlb; 2],
    stlb: Option<Tlb>,
    stlb_holds_2m: bool,
    psc: Psc,
    psc_flushed_by_page: bool,
    psc_flushed_by_asid: bool,
}

impl Mmu {
    /// Empty caches with the geometry of the profile.
    pub fn new(profile: &Profile) -> Self {
        let mut one = Self::many(profile, 1);
        one.next().expect("one was asked for")
    }

    /// The same for a number of cores. What every access looks at is close together in memory, over all of them.
    pub fn many(profile: &Profile, cores: usize) -> impl Iterator<Item = Self> {
        let tlb = &profile.tlb;
        let data: Vec<Tlb> = (0..cores).map(|_| Tlb::new(tlb.dtlb4k_entries, tlb.dtlb4k_ways)).collect();
        data.into_iter().map(|data| Self {
            fetch: [Tlb::new(tlb.itlb4k_entries, tlb.itlb4k_ways), Tlb::new(tlb.itlb2m_entries, tlb.itlb2m_entries)],
            data: [data, Tlb::new(tlb.dtlb2m_entries, tlb.dtlb2m_ways)],
            stlb: (tlb.stlb_entries > 0).then(|| Tlb::new(tlb.stlb_entries, tlb.stlb_ways)),
            stlb_holds_2m: tlb.stlb_holds_2m,
            psc: Psc::new(&profile.psc),
            psc_flushed_by_page: profile.psc.flushed_by_invlpg,
            psc_flushed_by_asid: profile.psc.flushed_by_cr3,
        })
    }

    /// Translates a page. A hit becomes the most recently used of its set; one in the second level is copied into the first.
    #[inline]
    pub fn lookup(&mut self, key: Key, access: Access) -> Lookup {
        let (tag, size) = (key.live_tag(), key.size);
        let first = first_level(&mut self.fetch, &mut self.data, access, size);
        let Some(stlb) = second_level(&mut self.stlb, self.stlb_holds_2m, size) else {
            return match first.lookup_tag(tag) {
                Found::Hit(entry) => Lookup::L1(entry),
                missed => Lookup::Miss { flushed: missed == Found::Flushed },
            };
        };
        if let Some(&entry) = first.lookup_if(tag, |_| true) {
            return Lookup::L1(entry);
        }
        match stlb.lookup_tag(tag) {
            Found::Hit(entry) => {
                first.refill_tag(tag, entry);
                Lookup::Stlb(entry)
            }
            missed => Lookup::Miss { flushed: missed == Found::Flushed },
        }
    }

    /// [`Mmu::lookup`] in the first level alone, unless it would miss or find a translation that does not serve: then nothing
    /// moves.
    #[expect(clippy::inline_always, reason = "a call here makes a hit a third dearer")]
    #[inline(always)]
    pub fn first_if(&mut self, key: Key, access: Access, serves: impl Fn(Entry) -> bool) -> Option<&Entry> {
        let first = first_level(&mut self.fetch, &mut self.data, access, key.size);
        first.lookup_if(key.live_tag(), serves)
    }

    /// The same in the second level alone, when the first has missed, or holds what does not serve: then neither does the copy.
    pub fn second_if(&mut self, key: Key, access: Access, serves: impl Fn(Entry) -> bool) -> Option<Entry> {
        let (tag, size) = (key.live_tag(), key.size);
        let stlb = second_level(&mut self.stlb, self.stlb_holds_2m, size)?;
        let entry = *stlb.lookup_if(tag, serves)?;
        first_level(&mut self.fetch, &mut self.data, access, size).refill_tag(tag, entry);
        Some(entry)
    }

    /// Asks the host for what data accesses of pages of 4 KiB look at.
    #[inline]
    pub(crate) fn prefetch(&self) {
        self.stlb.iter().for_each(Tlb::prefetch);
        self.data[PageSize::Size4K as usize].prefetch();
    }

    /// Asks the host for what [`Mmu::second_if`] looks at.
    #[inline]
    pub(crate) fn prefetch_second(&self, key: Key) {
        self.stlb.iter().for_each(|stlb| stlb.prefetch_set(key.live_tag()));
    }

    /// The translation, if any level holds it. Nothing moves.
    pub fn peek(&self, key: Key) -> Option<Entry> {
        let at = key.size as usize;
        match &self.stlb {
            Some(stlb) if self.stlb_holds(key.size) => stlb.peek(key),
            _ => self.data[at].peek(key).or_else(|| self.fetch[at].peek(key)),
        }
    }

    /// What [`Mmu::lookup`] would find. Nothing moves. Without a second level the two sides know nothing of each other.
    pub fn peek_for(&self, key: Key, access: Access) -> Option<Entry> {
        let at = key.size as usize;
        match (&self.stlb, access) {
            (Some(stlb), _) if self.stlb_holds(key.size) => stlb.peek(key),
            (_, Access::Load | Access::Store) => self.data[at].peek(key),
            (_, Access::Fetch) => self.fetch[at].peek(key),
        }
    }

    /// Enters the result of a walk. Returns the translation that is now no longer held at all, if one had to go.
    pub fn fill(&mut self, key: Key, access: Access, entry: Entry) -> Option<(Key, Entry)> {
        let (tag, size) = (key.live_tag(), key.size);
        let other = match access {
            Access::Load | Access::Store => &mut self.fetch,
            Access::Fetch => &mut self.data,
        };
        // A copy on the other side follows the walk.
        other[size as usize].update_tag(tag, |_| entry);
        let first = first_level(&mut self.fetch, &mut self.data, access, size);
        let Some(stlb) = second_level(&mut self.stlb, self.stlb_holds_2m, size) else {
            let evicted = first.insert(key, entry)?;
            return self.peek(evicted.0).is_none().then_some(evicted);
        };
        first.insert_tag(tag, entry);
        let (victim, old) = stlb.insert_tag(tag, entry)?;
        let evicted = Key::from_tag(victim);
        self.fetch[evicted.size as usize].remove_tag(victim);
        self.data[evicted.size as usize].remove_tag(victim);
        Some((evicted, old))
    }

    /// Changes all copies of a translation, for example its dirty bit or its marks. Ages stay. False: it is not held.
    pub fn update(&mut self, key: Key, f: impl Fn(Entry) -> Entry) -> bool {
        let at = key.size as usize;
        let copies = [&mut self.fetch[at], &mut self.data[at]];
        let changed = copies.into_iter().chain(self.stlb.as_mut()).filter_map(|tlb| tlb.update(key, &f).then_some(()));
        changed.count() > 0
    }

    /// INVLPG, but for the paging-structure caches: removes this page. `sink` gets the translation once, however many copies there were.
    pub fn invalidate_translation(&mut self, key: Key, sink: &mut impl FnMut(Key, Entry)) {
        let at = key.size as usize;
        let stlb = second_level(&mut self.stlb, self.stlb_holds_2m, key.size).map(|stlb| stlb.invalidate(key));
        // What the second level could hold and does not, no other does.
        if stlb != Some(None) {
            let fetch = self.fetch[at].invalidate(key);
            let data = self.data[at].invalidate(key);
            if let Some(entry) = stlb.flatten().or(data).or(fetch) {
                sink(key, entry);
            }
        }
    }

    /// The rest of INVLPG, for one page or many: what the paging-structure caches hold of its address space, if the profile says so.
    pub fn invalidate_psc(&mut self, asid: u16) {
        if self.psc_flushed_by_page {
            self.psc.invalidate_asid(asid);
        }
    }

    /// Removes a translation as the hardware does on its own, after a fault say: no ghost, and the paging-structure caches stay.
    pub fn forget(&mut self, key: Key) -> Option<Entry> {
        let at = key.size as usize;
        let fetch = self.fetch[at].remove(key);
        let data = self.data[at].remove(key);
        let stlb = self.stlb.as_mut().and_then(|stlb| stlb.remove(key));
        stlb.or(data).or(fetch)
    }

    /// A flushing CR3 write: removes one address space, from the paging-structure caches too if the profile says so. `sink` gets
    /// each translation once, in the order of the arrays.
    pub fn invalidate_asid(&mut self, asid: u16, sink: &mut impl FnMut(Key, Entry)) {
        self.sweep(Some(asid), sink);
        if self.psc_flushed_by_asid {
            self.psc.invalidate_asid(asid);
        }
    }

    /// Removes everything, paging-structure caches included. `sink` as for [`Mmu::invalidate_asid`].
    pub fn invalidate_all(&mut self, sink: &mut impl FnMut(Key, Entry)) {
        self.sweep(None, sink);
        self.psc.invalidate_all();
    }

    /// Walks the page: which entries must be read, given the paging-structure caches, which then know the way.
    pub fn walk_levels(&mut self, key: Key) -> Levels {
        self.psc.walk(key)
    }

    /// Is no translation held?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.stlb.iter().chain(&self.data).chain(&self.fetch).all(|tlb| tlb.held() == 0)
    }

    /// All translations held, each once: first those of the second level, then those that live in the first alone.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Entry)> {
        let alone = |tlb| only_if(tlb, |size| !self.stlb_holds(size));
        let fetch_alone = self.fetch.iter().flat_map(alone);
        let not_in_data = move |(key, _): &(Key, Entry)| {
            let data = &self.data[key.size as usize];
            data.peek(*key).is_none()
        };
        (self.stlb.iter().flat_map(Tlb::iter))
            .chain(self.data.iter().flat_map(alone))
            .chain(fetch_alone.filter(not_in_data))
    }

    /// Is a translation in the first level, for data or for instructions?
    pub fn is_in_first(&self, key: Key) -> bool {
        let at = key.size as usize;
        self.data[at].peek(key).is_some() || self.fetch[at].peek(key).is_some()
    }

    /// How much memory its arrays take, in bytes.
    pub fn bytes(&self) -> usize {
        self.fetch.iter().chain(&self.data).chain(&self.stlb).map(Tlb::bytes).sum()
    }

    fn stlb_holds(&self, size: PageSize) -> bool {
        self.stlb.is_some() && (size == PageSize::Size4K || self.stlb_holds_2m)
    }

    fn sweep(&mut self, asid: Option<u16>, sink: &mut impl FnMut(Key, Entry)) {
        if let Some(stlb) = &mut self.stlb {
            stlb.sweep(asid, sink);
        }
        for size in [PageSize::Size4K, PageSize::Size2M] {
            let listed = self.stlb_holds(size);
            let data = &mut self.data[size as usize];
            self.fetch[size as usize].sweep(asid, &mut |key, entry| {
                if !listed && data.peek(key).is_none() {
                    sink(key, entry);
                }
            });
            data.sweep(asid, &mut |key, entry| {
                if !listed {
                    sink(key, entry);
                }
            });
        }
    }
}

/// The first-level array for an access; not a method, so that the second level can be used beside it.
#[inline]
fn first_level<'a>(fetch: &'a mut [Tlb; 2], data: &'a mut [Tlb; 2], access: Access, size: PageSize) -> &'a mut Tlb {
    let arrays = match access {
        Access::Load | Access::Store => data,
        Access::Fetch => fetch,
    };
    &mut arrays[size as usize]
}

/// The second level, if it holds pages of this size.
#[inline]
fn second_level(stlb: &mut Option<Tlb>, holds_2m: bool, size: PageSize) -> Option<&mut Tlb> {
    stlb.as_mut().filter(|_| size == PageSize::Size4K || holds_2m)
}

fn only_if(tlb: &Tlb, wanted: impl Fn(PageSize) -> bool) -> impl Iterator<Item = (Key, Entry)> {
    tlb.iter().filter(move |(key, _)| wanted(key.size))
}

#[cfg(test)]
pub(super) mod naive;
#[cfg(test)]
mod tests;
