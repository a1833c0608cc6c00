//! kswapd, from its wakeup to its sleep: `balance_pgdat()`, steps K.

use crate::kernel::path::shrink;
use crate::nouns::types::Actor;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::World;

steps! {
    Balance = "K1" "balance_pgdat(): pgdat_balanced()",
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let Step::Balance = Step::of(f);
    let memory = cx.world.memory();
    // `count`: a list has been shrunk.
    let balanced = memory.map_or(f.count > 0, |memory| memory.free > memory.high);
    if balanced {
        cx.world.kswapd_sleeps();
        cx.act(who, Act::KswapdSleeps { free: memory.map_or(0, |memory| memory.free) });
        return Flow::Return(0);
    }
    f.count = 1;
    Flow::Call(shrink::shrink(false))
}
