//! Plays a script on the clock: faults and calls where and when the recording has them, reclaim as much as the kernel did.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sim_core::drive::clock::price::Unpriced;
use sim_core::drive::clock::source::{Order, Source, What};
use sim_core::drive::clock::stats::Stats;
use sim_core::drive::clock::timeline::Timeline;
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::profile::Profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Cpu, Mm, Span, Task};
use sim_core::step::frame::Act;
use sim_core::world::big::Big;
use sim_core::world::{Vma, World};

use super::assume::{Assumptions, Touched, Unmapping, Victim};
use super::order::{Ends, Unfinished, lists_of, recorded_end, writes_of};
use super::pages::Faults;
use super::script::{Action, Inferred, Item, Script};
use super::settle::{Known, Process, UNSEEN};

/// Nothing recorded uses more pages: 48-bit addresses.
const ALL_PAGES: u64 = 1 << 36;
/// Frames are not what limits a replay: reclaim happens where it was recorded.
const FRAMES_MAX: u32 = 1 << 24;

/// When things happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// At recorded times.
    Recorded,
    /// In program order with the recorded gaps of user time between them; calls take as long as the model says.
    Model,
}

/// What a script is played on.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'p> {
    /// The strategy and the kernel around it.
    pub setting: Setting,
    /// The machine.
    pub profile: &'p Profile,
    /// When things happen.
    pub timing: Timing,
    /// What settles the undecided.
    pub assumptions: Assumptions,
    /// How many copies of the process there are, each with its own address space on its own CPUs.
    pub processes: u16,
}

/// What came out of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What the clock measured, flush lines included; their tags are indices into [`Script::items`], plus the number of items
    /// for each further copy of the process.
    pub stats: Stats,
    /// What had to be inferred, for the first copy.
    pub inferred: Inferred,
    /// Simulated time in cycles.
    pub duration_cycles: u64,
}

/// Replays a script.
///
/// Cores do not run ahead: recorded order ties them to each other.
///
/// # Errors
/// If the profile has no prices for interrupts.
pub fn replay(script: &Script, stage: &Stage<'_>) -> Result<Replayed, Unpriced> {
    replay_noting(script, stage, None)
}

/// Replays a script and notes what happens when, if there is a timeline to note it in; it comes back with the statistics.
///
/// # Errors
/// As for [`replay`].
pub fn replay_noting(script: &Script, stage: &Stage<'_>, timeline: Option<Timeline>) -> Result<Replayed, Unpriced> {
    let mut clock = replay_clock(script, stage)?;
    clock.stats.flush_lines = Some(Vec::new());
    clock.stats.timeline = timeline.map(Box::new);
    let duration_cycles = clock.run();
    let inferred = clock.source.copies[0].process.inferred;
    Ok(Replayed { stats: clock.stats, inferred, duration_cycles })
}

/// The clock that a replay is made on, with nothing replayed yet.
///
/// # Errors
/// As for [`replay`].
pub fn replay_clock<'s>(script: &'s Script, stage: &Stage<'s>) -> Result<Clock<Player<'s>>, Unpriced> {
    let mut world = Big::new(stage.profile, script.cpus.max(1) * stage.processes, FRAMES_MAX);
    let player = Player::new(script, stage, &mut world);
    let mut setting = stage.setting;
    setting.era.synchronous_swap = script.synchronous_swap;
    let mut clock = Clock::new(world, player, setting, stage.profile, RunAhead::Off)?;
    clock.hot_victims = stage.assumptions.victim == Victim::Hot;
    Ok(clock)
}

/// The orders of a recording.
#[derive(Clone)]
pub struct Player<'s> {
    script: &'s Script,
    known: Known<'s>,
    timing: Timing,
    /// What a fault takes at most, if the recording does not show its end.
    fault_ns: u64,
    /// By recorded CPU: the items there.
    queues: Arc<[Vec<u32>]>,
    /// By CPU: how many orders it was given, and when the last of these was over as recorded, in cycles.
    given: Vec<(usize, u64)>,
    ends: Arc<Ends>,
    copies: Vec<Copied>,
    reclaim_cycles: u64,
}

/// One copy of the recorded process.
#[derive(Clone)]
struct Copied {
    process: Process,
    /// By recorded thread.
    tasks: FxHashMap<i32, Task>,
    unfinished: Unfinished,
    /// By list or call under way: folios written, and folios frozen.
    progress: FxHashMap<u32, (u32, u32)>,
    /// By reclaim cycle: items of it that are not done.
    cycle_left: FxHashMap<u32, u32>,
}

impl<'s> Player<'s> {
    fn new(script: &'s Script, stage: &Stage<'s>, world: &mut Big) -> Player<'s> {
        let fault_ns = stage.profile.ns_from_cycles(stage.profile.kernel.minor_fault_anon_cyc);
        let mut queues = vec![Vec::new(); usize::from(script.cpus.max(1))];
        for (index, item) in (0..).zip(&script.items) {
            queues[usize::from(item.cpu)].push(index);
        }
        let ends = Ends::new(&script.items, fault_ns, queues.len());
        let mut cycle_left = FxHashMap::default();
        for cycle in script.items.iter().filter_map(|item| item.cycle) {
            *cycle_left.entry(cycle).or_default() += 1;
        }
        let mut copies = Vec::new();
        for _ in 0..stage.processes {
            let mm = world.add_mm();
            world.map(mm, Span { first: 0, pages: ALL_PAGES }, UNSEEN);
            let mut tasks = FxHashMap::default();
            for item in &script.items {
                tasks.entry(item.tid).or_insert_with(|| world.add_task(Some(mm)));
            }
            copies.push(Copied {
                process: Process::new(mm, script.inferred),
                tasks,
                unfinished: Unfinished::all(&ends, stage.timing == Timing::Recorded),
                progress: FxHashMap::default(),
                cycle_left: cycle_left.clone(),
            });
        }
        Player {
            script,
            known: Known::new(stage.profile, stage.assumptions, Faults::new(&script.items)),
            timing: stage.timing,
            fault_ns,
            queues: queues.into(),
            given: vec![(0, 0); usize::from(world.cpus())],
            ends: Arc::new(ends),
            copies,
            reclaim_cycles: 0,
        }
    }

    /// When the model begins an item.
    fn start_ns(&self, item: &Item) -> u64 {
        if self.known.assumptions.unmapping == Unmapping::Late
            && let Action::Reclaim(_) = item.action
        {
            let first_ns = writes_of(&item.action).next().unwrap_or(item.end_ns);
            return first_ns.saturating_sub(self.known.flush_ns()).max(item.time_ns);
        }
        item.time_ns
    }

    /// The copy and the item an order is of.
    fn of(&self, order: &Order) -> (usize, u32) {
        (order.tag as usize / self.script.items.len(), order.tag % self.script.items.len() as u32)
    }
}

/// How many pages a list without writes freed.
fn clean_list(action: &Action) -> Option<u64> {
    match action {
        Action::Reclaim(list) if list.writes_ns.is_empty() => Some(u64::from(list.stats.reclaimed)),
        _ => None,
    }
}

/// When the thread of an item was back on a CPU that it had left after so many writes and before the next one: it lets go of its
/// CPU between two folios (`cond_resched()` in `shrink_folio_list()`) or two page tables (in the walk of `MADV_PAGEOUT`), so
/// whatever is next comes after that.
fn back_after(item: &Item, writes: u32) -> Option<u64> {
    let mut around = writes_of(&item.action).skip((writes as usize).saturating_sub(1));
    let since_ns = if writes == 0 { Some(item.time_ns) } else { around.next() }?;
    let until_ns = around.next()?;
    let within = lists_of(&item.action).iter().flat_map(|list| &list.away_ns);
    within.filter(|(left_ns, back_ns)| *left_ns >= since_ns && *back_ns <= until_ns).map(|(_, back_ns)| *back_ns).max()
}

/// Is the last of so many writes the last of its list, too?
fn ends_a_list(action: &Action, writes: u32) -> bool {
    let mut written = 0;
    lists_of(action).iter().any(|list| {
        written += list.writes_ns.len();
        writes > 0 && written == writes as usize
    })
}

fn order_of(action: &Action, mm: Mm) -> What {
    match action {
        Action::Fault { vpn, kind, .. } => What::Op(Op::access(*kind, *vpn)),
        Action::Call(op, _) => What::Op(*op),
        Action::Advice { span, .. } | Action::Populate { span, .. } | Action::Extend { span, .. } => {
            What::Op(Op::call(OpKind::Other, *span))
        }
        Action::Reclaim(_) => What::Op(Op::call(OpKind::Reclaim(mm), Span::default())),
        Action::Load => What::Load(Some(mm)),
        Action::Borrow => What::Load(None),
        Action::Unload => What::Unload,
    }
}

impl Source for Player<'_> {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        let cpus = self.queues.len();
        let (copy, recorded_cpu) = (usize::from(cpu.0) / cpus, usize::from(cpu.0) % cpus);
        let (given, last) = self.given[usize::from(cpu.0)];
        let index = *self.queues[recorded_cpu].get(given)?;
        let item = &self.script.items[index as usize];
        let start = self.known.profile.cycles_from_ns(self.start_ns(item));
        let (not_before, work) = match self.timing {
            Timing::Recorded => (start, 0),
            Timing::Model => (0, start.saturating_sub(last)),
        };
        let end = self.known.profile.cycles_from_ns(recorded_end(item, self.fault_ns)).max(last);
        self.given[usize::from(cpu.0)] = (given + 1, end);
        let of = &self.copies[copy];
        let tag = (copy * self.script.items.len()) as u32 + index;
        // Each copy has its own cycles.
        let cycle = item.cycle.map(|cycle| copy as u64 * u64::from(self.script.cycles_numbered) + u64::from(cycle));
        let (task, what) = (of.tasks[&item.tid], order_of(&item.action, of.process.mm));
        Some(Order { task, what, not_before, work, tag, cycle })
    }

    fn begin(&mut self, cpu: Cpu, order: &Order, world: &mut Big, now: u64) {
        let (copy, index) = self.of(order);
        let touches = !self.script.has_faults && self.known.assumptions.touched == Touched::All;
        let (known, process) = (&self.known, &mut self.copies[copy].process);
        let action = &self.script.items[index as usize].action;
        if let Action::Call(op, _) = action
            && touches
            && matches!(
                op.kind,
                OpKind::Munmap | OpKind::Mprotect | OpKind::Dontneed | OpKind::Free | OpKind::Pageout | OpKind::Mremap
            )
        {
            process.populate(world, op.span, true, now);
        }
        if let Action::Call(op, _) = action
            && matches!(op.kind, OpKind::Mprotect | OpKind::Dontneed | OpKind::Free | OpKind::Pageout)
        {
            process.fill_holes(world, op.span);
        }
        match action {
            Action::Fault { vpn, kind, present, .. } => process.before_fault(cpu, world, *vpn, *kind, *present),
            Action::Call(op, lists) if op.kind == OpKind::Pageout => {
                process.before_pageout(known, world, op.span, lists);
            }
            // What a fixed one replaces has been unmapped before; any other was put where nothing is.
            Action::Call(op, _) if matches!(op.kind, OpKind::Mmap(_)) => process.before_mmap(world, op.span),
            // It moved there, so the place was free.
            Action::Call(op, _) if op.kind == OpKind::Mremap => {
                world.set_vma(process.mm, Span { first: op.to, ..op.span }, Vma::default());
            }
            Action::Advice { span, random } => process.random.set(*span, *random),
            Action::Populate { span, write } => process.populate(world, *span, *write, now),
            Action::Extend { like, span } => {
                let vma = world.vma(process.mm, *like);
                world.set_vma(process.mm, *span, vma);
            }
            Action::Reclaim(list) => process.choose_victims(known, world, order.task, list),
            _ => {}
        }
    }

    /// The order of each thread, and recorded order, within each copy.
    fn may_begin(&self, order: &Order) -> bool {
        let (copy, index) = self.of(order);
        self.copies[copy].unfinished.allows(&self.ends, &self.script.items, index)
    }

    /// Folios are written when they were written; those of a list without writes go evenly over its time.
    fn pace(&mut self, order: &Order, act: Act, now: u64) -> u64 {
        let (copy, index) = self.of(order);
        let item = &self.script.items[index as usize];
        // The walk of MADV_PAGEOUT lets others run where it holds no lock; of other calls no recording says that they do.
        let walks = matches!(item.action, Action::Call(Op { kind: OpKind::Pageout, .. }, _));
        if !walks && matches!(act, Act::Lock(_) | Act::Unlock(_)) {
            return now;
        }
        let copy = &mut self.copies[copy];
        let (writes, frozen) = copy.progress.entry(index).or_default();
        let unmapping = self.known.assumptions.unmapping;
        let due_ns = if let Act::Unlock(_) = act {
            back_after(item, *writes)
        } else if let Act::Lock(_) = act {
            // Of the next page table: the walk lets others run when it is done with one.
            back_after(item, *writes).filter(|_| ends_a_list(&item.action, *writes))
        } else if let Act::Write(_) = act {
            *writes += 1;
            let nth = *writes;
            writes_of(&item.action).nth(nth as usize - 1).inspect(|_| copy.unfinished.remove(&self.ends, index, nth))
        } else {
            *frozen += 1;
            let frozen = u64::from(*frozen);
            match unmapping {
                Unmapping::Early => None,
                Unmapping::Evenly => match clean_list(&item.action) {
                    Some(reclaimed) => {
                        let part = u128::from(item.end_ns - item.time_ns) * u128::from(frozen.min(reclaimed));
                        Some(item.time_ns + (part / u128::from(reclaimed + 1)) as u64)
                    }
                    None => back_after(item, *writes).filter(|_| !ends_a_list(&item.action, *writes)),
                },
                Unmapping::Late => writes_of(&item.action)
                    .nth(*writes as usize)
                    .map(|next_ns| next_ns.saturating_sub(self.known.flush_ns())),
            }
        };
        match due_ns {
            Some(due_ns) if self.timing == Timing::Recorded => now.max(self.known.profile.cycles_from_ns(due_ns)),
            _ => now,
        }
    }

    fn done(&mut self, _cpu: Cpu, order: &Order, world: &mut Big, now: u64) {
        let (copy, index) = self.of(order);
        let Item { action, cycle, .. } = &self.script.items[index as usize];
        let copy = &mut self.copies[copy];
        if let Some(left) = cycle.and_then(|cycle| copy.cycle_left.get_mut(&cycle)) {
            *left -= 1;
            self.reclaim_cycles += u64::from(*left == 0);
        }
        copy.unfinished.remove(&self.ends, index, 0);
        // The model may have found fewer pages to write.
        let (written, _) = copy.progress.remove(&index).unwrap_or_default();
        for (_, nth) in writes_of(action).zip(1..).skip(written as usize) {
            copy.unfinished.remove(&self.ends, index, nth);
        }
        let (known, process) = (&self.known, &mut copy.process);
        match *action {
            Action::Fault { vpn, next, present, slept, kind } => {
                if let Some(page) = world.page(process.mm, vpn)
                    && let Some(pte) = world.pte(page).present()
                {
                    let folio = world.folio(pte.frame);
                    process.lru.touched(page, folio, next, now);
                    if !present && !slept && kind != AccessKind::Store && !folio.anon && folio.lru {
                        process.fault_around(known, world, index, vpn, now);
                    }
                }
            }
            Action::Call(op, _) if op.kind == OpKind::Free => process.freed(known, world, index, op.span, now),
            _ => {}
        }
    }

    fn reclaim_cycles(&self) -> u64 {
        self.reclaim_cycles
    }
}
