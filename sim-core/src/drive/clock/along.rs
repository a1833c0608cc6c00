//! A given interleaving in cycles: the moves of a witness, in their order, at the prices of a machine.
//!
//! The order is the witness's, so no core is asked what comes first. A move starts when its CPU is ready, not before the
//! move in front of it has started, and not before what it waits for is there: an interrupt, a lock or a flag. (An
//! acknowledgement is a move of its own that takes no time: the order is enough for it.)

use rustc_hash::FxHashMap;

use crate::drive::clock::price::{Prices, Unpriced};
use crate::drive::clock::waiters::plain;
use crate::drive::engine::{Progress, Setting, Stack, Turn};
use crate::drive::explore::race::{Move, Recorder, Violation};
use crate::machine::profile::Profile;
use crate::nouns::types::{Actor, Cpu, Lock, Task};
use crate::policy::Touch;
use crate::step::frame::{Act, Frame, Path, StepId};
use crate::world::World;
use crate::world::big::Big;
use crate::world::small::Scenario;

/// A move with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Which move.
    pub mv: Move,
    /// When it starts, in cycles.
    pub start_cycles: u64,
    /// How long it takes, in cycles.
    pub length_cycles: u64,
    /// What it did.
    pub acts: Vec<(Act, StepId)>,
    /// Promises it broke.
    pub violations: Vec<Violation>,
}

/// Why an interleaving cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplayable {
    /// The profile has no prices.
    #[error(transparent)]
    Unpriced(#[from] Unpriced),
    /// A move is not enabled where it stands.
    #[error("move {0} cannot be made here; expected the moves of a witness of this scenario, policy and era")]
    Disabled(usize),
}

struct Player<'s> {
    scenario: &'s Scenario,
    setting: Setting,
    world: Big,
    stacks: Vec<Stack>,
    pcs: Vec<usize>,
}

impl Player<'_> {
    /// Makes a move; false if it is not enabled.
    fn make(&mut self, mv: Move, heard: &mut Recorder) -> bool {
        let (cpu, interrupt) = match mv {
            Move::Evict(cpu, page) => return self.world.tlb_forget(cpu, page).is_some(),
            Move::Deliver(from, to) => return self.world.deliver(from, to, &mut |_, _| {}),
            Move::Toward(cpu, to) => return self.toward(cpu, to, heard),
            // Policies that have these have no prices.
            Move::Tick(_) => return false,
            Move::Step(cpu) => (cpu, false),
            Move::Interrupt(cpu) => (cpu, true),
        };
        let n = usize::from(cpu.0);
        let stack = &mut self.stacks[n];
        if interrupt {
            if !self.world.interrupt_pending(cpu) || stack.irqs_off() {
                return false;
            }
            stack.push(Frame::new(Path::Irq));
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

/// When things that others wait for are there, in cycles.
#[derive(Default)]
struct Times {
    ready: Vec<u64>,
    arrival: Vec<u64>,
    released: FxHashMap<Lock, (u64, Cpu)>,
    set: FxHashMap<u8, u64>,
    /// When what a CPU has broadcast is done.
    broadcast: Vec<u64>,
}

/// Runs moves in their order on a machine.
///
/// # Errors
/// If the machine has no prices for interrupts, or a move is not enabled where it stands.
pub fn along(
    scenario: &Scenario,
    setting: Setting,
    profile: &Profile,
    moves: &[Move],
) -> Result<Vec<Timed>, Unplayable> {
    let cpus = scenario.programs.len();
    let mut prices = Prices::new(profile, &setting.era, cpus as u16)?;
    if setting.policy.defers_unmap() {
        return Err(Unpriced::Ticks.into());
    }
    let (world, stacks) = (Big::stage(scenario, profile), vec![Stack::default(); cpus]);
    let mut player = Player { scenario, setting, world, stacks, pcs: vec![0; cpus] };
    let zero = || vec![0; cpus];
    let mut times = Times { ready: zero(), arrival: zero(), broadcast: zero(), ..Times::default() };
    let (mut before, mut out) = (0, Vec::new());
    for (at, &mv) in moves.iter().enumerate() {
        let mut heard = Recorder::default();
        let cpu = mv.cpu();
        if usize::from(cpu.0) >= cpus || !player.make(mv, &mut heard) {
            return Err(Unplayable::Disabled(at));
        }
        let mut start = match mv {
            // No core has a part in it.
            Move::Deliver(from, _) => before.max(times.broadcast[usize::from(from.0)]),
            Move::Interrupt(_) => before.max(times.ready[usize::from(cpu.0)]).max(times.arrival[usize::from(cpu.0)]),
            _ => before.max(times.ready[usize::from(cpu.0)]),
        };
        for &(_, act, _) in &heard.acts {
            start = start.max(times.there(&mut prices, cpu, act, start));
        }
        let mut now = start;
        for &(_, act, at) in &heard.acts {
            now += prices.price(Actor { cpu, task: Task(cpu.0) }, act, at, now, &player.world);
            times.heard(&prices, &player.world, cpu, act, now);
        }
        if !matches!(mv, Move::Deliver(..)) {
            times.ready[usize::from(cpu.0)] = now;
        }
        before = start;
        let acts = heard.acts.into_iter().map(|(_, act, at)| (act, at)).collect();
        out.push(Timed { mv, start_cycles: start, length_cycles: now - start, acts, violations: heard.violations });
    }
    Ok(out)
}

impl Times {
    /// When what an act waits for is there.
    fn there(&self, prices: &mut Prices, cpu: Cpu, act: Act, start: u64) -> u64 {
        match act {
            Act::Lock(lock) => match self.released.get(&plain(lock)) {
                // Nobody waits for what was free already.
                Some(&(at, from)) if at > start => at + prices.handoff_cycles(plain(lock), from, cpu),
                _ => 0,
            },
            Act::Flag(flag, Touch::Read) => self.set[&flag],
            _ => 0,
        }
    }

    /// An act was done by `now`: others may go on.
    fn heard(&mut self, prices: &Prices, world: &Big, cpu: Cpu, act: Act, now: u64) {
        match act {
            Act::Unlock(lock) => {
                self.released.insert(plain(lock), (now, cpu));
            }
            Act::Flag(flag, Touch::Write) => _ = self.set.entry(flag).or_insert(now),
            Act::Broadcast(request) => {
                let (occupies, latency) = prices.broadcast_cycles(request, 0);
                let done = &mut self.broadcast[usize::from(cpu.0)];
                *done = (*done).max(now + occupies + latency);
            }
            Act::Post { to, .. } | Act::Skip(to) if world.is_last_target(cpu, to) => {
                for (to, arrival) in prices.arrivals(cpu, now) {
                    self.arrival[usize::from(to.0)] = arrival;
                }
            }
            _ => {}
        }
    }
}
