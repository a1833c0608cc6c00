//! A run that is taken back, and goes on, shows what a run that came there directly shows.

mod common;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use common::{Move, WANT, ahead, playback, policy, recording, witness, workload};
use proptest::prelude::*;
use sim_tui::moment::Moment;
use sim_tui::playback::Playback;
use sim_tui::source::Source;

/// Positions that are looked at, from the start.
const POSITIONS: u64 = 5_000;
/// Moves of a case, and cases: more than 10,000 moves in all.
const MOVES: usize = 60;
const CASES: u32 = 250;

/// What a fresh run shows at every position, as a hash, the same without what its log tells, and when each event was.
struct Reference {
    source: Source,
    policy: &'static str,
    shown: Vec<u64>,
    unlogged: Vec<u64>,
    times: Vec<u64>,
}

fn digest(moment: &Moment) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{moment:?}").hash(&mut hasher);
    hasher.finish()
}

/// What a moment shows of itself without the log: no rows of a log, and no pages, which are chosen by those that were touched last.
fn unlogged(mut moment: Moment) -> u64 {
    moment.log.clear();
    moment.pages.clear();
    digest(&moment)
}

impl Reference {
    fn new(source: Source, policy: &'static str) -> Reference {
        let mut run = playback(&source, policy);
        let (mut shown, mut short, mut times) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let moment = run.moment(&WANT);
            shown.push(digest(&moment));
            short.push(unlogged(moment));
            times.push(run.now_cycles());
            if run.position() == POSITIONS || run.forward(1) == 0 {
                break;
            }
        }
        Reference { source, policy, shown, unlogged: short, times }
    }

    fn last(&self) -> u64 {
        self.shown.len() as u64 - 1
    }

    fn run(&self, interval: u64, most: usize) -> Playback {
        Playback::with_checkpoints(self.source.run(policy(self.policy)).expect("it can be run"), interval, most)
    }

    /// Makes a move; returns where it should lead.
    fn make(&self, run: &mut Playback, mv: Move) -> u64 {
        let (at, last) = (run.position(), self.last());
        match mv {
            Move::Forward(events) => {
                let events = events.min(last - at);
                assert_eq!(run.forward(events), events);
                at + events
            }
            Move::Rush(events, logged) => {
                let events = events.min(last - at);
                assert_eq!(run.rush(events, logged), events);
                let moment = run.moment(&WANT);
                assert!(moment.log.iter().all(|logged| logged.position <= moment.position));
                assert_eq!(unlogged(moment), self.unlogged[(at + events) as usize], "{at} + {events}");
                at + events
            }
            Move::Back(events) => {
                run.back(events);
                at.saturating_sub(events)
            }
            Move::ToPosition(position) => {
                run.to_position(position % (last + 1));
                position % (last + 1)
            }
            Move::ToCycle(cycle) => {
                // Of the last event there is no knowing if more come at the same time.
                let cycle = cycle % self.times[last as usize];
                run.to_cycle(cycle);
                self.times.partition_point(|&time| time <= cycle) as u64 - 1
            }
        }
    }

    fn check(&self, run: &Playback, expected: u64) {
        assert_eq!(run.position(), expected);
        let moment = run.moment(&WANT);
        if digest(&moment) != self.shown[expected as usize] {
            let mut fresh = playback(&self.source, self.policy);
            fresh.forward(expected);
            assert_eq!(moment, fresh.moment(&WANT), "at {expected}");
            panic!("at {expected} a fresh run shows something else than one made event by event");
        }
    }
}

static REFERENCES: LazyLock<[Reference; 5]> = LazyLock::new(|| {
    [
        Reference::new(workload(common::PRESSED, 1), "patched"),
        Reference::new(recording(), "pending-generation"),
        Reference::new(witness("B01-dontneed", "batched"), "batched"),
        Reference::new(witness("B01-dontneed", "batched"), "pending-flag"),
        Reference::new(ahead(workload(common::PRESSED, 3)), "batched"),
    ]
});

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let mv = prop_oneof![
        (1_u64..700).prop_map(Move::Forward),
        (1_u64..5).prop_map(Move::Forward),
        (1_u64..700, 0_u64..200).prop_map(|(events, logged)| Move::Rush(events, logged)),
        (1_u64..700).prop_map(Move::Back),
        (1_u64..5).prop_map(Move::Back),
        any::<u64>().prop_map(Move::ToPosition),
        any::<u64>().prop_map(Move::ToCycle),
    ];
    prop::collection::vec(mv, MOVES)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_position_shows_the_same_whatever_the_way_there(
        which in 0_usize..5,
        (interval, most) in (1_u64..400, 1_usize..12),
        moves in moves(),
    ) {
        let reference = &REFERENCES[which];
        let mut run = reference.run(interval, most);
        for mv in moves {
            let expected = reference.make(&mut run, mv);
            // Every other time the next move finds a log that is not whole.
            if let Move::Rush(events, _) = mv {
                if events % 2 == 0 {
                    continue;
                }
                run.mend();
            }
            reference.check(&run, expected);
        }
    }
}

#[test]
fn sources_have_what_the_comparison_is_about() {
    let moment = |reference: &Reference| {
        let mut run = reference.run(1_000, 4);
        run.forward(reference.last());
        run.moment(&WANT)
    };
    let [pressed, recorded, raced, safe] = [0, 1, 2, 3].map(|which| moment(&REFERENCES[which]));
    for (name, moment) in [("pressed", &pressed), ("recorded", &recorded)] {
        assert_eq!(moment.position, POSITIONS, "{name}");
        let totals = &moment.totals;
        assert!(totals.deferred > 0 && totals.ipis_sent > 0 && totals.flush_cycles > 0, "{name}: {totals:?}");
        assert_eq!(moment.log.len(), WANT.log, "{name}");
    }
    assert!(pressed.totals.reclaim_cycles > 0 && pressed.totals.accesses > 100, "{:?}", pressed.totals);
    assert!(raced.finished && safe.finished);
    let violations = |moment: &Moment| moment.totals.violations.iter().map(|(_, count)| count).sum::<u64>();
    assert_eq!((violations(&raced), violations(&safe)), (1, 0));
    assert!(safe.position > raced.position, "a witness of another policy goes on to the end of all programs");
}

/// Windows open and close in the part that is not logged.
#[test]
fn a_run_that_was_rushed_through_has_measured_the_same() {
    let source = common::builtin("overlap", 1);
    let (mut logged, mut rushed) = (playback(&source, "batched"), playback(&source, "batched"));
    for events in [1, 70, 3_000, 20_000, 7] {
        assert_eq!((logged.forward(events), rushed.rush(events, 0)), (events, events));
        let (logged, rushed) = (logged.moment(&WANT), rushed.moment(&WANT));
        assert_eq!((logged.now_cycles, &logged.totals), (rushed.now_cycles, &rushed.totals));
        assert_eq!((logged.history, logged.cores), (rushed.history, rushed.cores));
        assert!(rushed.log.is_empty());
    }
    // What is looked for backwards may be in the part that is not logged.
    let first = |entry: &sim_core::drive::clock::log::Entry| entry.at_cycles < 2_000_000;
    assert_eq!((logged.to_previous(&first), rushed.to_previous(&first)), (true, true));
    assert_eq!(logged.position(), rushed.position());
    logged.forward(20_000);
    rushed.rush(20_000, 0);
    rushed.mend();
    let (logged, rushed) = (logged.moment(&WANT), rushed.moment(&WANT));
    assert_eq!(logged, rushed);
    let closed: u64 = rushed.totals.windows.iter().map(|(_, windows)| windows.opened - windows.open).sum();
    assert!(closed > 0 && rushed.log.len() == WANT.log, "{:?}", rushed.totals);
}
