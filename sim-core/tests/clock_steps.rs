//! A run made event by event is the run made at once, and so is a copy of it that goes on by itself. And what steps are counted.

mod common;
mod random;

use common::{Machine, load, order, span};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use random::Random;

use sim_core::drive::clock::log::{Entry, Happened};
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Cpu, Rights};
use sim_core::policy::{self, POLICIES};
use sim_core::step::frame::{Act, Path};
use sim_core::world::Cause;

/// Makes up to `most` events at a time, as many as `draw` says. Returns how many in all, and what was logged of which.
fn by_steps(clock: &mut Clock<Random>, mut draw: impl FnMut() -> u64) -> (u64, Vec<(u64, Entry)>) {
    let (mut events, mut log) = (0, Vec::new());
    loop {
        let most = draw();
        let made = clock.steps(most);
        assert!(made <= most);
        events += made;
        let entries = clock.stats.log.as_mut().map(std::mem::take).unwrap_or_default();
        log.extend(entries.into_iter().map(|entry| (events, entry)));
        if made == 0 {
            return (events, log);
        }
    }
}

const WAYS: [(RunAhead, bool); 5] = [
    (RunAhead::Off, false),
    (RunAhead::Off, true),
    (RunAhead::Upto(100), true),
    (RunAhead::Upto(u64::MAX), false),
    (RunAhead::Overlapped(100), true),
];

#[test]
fn steps_of_any_number_of_events_are_the_run() {
    for (seed, policy) in (0..).zip(POLICIES.iter().chain(policy::find("latr"))) {
        for way in WAYS {
            let what = format!("{}, {way:?}", policy.name);
            let clock = || random::clock(policy, seed, 6, Backing::Anon, way);
            let (mut whole, mut single, mut several) = (clock(), clock(), clock());
            whole.run();
            (single.stats.log, several.stats.log) = (Some(Vec::new()), Some(Vec::new()));
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (events, log) = by_steps(&mut single, || 1);
            let found = by_steps(&mut several, || 1 + u64::from(rng.next_u32() % 40));
            assert_eq!(events, whole.turns(), "{what}: events of steps are those of the run");
            assert!(found == (events, log), "{what}: the log is of the same events");
            (single.stats.log, several.stats.log) = (None, None);
            let (whole, single, several) = (random::left(whole), random::left(single), random::left(several));
            assert!(single == whole, "{what}:\n{:#?}\nat once:\n{:#?}", single.stats, whole.stats);
            assert!(several == whole, "{what}:\n{:#?}\nat once:\n{:#?}", several.stats, whole.stats);
        }
    }
}

/// Also of cores that have had accesses only, since they were looked at.
#[test]
fn cores_look_the_same_however_many_events_are_made_at_a_time() {
    let mut moved = 0;
    for (seed, policy) in (0..).zip(POLICIES.iter().chain(policy::find("latr"))) {
        let clock = || random::clock(policy, seed, 6, Backing::Anon, (RunAhead::Off, true));
        let (mut single, mut several) = (clock(), clock());
        loop {
            let made = several.steps(40);
            if made == 0 {
                break;
            }
            (0..made).for_each(|_| assert!(single.step()));
            moved += u64::from(made > 1);
            assert_eq!(several.ends_cycles(), single.ends_cycles(), "{}", policy.name);
            for cpu in (0..6).map(Cpu) {
                assert_eq!(several.look(cpu), single.look(cpu), "{}, {cpu:?}", policy.name);
            }
        }
    }
    assert!(moved > 1_000, "{moved}");
}

#[test]
fn what_comes_at_a_time_is_not_made_before_it() {
    for (seed, policy) in (0..).zip(POLICIES) {
        for way in WAYS {
            let clock = || random::clock(policy, seed, 6, Backing::Anon, way);
            let (mut whole, mut parts) = (clock(), clock());
            whole.run();
            while let Some(before) = parts.next_cycles().map(|next| next + 97) {
                while parts.steps_before(before, u64::MAX) > 0 {
                    assert!(parts.now_cycles() < before, "{}, {way:?}", policy.name);
                }
                assert!(parts.next_cycles().is_none_or(|next| next >= before), "{}, {way:?}", policy.name);
            }
            assert!(random::left(parts) == random::left(whole), "{}, {way:?}", policy.name);
        }
    }
}

#[test]
fn nothing_is_left_once_a_step_says_so() {
    let mut clock = random::clock(&POLICIES[0], 1, 4, Backing::Anon, (RunAhead::Off, true));
    assert_eq!((clock.steps(0), clock.turns(), clock.now_cycles()), (0, 0, 0));
    let mut before = 0;
    while clock.step() {
        assert!(clock.now_cycles() >= before && clock.next_cycles().is_none_or(|next| next >= clock.now_cycles()));
        before = clock.now_cycles();
        assert_eq!(clock.next_cycles().is_none(), clock.end_cycles().is_some());
    }
    assert!(clock.stats.open_windows().is_empty());
    let (stats, turns) = (clock.stats.clone(), clock.turns());
    assert!(!clock.step() && clock.run() == clock.end_cycles().expect("it is over"));
    assert!(clock.stats == stats && clock.turns() == turns, "a run that is over is not closed again");
}

#[test]
fn a_copy_goes_on_as_the_run_does() {
    for (seed, policy) in (0..).zip(POLICIES.iter().chain(policy::find("latr"))) {
        let mut clock = random::clock(policy, seed, 6, Backing::SharedFile, (RunAhead::Off, true));
        let mut copies = Vec::new();
        loop {
            let made = clock.steps(700);
            assert!(made <= 700, "{}: {made}", policy.name);
            if made == 0 {
                break;
            }
            if copies.len() < 8 {
                copies.push(clock.clone());
            }
        }
        let whole = random::left(clock);
        for mut copy in copies {
            copy.run();
            assert!(random::left(copy) == whole, "{}", policy.name);
        }
    }
}

#[test]
fn the_log_has_every_act_that_is_counted() {
    let (mut deferred, mut violations, mut windows) = (0, 0, 0);
    for policy in POLICIES {
        let mut clock = random::clock(policy, 3, 6, Backing::Anon, (RunAhead::Off, true));
        clock.stats.log = Some(Vec::new());
        let mut open = 0_u64;
        let (mut most_open, mut log) = (0, Vec::new());
        while clock.step() {
            log.append(clock.stats.log.as_mut().expect("it is kept"));
            open = clock.stats.open_windows().iter().map(|window| window.holders.len() as u64).sum();
            most_open = open.max(most_open);
        }
        let stats = &clock.stats;
        let count = |is: &dyn Fn(Act) -> bool| {
            log.iter().filter(|entry| matches!(entry.what, Happened::Act(act, _) if is(act))).count() as u64
        };
        let cycles = |path| {
            let of = |entry: &&Entry| matches!(entry.what, Happened::Act(_, at) if at.path == path);
            log.iter().filter(of).map(|entry| entry.length_cycles).sum::<u64>()
        };
        assert_eq!(count(&|act| matches!(act, Act::FlushBegin { .. })), stats.flushes.values().sum());
        assert_eq!(count(&|act| matches!(act, Act::Post { sent: true, .. })), stats.ipis_sent);
        assert_eq!(count(&|act| matches!(act, Act::Deferred { .. })), stats.deferred);
        assert_eq!(count(&|act| matches!(act, Act::FaultExit(..))), stats.faults);
        let of_batch = |act| matches!(act, Act::FlushBegin { request, .. } if request.cause == Cause::Batch);
        assert_eq!(count(&of_batch), stats.flushes.get(&Cause::Batch).copied().unwrap_or(0));
        assert_eq!((cycles(Path::Flush), cycles(Path::Irq)), (stats.cycles.initiator, stats.cycles.receivers));
        let broken = log.iter().filter(|entry| matches!(entry.what, Happened::Violation(..))).count() as u64;
        assert_eq!(broken, stats.violations.values().sum());
        let opened = log.iter().filter(|entry| matches!(entry.what, Happened::Window(_, Some(_)))).count() as u64;
        assert!(opened >= most_open && opened >= stats.windows_opened(), "{}", policy.name);
        let closed: usize = stats.windows.values().map(|windows| windows.lengths_cycles.len()).sum();
        assert_eq!((open, stats.windows_opened()), (0, closed as u64), "{}", policy.name);
        (deferred, violations, windows) = (deferred + stats.deferred, violations + broken, windows + opened);
    }
    assert!(deferred > 0 && violations > 0 && windows > 0, "{deferred} {violations} {windows}");
}

#[test]
fn steps_of_the_text_are_counted_and_those_that_act() {
    // C0, C1, C2 twice, C3; the first C2 finds nothing to unmap, and acts on nothing.
    let mmap = |first| Op::call(OpKind::Mmap(Backing::Anon), span(first, 1));
    for run_ahead in [RunAhead::Off, RunAhead::Upto(u64::MAX)] {
        let counts = |cpus: u16| {
            let mut machine = Machine::new(&prime_profile(), &[0, 1]);
            machine.fill(span(0, 1), Backing::Anon, false);
            for cpu in 0..cpus {
                machine.plays(cpu, [load(0), load(0), mmap(2048 + 2 * u64::from(cpu))].map(|op| order(cpu, op)));
            }
            let clock = machine.run_ahead(run_ahead);
            (clock.kernel_steps(), clock.kernel_acts())
        };
        assert_eq!(counts(1), (5, 4), "{run_ahead:?}: accesses are none");
        assert_eq!(counts(2), (10, 8), "{run_ahead:?}: to wait for a lock is none");
    }
}

#[test]
fn a_step_that_acts_is_counted_where_it_acts() {
    // A fault ends in a private step, and the access that it was for acts next.
    for run_ahead in [RunAhead::Off, RunAhead::Upto(u64::MAX)] {
        let mut machine = Machine::new(&prime_profile(), &[0]);
        let protect = Op::mprotect(span(0, 1), Rights::READ);
        machine.plays(0, [load(0), protect].map(|op| order(0, op)));
        let mut clock = machine.clock(|script| script, run_ahead);
        let mut acted = Vec::new();
        clock.stats.log = Some(Vec::new());
        while clock.step() {
            let entries = clock.stats.log.as_mut().map(std::mem::take).unwrap_or_default();
            acted.extend(entries.into_iter().filter_map(|entry| match entry.what {
                Happened::Act(_, at) if at.path != Path::Access => Some(at),
                _ => None,
            }));
        }
        // Some steps act twice, and none comes again: there is one page.
        acted.dedup();
        assert!(acted.iter().any(|at| at.path == Path::Fault));
        assert_eq!(clock.kernel_acts(), acted.len() as u64, "{run_ahead:?}: {acted:?}");
    }
}
