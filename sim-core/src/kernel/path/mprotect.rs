//! `mprotect`: `do_mprotect_pkey()` and `change_pte_range()`, steps M1..M10. Passes of NUMA balancing, of userfaultfd's write
//! protection and of soft-dirty tracking walk the same way, under `mmap_lock` for read, and leave the rights of user space alone.
//! Soft-dirty tracking makes no pending check and flushes the whole address space, whatever it has found (`clear_refs_write()`).
//!
//! mprotect goes from VMA to VMA until a hole; one that has the rights already is passed over. Each is flushed for by itself, but by
//! an mprotect that gathers: that flushes at the end.

use crate::kernel::path::alloc::owned;
use crate::kernel::path::pending::{self, NESTED};
use crate::kernel::path::walk::{leave, next_page, next_table, next_vma, part};
use crate::kernel::path::{CheckOrder, check_pending, hook, tlb_remove_tlb_entry};
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{Actor, Lock, Mm, Page, Present, Pte, Span};
use crate::oracle::{self, ghost};
use crate::policy::Hook;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::{Cause, Gather, Request, World};

steps! {
    Enter = "M0" "mprotect()",
    LockMmap = "M1" "mmap_write_lock()",
    SplitVma = "M2" "mprotect_fixup(): new vm_page_prot",
    Count = "M3" "inc_tlb_flush_pending()",
    NextTable = "M4" "change_pmd_range()",
    LockPtl = "M4" "pte_offset_map_lock()",
    Pending = "M5" "flush_tlb_batched_pending()",
    Change = "M6" "change_pte_range()",
    UnlockPtl = "M7" "pte_unmap_unlock()",
    CountEarly = "M9" "dec_tlb_flush_pending() too early",
    Nested = "M8" "mm_tlb_flush_nested()",
    Flush = "M8" "flush_tlb_range(), if a PTE was changed",
    NothingOwed = "M8" "no PTE was changed",
    Uncount = "M9" "dec_tlb_flush_pending()",
    Return = "M10" "mmap unlock, mprotect() returns",
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let mm = match op.kind {
        OpKind::SoftDirty(mm) => mm,
        _ => cx.world.mm(who.task).expect("mprotect has an address space"),
    };
    let mprotect = op.kind == OpKind::Mprotect;
    let alone = mprotect || (soft_dirty(op) && cx.era.soft_dirty_excludes_faults);
    let lock = if alone { Lock::MmapWrite(mm) } else { Lock::MmapRead(mm) };
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            *cx.world.gather(who.task) = Gather::default();
            (f.cursor, f.pc) = (op.span.first, Step::LockMmap as u8);
            Flow::Next
        }
        Step::LockMmap => {
            let next = if by_vma(cx, op) { Step::SplitVma } else { Step::Count };
            cx.lock(who, f, lock, next as u8)
        }
        Step::SplitVma => split_vma(cx, who, f, mm, op),
        Step::Count | Step::CountEarly | Step::Uncount if !counts(cx, op) => {
            f.pc = match Step::of(f) {
                Step::Count => Step::NextTable as u8,
                Step::CountEarly => Step::Nested as u8,
                _ => Step::Return as u8,
            };
            Flow::Next
        }
        Step::Count => {
            let next = if gathers(cx, op) { Step::SplitVma } else { Step::NextTable };
            pending::count(cx, who, f, mm, next as u8)
        }
        Step::NextTable => {
            let done = if gathers(cx, op) { Step::SplitVma as u8 } else { walked(cx) };
            f.pc = next_table(cx.world, mm, f, part(f, op.span), order(cx).begin, done);
            Flow::Next
        }
        Step::LockPtl => {
            let table = cx.world.table_at(mm, f.cursor).expect("the walk found a table");
            let next = order(cx).locked;
            cx.lock(who, f, Lock::Ptl(table), next)
        }
        Step::Pending => {
            // clear_refs_write() makes none.
            let call = (cx.era.protections.check_in_mprotect && !soft_dirty(op), order(cx).checked);
            check_pending(cx, who, f, mm, call)
        }
        Step::Change => {
            let (page, in_table) = next_page(cx.world, mm, f, op.span);
            let Some(page) = page else {
                f.pc = Step::UnlockPtl as u8;
                return Flow::Next;
            };
            change(cx, who, f, page, op);
            leave(cx.world.vpn(page), in_table, f, Step::UnlockPtl as u8);
            Flow::Next
        }
        Step::UnlockPtl => {
            let table = cx.world.table_at(mm, f.cursor).expect("tables stay while mmap_lock is held");
            f.cursor = cx.world.table_span(f.cursor).end();
            cx.unlock(who, f, Lock::Ptl(table), Step::NextTable as u8)
        }
        Step::CountEarly => pending::uncount(cx, who, f, mm, Step::Nested as u8),
        Step::Nested if cx.era.mprotect_gathers => pending::nested(cx, who, f, mm, Step::Flush as u8),
        Step::Nested => {
            f.pc = Step::Flush as u8;
            Flow::Next
        }
        Step::Flush => flush(cx, who, f, mm, op),
        Step::NothingOwed => {
            let next = after_flush(cx, op);
            hook(cx, who, f, mm, Hook::NothingOwed, next)
        }
        Step::Uncount => {
            let next = flushed(cx, op);
            pending::uncount(cx, who, f, mm, next)
        }
        Step::Return => {
            // One step: nothing of the call is left to do, and the order of the promises is then that of the lock.
            cx.unlock(who, f, lock, Step::Return as u8);
            match op.kind {
                // As far as it has come.
                OpKind::Mprotect => {
                    oracle::promise_vmas(cx, who, Span { pages: f.cursor - op.span.first, ..op.span });
                }
                OpKind::NumaScan => {}
                _ => oracle::write_protected(cx, who, mm, op.span),
            }
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

fn soft_dirty(op: Op) -> bool {
    matches!(op.kind, OpKind::SoftDirty(_))
}

/// Does it count itself in `tlb_flush_pending`?
fn counts<W: World, P: Probe>(cx: &Cx<'_, W, P>, op: Op) -> bool {
    !soft_dirty(op) || cx.era.protections.soft_dirty_counts
}

fn order<W: World, P: Probe>(cx: &Cx<'_, W, P>) -> CheckOrder {
    CheckOrder::of(cx.era, [Step::LockPtl as u8, Step::Pending as u8, Step::Change as u8])
}

/// Does it gather over all VMAs of its span?
fn gathers<W: World, P: Probe>(cx: &Cx<'_, W, P>, op: Op) -> bool {
    op.kind == OpKind::Mprotect && cx.era.mprotect_gathers
}

/// Does it count itself, and flush, for each VMA?
fn by_vma<W: World, P: Probe>(cx: &Cx<'_, W, P>, op: Op) -> bool {
    !gathers(cx, op) && !soft_dirty(op)
}

/// M2: the next VMA. NUMA balancing and userfaultfd leave it as it is.
fn split_vma<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, op: Op) -> Flow {
    let mprotect = op.kind == OpKind::Mprotect;
    let Some(vma) = next_vma(cx.world, mm, f, op.span, !mprotect) else {
        f.pc = if gathers(cx, op) { walked(cx) } else { Step::Return as u8 };
        return Flow::Next;
    };
    if mprotect && vma.rights == op.rights {
        return Flow::Next;
    }
    let here = Span { first: f.cursor, pages: part(f, op.span).end() - f.cursor };
    if mprotect {
        cx.world.protect_vma(mm, here, op.rights);
        oracle::grant(cx, who, here, op.rights, false);
        cx.act(who, Act::Vma(mm));
    }
    f.flags = 0;
    f.pc = if gathers(cx, op) { Step::NextTable as u8 } else { Step::Count as u8 };
    if by_vma(cx, op) {
        // Without an mmu_gather a flush is of the whole VMA, if of anything.
        let owed = if cx.era.mprotect_gathers { Span::default() } else { here };
        *cx.world.gather(who.task) = Gather { span: owed, ..Gather::default() };
    }
    Flow::Next
}

/// What comes after the last page table.
fn walked<W: World, P: Probe>(cx: &Cx<'_, W, P>) -> u8 {
    if cx.era.protections.pending_until_flushed { Step::Nested as u8 } else { Step::CountEarly as u8 }
}

fn after_flush<W: World, P: Probe>(cx: &Cx<'_, W, P>, op: Op) -> u8 {
    if cx.era.protections.pending_until_flushed { Step::Uncount as u8 } else { flushed(cx, op) }
}

/// What comes when the flush and the count are done: the next VMA, for which there may be another.
fn flushed<W: World, P: Probe>(cx: &Cx<'_, W, P>, op: Op) -> u8 {
    if by_vma(cx, op) { Step::SplitVma as u8 } else { Step::Return as u8 }
}

/// A flag of the frame, where the kernel only counts them: a PTE was changed.
const CHANGED: u8 = 2;

/// M8.
fn flush<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, op: Op) -> Flow {
    f.pc = after_flush(cx, op);
    if f.flags & NESTED != 0 {
        return Flow::Call(Cx::<W, P>::flush(Request::whole(mm, Cause::Nested)));
    }
    if soft_dirty(op) {
        return Flow::Call(Cx::<W, P>::flush(Request::whole(mm, Cause::Operation)));
    }
    let span = cx.world.gather(who.task).span;
    let owed = if cx.era.mprotect_gathers { span.pages > 0 } else { f.flags & CHANGED != 0 };
    if !owed {
        f.pc = Step::NothingOwed as u8;
        return Flow::Next;
    }
    Flow::Call(Cx::<W, P>::flush(Request::range(mm, span, cx.era.ceiling_pages, Cause::Operation)))
}

/// M6. The exchange to none and back is one step here: the PTE is rewritten under its PTL, and only a walker could look
/// in between, which would fault and wait for that PTL.
fn change<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, page: Page, op: Op) {
    ghost::inspected(cx.world, page);
    let faults = soft_dirty(op) || op.kind == OpKind::UffdWp;
    if faults && cx.world.pte(page) != Pte::None {
        oracle::outdate(cx, who, page);
    }
    let Pte::Present(old) = cx.world.pte(page) else {
        cx.act(who, Act::PteRead(page));
        return;
    };
    // can_change_pte_writable(): a promotion makes an exclusive anonymous page writable here; others fault on the next store.
    let promoted = || cx.era.mprotect_grants_write && owned(cx.world, old.frame, page);
    let numa = op.kind == OpKind::NumaScan;
    if numa && (old.protnone || cx.world.folio(old.frame).external()) {
        cx.act(who, Act::PteRead(page));
        return;
    }
    let (writable, protnone) = match op.kind {
        OpKind::NumaScan => (old.writable, true),
        _ if faults => (false, old.protnone),
        _ => (op.rights.write() && (old.writable || promoted()), !op.rights.read()),
    };
    let new = Present { writable, protnone, ..old };
    let weaker = (old.writable && !writable) || (new.protnone && !old.protnone);
    if weaker {
        ghost::weakened(cx.world, who.cpu, page);
    }
    cx.xchg(who, page, Pte::Present(new));
    // pte_needs_flush() on x86: a change of W in either direction, or a present entry that goes.
    let needs_flush = !old.protnone && (old.writable != writable || new.protnone);
    if !cx.era.mprotect_gathers {
        f.flags |= CHANGED;
    } else if needs_flush {
        tlb_remove_tlb_entry(cx.world, who, page);
    }
}
