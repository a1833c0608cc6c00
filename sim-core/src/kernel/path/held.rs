//! Frames that an operation holds back because the other CPUs have not flushed for it yet: freed when all have, in a tick of
//! the CPU that holds them (`latr_sweep()`).

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
            match cx.world.next_held(who.cpu) {
                Some(frame) => cx.put(who, frame),
                None => f.pc = Step::Exit as u8,
            }
            Flow::Next
        }
        Step::Exit => {
            cx.act(who, Act::IrqExit);
            Flow::Return(0)
        }
    }
}
