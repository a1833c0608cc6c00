//! What a page fault does for memory before it takes the PTL: watermarks, direct reclaim (`__alloc_pages_slowpath()`), and
//! reading a page in from a swap device with a queue.

use crate::kernel::path::shrink;
use crate::nouns::types::{AccessKind, Actor, Backing, FrameNo, Page, Pte};
use crate::step::era::Era;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait};
use crate::world::{Folio, Vma, World};

/// May a page be written in place? Not if it is in the page cache or KSM's, or a relative of this process has a claim to it.
pub(super) fn owned<W: World>(world: &W, frame: FrameNo, page: Page) -> bool {
    let folio = world.folio(frame);
    folio.anon && !folio.ksm && !world.shared(frame, page)
}

/// Does a store to a page that is mapped read-only copy it? Whoever has locked its folio, KSM, has a reference too and may be
/// comparing it (`wp_can_reuse_anon_folio()`; `do_wp_page()` of v4.13 waits instead).
pub(super) fn copies<W: World>(world: &W, era: &Era, frame: FrameNo, page: Page) -> bool {
    !era.wp_reuses || !owned(world, frame, page) || world.folio(frame).locked
}

/// Will the fault take a frame? What the PTE says without its lock is good enough.
pub(super) fn wanted<W: World>(world: &W, era: &Era, page: Page, kind: AccessKind, vma: Vma) -> bool {
    let store = kind == AccessKind::Store;
    match world.pte(page) {
        Pte::Present(old) => store && !vma.backing.shared() && copies(world, era, old.frame, page),
        Pte::Swap => world.cached_frame(page).is_none(),
        Pte::None => store || vma.backing != Backing::Anon,
    }
}

/// Wakes kswapd below the low watermark; below the minimum the task reclaims itself, a round at a time.
pub(super) fn watermarks<W: World, P: Probe>(
    cx: &mut Cx<'_, W, P>,
    who: Actor,
    f: &mut Frame,
    wanted: bool,
    next: u8,
) -> Flow {
    let Some(memory) = cx.world.memory().filter(|_| wanted) else {
        f.pc = next;
        return Flow::Next;
    };
    if memory.free <= memory.low && cx.world.wake_kswapd() {
        cx.act(who, Act::WakeKswapd { free: memory.free });
        return Flow::Next;
    }
    if memory.free > memory.min {
        f.pc = next;
        return Flow::Next;
    }
    cx.act(who, Act::DirectReclaim { free: memory.free });
    Flow::Call(shrink::shrink(true))
}

/// Does swap-in wait for a device?
pub(super) fn reads_ahead<W: World, P: Probe>(cx: &Cx<'_, W, P>) -> bool {
    !cx.era.synchronous_swap && cx.world.io_queue().is_some()
}

/// Reads the page in if it is in swap and in no cache. The folio is locked until the device is done, and whoever wants it waits
/// for that.
pub(super) fn read_in<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, next: u8) -> Flow {
    if reads_ahead(cx) && cx.world.pte(f.page) == Pte::Swap {
        match cx.world.cached_frame(f.page) {
            Some(frame) if cx.world.folio(frame).locked => return Flow::Blocked(Wait::Folio(frame)),
            Some(_) => {}
            None if cx.world.io_queue().is_some_and(|queue| queue.in_flight >= queue.depth) => {
                return Flow::Blocked(Wait::Io);
            }
            // Without a frame (somebody took the last one since the watermarks were looked at) the fault is retried.
            None => {
                if let Some(frame) = cx.alloc_for(f.page) {
                    submit_read(cx, who, f.page, frame);
                    return Flow::Next;
                }
            }
        }
    }
    f.pc = next;
    Flow::Next
}

fn submit_read<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, frame: FrameNo) {
    let fresh = Folio { allocated: true, lru: true, anon: true, active: starts_active(cx), ..Folio::default() };
    cx.world.set_folio(frame, Folio { cached: true, locked: true, ..fresh });
    cx.world.set_cached_frame(page, Some(frame));
    cx.world.io_begin(frame);
    cx.act(who, Act::Submit { frame, write: false });
}

/// Where a fresh anonymous folio starts.
pub(super) fn starts_active<W: World, P: Probe>(cx: &Cx<'_, W, P>) -> bool {
    cx.world.memory().is_some() && !cx.era.anon_on_trial
}
