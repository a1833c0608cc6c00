//! The store of primitives that the kernel paths are generic over.
//!
//! A [`World`] holds page tables, locks, TLBs, interrupts in flight and the words of the policy, and offers each as a
//! primitive that takes effect at once. It knows no policy, no time and no statistics. There are two: [`small::Small`], a
//! state of some tens of bytes for the explorer, and [`big::Big`], real TLB geometry and up to 1,024 CPUs for the clock.

pub mod big;
pub mod small;
pub mod vmas;

use crate::machine::tlb::Entry;
use crate::nouns::marks::Marks;
use crate::nouns::op::Op;
use crate::nouns::types::{
    AccessKind, Actor, Backing, Cpu, FrameNo, Lock, Mm, Page, Promise, Pte, Rights, Span, Table, Task,
};
use crate::policy::Words;

/// What an address range may be used for, as `mmap` and `mprotect` left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Vma {
    /// Is anything mapped here?
    pub mapped: bool,
    /// The rights of user space.
    pub rights: Rights,
    /// What fills the pages.
    pub backing: Backing,
}

/// One folio (always of one page here) as reclaim sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Folio {
    /// Handed out by the allocator.
    pub allocated: bool,
    /// On the LRU, so that reclaim may take it; the zero page is not.
    pub lru: bool,
    /// Anonymous, as opposed to page cache.
    pub anon: bool,
    /// Content differs from its backing store.
    pub dirty: bool,
    /// Found by a fault through the swap cache or the page cache.
    pub cached: bool,
    /// Taken off the LRU by reclaim, which holds a reference to it.
    pub isolated: bool,
    /// Its content may be dropped unless it is stored to again (`MADV_FREE`).
    pub lazyfree: bool,
    /// The folio lock is held by reclaim.
    pub locked: bool,
    /// How many operations have unmapped it and hold a reference until they have flushed.
    pub gathered: u8,
    /// On the active list, when it is on one (`PG_active`).
    pub active: bool,
    /// Reclaim has found it referenced once (`PG_referenced`).
    pub referenced: bool,
    /// The swap device is writing it (`PG_writeback`).
    pub writeback: bool,
    /// Everybody but reclaim or the device has given it up: whoever drops the last reference frees it.
    pub dropped: bool,
    /// KSM has put it under several pages, or is about to: nobody may write it in place (`PageKsm`).
    pub ksm: bool,
}

impl Folio {
    /// Without the folio lock. Whoever has unmapped it meanwhile has left the last reference to the one who had it locked, who now has
    /// to put it.
    #[must_use]
    pub fn unlocked(self) -> Folio {
        let gathered = self.gathered + u8::from(self.dropped);
        Folio { locked: false, dropped: false, gathered, ..self }
    }

    /// Only a reference of reclaim, of the device or of a reader keeps its frame: nobody else may free it.
    pub fn pinned(self) -> bool {
        self.isolated || self.pinned_elsewhere()
    }

    /// The same, when reclaim has isolated it and has not locked it.
    pub fn pinned_elsewhere(self) -> bool {
        self.writeback || self.locked
    }

    /// A driver's: it finds it by itself, and nobody counts who maps it.
    pub fn external(self) -> bool {
        self.cached && !self.lru && !self.anon
    }

    /// Its last reference is reclaim's, which frees it after the flush (`folio_ref_freeze()`): nobody else gets one.
    pub fn frozen(self) -> bool {
        self.isolated && !self.lru
    }

    /// The LRU list it is on; none if it is on none.
    pub fn list(self) -> Option<Lru> {
        (self.allocated && self.lru && !self.isolated).then_some(Lru { anon: self.anon, active: self.active })
    }
}

/// One of the four lists of folios, most recently added first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lru {
    /// Of anonymous memory, as opposed to page cache.
    pub anon: bool,
    /// The active one.
    pub active: bool,
}

impl Lru {
    /// Its number, below 4.
    pub fn index(self) -> usize {
        usize::from(self.anon) * 2 + usize::from(self.active)
    }
}

/// How much memory is free, against the watermarks. An allocation that leaves no more than `low` free wakes kswapd, one that
/// finds no more than `min` reclaims itself, and kswapd sleeps when more than `high` is free (`zone_watermark_ok()`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Free frames.
    pub free: u32,
    /// `WMARK_MIN`.
    pub min: u32,
    /// `WMARK_LOW`.
    pub low: u32,
    /// `WMARK_HIGH`.
    pub high: u32,
}

/// The queue of the swap device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoQueue {
    /// Requests the device has.
    pub in_flight: u32,
    /// How many it takes.
    pub depth: u32,
    /// Requests it has completed.
    pub done: u64,
}

/// The per-task reclaim batch, `current->tlb_ubc`; its mask stays inside the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Batch {
    /// Some PTE was cleared and its flush deferred.
    pub required: bool,
    /// One of them had D=1: flush before any IO.
    pub writable: bool,
}

/// What a lockless walker has read from a PTE: as good as a translation, but no flush drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockless {
    /// Of which page.
    pub page: Page,
    /// The frame it named.
    pub frame: FrameNo,
    /// What became of the frame since.
    pub marks: Marks,
}

/// The range an operation has to flush at its end (`mmu_gather`, or `pages` before v5.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Gather {
    /// Smallest span of PTEs whose change needs a flush, and of page tables that are freed; no pages if there are none.
    pub span: Span,
    /// Page tables are freed.
    pub freed_tables: bool,
}

/// Why a shootdown is made; the column "by cause" of every report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The end of a reclaim batch (R7), or a full batch of freed folios.
    Batch,
    /// Dirty PTEs deferred, and a page about to be written (R5.2).
    BeforeIo,
    /// An operation found a reclaim flush pending (F2).
    PendingCheck,
    /// The operation's own changes (M8, Z9).
    Operation,
    /// Reclaim that does not defer (R4.4b).
    PerPage,
    /// A copy on write replaced a mapped frame.
    Cow,
    /// Another operation had changed PTEs and not flushed yet (Z9).
    Nested,
}

impl Cause {
    /// What it is called in pictures.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Batch => "batch",
            Cause::BeforeIo => "before IO",
            Cause::PendingCheck => "pending check",
            Cause::Operation => "operation's own",
            Cause::PerPage => "per page",
            Cause::Cow => "copy on write",
            Cause::Nested => "nested gathers",
        }
    }
}

/// What a CPU asks of the others while it waits: the `flush_tlb_info` of a shootdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// The address space; none for a reclaim batch, which flushes whatever is loaded.
    pub mm: Option<Mm>,
    /// The pages; none for everything.
    pub span: Option<Span>,
    /// Why.
    pub cause: Cause,
    /// Page tables are freed after it, or may be: every CPU of the mask must be told, also one that is lazy or runs something
    /// else, since it could walk through them. `flush_tlb_mm()`, which the pending check and fork use, always says so.
    pub freed_tables: bool,
    /// Nothing new is owed: CPUs that are up to the generation of the address space have nothing to do.
    pub catch_up: bool,
}

impl Request {
    /// `flush_tlb_mm()`: everything of an address space.
    pub fn whole(mm: Mm, cause: Cause) -> Request {
        Request { mm: Some(mm), span: None, cause, freed_tables: true, catch_up: false }
    }

    /// A span of an address space, or everything of it above `ceiling_pages`.
    pub fn range(mm: Mm, span: Span, ceiling_pages: u64, cause: Cause) -> Request {
        let span = (span.pages <= ceiling_pages).then_some(span);
        Request { mm: Some(mm), span, cause, freed_tables: false, catch_up: false }
    }

    /// One page of an address space.
    pub fn page(mm: Mm, vpn: u64, cause: Cause) -> Request {
        Request { span: Some(Span::page(vpn)), freed_tables: false, ..Request::whole(mm, cause) }
    }

    /// A reclaim batch.
    pub fn batch(cause: Cause) -> Request {
        Request { mm: None, span: None, cause, freed_tables: false, catch_up: false }
    }
}

/// Which level of a core's TLBs answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlbLevel {
    /// First level.
    L1,
    /// Second level.
    Stlb,
}

/// The primitives. Every `&mut` method is one action that another core can observe, or touches only the actor's own state.
pub trait World {
    /// The system call, fault or reclaim the task is executing.
    fn op(&self, task: Task) -> Op;

    /// The address space of a task; none for a kernel thread.
    fn mm(&self, task: Task) -> Option<Mm>;
    /// The address space whose page tables a CPU has loaded.
    fn loaded(&self, cpu: Cpu) -> Option<Mm>;
    /// Is a CPU in lazy TLB mode: `loaded` kept while a kernel thread or the idle task runs?
    fn lazy(&self, cpu: Cpu) -> bool;

    /// A lazy CPU gives up the address space it borrowed (`switch_mm(init_mm)`).
    fn leave_lazy(&mut self, cpu: Cpu);
    /// Could a translation that a CPU holds serve an access? Not if its address space is not running there and a flush has
    /// been missed: then it goes before user code runs again.
    fn usable(&self, cpu: Cpu, page: Page) -> bool;

    /// The page with this number, if its table exists and it was ever touched.
    fn page(&self, mm: Mm, vpn: u64) -> Option<Page>;
    /// The page with this number; its table is allocated if need be.
    fn populate(&mut self, mm: Mm, vpn: u64) -> Page;
    /// The address space of a page.
    fn mm_of(&self, page: Page) -> Mm;
    /// The virtual page number of a page.
    fn vpn(&self, page: Page) -> u64;
    /// The page-table page of a page.
    fn table_of(&self, page: Page) -> Table;
    /// The page-table page that covers this page number, if it exists.
    fn table_at(&self, mm: Mm, vpn: u64) -> Option<Table>;
    /// The range covered by the page-table page at this page number.
    fn table_span(&self, vpn: u64) -> Span;
    /// The first page number covered by the lowest page-table page that exists and reaches into a span.
    fn next_table(&self, mm: Mm, span: Span) -> Option<u64>;
    /// Unhooks the page-table page at this page number if no VMA reaches into its range any more (`free_pgtables()`); false if
    /// one does, or there is no table. A later fault allocates it anew.
    fn free_table(&mut self, mm: Mm, vpn: u64) -> bool;
    /// The lowest touched page in a span.
    fn next_page(&self, mm: Mm, span: Span) -> Option<Page>;

    /// The VMA at a page number.
    fn vma(&self, mm: Mm, vpn: u64) -> Vma;
    /// The first page number behind this one that is in another VMA, or in none if this one is in one. Neighbours that are alike are
    /// one VMA.
    fn vma_end(&self, mm: Mm, vpn: u64) -> u64;
    /// Splits and replaces VMAs so that `span` is exactly `vma`.
    fn set_vma(&mut self, mm: Mm, span: Span, vma: Vma);
    /// Gives an address space the VMAs of another one (`dup_mmap()`).
    fn copy_vmas(&mut self, from: Mm, to: Mm);
    /// Changes only the rights of what is mapped in `span`.
    fn protect_vma(&mut self, mm: Mm, span: Span, rights: Rights);

    /// Reads a PTE.
    fn pte(&self, page: Page) -> Pte;
    /// Exchanges a PTE atomically.
    fn pte_xchg(&mut self, page: Page, new: Pte) -> Pte;

    /// Takes a lock unless somebody else's hold excludes it.
    fn try_lock(&mut self, who: Actor, lock: Lock) -> bool;
    /// Releases a lock the actor holds.
    fn unlock(&mut self, who: Actor, lock: Lock);
    /// Makes the actor's hold of `mmap_lock` for writing one for reading.
    fn downgrade(&mut self, who: Actor, mm: Mm) {
        self.unlock(who, Lock::MmapWrite(mm));
        assert!(self.try_lock(who, Lock::MmapRead(mm)), "nobody comes between");
    }

    /// The policy's words of an address space.
    fn words(&mut self, mm: Mm) -> &mut Words;
    /// Is a CPU other than this one in `mm_cpumask`?
    fn mask_any_but(&self, mm: Mm, cpu: Cpu) -> bool;
    /// Drops a CPU from `mm_cpumask`.
    fn mask_clear(&mut self, mm: Mm, cpu: Cpu);

    /// The batch of a task.
    fn batch(&mut self, task: Task) -> &mut Batch;
    /// `U.cpumask |= mm_cpumask(mm)`.
    fn batch_add_mask(&mut self, task: Task, mm: Mm);
    /// Is this CPU in `U.cpumask`?
    fn batch_contains(&self, task: Task, cpu: Cpu) -> bool;
    /// Clears the batch and its mask (R7.10).
    fn batch_clear(&mut self, task: Task);
    /// `mm->tlb_flush_pending`: how many operations have changed PTEs, or are about to, and have not flushed yet.
    fn flush_pending(&mut self, mm: Mm) -> &mut u32;
    /// What user threads have signalled, a bit a flag.
    fn flags(&mut self) -> &mut u8;
    /// The gather of a task.
    fn gather(&mut self, task: Task) -> &mut Gather;

    /// Starts a shootdown from this CPU: targets are `mm_cpumask` or, for a batch, `U.cpumask`, less the CPU itself.
    /// Returns whether there are any.
    fn request_begin(&mut self, who: Actor, request: Request) -> bool;
    /// The shootdown a CPU has under way.
    fn request(&self, cpu: Cpu) -> Request;
    /// Ends it.
    fn request_end(&mut self, cpu: Cpu);
    /// The lowest target with a number of at least `from`.
    fn next_target(&self, cpu: Cpu, from: u16) -> Option<Cpu>;
    /// Queues the request of `from` at `to`; true if the queue was empty, so that an interrupt has to be sent.
    fn post(&mut self, from: Cpu, to: Cpu) -> bool;
    /// Is an interrupt waiting for this CPU?
    fn interrupt_pending(&self, cpu: Cpu) -> bool;
    /// Takes the whole queue into service; returns how many requests it held.
    fn drain(&mut self, cpu: Cpu) -> u16;
    /// The next request in service.
    fn in_service(&self, cpu: Cpu) -> Option<Cpu>;
    /// Releases the call-function entry of an initiator.
    fn ack(&mut self, cpu: Cpu, initiator: Cpu);
    /// Takes the request of an initiator, the one in service, off those that are to be served.
    fn served(&mut self, cpu: Cpu, initiator: Cpu);
    /// Does a CPU still wait for acknowledgements?
    fn acks_outstanding(&self, cpu: Cpu) -> bool;

    /// Issues a broadcast invalidation of a span, of every address space if none is named: pending at all other CPUs until it
    /// is delivered there.
    fn broadcast(&mut self, from: Cpu, mm: Option<Mm>, span: Span);
    /// Is a broadcast that this CPU has issued still pending somewhere?
    fn broadcast_pending(&self, from: Cpu) -> bool;
    /// Delivers what `from` has broadcast to `to`, whose translations go to `gone`; false if there is nothing.
    fn deliver(&mut self, from: Cpu, to: Cpu, gone: &mut dyn FnMut(Page, Entry)) -> bool;
    /// Leaves a flush of a span to the other CPUs of `mm_cpumask`, as a broadcast that is delivered when they come to it.
    fn record(&mut self, from: Cpu, mm: Mm, span: Span);
    /// Can a CPU keep one more record of such?
    fn may_record(&self, cpu: Cpu) -> bool;
    /// Is a broadcast or a recorded flush of some page of a span still pending at some CPU?
    fn recorded(&self, mm: Mm, span: Span) -> bool;
    /// A CPU holds back the frames that its task has put by to be freed, until what it has recorded is done everywhere.
    fn hold_back(&mut self, who: Actor);
    /// Does a CPU hold frames back although nothing that it has recorded is pending any more?
    fn may_let_go(&self, cpu: Cpu) -> bool;
    /// Takes one of these, the lowest first.
    fn next_held(&mut self, cpu: Cpu) -> Option<FrameNo>;
    /// Looks a translation up for an access, as the hardware does (replacement state moves).
    fn tlb_lookup(&mut self, cpu: Cpu, page: Page, kind: AccessKind) -> Option<(Entry, TlbLevel)>;
    /// The translation a CPU holds, without touching anything.
    fn tlb_peek(&self, cpu: Cpu, page: Page) -> Option<Entry>;
    /// Inserts a translation after a walk; whatever it evicts goes to `gone`.
    fn tlb_fill(&mut self, cpu: Cpu, page: Page, kind: AccessKind, entry: Entry, gone: &mut dyn FnMut(Page, Entry));
    /// Replaces a held translation in place.
    fn tlb_update(&mut self, cpu: Cpu, page: Page, entry: Entry);
    /// Drops one translation as a side effect of the hardware (a faulting access, an eviction): not a flush.
    fn tlb_forget(&mut self, cpu: Cpu, page: Page) -> Option<Entry>;
    /// Drops the translations of a span of an address space; each goes to `gone`.
    fn tlb_drop(&mut self, cpu: Cpu, what: (Mm, Span), gone: &mut dyn FnMut(Page, Entry));
    /// The lowest CPU numbered at least `from` that holds a translation of the page.
    fn next_holder(&self, page: Page, from: u16) -> Option<Cpu>;

    /// The lowest page numbered at least `from` of which some CPU may hold a translation to a frame.
    fn next_page_of(&self, frame: FrameNo, from: u32) -> Option<Page>;

    /// What user space was promised about a page.
    fn promise(&self, page: Page) -> Promise;
    /// Sets it.
    fn set_promise(&mut self, page: Page, promise: Promise);
    /// The last task whose operation came past the PTE of a page to give its content up, until that operation returns.
    fn emptier(&self, page: Page) -> Option<Task>;
    /// Sets it.
    fn set_emptier(&mut self, page: Page, task: Option<Task>);
    /// The frame a task has read from a PTE without a lock and not let go of yet.
    fn lockless(&self, task: Task) -> Option<Lockless>;
    /// Sets it.
    fn set_lockless(&mut self, task: Task, walked: Option<Lockless>);
    /// The lowest task numbered at least `from` that has read this frame so.
    fn next_lockless(&self, frame: FrameNo, from: u16) -> Option<Task>;
    /// The oracle's own bits of a page (see [`crate::oracle::ghost`]).
    fn ghost(&self, page: Page) -> u8;
    /// Sets them.
    fn set_ghost(&mut self, page: Page, bits: u8);

    /// Puts a folio on the reclaim list of a task, with the page that maps it or last did.
    fn isolate(&mut self, task: Task, page: Page, frame: FrameNo);
    /// Takes the first one off it.
    fn next_victim(&mut self, task: Task) -> Option<(Page, FrameNo)>;
    /// Puts a folio that is not freed aside, to go back at the end of the list.
    fn keep(&mut self, task: Task, frame: FrameNo);
    /// Takes one of these, the lowest frame first.
    fn next_kept(&mut self, task: Task) -> Option<FrameNo>;
    /// The folio at the tail of an LRU list. Folios get on a list at its head and off it by what [`World::set_folio`] makes of
    /// them ([`Folio::list`]).
    fn lru_tail(&self, list: Lru) -> Option<FrameNo>;
    /// How many folios are on an LRU list.
    fn lru_len(&self, list: Lru) -> u32;
    /// The page that maps a frame, or was the last to map it or to find it in a cache.
    fn rmap(&self, frame: FrameNo) -> Option<Page>;
    /// How much memory is free; none: allocation never reclaims.
    fn memory(&self) -> Option<Memory>;
    /// Wakes kswapd; false if it was awake.
    fn wake_kswapd(&mut self) -> bool;
    /// kswapd goes to sleep.
    fn kswapd_sleeps(&mut self);
    /// The zero page, if it is one frame for all; none: each mapping of it has its own.
    fn zero_frame(&self) -> Option<FrameNo>;
    /// The swap device; none: backing stores complete at once.
    fn io_queue(&self) -> Option<IoQueue>;
    /// Queues a read or a write of a frame; the queue must not be full.
    fn io_begin(&mut self, frame: FrameNo);
    /// The device completes its oldest request: a write is no longer under way, a reader's folio lock is released.
    fn io_complete(&mut self) -> FrameNo;
    /// Is there a free frame?
    fn memory_left(&self) -> bool;
    /// A free frame; none if memory is full.
    fn alloc_frame(&mut self) -> Option<FrameNo>;
    /// The folio of a frame.
    fn folio(&self, frame: FrameNo) -> Folio;
    /// Changes it.
    fn set_folio(&mut self, frame: FrameNo, folio: Folio);
    /// The frame in which a page that is not mapped can still be found: in the swap cache, or in the page cache.
    fn cached_frame(&self, page: Page) -> Option<FrameNo>;
    /// Deletes a frame from that cache, wherever its page has moved meanwhile.
    fn uncache(&mut self, frame: FrameNo);
    /// The lowest page numbered at least `from` whose PTE names this frame, or did when it was last in the rmap.
    fn next_mapping(&self, frame: FrameNo, from: u32) -> Option<Page>;
    /// The lowest page numbered at least `from` that finds this frame in that cache.
    fn next_cached(&self, frame: FrameNo, from: u32) -> Option<Page>;
    /// Adds to or deletes from that cache.
    fn set_cached_frame(&mut self, page: Page, frame: Option<FrameNo>);
    /// A PTE has been cleared but its page stays in the rmap of this frame until the flush; none: it leaves it.
    fn keep_rmap(&mut self, page: Page, frame: Option<FrameNo>);
    /// Does a PTE name this frame?
    fn mapped(&self, frame: FrameNo) -> bool {
        self.next_mapping(frame, 0).is_some()
    }
    /// Is a frame what the PTE of a page names?
    fn maps(&self, page: Page, frame: FrameNo) -> bool {
        self.pte(page).present().is_some_and(|pte| pte.frame == frame)
    }
    /// Has another page a claim to this frame, by its PTE or by its swap entry (after fork)?
    fn shared(&self, frame: FrameNo, page: Page) -> bool {
        let other = |found: Option<Page>| match found {
            Some(found) if found == page => Err(page.0 + 1),
            found => Ok(found.is_some()),
        };
        let mapped = other(self.next_mapping(frame, 0)).unwrap_or_else(|from| self.next_mapping(frame, from).is_some());
        mapped || other(self.next_cached(frame, 0)).unwrap_or_else(|from| self.next_cached(frame, from).is_some())
    }
    /// Puts a frame on the list that reclaim frees after the next flush; returns the new length.
    fn free_later(&mut self, task: Task, frame: FrameNo) -> u16;
    /// Is a frame on that list?
    fn frees_later(&self, task: Task, frame: FrameNo) -> bool;
    /// Takes one frame off that list.
    fn next_to_free(&mut self, task: Task) -> Option<FrameNo>;
    /// Gives a frame to the allocator.
    fn free_frame(&mut self, frame: FrameNo);
}
