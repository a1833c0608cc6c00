//! `mremap` to another address: `move_page_tables()` and `move_ptes()`, steps V1..V6.

use crate::kernel::path::calls::addresses_held;
use crate::kernel::path::walk::next_table;
use crate::kernel::path::{CheckOrder, check_pending, hook, tlb_remove_tlb_entry};
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{Actor, Lock, Mm, Page, Pte, Rights, Span, Table};
use crate::oracle::{self, ghost};
use crate::policy::Hook;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, steps};
use crate::world::{Cause, Gather, Request, Vma, World};

steps! {
    Enter = "V0" "mremap()",
    LockMmap = "V1" "mmap_write_lock()",
    NewVma = "V1" "copy_vma()",
    NextTable = "V2" "move_page_tables()",
    LockOld = "V2" "lock old PTL",
    LockNew = "V2" "lock new PTL",
    Pending = "V3" "flush_tlb_batched_pending()",
    Move = "V4" "move_ptes()",
    Flush = "V5" "flush_tlb_range(old), before the PTLs go",
    UnlockNew = "V6" "unlock new PTL",
    UnlockOld = "V6" "unlock old PTL",
    NothingOwed = "V5" "no present PTE moved",
    LateFlush = "V5" "flush_tlb_range(old), after the PTLs (v4.13)",
    Return = "V6" "mmap unlock, mremap() returns",
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let mm = cx.world.mm(who.task).expect("mremap has an address space");
    let new_span = Span { first: op.to, pages: op.span.pages };
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(OpKind::Mremap));
            f.pc = Step::LockMmap as u8;
            Flow::Next
        }
        Step::LockMmap => cx.lock(who, f, Lock::MmapWrite(mm), Step::NewVma as u8),
        Step::NewVma if addresses_held(cx, mm, new_span) => Flow::Blocked(Wait::Sweeps),
        Step::NewVma => {
            let vma = cx.world.vma(mm, op.span.first);
            if !may_move(cx.world, mm, op.span, new_span) {
                (f.flags, f.pc) = (FAILED, Step::Return as u8);
                return Flow::Next;
            }
            cx.world.set_vma(mm, new_span, vma);
            oracle::grant(cx, who, new_span, vma.rights, true);
            *cx.world.gather(who.task) = Gather::default();
            cx.act(who, Act::Vma(mm));
            (f.cursor, f.pc) = (op.span.first, Step::NextTable as u8);
            Flow::Next
        }
        Step::NextTable => {
            f.pc = next_table(cx.world, mm, f, op.span, order(cx).begin, Step::LateFlush as u8);
            Flow::Next
        }
        Step::LockOld | Step::LockNew | Step::UnlockNew | Step::UnlockOld => ptls(cx, who, f, (mm, op)),
        Step::Pending => {
            let call = (cx.era.protections.check_in_mremap, order(cx).checked);
            check_pending(cx, who, f, mm, call)
        }
        Step::Move => {
            let extent = extent(cx.world, f.cursor, op.span, op.to);
            // `count` is how far into the extent the walk has come; the cursor keeps naming its tables.
            let rest = Span { first: f.cursor + u64::from(f.count), pages: extent.pages - u64::from(f.count) };
            let Some(page) = cx.world.next_page(mm, rest) else {
                f.pc = Step::Flush as u8;
                return Flow::Next;
            };
            let vpn = cx.world.vpn(page);
            f.count = (vpn + 1 - f.cursor) as u32;
            move_pte(cx, who, page, vpn - op.span.first + op.to);
            Flow::Next
        }
        Step::Flush => {
            f.pc = Step::UnlockNew as u8;
            let moved = std::mem::take(&mut cx.world.gather(who.task).span);
            if moved.pages == 0 {
                let under_ptl = cx.era.mremap_flushes_under_ptl;
                f.flags |= if under_ptl { 0 } else { LATE };
                f.pc = if under_ptl { Step::NothingOwed as u8 } else { Step::UnlockNew as u8 };
                return Flow::Next;
            }
            // The old PTL matters against mkclean; the new one keeps the frame alive until the old translation is gone.
            let extent = extent(cx.world, f.cursor, op.span, op.to);
            Flow::Call(Cx::<W, P>::flush(Request::range(mm, extent, cx.era.ceiling_pages, Cause::Operation)))
        }
        Step::NothingOwed => hook(cx, who, f, mm, Hook::NothingOwed, Step::UnlockNew as u8),
        Step::LateFlush => {
            f.pc = Step::Return as u8;
            if f.flags & LATE == 0 {
                return Flow::Next;
            }
            Flow::Call(Cx::<W, P>::flush(Request::range(mm, op.span, cx.era.ceiling_pages, Cause::Operation)))
        }
        Step::Return if f.flags & FAILED != 0 => {
            cx.unlock(who, f, Lock::MmapWrite(mm), Step::Return as u8);
            cx.act(who, Act::Return(OpKind::Mremap));
            Flow::Return(0)
        }
        Step::Return => {
            cx.world.set_vma(mm, op.span, Vma::default());
            cx.unlock(who, f, Lock::MmapWrite(mm), Step::Return as u8);
            let rights = cx.world.vma(mm, new_span.first).rights;
            oracle::promise(cx, who, new_span, rights, true);
            oracle::promise(cx, who, op.span, Rights::NONE, false);
            cx.act(who, Act::Return(OpKind::Mremap));
            Flow::Return(0)
        }
    }
}

/// Both PTLs are the lock.
fn order<W: World, P: Probe>(cx: &Cx<'_, W, P>) -> CheckOrder {
    CheckOrder::of(cx.era, [Step::LockOld as u8, Step::Pending as u8, Step::Move as u8])
}

/// V2 and V6: both PTLs, or the one that is both.
fn ptls<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, (mm, op): (Mm, Op)) -> Flow {
    let (old, new) = tables(cx.world, mm, f, op);
    match Step::of(f) {
        Step::LockOld => cx.lock(who, f, Lock::Ptl(old), Step::LockNew as u8),
        Step::LockNew => {
            let next = order(cx).locked;
            if old == new {
                f.pc = next;
                return Flow::Next;
            }
            cx.lock(who, f, Lock::Ptl(new), next)
        }
        Step::UnlockNew if old == new => {
            f.pc = Step::UnlockOld as u8;
            Flow::Next
        }
        Step::UnlockNew => cx.unlock(who, f, Lock::Ptl(new), Step::UnlockOld as u8),
        _ => {
            f.cursor = extent(cx.world, f.cursor, op.span, op.to).end();
            f.count = 0;
            cx.unlock(who, f, Lock::Ptl(old), Step::NextTable as u8)
        }
    }
}

/// The move is refused.
const FAILED: u8 = 1;
/// The flush is made at the end.
const LATE: u8 = 2;

/// The old place has to be one VMA, and the new one a hole: `MREMAP_FIXED` unmaps it first, as munmap does.
fn may_move<W: World>(world: &W, mm: Mm, old: Span, new: Span) -> bool {
    let vma = world.vma(mm, old.first);
    vma.mapped && throughout(world, mm, old, |at| at == vma) && throughout(world, mm, new, |at| !at.mapped)
}

/// Does it hold of the VMA at every page number of a span?
fn throughout<W: World>(world: &W, mm: Mm, span: Span, holds: impl Fn(Vma) -> bool) -> bool {
    let mut vpn = span.first;
    while vpn < span.end() {
        if !holds(world.vma(mm, vpn)) {
            return false;
        }
        vpn = world.vma_end(mm, vpn);
    }
    true
}

/// How far one pair of page tables reaches from page number `from`.
fn extent<W: World>(world: &W, from: u64, span: Span, to: u64) -> Span {
    let target = from - span.first + to;
    let old_left = world.table_span(from).end() - from;
    let new_left = world.table_span(target).end() - target;
    Span { first: from, pages: old_left.min(new_left).min(span.end() - from) }
}

/// The page tables of the old and of the new place; the new one is allocated if need be.
fn tables<W: World>(world: &mut W, mm: Mm, f: &Frame, op: Op) -> (Table, Table) {
    let old = world.table_at(mm, f.cursor).expect("the walk found a table");
    let target = f.cursor - op.span.first + op.to;
    let new = world.table_at(mm, target).unwrap_or_else(|| {
        let page = world.populate(mm, target);
        world.table_of(page)
    });
    (old, new)
}

/// V4. Both PTLs are held, so the two exchanges are one step: a walker in between would fault and wait.
fn move_pte<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, to: u64) {
    ghost::inspected(cx.world, page);
    let mm = cx.world.mm_of(page);
    match cx.world.pte(page) {
        Pte::None => cx.act(who, Act::PteRead(page)),
        pte => {
            let target = cx.world.populate(mm, to);
            if let Some(old) = pte.present() {
                ghost::weakened(cx.world, who.cpu, page);
                if cx.era.mremap_flushes_under_ptl || old.dirty {
                    tlb_remove_tlb_entry(cx.world, who, page);
                }
            }
            let cached = cx.world.cached_frame(page);
            cx.world.set_cached_frame(target, cached);
            cx.world.set_cached_frame(page, None);
            cx.xchg(who, page, Pte::None);
            cx.xchg(who, target, pte);
        }
    }
}
