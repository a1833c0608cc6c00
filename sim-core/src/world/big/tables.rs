//! The big world's page tables, and what finds a page from its frame: the rmap and the caches.

use std::collections::BTreeMap;

use super::{
    Big, FrameNo, Mm, MmState, NO_PAGE, Page, PageState, Promise, Pte, Span, TABLE_SHIFT, Table, TableState, World,
};

impl Big {
    pub(super) fn touch_page(&mut self, mm: Mm, vpn: u64) -> Page {
        if let Some(page) = self.page(mm, vpn) {
            let table = self.table_of(page);
            self.tables[table.0 as usize].freed = false;
            return page;
        }
        let fresh = Table(self.tables.len() as u32);
        let table = self.mms[usize::from(mm.0)].tables.at_or(vpn >> TABLE_SHIFT, fresh);
        if table == fresh {
            self.tables.push(TableState { owner: None, heir: None, freed: false });
            self.slots.resize(self.slots.len() + TABLE_PAGES, NO_PAGE);
        }
        self.tables[table.0 as usize].freed = false;
        let page = Page(self.pages.len() as u32);
        self.slots[slot(table, vpn)] = page.0;
        let vma = self.vma(mm, vpn);
        self.pages.push(PageState {
            mm,
            vpn,
            table,
            pte: Pte::None,
            promise: Promise { mapped: vma.mapped, rights: vma.rights },
            cached_frame: None,
            ghost: 0,
            emptier: None,
            rmap_kept: None,
        });
        self.holders.push();
        page
    }

    pub(super) fn table_after(&self, mm: Mm, span: Span) -> Option<u64> {
        if span.pages == 0 {
            return None;
        }
        let (first, last) = (span.first >> TABLE_SHIFT, (span.end() - 1) >> TABLE_SHIFT);
        let mut tables = self.mms[usize::from(mm.0)].tables.within(first, last);
        let exists = tables.find(|(_, table)| !self.tables[table.0 as usize].freed);
        exists.map(|(index, _)| index << TABLE_SHIFT)
    }

    pub(super) fn give_table_back(&mut self, mm: Mm, vpn: u64) -> bool {
        let Some(table) = self.table_at(mm, vpn) else {
            return false;
        };
        let used = self.mms[usize::from(mm.0)].vmas.reach_into(self.table_span(vpn));
        self.tables[table.0 as usize].freed = !used;
        !used
    }

    #[inline(never)]
    pub(super) fn page_after(&self, mm: Mm, span: Span) -> Option<Page> {
        if span.pages == 0 {
            return None;
        }
        let (first, last) = (span.first >> TABLE_SHIFT, (span.end() - 1) >> TABLE_SHIFT);
        let within = |index: u64, table: Table| {
            let covered = Span { first: index << TABLE_SHIFT, pages: 1 << TABLE_SHIFT }.clip(span);
            let start = slot(table, covered.first);
            let slots = &self.slots[start..start + covered.pages as usize];
            slots.iter().find(|&&page| page != NO_PAGE).map(|&page| Page(page))
        };
        let tables = &self.mms[usize::from(mm.0)].tables;
        // Walks ask page by page, so that the next one is under the same table as a rule.
        let found = tables.at(first).and_then(|table| within(first, table));
        if found.is_some() || first == last {
            return found;
        }
        tables.within(first + 1, last).find_map(|(index, table)| within(index, table))
    }

    pub(super) fn inherit_vmas(&mut self, from: Mm, to: Mm) {
        self.mms[usize::from(to.0)].vmas = self.mms[usize::from(from.0)].vmas.clone();
        let mut rest = Span::ALL;
        while let Some(page) = self.next_page(to, rest) {
            let vpn = self.vpn(page);
            rest = Span { first: vpn + 1, pages: rest.end() - vpn - 1 };
            let vma = self.vma(to, vpn);
            self.set_promise(page, Promise { mapped: vma.mapped, rights: vma.rights });
        }
    }

    pub(super) fn exchange_pte(&mut self, page: Page, new: Pte) -> Pte {
        if !self.holders.is_empty(page.0) {
            self.weakened.insert(page);
        }
        let state = &mut self.pages[page.0 as usize];
        let old = std::mem::replace(&mut state.pte, new);
        let (old_frame, new_frame) = (old.present().map(|pte| pte.frame), new.present().map(|pte| pte.frame));
        if old_frame != new_frame {
            if let Some(frame) = old_frame {
                self.frames[frame.0 as usize].mapped_by.remove(page);
            }
            if let Some(frame) = new_frame {
                self.frames[frame.0 as usize].mapped_by.insert(page);
            }
        }
        if let Some(frame) = new_frame {
            self.frames[frame.0 as usize].last_page = Some(page);
        }
        old
    }

    pub(super) fn hold_rmap(&mut self, page: Page, frame: Option<FrameNo>) {
        let state = &mut self.pages[page.0 as usize];
        let old = std::mem::replace(&mut state.rmap_kept, frame);
        let mapped = state.pte.present().map(|pte| pte.frame);
        if let Some(old) = old.filter(|&old| mapped != Some(old)) {
            self.frames[old.0 as usize].mapped_by.remove(page);
        }
        if let Some(frame) = frame {
            self.frames[frame.0 as usize].mapped_by.insert(page);
        }
    }

    pub(super) fn cache_frame(&mut self, page: Page, frame: Option<FrameNo>) {
        let old = std::mem::replace(&mut self.pages[page.0 as usize].cached_frame, frame);
        if let Some(old) = old {
            self.frames[old.0 as usize].cached_by.remove(page);
        }
        if let Some(frame) = frame {
            let state = &mut self.frames[frame.0 as usize];
            state.cached_by.insert(page);
            state.last_page = Some(page);
        }
    }
}

/// The page at a page number, if it was ever touched.
#[inline]
pub(super) fn page_at(mms: &[MmState], slots: &[u32], mm: Mm, vpn: u64) -> Option<Page> {
    let table = mms[usize::from(mm.0)].tables.at(vpn >> TABLE_SHIFT)?;
    let page = slots[slot(table, vpn)];
    (page != NO_PAGE).then_some(Page(page))
}

/// Pages under one table.
const TABLE_PAGES: usize = 1 << TABLE_SHIFT;
/// log2 of the tables that a directory has side by side.
const DIRECTORY_SHIFT: u32 = 9;
const NO_TABLE: u32 = u32::MAX;

/// Where the slot of a page number is among those of all tables.
#[inline]
fn slot(table: Table, vpn: u64) -> usize {
    (table.0 as usize) << TABLE_SHIFT | vpn as usize & (TABLE_PAGES - 1)
}

/// The page-table pages of an address space, by page number over [`TABLE_SHIFT`].
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    in_order: BTreeMap<u64, Table>,
    /// The same close together, since whatever is looked for comes this way. By number over [`DIRECTORY_SHIFT`]: an address space is in
    /// few places, and a hash of the number would take longer than to find it.
    side_by_side: Vec<(u64, Box<[u32; 1 << DIRECTORY_SHIFT]>)>,
}

impl Directory {
    #[inline]
    pub(super) fn at(&self, index: u64) -> Option<Table> {
        let tables =
            self.side_by_side.get(self.place(index)).filter(|(number, _)| *number == index >> DIRECTORY_SHIFT)?;
        let table = tables.1[index as usize & ((1 << DIRECTORY_SHIFT) - 1)];
        (table != NO_TABLE).then_some(Table(table))
    }

    /// Where the tables beside this one are, or would be.
    #[inline]
    fn place(&self, index: u64) -> usize {
        self.side_by_side.partition_point(|&(number, _)| number < index >> DIRECTORY_SHIFT)
    }

    /// The table at a number, which is this one if there was none.
    fn at_or(&mut self, index: u64, fresh: Table) -> Table {
        if let Some(table) = self.at(index) {
            return table;
        }
        let (place, number) = (self.place(index), index >> DIRECTORY_SHIFT);
        if self.side_by_side.get(place).is_none_or(|&(other, _)| other != number) {
            self.side_by_side.insert(place, (number, Box::new([NO_TABLE; 1 << DIRECTORY_SHIFT])));
        }
        self.side_by_side[place].1[index as usize & ((1 << DIRECTORY_SHIFT) - 1)] = fresh.0;
        self.in_order.insert(index, fresh);
        fresh
    }

    /// Those numbered from `first` to `last`, in order.
    fn within(&self, first: u64, last: u64) -> impl Iterator<Item = (u64, Table)> {
        self.in_order.range(first..=last).map(|(&index, &table)| (index, table))
    }
}

/// Pages in order. Most lists have one member at most, which needs no memory of its own.
#[derive(Clone, Debug, Default)]
pub(super) enum Listed {
    #[default]
    None,
    One(u32),
    Many(Vec<u32>),
}

impl Listed {
    #[inline]
    pub(super) fn pages(&self) -> &[u32] {
        match self {
            Listed::None => &[],
            Listed::One(page) => std::slice::from_ref(page),
            Listed::Many(pages) => pages,
        }
    }

    /// The only one.
    #[inline]
    pub(super) fn alone(&self) -> Option<Page> {
        if let Listed::One(page) = self { Some(Page(*page)) } else { None }
    }

    pub(super) fn insert(&mut self, page: Page) {
        match self {
            Listed::None => *self = Listed::One(page.0),
            Listed::One(other) if *other == page.0 => {}
            Listed::One(other) => *self = Listed::Many(vec![page.0.min(*other), page.0.max(*other)]),
            Listed::Many(pages) => {
                if let Err(at) = pages.binary_search(&page.0) {
                    pages.insert(at, page.0);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, page: Page) {
        match self {
            Listed::One(other) if *other == page.0 => *self = Listed::None,
            Listed::Many(pages) => {
                if let Ok(at) = pages.binary_search(&page.0) {
                    pages.remove(at);
                }
            }
            Listed::None | Listed::One(_) => {}
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        match self {
            Listed::One(page) if !keep(*page) => *self = Listed::None,
            Listed::Many(pages) => pages.retain(|&page| keep(page)),
            Listed::None | Listed::One(_) => {}
        }
    }

    /// The first that is numbered at least `from`.
    #[inline]
    pub(super) fn next(&self, from: u32) -> Option<Page> {
        let pages = self.pages();
        let at = pages.partition_point(|&page| page < from);
        pages.get(at).map(|&page| Page(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_far_apart_are_found_by_their_own_numbers_only() {
        let mut directory = Directory::default();
        let numbers = [5_000, 3, 512, 511, 1 << 27, 100_000];
        for (n, index) in numbers.into_iter().enumerate() {
            assert_eq!(directory.at_or(index, Table(n as u32)), Table(n as u32));
            assert_eq!(directory.at_or(index, Table(99)), Table(n as u32), "there is one at {index}");
        }
        for (n, index) in numbers.into_iter().enumerate() {
            assert_eq!(directory.at(index), Some(Table(n as u32)));
            for other in [index + 7, index + (1 << DIRECTORY_SHIFT), index ^ (1 << 20)] {
                assert_eq!(directory.at(other), None, "{other} beside {index}");
            }
        }
        let within: Vec<u64> = directory.within(4, 100_000).map(|(index, _)| index).collect();
        assert_eq!(within, [511, 512, 5_000, 100_000]);
    }
}
