//! `fork`: `dup_mmap()` and `copy_page_range()`, steps K1..K4.
//!
//! Private pages are shared until somebody writes: both PTEs lose W. Reclaim may have cleared a PTE of the parent and not
//! flushed yet; the flush of the whole parent, owed or not, is what makes fork indifferent to that.

use crate::kernel::path::walk::{leave, next_table};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, Backing, Lock, Mm, Page, Present, Pte, Span, Table};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::{Cause, Folio, Request, World};

steps! {
    Enter = "K0" "fork()",
    LockMmap = "K1" "dup_mmap(): mmap_write_lock(parent)",
    LockChildsMmap = "K1" "dup_mmap(): mmap_write_lock(child)",
    CopyVmas = "K1" "vm_area_dup()",
    NextTable = "K2" "copy_page_range()",
    LockChild = "K2" "lock child's PTL",
    LockParent = "K2" "lock parent's PTL",
    Copy = "K2" "copy_pte_range()",
    UnlockParent = "K3" "unlock parent's PTL",
    UnlockChild = "K3" "unlock child's PTL",
    Flush = "K4" "flush_tlb_mm(parent)",
    UnlockChildsMmap = "K4" "mmap_write_unlock(child)",
    Return = "K4" "mmap unlock, fork() returns",
}

/// A flag of the frame: some PTE was write-protected.
const PROTECTED: u8 = 1;

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let OpKind::Fork(child) = op.kind else { unreachable!("only fork forks") };
    let mm = cx.world.mm(who.task).expect("fork copies an address space");
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            f.pc = Step::LockMmap as u8;
            Flow::Next
        }
        Step::LockMmap => cx.lock(who, f, Lock::MmapWrite(mm), Step::LockChildsMmap as u8),
        Step::LockChildsMmap => cx.lock(who, f, Lock::MmapWrite(child), Step::CopyVmas as u8),
        Step::CopyVmas => {
            cx.world.copy_vmas(mm, child);
            cx.act(who, Act::Vma(child));
            (f.cursor, f.pc) = (op.span.first, Step::NextTable as u8);
            Flow::Next
        }
        Step::NextTable => {
            f.pc = next_table(cx.world, mm, f, op.span, Step::LockChild as u8, Step::Flush as u8);
            Flow::Next
        }
        Step::LockChild => {
            let table = childs_table(cx.world, mm, child, f.cursor);
            cx.lock(who, f, Lock::Ptl(table), Step::LockParent as u8)
        }
        Step::LockParent => {
            let table = parents_table(cx.world, mm, f);
            cx.lock(who, f, Lock::Ptl(table), Step::Copy as u8)
        }
        Step::Copy => {
            let in_table = cx.world.table_span(f.cursor);
            let rest = Span { first: f.cursor, pages: in_table.end() - f.cursor };
            let Some(page) = cx.world.next_page(mm, rest) else {
                f.pc = Step::UnlockParent as u8;
                return Flow::Next;
            };
            if copy(cx, who, page, child) {
                f.flags |= PROTECTED;
            }
            leave(cx.world.vpn(page), in_table, f, Step::UnlockParent as u8);
            Flow::Next
        }
        Step::UnlockParent => {
            let table = parents_table(cx.world, mm, f);
            cx.unlock(who, f, Lock::Ptl(table), Step::UnlockChild as u8)
        }
        Step::UnlockChild => {
            let table = childs_table(cx.world, mm, child, f.cursor);
            f.cursor = cx.world.table_span(f.cursor).end();
            cx.unlock(who, f, Lock::Ptl(table), Step::NextTable as u8)
        }
        Step::Flush => {
            f.pc = Step::UnlockChildsMmap as u8;
            if f.flags & PROTECTED == 0 && !cx.era.protections.fork_flushes_always {
                return Flow::Next;
            }
            Flow::Call(Cx::<W, P>::flush(Request::whole(mm, Cause::Operation)))
        }
        Step::UnlockChildsMmap => cx.unlock(who, f, Lock::MmapWrite(child), Step::Return as u8),
        Step::Return => {
            cx.unlock(who, f, Lock::MmapWrite(mm), Step::Return as u8);
            oracle::forked(cx, who, op.span);
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

fn parents_table<W: World>(world: &W, mm: Mm, f: &Frame) -> Table {
    world.table_at(mm, f.cursor).expect("tables stay while mmap_lock is held")
}

/// The child's table for the same addresses, allocated if need be.
fn childs_table<W: World>(world: &mut W, mm: Mm, child: Mm, cursor: u64) -> Table {
    if let Some(table) = world.table_at(child, cursor) {
        return table;
    }
    let page = world.next_page(mm, world.table_span(cursor)).expect("a table covers a touched page");
    let vpn = world.vpn(page);
    let copy = world.populate(child, vpn);
    world.table_of(copy)
}

/// K2, one PTE. Both PTLs are held, so the two writes are one step: nobody runs in the child yet, and the parent's is one
/// atomic `ptep_set_wrprotect()`. True if the parent lost W.
fn copy<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, child: Mm) -> bool {
    ghost::inspected(cx.world, page);
    let (mm, vpn) = (cx.world.mm_of(page), cx.world.vpn(page));
    // Pages of a file are found through the page cache by the child's own faults.
    let private = cx.world.vma(mm, vpn).backing != Backing::SharedFile;
    match cx.world.pte(page) {
        Pte::Swap => {
            let (copied, cached) = (cx.world.populate(child, vpn), cx.world.cached_frame(page));
            cx.world.set_cached_frame(copied, cached);
            cx.xchg(who, copied, Pte::Swap);
            false
        }
        Pte::Present(old) if private && cx.world.folio(old.frame).anon => {
            let copied = cx.world.populate(child, vpn);
            if old.writable {
                ghost::weakened(cx.world, who.cpu, page);
                cx.xchg(who, page, Pte::Present(Present { writable: false, ..old }));
            }
            // A folio that reclaim may drop unless it is stored to needs two owners' word for that.
            let folio = cx.world.folio(old.frame);
            cx.world.set_folio(old.frame, Folio { lazyfree: false, dirty: true, ..folio });
            cx.xchg(who, copied, Pte::Present(Present { writable: false, accessed: false, ..old }));
            old.writable
        }
        Pte::None | Pte::Present(_) => {
            cx.act(who, Act::PteRead(page));
            false
        }
    }
}
