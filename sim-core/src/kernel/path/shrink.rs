//! One round over the LRU: `shrink_lruvec()`, for kswapd and for direct reclaim alike. Steps L refill the inactive list, R0
//! takes a shrink list off its tail, and `shrink_folio_list()` does the rest.

use crate::kernel::path::{reclaim, referenced};
use crate::nouns::types::Actor;
use crate::step::frame::{Act, Cx, Flow, Frame, Path, Probe, Wait, steps};
use crate::world::{Folio, Lru, World};

/// Batches that may go from an active list in a round: that of its scan, and the one that rebalances anonymous memory after it.
const REFILLS: u32 = 2;
/// What an anonymous and a file folio weigh when it is decided which to scan (`get_scan_count()` with `vm.swappiness` at its
/// default of 60 and equal costs, in outline: the longer weighted list).
const WEIGHTS: [u64; 2] = [60, 140];

steps! {
    Refill = "L1" "shrink_active_list(): isolate_lru_folios()",
    Age = "L2" "shrink_active_list(): next folio",
    Deactivate = "L3" "folio_clear_active()",
    Isolate = "R0" "isolate_lru_folios()",
    Shrink = "R1" "shrink_folio_list()",
    Throttle = "L4" "reclaim_throttle()",
}

/// Frame flags: the task reclaims for its own allocation; nothing was isolated.
const DIRECT: u8 = 1;
const NOTHING: u8 = 2;

/// A round by kswapd, or by a task that allocates.
pub(super) fn shrink(direct: bool) -> Frame {
    Frame { flags: if direct { DIRECT } else { 0 }, ..Frame::new(Path::Shrink) }
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    match Step::of(f) {
        Step::Refill => {
            let low = [true, false].into_iter().find(|&anon| inactive_is_low(cx.world, anon));
            let list = low.map(|anon| Lru { anon, active: true });
            let taken = f.count < REFILLS && list.is_some_and(|list| isolate(cx, who, list));
            f.count += 1;
            f.pc = if taken { Step::Age as u8 } else { Step::Isolate as u8 };
            Flow::Next
        }
        Step::Age => {
            let Some((page, frame)) = cx.world.next_victim(who.task) else {
                f.pc = Step::Refill as u8;
                return Flow::Next;
            };
            (f.page, f.frame, f.pc) = (page, frame, Step::Deactivate as u8);
            Flow::Call(referenced::referenced(page, frame))
        }
        Step::Deactivate => {
            // Referenced or not: only executable file pages would stay (`VM_EXEC`), and nothing here is one.
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { active: false, ..folio });
            reclaim::put_back(cx, who, f.frame);
            f.pc = Step::Age as u8;
            Flow::Next
        }
        Step::Isolate => {
            f.cursor = cx.world.io_queue().map_or(0, |queue| queue.done);
            let taken = inactive(cx.world).is_some_and(|list| isolate(cx, who, list));
            if !taken {
                f.flags |= NOTHING;
            }
            f.pc = if taken { Step::Shrink as u8 } else { Step::Throttle as u8 };
            Flow::Next
        }
        Step::Shrink => {
            f.pc = Step::Throttle as u8;
            Flow::Call(reclaim::shrink_lru(f.flags & DIRECT != 0))
        }
        Step::Throttle => throttle(cx, f),
    }
}

/// L4: a round that freed nothing waits for a write to complete, or for whoever has isolated all there is.
fn throttle<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, f: &mut Frame) -> Flow {
    if f.ret != 0 && f.flags & NOTHING == 0 {
        return Flow::Return(1);
    }
    if let Some(queue) = cx.world.io_queue()
        && queue.in_flight > 0
        && queue.done == f.cursor
    {
        return Flow::Blocked(Wait::Io);
    }
    let short = cx.world.memory().is_some_and(|memory| memory.free <= memory.high);
    if short && f.flags & NOTHING != 0 && lists().all(|list| cx.world.lru_len(list) == 0) {
        return Flow::Blocked(Wait::Memory);
    }
    Flow::Return(0)
}

fn lists() -> impl Iterator<Item = Lru> {
    [(false, false), (false, true), (true, false), (true, true)].into_iter().map(|(anon, active)| Lru { anon, active })
}

/// `inactive_is_low()`. The ratio it aims at is 1 below a GiB and the square root of ten times the GiB above.
fn inactive_is_low<W: World>(world: &W, anon: bool) -> bool {
    let inactive = u64::from(world.lru_len(Lru { anon, active: false }));
    let active = u64::from(world.lru_len(Lru { anon, active: true }));
    let gib = (inactive + active) >> 18;
    let ratio = if gib == 0 { 1 } else { (10 * gib).isqrt() };
    inactive * ratio < active
}

/// The inactive list to scan.
fn inactive<W: World>(world: &W) -> Option<Lru> {
    let weight = |anon: bool| {
        let folios = u64::from(world.lru_len(Lru { anon, active: false }));
        folios * WEIGHTS[usize::from(!anon)]
    };
    let (anon, file) = (weight(true), weight(false));
    (anon + file > 0).then_some(Lru { anon: anon > file, active: false })
}

/// R0.1 to R0.3, under the LRU lock: up to a batch off the tail, each with the isolate reference. False if there is none.
fn isolate<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, list: Lru) -> bool {
    let mut taken = 0;
    while taken < usize::from(cx.era.shrink_list_folios)
        && let Some(frame) = cx.world.lru_tail(list)
    {
        let page = cx.world.rmap(frame).expect("a folio is put on the LRU for a page");
        let folio = cx.world.folio(frame);
        cx.world.set_folio(frame, Folio { isolated: true, ..folio });
        cx.world.isolate(who.task, page, frame);
        cx.act(who, Act::Isolate(page));
        taken += 1;
    }
    taken > 0
}
