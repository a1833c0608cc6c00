//! LATR on the clock: what a record and a sweep cost, to the cycle, and what is held back for how long.

mod common;

use common::{MM, Machine, at, load, order, page, span, store};
use sim_core::drive::clock::log::{Entry, Happened};
use sim_core::drive::clock::source::{Order, What};
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::machine::profile::Profile;
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Cpu, Rights, Span};
use sim_core::oracle::Class;
use sim_core::step::frame::{Act, Path};
use sim_core::world::World;

/// A tick each 40,060 cycles.
fn profile() -> Profile {
    let mut p = prime_profile();
    p.kernel.tick_hz = Some(50_000);
    p
}

fn latr(p: &Profile, users: &[u16]) -> Machine {
    let mut machine = Machine::new(p, users);
    (machine.policy, machine.era) = ("latr", "v4.13");
    machine.fill(span(0, 100), Backing::Anon, true);
    machine
}

fn munmap(pages: Span) -> Op {
    Op::call(OpKind::Munmap, pages)
}

fn mmap(pages: Span) -> Op {
    Op { rights: Rights::READ_WRITE, ..Op::call(OpKind::Mmap(Backing::Anon), pages) }
}

type Script = Clock<common::Script>;

fn logged(machine: Machine) -> (Script, Vec<Entry>) {
    let mut clock = machine.clock(|script| script, RunAhead::Off);
    clock.stats.log = Some(Vec::new());
    clock.run();
    let log = clock.stats.log.take().expect("it was kept");
    (clock, log)
}

fn records(log: &[Entry]) -> Vec<u64> {
    let record = |entry: &&Entry| matches!(entry.what, Happened::Act(Act::Broadcast(_), at) if at.path == Path::Munmap);
    log.iter().filter(record).map(|entry| entry.length_cycles).collect()
}

/// Sweeps that found something: who, when it was over, how long it took.
fn sweeps(log: &[Entry]) -> Vec<(u16, u64, u64)> {
    let sweep = |entry: &&Entry| matches!(entry.what, Happened::Sweep(_));
    log.iter().filter(sweep).map(|entry| (entry.cpu.0, entry.at_cycles, entry.length_cycles)).collect()
}

fn frees(log: &[Entry]) -> Vec<(u16, u64)> {
    let free = |entry: &&Entry| matches!(entry.what, Happened::Act(Act::Free(_), _));
    log.iter().filter(free).map(|entry| (entry.cpu.0, entry.at_cycles)).collect()
}

fn invlpg(p: &Profile) -> u64 {
    p.inval.invlpg_cyc.unwrap() + p.inval.invpcid_single_cyc.unwrap()
}

#[test]
fn a_record_is_two_lines_and_the_flush_of_ones_own_tlb() {
    let p = profile();
    let tick = p.tick_cycles();
    let mut machine = latr(&p, &[0, 4]);
    let unmaps = [munmap(span(0, 1)), munmap(span(1, 2)), munmap(span(3, 40))];
    machine.plays(0, unmaps.iter().zip(0..).map(|(&op, n)| at(1_000 + n * 2 * tick, order(0, op))));
    let (clock, log) = logged(machine);
    let (l1, remote) = (p.cache.l1_cyc, p.cache.c2c_remote_cyc.unwrap());
    // The count of records was read by CPU 4; each record has its place. Above the ceiling everything is flushed.
    let whole = p.inval.cr3_flush_cyc.unwrap();
    assert_eq!(records(&log), [2 * l1 + invlpg(&p), l1 + remote + 2 * invlpg(&p), l1 + remote + whole]);
    assert_eq!((clock.stats.recorded, clock.stats.ipis_sent, clock.stats.ipis_received), (3, 0, 0));
    assert_eq!(clock.stats.cycles.initiator, records(&log).iter().sum::<u64>());
}

#[test]
fn alone_in_its_address_space_a_cpu_records_nothing() {
    let p = profile();
    let mut machine = latr(&p, &[0]);
    machine.plays(0, [order(0, munmap(span(0, 1)))]);
    let (clock, log) = logged(machine);
    assert_eq!(records(&log), [invlpg(&p)]);
    assert_eq!((sweeps(&log), clock.stats.records_swept), (vec![], 0));
    assert_eq!(frees(&log).len(), 1, "it is freed at a tick, all the same");
    assert!(frees(&log)[0].1 >= p.tick_cycles());
}

#[test]
fn a_sweep_reads_the_count_and_each_record_and_takes_itself_off_its_mask() {
    let p = profile();
    let tick = p.tick_cycles();
    let mut machine = latr(&p, &[0, 1]);
    machine.plays(0, [order(0, munmap(span(0, 1))), order(0, munmap(span(1, 3)))]);
    let (clock, log) = logged(machine);
    let line = p.cache.c2c_same_cyc;
    // It has nothing else to do, and CPU 0 is the first whose count it reads.
    let length = 3 * line + (invlpg(&p) + line) + (3 * invlpg(&p) + line);
    assert_eq!(sweeps(&log), [(1, tick + length, length)]);
    assert_eq!((clock.stats.records_swept, clock.stats.ipis_received, clock.stats.requests_served), (2, 0, 0));
    // CPU 1 goes through 14 others that have left nothing; CPU 0 ticks to let go, and looks at 15.
    assert_eq!(clock.stats.sweeps, 2);
    assert_eq!(clock.stats.cycles.receivers, length + (14 + 15) * p.cache.l1_cyc);
}

#[test]
fn targets_that_tick_at_once_wait_for_the_lines_of_each_other() {
    let p = profile();
    let mut machine = latr(&p, &[0, 1, 2]);
    machine.plays(0, [order(0, munmap(span(0, 1)))]);
    let (_, log) = logged(machine);
    let swept = sweeps(&log);
    assert_eq!(swept.iter().map(|&(cpu, ..)| cpu).collect::<Vec<_>>(), [1, 2]);
    let (near, far) = (p.cache.c2c_same_cyc, p.cache.c2c_die_cyc.unwrap());
    assert_eq!(swept[0].2, 3 * near + invlpg(&p));
    let alone = 3 * far + invlpg(&p);
    assert!(swept[1].2 > alone, "{swept:?}: alone it takes {alone}");
}

#[test]
fn a_tick_with_nothing_new_reads_copies_and_is_no_interrupt() {
    let p = profile();
    let tick = p.tick_cycles();
    let busy = |policy| {
        let mut machine = latr(&p, &[0, 1]);
        machine.policy = policy;
        machine.plays(1, [order(1, load(0)), Order { work: 4 * tick, ..order(1, load(0)) }]);
        machine.run()
    };
    let (ticking, other) = (busy("latr"), busy("batched"));
    let looks = 15 * p.cache.l1_cyc;
    let end = |clock: &Script| clock.source.ran[1][1].end;
    // Its user work is delayed by what each of four ticks does.
    assert_eq!(end(&ticking), end(&other) + 4 * looks);
    assert_eq!((ticking.stats.sweeps, ticking.stats.cycles.total()), (4, 4 * looks + other.stats.cycles.total()));
    assert_eq!((ticking.stats.ipis_received, other.stats.sweeps), (0, 0));
}

#[test]
fn a_busy_target_sweeps_between_two_steps_and_loses_the_translation_then() {
    let p = profile();
    let tick = p.tick_cycles();
    let mut machine = latr(&p, &[0, 1]);
    machine.plays(1, [order(1, load(0)), order(1, load(50))]);
    // It unmaps what CPU 1 has, and CPU 1 is in a call of many steps when the tick comes.
    machine.plays(0, [at(20_000, order(0, munmap(span(0, 1))))]);
    machine.plays(1, [at(tick - 500, order(1, munmap(span(60, 30))))]);
    let (clock, log) = logged(machine);
    let call = clock.source.ran[1][2];
    assert!(call.begin < tick && call.end > tick, "{call:?}");
    let own: Vec<_> = sweeps(&log).into_iter().filter(|&(cpu, ..)| cpu == 1).collect();
    assert_eq!(own.len(), 1);
    assert!(own[0].1 - own[0].2 >= tick && own[0].1 < call.end, "{own:?} {call:?}");
    let windows = &clock.stats.windows[&Class::Unmapped];
    assert_eq!(windows.lengths_cycles.len(), 1);
    // The promise is made when mmap_lock is let go.
    let returned = clock.source.ran[0][0].end - 2 * p.cache.l1_cyc;
    assert_eq!(windows.lengths_cycles[0], own[0].1 - own[0].2 - returned);
}

#[test]
fn a_frame_is_freed_in_a_tick_after_the_last_sweep() {
    let p = profile();
    let tick = p.tick_cycles();
    let mut machine = latr(&p, &[0, 1, 4]);
    for cpu in [1, 4] {
        machine.plays(cpu, [order(cpu, store(0))]);
    }
    machine.plays(0, [at(20_000, order(0, munmap(span(0, 1))))]);
    let mut clock = machine.clock(|script| script, RunAhead::Off);
    clock.stats.log = Some(Vec::new());
    let frame = common::pte(&clock.world, 0).frame;
    while clock.steps_before(tick, u64::MAX) > 0 {}
    let unmapped = page(&clock.world, 0);
    assert!(clock.world.folio(frame).allocated && clock.world.tlb_peek(Cpu(4), unmapped).is_some());
    clock.run();
    let log = clock.stats.log.take().expect("it was kept");
    assert!(!clock.world.folio(frame).allocated);
    let last = sweeps(&log).iter().map(|&(_, end, _)| end).max().expect("two have swept");
    let freed = frees(&log);
    assert_eq!((sweeps(&log).len(), freed.len()), (2, 1));
    // Who unmapped it has nothing else to do by then, and ticks no sooner than the period after.
    assert!(last < 2 * tick && freed[0].0 == 0 && freed[0].1 > 2 * tick, "{last} {freed:?}");
    // The run takes no longer for that.
    assert_eq!(clock.end_cycles(), Some(clock.source.ran[0][0].end));
}

#[test]
fn addresses_are_held_back_until_all_have_swept() {
    let p = profile();
    let tick = p.tick_cycles();
    let mapped = |pages| {
        let mut machine = latr(&p, &[0, 1]);
        machine.plays(1, [order(1, store(0))]);
        machine.plays(0, [at(20_000, order(0, munmap(span(0, 2)))), order(0, mmap(pages))]);
        let (clock, log) = logged(machine);
        (clock.source.ran[0][1], clock.stats.cycles.waiting, sweeps(&log))
    };
    let (elsewhere, waited, _) = mapped(span(2_000, 2));
    assert!(elsewhere.end < tick && waited == 0, "{elsewhere:?}");
    let (same, waited, swept) = mapped(span(1, 1));
    assert_eq!(swept.len(), 1);
    assert!(same.end > swept[0].1 && same.end < swept[0].1 + 10_000, "{same:?} {swept:?}");
    assert!(waited > 10_000 && waited < same.cycles());
    // mremap asks as well.
    let mut machine = latr(&p, &[0, 1]);
    machine.plays(1, [order(1, store(0))]);
    machine.plays(0, [at(20_000, order(0, munmap(span(0, 2)))), order(0, Op::mremap(span(50, 2), 0))]);
    assert!(machine.run().source.ran[0][1].end > tick);
}

#[test]
fn a_full_ring_falls_back_to_interrupts() {
    let p = profile();
    let unmapped = |pages: u64| {
        let mut p = p.clone();
        p.kernel.tick_hz = Some(1_000);
        let mut machine = latr(&p, &[0, 1, 2]);
        machine.plays(0, (0..pages).map(|vpn| order(0, munmap(span(vpn, 1)))));
        let clock = machine.run();
        assert!(clock.source.ran[0][pages as usize - 1].end < p.tick_cycles());
        (clock.stats.recorded, clock.stats.records_swept, clock.stats.ipis_received)
    };
    assert_eq!(unmapped(64), (64, 128, 0));
    assert_eq!(unmapped(66), (64, 128, 4));
}

#[test]
fn a_munmap_that_frees_a_table_interrupts() {
    let p = profile();
    let mut machine = latr(&p, &[0, 1]);
    machine.plays(0, [order(0, munmap(span(0, 512)))]);
    let clock = machine.run();
    assert_eq!((clock.stats.recorded, clock.stats.ipis_received), (0, 1));
}

#[test]
fn a_flush_of_another_kind_does_not_wait_for_sweeps() {
    let p = profile();
    let mut machine = latr(&p, &[0, 1]);
    machine.plays(0, [order(0, munmap(span(0, 1))), order(0, Op::mprotect(span(8, 1), Rights::READ))]);
    let clock = machine.run();
    assert_eq!(clock.stats.ipis_received, 1);
    assert!(clock.source.ran[0][1].end < p.tick_cycles());
}

#[test]
fn a_switch_sweeps_and_who_is_not_in_the_mask_learns_by_the_generation() {
    let p = profile();
    let tick = p.tick_cycles();
    let load_mm = |cpu, mm| Order { what: What::Load(Some(mm)), ..order(cpu, load(0)) };
    let mut machine = latr(&p, &[0, 1, 2]);
    let other = machine.world.add_mm();
    for cpu in [1, 2] {
        machine.plays(cpu, [order(cpu, store(0))]);
    }
    // CPU 1 is told and then switches; CPU 2 has gone elsewhere, and comes back.
    machine.plays(2, [at(10_000, load_mm(2, other)), at(30_000, load_mm(2, MM))]);
    machine.plays(0, [at(20_000, order(0, munmap(span(0, 1))))]);
    machine.plays(1, [at(30_000, load_mm(1, other))]);
    let mut clock = machine.clock(|script| script, RunAhead::Off);
    clock.stats.log = Some(Vec::new());
    while clock.steps_before(tick, u64::MAX) > 0 {}
    let unmapped = page(&clock.world, 0);
    for cpu in [1, 2] {
        assert!(clock.world.tlb_peek(Cpu(cpu), unmapped).is_none(), "CPU {cpu}");
    }
    assert!(!clock.world.broadcast_pending(Cpu(0)), "only CPU 1 was asked");
    let log = clock.stats.log.clone().expect("it is kept");
    assert_eq!(sweeps(&log).iter().map(|&(cpu, ..)| cpu).collect::<Vec<_>>(), [1]);
    clock.run();
}

/// Four CPUs that use, unmap and map a few pages each their own way.
fn shuffled(seed: u64, run_ahead: RunAhead) -> Script {
    let p = profile();
    let mut machine = latr(&p, &[0, 1, 2, 4]);
    let mut draw = seed;
    let mut below = move |n: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % n
    };
    for cpu in [0, 1, 2, 4] {
        for _ in 0..150 {
            let pages = span(below(12), 1 + below(2));
            let op = match below(10) {
                0 => munmap(pages),
                1 => mmap(pages),
                2..5 => Op::access(AccessKind::Store, pages.first),
                _ => load(pages.first),
            };
            machine.plays(cpu, [Order { work: below(2_000), ..order(cpu, op) }]);
        }
    }
    machine.run_ahead(run_ahead)
}

#[test]
fn no_frame_is_freed_or_used_again_while_it_can_be_reached() {
    let (mut recorded, mut used) = (0, 0);
    for seed in 0..20 {
        let clock = shuffled(seed, RunAhead::Off);
        let stats = &clock.stats;
        for class in [Class::FreedFrame, Class::ReusedFrame] {
            let windows = stats.windows[&class].lengths_cycles.len();
            assert_eq!((stats.violations[&class], windows), (0, 0), "{class:?}, seed {seed}");
        }
        (recorded, used) = (recorded + stats.recorded, used + stats.violations[&Class::Unmapped]);
        for ahead in [RunAhead::Upto(u64::MAX), RunAhead::Overlapped(u64::MAX)] {
            assert_eq!(shuffled(seed, ahead).stats, *stats, "run-ahead changes nothing");
        }
    }
    assert!(recorded > 100 && used > 0, "{recorded} {used}");
}

#[test]
fn ticks_are_nothing_to_other_policies() {
    let run = |hz| {
        let mut p = prime_profile();
        p.kernel.tick_hz = hz;
        let mut machine = Machine::new(&p, &[0, 1, 4]);
        machine.policy = "pending-flag";
        machine.fill(span(0, 8), Backing::Anon, true);
        for cpu in [0, 1, 4] {
            machine.plays(cpu, (0..8).map(|vpn| Order { work: 9_000, ..order(cpu, store(vpn)) }));
        }
        machine.plays(0, [order(0, munmap(span(0, 3)))]);
        let clock = machine.run();
        (clock.stats.clone(), clock.turns(), clock.ends_cycles())
    };
    assert!(run(None) == run(Some(100_000)));
}
