//! What a TLB miss costs.

use super::profile::{Distance, Profile};
use super::psc::{Level, Levels};

/// In what state the walker finds the cache line of a page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// In the own caches.
    Warm,
    /// Never touched before: it comes from memory.
    Cold,
    /// Last written by a core at this distance.
    Owned(Distance),
}

/// The prices of a miss, taken from a profile; all in cycles.
#[derive(Clone, Debug)]
pub struct WalkCost {
    stlb_hit: u64,
    lookup: u64,
    warm_leaf: u64,
    warm: u64,
    cold: u64,
    owned: [u64; Distance::ALL.len()],
}

impl WalkCost {
    /// The prices of this machine.
    pub fn new(profile: &Profile) -> Self {
        Self {
            stlb_hit: profile.tlb.stlb_hit_cyc,
            lookup: profile.psc.hit_cyc,
            warm_leaf: profile.tlb.cached_walk_extra_cyc,
            warm: profile.cache.l2_cyc,
            cold: profile.cache.dram_local_cyc,
            owned: Distance::ALL.map(|distance| profile.c2c_cycles(distance)),
        }
    }

    /// What a hit in the second level costs more than one in the first.
    pub fn stlb_hit_cycles(&self) -> u64 {
        self.stlb_hit
    }

    /// Reading an entry that is not the leaf; a warm one comes from the second-level cache.
    pub fn line_cycles(&self, line: Line) -> u64 {
        match line {
            Line::Warm => self.warm,
            Line::Cold => self.cold,
            Line::Owned(distance) => self.owned[distance as usize],
        }
    }

    /// Reading the leaf; a warm one costs `cached_walk_extra_cyc`, which contains the walker's own work.
    pub fn leaf_cycles(&self, line: Line) -> u64 {
        match line {
            Line::Warm => self.warm_leaf,
            Line::Cold | Line::Owned(_) => self.line_cycles(line),
        }
    }

    /// A whole walk: the look into the paging-structure caches, and one line for each entry read, in the order of
    /// [`Levels::iter`]. `line_of` says in what state the line of a level is.
    pub fn walk_cycles(&self, levels: Levels, mut line_of: impl FnMut(Level) -> Line) -> u64 {
        levels.iter().fold(self.lookup, |sum, level| {
            let line = line_of(level);
            sum + if level == levels.leaf() { self.leaf_cycles(line) } else { self.line_cycles(line) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::psc::Psc;
    use crate::machine::testing::prime_profile;
    use crate::machine::tlb::{Key, PageSize};

    #[test]
    fn sums_name_their_terms() {
        let profile = prime_profile();
        let cost = WalkCost::new(&profile);
        let mut psc = Psc::new(&profile.psc);
        let page = Key::new(0, 1, PageSize::Size4K);
        let full = psc.walk(page);
        let leaf_only = psc.walk(page);
        let huge = psc.walk(Key::new(1 << 18, 1, PageSize::Size2M));

        assert_eq!(cost.stlb_hit_cycles(), 101);
        assert_eq!(cost.walk_cycles(leaf_only, |_| Line::Warm), 107 + 103);
        assert_eq!(cost.walk_cycles(leaf_only, |_| Line::Cold), 107 + 131);
        assert_eq!(cost.walk_cycles(full, |_| Line::Warm), 107 + 3 * 113 + 103);
        assert_eq!(cost.walk_cycles(huge, |_| Line::Warm), 107 + 2 * 113 + 103);
        for (distance, cycles) in Distance::ALL.into_iter().zip([181, 181, 191, 193]) {
            let owned = Line::Owned(distance);
            assert_eq!(cost.walk_cycles(leaf_only, |_| owned), 107 + cycles);
            let mixed = |level| {
                if level == Level::Pde { owned } else { Line::Warm }
            };
            assert_eq!(cost.walk_cycles(full, mixed), 107 + 2 * 113 + cycles + 103);
        }
    }
}
