//! Paging-structure caches: where a page walk may start.
//!
//! A walk of four levels reads the PML4E, PDPTE, PDE and PTE. A hit in the PDE cache leaves only the PTE to read, one in the
//! PDPTE cache the PDE and the PTE, and so on: the deepest hit wins. The caches hold no leaf entries; those go to the TLB.

use super::profile::PscGeometry;
use super::tlb::{Key, PageSize};

/// A level of the page table, by the name of its entries; the walk goes from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Page map level 4.
    Pml4e,
    /// Page directory pointer.
    Pdpte,
    /// Page directory; the leaf of a 2 MiB page.
    Pde,
    /// Page table; the leaf of a 4 KiB page.
    Pte,
}

impl Level {
    const ALL: [Self; 4] = [Self::Pml4e, Self::Pdpte, Self::Pde, Self::Pte];
}

/// The entries a walker must read: always a run of levels that ends at the leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    first: Level,
    leaf: Level,
}

impl Levels {
    /// Where the walk starts: the first entry read.
    pub fn first(self) -> Level {
        self.first
    }

    /// Where it ends: the entry that maps the page.
    pub fn leaf(self) -> Level {
        self.leaf
    }

    /// Whether the entry of this level is read.
    pub fn reads(self, level: Level) -> bool {
        (self.first..=self.leaf).contains(&level)
    }

    /// The entries read, from the top.
    pub fn iter(self) -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(move |l| self.reads(*l))
    }

    /// How many entries are read, 1 to 4.
    pub fn count(self) -> usize {
        self.iter().count()
    }
}

/// The three caches of one core.
#[derive(Clone, Debug)]
pub struct Psc {
    /// For PML4Es, PDPTEs and PDEs, in this order.
    caches: [Recent; 3],
}

impl Psc {
    /// Empty caches of the sizes in the profile.
    pub fn new(geometry: &PscGeometry) -> Self {
        let sizes = [geometry.pml4e_entries, geometry.pdpte_entries, geometry.pde_entries];
        Self { caches: sizes.map(Recent::new) }
    }

    /// Walks to the leaf of `key`: says which entries must be read, and caches those that are not leaves.
    pub fn walk(&mut self, key: Key) -> Levels {
        let leaf = match key.size {
            PageSize::Size4K => Level::Pte,
            PageSize::Size2M => Level::Pde,
        };
        // The caches of the levels above the leaf; the one just above it is the deepest that can hit.
        let above = leaf as usize;
        let mut first = 0;
        for level in (0..above).rev() {
            if self.caches[level].touch(tag(key, level)) {
                first = level + 1;
                break;
            }
        }
        for level in first..above {
            self.caches[level].insert(tag(key, level));
        }
        Levels { first: Level::ALL[first], leaf }
    }

    /// Drops all entries of one address space.
    pub fn invalidate_asid(&mut self, asid: u16) {
        for cache in &mut self.caches {
            cache.tags.retain(|tag| *tag as u16 != asid);
        }
    }

    /// Drops everything.
    pub fn invalidate_all(&mut self) {
        for cache in &mut self.caches {
            cache.tags.clear();
        }
    }
}

/// The part of the address that selects an entry of this level (and all above it), with the address space.
fn tag(key: Key, level: usize) -> u64 {
    let vpn4k = match key.size {
        PageSize::Size4K => key.vpn,
        PageSize::Size2M => key.vpn << 9,
    };
    vpn4k >> (9 * (3 - level)) << 16 | u64::from(key.asid)
}

/// A fully associative cache of tags with true LRU: most recently used first.
#[derive(Clone, Debug)]
struct Recent {
    tags: Vec<u64>,
    entries_max: usize,
}

impl Recent {
    fn new(entries: u32) -> Self {
        let entries_max = entries as usize;
        Self { tags: Vec::with_capacity(entries_max), entries_max }
    }

    fn touch(&mut self, tag: u64) -> bool {
        let found = self.tags.iter().position(|t| *t == tag);
        if let Some(at) = found {
            self.tags[..=at].rotate_right(1);
        }
        found.is_some()
    }

    /// `tag` must not be there yet, or already be the last one used.
    fn insert(&mut self, tag: u64) {
        if self.entries_max == 0 || self.touch(tag) {
            return;
        }
        if self.tags.len() == self.entries_max {
            self.tags.pop();
        }
        self.tags.insert(0, tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::prime_profile;

    fn page(vpn: u64) -> Key {
        Key::new(vpn, 1, PageSize::Size4K)
    }

    #[test]
    fn the_deepest_hit_wins() {
        let mut psc = Psc::new(&prime_profile().psc);
        assert_eq!(psc.walk(page(0)).count(), 4);
        assert_eq!(psc.walk(page(511)).iter().collect::<Vec<_>>(), [Level::Pte]);
        let levels = psc.walk(page(512));
        assert_eq!(levels.iter().collect::<Vec<_>>(), [Level::Pde, Level::Pte]);
        assert_eq!((levels.first(), levels.leaf()), (Level::Pde, Level::Pte));
        assert!(levels.reads(Level::Pde) && !levels.reads(Level::Pdpte));
        assert_eq!(psc.walk(page(1 << 18)).count(), 3);
        assert_eq!(psc.walk(page(1 << 27)).count(), 4);
    }

    #[test]
    fn a_huge_page_ends_at_the_pde_and_caches_none() {
        let mut psc = Psc::new(&prime_profile().psc);
        let huge = Key::new(0, 1, PageSize::Size2M);
        let all = [Level::Pml4e, Level::Pdpte, Level::Pde];
        assert_eq!(psc.walk(huge).iter().collect::<Vec<_>>(), all);
        assert_eq!(psc.walk(huge).iter().collect::<Vec<_>>(), [Level::Pde]);
        assert_eq!(psc.walk(page(0)).count(), 2, "its PDE was not cached");
        // A PDE cached for small pages does not spare a huge page its own leaf.
        assert_eq!(psc.walk(huge).count(), 1);
    }

    #[test]
    fn address_spaces_are_kept_apart() {
        let mut psc = Psc::new(&prime_profile().psc);
        let other = Key::new(0, 2, PageSize::Size4K);
        psc.walk(page(0));
        assert_eq!(psc.walk(other).count(), 4);
        psc.invalidate_asid(1);
        assert_eq!(psc.walk(other).count(), 1);
        assert_eq!(psc.walk(page(0)).count(), 4);
        psc.invalidate_all();
        assert_eq!(psc.walk(other).count(), 4);
    }

    #[test]
    fn the_least_recently_used_entry_goes() {
        let mut psc = Psc::new(&prime_profile().psc);
        for pde in 0..4 {
            psc.walk(page(pde << 9));
        }
        psc.walk(page(0));
        psc.walk(page(4 << 9));
        assert_eq!(psc.walk(page(0)).count(), 1, "kept: used last");
        assert_eq!(psc.walk(page(1 << 9)).count(), 2, "evicted: the oldest");
    }

    #[test]
    fn a_cache_of_size_zero_never_hits() {
        let mut geometry = prime_profile().psc;
        geometry.pde_entries = 0;
        let mut psc = Psc::new(&geometry);
        psc.walk(page(0));
        assert_eq!(psc.walk(page(0)).count(), 2);
        geometry.pdpte_entries = 0;
        geometry.pml4e_entries = 0;
        let mut psc = Psc::new(&geometry);
        psc.walk(page(0));
        assert_eq!(psc.walk(page(0)).count(), 4);
    }
}
