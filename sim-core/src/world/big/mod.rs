//! The clock's world: real TLB geometry, per-page holder sets, up to 1,024 CPUs and any number of pages.

mod locks;
mod look;
mod memory;
mod primitives;
mod records;
mod stage;
mod tables;
mod tlbs;

pub use look::Held;
pub use memory::{Census, Watermarks};
pub use records::{RECORDS_MAX, Record};
pub(crate) use tlbs::Front;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use rustc_hash::FxHashMap;

use crate::machine::mmu::{Access, Lookup, Mmu};
use crate::machine::profile::Profile;
use crate::machine::psc::Levels;
use crate::machine::tlb::{Entry, Key, PageSize};
use crate::nouns::cpuset::{Crowd as Cpus, Crowds};
use crate::nouns::op::Op;
use crate::nouns::types::Promise;
use crate::nouns::types::{AccessKind, Actor, Cpu, FrameNo, Lock, Mm, Page, Pte, Rights, Span, Table, Task};
use crate::policy::Words;
use crate::world::big::tables::{Directory, Listed};
use crate::world::vmas::Vmas;
use crate::world::{Batch, Folio, Gather, IoQueue, Lockless, Lru, Memory, Request, TlbLevel, Vma, World};

/// log2 of the pages under one page-table page.
const TABLE_SHIFT: u32 = 9;

#[derive(Clone, Debug, Default)]
struct MmState {
    mask: Cpus,
    words: Words,
    flush_pending: u32,
    vmas: Vmas,
    tables: Directory,
    /// Raised by every change that owes a flush; a CPU that was behind when it loads the address space flushes.
    tlb_gen: u64,
    mmap_writer: Option<Task>,
    mmap_readers: Vec<Task>,
}

#[derive(Clone, Debug)]
struct TableState {
    owner: Option<Task>,
    /// Who has been handed the PTL and has not taken it yet.
    heir: Option<Task>,
    /// Given back; the next fault allocates it anew. Its pages keep their numbers, since TLBs may still hold translations.
    freed: bool,
}

const NO_PAGE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct PageState {
    mm: Mm,
    vpn: u64,
    table: Table,
    pte: Pte,
    promise: Promise,
    cached_frame: Option<FrameNo>,
    ghost: u8,
    emptier: Option<Task>,
    rmap_kept: Option<FrameNo>,
}

/// What the world keeps about a frame beside its folio.
#[derive(Clone, Debug, Default)]
struct FrameState {
    /// Pages of which a translation to it was filled, in order; some of these may be gone.
    filled: Listed,
    /// Pages in its rmap, in order.
    mapped_by: Listed,
    /// Pages that find it in a cache, in order.
    cached_by: Listed,
    /// The page that mapped it last, or found it in a cache.
    last_page: Option<Page>,
}

#[derive(Clone, Debug)]
struct CpuState {
    mmu: Mmu,
    loaded: Option<Mm>,
    lazy: bool,
    /// The generation of each address space this CPU's translations are known to be up to.
    gens: FxHashMap<u16, u64>,
    request: Option<Request>,
    /// The generation its request asks for; none for a batch.
    request_gen: Option<u64>,
    targets: Cpus,
    waiting: Cpus,
    queued: VecDeque<Cpu>,
    serving: VecDeque<Cpu>,
    /// Broadcasts it has issued, and where each is pending.
    issued: Vec<(Cpu, Option<Mm>, Span)>,
    /// Flushes it has left to others.
    records: records::Ring,
    /// Frames to be freed when all that is done.
    held: BinaryHeap<Reverse<u32>>,
    last_walk: Option<Levels>,
    last_miss_flushed: bool,
    last_drop_current: bool,
}

#[derive(Clone, Debug, Default)]
struct TaskState {
    op: Option<Op>,
    batch: Batch,
    batch_mask: Cpus,
    gather: Gather,
    victims: VecDeque<(Page, FrameNo)>,
    kept: BTreeSet<FrameNo>,
    freeing: BinaryHeap<Reverse<u32>>,
}

/// What a flush of a whole address space removes, looked at just before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlushValue {
    /// No usable translation grants more than its PTE.
    Needless,
    /// Some do, but none in the range of the operation.
    UsefulElsewhere,
    /// Some do in the range of the operation.
    Needed,
}

/// The big world.
#[derive(Clone, Debug)]
pub struct Big {
    mms: Vec<MmState>,
    tables: Vec<TableState>,
    /// The pages under each table, by the low bits of the page number; `NO_PAGE` where nothing was ever touched.
    slots: Vec<u32>,
    pages: Vec<PageState>,
    /// By page: whose TLBs hold a translation of it.
    holders: Crowds,
    folios: Vec<Folio>,
    /// One for each folio.
    frames: Vec<FrameState>,
    free: BTreeSet<u32>,
    /// Allocation fails beyond this many frames.
    frames_limit: u32,
    cpus: Vec<CpuState>,
    tasks: Vec<TaskState>,
    /// By task, and apart from what else is known of it: every access asks.
    task_mms: Vec<Option<Mm>>,
    /// Set by user threads.
    flags: u8,
    /// What lockless walkers have read, by task.
    lockless: BTreeMap<u16, Lockless>,
    /// Pages some translation of which may grant more than the PTE does.
    weakened: BTreeSet<Page>,
    /// The LRU, where reclaim chooses for itself.
    lru: Option<memory::Lists>,
    /// The watermarks, where memory is short.
    zone: Option<memory::Zone>,
    device: Option<memory::Device>,
}

impl Big {
    /// An empty machine of `cpus` CPUs with the TLBs of a profile.
    pub fn new(profile: &Profile, cpus: u16, frames_limit: u32) -> Big {
        assert!(cpus <= Cpus::CAPACITY, "{cpus} CPUs are more than {}", Cpus::CAPACITY);
        let cpu = |mmu| CpuState {
            mmu,
            loaded: None,
            lazy: false,
            gens: FxHashMap::default(),
            request: None,
            request_gen: None,
            targets: Cpus::EMPTY,
            waiting: Cpus::EMPTY,
            queued: VecDeque::new(),
            serving: VecDeque::new(),
            issued: Vec::new(),
            records: records::Ring::default(),
            held: BinaryHeap::new(),
            last_walk: None,
            last_miss_flushed: false,
            last_drop_current: false,
        };
        Big {
            mms: Vec::new(),
            tables: Vec::new(),
            slots: Vec::new(),
            pages: Vec::new(),
            holders: Crowds::new(cpus),
            folios: Vec::new(),
            frames: Vec::new(),
            free: BTreeSet::new(),
            frames_limit,
            cpus: Mmu::many(profile, usize::from(cpus)).map(cpu).collect(),
            tasks: Vec::new(),
            task_mms: Vec::new(),
            flags: 0,
            lockless: BTreeMap::new(),
            weakened: BTreeSet::new(),
            lru: None,
            zone: None,
            device: None,
        }
    }

    /// How many CPUs there are.
    pub fn cpus(&self) -> u16 {
        self.cpus.len() as u16
    }

    /// A new address space.
    pub fn add_mm(&mut self) -> Mm {
        self.mms.push(MmState::default());
        Mm(self.mms.len() as u16 - 1)
    }

    /// A new task of an address space, or a kernel thread.
    pub fn add_task(&mut self, mm: Option<Mm>) -> Task {
        self.tasks.push(TaskState::default());
        self.task_mms.push(mm);
        Task(self.tasks.len() as u16 - 1)
    }

    /// Maps a span from the start, before anything runs.
    pub fn map(&mut self, mm: Mm, span: Span, vma: Vma) {
        self.set_vma(mm, span, vma);
    }

    /// Says what a task is about to do.
    pub fn begin(&mut self, task: Task, op: Op) {
        self.tasks[usize::from(task.0)].op = Some(op);
    }

    /// `switch_mm`: a CPU loads an address space, or none. A kernel thread borrows the old one, lazily. Translations that a
    /// flush missed while the address space was not loaded go now; `gone` hears of them.
    pub fn switch_mm(&mut self, cpu: Cpu, mm: Option<Mm>, lazy_mask: bool, gone: &mut dyn FnMut(Page, Entry)) {
        let state = &mut self.cpus[usize::from(cpu.0)];
        let Some(mm) = mm else {
            state.lazy = state.loaded.is_some();
            return;
        };
        let old = state.loaded.replace(mm);
        state.lazy = false;
        if let Some(old) = old
            && old != mm
            && !lazy_mask
        {
            self.mms[usize::from(old.0)].mask.remove(cpu);
        }
        self.mms[usize::from(mm.0)].mask.insert(cpu);
        let current = self.mms[usize::from(mm.0)].tlb_gen;
        let seen = self.cpus[usize::from(cpu.0)].gens.insert(mm.0, current);
        if seen.is_some_and(|seen| seen < current) {
            self.tlb_drop(cpu, (mm, Span { first: 0, pages: u64::MAX }), gone);
        }
    }

    /// A CPU gives its address space up for good: another process, of which nothing else is known, runs there.
    pub fn unload_mm(&mut self, cpu: Cpu, lazy_mask: bool) {
        let state = &mut self.cpus[usize::from(cpu.0)];
        state.lazy = false;
        if let Some(old) = state.loaded.take()
            && !lazy_mask
        {
            self.mms[usize::from(old.0)].mask.remove(cpu);
        }
    }

    /// Hands a released PTL to a waiter: queued spinlocks are fair, nobody takes one in between.
    pub fn hand_over(&mut self, table: Table, heir: Task) {
        let state = &mut self.tables[table.0 as usize];
        debug_assert_eq!((state.owner, state.heir), (None, None));
        state.heir = Some(heir);
    }

    /// Who is in `mm_cpumask`.
    pub fn mask(&self, mm: Mm) -> Vec<Cpu> {
        self.mms[usize::from(mm.0)].mask.iter().collect()
    }

    /// Which levels the last walk of a CPU read.
    pub fn last_walk(&self, cpu: Cpu) -> Option<Levels> {
        self.cpus[usize::from(cpu.0)].last_walk
    }

    /// Was the last miss of a CPU on a translation that a flush had removed and nothing had overwritten?
    pub fn last_miss_flushed(&self, cpu: Cpu) -> bool {
        self.cpus[usize::from(cpu.0)].last_miss_flushed
    }

    /// Was a CPU's generation already that of its address space when it last dropped translations? Then the kernel's check
    /// finds nothing to flush.
    pub fn last_drop_current(&self, cpu: Cpu) -> bool {
        self.cpus[usize::from(cpu.0)].last_drop_current
    }

    /// How many pages wait on the reclaim list of a task.
    pub fn victims(&self, task: Task) -> usize {
        self.tasks[usize::from(task.0)].victims.len()
    }

    /// What a flush of an address space would remove now: over all CPUs, unloaded address spaces included.
    pub fn flush_value(&mut self, mm: Mm, range: Span) -> FlushValue {
        let (pages, holders) = (&self.pages, &self.holders);
        let (cpus, mms) = (&self.cpus, &self.mms);
        let mut value = FlushValue::Needless;
        self.weakened.retain(|&page| {
            let state = &pages[page.0 as usize];
            let key = key_of(state);
            let outdated = holders.iter(page.0).any(|cpu| {
                let cpu = &cpus[usize::from(cpu.0)];
                let entry = cpu.mmu.peek(key).expect("a holder holds");
                usable(cpu, mms, state.mm) && !grants(state.pte, entry)
            });
            if outdated && state.mm == mm {
                let kind = if range.contains(state.vpn) { FlushValue::Needed } else { FlushValue::UsefulElsewhere };
                value = value.max(kind);
            }
            outdated
        });
        value
    }

    fn key(&self, page: Page) -> Key {
        key_of(&self.pages[page.0 as usize])
    }

    /// The page of a translation. As a rule its frame was filled for that one alone, which is found at once.
    fn page_of_entry(&self, key: Key, entry: Entry) -> Page {
        let alone = self.frames.get(entry.frame as usize).and_then(|state| state.filled.alone());
        debug_assert!(
            alone.is_none_or(|page| self.key(page) == key),
            "{key:?} is not of the only page filled for {entry:?}"
        );
        alone.unwrap_or_else(|| self.page(Mm(key.asid), key.vpn).expect("a translation names a touched page"))
    }

    /// The pages a frame was filled for, less those of which no translation to it is left.
    fn prune_filled(&mut self, frame: u32) {
        let mut filled = std::mem::take(&mut self.frames[frame as usize].filled);
        filled.retain(|page| {
            let state = &self.pages[page as usize];
            let key = key_of(state);
            let held = |cpu: Cpu| self.cpus[usize::from(cpu.0)].mmu.peek(key).is_some_and(|e| e.frame == frame);
            self.holders.iter(page).any(held)
        });
        self.frames[frame as usize].filled = filled;
    }

    /// The page-table page at a page number, freed or not.
    fn any_table(&self, mm: Mm, vpn: u64) -> Option<Table> {
        self.mms[usize::from(mm.0)].tables.at(vpn >> TABLE_SHIFT)
    }

    fn forget_holder(&mut self, cpu: Cpu, page: Page) {
        self.holders.remove(page.0, cpu);
    }
}

/// A running address space is up to its generation by what was delivered; any other by what was seen when it last ran.
fn usable(cpu: &CpuState, mms: &[MmState], mm: Mm) -> bool {
    let running = cpu.loaded == Some(mm) && !cpu.lazy;
    running || cpu.gens.get(&mm.0) == Some(&mms[usize::from(mm.0)].tlb_gen)
}

fn key_of(page: &PageState) -> Key {
    Key::new(page.vpn, page.mm.0, PageSize::Size4K)
}

/// Does a PTE grant all that a translation does?
fn grants(pte: Pte, entry: Entry) -> bool {
    pte.usable().is_some_and(|p| p.frame.0 == entry.frame && (p.writable || !entry.writable))
}

#[inline]
fn access(kind: AccessKind) -> Access {
    match kind {
        AccessKind::Load => Access::Load,
        AccessKind::Store => Access::Store,
        AccessKind::Fetch => Access::Fetch,
    }
}
