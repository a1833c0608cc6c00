//! Page aging: `folio_referenced()` of one mapping, part of R2.
//!
//! x86 does not flush when it clears A (`ptep_clear_flush_young()`): a translation that is still cached goes on serving
//! accesses, and the bit stays clear until the translation is filled anew.

use crate::nouns::types::{Actor, FrameNo, Lock, Page, Present, Pte};
use crate::step::frame::{Act, Cx, Flow, Frame, Path, Probe, steps};
use crate::world::World;

steps! {
    LockPtl = "R2" "folio_referenced(): lock PTL",
    Clear = "R2" "ptep_clear_flush_young()",
    UnlockPtl = "R2" "folio_referenced(): unlock PTL",
}

/// Was a frame referenced through a page since it was last asked? Returns 1 if so.
pub(super) fn referenced(page: Page, frame: FrameNo) -> Frame {
    Frame { frame, ..Frame::about(Path::Referenced, page) }
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let table = cx.world.table_of(f.page);
    match Step::of(f) {
        Step::LockPtl => cx.lock(who, f, Lock::Ptl(table), Step::Clear as u8),
        Step::Clear => {
            f.pc = Step::UnlockPtl as u8;
            match cx.world.pte(f.page) {
                Pte::Present(old) if old.frame == f.frame && old.accessed => {
                    f.flags = 1;
                    cx.xchg(who, f.page, Pte::Present(Present { accessed: false, ..old }));
                }
                _ => cx.act(who, Act::PteRead(f.page)),
            }
            Flow::Next
        }
        Step::UnlockPtl => {
            cx.unlock(who, f, Lock::Ptl(table), Step::UnlockPtl as u8);
            Flow::Return(f.flags)
        }
    }
}
