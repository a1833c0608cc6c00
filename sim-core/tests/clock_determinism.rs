//! Run-ahead changes nothing but the number of events: the same random workload gives the same statistics with and without, and
//! whether or not its accesses are handed out as such.

mod common;
mod random;

use common::{Machine, at, load, order, page, pte, span, store};
use random::{Left, MM};

use sim_core::drive::clock::RunAhead;
use sim_core::drive::clock::source::{Access, Order, Source};
use sim_core::drive::explore::race::Recorder;
use sim_core::machine::testing::prime_profile;
use sim_core::machine::tlb::Entry;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Actor, Backing, Cpu, Rights, Span, Task};
use sim_core::oracle;
use sim_core::policy::{self, OWN, POLICIES, PolicyInfo};
use sim_core::step::era;
use sim_core::step::frame::{Cx, Path, StepId};
use sim_core::world::World;

fn run(policy: &PolicyInfo, seed: u64, cpus: u16, backing: Backing, way: (RunAhead, bool)) -> (Left, u64) {
    let mut clock = random::clock(policy, seed, cpus, backing, way);
    clock.run();
    let turns = clock.turns();
    (random::left(clock), turns)
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
    turns_overlapped: u64,
}

fn agree(policy: &PolicyInfo, backing: Backing, cpus: u16, seeds: std::ops::Range<u64>) -> Sum {
    let mut sum = Sum::default();
    for seed in seeds {
        let (off, turns_off) = run(policy, seed, cpus, backing, (RunAhead::Off, false));
        let overlapped = [1, 100, u64::MAX].map(RunAhead::Overlapped);
        let ahead = [0, 1, 100, u64::MAX].map(RunAhead::Upto).into_iter().chain(overlapped);
        let ways =
            ahead.clone().map(|ahead| (ahead, false)).chain([(RunAhead::Off, true)]).chain(ahead.map(|a| (a, true)));
        for way in ways {
            let (ahead, turns) = run(policy, seed, cpus, backing, way);
            assert!(
                ahead == off,
                "{} with {cpus} CPUs, seed {seed}, {way:?}:\n{:#?}\nwithout:\n{:#?}",
                policy.name,
                ahead.stats,
                off.stats
            );
            match way {
                (RunAhead::Upto(u64::MAX), true) => sum.turns_ahead += turns,
                (RunAhead::Overlapped(u64::MAX), true) => sum.turns_overlapped += turns,
                _ => {}
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
    for policy in POLICIES.iter().chain(OWN).chain(policy::find("latr")) {
        for (cpus, seeds) in [(2, 4), (4, 4), (16, 1)] {
            let sum = agree(policy, backing, cpus, 0..seeds);
            println!("{} {backing:?} {cpus} CPUs: {sum:?}", policy.name);
            assert!(sum.faults > 0 && sum.flushes > 0, "{sum:?}");
            assert!(20 * sum.turns_ahead < 19 * sum.turns_off, "run-ahead saves events: {sum:?}");
            assert!(sum.turns_overlapped != sum.turns_ahead, "some core is left: {sum:?}");
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

/// When the reclaim begins that the cores of [`hot`] are in a race with.
const RECLAIM_AT_CYCLES: u64 = 100_000;

/// Three cores keep using the translation that a call has just forbidden, or allows again, while reclaim has yet to flush it.
fn hot(policy: &'static str, calls: &[Op], first: u64, phase: u64) -> Machine {
    let loads = |cpu| {
        let times = (0..150).map(move |n| RECLAIM_AT_CYCLES + first + phase * u64::from(cpu) + 130 * n);
        times.map(move |time| at(time, order(cpu, load(0)))).collect()
    };
    hot_by(policy, calls, first, loads)
}

/// The same with these loads of each of the three.
fn hot_by(policy: &'static str, calls: &[Op], first: u64, loads: impl Fn(u16) -> Vec<Order>) -> Machine {
    let users: Vec<u16> = (1..16).collect();
    let mut machine = Machine::new(&prime_profile(), &users);
    machine.policy = policy;
    machine.era = "v6.18";
    machine.fill(span(0, 20), Backing::SharedFile, false);
    let list = Op::call(OpKind::Reclaim(MM), span(0, 20));
    machine.plays(0, [at(RECLAIM_AT_CYCLES, order(0, list))]);
    for cpu in [1, 3, 12] {
        // The store sets D, so that later ones hit.
        machine.plays(cpu, [order(cpu, store(100 + u64::from(cpu))), order(cpu, load(0))]);
        machine.plays(cpu, loads(cpu));
    }
    machine.plays(2, calls.iter().map(|&call| at(RECLAIM_AT_CYCLES + first, order(2, call))));
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
        let upto = [1, 100, u64::MAX].map(RunAhead::Upto);
        let overlapped = [1, 100, u64::MAX].map(RunAhead::Overlapped);
        for run_ahead in [RunAhead::Off].into_iter().chain(upto).chain(overlapped) {
            let ahead = run(run_ahead, true);
            assert_eq!(ahead.stats, off.stats, "from {first}, {run_ahead:?}");
            assert_eq!(ahead.ends_cycles(), off.ends_cycles(), "from {first}, {run_ahead:?}");
        }
    }
    assert!(violations > used && used > 0, "{violations} violations, {used} windows used");
}

/// The same of accesses one right behind the other, which a core without run-ahead makes in a loop of its own: what was allowed
/// again less than the lookahead ago is still forbidden.
#[test]
fn promises_bind_accesses_without_a_pause_as_well() {
    let protect = |rights| Op::mprotect(Span::page(0), rights);
    let calls = [protect(Rights::NONE), protect(Rights::READ_WRITE)];
    let loads = |first| {
        move |cpu| {
            let begin = at(RECLAIM_AT_CYCLES + first, order(cpu, load(0)));
            std::iter::once(begin).chain((0..6_000).map(|_| order(cpu, load(0)))).collect()
        }
    };
    let mut violations = 0;
    for first in (2_000..9_000).step_by(500) {
        let run = |run_ahead, hands_out| {
            hot_by("batched", &calls, first, loads(first)).run_by(|script| Worked { script, hands_out }, run_ahead)
        };
        let off = run(RunAhead::Off, false);
        violations += off.stats.violations.values().sum::<u64>();
        for run_ahead in [RunAhead::Off, RunAhead::Upto(100), RunAhead::Overlapped(100)] {
            let handed = run(run_ahead, true);
            assert_eq!(handed.stats, off.stats, "from {first}, {run_ahead:?}");
            assert_eq!(handed.ends_cycles(), off.ends_cycles(), "from {first}, {run_ahead:?}");
        }
    }
    assert!(violations > 0);
}

/// A set of the first level holds two of three pages that a core uses in turn, and what it uses of one is forbidden: who has to leave
/// must be the one used longest ago.
#[test]
fn a_use_that_breaks_a_promise_ages_the_others_as_any_other_does() {
    let run = |run_ahead, hands_out| {
        let mut machine = Machine::new(&prime_profile(), &[1]);
        machine.fill(span(0, 7), Backing::Anon, true);
        for vpn in [0, 3, 6] {
            let (page, frame) = (page(&machine.world, vpn), pte(&machine.world, vpn).frame);
            let entry = Entry { frame: frame.0, writable: true, dirty: true, executable: false, marks: 0 };
            machine.world.tlb_fill(Cpu(1), page, AccessKind::Load, entry, &mut |_, _| {});
        }
        let mut cx = Cx {
            world: &mut machine.world,
            policy: POLICIES[0].strategy,
            era: era::find("v6.18").expect("an era"),
            probe: &mut Recorder::default(),
            acted: false,
            at: StepId { path: Path::Other, pc: 0 },
        };
        oracle::promise(&mut cx, Actor { task: Task(0), cpu: Cpu(0) }, span(0, 1), Rights::NONE, false);
        machine.plays(1, (0..20).flat_map(|_| [0, 3, 3, 0, 3, 6]).map(|vpn| order(1, load(vpn))));
        machine.run_by(|script| Worked { script, hands_out }, run_ahead)
    };
    let off = run(RunAhead::Off, false);
    assert_eq!(off.stats.violations.values().sum::<u64>(), 40);
    let ways = [100, u64::MAX].map(|cycles| [RunAhead::Upto(cycles), RunAhead::Overlapped(cycles)]);
    for run_ahead in ways.into_iter().flatten() {
        let ahead = run(run_ahead, true);
        assert_eq!(ahead.stats, off.stats, "{run_ahead:?}");
        assert_eq!(ahead.ends_cycles(), off.ends_cycles(), "{run_ahead:?}");
    }
}

/// Cores whose loads are of three pages of a set of two ways, each so often in turn: the first time the first level has it no more, and the
/// second serves it in a few cycles.
fn missing_the_first_level(cpus: &[u16], users: &[u16], (loads, each): (u64, u64)) -> Machine {
    let mut profile = prime_profile();
    (profile.tlb.stlb_hit_cyc, profile.cache.l1_cyc) = (2, 1);
    let mut machine = Machine::new(&profile, users);
    machine.fill(span(0, 10), Backing::Anon, true);
    for &cpu in cpus {
        machine.plays(cpu, (0..loads).map(|n| order(cpu, load(n / each % 3 * 3))));
    }
    machine
}

/// Two of them are left at every third load; and go on when the other is left, not only when they are the earliest.
#[test]
fn a_core_that_is_left_goes_on_before_it_is_the_earliest() {
    const LEFT: u64 = 300;
    let run = |run_ahead| {
        let machine = missing_the_first_level(&[1, 2], &[1, 2], (3 * LEFT, 3));
        machine.run_by(|script| Worked { script, hands_out: true }, run_ahead)
    };
    let (off, ahead, overlapped) = (run(RunAhead::Off), run(RunAhead::Upto(100)), run(RunAhead::Overlapped(100)));
    assert_eq!((&overlapped.stats, overlapped.ends_cycles()), (&off.stats, off.ends_cycles()));
    let (turns, if_not) = (overlapped.turns(), ahead.turns());
    assert!(if_not < turns && turns < LEFT / 2, "{turns} turns, {if_not} if nobody is left");
}

/// Shootdowns of another page, and of one that is loaded.
#[test]
fn interrupts_come_to_cores_that_are_left_as_to_any() {
    let mut interrupts = 0;
    for first in (200..1_200).step_by(9) {
        let run = |run_ahead| {
            let mut machine = missing_the_first_level(&[1, 3, 12], &[1, 2, 3, 12], (4_000, 1));
            machine.policy = "immediate";
            let rights = [Rights::READ, Rights::READ_WRITE].into_iter().cycle();
            let calls = rights.zip([9, 9, 3, 3, 0, 0, 9, 9]).map(|(rights, vpn)| Op::mprotect(Span::page(vpn), rights));
            machine.plays(2, [9, 0].map(|vpn| order(2, store(vpn))));
            machine.plays(2, calls.map(|call| at(first, order(2, call))));
            machine.run_by(|script| Worked { script, hands_out: true }, run_ahead)
        };
        let off = run(RunAhead::Off);
        interrupts += off.stats.ipis_received;
        for run_ahead in [7, 100, u64::MAX].map(RunAhead::Overlapped) {
            let overlapped = run(run_ahead);
            assert_eq!(overlapped.stats, off.stats, "from {first}, {run_ahead:?}");
            assert_eq!(overlapped.ends_cycles(), off.ends_cycles(), "from {first}, {run_ahead:?}");
        }
    }
    assert!(interrupts > 1_000, "{interrupts}");
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
