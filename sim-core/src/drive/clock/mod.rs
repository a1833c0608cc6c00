//! The clock: the earliest core goes next, and every act is charged in cycles.
//!
//! A core that only hits its own TLB may run ahead of the others by the lookahead: nobody can reach it sooner than the
//! shortest coherence latency. A promise made at T therefore binds the core that made it at once and the others from
//! T + lookahead, whatever the run-ahead in force, so results do not depend on it.

mod ahead;
pub mod along;
mod cores;
pub mod cycles;
mod device;
mod events;
mod fabric;
pub mod log;
pub mod look;
mod overlap;
pub mod price;
mod recent;
mod settle;
pub mod source;
pub mod stats;
mod steps;
mod ticks;
pub mod timeline;
mod victim;
mod waiters;
mod windows;

use crate::drive::clock::cores::{Core, Looked, State};
use crate::drive::clock::device::Device;
use crate::drive::clock::fabric::Fabric;
use crate::drive::clock::overlap::Overlap;
use crate::drive::clock::price::{Prices, Unpriced};
use crate::drive::clock::recent::Recent;
use crate::drive::clock::source::{Access, Order, Source, What};
use crate::drive::clock::stats::Stats;
use crate::drive::clock::ticks::Ticks;
use crate::drive::clock::waiters::Queues;
use crate::drive::engine::{Progress, Setting, Stack};
use crate::drive::tournament::Tournament;
use crate::machine::profile::Profile;
use crate::nouns::op::OpKind;
use crate::nouns::types::{AccessKind, Actor, Cpu, Page, Task};
use crate::oracle::{Class, Marks};
use crate::step::era::Mechanism;
use crate::step::frame::{Act, Frame, Path, Probe, StepId, Wait};
use crate::world::big::Big;

/// How far a core may run ahead of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAhead {
    /// Not at all: every access goes through the event tree.
    Off,
    /// By at most this many cycles, and never more than the profile's lookahead; by one at least, since of two cores that are at the
    /// same time each would wait for the other. Where the TLBs are large, lookups in their second levels overlap (`overlap.rs`).
    Upto(u64),
    /// The same, and they overlap however small the TLBs are.
    Overlapped(u64),
}

/// What a step did, kept until it can be priced.
#[derive(Clone, Default)]
struct Heard {
    acts: Vec<(Actor, Act, StepId)>,
    windows: Vec<(Cpu, Page, Option<Class>)>,
    remarks: Vec<(Cpu, Page, Marks)>,
    /// The class of violation the access of this step is, by the marks of its translation.
    breaks: Option<Class>,
    /// Set by who settles: of its acts, the one after which the source may make the order wait.
    paced: Option<Act>,
    /// Steps of kernel paths, over all transitions.
    kernel_steps: u64,
}

impl Heard {
    /// Has it changed anything about promises?
    #[inline]
    fn has_marks(&self) -> bool {
        !self.windows.is_empty() || !self.remarks.is_empty()
    }
}

impl Probe for Heard {
    fn act(&mut self, who: Actor, act: Act, at: StepId) {
        self.acts.push((who, act, at));
    }

    fn step(&mut self, at: StepId) {
        self.kernel_steps += u64::from(at.path != Path::Access);
    }

    fn marked_use(&mut self, _who: Actor, _page: Page, kind: AccessKind, marks: Marks) {
        self.breaks = marks.breaks(kind);
    }

    fn remarked(&mut self, cpu: Cpu, page: Page, old: Marks) {
        self.remarks.push((cpu, page, old));
    }

    fn window(&mut self, cpu: Cpu, page: Page, class: Option<Class>) {
        self.windows.push((cpu, page, class));
    }
}

/// One transition. Apart, and without a source: so the kernel paths are compiled once, next to the world that they call at every turn.
#[inline(never)]
fn transition(setting: &Setting, world: &mut Big, heard: &mut Heard, who: Actor, stack: &mut Stack) -> Progress {
    setting.advance(world, heard, who, stack)
}

/// A simulation in cycles. A clone goes on by itself, and in the same way.
#[derive(Clone)]
pub struct Clock<S: Source> {
    /// The machine and the kernel.
    pub world: Big,
    /// Where the work comes from.
    pub source: S,
    /// What was measured.
    pub stats: Stats,
    /// Every other CPU that runs the process of a page holds its translation whenever the PTE grants it: as if it did
    /// nothing but touch all pages in turn. Loads only, so that no PTE gets dirty; TLB capacity is no limit.
    pub hot_victims: bool,
    setting: Setting,
    prices: Prices,
    tree: Tournament,
    cores: Vec<Core>,
    /// By core: is it free? Apart, so that events without run-ahead need not look at the core; when it is ready, only the tree knows
    /// then.
    free: Vec<bool>,
    waiters: Queues,
    lookahead_cycles: Option<u64>,
    heard: Heard,
    recent: Recent,
    device: Option<Device>,
    fabric: Fabric,
    /// If the policy leaves flushes to them.
    ticks: Option<Ticks>,
    /// With ticks: when the last step was over that was more than an idle one.
    worked_until: u64,
    /// How many cores have an order that may not begin yet.
    held: u16,
    overlap: Overlap,
    turns: u64,
    /// Steps of kernel paths that acted.
    kernel_acts: u64,
    /// The time of the last event.
    now: u64,
    /// When the last core was done, once all are.
    end: Option<u64>,
}

impl<S: Source> Clock<S> {
    /// A clock over a prepared world.
    ///
    /// # Errors
    /// If the profile has no prices for the mechanism.
    pub fn new(
        world: Big,
        source: S,
        setting: Setting,
        profile: &Profile,
        run_ahead: RunAhead,
    ) -> Result<Clock<S>, Unpriced> {
        let setting = Setting { era: Prices::era_on(profile, setting.era), ..setting };
        let cpus = world.cpus();
        let prices = Prices::new(profile, &setting.era, cpus)?;
        let bound = profile.lookahead_cycles().min(prices.broadcast_cycles_least().unwrap_or(u64::MAX)).max(1);
        let broadcasts = setting.era.mechanism == Mechanism::Broadcast;
        let ticks = setting.policy.defers_unmap().then(|| Ticks { period_cycles: profile.tick_cycles() });
        if broadcasts && ticks.is_some() {
            return Err(Unpriced::Ticks);
        }
        let core = Core::ticking(ticks.map(|ticks| ticks.after(0)));
        let (lookahead_cycles, overlap) = match run_ahead {
            RunAhead::Off => (None, false),
            RunAhead::Upto(cycles) => (Some(cycles), overlap::is_worth_it(&world)),
            RunAhead::Overlapped(cycles) => (Some(cycles), true),
        };
        let mut tree = Tournament::new(if broadcasts { cpus + 2 } else { cpus });
        (0..cpus).for_each(|cpu| tree.set(cpu, 0));
        Ok(Clock {
            world,
            source,
            stats: Stats::new(cpus),
            hot_victims: false,
            setting,
            prices,
            tree,
            cores: vec![core; usize::from(cpus)],
            free: vec![true; usize::from(cpus)],
            waiters: Queues::default(),
            lookahead_cycles: lookahead_cycles.map(|cycles| cycles.clamp(1, bound)),
            heard: Heard::default(),
            recent: Recent::new(bound),
            device: None,
            fabric: Fabric::new(cpus),
            ticks,
            worked_until: 0,
            held: 0,
            overlap: Overlap::new(overlap),
            turns: 0,
            kernel_acts: 0,
            now: 0,
            end: None,
        })
    }

    fn core(&mut self, cpu: Cpu) -> &mut Core {
        &mut self.cores[usize::from(cpu.0)]
    }

    /// When a core is ready, in cycles.
    fn ready_cycles(&self, n: usize) -> u64 {
        if !self.free[n] {
            return self.cores[n].ready;
        }
        self.tree.time_of(n as u16).expect("a free core has an event")
    }

    /// Writes down when a core is ready that may be free, before something happens to it.
    #[inline]
    fn take_up(&mut self, cpu: Cpu) {
        let n = usize::from(cpu.0);
        if self.free[n] {
            (self.cores[n].ready, self.free[n]) = (self.ready_cycles(n), false);
        }
    }

    /// Puts the time of a core's next event into the tree.
    fn schedule(&mut self, cpu: Cpu) {
        self.take_up(cpu);
        self.wind(cpu);
        let core = &self.cores[usize::from(cpu.0)];
        self.free[usize::from(cpu.0)] = core.is_free();
        match core.next_event() {
            Some(time) => self.tree.set(cpu.0, time),
            None => self.tree.clear(cpu.0),
        }
    }

    /// [`Clock::schedule`] for a core that has just had an event: it is in the middle of an operation, as a rule.
    #[inline]
    fn schedule_own(&mut self, cpu: Cpu) {
        let core = &self.cores[usize::from(cpu.0)];
        if core.state == State::Running && !core.stack.is_empty() {
            // Whoever made it run has said when it ticks next.
            debug_assert!(self.ticks.is_none() || core.in_interrupt() || core.tick.is_some());
            debug_assert!(!self.free[usize::from(cpu.0)], "who is in the middle of something was taken up");
            self.tree.set(cpu.0, core.ready);
        } else {
            self.schedule(cpu);
        }
    }

    /// One event of a core: an interrupt if one has arrived, or a tick if one has come, else its next step, else its next order; then what
    /// it does on its own.
    fn turn(&mut self, cpu: Cpu, time: u64) {
        self.turns += 1;
        let core = &self.cores[usize::from(cpu.0)];
        if core.interrupt_due(time) {
            self.interrupt(cpu, time);
        } else if core.tick_due(time) {
            self.tick(cpu, time);
        } else if core.sweeps_from.is_some() {
            self.sweep_on(cpu);
        } else if !core.stack.is_empty() {
            self.core(cpu).state = State::Running;
            self.advance(cpu);
        } else if core.is_left() {
            self.prefetch_turn_after(cpu);
            self.go_on_left(cpu, self.horizon(cpu, time));
        } else if core.order.is_some() {
            self.next_order(cpu);
        } else {
            self.take_up(cpu);
            let horizon = self.horizon(cpu, time);
            self.prefetch_turn_after(cpu);
            if self.hits(cpu, horizon) >= horizon {
                return;
            }
            let core = &self.cores[usize::from(cpu.0)];
            if core.ready == time && core.state == State::Running && !core.is_left() {
                self.next_order(cpu);
            }
        }
        if self.lookahead_cycles.is_some() && self.cores[usize::from(cpu.0)].stack.is_empty() {
            let horizon = self.horizon(cpu, time);
            while self.retires(cpu, horizon) {}
        }
    }

    fn interrupt(&mut self, cpu: Cpu, time: u64) {
        self.core(cpu).arrival = None;
        self.nest(cpu, time, Frame::new(Path::Irq));
        self.advance(cpu);
    }

    /// Puts a path on top of whatever a core is doing.
    fn nest(&mut self, cpu: Cpu, time: u64, frame: Frame) {
        debug_assert!(!self.free[usize::from(cpu.0)], "who is interrupted has something on its way to it");
        let core = &mut self.cores[usize::from(cpu.0)];
        self.held -= u16::from(core.state == State::Held);
        let parked = core.enter_interrupt(time);
        core.stack.push(frame);
        if let Some((wait, cycles)) = parked {
            self.stats.waited(cpu, wait, cycles, time);
            self.leave_queue(cpu, wait);
        }
    }

    /// Takes the next order, or starts the one already taken if its time has come.
    fn next_order(&mut self, cpu: Cpu) {
        let now = self.core(cpu).ready;
        if let Some(order) = self.core(cpu).order {
            return self.start(cpu, &order);
        }
        match self.source.next(cpu, now) {
            Some(order) => self.take(cpu, order, now),
            None => self.core(cpu).state = State::Done,
        }
    }

    /// Takes an order, and starts it if its time has come.
    fn take(&mut self, cpu: Cpu, order: Order, now: u64) {
        let core = self.core(cpu);
        core.order = Some(order);
        core.wait_for(&order, now);
        if core.ready == now {
            self.start(cpu, &order);
        }
    }

    /// Starts the order a core has taken.
    fn start(&mut self, cpu: Cpu, order: &Order) {
        if !self.source.may_begin(order) {
            self.core(cpu).state = State::Held;
            self.held += 1;
            return;
        }
        self.core(cpu).state = State::Running;
        let now = self.core(cpu).ready;
        match order.what {
            What::Op(op) => {
                self.world.begin(order.task, op);
                if self.hot_victims {
                    self.about_to_access(cpu, order.task, op, now);
                }
                self.source.begin(cpu, order, &mut self.world, now);
                self.stats.begin(cpu, order, now);
                if let OpKind::Access(kind) = op.kind
                    && std::mem::take(&mut self.core(cpu).looked) != Looked::Both
                    && let Some(cycles) =
                        self.hit(cpu, Access { task: order.task, kind, vpn: op.span.first, work: 0 }, now)
                {
                    self.core(cpu).ready = now + cycles;
                    return self.order_done(cpu);
                }
                self.core(cpu).stack.push(Frame::entry(&op));
                self.advance(cpu);
            }
            What::Load(mm) => {
                let mut dropped = Vec::new();
                let lazy = self.setting.era.lazy_mask;
                self.world.switch_mm(cpu, mm, lazy, &mut |page, entry| dropped.push((page, entry)));
                for (page, entry) in dropped {
                    if !Marks::of(entry).is_clean() {
                        self.stats.window(cpu, page, None, now);
                    }
                }
                self.switched(cpu);
            }
            What::Unload => {
                self.world.unload_mm(cpu, self.setting.era.lazy_mask);
                self.switched(cpu);
            }
        }
    }

    fn switched(&mut self, cpu: Cpu) {
        let cycles = self.prices.switch_cycles();
        self.core(cpu).ready += cycles;
        self.sweep_all(cpu);
        self.order_done(cpu);
    }

    /// The order of a core is done; orders that waited for that may begin.
    fn order_done(&mut self, cpu: Cpu) {
        let core = self.core(cpu);
        let (order, now) = (core.order.take().expect("an order was under way"), core.ready);
        self.source.done(cpu, &order, &mut self.world, now);
        self.stats.done(cpu, &order, now);
        self.release_held(now);
    }

    /// Orders that could not begin before, and may now, do. The others stay as they are: when they begin is not up to how often they are asked.
    fn release_held(&mut self, now: u64) {
        if self.held == 0 {
            return;
        }
        for cpu in (0..self.world.cpus()).map(Cpu) {
            let core = &self.cores[usize::from(cpu.0)];
            if core.state == State::Held && core.order.is_some_and(|order| self.source.may_begin(&order)) {
                self.held -= 1;
                self.core(cpu).wake(now);
                self.schedule(cpu);
            }
        }
    }

    /// One transition of the model, priced.
    fn advance(&mut self, cpu: Cpu) {
        let Clock { cores, heard, setting, world, .. } = self;
        let core = &mut cores[usize::from(cpu.0)];
        let task = core.order.as_ref().map_or(Task(u16::MAX), |o| o.task);
        let in_interrupt = core.in_interrupt();
        let frames = core.stack.frames();
        let (first, path) = (frames.first().map(|f| f.path), frames.last().map(|f| f.path));
        match transition(setting, world, heard, Actor { cpu, task }, &mut core.stack) {
            Progress::Blocked(wait) => self.park(cpu, wait),
            Progress::Acted | Progress::Finished => self.settle(cpu),
        }
        let core = &self.cores[usize::from(cpu.0)];
        if in_interrupt && !core.stack.in_interrupt() {
            self.leave_interrupt(cpu, path);
        }
        if self.cores[usize::from(cpu.0)].stack.is_empty() && first.is_some_and(|first| !first.interrupts()) {
            self.order_done(cpu);
        }
    }

    /// A step is blocked: its core waits until it may go on.
    fn park(&mut self, cpu: Cpu, wait: Wait) {
        self.core(cpu).park(wait);
        self.join_queue(cpu, wait);
    }

    /// The last step of an interrupt has been made, one of this path.
    fn leave_interrupt(&mut self, cpu: Cpu, path: Option<Path>) {
        let core = self.core(cpu);
        if path == Some(Path::Held) {
            core.ticked = core.ready;
        }
        core.leave_interrupt();
        self.wind(cpu);
    }
}
