//! Operations that are stepped by hand, so that one comes between two steps of another.

use sim_core::drive::engine::{Progress, Setting, Stack};
use sim_core::drive::explore::race::Recorder;
use sim_core::nouns::op::Op;
use sim_core::nouns::types::{Actor, Cpu, FrameNo, Task};
use sim_core::policy;
use sim_core::step::era::Era;
use sim_core::step::frame::{Act, Frame, Wait};
use sim_core::world::big::Big;
use sim_core::world::{Folio, World};

/// Tasks 0 to 2, each on the CPU of its number, stepped by hand under `batched`.
pub struct Hand {
    pub world: Big,
    pub setting: Setting,
    pub heard: Recorder,
    pub stacks: [Stack; 3],
}

impl Hand {
    /// Nobody has begun anything.
    pub fn new(world: Big, era: Era) -> Hand {
        let setting = Setting { policy: policy::find("batched").expect("a policy").strategy, era };
        Hand { world, setting, heard: Recorder::default(), stacks: Default::default() }
    }

    /// An operation begins.
    pub fn begin(&mut self, task: u16, op: Op) {
        self.world.begin(Task(task), op);
        self.stacks[usize::from(task)].push(Frame::entry(&op));
    }

    /// One transition; false when the operation is over.
    pub fn step(&mut self, task: u16) -> bool {
        let who = Actor { cpu: Cpu(task), task: Task(task) };
        let stack = &mut self.stacks[usize::from(task)];
        let progress = self.setting.advance(&mut self.world, &mut self.heard, who, stack);
        assert!(!matches!(progress, Progress::Blocked(_)), "{progress:?}");
        !stack.is_empty()
    }

    /// Transitions up to an act.
    pub fn step_until(&mut self, task: u16, done: impl Fn(Act) -> bool) {
        while !self.heard.acts.last().is_some_and(|&(_, act, _)| done(act)) {
            assert!(self.step(task), "the operation ended without that act");
        }
    }

    /// The rest of the operation, or up to what it has to wait for.
    pub fn waits(&mut self, task: u16) -> Option<Wait> {
        let who = Actor { cpu: Cpu(task), task: Task(task) };
        let stack = &mut self.stacks[usize::from(task)];
        while !stack.is_empty() {
            if let Progress::Blocked(wait) = self.setting.advance(&mut self.world, &mut self.heard, who, stack) {
                return Some(wait);
            }
        }
        None
    }

    /// The rest of the operation, during which nobody else does anything.
    pub fn finish(&mut self, task: u16) {
        while self.step(task) {}
    }

    /// Task 2 has the last reference to a frame that is mapped nowhere any more, unless a walker pins it now: it frees it, or leaves that
    /// to the walker.
    pub fn frees_last(&mut self, frame: FrameNo, pinned: bool) {
        assert!(self.world.folio(frame).dropped, "nobody else has it");
        if pinned {
            self.pins(frame);
        }
        self.finish(2);
        let folio = self.world.folio(frame);
        assert_eq!((folio.allocated, folio.gathered, folio.dropped), (pinned, u8::from(pinned), false));
    }

    /// A lockless walker, task 1, gets a reference to a frame that its PTE named before it was cleared.
    pub fn pins(&mut self, frame: FrameNo) {
        let folio = self.world.folio(frame);
        self.world.set_folio(frame, Folio { gathered: folio.gathered + 1, ..folio });
        self.world.free_later(Task(1), frame);
    }
}
