//! The TLBs of the model, put together and counted as cachegrind does it.

use sim_core::machine::profile::TlbGeometry;
use sim_core::machine::tlb::{Entry, Found, Key, PageSize, Tlb, VPN_BITS};

use super::line::{Access, Kind, PAGE_SHIFT};

/// Pages have numbers below this.
const PAGES: u64 = 1 << VPN_BITS;

/// Size of one TLB: `entries` is a positive multiple of `ways`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    /// Translations it can hold.
    pub entries: u32,
    /// Translations in a set; as many as entries: fully associative.
    pub ways: u32,
}

/// Sizes of the TLBs, as cachegrind calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// I1: first level, for fetches.
    pub fetch: Array,
    /// D1: first level, for data.
    pub data: Array,
    /// LL: second level; `None`: there is none, and what misses the first level misses.
    pub second: Option<Array>,
}

impl Geometry {
    /// Those for pages of 4 KiB of a machine.
    pub fn of_machine(tlb: &TlbGeometry) -> Geometry {
        let array = |entries, ways| Array { entries, ways };
        Geometry {
            fetch: array(tlb.itlb4k_entries, tlb.itlb4k_ways),
            data: array(tlb.dtlb4k_entries, tlb.dtlb4k_ways),
            second: (tlb.stlb_entries > 0).then(|| array(tlb.stlb_entries, tlb.stlb_ways)),
        }
    }
}

/// Accesses of one kind, and how many of them missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accesses.
    pub refs: u64,
    /// Those that missed the first level.
    pub first_misses: u64,
    /// Those of them that missed the second level, too.
    pub second_misses: u64,
}

/// One TLB, and the page that it served last.
struct Level {
    tlb: Tlb,
    /// The most recently used of all: it hits, and a hit changes nothing.
    last: u64,
}

impl Level {
    fn new(array: Array) -> Level {
        Level { tlb: Tlb::new(array.entries, array.ways), last: u64::MAX }
    }

    /// Does this page miss? It is held afterwards, and the most recently used.
    #[inline]
    fn misses(&mut self, page: u64) -> bool {
        if page == self.last {
            return false;
        }
        self.last = page;
        let key = Key::new(page, 0, PageSize::Size4K);
        let hit = matches!(self.tlb.lookup(key), Found::Hit(_));
        if !hit {
            self.tlb.insert(key, Entry::default());
        }
        !hit
    }

    /// The same for an access that may go on in the next page.
    #[inline]
    fn access_misses(&mut self, access: Access) -> bool {
        let page = access.address >> PAGE_SHIFT & (PAGES - 1);
        let mut misses = self.misses(page);
        if access.is_across() {
            misses |= self.misses((page + 1) & (PAGES - 1));
        }
        misses
    }
}

/// The TLBs, and what was counted.
pub(super) struct Arrays {
    fetch: Level,
    data: Level,
    second: Option<Level>,
    /// By [`Kind`].
    pub(super) counts: [Counts; 4],
    pub(super) across: u64,
}

impl Arrays {
    pub(super) fn new(geometry: &Geometry) -> Arrays {
        Arrays {
            fetch: Level::new(geometry.fetch),
            data: Level::new(geometry.data),
            second: geometry.second.map(Level::new),
            counts: [Counts::default(); 4],
            across: 0,
        }
    }

    #[inline]
    pub(super) fn access(&mut self, access: Access) {
        let counts = &mut self.counts[access.kind as usize];
        counts.refs += 1;
        self.across += u64::from(access.is_across());
        let first = if access.kind == Kind::Fetch { &mut self.fetch } else { &mut self.data };
        if first.access_misses(access) {
            counts.first_misses += 1;
            let misses = self.second.as_mut().is_none_or(|second| second.access_misses(access));
            counts.second_misses += u64::from(misses);
        }
    }
}
