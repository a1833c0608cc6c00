//! `tlb_flush_pending`: operations that change PTEs now and flush later count themselves, one access a step.
//!
//! An operation that finds a PTE cleared owes no flush for it; whoever cleared it does, and may not have made it yet. So the
//! count is raised before a PTE is changed and lowered after the flush, and who reads more than its own flushes everything.

use crate::nouns::types::{Actor, Mm};
use crate::policy::Touch;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe};
use crate::world::World;

/// A flag of the frame: others have not flushed yet.
pub(super) const NESTED: u8 = 1;

/// `inc_tlb_flush_pending()`.
pub(super) fn count<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, next: u8) -> Flow {
    let counts = cx.era.protections.flush_pending_counts;
    let pending = cx.world.flush_pending(mm);
    *pending = if counts { *pending + 1 } else { 1 };
    touched(cx, who, f, mm, (Touch::Atomic, next))
}

/// `dec_tlb_flush_pending()`.
pub(super) fn uncount<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, next: u8) -> Flow {
    let counts = cx.era.protections.flush_pending_counts;
    let pending = cx.world.flush_pending(mm);
    *pending = if counts { *pending - 1 } else { 0 };
    touched(cx, who, f, mm, (Touch::Atomic, next))
}

/// `mm_tlb_flush_nested()`.
pub(super) fn nested<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, next: u8) -> Flow {
    if !cx.era.nested_gathers {
        f.pc = next;
        return Flow::Next;
    }
    if *cx.world.flush_pending(mm) > 1 {
        f.flags = NESTED;
    }
    touched(cx, who, f, mm, (Touch::Read, next))
}

fn touched<W: World, P: Probe>(
    cx: &mut Cx<'_, W, P>,
    who: Actor,
    f: &mut Frame,
    mm: Mm,
    (touch, next): (Touch, u8),
) -> Flow {
    cx.act(who, Act::FlushPending(mm, touch));
    f.pc = next;
    Flow::Next
}
