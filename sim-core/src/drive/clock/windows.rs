//! Windows: from a promise to the last usable translation that breaks it.

use crate::nouns::types::{Cpu, Page};
use crate::oracle::Class;

/// Windows of one class: how long a usable translation that broke a promise stayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// Lengths in cycles, in order of closing.
    pub lengths_cycles: Vec<u64>,
    /// How many of them were used by an access that came after the promise.
    pub used: u64,
}

impl Windows {
    /// The `percent`-th percentile of the lengths (nearest rank); 0 if there are none.
    pub fn percentile_cycles(&self, percent: u64) -> u64 {
        let mut sorted = self.lengths_cycles.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() as u64 * percent).div_ceil(100).max(1);
        sorted.get(rank as usize - 1).copied().unwrap_or(0)
    }

    /// The longest; 0 if there are none.
    pub fn max_cycles(&self) -> u64 {
        self.lengths_cycles.iter().copied().max().unwrap_or(0)
    }
}

/// A window that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWindow {
    /// Over which page.
    pub page: Page,
    /// The gravest promise that has been broken in it.
    pub class: Class,
    /// Since when, in cycles.
    pub since_cycles: u64,
    /// CPUs with a translation that keeps it open.
    pub holders: Vec<Cpu>,
}
