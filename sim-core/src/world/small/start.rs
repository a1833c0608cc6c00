//! How a scenario starts: what each page holds, and which translations are cached already.

use super::Scenario;
use crate::machine::tlb::Entry;
use crate::nouns::types::{Backing, Cpu, FrameNo, Mm, Page, Present, Promise, Rights};
use crate::world::{Folio, Vma};

/// A page that is mapped and present at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its address space.
    pub mm: Mm,
    /// Its number within the address space.
    pub page: u8,
    /// The rights of its VMA.
    pub rights: Rights,
    /// What fills it. A private file page that is dirty has been copied: it is anonymous memory by now.
    pub backing: Backing,
    /// PTE.D.
    pub dirty: bool,
}

/// A translation that a CPU holds at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cached {
    /// Who holds it.
    pub cpu: Cpu,
    /// Of which page, counted over all address spaces.
    pub page: Page,
    /// W: stores allowed.
    pub writable: bool,
    /// D: stores go through without another walk.
    pub dirty: bool,
}

impl Start {
    /// The VMA around the page.
    pub fn vma(self) -> Vma {
        Vma { mapped: true, rights: self.rights, backing: self.backing }
    }

    /// What user space has been promised.
    pub(crate) fn promise(self) -> Promise {
        Promise { mapped: true, rights: self.rights }
    }

    /// The PTE, with A if somebody has used it.
    pub fn pte(self, frame: FrameNo, accessed: bool) -> Present {
        // A clean file page faults on its first store: to be noted if it is shared, to be copied if it is private.
        let writable = self.rights.write() && (self.dirty || matches!(self.backing, Backing::Anon | Backing::Pfn));
        Present { frame, writable, dirty: self.dirty, accessed, protnone: !self.rights.read() }
    }

    /// The frame that its driver finds by itself, whatever is mapped.
    pub(crate) fn of_driver(self, frame: FrameNo) -> Option<FrameNo> {
        (self.backing == Backing::Pfn).then_some(frame)
    }

    /// The folio it maps.
    pub fn folio(self) -> Folio {
        let anon = match self.backing {
            Backing::Anon => true,
            Backing::PrivateFile => self.dirty,
            Backing::SharedFile | Backing::Pfn => false,
        };
        Folio {
            allocated: true,
            lru: self.backing != Backing::Pfn,
            anon,
            dirty: anon || self.dirty,
            cached: !anon,
            ..Folio::default()
        }
    }
}

impl Cached {
    /// The entry of the TLB, for a page with this PTE.
    pub fn entry(self, pte: Present) -> Entry {
        let Cached { writable, dirty, .. } = self;
        Entry { frame: pte.frame.0, writable, dirty, executable: true, marks: 0 }
    }
}

impl Scenario {
    /// The pages that are mapped at the start: those listed, or all of the first address space alike.
    pub fn starting_pages(&self) -> Vec<Start> {
        if !self.starts.is_empty() {
            return self.starts.clone();
        }
        let (rights, backing, dirty) = (Rights::READ_WRITE, self.backing, self.dirty);
        (0..self.pages).map(|page| Start { mm: Mm(0), page, rights, backing, dirty }).collect()
    }

    /// A page by its number within an address space.
    pub fn page(&self, mm: Mm, page: u8) -> Page {
        Page(u32::from(mm.0) * u32::from(self.pages) + u32::from(page))
    }

    /// The name of a page in a witness.
    pub fn page_name(&self, page: Page) -> String {
        let letter = || char::from(b"xyzw"[page.0 as usize % 4]).to_string();
        self.names.get(page.0 as usize).cloned().unwrap_or_else(letter)
    }

    /// Does a CPU hold a translation of this page at the start?
    pub fn cached_somewhere(&self, page: Page) -> bool {
        self.cached.iter().any(|cached| cached.page == page)
    }
}
