//! The way to a state, found again from the keys along it: actions are not stored.

use super::{Interner, Options, System, actions};

/// Walks from the first state through states with these keys; then, if asked for, takes one more action that breaks the property.
pub(super) fn walk<S: System>(
    system: &S,
    options: &Options,
    keys: &[S::Key],
    parts: &mut Interner<'_>,
    breaks: bool,
) -> Vec<S::Action> {
    let (mut state, mut path, mut choices) = (system.initial(), Vec::new(), Vec::new());
    for n in 1..=keys.len() {
        if n == keys.len() && !breaks {
            break;
        }
        actions(system, options, &state, &mut choices);
        // Under symmetry this is a renamed way to a renamed state: each step reaches a state with the right representative.
        let step = choices.iter().find_map(|&action| {
            let mut next = state.clone();
            let effect = system.apply(&mut next, action)?;
            let right = match keys.get(n) {
                Some(&key) => !effect.broken && key == packed(system, options, &next, parts),
                None => effect.broken,
            };
            right.then_some((action, next))
        });
        let (action, next) = step.expect("what was found once is found again");
        path.push(action);
        state = next;
    }
    path
}

fn packed<S: System>(system: &S, options: &Options, state: &S::State, parts: &mut Interner<'_>) -> S::Key {
    if !options.symmetry {
        return system.pack(state, parts);
    }
    let mut state = state.clone();
    system.represent(&mut state);
    system.pack(&state, parts)
}
