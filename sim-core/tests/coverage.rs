//! Each step is run by both drivers: there is one text, and neither driver has a copy of its own.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use common::{MM, Machine, load, order, span, store};
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::System;
use sim_core::drive::explore::race::{Race, Recorder};
use sim_core::kernel::path::label;
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Mm, Rights, Span};
use sim_core::policy;
use sim_core::step::era;
use sim_core::step::frame::{Path, StepId};
use sim_core::world::small::Scenario;

const POLICIES: [&str; 5] = ["clean-only", "local-only", "flag-before-clear", "pending-generation", "latr"];
const ERAS: [&str; 2] = ["v4.13", "v6.18"];
const RUNS: u64 = 2000;
const CHILD: Mm = Mm(1);

/// Every kind of operation, on two pages.
fn op(rng: &mut ChaCha8Rng) -> Op {
    let mut below = |n: u32| u64::from(rng.next_u32() % n);
    let vpn = below(2);
    match below(32) {
        0..3 => store(vpn),
        3..5 => load(vpn),
        5 => Op::mprotect(Span::page(vpn), [Rights::READ, Rights::READ_WRITE][below(2) as usize]),
        6 => Op::call(OpKind::Munmap, Span::page(vpn)),
        7 => Op { rights: Rights::READ_WRITE, ..Op::call(OpKind::Mmap(Backing::Anon), Span::page(vpn)) },
        8 => Op::call(OpKind::Dontneed, Span::page(vpn)),
        9 => Op::call(OpKind::Pageout, span(0, 2)),
        10 => Op::mremap(Span::page(vpn), 1 - vpn),
        25 => Op::call(OpKind::Mincore(vpn == 0), Span::page(vpn)),
        28 => Op::call(OpKind::UnmapMapping(MM), Span::page(vpn)),
        26 | 27 => Op::call(OpKind::Gup, Span::page(vpn)),
        18 => Op::call(OpKind::Truncate(MM), Span::page(vpn)),
        17 => Op::call(OpKind::Migrate(MM), Span::page(vpn)),
        15 | 29..32 => Op::call(OpKind::Kswapd, Span::default()),
        21 => Op::ksm((MM, vpn), (MM, 1 - vpn)),
        22 => Op::ksm((MM, vpn), (CHILD, 1 - vpn)),
        23 => Op::call(OpKind::SoftDirty(MM), span(0, 2)),
        24 => Op::call(OpKind::UffdWp, span(0, 2)),
        11 => Op::call(OpKind::Other, Span::page(vpn)),
        12 => Op::call(OpKind::Free, Span::page(vpn)),
        13 => Op::call(OpKind::NumaScan, span(0, 2)),
        14 | 16 => Op::call(OpKind::Writeback(MM), span(0, 2)),
        _ => Op::call(OpKind::Reclaim(MM), span(0, 2)),
    }
}

fn backing(rng: &mut ChaCha8Rng) -> Backing {
    [Backing::Anon, Backing::SharedFile, Backing::Pfn][rng.next_u32() as usize % 3]
}

/// CPU 0 forks once, and the child ends; CPU 1 waits for it to begin.
fn program(rng: &mut ChaCha8Rng, cpu: u16, backing: Backing) -> Vec<Op> {
    // Memory of a driver is not moved: nothing would keep the driver from missing it.
    let may = |op: Op| if backing == Backing::Pfn && op.kind == OpKind::Mremap { load(op.to) } else { op };
    let mut ops: Vec<Op> = (0..6).map(|_| may(op(rng))).collect();
    if cpu == 0 {
        (ops[0], ops[1], ops[4]) = (Op::call(OpKind::Signal(0), Span::default()), Op::fork(CHILD), Op::exit(CHILD));
    }
    if cpu == 1 {
        ops[0] = Op::call(OpKind::Await(0), Span::default());
    }
    ops
}

type Steps = BTreeMap<Path, u32>;

fn clock(policy: &'static str, era: &'static str, rng: &mut ChaCha8Rng, steps: &mut Steps) {
    let mut machine = Machine::new(&prime_profile(), &[0, 1, 2]);
    (machine.policy, machine.era) = (policy, era);
    machine.world.keep_lru();
    let backing = backing(rng);
    machine.fill(span(0, 2), backing, rng.next_u32().is_multiple_of(2));
    let child = machine.world.add_mm();
    for cpu in 0..3 {
        machine.plays(cpu, program(rng, cpu, backing).into_iter().map(|op| order(cpu, op)));
    }
    assert_eq!(child, CHILD);
    for (path, bits) in machine.run().stats.steps.iter() {
        *steps.entry(path).or_default() |= bits;
    }
}

fn explorer(policy: &str, era: &str, rng: &mut ChaCha8Rng, steps: &mut Steps) {
    let mut scenario = Scenario::new("random", 2, 1, &[&[], &[], &[]]);
    (scenario.backing, scenario.processes, scenario.lone_tables) = (backing(rng), 2, true);
    scenario.programs = (0..3).map(|cpu| program(rng, cpu, scenario.backing)).collect();
    scenario.lru = true;
    scenario.dirty = rng.next_u32().is_multiple_of(2);
    let setting =
        Setting { policy: policy::find(policy).expect("a policy").strategy, era: *era::find(era).expect("an era") };
    let race = Race { scenario: &scenario, setting };
    let (mut node, mut recorder, mut moves) = (race.initial(), Recorder::default(), Vec::new());
    for _ in 0..600 {
        moves.clear();
        race.actions(&node, &mut moves);
        let mut next = node.clone();
        let choice = moves[rng.next_u32() as usize % moves.len()];
        if race.make(&mut next, choice, &mut recorder) {
            node = next;
        }
    }
    for (_, _, at) in recorder.acts {
        *steps.entry(at.path).or_default() |= 1 << at.pc;
    }
}

fn names(steps: &Steps) -> BTreeSet<String> {
    let of = |(&path, &bits): (&Path, &u32)| {
        let set = (0..32).filter(move |pc| bits & (1 << pc) != 0);
        set.map(move |pc| format!("{path:?} {}", label(StepId { path, pc }).text)).collect::<Vec<_>>()
    };
    steps.iter().flat_map(of).collect()
}

#[test]
fn every_step_is_reached_from_both_drivers() {
    let (mut by_clock, mut by_explorer) = (Steps::new(), Steps::new());
    for seed in 0..RUNS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (policy, era) = (POLICIES[seed as usize % 5], ERAS[seed as usize / 5 % 2]);
        clock(policy, era, &mut rng, &mut by_clock);
        explorer(policy, era, &mut rng, &mut by_explorer);
    }
    let (by_clock, by_explorer) = (names(&by_clock), names(&by_explorer));
    let one_only: Vec<_> = by_clock.symmetric_difference(&by_explorer).collect();
    assert!(one_only.is_empty(), "reached from one driver only: {one_only:#?}");
    println!("{by_clock:#?}");
    // Sixteen paths, and all but the steps that only huge lists or failures reach.
    assert!(by_clock.len() >= 120, "{} steps: {by_clock:#?}", by_clock.len());
}
