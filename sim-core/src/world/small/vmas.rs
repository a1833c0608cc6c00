//! The VMAs of the small world, which every page has for itself, and page tables that none of them needs.

use super::Small;
use crate::nouns::types::{Mm, Promise};
use crate::world::World;

impl Small<'_> {
    /// Unhooks a page table that no VMA reaches into any more, if the scenario frees any; false if there is none.
    pub(super) fn unhook_table(&mut self, mm: Mm, vpn: u64) -> bool {
        let under = self.table_span(vpn);
        let mapped = |n: u8| under.contains(self.scenario.vpn(n)) && self.vma(mm, self.scenario.vpn(n)).mapped;
        if !self.scenario.lone_tables || self.table_at(mm, vpn).is_none() || (0..self.scenario.pages).any(mapped) {
            return false;
        }
        self.set_table_freed(mm, vpn, true);
        true
    }

    /// Neighbours that are alike are one VMA; numbers that no page has are in none.
    pub(super) fn end_of_vma(&self, mm: Mm, vpn: u64) -> u64 {
        let vma = self.vma(mm, vpn);
        if vma.mapped {
            let mut end = vpn + 1;
            while self.vma(mm, end) == vma {
                end += 1;
            }
            return end;
        }
        let behind = (0..self.scenario.pages).map(|n| self.scenario.vpn(n)).filter(|&next| next > vpn);
        behind.filter(|&next| self.vma(mm, next).mapped).min().unwrap_or(u64::MAX)
    }

    /// A child gets what its parent has mapped, and the promises of that.
    pub(super) fn inherit_vmas(&mut self, from: Mm, to: Mm) {
        for n in 0..self.scenario.pages {
            let vma = self.shared.vma.get(self.nth(from, n).0 as usize);
            let child = self.nth(to, n).0 as usize;
            self.shared.vma.set(child, vma);
            self.shared.promise.set(child, Promise { mapped: vma.mapped, rights: vma.rights });
        }
    }
}
