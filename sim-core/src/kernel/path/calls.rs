//! Calls that change VMAs only, or nothing.

use crate::kernel::path::zap;
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, Lock, Mm, Span};
use crate::oracle;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, steps};
use crate::world::{Vma, World};

steps! {
    Enter = "C0" "system call",
    LockMmap = "C1" "mmap_write_lock()",
    Unmap = "C2" "mmap_region(): unmap what is there (MAP_FIXED)",
    Map = "C2" "vma_link()",
    Return = "C3" "mmap unlock, system call returns",
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let mm = cx.world.mm(who.task).expect("a system call has an address space");
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            f.pc = if op.kind == OpKind::Other { Step::Return as u8 } else { Step::LockMmap as u8 };
            Flow::Next
        }
        Step::LockMmap => cx.lock(who, f, Lock::MmapWrite(mm), Step::Unmap as u8),
        Step::Unmap => {
            f.pc = Step::Map as u8;
            if !is_mapped(cx.world, mm, op.span) {
                return Flow::Next;
            }
            f.flags = REPLACES;
            Flow::Call(zap::within_mmap())
        }
        Step::Map if addresses_held(cx, mm, op.span) => Flow::Blocked(Wait::Sweeps),
        Step::Map => {
            let OpKind::Mmap(backing) = op.kind else { unreachable!("only mmap maps") };
            cx.world.set_vma(mm, op.span, Vma { mapped: true, rights: op.rights, backing });
            oracle::grant(cx, who, op.span, op.rights, true);
            cx.act(who, Act::Vma(mm));
            f.pc = Step::Return as u8;
            Flow::Next
        }
        Step::Return => {
            if matches!(op.kind, OpKind::Mmap(_)) {
                cx.unlock(who, f, Lock::MmapWrite(mm), Step::Return as u8);
                if f.flags == REPLACES {
                    oracle::renew(cx, who, op.span, false);
                }
                oracle::promise(cx, who, op.span, op.rights, true);
            }
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

/// A flag of the frame: something was mapped there.
const REPLACES: u8 = 1;

/// Is anything mapped in a span?
fn is_mapped<W: World>(world: &W, mm: Mm, span: Span) -> bool {
    let mut vpn = span.first;
    while vpn < span.end() && !world.vma(mm, vpn).mapped {
        vpn = world.vma_end(mm, vpn);
    }
    vpn < span.end()
}

/// Are addresses still held back, because a CPU has not flushed yet what was there before?
pub(super) fn addresses_held<W: World, P: Probe>(cx: &Cx<'_, W, P>, mm: Mm, span: Span) -> bool {
    cx.policy.defers_unmap() && cx.era.protections.addresses_held_until_swept && cx.world.recorded(mm, span)
}
