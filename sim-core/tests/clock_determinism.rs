//! Run-ahead changes nothing but the number of events: the same random workload gives the same statistics with and without, and
//! whether or not its accesses are handed out as such.

mod common;

use common::{Machine, at, load, order, span, store};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use sim_core::drive::clock::source::{Access, Order, Source, What};
use sim_core::drive::clock::stats::Stats;
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::Backing;
use sim_core::nouns::types::{AccessKind, Cpu, Mm, Rights, Span, Task};
use sim_core::policy::{POLICIES, PolicyInfo};
use sim_core::step::era::ERAS;
use sim_core::world::big::Big;
use sim_core::world::{Folio, Vma, World};

const MM: Mm = Mm(0);
/// Pages of the first table; as many again are in a second one.
const PAGES: u64 = 12;
/// More than is ever needed: unmapped page cache stays.
const FRAMES: u32 = 1 << 20;

/// One stream of random numbers a core; no core knows of another.
struct Random {
    streams: Vec<ChaCha8Rng>,
    left: Vec<u32>,
    /// Cores go on accessing a few pages for a while, as programs do.
    favourites: Vec<[u64; 3]>,
    /// What takes the last call back, and after how many more orders.
    undo: Vec<Option<(u64, Op)>>,
    reclaim: ChaCha8Rng,
    /// Are accesses handed out as such?
    hands_out: bool,
    /// An order that was not handed out as an access.
    drawn: Vec<Option<Order>>,
}

fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    u64::from(rng.next_u32()) % n
}

fn any_page(rng: &mut ChaCha8Rng) -> u64 {
    let page = below(rng, 2 * PAGES);
    if page < PAGES { page } else { 512 + page - PAGES }
}

impl Random {
    fn new(seed: u64, cpus: u16, orders: u32) -> Random {
        let stream = |n| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(n);
            rng
        };
        Random {
            streams: (0..u64::from(cpus)).map(stream).collect(),
            left: (0..cpus).map(|cpu| if cpu == 0 { orders / 10 } else { orders }).collect(),
            favourites: vec![[0, 1, 2]; usize::from(cpus)],
            undo: vec![None; usize::from(cpus)],
            reclaim: stream(1 << 20),
            hands_out: false,
            drawn: vec![None; usize::from(cpus)],
        }
    }

    /// A call, and the one that takes it back a little later, if it needs one.
    fn call(rng: &mut ChaCha8Rng) -> (Op, Option<Op>) {
        let span = Span { first: any_page(rng), pages: 1 + below(rng, 4) };
        let protect = |rights| (Op::mprotect(span, rights), Some(Op::mprotect(span, Rights::READ_WRITE)));
        let map = Op { rights: Rights::READ_WRITE, ..Op::call(OpKind::Mmap(Backing::SharedFile), span) };
        match below(rng, 8) {
            0..2 => protect(Rights::READ),
            2..4 => protect(Rights::NONE),
            4..6 => (Op::call(OpKind::Munmap, span), Some(map)),
            6 => (Op::call(OpKind::Dontneed, span), None),
            _ => (Op::call(OpKind::Pageout, span), None),
        }
    }
}

impl Random {
    fn draw(&mut self, cpu: Cpu) -> Option<Order> {
        let n = usize::from(cpu.0);
        let cpus = self.left.len() as u64;
        self.left[n] = self.left[n].checked_sub(1)?;
        let rng = &mut self.streams[n];
        let order =
            |op, work| Order { task: Task(cpu.0), what: What::Op(op), not_before: 0, work, tag: 0, cycle: None };
        if n == 0 {
            // kswapd: the pages are chosen when the list begins.
            let op = Op::call(OpKind::Reclaim(MM), Span::default());
            return Some(order(op, below(rng, 1_000)));
        }
        let work = if below(rng, 8) == 0 { below(rng, 700) } else { 0 };
        match &mut self.undo[n] {
            Some((0, op)) => {
                let op = *op;
                self.undo[n] = None;
                return Some(order(op, 0));
            }
            Some((left, _)) => *left -= 1,
            None if below(rng, 20 * cpus) == 0 => {
                let (op, undo) = Random::call(rng);
                self.undo[n] = undo.map(|undo| (below(rng, 10), undo));
                return Some(order(op, work));
            }
            None => {}
        }
        if below(rng, 60) == 0 {
            let new = any_page(rng);
            self.favourites[n][below(rng, 3) as usize] = new;
        }
        let vpn = self.favourites[n][below(rng, 3) as usize];
        let kind = [AccessKind::Load, AccessKind::Store, AccessKind::Load, AccessKind::Fetch][below(rng, 4) as usize];
        Some(order(Op::access(kind, vpn), work))
    }
}

impl Source for Random {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        let drawn = self.drawn[usize::from(cpu.0)].take();
        drawn.or_else(|| self.draw(cpu))
    }

    fn next_access(&mut self, cpu: Cpu, _now: u64) -> Option<Access> {
        if !self.hands_out || self.drawn[usize::from(cpu.0)].is_some() {
            return None;
        }
        let order = self.draw(cpu)?;
        let access = order.access();
        if access.is_none() {
            self.drawn[usize::from(cpu.0)] = Some(order);
        }
        access
    }

    fn begin(&mut self, cpu: Cpu, order: &Order, world: &mut Big, _now: u64) {
        if cpu != Cpu(0) {
            return;
        }
        for _ in 0..12 {
            let vpn = any_page(&mut self.reclaim);
            let Some(page) = world.page(MM, vpn) else { continue };
            let Some(pte) = world.pte(page).present() else { continue };
            let folio = world.folio(pte.frame);
            if !folio.isolated {
                let isolated = Folio { isolated: true, ..folio };
                world.set_folio(pte.frame, isolated);
                world.isolate(order.task, page, pte.frame);
            }
        }
    }
}

/// Everything a run leaves behind.
#[derive(Debug, PartialEq)]
struct Left {
    end_cycles: u64,
    ends_cycles: Vec<u64>,
    stats: Stats,
    pages: Vec<String>,
}

fn run(
    policy: &PolicyInfo,
    seed: u64,
    cpus: u16,
    backing: Backing,
    (run_ahead, hands_out): (RunAhead, bool),
) -> (Left, u64) {
    let profile = prime_profile();
    let mut world = Big::new(&profile, cpus, FRAMES);
    world.add_mm();
    for cpu in 0..cpus {
        // CPU 0 is kswapd: a kernel thread.
        world.add_task((cpu > 0).then_some(MM));
        if cpu > 0 {
            world.switch_mm(Cpu(cpu), Some(MM), false, &mut |_, _| {});
        }
    }
    for first in [0, 512] {
        let vma = Vma { mapped: true, rights: Rights::READ_WRITE, backing };
        world.map(MM, Span { first, pages: PAGES }, vma);
    }
    let setting = Setting { policy: policy.strategy, era: ERAS[seed as usize % ERAS.len()] };
    let source = Random { hands_out, ..Random::new(seed, cpus, 3_000) };
    let mut clock = Clock::new(world, source, setting, &profile, run_ahead).expect("priced");
    clock.stats.flush_lines = Some(Vec::new());
    let end_cycles = clock.run();
    let turns = clock.turns();
    let world = &clock.world;
    let page = |vpn| {
        let page = world.page(MM, vpn)?;
        let held: Vec<_> = (0..cpus).map(|cpu| world.tlb_peek(Cpu(cpu), page)).collect();
        Some(format!("{vpn}: {:?} {:?} {held:?}", world.pte(page), world.promise(page)))
    };
    let left = Left {
        end_cycles,
        ends_cycles: clock.ends_cycles(),
        pages: (0..PAGES).chain(512..512 + PAGES).filter_map(page).collect(),
        stats: clock.stats,
    };
    (left, turns)
}

/// What the runs of one policy did in all.
#[derive(Debug, Default)]
struct Sum {
    violations: u64,
    windows: usize,
    faults: u64,
    flushes: u64,
    turns_off: u64,
    turns_ahead: u64,
}

fn agree(policy: &PolicyInfo, backing: Backing, cpus: u16, seeds: std::ops::Range<u64>) -> Sum {
    let mut sum = Sum::default();
    for seed in seeds {
        let (off, turns_off) = run(policy, seed, cpus, backing, (RunAhead::Off, false));
        let ahead = [1, 100, u64::MAX].map(RunAhead::Upto);
        let ways = ahead
            .map(|ahead| (ahead, false))
            .into_iter()
            .chain([RunAhead::Off].into_iter().chain(ahead).map(|a| (a, true)));
        for way in ways {
            let (ahead, turns) = run(policy, seed, cpus, backing, way);
            assert!(
                ahead == off,
                "{} with {cpus} CPUs, seed {seed}, {way:?}:\n{:#?}\nwithout:\n{:#?}",
                policy.name,
                ahead.stats,
                off.stats
            );
            if way == (RunAhead::Upto(u64::MAX), false) {
                sum.turns_ahead += turns;
            }
        }
        sum.turns_off += turns_off;
        sum.violations += off.stats.violations.values().sum::<u64>();
        sum.windows += off.stats.windows.values().map(|w| w.lengths_cycles.len()).sum::<usize>();
        sum.faults += off.stats.faults;
        sum.flushes += off.stats.flushes.values().sum::<u64>();
    }
    sum
}

/// The policies, over one kind of memory.
fn agree_for_each_policy(backing: Backing) {
    for policy in POLICIES {
        for (cpus, seeds) in [(2, 4), (4, 4), (16, 1)] {
            let sum = agree(policy, backing, cpus, 0..seeds);
            println!("{} {backing:?} {cpus} CPUs: {sum:?}", policy.name);
            assert!(sum.faults > 0 && sum.flushes > 0, "{sum:?}");
            assert!(20 * sum.turns_ahead < 19 * sum.turns_off, "run-ahead saves events: {sum:?}");
        }
    }
}

#[test]
fn run_ahead_changes_nothing_but_the_number_of_events_over_anonymous_memory() {
    agree_for_each_policy(Backing::Anon);
}

#[test]
fn run_ahead_changes_nothing_but_the_number_of_events_over_page_cache() {
    agree_for_each_policy(Backing::SharedFile);
}

/// Three cores keep using the translation that a call has just forbidden, or allows again, while reclaim has yet to flush it.
fn hot(policy: &'static str, calls: &[Op], first: u64, phase: u64) -> Machine {
    let users: Vec<u16> = (1..16).collect();
    let mut machine = Machine::new(&prime_profile(), &users);
    machine.policy = policy;
    machine.era = "v6.18";
    machine.fill(span(0, 20), Backing::SharedFile, false);
    let reclaim = 100_000;
    let list = Op::call(OpKind::Reclaim(MM), span(0, 20));
    machine.plays(0, [at(reclaim, order(0, list))]);
    for cpu in [1, 3, 12] {
        // The store sets D, so that later ones hit.
        machine.plays(cpu, [order(cpu, store(100 + u64::from(cpu))), order(cpu, load(0))]);
        let loads = (0..150).map(|n| at(reclaim + first + phase * u64::from(cpu) + 130 * n, order(cpu, load(0))));
        machine.plays(cpu, loads);
    }
    machine.plays(2, calls.iter().map(|&call| at(reclaim + first, order(2, call))));
    machine
}

/// A script whose accesses come after user work, instead of at a time of their own.
struct Worked {
    script: common::Script,
    hands_out: bool,
}

impl Source for Worked {
    fn next(&mut self, cpu: Cpu, now: u64) -> Option<Order> {
        let order = self.script.next(cpu, now)?;
        let work = order.not_before.saturating_sub(now);
        let access = Order { not_before: 0, work, ..order }.access();
        Some(access.map_or(order, Order::from))
    }

    fn next_access(&mut self, cpu: Cpu, now: u64) -> Option<Access> {
        let next = self.script.peek(cpu).filter(|_| self.hands_out)?;
        Order { not_before: 0, ..*next }.access()?;
        self.next(cpu, now)?.access()
    }
}

#[test]
fn promises_bind_accesses_that_are_handed_out_as_well() {
    let page = Span::page(0);
    let protect = |rights| Op::mprotect(page, rights);
    let calls = [protect(Rights::NONE), protect(Rights::READ_WRITE)];
    let (mut violations, mut used) = (0, 0);
    for (first, phase) in (2_000..9_000).step_by(100).zip((7..).step_by(13)) {
        let run = |run_ahead, hands_out| {
            hot("batched", &calls, first, phase).run_by(|script| Worked { script, hands_out }, run_ahead)
        };
        let off = run(RunAhead::Off, false);
        violations += off.stats.violations.values().sum::<u64>();
        used += off.stats.windows.values().map(|windows| windows.used).sum::<u64>();
        for cycles in [0, 1, 100, u64::MAX] {
            let ahead = run(if cycles == 0 { RunAhead::Off } else { RunAhead::Upto(cycles) }, true);
            assert_eq!(ahead.stats, off.stats, "from {first}, {cycles} ahead");
            assert_eq!(ahead.ends_cycles(), off.ends_cycles(), "from {first}, {cycles} ahead");
        }
    }
    assert!(violations > used && used > 0, "{violations} violations, {used} windows used");
}

#[test]
fn promises_bind_all_cores_at_the_same_time_however_far_they_run_ahead() {
    let page = Span::page(0);
    let protect = |rights| Op::mprotect(page, rights);
    let unmap = Op::call(OpKind::Munmap, page);
    let sequences = [
        vec![unmap],
        vec![protect(Rights::NONE)],
        vec![protect(Rights::NONE), protect(Rights::READ_WRITE)],
        vec![protect(Rights::NONE), unmap],
        vec![protect(Rights::NONE), protect(Rights::READ), unmap],
    ];
    for policy in POLICIES {
        let (mut violations, mut saved) = (0, 0);
        for calls in &sequences {
            for (first, phase) in (2_000..9_000).step_by(700).zip((7..).step_by(13)) {
                let off = hot(policy.name, calls, first, phase).run();
                violations += off.stats.violations.values().sum::<u64>();
                for cycles in [1, 100, u64::MAX] {
                    let ahead = hot(policy.name, calls, first, phase).run_ahead(RunAhead::Upto(cycles));
                    let what = format!("{} {calls:?} from {first}, {cycles} ahead", policy.name);
                    assert_eq!(ahead.stats, off.stats, "{what}");
                    assert_eq!(ahead.source.ran, off.source.ran, "{what}");
                    assert!(ahead.turns() <= off.turns());
                    saved += off.turns() - ahead.turns();
                }
            }
        }
        println!("{}: {violations} violations, {saved} events saved", policy.name);
        let silent = ["clean-only", "batched", "local-only"].contains(&policy.name);
        assert!(violations == 0 || silent, "{}: {violations}", policy.name);
        assert!(violations > 0 || policy.name != "batched");
        assert!(saved > 0);
    }
}
