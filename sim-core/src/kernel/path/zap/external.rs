//! munmap of the memory of a driver, which finds its VMAs by the file (`unmap_mapping_range()`) until they are unlinked.

use super::{EXTERNAL, Step, for_pages};
use crate::kernel::path::tlb_remove_tlb_entry;
use crate::nouns::types::{Actor, FrameNo, Mm, Page, Pte, Span};
use crate::oracle::ghost;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe};
use crate::world::{Cause, Request, World};

/// Z5 for the memory of a driver, which finds the VMA until it is unlinked.
pub(super) fn zap_external<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, frame: FrameNo) -> u8 {
    ghost::weakened(cx.world, who.cpu, page);
    cx.xchg(who, page, Pte::None);
    cx.world.keep_rmap(page, Some(frame));
    tlb_remove_tlb_entry(cx.world, who, page);
    EXTERNAL
}

/// Z8: with the VMA of a driver's memory its translations go, too.
pub(super) fn flush_pfn<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> Flow {
    f.pc = Step::Unlink as u8;
    let wanted = f.flags & EXTERNAL != 0 && cx.era.protections.pfnmap_flushes_before_unlink;
    if !wanted || cx.world.gather(who.task).span.pages == 0 {
        return Flow::Next;
    }
    let cleared = std::mem::take(&mut cx.world.gather(who.task).span);
    Flow::Call(Cx::<W, P>::flush(Request::range(mm, cleared, cx.era.ceiling_pages, Cause::Operation)))
}

/// Z8: whoever goes by the VMAs of a driver's file does not find this one any more.
pub(super) fn unlink<W: World, P: Probe>(
    cx: &mut Cx<'_, W, P>,
    who: Actor,
    f: &mut Frame,
    (mm, span): (Mm, Span),
) -> Flow {
    f.pc = Step::FreeTables as u8;
    if f.flags & EXTERNAL != 0 {
        f.flags &= !EXTERNAL;
        for_pages(cx.world, mm, span, |world, page| {
            if is_external(world, page) {
                world.keep_rmap(page, None);
            }
        });
        cx.act(who, Act::Vma(mm));
    }
    Flow::Next
}

pub(super) fn is_external<W: World>(world: &W, page: Page) -> bool {
    world.cached_frame(page).is_some_and(|frame| world.folio(frame).external())
}
