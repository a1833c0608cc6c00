//! Acts: what a step did that others can tell.

use crate::nouns::op::OpKind;
use crate::nouns::types::{AccessKind, Cpu, FrameNo, Lock, Mm, Page, Present, Pte, Table};
use crate::policy::Touch;
use crate::world::{Request, TlbLevel};

/// What a step did that another core, the clock or a reader could want to know. Exactly what the two worlds must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A call begins.
    Enter(OpKind),
    /// A call returns to user space; its promise holds from now on.
    Return(OpKind),
    /// A lock is taken.
    Lock(Lock),
    /// A lock is released.
    Unlock(Lock),
    /// A hold of `mmap_lock` for writing becomes one for reading (`mmap_write_downgrade()`).
    Downgrade(Mm),
    /// VMAs are changed.
    Vma(Mm),
    /// A PTE is read under its lock, or by a walker.
    PteRead(Page),
    /// A PTE is exchanged.
    PteXchg {
        /// Which.
        page: Page,
        /// What was there.
        old: Pte,
        /// What is there now.
        new: Pte,
    },
    /// `mm_cpumask` is read.
    MaskRead(Mm),
    /// A CPU is dropped from `mm_cpumask`.
    MaskClear(Mm),
    /// A page-table page is unhooked and put by for the flush.
    FreeTable(Table),
    /// A page is marked clean, to be written.
    Clean(FrameNo),
    /// A page-cache page is looked up and held.
    Lookup(FrameNo),
    /// A frame is copied to another one, which takes its place.
    Copy {
        /// The old one.
        from: FrameNo,
        /// The new one.
        to: FrameNo,
    },
    /// Two frames are found to hold the same.
    Compare(FrameNo, FrameNo),
    /// Reclaim clears a PTE and puts the flush off; `dirty` is PTE.D.
    Deferred {
        /// Which page.
        page: Page,
        /// PTE.D.
        dirty: bool,
    },
    /// An operation counts itself in or out of `tlb_flush_pending`, or reads it.
    FlushPending(Mm, Touch),
    /// A policy touches its words.
    Words {
        /// Of which address space.
        mm: Mm,
        /// How.
        touch: Touch,
        /// The first access of a pending check: did it find a flush pending?
        check: Option<bool>,
    },
    /// A shootdown begins.
    FlushBegin {
        /// What is flushed, and why.
        request: Request,
        /// Are there other CPUs to tell?
        remote: bool,
    },
    /// A request is queued at a target; `sent` if that took an interrupt.
    Post {
        /// The target.
        to: Cpu,
        /// Its queue was empty.
        sent: bool,
    },
    /// A CPU of the mask is passed over: it is not running the address space.
    Skip(Cpu),
    /// A lazy target gives its borrowed address space up in place of flushing for this initiator.
    LeaveLazy(Cpu),
    /// A broadcast invalidation is issued; other CPUs do it when it reaches them.
    Broadcast(Request),
    /// The initiator flushes its own TLB.
    FlushLocal(Request),
    /// A CPU has waited for every broadcast of its own, outside a shootdown.
    Sync,
    /// The initiator has seen every acknowledgement.
    FlushEnd(Request),
    /// A target enters the interrupt and takes its queue.
    IrqEnter {
        /// How many requests the queue held.
        requests: u16,
    },
    /// A target flushes for an initiator.
    FlushRemote {
        /// Whose request.
        from: Cpu,
        /// The request.
        request: Request,
        /// The target had another address space loaded: nothing to flush.
        wrong_cpu: bool,
    },
    /// A target releases the initiator's entry.
    Ack(Cpu),
    /// A target leaves the interrupt.
    IrqExit,
    /// A user access is done, through this translation.
    Use {
        /// The page.
        page: Page,
        /// The access.
        kind: AccessKind,
        /// The frame it reached.
        frame: FrameNo,
        /// Where the translation came from; none if it was walked just now.
        level: Option<TlbLevel>,
    },
    /// The walker read the page tables and filled the TLB.
    Walk {
        /// The page.
        page: Page,
        /// It set A or D.
        updated: bool,
    },
    /// A store through a clean entry translated again and set D.
    Assist(Page),
    /// A lockless walker tries to get a reference to a frame; true if it has one now.
    Pin(FrameNo, bool),
    /// A device reads a frame that was pinned by way of this page.
    Device(Page, FrameNo),
    /// User code sets a flag, or finds it set.
    Flag(u8, Touch),
    /// An access faults.
    FaultEnter(Page),
    /// The fault handler returns; true if with SIGSEGV.
    FaultExit(Page, bool),
    /// The fault handler maps a frame; `read_in` if its content came from a device.
    FaultMap {
        /// The page.
        page: Page,
        /// The translation.
        pte: Present,
        /// Read from swap.
        read_in: bool,
        /// Along with the page that faulted.
        around: bool,
    },
    /// Reclaim puts a page on its private list.
    Isolate(Page),
    /// Reclaim has unmapped a folio and looks at it.
    Shrink(FrameNo),
    /// A folio is written to its backing store.
    Write(FrameNo),
    /// A folio leaves the cache and waits for the flush.
    Freeze(FrameNo),
    /// A reference to a frame is dropped that was not the last.
    Put(FrameNo),
    /// A frame goes back to the allocator.
    Free(FrameNo),
    /// A reclaim list is done.
    ListEnd,
    /// An allocation wakes kswapd.
    WakeKswapd {
        /// Free frames.
        free: u32,
    },
    /// kswapd has done enough.
    KswapdSleeps {
        /// Free frames.
        free: u32,
    },
    /// An allocating task reclaims itself.
    DirectReclaim {
        /// Free frames.
        free: u32,
    },
    /// Reclaim gives a folio a second chance.
    Keep(FrameNo),
    /// A read or a write of a frame is queued at the swap device.
    Submit {
        /// The frame.
        frame: FrameNo,
        /// A write, as opposed to a read.
        write: bool,
    },
}
