//! Promises that do not bind every core yet.
//!
//! A promise made at T, or taken back at T, concerns the core that did it at once and the others from T + lookahead: nothing
//! can happen-after it sooner. A core that runs ahead uses its translations before the promise is heard of; one that does
//! not must not know better. So for one lookahead after a change the marks from before it are kept for the others.

use std::collections::VecDeque;

use crate::nouns::types::{Cpu, Page};
use crate::oracle::Marks;

#[derive(Clone, Copy, Debug)]
struct Change {
    at: u64,
    by: Cpu,
    holder: Cpu,
    page: Page,
    old: Marks,
}

/// Changes of marks within the last lookahead, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    lookahead_cycles: u64,
    changes: VecDeque<Change>,
}

impl Recent {
    pub(super) fn new(lookahead_cycles: u64) -> Recent {
        Recent { lookahead_cycles, changes: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The marks of a translation changed at `now` through a promise of `by`.
    pub(super) fn changed(&mut self, now: u64, by: Cpu, (holder, page, old): (Cpu, Page, Marks)) {
        self.changes.push_back(Change { at: now, by, holder, page, old });
    }

    /// A translation was walked anew: what was before concerns it no longer.
    pub(super) fn filled(&mut self, holder: Cpu, page: Page) {
        self.changes.retain(|c| (c.holder, c.page) != (holder, page));
    }

    /// No core will act before `now` again.
    pub(super) fn forget_before(&mut self, now: u64) {
        while let Some(first) = self.changes.front()
            && first.at + self.lookahead_cycles <= now
        {
            self.changes.pop_front();
        }
    }

    /// The marks that bind a holder at `now`, if they differ from those that its translation bears.
    #[inline]
    pub(super) fn binding(&self, holder: Cpu, page: Page, now: u64) -> Option<Marks> {
        if self.changes.is_empty() {
            return None;
        }
        let of_entry = |c: &&Change| (c.holder, c.page) == (holder, page);
        let not_yet = |c: &&Change| c.by != holder && now < c.at + self.lookahead_cycles;
        let newest_first = self.changes.iter().rev().filter(of_entry);
        newest_first.take_while(not_yet).last().map(|c| c.old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_at_once_by_its_maker_and_one_lookahead_later_by_others() {
        let (page, old) = (Page(7), Marks::default());
        let mut recent = Recent::new(100);
        recent.changed(1_000, Cpu(0), (Cpu(0), page, old));
        recent.changed(1_000, Cpu(0), (Cpu(1), page, old));
        assert_eq!(recent.binding(Cpu(0), page, 1_000), None);
        assert_eq!(recent.binding(Cpu(1), page, 1_099), Some(old));
        assert_eq!(recent.binding(Cpu(1), page, 1_100), None);
        assert_eq!(recent.binding(Cpu(1), Page(8), 1_000), None);
        recent.filled(Cpu(1), page);
        assert_eq!(recent.binding(Cpu(1), page, 1_001), None);
        recent.forget_before(1_099);
        assert!(!recent.is_empty());
        recent.forget_before(1_100);
        assert!(recent.is_empty());
    }
}
