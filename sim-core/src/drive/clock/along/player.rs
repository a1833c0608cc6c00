//! The moves themselves, without times.

use std::sync::Arc;

use crate::drive::engine::{Progress, Setting, Stack, Turn};
use crate::drive::explore::race::{Move, Recorder};
use crate::machine::profile::Profile;
use crate::machine::tlb::Entry;
use crate::nouns::op::Op;
use crate::nouns::types::{Actor, Cpu, Page, Task};
use crate::oracle::Marks;
use crate::step::frame::{Frame, Path, Probe, Wait};
use crate::world::World;
use crate::world::big::{Big, Record};
use crate::world::small::Scenario;

/// The scenario and how far it has come.
#[derive(Clone, Debug)]
pub(super) struct Player {
    pub(super) scenario: Arc<Scenario>,
    pub(super) setting: Setting,
    pub(super) world: Big,
    /// By CPU.
    pub(super) stacks: Vec<Stack>,
    /// By CPU: how many operations of its program are done.
    pub(super) pcs: Vec<usize>,
    /// What the last move has swept.
    pub(super) swept: Vec<Record>,
}

impl Player {
    /// The scenario at its start.
    pub(super) fn new(scenario: &Scenario, setting: Setting, profile: &Profile) -> Player {
        let cpus = scenario.programs.len();
        let world = Big::stage(scenario, profile);
        let stacks = vec![Stack::default(); cpus];
        Player { scenario: Arc::new(scenario.clone()), setting, world, stacks, pcs: vec![0; cpus], swept: Vec::new() }
    }

    /// The operation that a CPU is in, or comes to next.
    pub(super) fn op(&self, cpu: Cpu) -> Option<Op> {
        let n = usize::from(cpu.0);
        self.scenario.programs[n].get(self.pcs[n]).copied()
    }

    /// Has every program come to its end, and is nothing under way any more?
    pub(super) fn is_done(&self) -> bool {
        let done = |cpu: Cpu| {
            let idle = self.stacks[usize::from(cpu.0)].is_empty() && self.op(cpu).is_none();
            let left = self.world.broadcast_pending(cpu) || self.world.may_let_go(cpu);
            idle && !self.world.interrupt_pending(cpu) && !left
        };
        self.cpus().all(done)
    }

    pub(super) fn cpus(&self) -> impl Iterator<Item = Cpu> + use<> {
        (0..self.stacks.len() as u16).map(Cpu)
    }

    /// Lets the lowest CPU that can go on do so; broadcasts are delivered, and CPUs tick, when none can. None: nobody can go on.
    pub(super) fn make_any(&mut self, heard: &mut Recorder) -> Option<Move> {
        for cpu in self.cpus() {
            if self.make(Move::Interrupt(cpu), heard) {
                return Some(Move::Interrupt(cpu));
            }
            if self.make(Move::Step(cpu), heard) {
                return Some(Move::Step(cpu));
            }
        }
        for from in self.cpus() {
            if let Some(to) = self.cpus().find(|&to| self.make(Move::Deliver(from, to), heard)) {
                return Some(Move::Deliver(from, to));
            }
        }
        self.cpus().map(Move::Tick).find(|&tick| self.make(tick, heard))
    }

    /// What a CPU in the middle of something waits for.
    pub(super) fn wait(&self, cpu: Cpu) -> Option<Wait> {
        let mut aside = self.clone();
        let stack = &mut aside.stacks[usize::from(cpu.0)];
        if stack.is_empty() {
            return None;
        }
        let who = Actor { cpu, task: Task(cpu.0) };
        match aside.setting.advance(&mut aside.world, &mut Recorder::default(), who, stack) {
            Progress::Blocked(wait) => Some(wait),
            Progress::Acted | Progress::Finished => None,
        }
    }

    /// Makes a move; false if it is not enabled.
    pub(super) fn make(&mut self, mv: Move, heard: &mut Recorder) -> bool {
        let (cpu, over) = match mv {
            Move::Evict(cpu, page) => {
                let held = self.world.tlb_forget(cpu, page);
                if let Some(entry) = held {
                    gone(heard, cpu, page, entry);
                }
                return held.is_some();
            }
            Move::Deliver(from, to) => {
                self.swept = self.world.records(from).filter(|record| record.is_left_to(to)).copied().collect();
                return self.world.deliver(from, to, &mut |page, entry| gone(heard, to, page, entry));
            }
            Move::Toward(cpu, to) => return self.toward(cpu, to, heard),
            Move::Tick(cpu) => (cpu, Some(Path::Held)),
            Move::Step(cpu) => (cpu, None),
            Move::Interrupt(cpu) => (cpu, Some(Path::Irq)),
        };
        let n = usize::from(cpu.0);
        let stack = &mut self.stacks[n];
        if let Some(path) = over {
            let due = if path == Path::Irq { self.world.interrupt_pending(cpu) } else { self.world.may_let_go(cpu) };
            if !due || stack.irqs_off() {
                return false;
            }
            stack.push(Frame::new(path));
        } else if stack.is_empty() {
            let Some(&op) = self.scenario.programs[n].get(self.pcs[n]) else {
                return false;
            };
            self.world.begin(Task(cpu.0), op);
            stack.push(Frame::entry(&op));
        }
        let in_operation = !stack.frames()[0].path.interrupts();
        let who = Actor { cpu, task: Task(cpu.0) };
        if let Progress::Blocked(_) = self.setting.advance(&mut self.world, heard, who, stack) {
            return false;
        }
        self.pcs[n] += usize::from(stack.is_empty() && in_operation);
        true
    }

    /// Makes a step that turns to `to`, whoever is first by number.
    fn toward(&mut self, cpu: Cpu, to: Cpu, heard: &mut Recorder) -> bool {
        let n = usize::from(cpu.0);
        match self.stacks[n].turn() {
            Some(Turn::Serve) => self.world.serve_first(cpu, to) && self.make(Move::Step(cpu), heard),
            Some(Turn::Post) if self.world.next_target(cpu, to.0) == Some(to) => {
                self.stacks[n].aim(u64::from(to.0));
                let made = self.make(Move::Step(cpu), heard);
                if made && self.stacks[n].aim(0) > u64::from(to.0) {
                    self.world.told(cpu, to);
                }
                made
            }
            _ => false,
        }
    }
}

/// A CPU has lost a translation.
fn gone(heard: &mut Recorder, cpu: Cpu, page: Page, entry: Entry) {
    if !Marks::of(entry).is_clean() {
        heard.window(cpu, page, None);
    }
}
