//! Synchronisation between user threads, which no part of the kernel sees: a store to a flag, and a loop that waits for it.
//!
//! It orders what one thread does behind what another has seen return, without a system call, a fault or a flush.

use crate::nouns::op::OpKind;
use crate::nouns::types::Actor;
use crate::policy::Touch;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, steps};
use crate::world::World;

steps! {
    Signal = "U5" "user sets a flag",
    Await = "U6" "user finds the flag set",
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    match (Step::of(f), cx.world.op(who.task).kind) {
        (Step::Signal, OpKind::Signal(flag)) => {
            *cx.world.flags() |= 1 << flag;
            cx.act(who, Act::Flag(flag, Touch::Write));
            Flow::Return(0)
        }
        (Step::Signal, _) => {
            f.pc = Step::Await as u8;
            Flow::Next
        }
        (Step::Await, OpKind::Await(flag)) if *cx.world.flags() & 1 << flag != 0 => {
            cx.act(who, Act::Flag(flag, Touch::Read));
            Flow::Return(0)
        }
        (Step::Await, OpKind::Await(flag)) => Flow::Blocked(Wait::Flag(flag)),
        (Step::Await, other) => unreachable!("{other:?} waits for no flag"),
    }
}
