//! Two runs side by side, and the way from one event of interest to the next.

mod common;

use common::{Move, PRESSED, WANT, playback, policy, recording, witness, workload};
use proptest::prelude::*;
use sim_core::drive::clock::log::{Entry, Happened};
use sim_core::step::frame::Act;
use sim_tui::moment::Moment;
use sim_tui::pair::Pair;
use sim_tui::playback::Playback;
use sim_tui::source::Source;

fn pair(source: &Source, left: &str, right: &str, interval: u64) -> Pair {
    let run = |under| source.run(policy(under)).expect("it can be run");
    let playback = |under| Playback::with_checkpoints(run(under), interval, 6);
    Pair::new(playback(left), playback(right))
}

/// What two runs of their own show: the left one at a position, the right one at the same time, and where the left one is at its
/// end so many events further.
fn apart(source: &Source, (left, right): (&str, &str), position: u64) -> (Moment, Moment) {
    let (mut a, mut b) = (playback(source, left), playback(source, right));
    let made = a.forward(position);
    while b.run().next_cycles().is_some_and(|next| next <= a.now_cycles()) {
        b.forward(1);
    }
    b.forward(position - made);
    (a.moment(&WANT), b.moment(&WANT))
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let mv = prop_oneof![
        (1_u64..200).prop_map(Move::Forward),
        (1_u64..200, 0_u64..50).prop_map(|(events, logged)| Move::Rush(events, logged)),
        (1_u64..200).prop_map(Move::Back),
        (1_u64..4).prop_map(Move::Back),
        (0_u64..1_500).prop_map(Move::ToPosition),
        (0_u64..2_000_000).prop_map(Move::ToCycle),
    ];
    prop::collection::vec(mv, 12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn both_show_what_each_shows_by_itself_at_that_time(which in 0_usize..3, interval in 1_u64..200, moves in moves()) {
        let (source, policies) = match which {
            0 => (workload(PRESSED, 2), ("batched", "patched")),
            1 => (recording(), ("batched", "pending-generation")),
            _ => (witness("B01-mprotect-ro", "batched"), ("batched", "pending-flag")),
        };
        let mut pair = pair(&source, policies.0, policies.1, interval);
        for mv in moves {
            match mv {
                Move::Forward(events) => _ = pair.forward(events),
                Move::Rush(events, logged) => {
                    pair.rush(events, logged);
                    pair.mend();
                }
                Move::Back(events) => pair.back(events),
                Move::ToPosition(position) => pair.to_position(position),
                Move::ToCycle(cycle) => pair.to_cycle(cycle),
            }
            let (left, right) = pair.moments(&WANT);
            let (alone, beside) = apart(&source, policies, pair.position());
            prop_assert_eq!(left, alone);
            prop_assert_eq!(right, Some(beside));
        }
    }
}

#[test]
fn the_right_one_goes_on_where_the_left_one_has_ended() {
    let source = witness("B01-mprotect-ro", "batched");
    let mut ends = ["batched", "pending-flag"].map(|under| playback(&source, under));
    let [short, long] = ends.each_mut().map(|run| {
        run.forward(u64::MAX);
        run.position()
    });
    assert!(short < long, "{short} {long}");
    let mut both = pair(&source, "batched", "pending-flag", 7);
    let made = both.forward(u64::MAX);
    assert_eq!(made, both.position());
    assert!(both.finished() && both.position() > short);
    let (left, right) = both.moments(&WANT);
    assert_eq!((left.position, right.expect("there is one").position), (short, long));
    assert_eq!(both.now_cycles(), ends[1].now_cycles());
    // The same where the longer one leads.
    let mut both = pair(&source, "pending-flag", "batched", 7);
    assert_eq!(both.forward(u64::MAX), long);
    let (left, right) = both.moments(&WANT);
    assert_eq!((left.position, right.expect("there is one").position), (long, short));
    assert!(both.finished());
    // One alone is as long as it is.
    let mut alone = Pair::single(playback(&source, "batched"));
    assert_eq!((alone.forward(u64::MAX), alone.moments(&WANT).1), (short, None));
}

fn interrupts(entry: &Entry) -> bool {
    matches!(entry.what, Happened::Act(Act::Post { sent: true, .. }, _))
}

/// Positions at which an interrupt is sent, up to a limit.
fn sent(source: &Source, under: &str, limit: u64) -> Vec<u64> {
    let mut run = playback(source, under);
    let (mut at, mut before) = (Vec::new(), 0);
    while run.position() < limit && run.forward(1) > 0 {
        let sent = run.moment(&WANT).totals.ipis_sent;
        if sent > before {
            at.push(run.position());
        }
        before = sent;
    }
    at
}

#[test]
fn the_way_goes_from_one_event_that_is_wanted_to_the_next_and_back() {
    const LIMIT: u64 = 60_000;
    let source = workload(PRESSED, 1);
    let expected = sent(&source, "patched", LIMIT);
    assert!(expected.len() > 40, "{expected:?}");
    let run = source.run(policy("patched")).expect("it can be run");
    let mut run = Playback::with_checkpoints(run, 500, 8);
    for &position in &expected {
        assert!(run.to_next(&interrupts, LIMIT), "at {}", run.position());
        assert_eq!(run.position(), position);
    }
    // Those behind the entries that are kept are found, too.
    for &position in expected.iter().rev().skip(1) {
        assert!(run.to_previous(&interrupts), "from {}", run.position());
        assert_eq!(run.position(), position);
    }
    assert!(!run.to_previous(&interrupts), "there is none before the first");
    assert_eq!(run.position(), expected[0]);
    assert!(!run.to_next(&interrupts, 0));
    let gap = expected.windows(2).map(|pair| pair[1] - pair[0]).max().expect("there are some");
    let at = expected.windows(2).position(|pair| pair[1] - pair[0] == gap).expect("it is one of them");
    run.to_position(expected[at]);
    assert!(!run.to_next(&interrupts, gap - 1) && run.position() == expected[at] + gap - 1);
}

#[test]
fn a_witness_leads_to_its_violation() {
    let violation = |entry: &Entry| matches!(entry.what, Happened::Violation(..));
    let source = witness("B01-mprotect-ro", "batched");
    let mut raced = playback(&source, "batched");
    assert!(raced.to_next(&violation, u64::MAX) && raced.finished());
    let moment = raced.moment(&WANT);
    assert!(moment.title.contains("witness of batched") && moment.policy == "batched", "{}", moment.title);
    assert_eq!(moment.pages[0].name, "x");
    let mut safe = playback(&source, "pending-flag");
    assert!(!safe.to_next(&violation, u64::MAX) && safe.finished());
    assert!(safe.moment(&WANT).title.contains("order of a witness of batched"));
    // Without moves CPUs go on in order from the start.
    let Source::Witness { litmus, of, machine, .. } = source else { panic!("it is a witness") };
    let mut plain = playback(&Source::Witness { litmus, of, moves: [].into(), machine }, "batched");
    assert!(plain.forward(u64::MAX) > 10 && plain.finished());
    assert!(plain.moment(&WANT).cores.iter().all(|core| core.doing == sim_tui::moment::Doing::Done));
}

/// In slices, one comes to the same place.
#[test]
fn slices_lead_to_the_cycle() {
    let source = workload(PRESSED, 2);
    for cycles in [0, 40_000, 123_456, 2_000_000] {
        let both = || Pair::new(playback(&source, "batched"), playback(&source, "pending-flag"));
        let (mut at_once, mut sliced) = (both(), both());
        at_once.to_cycle(cycles);
        let mut rounds = 0;
        while !sliced.toward_cycle(cycles, 7) {
            rounds += 1;
        }
        assert_eq!(at_once.moments(&WANT), sliced.moments(&WANT), "{cycles}");
        assert!(cycles == 0 || rounds > 2);
    }
}
