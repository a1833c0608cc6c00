//! Frames that an operation holds back because the other CPUs have not flushed for it yet: freed when all have, in a tick of
//! the CPU that holds them (`latr_sweep()`). What a tick sweeps has been delivered before.

use crate::nouns::types::Actor;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::World;

steps! {
    Free = "LZ2" "every CPU has swept: free_pages_and_swap_cache()",
    Exit = "LZ2" "tick returns",
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    match Step::of(f) {
        Step::Free => {
            if !cx.world.may_let_go(who.cpu) {
                f.pc = Step::Exit as u8;
            } else if let Some(frame) = cx.world.next_held(who.cpu) {
                cx.put(who, frame);
            }
            Flow::Next
        }
        Step::Exit => {
            cx.act(who, Act::IrqExit);
            Flow::Return(0)
        }
    }
}
