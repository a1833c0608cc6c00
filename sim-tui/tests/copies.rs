//! A copy of a run, taken at any position, goes on as the run itself: nothing that it depends on is left behind.

mod common;

use common::{PRESSED, ahead, policy, recording, witness, workload};
use sim_core::drive::clock::log::{Entry, Happened};
use sim_core::step::frame::Act;
use sim_tui::run::Run;
use sim_tui::source::Source;

/// Positions from which a copy goes on, and how far.
const POSITIONS: usize = 8_000;
const EVENTS: usize = 50;

/// The time of an event, the reclaim cycles that are over, and what it leaves in the log.
type Event = (u64, u64, Vec<Entry>);

fn next(run: &mut dyn Run) -> Option<Event> {
    run.stats_mut().log.as_mut().expect("it is kept").clear();
    if run.steps(1) == 0 {
        return None;
    }
    Some((run.now_cycles(), run.reclaim_cycles(), run.stats().log.clone().expect("it is kept")))
}

/// The events of a run, after a copy of every position has been held against them.
fn copied(source: &Source, under: &str) -> Vec<Event> {
    let mut run = source.run(policy(under)).expect("it can be run");
    let mut ahead = run.boxed_clone();
    // What the run will do in the next `EVENTS` events: `ahead` is as far in front of it.
    let mut events: Vec<Event> = std::iter::from_fn(|| next(&mut *ahead)).take(EVENTS).collect();
    for position in 0..POSITIONS {
        let mut copy = run.boxed_clone();
        for at in position..position + EVENTS {
            assert_eq!(next(&mut *copy).as_ref(), events.get(at), "event {at} of a copy at {position}");
        }
        drop(copy);
        if next(&mut *run).is_none() {
            break;
        }
        events.extend(next(&mut *ahead));
    }
    events
}

fn happens(events: &[Event], is: impl Fn(&Act) -> bool) -> usize {
    let acts = events.iter().flat_map(|(_, _, log)| log);
    acts.filter(|entry| matches!(&entry.what, Happened::Act(act, _) if is(act))).count()
}

#[test]
fn a_workload_short_of_memory() {
    let events = copied(&workload(PRESSED, 4), "patched");
    assert_eq!(events.len(), POSITIONS + EVENTS);
    let wakes = happens(&events, |act| matches!(act, Act::WakeKswapd { .. }));
    let interrupts = happens(&events, |act| matches!(act, Act::IrqEnter { .. }));
    let submitted = happens(&events, |act| matches!(act, Act::Submit { .. }));
    assert!(wakes > 2 && interrupts > 20 && submitted > 0, "{wakes} {interrupts} {submitted}");
}

#[test]
fn a_workload_whose_cores_run_ahead() {
    let events = copied(&ahead(workload(PRESSED, 2)), "pending-generation");
    assert!(happens(&events, |act| matches!(act, Act::FlushRemote { .. })) > 20);
}

#[test]
fn a_recording() {
    let events = copied(&recording(), "pending-generation");
    assert!(happens(&events, |act| matches!(act, Act::Write(_))) > 20);
    let over = events.last().map_or(0, |&(_, cycles, _)| cycles);
    assert!(over > 1, "{over} reclaim cycles");
}

#[test]
fn witnesses() {
    for under in ["batched", "pending-flag"] {
        let events = copied(&witness("B01-mprotect-ro", "batched"), under);
        assert!(events.len() > 10 && events.len() < POSITIONS);
    }
}
