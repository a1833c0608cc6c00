//! The search itself, on systems with known counts: toy systems, two-phase commit, and a small model of the race that other
//! checkers have explored too.

#[path = "models/reference.rs"]
mod reference;
#[path = "models/two_phase.rs"]
mod two_phase;

use std::collections::BTreeSet;

use reference::{Reference, Told};
use sim_core::drive::explore::{Effect, Interner, Options, Order, Outcome, System, Verdict, search, search_with};
use two_phase::{HalfSorted, TwoPhase};

const NEVER: Verdict<reference::Action> = Verdict::Never { vacuous: false };

fn run<S: System>(system: &S, options: Options) -> Outcome<S::Action> {
    search_with(system, &options, &mut |_| {})
}

/// Every way to search: order, threads, both reductions on and off.
fn ways() -> Vec<Options> {
    let mut ways = Vec::new();
    for (order, threads) in [(Order::Breadth, 1), (Order::Breadth, 2), (Order::Breadth, 5), (Order::Depth, 1)] {
        for (reduce, symmetry) in [(false, false), (true, false), (false, true), (true, true)] {
            ways.push(Options { order, threads, reduce, symmetry, ..Options::default() });
        }
    }
    ways
}

#[test]
fn the_reference_model_has_the_states_that_other_checkers_count() {
    for (pages, told, states, transitions) in [
        (1, Told::Flag, 57, None),
        (1, Told::Generation, 57, None),
        (2, Told::Generation, 4_205, Some(10_886)),
        (3, Told::Generation, 344_804, Some(1_192_851)),
    ] {
        let outcome = search(&Reference::new(pages, told), usize::MAX);
        assert_eq!((outcome.states, &outcome.verdict), (states, &NEVER), "{pages} {told:?}");
        assert_eq!(outcome.transitions, transitions.unwrap_or(outcome.transitions), "{pages} {told:?}");
    }
}

#[test]
fn the_reference_model_races_where_other_checkers_find_it_and_as_soon() {
    for (pages, told, steps) in [(1, Told::Nothing, 11), (2, Told::Nothing, 11), (2, Told::Flag, 24)] {
        let outcome = search(&Reference::new(pages, told), usize::MAX);
        let Verdict::Sometimes(path) = outcome.verdict else { panic!("{pages} {told:?}: {outcome:?}") };
        assert_eq!(path.len(), steps, "{pages} {told:?}: {path:?}");
    }
}

#[test]
fn two_phase_commit_has_the_states_that_are_published() {
    assert_eq!(search(&TwoPhase(3), usize::MAX).states, 288);
    assert_eq!(search(&TwoPhase(5), usize::MAX).states, 8_832);
}

/// Every reachable state, by a plain set of states, and how many differ by more than names.
fn states_and_classes<S: System<State: Copy + Ord>>(system: &S) -> (usize, usize) {
    let (mut all, mut open, mut choices) = (BTreeSet::from([system.initial()]), vec![system.initial()], Vec::new());
    while let Some(state) = open.pop() {
        choices.clear();
        system.actions(&state, &mut choices);
        for &action in &choices {
            let mut next = state;
            if system.apply(&mut next, action).is_some() && all.insert(next) {
                open.push(next);
            }
        }
    }
    let represented = |&state: &S::State| {
        let mut state = state;
        system.represent(&mut state);
        state
    };
    (all.len(), all.iter().map(represented).collect::<BTreeSet<_>>().len())
}

#[test]
fn symmetry_visits_one_state_of_each_class() {
    // stateright's 665 for five resource managers is not the number of classes.
    assert_eq!(search(&HalfSorted(TwoPhase(5)), usize::MAX).states, 665);
    let symmetric = Options { symmetry: true, ..Options::default() };
    assert_eq!(states_and_classes(&TwoPhase(5)), (8_832, 314));
    assert_eq!(run(&TwoPhase(5), symmetric).states, 314);
    let reference = Reference::new(3, Told::Generation);
    let (states, classes) = states_and_classes(&reference);
    assert_eq!((states, classes), (344_804, run(&reference, symmetric).states));
}

#[test]
fn no_way_to_search_changes_a_verdict() {
    for told in [Told::Nothing, Told::Flag, Told::Generation] {
        for pages in 1..=2 {
            let model = Reference::new(pages, told);
            let plain = search(&model, usize::MAX);
            for options in ways() {
                let outcome = run(&model, options);
                let same = std::mem::discriminant(&outcome.verdict) == std::mem::discriminant(&plain.verdict);
                assert!(same, "{model:?} {options:?}: {outcome:?}");
                if let Verdict::Sometimes(path) = &outcome.verdict {
                    assert!(breaks(&model, path), "{model:?} {options:?}: {path:?}");
                } else {
                    // One page leaves nothing to overtake and nothing to rename.
                    let fewer = pages > 1 && (options.reduce || options.symmetry);
                    assert_eq!(outcome.states < plain.states, fewer, "{model:?} {options:?}");
                }
            }
        }
    }
}

/// Does the path lead from the first state to a violation, which is its last action?
fn breaks<S: System>(system: &S, path: &[S::Action]) -> bool {
    let mut state = system.initial();
    let broken = |&action: &S::Action| system.apply(&mut state, action).expect("a path can be taken").broken;
    let broken: Vec<bool> = path.iter().map(broken).collect();
    broken.iter().position(|&broken| broken) == Some(path.len() - 1)
}

#[test]
fn nothing_in_an_outcome_depends_on_threads() {
    let racing = Reference::new(3, Told::Flag);
    let safe = Reference::new(3, Told::Generation);
    for model in [racing, safe] {
        for max_states in [20_000, usize::MAX] {
            for reduce in [false, true] {
                let of = |threads| {
                    let mut reports = Vec::new();
                    let options = Options { threads, max_states, reduce, ..Options::default() };
                    (search_with(&model, &options, &mut |progress| reports.push(progress)), reports)
                };
                let one = of(1);
                assert!(one.1.len() > 4 && one.1.is_sorted_by_key(|p| p.states));
                assert!([2, 3, 8].iter().all(|&threads| of(threads) == one), "{model:?} {max_states}");
            }
        }
    }
}

#[test]
fn a_search_says_within_what_bounds_it_ended() {
    let model = Reference::new(3, Told::Generation);
    for order in [Order::Breadth, Order::Depth] {
        let few = run(&model, Options { order, max_states: 1_000, ..Options::default() });
        assert_eq!((few.verdict, few.states), (Verdict::NotExhausted { states: 1_000 }, 1_000));
        assert_eq!((few.bounds.max_states, few.bounds.order), (1_000, order));
        let exactly = run(&model, Options { order, max_states: 344_804, ..Options::default() });
        assert_eq!(exactly.verdict, NEVER);
        let small = run(&model, Options { order, max_bytes: 1 << 20, ..Options::default() });
        let Verdict::NotExhausted { states } = small.verdict else { panic!("{small:?}") };
        assert_eq!(states, small.states);
        // It ends at the first look after the bound is passed: before the memory has doubled.
        assert!(small.bytes > 1 << 20 && small.bytes < 2 << 20, "{small:?}");
    }
}

/// Counters that each count to a top; broken when all are there, if that is asked for.
struct Counters {
    top: u32,
    forbid_top: bool,
}

const MANY: usize = 5;

impl System for Counters {
    type State = [u32; MANY];
    type Action = usize;
    type Key = [u32; MANY];
    type Memo = ();

    fn initial(&self) -> [u32; MANY] {
        [0; MANY]
    }
    fn pack(&self, state: &[u32; MANY], _parts: &mut Interner<'_>) -> [u32; MANY] {
        *state
    }
    fn unpack(&self, key: &[u32; MANY], _parts: &Interner<'_>, state: &mut [u32; MANY]) {
        *state = *key;
    }
    fn actions(&self, _state: &[u32; MANY], out: &mut Vec<usize>) {
        out.extend(0..MANY);
    }
    fn apply(&self, state: &mut [u32; MANY], action: usize) -> Option<Effect> {
        if state[action] == self.top {
            return None;
        }
        state[action] += 1;
        Some(Effect { broken: self.forbid_top && state.iter().all(|&c| c == self.top), alone: false })
    }
    fn may_end(&self, state: &[u32; MANY]) -> bool {
        state.iter().all(|&c| c == self.top)
    }
    fn tested(&self, state: &[u32; MANY]) -> bool {
        self.may_end(state)
    }
}

#[test]
fn every_state_and_edge_of_a_grid_is_counted() {
    let grid = Counters { top: 6, forbid_top: false };
    for order in [Order::Breadth, Order::Depth] {
        let outcome = run(&grid, Options { order, ..Options::default() });
        assert_eq!((outcome.states, outcome.transitions), (7_usize.pow(5), 5 * 6 * 7_usize.pow(4)));
        assert_eq!((outcome.verdict, outcome.depth), (Verdict::Never { vacuous: false }, 30));
    }
}

#[test]
fn breadth_first_finds_a_shortest_way() {
    let Verdict::Sometimes(path) = search(&Counters { top: 2, forbid_top: true }, usize::MAX).verdict else {
        panic!("not found")
    };
    assert_eq!(path.len(), 10);
}

/// Two processes take two forks in opposite order: the classic deadlock.
struct Forks;

impl System for Forks {
    type State = [u32; 2];
    type Action = usize;
    type Key = [u32; 2];
    type Memo = ();

    fn initial(&self) -> [u32; 2] {
        [0, 0]
    }
    fn pack(&self, state: &[u32; 2], _parts: &mut Interner<'_>) -> [u32; 2] {
        *state
    }
    fn unpack(&self, key: &[u32; 2], _parts: &Interner<'_>, state: &mut [u32; 2]) {
        *state = *key;
    }
    fn actions(&self, _state: &[u32; 2], out: &mut Vec<usize>) {
        out.extend([0, 1]);
    }
    fn apply(&self, state: &mut [u32; 2], action: usize) -> Option<Effect> {
        // 0: nothing, 1: first fork, 2: both, 3: done. My first fork is the other's second.
        let (mine, other) = (state[action], state[1 - action]);
        let blocked = matches!((mine, other), (0, 2) | (1, 1 | 2)) || mine == 3;
        state[action] += 1;
        (!blocked).then(Effect::default)
    }
    fn may_end(&self, state: &[u32; 2]) -> bool {
        *state == [3, 3]
    }
    fn tested(&self, _state: &[u32; 2]) -> bool {
        true
    }
}

#[test]
fn a_deadlock_is_reported() {
    for order in [Order::Breadth, Order::Depth] {
        let outcome = run(&Forks, Options { order, ..Options::default() });
        let Verdict::Stuck(path) = outcome.verdict else { panic!("{outcome:?}") };
        assert_eq!(path.len(), 2);
    }
}

/// One process goes round for ever, and says each time that nobody else can tell; the other takes one step, which is wrong.
struct Round;

impl System for Round {
    type State = [u32; 2];
    type Action = usize;
    type Key = [u32; 2];
    type Memo = ();

    fn initial(&self) -> [u32; 2] {
        [0, 0]
    }
    fn pack(&self, state: &[u32; 2], _parts: &mut Interner<'_>) -> [u32; 2] {
        *state
    }
    fn unpack(&self, key: &[u32; 2], _parts: &Interner<'_>, state: &mut [u32; 2]) {
        *state = *key;
    }
    fn actions(&self, _state: &[u32; 2], out: &mut Vec<usize>) {
        out.extend([0, 1]);
    }
    fn apply(&self, state: &mut [u32; 2], action: usize) -> Option<Effect> {
        if action == 0 {
            state[0] = (state[0] + 1) % 3;
        }
        Some(Effect { broken: action == 1, alone: action == 0 })
    }
    fn may_end(&self, _state: &[u32; 2]) -> bool {
        true
    }
    fn tested(&self, _state: &[u32; 2]) -> bool {
        true
    }
}

#[test]
fn a_reduction_puts_nothing_off_for_ever() {
    for order in [Order::Breadth, Order::Depth] {
        let outcome = run(&Round, Options { order, reduce: true, ..Options::default() });
        assert!(matches!(outcome.verdict, Verdict::Sometimes(_)), "{order:?}: {outcome:?}");
    }
}
