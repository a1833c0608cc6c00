//! The kernel paths, one file each, and the one place that dispatches to them.

mod access;
mod alloc;
mod calls;
mod driver;
mod fault;
mod flush;
mod fork;
mod gup;
mod held;
mod irq;
mod ksm;
mod kswapd;
mod migrate;
mod mincore;
mod mprotect;
mod mremap;
mod pageout;
mod pending;
mod reclaim;
mod referenced;
mod references;
mod shrink;
mod truncate;
mod unmap;
mod user;
mod walk;
mod writeback;
mod zap;

pub(crate) use access::TRANSLATE;
pub use access::{entry_of, would_hit};
pub(crate) use flush::POSTING;
pub(crate) use irq::{SERVED, SERVING};
pub(crate) use zap::UNLINK_VMAS;

use crate::nouns::types::{Actor, Lock, Mm, Page, Present, Span, Task};
use crate::oracle;
use crate::policy::{Hook, HookStep};
use crate::step::era::Era;
use crate::step::frame::{Act, Cx, Flow, Frame, Label, Path, Probe, StepId, Wait};
use crate::world::{Batch, Cause, Request, World};

/// Runs one step of a frame.
pub(crate) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    cx.at = StepId { path: f.path, pc: f.pc };
    match f.path {
        Path::Access => access::step(cx, who, f),
        Path::Fault => fault::step(cx, who, f),
        Path::Mprotect => mprotect::step(cx, who, f),
        Path::Munmap | Path::Dontneed | Path::Free => zap::step(cx, who, f),
        Path::Mremap => mremap::step(cx, who, f),
        Path::Fork => fork::step(cx, who, f),
        Path::Writeback => writeback::step(cx, who, f),
        Path::Migrate => migrate::step(cx, who, f),
        Path::Truncate => truncate::step(cx, who, f),
        Path::Ksm => ksm::step(cx, who, f),
        Path::Mmap | Path::Other => calls::step(cx, who, f),
        Path::User => user::step(cx, who, f),
        Path::Mincore => mincore::step(cx, who, f),
        Path::Gup => gup::step(cx, who, f),
        Path::UnmapMapping => driver::step(cx, who, f),
        Path::Pageout => pageout::step(cx, who, f),
        Path::Reclaim => reclaim::step(cx, who, f),
        Path::Kswapd => kswapd::step(cx, who, f),
        Path::Shrink => shrink::step(cx, who, f),
        Path::Referenced => referenced::step(cx, who, f),
        Path::Unmap => unmap::step(cx, who, f),
        Path::Flush => flush::step(cx, who, f),
        Path::Irq => irq::step(cx, who, f),
        Path::Held => held::step(cx, who, f),
    }
}

/// Has a frame interrupts off in between two of its steps?
pub(crate) fn irqs_off(f: &Frame) -> bool {
    match f.path {
        Path::Gup => gup::irqs_off(f),
        Path::Flush => flush::irqs_off(f),
        path => path.interrupts(),
    }
}

/// The number and label of a step.
pub fn label(id: StepId) -> Label {
    labels(id.path)[usize::from(id.pc)]
}

/// The numbers and labels of the steps of a path, in the order of the text.
pub fn labels(path: Path) -> &'static [Label] {
    match path {
        Path::Access => access::LABELS,
        Path::Fault => fault::LABELS,
        Path::Mprotect => mprotect::LABELS,
        Path::Munmap | Path::Dontneed | Path::Free => zap::LABELS,
        Path::Mremap => mremap::LABELS,
        Path::Fork => fork::LABELS,
        Path::Writeback => writeback::LABELS,
        Path::Migrate => migrate::LABELS,
        Path::Truncate => truncate::LABELS,
        Path::Ksm => ksm::LABELS,
        Path::Mmap | Path::Other => calls::LABELS,
        Path::User => user::LABELS,
        Path::Mincore => mincore::LABELS,
        Path::Gup => gup::LABELS,
        Path::UnmapMapping => driver::LABELS,
        Path::Pageout => pageout::LABELS,
        Path::Reclaim => reclaim::LABELS,
        Path::Kswapd => kswapd::LABELS,
        Path::Shrink => shrink::LABELS,
        Path::Referenced => referenced::LABELS,
        Path::Unmap => unmap::LABELS,
        Path::Flush => flush::LABELS,
        Path::Irq => irq::LABELS,
        Path::Held => held::LABELS,
    }
}

/// A lock, the pending check and the walk that trusts what it reads, in order: where the caller begins, what comes after the
/// lock, and what after the check.
struct CheckOrder {
    begin: u8,
    locked: u8,
    checked: u8,
}

impl CheckOrder {
    fn of(era: &Era, [lock, check, walk]: [u8; 3]) -> CheckOrder {
        if era.protections.check_under_ptl {
            CheckOrder { begin: lock, locked: check, checked: walk }
        } else {
            CheckOrder { begin: check, locked: walk, checked: lock }
        }
    }
}

/// F, where this kernel has the call; then the frame goes on with step `next`.
fn check_pending<W: World, P: Probe>(
    cx: &mut Cx<'_, W, P>,
    who: Actor,
    f: &mut Frame,
    mm: Mm,
    (called, next): (bool, u8),
) -> Flow {
    if called {
        return hook(cx, who, f, mm, Hook::BeforeTrust, next);
    }
    f.pc = next;
    Flow::Next
}

/// The task's gather will flush the translations of this page, too.
fn tlb_remove_tlb_entry<W: World>(world: &mut W, who: Actor, page: Page) {
    let span = Span::page(world.vpn(page));
    let gather = world.gather(who.task);
    gather.span = gather.span.cover(span);
}

/// Takes the PTL of the page at hand and goes on with step `next`.
fn lock_ptl<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, next: u8) -> Flow {
    let table = cx.world.table_of(f.page);
    cx.lock(who, f, Lock::Ptl(table), next)
}

/// Releases it.
fn unlock_ptl<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, next: u8) -> Flow {
    let table = cx.world.table_of(f.page);
    cx.unlock(who, f, Lock::Ptl(table), next)
}

/// The task whose batch this one puts its flushes off in: its own. The mutant has one for all, that of the first task.
fn batch_owner<W: World, P: Probe>(cx: &Cx<'_, W, P>, who: Actor) -> Task {
    if cx.era.protections.batch_per_task { who.task } else { Task(0) }
}

/// The flushes that a task has put off.
fn batch<'a, W: World, P: Probe>(cx: &'a mut Cx<'_, W, P>, who: Actor) -> &'a mut Batch {
    let owner = batch_owner(cx, who);
    cx.world.batch(owner)
}

/// R4.5a, of reclaim and of migration: the flush for a PTE that was cleared is left to the end of the batch. R4.7a: a frame that was
/// dirty in its PTE may be written by stale entries, so no IO before the flush.
fn put_off<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, dirty: bool) {
    let mm = cx.world.mm_of(page);
    cx.world.batch_add_mask(batch_owner(cx, who), mm);
    let batch = batch(cx, who);
    batch.required = true;
    batch.writable |= dirty;
    cx.act(who, Act::Deferred { page, dirty });
}

/// `pte_accessible()`: can a TLB hold this PTE? One that is `PROT_NONE` only until whoever made it so has flushed.
fn accessible<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, mm: Mm, pte: Present) -> bool {
    !pte.protnone || (cx.era.protections.accessible_checks_pending && *cx.world.flush_pending(mm) > 0)
}

/// `ptep_clear_flush()` of an operation, once it has cleared the PTE `old` of the page at hand: a flush, if a TLB can hold it. Then
/// the frame goes on with step `next`.
fn flush_cleared<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, f: &mut Frame, old: Present, next: u8) -> Flow {
    f.pc = next;
    let mm = cx.world.mm_of(f.page);
    if !accessible(cx, mm, old) {
        return Flow::Next;
    }
    Flow::Call(Cx::<W, P>::flush(Request::page(mm, cx.world.vpn(f.page), Cause::Operation)))
}

/// Runs one step of a policy hook inside the calling frame. When the hook is done the frame goes on with step `next`.
fn hook<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, hook: Hook, next: u8) -> Flow {
    let check = (hook == Hook::BeforeTrust && f.hook == 0).then(|| cx.policy.pending(*cx.world.words(mm)));
    match cx.policy.hook(hook, f.hook, cx.world.words(mm), &mut f.local) {
        HookStep::Done => {
            (f.hook, f.local) = (0, 0);
            f.pc = next;
            Flow::Next
        }
        HookStep::Touched(touch, resume) => {
            f.hook = resume;
            cx.act(who, Act::Words { mm, touch, check });
            Flow::Next
        }
        HookStep::FlushMm(resume) => {
            f.hook = resume;
            Flow::Call(Cx::<W, P>::flush(Request::whole(mm, Cause::PendingCheck)))
        }
        HookStep::CatchUp(resume) => {
            f.hook = resume;
            let request = Request { catch_up: true, ..Request::whole(mm, Cause::PendingCheck) };
            Flow::Call(Cx::<W, P>::flush(request))
        }
        HookStep::Broadcast(resume) => {
            f.hook = resume;
            let vpn = cx.world.vpn(f.page);
            cx.world.broadcast(who.cpu, Some(mm), Span::page(vpn));
            if cx.world.loaded(who.cpu) == Some(mm) {
                oracle::drop_entries(cx, who.cpu, (mm, Span::page(vpn)));
            }
            cx.act(who, crate::step::frame::Act::Broadcast(Request::page(mm, vpn, Cause::Batch)));
            Flow::Next
        }
        HookStep::Sync(_) if cx.world.broadcast_pending(who.cpu) => Flow::Blocked(Wait::Broadcasts),
        HookStep::Sync(resume) => {
            f.hook = resume;
            cx.act(who, Act::Sync);
            Flow::Next
        }
        HookStep::FlushLocal(resume) => {
            f.hook = resume;
            oracle::drop_entries(cx, who.cpu, (mm, Span { first: 0, pages: u64::MAX }));
            cx.act(who, crate::step::frame::Act::FlushLocal(Request::whole(mm, Cause::PendingCheck)));
            Flow::Next
        }
    }
}
