//! The VMAs of one address space: disjoint ranges in order.

use crate::nouns::types::{Rights, Span};
use crate::world::Vma;

/// A mapped range.
#[derive(Clone, Copy, Debug)]
struct Range {
    first: u64,
    end: u64,
    vma: Vma,
}

/// Disjoint mapped ranges in order. Few change, and every fault asks: a search of what is close together beats a tree.
#[derive(Clone, Debug, Default)]
pub struct Vmas(Vec<Range>);

impl Vmas {
    /// How many ranges begin at or before this page number.
    #[inline]
    fn begun(&self, vpn: u64) -> usize {
        self.0.partition_point(|range| range.first <= vpn)
    }

    #[inline]
    fn range_at(&self, vpn: u64) -> Option<&Range> {
        let last = self.0.get(self.begun(vpn).checked_sub(1)?)?;
        (vpn < last.end).then_some(last)
    }

    /// The VMA at a page number; an unmapped one where there is none.
    pub fn at(&self, vpn: u64) -> Vma {
        self.range_at(vpn).map_or(Vma::default(), |range| range.vma)
    }

    /// The first page number behind this one that is in another VMA, or in none if this one is in one.
    pub fn end_at(&self, vpn: u64) -> u64 {
        match self.range_at(vpn) {
            Some(range) => range.end,
            None => self.0.get(self.begun(vpn)).map_or(u64::MAX, |range| range.first),
        }
    }

    /// Does a VMA reach into a span?
    pub fn reach_into(&self, span: Span) -> bool {
        let next = self.0.partition_point(|range| range.first < span.first);
        self.at(span.first).mapped || self.0.get(next).is_some_and(|range| range.first < span.end())
    }

    /// Cuts at the edges of a span, so that every VMA is inside or outside. Returns which are inside.
    fn split(&mut self, span: Span) -> std::ops::Range<usize> {
        let [first, end] = [span.first, span.end()].map(|cut| {
            let at = self.0.partition_point(|range| range.first < cut);
            if let Some(before) = at.checked_sub(1)
                && let Range { end, vma, .. } = self.0[before]
                && cut < end
            {
                self.0[before].end = cut;
                self.0.insert(at, Range { first: cut, end, vma });
            }
            at
        });
        first..end
    }

    /// Replaces whatever is in a span; an unmapped `vma` leaves a hole.
    pub fn set(&mut self, span: Span, vma: Vma) {
        let inside = self.split(span);
        let new = (vma.mapped && span.pages > 0).then_some(Range { first: span.first, end: span.end(), vma });
        let changed = inside.start..inside.start + usize::from(new.is_some());
        self.0.splice(inside, new);
        self.merge(changed);
    }

    /// Changes the rights of what is mapped in a span; holes stay holes.
    pub fn protect(&mut self, span: Span, rights: Rights) {
        let inside = self.split(span);
        for range in inside.clone() {
            self.0[range].vma.rights = rights;
        }
        self.merge(inside);
    }

    /// `vma_merge()`: these and their neighbours are one where they are alike.
    fn merge(&mut self, changed: std::ops::Range<usize>) {
        for at in (changed.start.max(1)..=changed.end).rev() {
            if let Some(&[before, range]) = self.0.get(at - 1..=at)
                && before.end == range.first
                && before.vma == range.vma
            {
                self.0[at - 1].end = range.end;
                self.0.remove(at);
            }
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
                    prop_assert!(end >= 64 || vmas.at(end) != vmas.at(vpn));
                }
            }
        }
    }
}
