//! Truncation of file pages: `unmap_mapping_range()` and `truncate_inode_pages_range()`, steps T1..T6.
//!
//! It comes by the rmap and not by the address space, so `mmap_lock` does not keep it away from mremap: what does is the flush of
//! the old place before the PTL of the new one goes (V5).

use crate::kernel::path::{CheckOrder, check_pending, lock_ptl, pending, unlock_ptl};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, FrameNo, Mm, Page, Pte, Span};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, steps};
use crate::world::{Cause, Folio, Request, World};

steps! {
    Enter = "T0" "ftruncate()",
    Find = "T1" "unmap_mapping_range(): next page",
    Mapping = "T2" "vma_interval_tree: next mapping",
    Count = "T2" "tlb_gather_mmu(): inc_tlb_flush_pending()",
    LockPtl = "T3" "zap_pte_range(): lock PTL",
    Pending = "T3" "flush_tlb_batched_pending()",
    Zap = "T3" "ptep_get_and_clear_full()",
    UnlockPtl = "T4" "unlock PTL",
    Flush = "T4" "tlb_finish_mmu(), if a PTE was cleared",
    Uncount = "T4" "tlb_finish_mmu(): dec_tlb_flush_pending()",
    LockFolio = "T5" "truncate_inode_folio(): folio_lock()",
    Delete = "T5" "filemap_remove_folio()",
    Free = "T6" "folio_put()",
    Return = "T6" "ftruncate() returns",
}

/// Flags of the frame: the PTE at hand was cleared; the folio is locked.
const CLEARED: u8 = 1;
const LOCKED: u8 = 2;

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let OpKind::Truncate(mm) = op.kind else { unreachable!("only truncation truncates") };
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            (f.cursor, f.pc) = (op.span.first, Step::Find as u8);
            Flow::Next
        }
        Step::Find => find(cx, who, f, mm, op.span),
        Step::Mapping => {
            let Some(page) = cx.world.next_mapping(f.frame, f.count) else {
                f.pc = if f.flags & LOCKED == 0 { Step::LockFolio as u8 } else { Step::Delete as u8 };
                return Flow::Next;
            };
            (f.page, f.count, f.pc) = (page, page.0 + 1, Step::Count as u8);
            Flow::Next
        }
        Step::Count => {
            let mm = cx.world.mm_of(f.page);
            let next = order(cx).begin;
            pending::count(cx, who, f, mm, next)
        }
        Step::LockPtl => {
            let next = order(cx).locked;
            lock_ptl(cx, who, f, next)
        }
        Step::Pending => {
            let mm = cx.world.mm_of(f.page);
            let call = (cx.era.protections.check_in_zap, order(cx).checked);
            check_pending(cx, who, f, mm, call)
        }
        Step::Zap => {
            zap(cx, who, f);
            Flow::Next
        }
        Step::UnlockPtl => unlock_ptl(cx, who, f, Step::Flush as u8),
        Step::Flush => {
            f.pc = Step::Uncount as u8;
            if f.flags & CLEARED == 0 {
                return Flow::Next;
            }
            f.flags &= !CLEARED;
            let (mm, vpn) = (cx.world.mm_of(f.page), cx.world.vpn(f.page));
            Flow::Call(Cx::<W, P>::flush(Request::page(mm, vpn, Cause::Operation)))
        }
        Step::Uncount => {
            let mm = cx.world.mm_of(f.page);
            pending::uncount(cx, who, f, mm, Step::Mapping as u8)
        }
        Step::LockFolio if cx.world.folio(f.frame).locked => Flow::Blocked(Wait::Folio(f.frame)),
        Step::LockFolio => {
            // Faults wait from here on; what they have mapped since T2 goes too.
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { locked: true, ..folio });
            cx.act(who, Act::Lookup(f.frame));
            (f.flags, f.count, f.pc) = (LOCKED, 0, Step::Mapping as u8);
            Flow::Next
        }
        Step::Delete => {
            let folio = cx.world.folio(f.frame);
            cx.world.uncache(f.frame);
            cx.world.set_folio(f.frame, Folio { cached: false, dirty: false, locked: false, ..folio });
            cx.world.free_later(who.task, f.frame);
            cx.act(who, Act::Keep(f.frame));
            (f.flags, f.pc) = (0, Step::Free as u8);
            Flow::Next
        }
        Step::Free => {
            if !cx.free_one(who) {
                f.pc = Step::Find as u8;
            }
            Flow::Next
        }
        Step::Return => {
            oracle::synced(cx, mm, op.span);
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

fn order<W: World, P: Probe>(cx: &Cx<'_, W, P>) -> CheckOrder {
    CheckOrder::of(cx.era, [Step::LockPtl as u8, Step::Pending as u8, Step::Zap as u8])
}

/// T1: the next page of the file in the span, mapped or not, with a reference.
fn find<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, span: Span) -> Flow {
    while let Some(page) = cx.world.next_page(mm, Span { first: f.cursor, pages: span.end() - f.cursor }) {
        f.cursor = cx.world.vpn(page) + 1;
        if let Some(frame) = file_page(cx.world, page) {
            let folio = cx.world.folio(frame);
            cx.world.set_folio(frame, Folio { gathered: folio.gathered + 1, ..folio });
            cx.act(who, Act::Lookup(frame));
            (f.frame, f.count, f.pc) = (frame, 0, Step::Mapping as u8);
            return Flow::Next;
        }
    }
    f.pc = Step::Return as u8;
    Flow::Next
}

fn file_page<W: World>(world: &W, page: Page) -> Option<FrameNo> {
    let frame = world.pte(page).present().map(|pte| pte.frame).or(world.cached_frame(page))?;
    let folio = world.folio(frame);
    (folio.lru && !folio.anon).then_some(frame)
}

/// T3, one PTE.
fn zap<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) {
    f.pc = Step::UnlockPtl as u8;
    ghost::inspected(cx.world, f.page);
    if cx.world.pte(f.page).present().is_none_or(|pte| pte.frame != f.frame) {
        cx.act(who, Act::PteRead(f.page));
        return;
    }
    ghost::weakened(cx.world, who.cpu, f.page);
    cx.xchg(who, f.page, Pte::None);
    cx.world.set_cached_frame(f.page, Some(f.frame));
    f.flags |= CLEARED;
}
