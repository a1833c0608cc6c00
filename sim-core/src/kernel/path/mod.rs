//! The kernel paths, one file each, and the one place that dispatches to them.

mod access;
mod alloc;
mod calls;
mod fault;
mod flush;
mod irq;
mod kswapd;
mod mprotect;
mod mremap;
mod pageout;
mod pending;
mod reclaim;
mod referenced;
mod shrink;
mod unmap;
mod zap;

pub use access::{entry_of, would_hit};

use crate::nouns::types::{Actor, Mm};
use crate::policy::{Hook, HookStep};
use crate::step::frame::{Cx, Flow, Frame, Label, Path, Probe, StepId};
use crate::world::{Cause, Request, World};

/// Runs one step of a frame.
pub(crate) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    cx.at = StepId { path: f.path, pc: f.pc };
    match f.path {
        Path::Access => access::step(cx, who, f),
        Path::Fault => fault::step(cx, who, f),
        Path::Mprotect => mprotect::step(cx, who, f),
        Path::Munmap | Path::Dontneed | Path::Free => zap::step(cx, who, f),
        Path::Mremap => mremap::step(cx, who, f),
        Path::Mmap | Path::Other => calls::step(cx, who, f),
        Path::Pageout => pageout::step(cx, who, f),
        Path::Reclaim => reclaim::step(cx, who, f),
        Path::Kswapd => kswapd::step(cx, who, f),
        Path::Shrink => shrink::step(cx, who, f),
        Path::Referenced => referenced::step(cx, who, f),
        Path::Unmap => unmap::step(cx, who, f),
        Path::Flush => flush::step(cx, who, f),
        Path::Irq => irq::step(cx, who, f),
    }
}

/// The number and label of a step.
pub fn label(id: StepId) -> Label {
    let labels = match id.path {
        Path::Access => access::LABELS,
        Path::Fault => fault::LABELS,
        Path::Mprotect => mprotect::LABELS,
        Path::Munmap | Path::Dontneed | Path::Free => zap::LABELS,
        Path::Mremap => mremap::LABELS,
        Path::Mmap | Path::Other => calls::LABELS,
        Path::Pageout => pageout::LABELS,
        Path::Reclaim => reclaim::LABELS,
        Path::Kswapd => kswapd::LABELS,
        Path::Shrink => shrink::LABELS,
        Path::Referenced => referenced::LABELS,
        Path::Unmap => unmap::LABELS,
        Path::Flush => flush::LABELS,
        Path::Irq => irq::LABELS,
    };
    labels[usize::from(id.pc)]
}

/// Runs one step of a policy hook inside the calling frame. When the hook is done the frame goes on with step `next`.
fn hook<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, hook: Hook, next: u8) -> Flow {
    match cx.policy.hook(hook, f.hook, cx.world.words(mm), &mut f.local) {
        HookStep::Done => {
            (f.hook, f.local) = (0, 0);
            f.pc = next;
            Flow::Next
        }
        HookStep::Touched(touch, resume) => {
            f.hook = resume;
            cx.act(who, crate::step::frame::Act::Words(mm, touch));
            Flow::Next
        }
        HookStep::FlushMm(resume) => {
            f.hook = resume;
            Flow::Call(Cx::<W, P>::flush(Request { mm: Some(mm), span: None, cause: Cause::PendingCheck }))
        }
    }
}
