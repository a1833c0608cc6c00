//! Reclaim of one list: `shrink_folio_list()` and `try_to_unmap_flush()`, steps R0..R9.
//!
//! The order that keeps memory safe is R7 before R8: the flush comes before IO (R5.2) and before a frame is freed.

use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, Page, Span};
use crate::step::frame::{Act, Cx, Flow, Frame, Path, Probe, steps};
use crate::world::{Cause, Folio, Request, World};

steps! {
    Isolate = "R0" "isolate_lru_folios()",
    Next = "R1" "folio_trylock()",
    Unmap = "R4" "try_to_unmap()",
    Unmapped = "R4" "try_to_unmap() done",
    FlushDirty = "R5.2" "try_to_unmap_flush_dirty()",
    Pageout = "R5.3" "pageout()",
    Freeze = "R6" "__remove_mapping()",
    FlushFull = "R7" "try_to_unmap_flush(): batch of freed folios is full",
    FreeFull = "R8" "free_unref_folios()",
    Flush = "R7" "try_to_unmap_flush()",
    Free = "R8" "free_unref_folios()",
    End = "R9" "shrink_folio_list() returns",
}

/// The list has been isolated already (`reclaim_pages()`).
pub(super) fn shrink_isolated() -> Frame {
    Frame { pc: Step::Next as u8, ..Frame::new(Path::Reclaim) }
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    match Step::of(f) {
        Step::Isolate => isolate(cx, who, f),
        Step::Next => next(cx, who, f),
        Step::Unmap => {
            f.pc = Step::Unmapped as u8;
            Flow::Call(Frame { frame: f.frame, ..Frame::about(Path::Unmap, f.page) })
        }
        Step::Unmapped => {
            cx.act(who, Act::Shrink(f.frame));
            let dirty = cx.world.folio(f.frame).dirty;
            f.pc = if dirty { Step::FlushDirty as u8 } else { Step::Freeze as u8 };
            Flow::Next
        }
        Step::FlushDirty => {
            f.pc = Step::Pageout as u8;
            if cx.world.batch(who.task).writable { flush(cx, Cause::BeforeIo) } else { Flow::Next }
        }
        Step::Pageout => {
            cx.act(who, Act::Write(f.frame));
            let folio = cx.world.folio(f.frame);
            let synchronous = cx.era.synchronous_swap;
            // Under writeback the folio is kept; a later pass finds it clean and frees it.
            let done = Folio { dirty: false, isolated: synchronous, locked: synchronous, ..folio };
            cx.world.set_folio(f.frame, done);
            f.pc = if synchronous { Step::Freeze as u8 } else { Step::Next as u8 };
            Flow::Next
        }
        Step::Freeze => {
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { cached: false, locked: false, ..folio });
            cx.world.set_cached_frame(f.page, None);
            let waiting = cx.world.free_later(who.task, f.frame);
            cx.act(who, Act::Freeze(f.frame));
            let full = cx.era.free_batch_slots != 0 && waiting >= cx.era.free_batch_slots;
            f.pc = if full { Step::FlushFull as u8 } else { Step::Next as u8 };
            Flow::Next
        }
        Step::FlushFull => {
            f.pc = Step::FreeFull as u8;
            if cx.world.batch(who.task).required { flush(cx, Cause::Batch) } else { Flow::Next }
        }
        Step::FreeFull => free(cx, who, f, Step::Next as u8),
        Step::Flush => {
            f.pc = Step::Free as u8;
            if cx.world.batch(who.task).required { flush(cx, Cause::Batch) } else { Flow::Next }
        }
        Step::Free => free(cx, who, f, Step::End as u8),
        Step::End => {
            cx.act(who, Act::ListEnd);
            Flow::Return(0)
        }
    }
}

/// R0.2, for the pages an operation names: each gets the isolate reference.
fn isolate<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    f.pc = Step::Next as u8;
    let op = cx.world.op(who.task);
    let OpKind::Reclaim(mm) = op.kind else {
        return Flow::Next;
    };
    let mut rest = op.span;
    while let Some(page) = cx.world.next_page(mm, rest) {
        let vpn = cx.world.vpn(page);
        rest = Span { first: vpn + 1, pages: op.span.end() - vpn - 1 };
        if let Some(pte) = cx.world.pte(page).present() {
            let folio = cx.world.folio(pte.frame);
            if folio.lru && !folio.isolated {
                cx.world.set_folio(pte.frame, Folio { isolated: true, ..folio });
                cx.world.isolate(who.task, page);
                cx.act(who, Act::Isolate(page));
            }
        }
    }
    Flow::Next
}

/// R1: the next folio of the list. An anonymous one is added to the swap cache, which makes it dirty (R3).
fn next<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let Some(page) = cx.world.next_victim(who.task) else {
        f.pc = Step::Flush as u8;
        return Flow::Next;
    };
    let Some(pte) = cx.world.pte(page).present() else {
        return skip(cx, page);
    };
    let folio = cx.world.folio(pte.frame);
    if folio.locked || !folio.isolated {
        return skip(cx, page);
    }
    (f.page, f.frame) = (page, pte.frame);
    let cached = folio.cached || folio.anon;
    cx.world.set_folio(pte.frame, Folio { locked: true, cached, dirty: folio.dirty || folio.anon, ..folio });
    cx.world.set_cached_frame(page, Some(pte.frame));
    cx.act(who, Act::PteRead(page));
    f.pc = Step::Unmap as u8;
    Flow::Next
}

/// The page was unmapped meanwhile: reclaim drops the last reference.
fn skip<W: World, P: Probe>(_cx: &mut Cx<'_, W, P>, _page: Page) -> Flow {
    Flow::Next
}

/// `try_to_unmap_flush()`: what the batch names, everything of it.
fn flush<W: World, P: Probe>(_cx: &mut Cx<'_, W, P>, cause: Cause) -> Flow {
    Flow::Call(Cx::<W, P>::flush(Request { mm: None, span: None, cause }))
}

/// R8, one frame a step.
fn free<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, next: u8) -> Flow {
    match cx.world.free_one(who.task) {
        Some(frame) => cx.act(who, Act::Free(frame)),
        None => f.pc = next,
    }
    Flow::Next
}
