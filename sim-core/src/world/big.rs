//! The clock's world: real TLB geometry, per-page holder sets, up to 1,024 CPUs and any number of pages.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use rustc_hash::FxHashMap;

use crate::kernel::cpuset::CpuSet;
use crate::kernel::op::Op;
use crate::kernel::types::{AccessKind, Actor, Cpu, FrameNo, Lock, Mm, Page, Pte, Rights, Span, Table, Task};
use crate::machine::mmu::{Access, Lookup, Mmu};
use crate::machine::profile::Profile;
use crate::machine::psc::Levels;
use crate::machine::tlb::{Entry, Key, PageSize};
use crate::policy::Words;
use crate::world::vmas::Vmas;
use crate::world::{Batch, Folio, Gather, Promise, Request, TlbLevel, Vma, World};

/// log2 of the pages under one page-table page.
const TABLE_SHIFT: u32 = 9;
/// 64 times this many CPUs.
const CPU_WORDS: usize = 16;

type Cpus = CpuSet<CPU_WORDS>;

#[derive(Clone, Debug, Default)]
struct MmState {
    mask: Cpus,
    words: Words,
    vmas: Vmas,
    /// Page-table pages by `vpn >> TABLE_SHIFT`.
    tables: BTreeMap<u64, Table>,
    /// Raised by every change that owes a flush; a CPU that was behind when it loads the address space flushes.
    tlb_gen: u64,
    mmap_writer: Option<Task>,
    mmap_readers: Vec<Task>,
}

#[derive(Clone, Debug)]
struct TableState {
    /// By the low bits of the page number; `NO_PAGE` where nothing was ever touched.
    pages: Box<[u32]>,
    owner: Option<Task>,
    /// Who has been handed the PTL and has not taken it yet.
    heir: Option<Task>,
}

const NO_PAGE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct PageState {
    mm: Mm,
    vpn: u64,
    table: Table,
    pte: Pte,
    promise: Promise,
    holders: Cpus,
    cached_frame: Option<FrameNo>,
    ghost: u8,
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
    last_walk: Option<Levels>,
    last_miss_flushed: bool,
    last_drop_current: bool,
}

#[derive(Clone, Debug, Default)]
struct TaskState {
    mm: Option<Mm>,
    op: Option<Op>,
    batch: Batch,
    batch_mask: Cpus,
    gather: Gather,
    victims: VecDeque<Page>,
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
    pages: Vec<PageState>,
    folios: Vec<Folio>,
    free: BTreeSet<u32>,
    /// Allocation fails beyond this many frames.
    frames_limit: u32,
    cpus: Vec<CpuState>,
    tasks: Vec<TaskState>,
    /// Pages some translation of which may grant more than the PTE does.
    weakened: BTreeSet<Page>,
}

impl Big {
    /// An empty machine of `cpus` CPUs with the TLBs of a profile.
    pub fn new(profile: &Profile, cpus: u16, frames_limit: u32) -> Big {
        assert!(cpus <= Cpus::CAPACITY, "{cpus} CPUs are more than {}", Cpus::CAPACITY);
        let cpu = CpuState {
            mmu: Mmu::new(profile),
            loaded: None,
            lazy: false,
            gens: FxHashMap::default(),
            request: None,
            request_gen: None,
            targets: Cpus::EMPTY,
            waiting: Cpus::EMPTY,
            queued: VecDeque::new(),
            serving: VecDeque::new(),
            last_walk: None,
            last_miss_flushed: false,
            last_drop_current: false,
        };
        Big {
            mms: Vec::new(),
            tables: Vec::new(),
            pages: Vec::new(),
            folios: Vec::new(),
            free: BTreeSet::new(),
            frames_limit,
            cpus: vec![cpu; usize::from(cpus)],
            tasks: Vec::new(),
            weakened: BTreeSet::new(),
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
        self.tasks.push(TaskState { mm, ..TaskState::default() });
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

    /// The translation that would serve an access of a CPU; nothing moves.
    pub fn tlb_peek_for(&self, cpu: Cpu, page: Page, kind: AccessKind) -> Option<Entry> {
        self.cpus[usize::from(cpu.0)].mmu.peek_for(self.key(page), access(kind))
    }

    /// How many pages wait on the reclaim list of a task.
    pub fn victims(&self, task: Task) -> usize {
        self.tasks[usize::from(task.0)].victims.len()
    }

    /// What a flush of an address space would remove now: over all CPUs, unloaded address spaces included.
    pub fn flush_value(&mut self, mm: Mm, range: Span) -> FlushValue {
        let pages = &self.pages;
        let (cpus, mms) = (&self.cpus, &self.mms);
        let mut value = FlushValue::Needless;
        self.weakened.retain(|&page| {
            let state = &pages[page.0 as usize];
            let key = key_of(state);
            let outdated = state.holders.iter().any(|cpu| {
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

    fn page_of_key(&self, key: Key) -> Page {
        self.page(Mm(key.asid), key.vpn).expect("a translation names a touched page")
    }

    fn forget_holder(&mut self, cpu: Cpu, page: Page) {
        self.pages[page.0 as usize].holders.remove(cpu);
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

fn access(kind: AccessKind) -> Access {
    match kind {
        AccessKind::Load => Access::Load,
        AccessKind::Store => Access::Store,
        AccessKind::Fetch => Access::Fetch,
    }
}

impl World for Big {
    fn op(&self, task: Task) -> Op {
        self.tasks[usize::from(task.0)].op.expect("a task that steps has an operation")
    }

    fn mm(&self, task: Task) -> Option<Mm> {
        self.tasks[usize::from(task.0)].mm
    }

    fn loaded(&self, cpu: Cpu) -> Option<Mm> {
        self.cpus[usize::from(cpu.0)].loaded
    }

    fn lazy(&self, cpu: Cpu) -> bool {
        self.cpus[usize::from(cpu.0)].lazy
    }

    fn leave_lazy(&mut self, cpu: Cpu) {
        let state = &mut self.cpus[usize::from(cpu.0)];
        assert!(state.lazy, "only a lazy CPU has something to give up");
        (state.loaded, state.lazy) = (None, false);
    }

    fn usable(&self, cpu: Cpu, page: Page) -> bool {
        usable(&self.cpus[usize::from(cpu.0)], &self.mms, self.pages[page.0 as usize].mm)
    }

    fn page(&self, mm: Mm, vpn: u64) -> Option<Page> {
        let table = self.table_at(mm, vpn)?;
        let slot = vpn & ((1 << TABLE_SHIFT) - 1);
        let page = self.tables[table.0 as usize].pages[slot as usize];
        (page != NO_PAGE).then_some(Page(page))
    }

    fn populate(&mut self, mm: Mm, vpn: u64) -> Page {
        if let Some(page) = self.page(mm, vpn) {
            return page;
        }
        let fresh = Table(self.tables.len() as u32);
        let table = *self.mms[usize::from(mm.0)].tables.entry(vpn >> TABLE_SHIFT).or_insert(fresh);
        if table == fresh {
            self.tables.push(TableState { pages: vec![NO_PAGE; 1 << TABLE_SHIFT].into(), owner: None, heir: None });
        }
        let page = Page(self.pages.len() as u32);
        let slot = vpn & ((1 << TABLE_SHIFT) - 1);
        self.tables[table.0 as usize].pages[slot as usize] = page.0;
        let vma = self.vma(mm, vpn);
        self.pages.push(PageState {
            mm,
            vpn,
            table,
            pte: Pte::None,
            promise: Promise { mapped: vma.mapped, rights: vma.rights },
            holders: Cpus::EMPTY,
            cached_frame: None,
            ghost: 0,
        });
        page
    }

    fn mm_of(&self, page: Page) -> Mm {
        self.pages[page.0 as usize].mm
    }

    fn vpn(&self, page: Page) -> u64 {
        self.pages[page.0 as usize].vpn
    }

    fn table_of(&self, page: Page) -> Table {
        self.pages[page.0 as usize].table
    }

    fn table_at(&self, mm: Mm, vpn: u64) -> Option<Table> {
        self.mms[usize::from(mm.0)].tables.get(&(vpn >> TABLE_SHIFT)).copied()
    }

    fn table_span(&self, vpn: u64) -> Span {
        Span { first: vpn >> TABLE_SHIFT << TABLE_SHIFT, pages: 1 << TABLE_SHIFT }
    }

    fn next_page(&self, mm: Mm, span: Span) -> Option<Page> {
        if span.pages == 0 {
            return None;
        }
        let (first, last) = (span.first >> TABLE_SHIFT, (span.end() - 1) >> TABLE_SHIFT);
        for (&index, table) in self.mms[usize::from(mm.0)].tables.range(first..=last) {
            let covered = Span { first: index << TABLE_SHIFT, pages: 1 << TABLE_SHIFT }.clip(span);
            let start = (covered.first - (index << TABLE_SHIFT)) as usize;
            let slots = &self.tables[table.0 as usize].pages[start..start + covered.pages as usize];
            if let Some(&page) = slots.iter().find(|&&page| page != NO_PAGE) {
                return Some(Page(page));
            }
        }
        None
    }

    fn vma(&self, mm: Mm, vpn: u64) -> Vma {
        self.mms[usize::from(mm.0)].vmas.at(vpn)
    }

    fn set_vma(&mut self, mm: Mm, span: Span, vma: Vma) {
        self.mms[usize::from(mm.0)].vmas.set(span, vma);
    }

    fn protect_vma(&mut self, mm: Mm, span: Span, rights: Rights) {
        self.mms[usize::from(mm.0)].vmas.protect(span, rights);
    }

    fn pte(&self, page: Page) -> Pte {
        self.pages[page.0 as usize].pte
    }

    fn pte_xchg(&mut self, page: Page, new: Pte) -> Pte {
        let state = &mut self.pages[page.0 as usize];
        if !state.holders.is_empty() {
            self.weakened.insert(page);
        }
        std::mem::replace(&mut state.pte, new)
    }

    fn try_lock(&mut self, who: Actor, lock: Lock) -> bool {
        match lock {
            Lock::MmapRead(mm) => {
                let state = &mut self.mms[usize::from(mm.0)];
                if state.mmap_writer.is_some() {
                    return false;
                }
                state.mmap_readers.push(who.task);
            }
            Lock::MmapWrite(mm) => {
                let state = &mut self.mms[usize::from(mm.0)];
                if state.mmap_writer.is_some() || !state.mmap_readers.is_empty() {
                    return false;
                }
                state.mmap_writer = Some(who.task);
            }
            Lock::Ptl(table) => {
                let state = &mut self.tables[table.0 as usize];
                if state.owner.is_some() || state.heir.is_some_and(|heir| heir != who.task) {
                    return false;
                }
                (state.owner, state.heir) = (Some(who.task), None);
            }
        }
        true
    }

    fn unlock(&mut self, who: Actor, lock: Lock) {
        match lock {
            Lock::MmapRead(mm) => {
                let readers = &mut self.mms[usize::from(mm.0)].mmap_readers;
                let at = readers.iter().position(|&t| t == who.task).expect("only a holder unlocks");
                readers.swap_remove(at);
            }
            Lock::MmapWrite(mm) => assert_eq!(self.mms[usize::from(mm.0)].mmap_writer.take(), Some(who.task)),
            Lock::Ptl(table) => assert_eq!(self.tables[table.0 as usize].owner.take(), Some(who.task)),
        }
    }

    fn words(&mut self, mm: Mm) -> &mut Words {
        &mut self.mms[usize::from(mm.0)].words
    }

    fn mask_any_but(&self, mm: Mm, cpu: Cpu) -> bool {
        self.mms[usize::from(mm.0)].mask.any_but(cpu)
    }

    fn mask_contains(&self, mm: Mm, cpu: Cpu) -> bool {
        self.mms[usize::from(mm.0)].mask.contains(cpu)
    }

    fn mask_clear(&mut self, mm: Mm, cpu: Cpu) {
        self.mms[usize::from(mm.0)].mask.remove(cpu);
    }

    fn batch(&mut self, task: Task) -> &mut Batch {
        &mut self.tasks[usize::from(task.0)].batch
    }

    fn batch_add_mask(&mut self, task: Task, mm: Mm) {
        let state = &mut self.mms[usize::from(mm.0)];
        state.tlb_gen += 1;
        self.tasks[usize::from(task.0)].batch_mask.insert_all(&state.mask);
    }

    fn batch_contains(&self, task: Task, cpu: Cpu) -> bool {
        self.tasks[usize::from(task.0)].batch_mask.contains(cpu)
    }

    fn batch_clear(&mut self, task: Task) {
        let state = &mut self.tasks[usize::from(task.0)];
        state.batch = Batch::default();
        state.batch_mask = Cpus::EMPTY;
    }

    fn gather(&mut self, task: Task) -> &mut Gather {
        &mut self.tasks[usize::from(task.0)].gather
    }

    fn request_begin(&mut self, who: Actor, request: Request) -> bool {
        let (mut targets, request_gen) = match request.mm {
            Some(mm) => {
                let state = &mut self.mms[usize::from(mm.0)];
                state.tlb_gen += 1;
                (state.mask, Some(state.tlb_gen))
            }
            None => (self.tasks[usize::from(who.task.0)].batch_mask, None),
        };
        targets.remove(who.cpu);
        let cpu = &mut self.cpus[usize::from(who.cpu.0)];
        cpu.request_gen = request_gen;
        assert!(cpu.waiting.is_empty(), "a CPU has one shootdown under way at a time");
        cpu.targets = targets;
        cpu.request = Some(request);
        !targets.is_empty()
    }

    fn request(&self, cpu: Cpu) -> Request {
        self.cpus[usize::from(cpu.0)].request.expect("a shootdown is under way")
    }

    fn request_end(&mut self, cpu: Cpu) {
        let state = &mut self.cpus[usize::from(cpu.0)];
        state.request = None;
        state.targets = Cpus::EMPTY;
    }

    fn next_target(&self, cpu: Cpu, from: u16) -> Option<Cpu> {
        self.cpus[usize::from(cpu.0)].targets.next_from(from)
    }

    fn post(&mut self, from: Cpu, to: Cpu) -> bool {
        self.cpus[usize::from(from.0)].waiting.insert(to);
        let queue = &mut self.cpus[usize::from(to.0)].queued;
        queue.push_back(from);
        queue.len() == 1
    }

    fn interrupt_pending(&self, cpu: Cpu) -> bool {
        !self.cpus[usize::from(cpu.0)].queued.is_empty()
    }

    fn drain(&mut self, cpu: Cpu) -> u16 {
        let state = &mut self.cpus[usize::from(cpu.0)];
        assert!(state.serving.is_empty(), "interrupts do not nest");
        state.serving = std::mem::take(&mut state.queued);
        // Lowest initiator first, the order both worlds agree on.
        state.serving.make_contiguous().sort_unstable();
        state.serving.len() as u16
    }

    fn in_service(&self, cpu: Cpu) -> Option<Cpu> {
        self.cpus[usize::from(cpu.0)].serving.front().copied()
    }

    fn ack(&mut self, cpu: Cpu, initiator: Cpu) {
        let served = self.cpus[usize::from(cpu.0)].serving.pop_front();
        assert_eq!(served, Some(initiator));
        let waiting = &mut self.cpus[usize::from(initiator.0)].waiting;
        assert!(waiting.contains(cpu), "nobody acks twice");
        waiting.remove(cpu);
    }

    fn acks_outstanding(&self, cpu: Cpu) -> bool {
        !self.cpus[usize::from(cpu.0)].waiting.is_empty()
    }

    fn tlb_lookup(&mut self, cpu: Cpu, page: Page, kind: AccessKind) -> Option<(Entry, TlbLevel)> {
        let key = self.key(page);
        let state = &mut self.cpus[usize::from(cpu.0)];
        match state.mmu.lookup(key, access(kind)) {
            Lookup::L1(entry) => Some((entry, TlbLevel::L1)),
            Lookup::Stlb(entry) => Some((entry, TlbLevel::Stlb)),
            Lookup::Miss { flushed } => {
                state.last_miss_flushed = flushed;
                None
            }
        }
    }

    fn tlb_peek(&self, cpu: Cpu, page: Page) -> Option<Entry> {
        self.cpus[usize::from(cpu.0)].mmu.peek(self.key(page))
    }

    fn tlb_fill(&mut self, cpu: Cpu, page: Page, kind: AccessKind, entry: Entry, gone: &mut dyn FnMut(Page, Entry)) {
        let key = self.key(page);
        let state = &mut self.cpus[usize::from(cpu.0)];
        state.last_walk = Some(state.mmu.walk_levels(key));
        let evicted = state.mmu.fill(key, access(kind), entry);
        self.pages[page.0 as usize].holders.insert(cpu);
        if let Some((key, entry)) = evicted {
            let page = self.page_of_key(key);
            self.forget_holder(cpu, page);
            gone(page, entry);
        }
    }

    fn tlb_update(&mut self, cpu: Cpu, page: Page, entry: Entry) {
        let key = self.key(page);
        let held = self.cpus[usize::from(cpu.0)].mmu.update(key, |_| entry);
        assert!(held, "only a held translation is updated");
    }

    fn tlb_forget(&mut self, cpu: Cpu, page: Page) -> Option<Entry> {
        let key = self.key(page);
        self.forget_holder(cpu, page);
        self.cpus[usize::from(cpu.0)].mmu.forget(key)
    }

    fn tlb_drop(&mut self, cpu: Cpu, (mm, span): (Mm, Span), gone: &mut dyn FnMut(Page, Entry)) {
        let mut dropped = Vec::new();
        let state = &mut self.cpus[usize::from(cpu.0)];
        let sink = &mut |key, entry| dropped.push((key, entry));
        if span.pages == u64::MAX {
            state.mmu.invalidate_asid(mm.0, sink);
        } else {
            for vpn in span.first..span.end() {
                state.mmu.invalidate_page(Key::new(vpn, mm.0, PageSize::Size4K), sink);
            }
        }
        if state.loaded == Some(mm) {
            let current = self.mms[usize::from(mm.0)].tlb_gen;
            let initiator = state.serving.front().copied().unwrap_or(cpu);
            let of_request = self.cpus[usize::from(initiator.0)].request_gen;
            let state = &mut self.cpus[usize::from(cpu.0)];
            let seen = state.gens.entry(mm.0).or_insert(0);
            state.last_drop_current = *seen == current || of_request.is_some_and(|asked| asked <= *seen);
            // A range makes up for its own change only; deferred clears may be among those still missing.
            if span.pages == u64::MAX {
                *seen = current;
            } else if of_request == Some(*seen + 1) {
                *seen += 1;
            }
        }
        for (key, entry) in dropped {
            let page = self.page_of_key(key);
            self.forget_holder(cpu, page);
            gone(page, entry);
        }
    }

    fn next_holder(&self, page: Page, from: u16) -> Option<Cpu> {
        self.pages[page.0 as usize].holders.next_from(from)
    }

    fn promise(&self, page: Page) -> Promise {
        self.pages[page.0 as usize].promise
    }

    fn set_promise(&mut self, page: Page, promise: Promise) {
        self.pages[page.0 as usize].promise = promise;
    }

    fn ghost(&self, page: Page) -> u8 {
        self.pages[page.0 as usize].ghost
    }

    fn set_ghost(&mut self, page: Page, bits: u8) {
        self.pages[page.0 as usize].ghost = bits;
    }

    fn isolate(&mut self, task: Task, page: Page) {
        self.tasks[usize::from(task.0)].victims.push_back(page);
    }

    fn next_victim(&mut self, task: Task) -> Option<Page> {
        self.tasks[usize::from(task.0)].victims.pop_front()
    }

    fn memory_left(&self) -> bool {
        !self.free.is_empty() || self.folios.len() < self.frames_limit as usize
    }

    fn alloc_frame(&mut self) -> Option<FrameNo> {
        let frame = match self.free.pop_first() {
            Some(frame) => frame,
            None if self.folios.len() < self.frames_limit as usize => {
                self.folios.push(Folio::default());
                self.folios.len() as u32 - 1
            }
            None => return None,
        };
        self.folios[frame as usize] = Folio { allocated: true, ..Folio::default() };
        Some(FrameNo(frame))
    }

    fn folio(&self, frame: FrameNo) -> Folio {
        self.folios[frame.0 as usize]
    }

    fn set_folio(&mut self, frame: FrameNo, folio: Folio) {
        self.folios[frame.0 as usize] = folio;
    }

    fn cached_frame(&self, page: Page) -> Option<FrameNo> {
        self.pages[page.0 as usize].cached_frame
    }

    fn set_cached_frame(&mut self, page: Page, frame: Option<FrameNo>) {
        self.pages[page.0 as usize].cached_frame = frame;
    }

    fn free_later(&mut self, task: Task, frame: FrameNo) -> u16 {
        let freeing = &mut self.tasks[usize::from(task.0)].freeing;
        freeing.push(Reverse(frame.0));
        freeing.len() as u16
    }

    fn free_one(&mut self, task: Task) -> Option<FrameNo> {
        let Reverse(frame) = self.tasks[usize::from(task.0)].freeing.pop()?;
        self.folios[frame as usize] = Folio::default();
        self.free.insert(frame);
        Some(FrameNo(frame))
    }
}
