//! What a view of a run sees of the big world beside its primitives.

use super::{Big, Cpu, Entry, Folio, FrameState, Key, Lock, Mm, Page, PageState, Table, Task, TlbLevel, Words};

/// A lock that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which, as it is held.
    pub lock: Lock,
    /// Who holds it.
    pub holders: Vec<Task>,
    /// Who has been handed it and has not taken it yet.
    pub heir: Option<Task>,
}

impl Big {
    /// How many pages have been touched; they are numbered from 0.
    pub fn pages(&self) -> u32 {
        self.pages.len() as u32
    }

    /// How many address spaces there are.
    pub fn mms(&self) -> u16 {
        self.mms.len() as u16
    }

    /// The translations of a CPU, by page, and the first level that has each.
    pub fn translations(&self, cpu: Cpu) -> Vec<(Page, Entry, TlbLevel)> {
        let mmu = &self.cpus[usize::from(cpu.0)].mmu;
        let level = |key: Key| if mmu.is_in_first(key) { TlbLevel::L1 } else { TlbLevel::Stlb };
        let mut held: Vec<_> =
            mmu.iter().map(|(key, entry)| (self.page_of_entry(key, entry), entry, level(key))).collect();
        held.sort_unstable_by_key(|&(page, ..)| page);
        held
    }

    /// CPUs that hold a translation of a page.
    pub fn holders(&self, page: Page) -> Vec<Cpu> {
        self.holders.iter(page.0).collect()
    }

    /// How many acknowledgements a CPU still waits for.
    pub fn acks_left(&self, cpu: Cpu) -> u16 {
        self.cpus[usize::from(cpu.0)].waiting.iter().count() as u16
    }

    /// The policy's words of an address space.
    pub fn words_of(&self, mm: Mm) -> Words {
        self.mms[usize::from(mm.0)].words
    }

    /// `mm->tlb_flush_pending`.
    pub fn flush_pending_of(&self, mm: Mm) -> u32 {
        self.mms[usize::from(mm.0)].flush_pending
    }

    /// Is the lock of the page table held that has the PTE of a page?
    pub fn ptl_is_held(&self, page: Page) -> bool {
        self.tables[self.pages[page.0 as usize].table.0 as usize].owner.is_some()
    }

    /// The locks that somebody holds: each `mmap_lock` by address space, then the locks of page tables.
    pub fn held_locks(&self) -> Vec<Held> {
        let mut held = Vec::new();
        for (n, state) in self.mms.iter().enumerate() {
            let mm = Mm(n as u16);
            let mut readers = state.mmap_readers.clone();
            readers.sort_unstable();
            let (lock, holders) = match state.mmap_writer {
                Some(writer) => (Lock::MmapWrite(mm), vec![writer]),
                None => (Lock::MmapRead(mm), readers),
            };
            if !holders.is_empty() {
                held.push(Held { lock, holders, heir: None });
            }
        }
        for (n, state) in self.tables.iter().enumerate() {
            let table = Table(n as u32);
            if state.owner.is_some() || state.heir.is_some() {
                let holders = state.owner.into_iter().collect();
                held.push(Held { lock: Lock::Ptl(table), holders, heir: state.heir });
            }
        }
        held
    }

    /// About how much memory it takes, in bytes: what a copy costs.
    pub fn bytes(&self) -> usize {
        let tables = self.tables.len() << (super::TABLE_SHIFT + 2);
        let pages = self.pages.len() * (size_of::<PageState>() + self.holders.bytes_each());
        let frames = self.folios.len() * (size_of::<FrameState>() + size_of::<Folio>());
        self.tlb_bytes() + tables + pages + frames
    }

    /// How much of that its TLBs take, in bytes.
    pub fn tlb_bytes(&self) -> usize {
        self.cpus.iter().map(|cpu| cpu.mmu.bytes()).sum()
    }
}
