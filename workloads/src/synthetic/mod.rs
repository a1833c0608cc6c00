//! Synthetic workloads: one process, its threads and reclaim, in TOML.
//!
//! To add one, put `NAME.toml` into `workloads/synthetic/` and a row into [`WORKLOADS`].

pub mod draw;
mod layout;
mod looped;
pub mod schema;
mod threads;

use std::sync::Arc;

use sim_core::drive::clock::price::Unpriced;
use sim_core::drive::clock::source::{Access, Order, Source, What};
use sim_core::drive::clock::timeline::Timeline;
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::profile::{IpiMode, Profile};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::Backing;
use sim_core::nouns::types::{Cpu, Mm, Pte, Rights, Task};
use sim_core::policy::PolicyInfo;
use sim_core::step::era::Era;
use sim_core::world::big::Big;
use sim_core::world::{Vma, World};
use thiserror::Error;

use crate::error::TextError;
use crate::outcome::{Input, Outcome};
use crate::synthetic::draw::Zipf;
use crate::synthetic::layout::{Layout, backing_of};
use crate::synthetic::looped::Looped;
use crate::synthetic::schema::{Pattern, Workload};
use crate::synthetic::threads::{Kswapd, Programmed, Reclaimer, Thread, User, first_cycle};

/// Events between two reports of progress.
const PROGRESS_EVENTS: u64 = 4096;

/// A workload by name.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// What the command line calls it.
    pub name: &'static str,
    /// The workload, TOML.
    pub text: &'static str,
}

macro_rules! builtin {
    ($name:literal) => {
        Builtin { name: $name, text: include_str!(concat!("../../synthetic/", $name, ".toml")) }
    };
}

/// All workloads, by name.
pub static WORKLOADS: &[Builtin] = &[
    builtin!("alternating"),
    builtin!("flush-range"),
    builtin!("gc-mprotect"),
    builtin!("lru-file-mmap-read"),
    builtin!("mmap-server"),
    builtin!("numa-migration"),
    builtin!("overlap"),
    builtin!("overlap-two-tables"),
    builtin!("pageout-loop"),
    builtin!("pressure"),
    builtin!("purge-dontneed"),
    builtin!("purge-free"),
    builtin!("swap-w-seq-mt"),
    builtin!("tlb_flush1"),
    builtin!("tlb_flush2"),
    builtin!("tlb_flush3"),
];

/// The workload of this name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    WORKLOADS.iter().find(|w| w.name == name)
}

impl Builtin {
    /// The workload, read.
    ///
    /// # Panics
    /// Never: a test reads all of them.
    pub fn workload(&self) -> Synthetic {
        match Synthetic::parse(self.name, self.text) {
            Ok(workload) => workload,
            Err(error) => panic!("built-in workload: {error}"),
        }
    }
}

/// A workload and where it came from.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// Its name and the hash of its text.
    pub input: Input,
    /// What it says.
    pub workload: Workload,
}

/// A run that cannot be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unfit {
    /// The machine is too small.
    #[error("the workload needs {needed} CPUs, expected at most the {there} of the profile")]
    Cpus {
        /// CPUs of the workload.
        needed: u32,
        /// CPUs of the machine.
        there: u32,
    },
    /// The machine does not flush by interrupt.
    #[error(transparent)]
    Unpriced(#[from] Unpriced),
}

/// What a workload is run under.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// The flush policy.
    pub policy: &'static PolicyInfo,
    /// The surrounding kernel.
    pub era: &'a Era,
    /// The machine.
    pub profile: &'a Profile,
    /// Its name and hash.
    pub profile_input: &'a Input,
    /// The seed of all streams.
    pub seed: u64,
    /// How far cores may run ahead; no result depends on it.
    pub run_ahead: RunAhead,
}

impl Synthetic {
    /// Reads a workload; `name` (usually the file) is for error messages.
    ///
    /// # Errors
    /// See [`Workload::parse`].
    pub fn parse(name: &str, text: &str) -> Result<Synthetic, TextError> {
        let workload = Workload::parse(name, text)?;
        Ok(Synthetic { input: Input::new(&workload.name, text.as_bytes()), workload })
    }

    /// Can it be run? Asked before a long series of runs.
    ///
    /// # Errors
    /// Those of [`Synthetic::run`].
    pub fn fits(&self, on: &Conditions<'_>) -> Result<(), Unfit> {
        let world = Big::new(on.profile, self.cpus_of(on.profile)?, u32::MAX);
        Clock::new(world, Nothing, Setting::of(on.policy, *on.era), on.profile, on.run_ahead)?;
        Ok(())
    }

    /// The CPUs it takes of a machine.
    fn cpus_of(&self, profile: &Profile) -> Result<u16, Unfit> {
        let (needed, there) = (self.workload.cpus(), profile.cpus());
        if needed > there {
            return Err(Unfit::Cpus { needed, there });
        }
        // A broadcast goes to the others of the machine even if none of them has anything to do.
        let least = if profile.ipi.mode == IpiMode::NoneForTlb { 2.min(there) } else { 1 };
        Ok(needed.max(least) as u16)
    }

    /// Runs it. `progress` hears now and then how many cycles are done.
    ///
    /// # Errors
    /// If the machine is too small or does not flush by interrupt.
    pub fn run(&self, on: &Conditions<'_>, progress: &mut dyn FnMut(u64)) -> Result<Outcome, Unfit> {
        self.run_noting(on, None, progress)
    }

    /// Runs it and notes what happens when, if there is a timeline to note it in; it comes back with the statistics.
    ///
    /// # Errors
    /// As for [`Synthetic::run`].
    pub fn run_noting(
        &self,
        on: &Conditions<'_>,
        timeline: Option<Timeline>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Outcome, Unfit> {
        let mut clock = self.clock(on)?;
        clock.stats.timeline = timeline.map(Box::new);
        let mut events = 0_u64;
        loop {
            let made = clock.steps(PROGRESS_EVENTS);
            events += made;
            if events >= PROGRESS_EVENTS {
                events = 0;
                progress(clock.now_cycles());
            }
            if made == 0 {
                break;
            }
        }
        let duration_cycles = clock.run();
        Ok(Outcome {
            policy: on.policy.name,
            era: on.era.name,
            profile: on.profile_input.clone(),
            workload: self.input.clone(),
            seed: Some(on.seed),
            reclaim_cycles: clock.source.reclaim_cycles + clock.stats.pressure.reclaim_cycles(),
            threads: self.workload.cores.get_ref().get(),
            rounds: clock.source.rounds,
            census: clock.world.census(),
            duration_cycles,
            stats: clock.stats,
        })
    }

    /// The clock that a run is made on, with nothing run yet.
    ///
    /// # Errors
    /// As for [`Synthetic::run`].
    pub fn clock(&self, on: &Conditions<'_>) -> Result<Clock<Cores>, Unfit> {
        let mut world = Big::new(on.profile, self.cpus_of(on.profile)?, u32::MAX);
        if let Some(memory) = &self.workload.memory {
            world.limit_memory(memory.frames.get_ref().get(), memory.watermarks());
        }
        let source = Cores::new(&self.workload, on.seed, &mut world);
        let swap = self.workload.swap.as_ref().map(|swap| *swap.get_ref());
        let around = self.workload.fault_around_pages.as_ref().map(|pages| pages.get_ref().get());
        let era = Era {
            synchronous_swap: on.era.synchronous_swap && swap.is_none(),
            fault_around_pages: around.unwrap_or(on.era.fault_around_pages),
            ..*on.era
        };
        let setting = Setting::of(on.policy, era);
        let mut clock = Clock::new(world, source, setting, on.profile, on.run_ahead)?;
        if let Some(swap) = swap {
            clock.attach_swap(swap.depth.get(), swap.latency_cycles.get());
        }
        Ok(clock)
    }
}

/// No orders.
struct Nothing;

impl Source for Nothing {
    fn next(&mut self, _cpu: Cpu, _now: u64) -> Option<Order> {
        None
    }
}

/// The orders of all cores.
#[derive(Clone)]
pub struct Cores {
    /// By user: whose threads they are.
    mms: Vec<Mm>,
    duration_cycles: u64,
    users: Vec<(Task, Thread)>,
    /// By user: an order that is drawn and not yet handed out.
    drawn: Vec<Option<Order>>,
    /// By user: the reclaim cycle its next `MADV_PAGEOUT` is.
    pageouts: Vec<u64>,
    loaded: Vec<bool>,
    ended: Vec<bool>,
    reclaimers: Vec<Reclaimer>,
    kswapd: Option<Kswapd>,
    users_left: usize,
    reclaim_cycles: u64,
    rounds: u64,
}

impl Cores {
    fn new(workload: &Workload, seed: u64, world: &mut Big) -> Cores {
        let cores = workload.cores.get_ref().get();
        let processes: Vec<Mm> = (0..workload.processes()).map(|_| world.add_mm()).collect();
        let mms: Vec<Mm> = (0..cores).map(|core| processes[usize::from(core) % processes.len()]).collect();
        let mm = mms[0];
        let vma = Vma { mapped: true, rights: Rights::READ_WRITE, backing: backing_of(workload) };
        let layout = Layout::new(workload);
        if workload.looped.is_some() {
            for core in 0..cores {
                layout.spans_of_core(core).for_each(|span| world.map(mms[usize::from(core)], span, vma));
            }
        }
        for span in layout.spans().filter(|_| workload.looped.is_none()) {
            world.map(mm, span, vma);
            // Written and swapped out before the run: a first load finds content, not the zero page.
            for vpn in span.first..span.end() {
                let page = world.populate(mm, vpn);
                if vma.backing == Backing::Anon {
                    world.pte_xchg(page, Pte::Swap);
                }
            }
        }
        let zipf = workload.user.as_ref().filter(|user| user.pattern == Pattern::Zipf).map(|user| {
            let s = user.zipf_s.as_ref().map_or(0.0, |s| *s.get_ref());
            Arc::new(Zipf::new(workload.pages.get_ref().get(), s))
        });
        let users = (0..cores).map(|core| {
            let mm = mms[usize::from(core)];
            let program = workload.programs.iter().find(|p| *p.core.get_ref() == core);
            let looped = workload.looped.as_ref().map(toml::Spanned::get_ref);
            let thread = match program {
                _ if let Some(spec) = looped => Thread::Looped(Box::new(Looped::new(workload, spec, seed, core, mm))),
                Some(program) => Thread::Programmed(Box::new(Programmed::new(workload, program, seed))),
                None => Thread::User(Box::new(User::new(workload, zipf.clone(), seed, core))),
            };
            (world.add_task(Some(mm)), thread)
        });
        let users: Vec<_> = users.collect();
        let reclaimers = workload.reclaim.iter().map(toml::Spanned::get_ref).flat_map(|spec| {
            let range = cores..cores + spec.cores.get_ref().get();
            range.map(move |core| (spec, core))
        });
        let reclaimers = reclaimers
            .map(|(spec, core)| Reclaimer::new(workload, spec, seed, core, (world.add_task(None), mm)))
            .collect();
        Cores {
            mms,
            duration_cycles: workload.duration_cycles.get_ref().get(),
            pageouts: (0..cores).map(first_cycle).collect(),
            loaded: vec![false; users.len()],
            ended: vec![false; users.len()],
            drawn: vec![None; users.len()],
            kswapd: workload.memory.as_ref().map(|_| Kswapd { task: world.add_task(None), woken: false }),
            users_left: users.len(),
            users,
            reclaimers,
            reclaim_cycles: 0,
            rounds: 0,
        }
    }

    fn users_done(&self) -> bool {
        self.users_left == 0
    }

    fn draw(&mut self, cpu: Cpu, now: u64) -> Option<Order> {
        let over = now >= self.duration_cycles;
        // Rounds and cycles are finished, unless that would take as long again.
        let late = now / 2 >= self.duration_cycles;
        let core = usize::from(cpu.0);
        let Some((task, thread)) = self.users.get_mut(core) else {
            if let Some(kswapd) = &self.kswapd {
                return (kswapd.woken || !self.users_done()).then(|| kswapd.order());
            }
            let reclaimer = self.reclaimers.get_mut(core - self.users.len())?;
            let done = late || (over && reclaimer.between_cycles());
            return (!done).then(|| reclaimer.next());
        };
        let order = |what, work, tag, cycle| Order { task: *task, what, not_before: 0, work, tag, cycle };
        if !std::mem::replace(&mut self.loaded[core], true) {
            return Some(order(What::Load(Some(self.mms[core])), 0, 0, None));
        }
        if late || (over && thread.between_rounds()) {
            self.users_left -= usize::from(!std::mem::replace(&mut self.ended[core], true));
            return None;
        }
        let (op, work) = thread.next();
        let cycle = (op.kind == OpKind::Pageout).then(|| {
            let next = &mut self.pageouts[core];
            *next += 1;
            *next - 1
        });
        Some(order(What::Op(op), work, u32::from(thread.ends_round()), cycle))
    }
}

impl Source for Cores {
    fn next(&mut self, cpu: Cpu, now: u64) -> Option<Order> {
        let drawn = self.drawn.get_mut(usize::from(cpu.0)).and_then(Option::take);
        drawn.or_else(|| self.draw(cpu, now))
    }

    fn next_access(&mut self, cpu: Cpu, now: u64) -> Option<Access> {
        let core = usize::from(cpu.0);
        if self.drawn.get(core)?.is_some() {
            return None;
        }
        let order = self.draw(cpu, now)?;
        let access = order.access();
        if access.is_none() {
            self.drawn[core] = Some(order);
        }
        access
    }

    fn may_begin(&self, order: &Order) -> bool {
        self.kswapd.as_ref().is_none_or(|kswapd| order.task != kswapd.task || kswapd.woken || self.users_done())
    }

    fn kswapd_woken(&mut self) {
        self.kswapd.as_mut().expect("only kswapd is woken").woken = true;
    }

    fn begin(&mut self, cpu: Cpu, order: &Order, world: &mut Big, _now: u64) {
        match order.what {
            What::Op(Op { kind: OpKind::Reclaim(_), .. }) => {
                self.reclaimers[usize::from(cpu.0) - self.users.len()].choose(world);
            }
            What::Op(Op { kind: OpKind::Kswapd, .. }) => {
                self.kswapd.as_mut().expect("kswapd has an order").woken = false;
            }
            _ => {}
        }
    }

    fn done(&mut self, cpu: Cpu, order: &Order, _world: &mut Big, _now: u64) {
        let What::Op(op) = order.what else { return };
        let cycle = match op.kind {
            OpKind::Reclaim(_) => self.reclaimers[usize::from(cpu.0) - self.users.len()].done(),
            OpKind::Pageout => true,
            _ => false,
        };
        self.reclaim_cycles += u64::from(cycle);
        self.rounds += u64::from(order.tag);
    }

    fn reclaim_cycles(&self) -> u64 {
        self.reclaim_cycles
    }
}

#[cfg(test)]
mod tests;
