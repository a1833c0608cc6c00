//! A look at the cores, for a view of a run that goes on while it is looked at.

use crate::drive::clock::Clock;
use crate::drive::clock::cores::{Core, State};
use crate::drive::clock::source::{Source, What};
use crate::drive::clock::waiters::WaitKey;
use crate::drive::engine::Stack;
use crate::nouns::op::Op;
use crate::nouns::types::{Cpu, Lock, Task};
use crate::step::frame::{Path, StepId, Wait};
use crate::world::World;

/// What a core is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// User code.
    User,
    /// A kernel path, or the walk and fault of an access.
    Kernel,
    /// The call-function interrupt.
    Interrupt,
    /// It waits for somebody else.
    Waiting(Wait),
    /// Its next operation may not begin yet.
    Held,
    /// Nothing before a time that has not come.
    Idle,
    /// No orders left.
    Done,
}

/// A core, as a view sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What it does.
    pub doing: Doing,
    /// The operation under way, or the one that may not begin yet.
    pub op: Option<Op>,
    /// Who executes it.
    pub task: Option<Task>,
    /// Its next step in each path under way, outermost first.
    pub steps: Vec<StepId>,
    /// When it goes on, in cycles.
    pub ready_cycles: u64,
    /// An interrupt has been sent to it and has not arrived.
    pub interrupt_under_way: bool,
}

/// The next step in each path of a stack, outermost first.
pub(super) fn next_steps(stack: &Stack) -> Vec<StepId> {
    stack.frames().iter().map(|f| StepId { path: f.path, pc: f.pc }).collect()
}

/// What a core with these frames does, if it goes on.
pub(super) fn running(stack: &Stack) -> Doing {
    match stack.frames().first() {
        _ if stack.in_interrupt() => Doing::Interrupt,
        None => Doing::User,
        Some(outermost) if outermost.path == Path::User => Doing::User,
        Some(_) => Doing::Kernel,
    }
}

impl<S: Source> Clock<S> {
    /// The time of the last event, in cycles.
    pub fn now_cycles(&self) -> u64 {
        self.now
    }

    /// The time of the next event, in cycles; none: nothing is left.
    pub fn next_cycles(&self) -> Option<u64> {
        self.tree.min().map(|(time, _)| time)
    }

    /// When the last core was done, in cycles; none: something is left to do.
    pub fn end_cycles(&self) -> Option<u64> {
        self.end
    }

    /// A look at a core.
    pub fn look(&self, cpu: Cpu) -> Look {
        let core = &self.cores[usize::from(cpu.0)];
        let doing = self.doing(core);
        let shown = core.order.filter(|_| !core.stack.is_empty() || doing == Doing::Held);
        Look {
            doing,
            op: shown.and_then(|order| match order.what {
                What::Op(op) => Some(op),
                What::Load(_) | What::Unload => None,
            }),
            task: shown.map(|order| order.task),
            steps: next_steps(&core.stack),
            ready_cycles: self.ready_cycles(usize::from(cpu.0)),
            interrupt_under_way: core.arrival.is_some(),
        }
    }

    fn doing(&self, core: &Core) -> Doing {
        match core.state {
            _ if core.stack.in_interrupt() => Doing::Interrupt,
            State::Running => running(&core.stack),
            State::Idle { worked, .. } => {
                // Work before an order is user code, unless a kernel thread does it.
                let user = core.order.is_some_and(|order| self.world.mm(order.task).is_some());
                if worked > self.now && user && core.stack.is_empty() { Doing::User } else { Doing::Idle }
            }
            State::Parked(wait) => Doing::Waiting(wait),
            State::Held => Doing::Held,
            State::Done => Doing::Done,
        }
    }

    /// Cores that wait for locks, in the order in which they came.
    pub fn lock_waiters(&self) -> Vec<(Lock, Vec<Cpu>)> {
        let waits = |core: &Core| match core.state {
            State::Parked(Wait::Lock(lock)) => Some(lock.plain()),
            _ => None,
        };
        let mut locks: Vec<Lock> = self.cores.iter().filter_map(waits).collect();
        locks.sort_unstable();
        locks.dedup();
        let queue = |lock| self.waiters.of(WaitKey::Lock(lock)).to_vec();
        locks.into_iter().map(|lock| (lock, queue(lock))).collect()
    }
}
