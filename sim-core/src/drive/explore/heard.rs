//! What is heard of the steps of a race: everything, for witnesses and tests, or just what a search has to know.

use crate::nouns::types::{AccessKind, Actor, Cpu, Page};
use crate::oracle::{Class, Marks};
use crate::policy::Policy;
use crate::step::frame::{Act, Probe, StepId};

/// A use of a translation that breaks a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Who.
    pub cpu: Cpu,
    /// Where.
    pub page: Page,
    /// How.
    pub kind: AccessKind,
    /// Against which promise.
    pub class: Class,
}

/// Keeps everything it hears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorder {
    /// Every act, with its place.
    pub acts: Vec<(Cpu, Act, StepId)>,
    /// Every violation.
    pub violations: Vec<Violation>,
    /// Every change of a window.
    pub windows: Vec<(Cpu, Page, Option<Class>)>,
}

impl Probe for Recorder {
    fn act(&mut self, who: Actor, act: Act, at: StepId) {
        self.acts.push((who.cpu, act, at));
    }

    fn marked_use(&mut self, who: Actor, page: Page, kind: AccessKind, marks: Marks) {
        let class = marks.breaks(kind).expect("only uses that break a promise are reported");
        self.violations.push(Violation { cpu: who.cpu, page, kind, class });
    }

    fn window(&mut self, cpu: Cpu, page: Page, class: Option<Class>) {
        self.windows.push((cpu, page, class));
    }
}

/// Which violations count.
#[derive(Clone, Copy, Debug)]
pub enum Counts {
    /// All: the contract of the system calls.
    All,
    /// Those of one class.
    Class(Class),
    /// Those that the contract a policy declares does not excuse.
    Declared(&'static dyn Policy),
}

impl Counts {
    fn counts(self, class: Class) -> bool {
        match self {
            Counts::All => true,
            Counts::Class(only) => class == only,
            Counts::Declared(policy) => !policy.excuses(class),
        }
    }
}

impl From<Class> for Counts {
    fn from(class: Class) -> Counts {
        Counts::Class(class)
    }
}

/// Keeps only whether there was a violation, and whether the step was alone.
pub(super) struct Finder {
    /// Which violations count.
    pub(super) counts: Counts,
    /// The step at which the transition begins; none if an operation or an interrupt begins with it.
    pub(super) begins: Option<StepId>,
    /// Has each task a batch of its own?
    pub(super) own_batch: bool,
    pub(super) broken: bool,
    pub(super) acts: u32,
    pub(super) private: bool,
}

impl Probe for Finder {
    fn act(&mut self, _who: Actor, act: Act, at: StepId) {
        self.acts += 1;
        self.private = is_private(&act, self.begins == Some(at), self.own_batch);
    }

    fn marked_use(&mut self, _who: Actor, _page: Page, kind: AccessKind, marks: Marks) {
        self.broken |= marks.breaks(kind).is_some_and(|class| self.counts.counts(class));
    }

    fn window(&mut self, _cpu: Cpu, _page: Page, _class: Option<Class>) {}
}

/// Acts that a reduced search may take as soon as they can be taken. Each is the only move of its CPU but for interrupts and
/// evictions, reads and writes only what its CPU owns until then, and shows nothing to the oracle:
/// - a call is entered: nothing but the program has been read;
/// - a lock is released, and no private step has looked around first (`at_once`): nobody else can touch the lock before, for
///   readers of `mmap_lock` each have a place of their own;
/// - an initiator that has seen every acknowledgement ends its shootdown: no target looks at the request any more, and a batch that
///   it clears is its own;
/// - an interrupt returns: what was posted meanwhile stays queued.
///
/// Taking it at once commutes with everything it overtakes, an interrupt on the same CPU included: that runs on top of the
/// frame and touches the TLB, the queue and other CPUs' shootdowns only. `tests/reduction.rs` commutes each with each.
fn is_private(act: &Act, at_once: bool, own_batch: bool) -> bool {
    match act {
        Act::Enter(_) | Act::IrqExit => true,
        Act::FlushEnd(request) => own_batch || request.mm.is_some(),
        Act::Unlock(_) => at_once,
        _ => false,
    }
}
