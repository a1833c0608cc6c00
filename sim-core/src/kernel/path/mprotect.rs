//! `mprotect`: `do_mprotect_pkey()` and `change_pte_range()`, steps M1..M10. Passes of NUMA balancing, of userfaultfd's write
//! protection and of soft-dirty tracking walk the same way, under `mmap_lock` for read, and leave the rights of user space alone.
//! Soft-dirty tracking makes no pending check and flushes the whole address space, whatever it has found (`clear_refs_write()`).

use crate::kernel::path::alloc::owned;
use crate::kernel::path::pending::{self, NESTED};
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
            f.pc = Step::LockMmap as u8;
            Flow::Next
        }
        Step::LockMmap => cx.lock(who, f, lock, Step::SplitVma as u8),
        Step::SplitVma => {
            *cx.world.gather(who.task) = Gather::default();
            if mprotect {
                cx.world.protect_vma(mm, op.span, op.rights);
                oracle::grant(cx, who, op.span, op.rights, false);
                cx.act(who, Act::Vma(mm));
            }
            (f.cursor, f.pc) = (op.span.first, Step::Count as u8);
            Flow::Next
        }
        Step::Count | Step::CountEarly | Step::Uncount if !counts(cx, op) => {
            f.pc = match Step::of(f) {
                Step::Count => Step::NextTable as u8,
                Step::CountEarly => Step::Nested as u8,
                _ => Step::Return as u8,
            };
            Flow::Next
        }
        Step::Count => pending::count(cx, who, f, mm, Step::NextTable as u8),
        Step::NextTable => {
            let late = cx.era.protections.pending_until_flushed;
            let done = if late { Step::Nested } else { Step::CountEarly };
            f.pc = next_table(cx.world, mm, f, op.span, order(cx).begin, done as u8);
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
            let in_table = cx.world.table_span(f.cursor).clip(op.span);
            let rest = Span { first: f.cursor, pages: in_table.end() - f.cursor };
            let Some(page) = cx.world.next_page(mm, rest) else {
                f.pc = Step::UnlockPtl as u8;
                return Flow::Next;
            };
            change(cx, who, page, op);
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
            let next = after_flush(cx);
            hook(cx, who, f, mm, Hook::NothingOwed, next)
        }
        Step::Uncount => pending::uncount(cx, who, f, mm, Step::Return as u8),
        Step::Return => {
            // One step: nothing of the call is left to do, and the order of the promises is then that of the lock.
            cx.unlock(who, f, lock, Step::Return as u8);
            match op.kind {
                OpKind::Mprotect => oracle::promise_vmas(cx, who, op.span),
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

fn after_flush<W: World, P: Probe>(cx: &Cx<'_, W, P>) -> u8 {
    if cx.era.protections.pending_until_flushed { Step::Uncount as u8 } else { Step::Return as u8 }
}

/// M8.
fn flush<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, op: Op) -> Flow {
    f.pc = after_flush(cx);
    if f.flags == NESTED {
        return Flow::Call(Cx::<W, P>::flush(Request::whole(mm, Cause::Nested)));
    }
    if soft_dirty(op) {
        return Flow::Call(Cx::<W, P>::flush(Request::whole(mm, Cause::Operation)));
    }
    let changed = cx.world.gather(who.task).span;
    if changed.pages == 0 {
        f.pc = Step::NothingOwed as u8;
        return Flow::Next;
    }
    let span = if cx.era.mprotect_gathers { changed } else { op.span };
    Flow::Call(Cx::<W, P>::flush(Request::range(mm, span, cx.era.ceiling_pages, Cause::Operation)))
}

/// Moves a walk on to the next page table that exists: `found`, or `done` past the end of the span.
pub(super) fn next_table<W: World>(world: &W, mm: Mm, f: &mut Frame, span: Span, found: u8, done: u8) -> u8 {
    let rest = Span { first: f.cursor, pages: span.end().saturating_sub(f.cursor) };
    match world.next_table(mm, rest) {
        Some(vpn) => {
            f.cursor = f.cursor.max(vpn);
            found
        }
        None => done,
    }
}

/// Moves a walk inside one table past page number `vpn`; at the end of the table it stays on its last page and goes on
/// with step `done`, so that the table can still be named.
pub(super) fn leave(vpn: u64, in_table: Span, f: &mut Frame, done: u8) {
    if vpn + 1 < in_table.end() {
        f.cursor = vpn + 1;
    } else {
        (f.cursor, f.pc) = (vpn, done);
    }
}

/// M6. The exchange to none and back is one step here: the PTE is rewritten under its PTL, and only a walker could look
/// in between, which would fault and wait for that PTL.
fn change<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, op: Op) {
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
    if needs_flush || !cx.era.mprotect_gathers {
        tlb_remove_tlb_entry(cx.world, who, page);
    }
}
