//! Where the pages of a workload are, and what its calls are made of.

use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Rights, Span};

use crate::synthetic::schema::{self, TABLE_PAGES, Workload};

/// Page number of the first page; the start of a page table.
const BASE: u64 = 0x10_0000;

/// Where the pages of a working set are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) pages: u64,
    pub(super) tables: u64,
    pub(super) table_pages: u64,
}

impl Layout {
    pub(super) fn new(workload: &Workload) -> Layout {
        Layout {
            pages: u64::from(workload.pages.get_ref().get()),
            tables: u64::from(workload.page_tables.get_ref().get()),
            table_pages: workload.table_pages(),
        }
    }

    /// The page number of the `index`-th page.
    pub(super) fn vpn(&self, index: u64) -> u64 {
        BASE + index / self.table_pages * TABLE_PAGES + index % self.table_pages
    }

    /// A place of a core's own for as many pages as one page table holds, beyond the working set.
    pub(super) fn aside(&self, core: u16) -> u64 {
        BASE + (self.tables + u64::from(core)) * TABLE_PAGES
    }

    /// The span under each page table.
    pub(super) fn spans(&self) -> impl Iterator<Item = Span> + use<> {
        let pages = self.table_pages;
        (0..self.tables).map(move |table| Span { first: BASE + table * TABLE_PAGES, pages })
    }

    /// The same for the region of a core, where each thread has its own.
    pub(super) fn spans_of_core(&self, core: u16) -> impl Iterator<Item = Span> + use<> {
        let offset = u64::from(core) * self.tables * TABLE_PAGES;
        self.spans().map(move |span| Span { first: span.first + offset, ..span })
    }

    /// Is a page among the first `percent` of 100 under its table?
    pub(super) fn among_first(&self, index: u64, percent: u8) -> bool {
        index % self.table_pages * 100 < u64::from(percent) * self.table_pages
    }

    /// The page of a rank: the popular ones are dealt out to the tables in turn.
    pub(super) fn ranked(&self, rank: u64) -> u64 {
        rank % self.tables * self.table_pages + rank / self.tables
    }
}

pub(super) fn rights_of(rights: Option<schema::Rights>) -> Rights {
    match rights {
        None | Some(schema::Rights::None) => Rights::NONE,
        Some(schema::Rights::R) => Rights::READ,
        Some(schema::Rights::Rw) => Rights::READ_WRITE,
    }
}

pub(super) fn mmap(span: Span, backing: Backing) -> Op {
    Op { rights: Rights::READ_WRITE, ..Op::call(OpKind::Mmap(backing), span) }
}

/// What fills the pages of a working set.
pub(super) fn backing_of(workload: &Workload) -> Backing {
    match workload.backing {
        schema::Backing::Anon => Backing::Anon,
        schema::Backing::PrivateFile => Backing::PrivateFile,
        schema::Backing::SharedFile => Backing::SharedFile,
    }
}
