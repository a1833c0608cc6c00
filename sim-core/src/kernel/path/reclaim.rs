//! Reclaim of one list: `shrink_folio_list()` and `try_to_unmap_flush()`, steps R0..R9.
//!
//! The order that keeps memory safe is R7 before R8: the flush comes before IO (R5.2) and before a frame is freed.

use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, FrameNo, Pte, Span};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Path, Probe, steps};
use crate::world::{Cause, Folio, Request, World};

steps! {
    Isolate = "R0" "isolate_lru_folios()",
    Next = "R1" "folio_trylock()",
    Unmap = "R4" "try_to_unmap()",
    Others = "R4" "rmap_walk(): next mapping",
    Unmapped = "R4" "try_to_unmap() done",
    FlushKept = "R5.1" "try_to_unmap_flush_dirty(), if kept pages ask for it",
    Keep = "R5.1" "folio_unlock(): dirty file page, kept for writeback",
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
            (f.cursor, f.pc) = (0, Step::Others as u8);
            Flow::Call(Frame { frame: f.frame, ..Frame::about(Path::Unmap, f.page) })
        }
        Step::Others => {
            let Some(page) = cx.world.next_mapping(f.frame, f.cursor as u32) else {
                f.pc = Step::Unmapped as u8;
                return Flow::Next;
            };
            f.cursor = u64::from(page.0) + 1;
            Flow::Call(Frame { frame: f.frame, ..Frame::about(Path::Unmap, page) })
        }
        Step::Unmapped => unmapped(cx, who, f),
        Step::FlushKept => {
            f.pc = Step::Keep as u8;
            let wanted = cx.era.flushes_before_keeping && cx.world.batch(who.task).writable;
            if wanted { flush(cx, Cause::BeforeIo) } else { Flow::Next }
        }
        Step::Keep => {
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { isolated: false, locked: false, ..folio });
            cx.act(who, Act::Put(f.frame));
            f.pc = Step::Next as u8;
            Flow::Next
        }
        Step::FlushDirty => {
            f.pc = Step::Pageout as u8;
            let wanted = cx.era.protections.flush_before_io && cx.world.batch(who.task).writable;
            if wanted { flush(cx, Cause::BeforeIo) } else { Flow::Next }
        }
        Step::Pageout => {
            cx.act(who, Act::Write(f.frame));
            oracle::cleaned(cx, f.frame);
            let folio = cx.world.folio(f.frame);
            // Under writeback the folio is kept; a later pass finds it clean and frees it. Nobody does whose last user went
            // meanwhile.
            let freed = cx.era.synchronous_swap || !wanted(cx.world, f.frame);
            cx.world.set_folio(f.frame, Folio { dirty: false, isolated: freed, locked: freed, ..folio });
            f.pc = if freed { Step::Freeze as u8 } else { Step::Next as u8 };
            Flow::Next
        }
        Step::Freeze => {
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { cached: false, locked: false, ..folio });
            cx.world.uncache(f.frame);
            ghost::given_up(cx.world, f.page);
            let waiting = cx.world.free_later(who.task, f.frame);
            cx.act(who, Act::Freeze(f.frame));
            let full = cx.era.free_batch_slots != 0 && waiting >= cx.era.free_batch_slots;
            f.pc = if full { release(cx, Step::FlushFull, Step::FreeFull) } else { Step::Next as u8 };
            Flow::Next
        }
        Step::FlushFull => {
            f.pc = flushed(cx, Step::FreeFull, Step::Next);
            if cx.world.batch(who.task).required { flush(cx, Cause::Batch) } else { Flow::Next }
        }
        Step::FreeFull => {
            let next = freed(cx, Step::FlushFull, Step::Next);
            free(cx, who, f, next)
        }
        Step::Flush => {
            f.pc = flushed(cx, Step::Free, Step::End);
            if cx.world.batch(who.task).required { flush(cx, Cause::Batch) } else { Flow::Next }
        }
        Step::Free => {
            let next = freed(cx, Step::Flush, Step::End);
            free(cx, who, f, next)
        }
        Step::End => {
            cx.act(who, Act::ListEnd);
            Flow::Return(0)
        }
    }
}

/// R5: what is left of the folio's users decides.
fn unmapped<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let folio = cx.world.folio(f.frame);
    if cx.world.mapped(f.frame) || folio.gathered > 0 {
        // R6 would find a reference too many: it was moved before the PTL was taken, or unmapped by an operation that
        // has not flushed yet.
        let cached = wanted(cx.world, f.frame) || (folio.cached && !folio.anon);
        cx.world.set_folio(f.frame, Folio { cached, isolated: false, locked: false, ..folio });
        cx.act(who, Act::Shrink(f.frame));
        f.pc = Step::Next as u8;
        return Flow::Next;
    }
    cx.act(who, Act::Shrink(f.frame));
    f.pc = match folio.dirty {
        // Since v3.x reclaim leaves them to the flusher but for a rare kswapd.
        true if !folio.anon => Step::FlushKept as u8,
        true => Step::FlushDirty as u8,
        false => Step::Freeze as u8,
    };
    Flow::Next
}

/// Lets those pages forget a folio that cannot find it any more: a fault finds it through a swap entry, or where its file is
/// mapped. True if some page still can.
fn wanted<W: World>(world: &mut W, frame: FrameNo) -> bool {
    let anon = world.folio(frame).anon;
    let (mut from, mut wanted) = (0, false);
    while let Some(page) = world.next_cached(frame, from) {
        from = page.0 + 1;
        let finds = match world.pte(page) {
            Pte::Swap => anon,
            Pte::None => !anon && world.vma(world.mm_of(page), world.vpn(page)).mapped,
            Pte::Present(_) => false,
        };
        if !finds {
            world.set_cached_frame(page, None);
        }
        wanted |= finds;
    }
    wanted
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
        f.pc = release(cx, Step::Flush, Step::Free);
        return Flow::Next;
    };
    let Some(pte) = cx.world.pte(page).present() else {
        return Flow::Next;
    };
    let folio = cx.world.folio(pte.frame);
    if folio.locked || !folio.isolated {
        return Flow::Next;
    }
    (f.page, f.frame) = (page, pte.frame);
    // A lazyfree folio needs no swap: it is dropped, or kept.
    let swap = folio.anon && !folio.lazyfree;
    cx.world.set_folio(
        pte.frame,
        Folio { locked: true, cached: folio.cached || swap, dirty: folio.dirty || swap, ..folio },
    );
    if !folio.lazyfree {
        cx.world.set_cached_frame(page, Some(pte.frame));
    }
    cx.act(who, Act::PteRead(page));
    f.pc = Step::Unmap as u8;
    Flow::Next
}

/// `try_to_unmap_flush()`: what the batch names, everything of it.
fn flush<W: World, P: Probe>(_cx: &mut Cx<'_, W, P>, cause: Cause) -> Flow {
    Flow::Call(Cx::<W, P>::flush(Request::batch(cause)))
}

/// R7 and R8: which of the two comes first.
fn release<W: World, P: Probe>(cx: &Cx<'_, W, P>, flush: Step, free: Step) -> u8 {
    if cx.era.protections.flush_before_free { flush as u8 } else { free as u8 }
}

/// What comes after R7.
fn flushed<W: World, P: Probe>(cx: &Cx<'_, W, P>, free: Step, done: Step) -> u8 {
    if cx.era.protections.flush_before_free { free as u8 } else { done as u8 }
}

/// What comes after R8.
fn freed<W: World, P: Probe>(cx: &Cx<'_, W, P>, flush: Step, done: Step) -> u8 {
    if cx.era.protections.flush_before_free { done as u8 } else { flush as u8 }
}

/// R8, one frame a step.
fn free<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, next: u8) -> Flow {
    if !cx.free_one(who) {
        f.pc = next;
    }
    Flow::Next
}
