//! A shootdown from the side of a target: the call-function interrupt and `flush_tlb_func()`, steps G.

use crate::kernel::path::flush::extent;
use crate::nouns::types::{Actor, Cpu};
use crate::oracle;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::World;

steps! {
    Enter = "G1" "call-function interrupt: llist_del_all()",
    Flush = "G7" "flush_tlb_func()",
    Ack = "G9" "csd_unlock()",
    AckFirst = "G9" "csd_unlock(), before the function",
    FlushAfter = "G7" "flush_tlb_func(), after the entry is released",
    Exit = "G9" "interrupt returns",
}

/// Steps that turn to an initiator, and the steps after them, in which the cursor is that one. The second of each is the mutant's.
pub(crate) const SERVING: [u8; 2] = [Step::Flush as u8, Step::AckFirst as u8];
pub(crate) const SERVED: [u8; 2] = [Step::Ack as u8, Step::FlushAfter as u8];

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    match Step::of(f) {
        Step::Enter => {
            let requests = cx.world.drain(who.cpu);
            cx.act(who, Act::IrqEnter { requests });
            f.pc = if cx.era.protections.acks_after_flush { Step::Flush as u8 } else { Step::AckFirst as u8 };
            Flow::Next
        }
        Step::Flush | Step::AckFirst => {
            let Some(from) = cx.world.in_service(who.cpu) else {
                f.pc = Step::Exit as u8;
                return Flow::Next;
            };
            f.cursor = u64::from(from.0);
            f.pc = if f.pc == Step::Flush as u8 {
                flush(cx, who, from);
                Step::Ack as u8
            } else {
                ack(cx, who, from);
                Step::FlushAfter as u8
            };
            Flow::Next
        }
        Step::Ack | Step::FlushAfter => {
            let from = Cpu(f.cursor as u16);
            f.pc = if f.pc == Step::Ack as u8 {
                ack(cx, who, from);
                Step::Flush as u8
            } else {
                flush(cx, who, from);
                Step::AckFirst as u8
            };
            cx.world.served(who.cpu, from);
            Flow::Next
        }
        Step::Exit => {
            cx.act(who, Act::IrqExit);
            Flow::Return(0)
        }
    }
}

fn ack<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, from: Cpu) {
    cx.world.ack(who.cpu, from);
    cx.act(who, Act::Ack(from));
}

/// G2..G8. A request that names an address space this CPU has not loaded finds nothing to flush; kernels that keep their
/// masks lazily take the CPU out of the mask on that occasion.
fn flush<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, from: Cpu) {
    let request = cx.world.request(from);
    if cx.era.skips_idle_targets && cx.world.lazy(who.cpu) {
        // G4: giving the borrowed address space up is cheaper than flushing it.
        cx.world.leave_lazy(who.cpu);
        cx.act(who, Act::LeaveLazy(from));
        return;
    }
    let loaded = cx.world.loaded(who.cpu);
    let wrong_cpu = request.mm.is_some() && loaded != request.mm;
    if wrong_cpu {
        if cx.era.lazy_mask
            && let Some(mm) = request.mm
        {
            cx.world.mask_clear(mm, who.cpu);
            cx.act(who, Act::MaskClear(mm));
        }
    } else if let Some(loaded) = loaded {
        oracle::drop_entries(cx, who.cpu, extent(cx.era, request, loaded));
    }
    cx.act(who, Act::FlushRemote { from, request, wrong_cpu });
}
