//! Writeback of dirty file pages, by `msync` or by the flusher: `clear_page_dirty_for_io()` and `page_mkclean()`, steps W1..W6.
//!
//! A page that is marked clean must not be stored to through a translation that has W and D: no PTE would tell. `page_mkclean()`
//! sees to that for the PTEs that the rmap finds. Where reclaim has cleared a PTE and not flushed yet, it finds none.

use crate::kernel::path::{flush_cleared, hook, lock_ptl, unlock_ptl};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, FrameNo, Mm, Page, Present, Pte, Span};
use crate::oracle::{self, ghost};
use crate::policy::Hook;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, steps};
use crate::world::{Folio, World};

steps! {
    Enter = "W0" "write_cache_pages()",
    LockFolio = "W1" "folio_lock()",
    Mapping = "W2" "page_mkclean(): next mapping",
    LockPtl = "W3" "page_mkclean_one(): lock PTL",
    ClearFlush = "W3" "ptep_clear_flush()",
    SetClean = "W4" "set_pte_at(wrprotect, mkclean)",
    UnlockPtl = "W4" "unlock PTL",
    Pending = "W5" "flush_tlb_batched_pending(), if mkclean asks",
    Clean = "W5" "folio_clear_dirty_for_io()",
    Submit = "W6" "submit_bio(), folio_unlock()",
    Return = "W7" "writeback done",
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let OpKind::Writeback(mm) = op.kind else { unreachable!("only writeback writes back") };
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            (f.cursor, f.pc) = (op.span.first, Step::LockFolio as u8);
            Flow::Next
        }
        Step::LockFolio => lock_folio(cx, who, f, mm, op.span),
        Step::Mapping => {
            let Some(page) = cx.world.next_mapping(f.frame, f.count) else {
                f.pc = if cx.era.mkclean_checks_pending { Step::Pending as u8 } else { Step::Clean as u8 };
                return Flow::Next;
            };
            (f.page, f.count) = (page, page.0 + 1);
            f.pc = Step::LockPtl as u8;
            Flow::Next
        }
        Step::LockPtl => lock_ptl(cx, who, f, Step::ClearFlush as u8),
        Step::ClearFlush => clear_flush(cx, who, f),
        Step::SetClean => {
            let pte = Present { frame: f.frame, writable: false, dirty: false, accessed: true, protnone: f.flags != 0 };
            cx.xchg(who, f.page, Pte::Present(pte));
            cx.world.keep_rmap(f.page, None);
            f.pc = Step::UnlockPtl as u8;
            Flow::Next
        }
        Step::UnlockPtl => unlock_ptl(cx, who, f, Step::Mapping as u8),
        Step::Pending => hook(cx, who, f, mm, Hook::BeforeTrust, Step::Clean as u8),
        Step::Clean => {
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { dirty: false, ..folio });
            oracle::cleaned(cx, f.frame);
            cx.act(who, Act::Clean(f.frame));
            f.pc = Step::Submit as u8;
            Flow::Next
        }
        Step::Submit => {
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, folio.unlocked());
            cx.act(who, Act::Write(f.frame));
            if folio.dropped {
                cx.put(who, f.frame);
            }
            f.pc = Step::LockFolio as u8;
            Flow::Next
        }
        Step::Return => {
            oracle::synced(cx, mm, op.span);
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

/// W1: the next dirty page-cache page of the span, whether it is mapped or not. Its lock keeps reclaim and faults away.
fn lock_folio<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, span: Span) -> Flow {
    while let Some(page) = cx.world.next_page(mm, Span { first: f.cursor, pages: span.end() - f.cursor }) {
        if let Some((frame, folio)) = dirty_cache_page(cx.world, page) {
            if folio.locked {
                return Flow::Blocked(Wait::Folio(frame));
            }
            ghost::inspected(cx.world, page);
            cx.world.set_folio(frame, Folio { locked: true, ..folio });
            cx.act(who, Act::PteRead(page));
            (f.frame, f.count) = (frame, 0);
            (f.cursor, f.pc) = (cx.world.vpn(page) + 1, Step::Mapping as u8);
            return Flow::Next;
        }
        f.cursor = cx.world.vpn(page) + 1;
    }
    f.pc = Step::Return as u8;
    Flow::Next
}

fn dirty_cache_page<W: World>(world: &W, page: Page) -> Option<(FrameNo, Folio)> {
    let frame = world.pte(page).present().map(|pte| pte.frame).or(world.cached_frame(page))?;
    let folio = world.folio(frame);
    (folio.lru && !folio.anon && folio.dirty).then_some((frame, folio))
}

/// W3: under the PTL the translation goes everywhere before the clean PTE is set.
fn clear_flush<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let old = cx.world.pte(f.page).present().filter(|pte| pte.frame == f.frame && (pte.dirty || pte.writable));
    let Some(old) = old else {
        cx.act(who, Act::PteRead(f.page));
        f.pc = Step::UnlockPtl as u8;
        return Flow::Next;
    };
    ghost::weakened(cx.world, who.cpu, f.page);
    ghost::inspected(cx.world, f.page);
    // For the moment there is no PTE, but the mapping stays.
    cx.xchg(who, f.page, Pte::None);
    cx.world.keep_rmap(f.page, Some(f.frame));
    f.flags = u8::from(old.protnone);
    flush_cleared(cx, f, old, Step::SetClean as u8)
}
