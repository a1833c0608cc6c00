//! All transitions from one packed state.

use super::{Effect, Interner, Options, System, actions};

/// A transition: where it leads, and what else it did.
#[derive(Clone, Copy, Debug)]
pub struct Successor<K> {
    /// The packed state.
    pub key: K,
    /// What the action did beside.
    pub effect: Effect,
}

impl<K> AsRef<K> for Successor<K> {
    fn as_ref(&self) -> &K {
        &self.key
    }
}

/// What a worker saw in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// [`System::tested`].
    pub tested: bool,
    /// [`System::may_end`].
    pub may_end: bool,
    /// A transition breaks the property.
    pub breaks: bool,
}

/// Where a worker unpacks states.
#[derive(Debug)]
pub struct Bench<'p, S: System> {
    /// Numbers of parts.
    pub parts: Interner<'p>,
    /// The state at hand.
    pub state: S::State,
    /// A copy of it, on which an action is tried.
    pub next: S::State,
    /// The actions to try.
    pub choices: Vec<S::Action>,
    /// What the worker remembers.
    pub memo: S::Memo,
}

impl<'p, S: System> Bench<'p, S> {
    pub(super) fn new(system: &S, parts: Interner<'p>, memo: S::Memo) -> Self {
        Bench { parts, state: system.initial(), next: system.initial(), choices: Vec::new(), memo }
    }
}

/// Unpacks a state and takes every action in turn.
#[inline]
pub(super) fn successors<S: System>(
    system: &S,
    key: &S::Key,
    options: &Options,
    bench: &mut Bench<'_, S>,
    out: &mut Vec<Successor<S::Key>>,
) -> Seen {
    let Bench { parts, state, next, choices, .. } = bench;
    let before = out.len();
    system.unpack(key, parts, state);
    actions(system, options, state, choices);
    let mut breaks = false;
    for &action in &*choices {
        next.clone_from(state);
        if let Some(effect) = system.apply(next, action) {
            if options.symmetry {
                system.represent(next);
            }
            breaks |= effect.broken;
            out.push(Successor { key: system.pack(next, parts), effect });
        }
    }
    Seen { tested: system.tested(state), may_end: out.len() == before && system.may_end(state), breaks }
}
