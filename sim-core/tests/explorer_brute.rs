//! The search on random systems of a few states, against a plain walk over their tables.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;
use sim_core::drive::explore::{Effect, Interner, Options, Order, Outcome, System, Verdict, search_with};

/// An action in a state: where it leads, and whether the property breaks on the way.
type Edge = Option<(usize, bool)>;

const ACTIONS: usize = 3;

#[derive(Clone, Debug)]
struct Row {
    edges: [Edge; ACTIONS],
    may_end: bool,
    tested: bool,
}

/// A system by its table; it begins in the first state.
#[derive(Clone, Debug)]
struct Drawn(Vec<Row>);

impl System for Drawn {
    type State = usize;
    type Action = usize;
    type Key = [u32; 1];
    type Memo = ();

    fn initial(&self) -> usize {
        0
    }
    fn pack(&self, state: &usize, _parts: &mut Interner<'_>) -> [u32; 1] {
        [*state as u32]
    }
    fn unpack(&self, key: &[u32; 1], _parts: &Interner<'_>, state: &mut usize) {
        *state = key[0] as usize;
    }
    fn actions(&self, _state: &usize, out: &mut Vec<usize>) {
        out.extend(0..ACTIONS);
    }
    fn apply(&self, state: &mut usize, action: usize) -> Option<Effect> {
        let (next, broken) = self.0[*state].edges[action]?;
        *state = next;
        Some(Effect { broken, alone: false })
    }
    fn may_end(&self, state: &usize) -> bool {
        self.0[*state].may_end
    }
    fn tested(&self, state: &usize) -> bool {
        self.0[*state].tested
    }
}

/// What there is to be found.
struct Walked {
    states: usize,
    transitions: usize,
    tested: bool,
    /// Actions of the shortest way that breaks the property.
    broken: Option<usize>,
    /// Actions of the shortest way to where nothing goes on.
    stuck: Option<usize>,
    /// States reached and transitions taken when the first of these was found.
    by_then: Option<(usize, usize)>,
}

fn walk(drawn: &Drawn) -> Walked {
    let mut walked = Walked { states: 0, transitions: 0, tested: false, broken: None, stuck: None, by_then: None };
    let (mut seen, mut open) = (BTreeSet::from([0]), VecDeque::from([(0, 0)]));
    while let Some((state, length)) = open.pop_front() {
        let row = &drawn.0[state];
        walked.states += 1;
        walked.tested |= row.tested;
        let edges: Vec<_> = row.edges.iter().flatten().collect();
        if edges.is_empty() && !row.may_end {
            walked.stuck = walked.stuck.or(Some(length));
            walked.by_then = walked.by_then.or(Some((seen.len(), walked.transitions)));
        }
        for &&(next, broken) in &edges {
            walked.transitions += 1;
            if broken {
                walked.broken = walked.broken.or(Some(length + 1));
                walked.by_then = walked.by_then.or(Some((seen.len(), walked.transitions)));
            }
            if seen.insert(next) {
                open.push_back((next, length + 1));
            }
        }
    }
    walked
}

/// Where a way leads, and whether its last action, and no other, breaks the property.
fn follow(drawn: &Drawn, way: &[usize]) -> Option<(usize, bool)> {
    way.iter().try_fold((0, false), |(state, broken), &action| if broken { None } else { drawn.0[state].edges[action] })
}

fn found(drawn: &Drawn, order: Order, threads: usize) -> Outcome<usize> {
    search_with(drawn, &Options { order, threads, ..Options::default() }, &mut |_| {})
}

fn any_system() -> impl Strategy<Value = Drawn> {
    (1..12_usize).prop_flat_map(|states| {
        let edge = prop::option::weighted(0.6, (0..states, prop::bool::weighted(0.04)));
        let row = (prop::array::uniform3(edge), prop::bool::weighted(0.7), prop::bool::weighted(0.1));
        let row = row.prop_map(|(edges, may_end, tested)| Row { edges, may_end, tested });
        prop::collection::vec(row, states).prop_map(Drawn)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_plain_walk(drawn in any_system()) {
        let walked = walk(&drawn);
        for (order, threads) in [(Order::Breadth, 1), (Order::Breadth, 3), (Order::Depth, 1)] {
            let outcome = found(&drawn, order, threads);
            if order == Order::Breadth && let Some(by_then) = walked.by_then {
                prop_assert_eq!((outcome.states, outcome.transitions), by_then);
            }
            match &outcome.verdict {
                Verdict::Never { vacuous } => {
                    prop_assert_eq!((walked.broken, walked.stuck, *vacuous), (None, None, !walked.tested));
                    prop_assert_eq!((outcome.states, outcome.transitions), (walked.states, walked.transitions));
                }
                Verdict::Sometimes(way) => {
                    prop_assert!(matches!(follow(&drawn, way), Some((_, true))), "{way:?} breaks nothing");
                    let least = walked.broken.expect("the walk finds it");
                    // A state is looked at when all nearer ones have been.
                    prop_assert!(order == Order::Depth || (way.len() == least && walked.stuck.is_none_or(|s| s + 1 >= least)));
                }
                Verdict::Stuck(way) => {
                    let (end, broken) = follow(&drawn, way).expect("a way that can be gone");
                    prop_assert!(!broken && drawn.0[end].edges.iter().all(Option::is_none) && !drawn.0[end].may_end);
                    let least = walked.stuck.expect("the walk finds it");
                    prop_assert!(order == Order::Depth || (way.len() == least && walked.broken.is_none_or(|b| b > least)));
                }
                Verdict::NotExhausted { .. } => prop_assert!(false, "there is no bound"),
            }
        }
    }
}
