//! A driver takes memory back that user space has mapped (`VM_PFNMAP`): `unmap_mapping_range()`, steps D0..D8.
//!
//! Nothing counts who maps such memory, so the driver goes by the VMAs of its file: where it finds one it zaps the PTEs and flushes,
//! and where it finds none it takes it that nobody can reach the memory any more.

use crate::kernel::path::check_pending;
use crate::kernel::path::pending::{self, NESTED};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, FrameNo, Lock, Mm, Pte, Span};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::{Cause, Folio, Request, World};

steps! {
    Enter = "D0" "unmap_mapping_range()",
    Find = "D1" "next page of the driver",
    Mapping = "D1" "vma_interval_tree_foreach(): next VMA",
    Count = "D2" "inc_tlb_flush_pending()",
    LockPtl = "D3" "zap_pte_range(): lock PTL",
    Pending = "D3" "flush_tlb_batched_pending()",
    Zap = "D4" "ptep_get_and_clear_full()",
    UnlockPtl = "D5" "unlock PTL",
    Nested = "D6" "mm_tlb_flush_nested()",
    Flush = "D6" "tlb_finish_mmu(), if a PTE was cleared",
    Uncount = "D6" "dec_tlb_flush_pending()",
    Reuse = "D7" "the driver gives the memory away",
    Return = "D8" "the driver is done",
}

/// A flag of the frame: the PTE at hand was cleared.
const CLEARED: u8 = 2;

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let OpKind::UnmapMapping(mm) = op.kind else { unreachable!("only a driver unmaps its memory") };
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            (f.cursor, f.pc) = (op.span.first, Step::Find as u8);
            Flow::Next
        }
        Step::Find => {
            find(cx, f, mm, op.span);
            Flow::Next
        }
        Step::Mapping => {
            cx.act(who, Act::Lookup(f.frame));
            f.pc = Step::Reuse as u8;
            if let Some(page) = cx.world.next_mapping(f.frame, f.count) {
                (f.page, f.count, f.flags, f.pc) = (page, page.0 + 1, 0, Step::Count as u8);
            }
            Flow::Next
        }
        Step::Reuse => {
            ghost::given_up(cx.world, f.page);
            cx.world.uncache(f.frame);
            // munmap may still be on its way to unlink the VMA.
            let mut from = 0;
            while let Some(page) = cx.world.next_mapping(f.frame, from) {
                cx.world.keep_rmap(page, None);
                from = page.0 + 1;
            }
            cx.world.free_frame(f.frame);
            oracle::freed(cx, f.frame);
            cx.act(who, Act::Free(f.frame));
            f.pc = Step::Find as u8;
            Flow::Next
        }
        Step::Return => {
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
        of_mapping => mapping_step(cx, who, f, of_mapping),
    }
}

/// D1: the next page of the span that the driver has given out, whether it is still mapped or not.
fn find<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, f: &mut Frame, mm: Mm, span: Span) {
    f.pc = Step::Return as u8;
    while let Some(page) = cx.world.next_page(mm, Span { first: f.cursor, pages: span.end() - f.cursor }) {
        f.cursor = cx.world.vpn(page) + 1;
        let mine = |frame: &FrameNo| cx.world.folio(*frame).external() && !cx.world.folio(*frame).isolated;
        if let Some(frame) = cx.world.cached_frame(page).filter(mine) {
            // Once: the driver's own lock keeps a second call from giving the same memory away.
            let folio = cx.world.folio(frame);
            cx.world.set_folio(frame, Folio { isolated: true, ..folio });
            (f.page, f.frame, f.count, f.pc) = (page, frame, 0, Step::Mapping as u8);
            return;
        }
    }
}

/// The steps about one VMA, D2 to D6.
fn mapping_step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, step: Step) -> Flow {
    let (mm, table) = (cx.world.mm_of(f.page), cx.world.table_of(f.page));
    match step {
        Step::Count => pending::count(cx, who, f, mm, Step::LockPtl as u8),
        Step::LockPtl => cx.lock(who, f, Lock::Ptl(table), Step::Pending as u8),
        Step::Pending => check_pending(cx, who, f, mm, (cx.era.protections.check_in_zap, Step::Zap as u8)),
        Step::Zap => {
            ghost::inspected(cx.world, f.page);
            if cx.world.maps(f.page, f.frame) {
                ghost::weakened(cx.world, who.cpu, f.page);
                cx.xchg(who, f.page, Pte::None);
                f.flags = CLEARED;
            } else {
                cx.act(who, Act::PteRead(f.page));
            }
            f.pc = Step::UnlockPtl as u8;
            Flow::Next
        }
        Step::UnlockPtl => cx.unlock(who, f, Lock::Ptl(table), Step::Nested as u8),
        Step::Nested => pending::nested(cx, who, f, mm, Step::Flush as u8),
        Step::Flush => {
            f.pc = Step::Uncount as u8;
            match f.flags {
                NESTED => Flow::Call(Cx::<W, P>::flush(Request::whole(mm, Cause::Nested))),
                CLEARED => {
                    let vpn = cx.world.vpn(f.page);
                    Flow::Call(Cx::<W, P>::flush(Request::page(mm, vpn, Cause::Operation)))
                }
                _ => Flow::Next,
            }
        }
        Step::Uncount => pending::uncount(cx, who, f, mm, Step::Mapping as u8),
        other => unreachable!("{other:?} is about no VMA"),
    }
}
