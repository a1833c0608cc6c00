//! The kernel model as a system to search: small world, one program a CPU, interrupts between any two steps.

use crate::drive::engine::{Progress, Setting, Stack};
use crate::drive::explore::{Next, System};
use crate::nouns::types::{AccessKind, Actor, Cpu, Page, Task};
use crate::oracle::{Class, Marks, ghost};
use crate::step::era::Mechanism;
use crate::step::frame::{Act, Frame, Path, Probe, StepId};
use crate::world::World;
use crate::world::small::{CPUS, Packer, Scenario, Small, VPN_BITS};

/// One scenario under one policy and era.
#[derive(Clone, Copy, Debug)]
pub struct Race<'s> {
    /// Who does what.
    pub scenario: &'s Scenario,
    /// Policy and era.
    pub setting: Setting,
}

/// A state: the small world and the frames of each CPU.
#[derive(Clone, Debug)]
pub struct Node<'s> {
    /// The world.
    pub world: Small<'s>,
    /// What each CPU is in the middle of.
    pub stacks: [Stack; CPUS],
}

/// One transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The CPU goes on with its operation, or starts the next one of its program.
    Step(Cpu),
    /// The CPU takes the call-function interrupt.
    Interrupt(Cpu),
    /// The CPU loses a translation.
    Evict(Cpu, Page),
    /// What the first CPU has broadcast reaches the second.
    Deliver(Cpu, Cpu),
}

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

/// Keeps only whether there was a violation.
struct Finder(bool);

impl Probe for Finder {
    fn act(&mut self, _who: Actor, _act: Act, _at: StepId) {}

    fn marked_use(&mut self, _who: Actor, _page: Page, _kind: AccessKind, _marks: Marks) {
        self.0 = true;
    }

    fn window(&mut self, _cpu: Cpu, _page: Page, _class: Option<Class>) {}
}

fn actor(cpu: Cpu) -> Actor {
    Actor { cpu, task: Task(cpu.0) }
}

impl<'s> Race<'s> {
    /// Makes one move in place; false if it is disabled, and the node is then spoilt.
    pub fn make<P: Probe>(&self, node: &mut Node<'s>, mv: Move, probe: &mut P) -> bool {
        let (cpu, interrupt) = match mv {
            Move::Evict(cpu, page) => {
                node.world.tlb_forget(cpu, page);
                return true;
            }
            Move::Deliver(from, to) => {
                return node.world.deliver(from, to, &mut |page, gone| {
                    if !Marks::of(gone).is_clean() {
                        probe.window(to, page, None);
                    }
                });
            }
            Move::Step(cpu) => (cpu, false),
            Move::Interrupt(cpu) => (cpu, true),
        };
        let stack = &mut node.stacks[usize::from(cpu.0)];
        if interrupt {
            stack.push(Frame::new(Path::Irq));
        } else if stack.is_empty() {
            let Some(op) = node.world.program_op(cpu) else {
                return false;
            };
            stack.push(Frame::entry(&op));
        }
        // An interrupt that found the CPU between two operations ends none of them.
        let in_operation = stack.frames().first().is_some_and(|f| f.path != Path::Irq);
        if let Progress::Blocked(_) = self.setting.advance(&mut node.world, probe, actor(cpu), stack) {
            return false;
        }
        if stack.is_empty() && in_operation {
            node.world.program_advance(cpu);
        }
        true
    }
}

impl<'s> System for Race<'s> {
    type State = Node<'s>;
    type Action = Move;
    type Key = Box<[u64]>;

    fn initial(&self) -> Node<'s> {
        Node { world: Small::new(self.scenario), stacks: Default::default() }
    }

    fn key(&self, state: &Node<'s>) -> Box<[u64]> {
        let mut out = Packer::default();
        state.world.pack(&mut out);
        for stack in &state.stacks[..self.scenario.programs.len()] {
            out.put(stack.frames().len() as u64, 4);
            stack.frames().iter().for_each(|f| pack_frame(f, &mut out));
        }
        out.finish()
    }

    fn actions(&self, state: &Node<'s>, out: &mut Vec<Move>) {
        for n in 0..self.scenario.programs.len() {
            let cpu = Cpu(n as u16);
            out.push(Move::Step(cpu));
            if state.world.interrupt_pending(cpu) && !state.stacks[n].in_interrupt() {
                out.push(Move::Interrupt(cpu));
            }
            if self.setting.era.mechanism == Mechanism::Broadcast {
                out.extend((0..self.scenario.programs.len()).map(|to| Move::Deliver(cpu, Cpu(to as u16))));
            }
            if self.scenario.evictions {
                let held = (0..u32::from(self.scenario.all_pages())).map(Page);
                out.extend(held.filter(|&p| state.world.tlb_peek(cpu, p).is_some()).map(|p| Move::Evict(cpu, p)));
            }
        }
    }

    fn apply(&self, state: &Node<'s>, action: Move) -> Option<Next<Node<'s>>> {
        let mut next = state.clone();
        let mut finder = Finder(false);
        self.make(&mut next, action, &mut finder).then_some(Next { state: next, broken: finder.0 })
    }

    fn may_end(&self, state: &Node<'s>) -> bool {
        (0..self.scenario.programs.len())
            .all(|n| state.stacks[n].is_empty() && state.world.program_op(Cpu(n as u16)).is_none())
    }

    fn tested(&self, state: &Node<'s>) -> bool {
        // Where nobody promises anything, the frames are what is tested.
        let complete = if self.scenario.promises() { ghost::complete } else { ghost::frame_complete };
        (0..u32::from(self.scenario.all_pages())).any(|p| complete(state.world.ghost(Page(p))))
    }
}

fn pack_frame(f: &Frame, out: &mut Packer) {
    out.put(f.path as u64, 5);
    out.put(u64::from(f.pc), 5);
    out.put(u64::from(f.ret), 2);
    out.put(u64::from(f.hook), 3);
    out.put(u64::from(f.flags), 3);
    out.put(u64::from(f.page.0), VPN_BITS);
    out.put(u64::from(f.frame.0), 3);
    out.put(u64::from(f.count), VPN_BITS);
    out.put(f.cursor, VPN_BITS + 1);
    out.put(u64::from(f.local != 0), 1);
    if f.local != 0 {
        out.put(u64::from(f.local), 32);
    }
}
