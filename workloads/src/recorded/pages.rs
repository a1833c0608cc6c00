//! The pages of a recording: when they fault, and in which order reclaim may take them.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use sim_core::nouns::types::Page;
use sim_core::world::big::Big;
use sim_core::world::{Folio, World};

use super::script::{Action, Item, NextFault};

/// The faults of a recording by page, and its lists of file pages.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// By page: the items of its faults and whether its PTE was present, in order.
    by_page: FxHashMap<u64, Vec<(u32, bool)>>,
    /// The items of lists that freed file pages, in order.
    file_lists: Vec<u32>,
}

impl Faults {
    pub(super) fn new(items: &[Item]) -> Faults {
        let mut faults = Faults::default();
        for (index, item) in (0..).zip(items) {
            match &item.action {
                Action::Fault { vpn, present, .. } => {
                    faults.by_page.entry(*vpn).or_default().push((index, *present));
                }
                Action::Reclaim(list) if list.stats.file == Some(true) && list.stats.reclaimed > 0 => {
                    faults.file_lists.push(index);
                }
                _ => {}
            }
        }
        faults
    }

    /// The first fault on a page after an item.
    pub(super) fn after(&self, vpn: u64, item: u32) -> Option<(u32, bool)> {
        let faults = self.by_page.get(&vpn)?;
        faults.get(faults.partition_point(|&(at, _)| at <= item)).copied()
    }

    /// What the first fault on a page after an item says.
    pub(super) fn next(&self, vpn: u64, item: u32) -> NextFault {
        match self.after(vpn, item) {
            None => NextFault::Never,
            Some((_, true)) => NextFault::Present,
            Some((_, false)) => NextFault::Absent,
        }
    }

    pub(super) fn reclaims_between(&self, from: u32, to: u32) -> bool {
        let next = self.file_lists.partition_point(|&at| at <= from);
        self.file_lists.get(next).is_some_and(|&at| at < to)
    }
}

/// The mapped pages reclaim may take, by the time of their last fault.
#[derive(Clone, Debug, Default)]
pub(super) struct Lru {
    /// By kind (file or lazyfree, anonymous), and whether a later fault proves that the page was taken.
    lists: [[BTreeSet<(u64, Page)>; 2]; 2],
    place: FxHashMap<Page, (usize, usize, u64)>,
}

impl Lru {
    /// A page was faulted in, or given up by its owner.
    pub(super) fn touched(&mut self, page: Page, folio: Folio, next: NextFault, now: u64) {
        if let Some((kind, known, stamp)) = self.place.remove(&page) {
            self.lists[kind][known].remove(&(stamp, page));
        }
        if !folio.lru || next == NextFault::Present {
            return;
        }
        let (kind, known) = (usize::from(folio.anon && !folio.lazyfree), usize::from(next == NextFault::Absent));
        self.lists[kind][known].insert((now, page));
        self.place.insert(page, (kind, known, now));
    }

    /// The oldest page that is still there, of files or anonymous if `file` says so; first those known to have been taken.
    pub(super) fn take(&mut self, world: &Big, file: Option<bool>) -> Option<Page> {
        for known in [1, 0] {
            for kind in [0, 1] {
                if file.is_some_and(|file| file != (kind == 0)) {
                    continue;
                }
                while let Some((_, page)) = self.lists[kind][known].pop_first() {
                    self.place.remove(&page);
                    let there = world.pte(page).present().map(|pte| world.folio(pte.frame));
                    if there.is_some_and(|folio| folio.lru && !folio.isolated) {
                        return Some(page);
                    }
                }
            }
        }
        None
    }
}
