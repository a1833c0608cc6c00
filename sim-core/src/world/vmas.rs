//! The VMAs of one address space: disjoint ranges in order.

use std::collections::BTreeMap;

use crate::nouns::types::{Rights, Span};
use crate::world::Vma;

/// Disjoint mapped ranges by first page number.
#[derive(Clone, Debug, Default)]
pub struct Vmas(BTreeMap<u64, (u64, Vma)>);

impl Vmas {
    /// The VMA at a page number; an unmapped one where there is none.
    pub fn at(&self, vpn: u64) -> Vma {
        match self.0.range(..=vpn).next_back() {
            Some((_, &(end, vma))) if vpn < end => vma,
            _ => Vma::default(),
        }
    }

    /// The first page number behind this one that is in another VMA, or in none if this one is in one.
    pub fn end_at(&self, vpn: u64) -> u64 {
        match self.0.range(..=vpn).next_back() {
            Some((_, &(end, _))) if vpn < end => end,
            _ => self.0.range(vpn..).next().map_or(u64::MAX, |(&first, _)| first),
        }
    }

    /// Does a VMA reach into a span?
    pub fn reach_into(&self, span: Span) -> bool {
        self.at(span.first).mapped || self.0.range(span.first..span.end()).next().is_some()
    }

    /// Cuts at the edges of a span, so that every VMA is inside or outside.
    fn split(&mut self, span: Span) {
        for cut in [span.first, span.end()] {
            let Some((&first, &(end, vma))) = self.0.range(..cut).next_back() else {
                continue;
            };
            if cut < end {
                self.0.insert(first, (cut, vma));
                self.0.insert(cut, (end, vma));
            }
        }
    }

    /// Replaces whatever is in a span; an unmapped `vma` leaves a hole.
    pub fn set(&mut self, span: Span, vma: Vma) {
        self.split(span);
        let inside: Vec<u64> = self.0.range(span.first..span.end()).map(|(&first, _)| first).collect();
        for first in inside {
            self.0.remove(&first);
        }
        if vma.mapped && span.pages > 0 {
            self.0.insert(span.first, (span.end(), vma));
        }
    }

    /// Changes the rights of what is mapped in a span; holes stay holes.
    pub fn protect(&mut self, span: Span, rights: Rights) {
        self.split(span);
        for (_, (_, vma)) in self.0.range_mut(span.first..span.end()) {
            vma.rights = rights;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nouns::types::Backing;

    fn mapped(rights: Rights) -> Vma {
        Vma { mapped: true, rights, backing: Backing::Anon }
    }

    #[test]
    fn mprotect_of_the_middle_leaves_three() {
        let mut vmas = Vmas::default();
        vmas.set(Span { first: 10, pages: 10 }, mapped(Rights::READ_WRITE));
        vmas.protect(Span { first: 12, pages: 3 }, Rights::READ);
        assert_eq!(vmas.0.len(), 3);
        let writable: Vec<u64> = (8..22).filter(|&vpn| vmas.at(vpn).rights.write()).collect();
        assert_eq!(writable, [10, 11, 15, 16, 17, 18, 19]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_page_array(ops in prop::collection::vec((0_u64..40, 0_u64..12, 0_u8..4), 1..40)) {
            let mut vmas = Vmas::default();
            let mut model = [Vma::default(); 64];
            for (first, pages, what) in ops {
                let span = Span { first, pages };
                let inside = &mut model[first as usize..(first + pages) as usize];
                match what {
                    0 => {
                        vmas.set(span, Vma::default());
                        inside.fill(Vma::default());
                    }
                    1 | 2 => {
                        let rights = if what == 1 { Rights::READ } else { Rights::READ_WRITE };
                        vmas.set(span, mapped(rights));
                        inside.fill(mapped(rights));
                    }
                    _ => {
                        vmas.protect(span, Rights::NONE);
                        inside.iter_mut().filter(|v| v.mapped).for_each(|v| v.rights = Rights::NONE);
                    }
                }
                for vpn in 0..64 {
                    prop_assert_eq!(vmas.at(vpn), model[vpn as usize]);
                    let end = vmas.end_at(vpn);
                    prop_assert!(end > vpn && (vpn..end.min(64)).all(|each| vmas.at(each) == vmas.at(vpn)));
                }
            }
        }
    }
}
