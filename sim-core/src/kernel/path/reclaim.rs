//! Reclaim of one list: `shrink_folio_list()` and `try_to_unmap_flush()`, steps R0..R9.
//!
//! R2 asks for references only on lists that come off the LRU; lists that an operation or a recording names are reclaimed as they
//! are. Whatever is not freed keeps the isolate reference until R9, after the flush.
//!
//! The order that keeps memory safe is R7 before R8: the flush comes before IO (R5.2) and before a frame is freed.

use crate::kernel::path::{batch, referenced};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, FrameNo, Page, Pte, Span};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Path, Probe, Wait, steps};
use crate::world::{Cause, Folio, Request, World};

steps! {
    Isolate = "R0" "isolate_lru_folios()",
    Next = "R1" "folio_trylock()",
    References = "R2" "folio_check_references()",
    Checked = "R2" "folio_check_references() done",
    Unmap = "R4" "try_to_unmap()",
    Others = "R4" "rmap_walk(): next mapping",
    Unmapped = "R4" "try_to_unmap() done",
    FlushKept = "R5.1" "try_to_unmap_flush_dirty(), if kept pages ask for it",
    Keep = "R5.1" "folio_unlock(): dirty page, kept for writeback",
    FlushDirty = "R5.2" "try_to_unmap_flush_dirty()",
    Reenter = "R5.3" "get_swap_page(): try_to_free_pages(), init_tlb_ubc()",
    Pageout = "R5.3" "pageout()",
    Freeze = "R6" "__remove_mapping()",
    PutbackEarly = "R9" "move_folios_to_lru(), before the flush",
    FlushFull = "R7" "try_to_unmap_flush(): batch of freed folios is full",
    FreeFull = "R8" "free_unref_folios()",
    Flush = "R7" "try_to_unmap_flush()",
    Free = "R8" "free_unref_folios()",
    Putback = "R9" "move_folios_to_lru()",
}

/// Frame flags: the list comes off the LRU, so references count; the task reclaims for its own allocation.
const REFERENCES: u8 = 1;
const DIRECT: u8 = 2;
/// A mapping of the folio at hand was referenced.
const REFERENCED: u8 = 4;

/// The list has been isolated already (`reclaim_pages()`).
pub(super) fn shrink_isolated() -> Frame {
    Frame { pc: Step::Next as u8, ..Frame::new(Path::Reclaim) }
}

/// The list has been isolated from the LRU. Returns 1 if something was freed.
pub(super) fn shrink_lru(direct: bool) -> Frame {
    let flags = REFERENCES | if direct { DIRECT } else { 0 };
    Frame { flags, ..shrink_isolated() }
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    match Step::of(f) {
        Step::Isolate => isolate(cx, who, f),
        Step::Next => next(cx, who, f),
        Step::References => {
            if f.ret == 1 {
                f.flags |= REFERENCED;
            }
            let Some(page) = cx.world.next_mapping(f.frame, f.cursor as u32) else {
                f.pc = Step::Checked as u8;
                return Flow::Next;
            };
            (f.cursor, f.ret) = (u64::from(page.0) + 1, 0);
            Flow::Call(referenced::referenced(page, f.frame))
        }
        Step::Checked => checked(cx, who, f),
        Step::Unmap => {
            (f.cursor, f.pc) = (0, Step::Others as u8);
            Flow::Call(Frame { frame: f.frame, ..Frame::about(Path::Unmap, f.page) })
        }
        Step::Others => {
            // try_to_unmap_one() has mapped the page again: that ends rmap_walk().
            let aborted = f.ret == 1;
            let Some(page) = cx.world.next_mapping(f.frame, f.cursor as u32).filter(|_| !aborted) else {
                (f.ret, f.pc) = (0, Step::Unmapped as u8);
                return Flow::Next;
            };
            f.cursor = u64::from(page.0) + 1;
            Flow::Call(Frame { frame: f.frame, ..Frame::about(Path::Unmap, page) })
        }
        Step::Unmapped => unmapped(cx, who, f),
        Step::FlushKept => {
            f.pc = Step::Keep as u8;
            let wanted = cx.era.flushes_before_keeping && batch(cx, who).writable;
            if wanted { flush(cx, Cause::BeforeIo) } else { Flow::Next }
        }
        Step::Keep => {
            let folio = cx.world.folio(f.frame);
            let active = folio.active || f.flags & DIRECT != 0;
            cx.world.set_folio(f.frame, Folio { active, locked: false, ..folio });
            cx.world.keep(who.task, f.frame);
            cx.act(who, Act::Keep(f.frame));
            f.pc = Step::Next as u8;
            Flow::Next
        }
        Step::FlushDirty => {
            f.pc = Step::Reenter as u8;
            let wanted = cx.era.protections.flush_before_io && batch(cx, who).writable;
            if wanted { flush(cx, Cause::BeforeIo) } else { Flow::Next }
        }
        Step::Reenter => {
            if cx.era.pageout_reenters && !cx.era.protections.nested_reclaim_keeps_batch {
                batch(cx, who).required = false;
            }
            f.pc = Step::Pageout as u8;
            Flow::Next
        }
        Step::Pageout => pageout(cx, who, f),
        Step::Freeze => freeze(cx, who, f),
        Step::FlushFull => {
            f.pc = flushed(cx, Step::FreeFull, Step::Next);
            if batch(cx, who).required { flush(cx, Cause::Batch) } else { Flow::Next }
        }
        Step::FreeFull => {
            let next = freed(cx, Step::FlushFull, Step::Next);
            free(cx, who, f, next)
        }
        Step::Flush => {
            f.pc = flushed(cx, Step::Free, Step::Putback);
            if batch(cx, who).required { flush(cx, Cause::Batch) } else { Flow::Next }
        }
        Step::Free => {
            let next = freed(cx, Step::Flush, Step::Putback);
            free(cx, who, f, next)
        }
        Step::PutbackEarly => {
            if let Some(frame) = cx.world.next_kept(who.task) {
                put_back(cx, who, frame);
                return Flow::Next;
            }
            f.pc = release(cx, Step::Flush, Step::Free);
            Flow::Next
        }
        Step::Putback => {
            if let Some(frame) = cx.world.next_kept(who.task) {
                put_back(cx, who, frame);
                return Flow::Next;
            }
            cx.act(who, Act::ListEnd);
            Flow::Return(u8::from(f.count > 0))
        }
    }
}

/// R5.3. A swap device with a queue takes the folio and writes it later: it is kept, under writeback, and a later pass finds it
/// clean and frees it.
fn pageout<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    if cx.world.folio(f.frame).gathered > 0 {
        // is_page_cache_freeable(): the flush is made, and nothing is written.
        return keep_referenced(cx, who, f);
    }
    let queue = cx.world.io_queue().filter(|_| !cx.era.synchronous_swap);
    if queue.is_some_and(|queue| queue.in_flight >= queue.depth) {
        return Flow::Blocked(Wait::Io);
    }
    let synchronous = cx.era.synchronous_swap;
    let folio = cx.world.folio(f.frame);
    let writeback = queue.is_some();
    cx.world.set_folio(f.frame, Folio { dirty: false, locked: synchronous, writeback, ..folio });
    f.pc = if synchronous { Step::Freeze as u8 } else { Step::Next as u8 };
    if writeback {
        cx.world.io_begin(f.frame);
        cx.act(who, Act::Submit { frame: f.frame, write: true });
    } else {
        cx.act(who, Act::Write(f.frame));
    }
    oracle::cleaned(cx, f.frame);
    if !synchronous {
        cx.world.keep(who.task, f.frame);
    }
    Flow::Next
}

/// Somebody has a reference: it stays in its cache.
fn keep_referenced<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let folio = cx.world.folio(f.frame);
    cx.world.set_folio(f.frame, Folio { locked: false, ..folio });
    cx.world.keep(who.task, f.frame);
    cx.act(who, Act::Keep(f.frame));
    f.pc = Step::Next as u8;
    Flow::Next
}

/// R6: nobody else has it, so it leaves its cache and waits for the flush.
fn freeze<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let folio = cx.world.folio(f.frame);
    if folio.gathered > 0 {
        // folio_ref_freeze() fails: an operation has unmapped it or dropped its swap entry and not flushed yet.
        return keep_referenced(cx, who, f);
    }
    cx.world.set_folio(f.frame, Folio { lru: false, cached: false, locked: false, ..folio });
    cx.world.uncache(f.frame);
    ghost::given_up(cx.world, f.page);
    let waiting = cx.world.free_later(who.task, f.frame);
    cx.act(who, Act::Freeze(f.frame));
    let full = cx.era.free_batch_slots != 0 && waiting >= cx.era.free_batch_slots;
    f.pc = if full { release(cx, Step::FlushFull, Step::FreeFull) } else { Step::Next as u8 };
    Flow::Next
}

/// R2: what the mapping and the folio say of its use (`folio_check_references()`).
fn checked<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let folio = cx.world.folio(f.frame);
    let mapping = f.flags & REFERENCED != 0;
    f.flags &= !REFERENCED;
    if !mapping {
        // One earlier reference does not save it.
        cx.world.set_folio(f.frame, Folio { referenced: false, ..folio });
        add_to_swap(cx, f);
        f.pc = Step::Unmap as u8;
        return Flow::Next;
    }
    let at_once = folio.anon && !cx.era.anon_on_trial;
    let active = folio.referenced || at_once;
    cx.world.set_folio(f.frame, Folio { active, referenced: !at_once, locked: false, ..folio });
    cx.world.keep(who.task, f.frame);
    cx.act(who, Act::Keep(f.frame));
    f.pc = Step::Next as u8;
    Flow::Next
}

/// R9, one folio: it goes back to the LRU, unless reclaim has the last reference.
pub(super) fn put_back<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, frame: FrameNo) {
    let folio = cx.world.folio(frame);
    let claimed = folio.gathered > 0 || cx.world.mapped(frame) || cx.world.next_cached(frame, 0).is_some();
    if folio.dropped && !claimed && !folio.pinned_elsewhere() {
        cx.world.free_frame(frame);
        oracle::freed(cx, frame);
        cx.act(who, Act::Free(frame));
        return;
    }
    // Whoever has taken it up again since it was dropped frees it.
    cx.world.set_folio(frame, Folio { isolated: false, dropped: folio.dropped && !claimed, ..folio });
    cx.act(who, Act::Put(frame));
}

/// R5: what is left of the folio's users decides.
fn unmapped<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let folio = cx.world.folio(f.frame);
    if cx.world.mapped(f.frame) {
        // It was moved before the PTL was taken, or had to be mapped again.
        let cached = wanted(cx.world, f.frame) || (folio.cached && !folio.anon);
        cx.world.set_folio(f.frame, Folio { cached, locked: false, ..folio });
        cx.world.keep(who.task, f.frame);
        cx.act(who, Act::Shrink(f.frame));
        f.pc = Step::Next as u8;
        return Flow::Next;
    }
    cx.act(who, Act::Shrink(f.frame));
    let by_kswapd = f.flags & REFERENCES != 0 && f.flags & DIRECT == 0;
    f.pc = match folio.dirty {
        // Reclaim leaves them to the flusher, but for kswapd when it meets no others.
        true if !folio.anon && !by_kswapd || !cx.era.reclaim_may_write => Step::FlushKept as u8,
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
                cx.world.isolate(who.task, page, pte.frame);
                cx.act(who, Act::Isolate(page));
            }
        }
    }
    Flow::Next
}

/// R1: the next folio of the list.
fn next<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let Some((page, frame)) = cx.world.next_victim(who.task) else {
        let late = cx.era.protections.isolate_until_flushed;
        f.pc = if late { release(cx, Step::Flush, Step::Free) } else { Step::PutbackEarly as u8 };
        return Flow::Next;
    };
    let folio = cx.world.folio(frame);
    let mapped = cx.world.maps(page, frame);
    // Off the LRU come folios that nobody maps, too. Of those that an operation names, one that has been unmapped or moved
    // since is passed over; so is one that somebody has locked, or writes, or that only the isolate reference keeps.
    let moved = !mapped && (f.flags & REFERENCES == 0 || cx.world.mapped(frame));
    if moved || folio.pinned_elsewhere() || folio.dropped {
        cx.world.keep(who.task, frame);
        return Flow::Next;
    }
    (f.page, f.frame) = (page, frame);
    cx.world.set_folio(frame, Folio { locked: true, ..folio });
    cx.act(who, Act::PteRead(page));
    f.pc = match (mapped, f.flags & REFERENCES != 0) {
        (false, _) => Step::Unmapped as u8,
        (true, true) => {
            (f.cursor, f.ret) = (0, 0);
            Step::References as u8
        }
        (true, false) => {
            add_to_swap(cx, f);
            Step::Unmap as u8
        }
    };
    Flow::Next
}

/// R3. A lazyfree folio needs no swap: it is dropped, or kept.
fn add_to_swap<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, f: &Frame) {
    let folio = cx.world.folio(f.frame);
    let swap = folio.anon && !folio.lazyfree;
    cx.world.set_folio(f.frame, Folio { cached: folio.cached || swap, dirty: folio.dirty || swap, ..folio });
    if !folio.lazyfree
        && let Some(page) = mapping(cx.world, f)
    {
        cx.world.set_cached_frame(page, Some(f.frame));
    }
}

/// The page at hand, or another one if that does not map the frame any more: what was unmapped since is found by nobody.
fn mapping<W: World>(world: &W, f: &Frame) -> Option<Page> {
    if world.maps(f.page, f.frame) {
        return Some(f.page);
    }
    let mut from = 0;
    while let Some(page) = world.next_mapping(f.frame, from) {
        if world.maps(page, f.frame) {
            return Some(page);
        }
        from = page.0 + 1;
    }
    None
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
    if cx.free_one(who) {
        f.count += 1;
    } else {
        f.pc = next;
    }
    Flow::Next
}
