//! A given interleaving in cycles: the moves of a witness, in their order, at the prices of a machine.
//!
//! The order is the witness's, so no core is asked what comes first. A move starts when its CPU is ready, not before the
//! move in front of it has started, and not before what it waits for is there: an interrupt, a lock or a flag. (An
//! acknowledgement is a move of its own that takes no time: the order is enough for it.) Where munmap leaves flushes to ticks, a CPU
//! sweeps, and lets go, at the next tick after that, at the times at which the clock has them too.

mod player;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::drive::clock::along::player::Player;
use crate::drive::clock::look::{Doing, Look, next_steps, running};
use crate::drive::clock::price::{Prices, Unpriced};
use crate::drive::clock::source::{Order, What};
use crate::drive::clock::stats::Stats;
use crate::drive::clock::ticks::Ticks;
use crate::drive::engine::{Setting, Stack};
use crate::drive::explore::race::{Move, Recorder, Violation};
use crate::machine::profile::Profile;
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{Actor, Cpu, Lock, Task};
use crate::policy::Touch;
use crate::step::era::Mechanism;
use crate::step::frame::{Act, StepId, Wait};
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

/// When things that others wait for are there, in cycles.
#[derive(Clone, Debug, Default)]
struct Times {
    ready: Vec<u64>,
    arrival: Vec<u64>,
    released: FxHashMap<Lock, (u64, Cpu)>,
    set: FxHashMap<u8, u64>,
    /// When what a CPU has broadcast is done.
    broadcast: Vec<u64>,
    /// If the policy leaves flushes to ticks.
    ticks: Option<Ticks>,
    /// When the last tick of a CPU was over, as far as it has come.
    ticked: Vec<u64>,
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
    let mut along = Along::new(scenario, setting, profile, moves)?;
    let mut out = Vec::new();
    while let Some(timed) = along.step()? {
        out.push(timed);
    }
    Ok(out)
}

/// An interleaving that is made move by move. A clone goes on by itself, and in the same way.
#[derive(Clone, Debug)]
pub struct Along {
    /// What was measured.
    pub stats: Stats,
    player: Player,
    prices: Prices,
    times: Times,
    moves: Arc<[Move]>,
    /// The next of them.
    next: usize,
    /// Where a move cannot be made, or there are no more, the CPUs go on by themselves.
    goes_on: bool,
    /// When the last move started.
    now: u64,
    /// When all is over, once it is.
    end: Option<u64>,
    /// By CPU: the operation under way.
    orders: Vec<Option<Order>>,
    /// Operations that have begun.
    begun: u64,
    reclaims: u64,
}

impl Along {
    /// Moves of a scenario, none of them made.
    ///
    /// # Errors
    /// If the machine has no prices for the policy.
    pub fn new(scenario: &Scenario, setting: Setting, profile: &Profile, moves: &[Move]) -> Result<Along, Unpriced> {
        let cpus = scenario.programs.len();
        let prices = Prices::new(profile, &setting.era, cpus as u16)?;
        let ticks = setting.policy.defers_unmap().then(|| Ticks { period_cycles: profile.tick_cycles() });
        if ticks.is_some() && setting.era.mechanism == Mechanism::Broadcast {
            return Err(Unpriced::Ticks);
        }
        let zero = || vec![0; cpus];
        let times =
            Times { ready: zero(), arrival: zero(), broadcast: zero(), ticked: zero(), ticks, ..Times::default() };
        let mut along = Along {
            stats: Stats::new(cpus as u16),
            player: Player::new(scenario, setting, profile),
            prices,
            times,
            moves: moves.into(),
            next: 0,
            goes_on: false,
            now: 0,
            end: None,
            orders: vec![None; cpus],
            begun: 0,
            reclaims: 0,
        };
        along.end_if_over();
        Ok(along)
    }

    /// The same moves as far as they go, for those of another policy: while one has to wait the lowest CPU that can go on does so,
    /// and one that means nothing here is passed over. After the last of them, too, the lowest CPU that can go on does so, until all
    /// programs are done.
    #[must_use]
    pub fn and_on(mut self) -> Along {
        (self.goes_on, self.end) = (true, None);
        self.end_if_over();
        self
    }

    /// Makes the next move. None: nothing is left; windows that are open then stay so.
    ///
    /// # Errors
    /// If it is not enabled, and nobody else is to go on.
    pub fn step(&mut self) -> Result<Option<Timed>, Unplayable> {
        if self.end.is_some() {
            return Ok(None);
        }
        let interrupted: Vec<bool> = self.player.stacks.iter().map(Stack::in_interrupt).collect();
        let mut heard = Recorder::default();
        let Some(mv) = self.make_next(&mut heard)? else {
            self.over();
            return Ok(None);
        };
        let n = usize::from(mv.cpu().0);
        let own = matches!(mv, Move::Step(_) | Move::Toward(..)) && !interrupted[n];
        let begins = own && self.orders[n].is_none();
        let timed = self.price(mv, begins, heard);
        self.end_if_over();
        Ok(Some(timed))
    }

    /// Makes the next move, or what comes in its place; none: nobody can go on.
    fn make_next(&mut self, heard: &mut Recorder) -> Result<Option<Move>, Unplayable> {
        while let Some(&mv) = self.moves.get(self.next) {
            let n = usize::from(mv.cpu().0);
            if n < self.player.stacks.len() && self.player.make(mv, heard) {
                self.next += 1;
                return Ok(Some(mv));
            }
            if !self.goes_on {
                return Err(Unplayable::Disabled(self.next));
            }
            let waits = matches!(mv, Move::Step(_)) && !self.player.stacks[n].is_empty();
            if waits && let Some(meanwhile) = self.player.make_any(heard) {
                return Ok(Some(meanwhile));
            }
            self.next += 1;
        }
        Ok(if self.goes_on { self.player.make_any(heard) } else { None })
    }

    /// The times of a move that has been made, and what it adds to the statistics.
    fn price(&mut self, mv: Move, begins: bool, heard: Recorder) -> Timed {
        let (cpu, times) = (mv.cpu(), &mut self.times);
        let n = usize::from(cpu.0);
        let who = Actor { cpu, task: Task(cpu.0) };
        let mut start = match mv {
            Move::Deliver(..) | Move::Tick(_) if times.ticks.is_some() => times.tick(n, self.now),
            // No core has a part in it.
            Move::Deliver(from, _) => self.now.max(times.broadcast[usize::from(from.0)]),
            Move::Interrupt(_) => self.now.max(times.ready[n]).max(times.arrival[n]),
            _ => self.now.max(times.ready[n]),
        };
        for &(_, act, _) in &heard.acts {
            start = start.max(times.there(&mut self.prices, cpu, act, start));
        }
        if begins {
            self.begin(cpu, start);
        }
        for &(holder, page, class) in &heard.windows {
            self.stats.window(holder, page, class, start);
        }
        for violation in &heard.violations {
            self.stats.violated(violation.cpu, violation.page, violation.class, start);
        }
        let (mut now, ready) = (start, self.times.ready[n]);
        for &(_, act, at) in &heard.acts {
            let cycles = self.prices.price(who, &act, at, now, &self.player.world);
            match act {
                Act::FlushBegin { request, .. } => {
                    let op = self.player.world.op(who.task);
                    self.stats.flush_value(request, Some(What::Op(op)), &mut self.player.world);
                }
                Act::FlushEnd(_) => self.stats.waited(cpu, Wait::Acks, start - ready, start),
                Act::Lock(lock) => self.stats.waited(cpu, Wait::Lock(lock), start - ready, start),
                Act::Broadcast(_) if self.times.ticks.is_none() => self.stats.broadcasts += 1,
                _ => {}
            }
            now += cycles;
            self.stats.act(who, &act, at, now, cycles, &self.player.world);
            self.times.heard(&self.prices, &self.player.world, cpu, act, now);
        }
        if self.times.ticks.is_some() && matches!(mv, Move::Deliver(..) | Move::Tick(_)) {
            now = self.sweep(mv, now);
        }
        if !matches!(mv, Move::Deliver(..)) {
            self.times.ready[n] = now;
        }
        self.now = start;
        self.end_operation(cpu, now);
        let acts = heard.acts.into_iter().map(|(_, act, at)| (act, at)).collect();
        Timed { mv, start_cycles: start, length_cycles: now - start, acts, violations: heard.violations }
    }

    /// The part of a tick that a move is, from this time on. Returns when it is over.
    fn sweep(&mut self, mv: Move, start: u64) -> u64 {
        let (n, mut now) = (usize::from(mv.cpu().0), start);
        if let Move::Deliver(from, to) = mv {
            now += self.prices.look_for_records((to, now), from, &self.player.world);
            for record in &self.player.swept {
                now += self.prices.sweep_record((to, now), from, record);
            }
            self.stats.swept(to, from, self.player.swept.len() as u64, (now, now - start));
            self.times.ready[n] = now;
        }
        self.times.ticked[n] = now;
        now
    }

    /// An operation of a CPU begins.
    fn begin(&mut self, cpu: Cpu, now: u64) {
        let op = self.player.world.op(Task(cpu.0));
        self.begun += 1;
        let cycle = matches!(op.kind, OpKind::Reclaim(_) | OpKind::Pageout).then_some(self.begun);
        let order = Order { task: Task(cpu.0), what: What::Op(op), not_before: 0, work: 0, tag: 0, cycle };
        self.orders[usize::from(cpu.0)] = Some(order);
        self.stats.begin(cpu, &order, now);
    }

    /// Has an operation of a CPU ended?
    fn end_operation(&mut self, cpu: Cpu, now: u64) {
        let n = usize::from(cpu.0);
        let Some(order) = self.orders[n].take_if(|_| self.player.stacks[n].is_empty()) else { return };
        self.stats.done(cpu, &order, now);
        if let What::Op(Op { kind: OpKind::Reclaim(_) | OpKind::Pageout | OpKind::Kswapd, .. }) = order.what {
            self.reclaims += 1;
        }
    }

    fn end_if_over(&mut self) {
        let given = self.next < self.moves.len();
        let over = match self.goes_on {
            false => !given,
            true if self.player.is_done() => true,
            // Aside, since to look is to go on.
            true => !given && self.player.clone().make_any(&mut Recorder::default()).is_none(),
        };
        if over {
            self.over();
        }
    }

    fn over(&mut self) {
        self.end = Some(self.times.ready.iter().copied().max().unwrap_or(0).max(self.now));
    }
}

/// What a view sees of it.
impl Along {
    /// The world.
    pub fn world(&self) -> &Big {
        &self.player.world
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.player.scenario
    }

    /// When the last move started, in cycles.
    pub fn now_cycles(&self) -> u64 {
        self.now
    }

    /// When the next one will, in cycles; none: nothing is left, or it cannot be made.
    pub fn next_cycles(&self) -> Option<u64> {
        self.clone().step().ok().flatten().map(|timed| timed.start_cycles)
    }

    /// When all was over, in cycles; none: it is not.
    pub fn end_cycles(&self) -> Option<u64> {
        self.end
    }

    /// Reclaim lists and calls of `MADV_PAGEOUT` that are done.
    pub fn reclaims_done(&self) -> u64 {
        self.reclaims
    }

    /// A look at a CPU.
    pub fn look(&self, cpu: Cpu) -> Look {
        let n = usize::from(cpu.0);
        let stack = &self.player.stacks[n];
        let op = self.player.op(cpu);
        let doing = match self.player.wait(cpu) {
            Some(wait) => Doing::Waiting(wait),
            None if !stack.is_empty() => running(stack),
            None if op.is_none() => Doing::Done,
            None if self.player.scenario.home(cpu).is_none() => Doing::Idle,
            None => Doing::User,
        };
        Look {
            doing,
            op: op.filter(|_| self.orders[n].is_some()),
            task: Some(Task(cpu.0)),
            steps: next_steps(stack),
            ready_cycles: self.times.ready[n],
            interrupt_under_way: false,
        }
    }
}

impl Times {
    /// When a CPU can sweep or let go: in the tick that it is in, or else in the next one.
    fn tick(&self, n: usize, now: u64) -> u64 {
        let (since, ticked) = (now.max(self.ready[n]), self.ticked[n]);
        match self.ticks {
            Some(ticks) if ticked == 0 || ticked != self.ready[n] => ticks.from(since),
            _ => since,
        }
    }

    /// When what an act waits for is there.
    fn there(&self, prices: &mut Prices, cpu: Cpu, act: Act, start: u64) -> u64 {
        match act {
            Act::Lock(lock) => match self.released.get(&lock.plain()) {
                // Nobody waits for what was free already.
                Some(&(at, from)) if at > start => at + prices.handoff_cycles(lock.plain(), from, cpu),
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
                self.released.insert(lock.plain(), (now, cpu));
            }
            Act::Downgrade(mm) => _ = self.released.insert(Lock::MmapWrite(mm), (now, cpu)),
            Act::Flag(flag, Touch::Write) => _ = self.set.entry(flag).or_insert(now),
            Act::Broadcast(request) if self.ticks.is_none() => {
                let (occupies, latency) = prices.broadcast_cycles(request, 0);
                let done = &mut self.broadcast[usize::from(cpu.0)];
                *done = (*done).max(now + occupies + latency);
            }
            Act::Post { to, .. } | Act::Skip(to) if world.is_last_target(cpu, to) => {
                // Every CPU of a scenario is in its program, or spins once that is done.
                for (to, arrival) in prices.arrivals(cpu, now, |_| false) {
                    self.arrival[usize::from(to.0)] = arrival;
                }
            }
            _ => {}
        }
    }
}
