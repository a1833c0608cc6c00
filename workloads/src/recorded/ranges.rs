//! Ranges of pages.

use std::collections::BTreeMap;

use sim_core::nouns::types::Span;

/// Disjoint ranges of pages, by their first: where each ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a span, or takes it out.
    pub(super) fn set(&mut self, span: Span, member: bool) {
        let overlapping: Vec<(u64, u64)> =
            self.0.range(..span.end()).rev().take_while(|&(_, &end)| end > span.first).map(|(&a, &b)| (a, b)).collect();
        for (first, end) in overlapping {
            self.0.remove(&first);
            if first < span.first {
                self.0.insert(first, span.first);
            }
            if end > span.end() {
                self.0.insert(span.end(), end);
            }
        }
        if member && span.pages > 0 {
            self.0.insert(span.first, span.end());
        }
    }

    pub(super) fn contains(&self, vpn: u64) -> bool {
        self.0.range(..=vpn).next_back().is_some_and(|(_, &end)| vpn < end)
    }
}
