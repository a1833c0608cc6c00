//! A search that is made in every way there is, and must find the same in each.

use std::mem::discriminant;

use sim_core::drive::explore::{Options, Order, Outcome, System, Verdict, search_with};

/// Searches breadth first without reductions, and checks the other ways against it.
pub(crate) fn search<S: System<Action: std::fmt::Debug + PartialEq>>(system: &S, bound: usize) -> Outcome<S::Action> {
    let run = |options: Options| search_with(system, &Options { max_states: bound, ..options }, &mut |_| {});
    let plain = run(Options::default());
    assert_eq!(run(Options { threads: 2, ..Options::default() }), plain);
    for (order, reduce) in [(Order::Depth, false), (Order::Breadth, true), (Order::Depth, true)] {
        let other = run(Options { order, reduce, threads: 2, ..Options::default() });
        match (&plain.verdict, &other.verdict) {
            (Verdict::Never { .. }, verdict) => {
                assert_eq!(verdict, &plain.verdict, "{order:?} {reduce}");
                assert_eq!(other.states < plain.states, reduce, "{order:?}: {} states", other.states);
            }
            (verdict, Verdict::Sometimes(path) | Verdict::Stuck(path)) => {
                assert_eq!(discriminant(verdict), discriminant(&other.verdict), "{order:?} {reduce}");
                let breaks = matches!(verdict, Verdict::Sometimes(_));
                assert_eq!(broken_at(system, path), breaks.then(|| path.len() - 1), "{order:?} {reduce}: {path:?}");
            }
            _ => panic!("{order:?} {reduce}: {:?}, {:?}", plain.verdict, other.verdict),
        }
    }
    plain
}

/// The first action of a path that breaks the property.
fn broken_at<S: System>(system: &S, path: &[S::Action]) -> Option<usize> {
    let mut state = system.initial();
    path.iter().position(|&action| system.apply(&mut state, action).expect("a path can be taken").broken)
}
