//! What both drivers share: a stack of frames, run one atomic transition at a time.

use arrayvec::ArrayVec;

use crate::kernel::path;
use crate::nouns::types::Actor;
use crate::policy::{Policy, PolicyInfo};
use crate::step::era::{Era, Mechanism};
use crate::step::frame::{Cx, Flow, Frame, Path, Probe, StepId, Wait};
use crate::world::World;

/// No call chain is deeper: access, fault, reclaim, unmap, flush, interrupt, and a reserve.
pub const DEPTH: usize = 10;

/// The frames of one task, innermost last; an interrupt nests on top of the task it interrupts.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Stack(ArrayVec<Frame, DEPTH>);

impl Clone for Stack {
    fn clone(&self) -> Stack {
        Stack(self.0.clone())
    }

    fn clone_from(&mut self, other: &Stack) {
        self.0.clear();
        self.0.extend(other.0.iter().copied());
    }
}

impl Stack {
    /// Starts an operation, or an interrupt on top of whatever runs.
    #[inline]
    pub fn push(&mut self, frame: Frame) {
        self.0.push(frame);
    }

    /// Does the next step turn to another CPU?
    pub(crate) fn turn(&self) -> Option<Turn> {
        match self.0.last()? {
            f if f.path == Path::Flush && path::POSTING.contains(&f.pc) => Some(Turn::Post),
            f if f.path == Path::Irq && path::SERVING.contains(&f.pc) => Some(Turn::Serve),
            _ => None,
        }
    }

    /// Makes a shootdown go on with the targets from this number on; returns where it was.
    pub(crate) fn aim(&mut self, at: u64) -> u64 {
        let top = self.0.last_mut().expect("a shootdown is under way");
        std::mem::replace(&mut top.cursor, at)
    }

    /// Forgets whatever ran.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Another path begins, or the innermost ends. Returns what it waits for, if it is blocked.
    #[inline(never)]
    fn follow(&mut self, flow: Flow) -> Option<Wait> {
        match flow {
            Flow::Next => {}
            Flow::Blocked(wait) => return Some(wait),
            Flow::Call(callee) => self.0.push(callee),
            Flow::Return(value) => {
                let done = self.0.pop().expect("the frame that returned");
                if let Some(caller) = self.0.last_mut()
                    && !done.path.interrupts()
                {
                    caller.ret = value;
                }
            }
        }
        None
    }

    /// Is no operation under way?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is an interrupt being handled?
    pub fn in_interrupt(&self) -> bool {
        self.0.iter().any(|f| f.path.interrupts())
    }

    /// Are interrupts off, in an interrupt or because a path has turned them off?
    pub fn irqs_off(&self) -> bool {
        self.0.iter().any(path::irqs_off)
    }

    /// The frames, outermost first.
    pub fn frames(&self) -> &[Frame] {
        &self.0
    }
}

/// How a step turns to another CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// An initiator posts, or may have to flush on its own first.
    Post,
    /// A target serves an initiator in its interrupt.
    Serve,
}

/// How a transition ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// One observable act was done (and the private steps before it).
    Acted,
    /// Nothing can be done until this changes.
    Blocked(Wait),
    /// The stack ran empty without another act.
    Finished,
}

/// The fixed surroundings of a run.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The strategy.
    pub policy: &'static dyn Policy,
    /// The surrounding kernel.
    pub era: Era,
}

impl Setting {
    /// A policy in an era, on a machine that broadcasts invalidations if that is what the policy is for.
    pub fn of(info: &PolicyInfo, era: Era) -> Setting {
        let mechanism = if info.broadcast { Mechanism::Broadcast } else { era.mechanism };
        Setting { policy: info.strategy, era: Era { mechanism, ..era } }
    }

    /// Runs the steps of a task up to and including its next observable act.
    pub fn advance<W: World, P: Probe>(&self, world: &mut W, probe: &mut P, who: Actor, stack: &mut Stack) -> Progress {
        let at = StepId { path: Path::Other, pc: 0 };
        let mut cx = Cx { world, policy: self.policy, era: &self.era, probe, acted: false, at };
        while let Some(frame) = stack.0.last_mut() {
            let flow = path::step(&mut cx, who, frame);
            if flow != Flow::Next
                && let Some(wait) = stack.follow(flow)
            {
                assert!(!cx.acted, "a blocked step must not have acted: {:?}", cx.at);
                return Progress::Blocked(wait);
            }
            cx.probe.step(cx.at);
            if cx.acted {
                return Progress::Acted;
            }
        }
        Progress::Finished
    }
}
