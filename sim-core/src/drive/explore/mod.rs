//! The explorer: every interleaving, by breadth-first search over explicit states.
//!
//! The visited set holds whole packed states, not fingerprints, so a verdict of `never` is exact within the stated bounds;
//! breadth first makes the counterexample a shortest one. The search is generic over [`System`], so that toy systems with
//! known state counts check the search itself.

pub mod race;
mod snapshot;
mod witness;

use std::hash::Hash;

use rustc_hash::FxHashMap;

pub use witness::{Line, Witness};

/// A transition system with a property.
pub trait System {
    /// A state.
    type State: Clone;
    /// What leads from one state to the next. Deterministic: the same action in the same state gives the same state.
    type Action: Copy;
    /// The state, packed injectively.
    type Key: Eq + Hash;

    /// The first state.
    fn initial(&self) -> Self::State;
    /// Packs a state.
    fn key(&self, state: &Self::State) -> Self::Key;
    /// The actions worth trying in a state, in a fixed order; some may turn out to be disabled.
    fn actions(&self, state: &Self::State, out: &mut Vec<Self::Action>);
    /// Takes an action; none if it is disabled here.
    fn apply(&self, state: &Self::State, action: Self::Action) -> Option<Next<Self::State>>;
    /// Is it right that nothing is enabled in this state?
    fn may_end(&self, state: &Self::State) -> bool;
    /// Does this state show that the property was put to the test?
    fn tested(&self, state: &Self::State) -> bool;
}

/// What an action leads to.
#[derive(Clone, Debug)]
pub struct Next<S> {
    /// The new state.
    pub state: S,
    /// The property was broken on the way.
    pub broken: bool,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<A> {
    /// Every reachable state was visited and the property holds.
    Never {
        /// In no execution was it put to the test, so it proves nothing.
        vacuous: bool,
    },
    /// The property can be broken: a shortest way there.
    Sometimes(Vec<A>),
    /// A state that nothing leaves, though somebody still has work: a shortest way there.
    Stuck(Vec<A>),
    /// The bound on states was reached first.
    Incomplete,
}

/// A verdict, and how much was looked at for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<A> {
    /// The verdict.
    pub verdict: Verdict<A>,
    /// Distinct states visited.
    pub states: usize,
    /// Transitions taken.
    pub transitions: usize,
}

struct Origin<A> {
    parent: u32,
    action: Option<A>,
}

/// Searches breadth first, visiting at most `bound` states.
pub fn search<S: System>(system: &S, bound: usize) -> Outcome<S::Action> {
    let first = system.initial();
    let mut visited = FxHashMap::default();
    visited.insert(system.key(&first), 0_u32);
    let mut origins = vec![Origin { parent: 0, action: None }];
    let mut level = vec![(0_u32, first)];
    let (mut actions, mut transitions, mut tested) = (Vec::new(), 0, false);
    while !level.is_empty() {
        let mut next_level = Vec::new();
        for (id, state) in level.drain(..) {
            tested |= system.tested(&state);
            actions.clear();
            system.actions(&state, &mut actions);
            let mut moved = false;
            for &action in &actions {
                let Some(next) = system.apply(&state, action) else {
                    continue;
                };
                moved = true;
                transitions += 1;
                if next.broken {
                    let path = path_to(&origins, id, Some(action));
                    return Outcome { verdict: Verdict::Sometimes(path), states: origins.len(), transitions };
                }
                let fresh = origins.len() as u32;
                if *visited.entry(system.key(&next.state)).or_insert(fresh) == fresh {
                    if origins.len() >= bound {
                        return Outcome { verdict: Verdict::Incomplete, states: origins.len(), transitions };
                    }
                    origins.push(Origin { parent: id, action: Some(action) });
                    next_level.push((fresh, next.state));
                }
            }
            if !moved && !system.may_end(&state) {
                let path = path_to(&origins, id, None);
                return Outcome { verdict: Verdict::Stuck(path), states: origins.len(), transitions };
            }
        }
        level = next_level;
    }
    Outcome { verdict: Verdict::Never { vacuous: !tested }, states: origins.len(), transitions }
}

fn path_to<A: Copy>(origins: &[Origin<A>], mut id: u32, last: Option<A>) -> Vec<A> {
    let mut path: Vec<A> = last.into_iter().collect();
    while let Some(action) = origins[id as usize].action {
        path.push(action);
        id = origins[id as usize].parent;
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `many` counters that each count from 0 to `top`; broken when all are at `top`, if that is asked for.
    struct Counters {
        many: usize,
        top: u8,
        forbid_top: bool,
    }

    impl System for Counters {
        type State = Vec<u8>;
        type Action = usize;
        type Key = Vec<u8>;

        fn initial(&self) -> Vec<u8> {
            vec![0; self.many]
        }
        fn key(&self, state: &Vec<u8>) -> Vec<u8> {
            state.clone()
        }
        fn actions(&self, _state: &Vec<u8>, out: &mut Vec<usize>) {
            out.extend(0..self.many);
        }
        fn apply(&self, state: &Vec<u8>, action: usize) -> Option<Next<Vec<u8>>> {
            let mut state = state.clone();
            (state[action] < self.top).then(|| {
                state[action] += 1;
                let broken = self.forbid_top && state.iter().all(|&c| c == self.top);
                Next { state, broken }
            })
        }
        fn may_end(&self, state: &Vec<u8>) -> bool {
            state.iter().all(|&c| c == self.top)
        }
        fn tested(&self, state: &Vec<u8>) -> bool {
            self.may_end(state)
        }
    }

    #[test]
    fn counts_every_state_and_edge_of_a_grid() {
        let outcome = search(&Counters { many: 5, top: 6, forbid_top: false }, usize::MAX);
        assert_eq!(outcome.states, 7_usize.pow(5));
        assert_eq!(outcome.transitions, 5 * 6 * 7_usize.pow(4));
        assert_eq!(outcome.verdict, Verdict::Never { vacuous: false });
    }

    #[test]
    fn finds_a_shortest_way() {
        let outcome = search(&Counters { many: 3, top: 2, forbid_top: true }, usize::MAX);
        let Verdict::Sometimes(path) = outcome.verdict else { panic!("{outcome:?}") };
        assert_eq!(path.len(), 6);
    }

    #[test]
    fn says_when_a_bound_cut_it_short() {
        let outcome = search(&Counters { many: 5, top: 6, forbid_top: false }, 100);
        assert_eq!((outcome.verdict, outcome.states), (Verdict::Incomplete, 100));
    }

    /// Two processes take two forks in opposite order: the classic deadlock.
    struct Forks;

    impl System for Forks {
        type State = (u8, u8);
        type Action = u8;
        type Key = (u8, u8);

        fn initial(&self) -> (u8, u8) {
            (0, 0)
        }
        fn key(&self, state: &(u8, u8)) -> (u8, u8) {
            *state
        }
        fn actions(&self, _state: &(u8, u8), out: &mut Vec<u8>) {
            out.extend([0, 1]);
        }
        fn apply(&self, &(a, b): &(u8, u8), action: u8) -> Option<Next<(u8, u8)>> {
            let (mine, other) = if action == 0 { (a, b) } else { (b, a) };
            // 0: nothing, 1: first fork, 2: both, 3: done. My first fork is the other's second.
            let blocked = matches!((mine, other), (0, 2) | (1, 1 | 2)) || mine == 3;
            let moved = if action == 0 { (a + 1, b) } else { (a, b + 1) };
            (!blocked).then_some(Next { state: moved, broken: false })
        }
        fn may_end(&self, &(a, b): &(u8, u8)) -> bool {
            a == 3 && b == 3
        }
        fn tested(&self, _state: &(u8, u8)) -> bool {
            true
        }
    }

    #[test]
    fn reports_a_deadlock() {
        let Verdict::Stuck(path) = search(&Forks, usize::MAX).verdict else { panic!("no deadlock found") };
        assert_eq!(path.len(), 2);
    }
}
