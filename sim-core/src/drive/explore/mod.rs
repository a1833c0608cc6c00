//! The explorer: every interleaving, by a search over explicit states.
//!
//! The visited set holds whole packed states, not fingerprints, so a verdict of `never` is exact within the stated bounds;
//! breadth first makes the counterexample a shortest one. The search is generic over [`System`], so that toy systems with
//! known state counts check the search itself.

mod alike;
mod breadth;
mod depth;
mod expand;
mod faces;
mod frames;
mod heard;
mod memo;
mod moves;
mod node;
mod parts;
pub mod race;
mod snapshot;
mod steps;
mod trail;
mod twins;
mod view;
mod visited;
mod witness;

pub use expand::{Bench, Seen, Successor};
pub use parts::Interner;
pub use visited::Key;
pub use witness::{Line, Witness, describe};

/// A transition system with a property.
pub trait System: Sync {
    /// A state.
    type State: Clone;
    /// What leads from one state to the next. Deterministic: the same action in the same state gives the same state.
    type Action: Copy + Send;
    /// The state, packed injectively within one search.
    type Key: Key;
    /// What a worker remembers of earlier states, to be faster; nothing that it finds depends on it.
    type Memo: Default + Send + Sync;

    /// The first state.
    fn initial(&self) -> Self::State;
    /// Packs a state. Large parts that many states share can be numbered first.
    fn pack(&self, state: &Self::State, parts: &mut Interner<'_>) -> Self::Key;
    /// Turns `state`, any state of this system, into the one that was packed.
    fn unpack(&self, key: &Self::Key, parts: &Interner<'_>, state: &mut Self::State);
    /// Every transition from a packed state, behind what `out` has already. Systems that can do with less than a whole state may have their own.
    fn successors(
        &self,
        key: &Self::Key,
        options: &Options,
        bench: &mut Bench<'_, Self>,
        out: &mut Vec<Successor<Self::Key>>,
    ) -> Seen
    where
        Self: Sized,
    {
        expand::successors(self, key, options, bench, out)
    }
    /// The memo, with new numbers in place of those that [`Interner::number`] gave.
    fn renumber_memo(&self, memo: &mut Self::Memo, new: impl Fn(u32) -> u32) {
        let _ = (memo, new);
    }
    /// A key with new numbers in place of those that [`Interner::number`] gave.
    fn renumber(&self, key: Self::Key, new: impl Fn(u32) -> u32) -> Self::Key {
        let _ = new;
        key
    }
    /// The actions worth trying in a state, in a fixed order, fewer than 65,536; some may turn out to be disabled.
    fn actions(&self, state: &Self::State, out: &mut Vec<Self::Action>);
    /// The same where reductions are allowed: fewer, if that changes no verdict.
    fn reduced_actions(&self, state: &Self::State, out: &mut Vec<Self::Action>) {
        self.actions(state, out);
    }
    /// The actions to try in a search with these options.
    fn actions_under(&self, options: &Options, state: &Self::State, out: &mut Vec<Self::Action>) {
        if options.reduce { self.reduced_actions(state, out) } else { self.actions(state, out) }
    }
    /// Takes an action in place; none if it is disabled here, and the state is then spoilt.
    fn apply(&self, state: &mut Self::State, action: Self::Action) -> Option<Effect>;
    /// Turns a state into the one that stands for it and for all that differ only by names: of CPUs, of pages.
    fn represent(&self, state: &mut Self::State) {
        let _ = state;
    }
    /// Is it right that nothing is enabled in this state?
    fn may_end(&self, state: &Self::State) -> bool;
    /// Does this state show that the property was put to the test?
    fn tested(&self, state: &Self::State) -> bool;
    /// What is bounded in it, for reports: how many CPUs, pages, operations.
    fn scope(&self) -> String {
        String::new()
    }
}

/// What an action did, beside changing the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The property was broken on the way.
    pub broken: bool,
    /// Until it is taken, nothing that others do can depend on it, disable it or change what it does, and it neither breaks
    /// the property nor tests it. Then a reduced search may take it at once and leave the other actions for later.
    pub alone: bool,
}

/// In which order states are visited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Level by level: the witness is a shortest one.
    #[default]
    Breadth,
    /// The newest state first, on one thread: no parents are kept, so a state costs less memory.
    Depth,
}

/// How to search, and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The order.
    pub order: Order,
    /// Partial-order reduction: interleavings that differ in nothing observable are tried once.
    pub reduce: bool,
    /// Symmetry reduction by [`System::represent`].
    pub symmetry: bool,
    /// Worker threads of a breadth-first search. Nothing in the outcome depends on them.
    pub threads: usize,
    /// Distinct states at most.
    pub max_states: usize,
    /// Memory of the visited set at most, in bytes; looked at after every batch of states.
    pub max_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            order: Order::Breadth,
            reduce: false,
            symmetry: false,
            threads: 1,
            max_states: u32::MAX as usize - 1,
            max_bytes: u64::MAX,
        }
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<A> {
    /// Every reachable state was visited and the property holds.
    Never {
        /// In no execution was it put to the test, so it proves nothing.
        vacuous: bool,
    },
    /// The property can be broken: a way there, a shortest one in a breadth-first search without reductions.
    Sometimes(Vec<A>),
    /// A state that nothing leaves, though somebody still has work: a way there.
    Stuck(Vec<A>),
    /// A bound was reached first.
    NotExhausted {
        /// Distinct states visited until then.
        states: usize,
    },
}

/// Within what a verdict holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What the system bounds: [`System::scope`].
    pub scope: String,
    /// The order.
    pub order: Order,
    /// Partial-order reduction was on.
    pub reduce: bool,
    /// Symmetry reduction was on.
    pub symmetry: bool,
    /// Distinct states at most.
    pub max_states: usize,
    /// Memory at most, in bytes.
    pub max_bytes: u64,
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
    /// The longest shortest way to a state, in transitions; the longest way that was tried, depth first.
    pub depth: usize,
    /// Memory of the visited set at the end, in bytes.
    pub bytes: u64,
    /// Within what the verdict holds.
    pub bounds: Bounds,
}

impl<A> Outcome<A> {
    /// Memory that one state takes in the visited set, in bytes.
    pub fn bytes_per_state(&self) -> f64 {
        self.bytes as f64 / self.states as f64
    }
}

/// How far a search has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Distinct states so far.
    pub states: usize,
    /// Transitions so far.
    pub transitions: usize,
    /// The depth at which the search is.
    pub depth: usize,
    /// Memory of the visited set so far, in bytes.
    pub bytes: u64,
}

/// Searches breadth first, without reductions, visiting at most `bound` states.
pub fn search<S: System>(system: &S, bound: usize) -> Outcome<S::Action> {
    search_with(system, &Options { max_states: bound, ..Options::default() }, &mut |_| {})
}

/// Searches as asked for, and reports now and then how far it has come: at the same points of every run.
pub fn search_with<S: System>(system: &S, options: &Options, progress: &mut dyn FnMut(Progress)) -> Outcome<S::Action> {
    match options.order {
        Order::Breadth => breadth::search(system, options, progress),
        Order::Depth => depth::search(system, options, progress),
    }
}

fn outcome<S: System>(
    system: &S,
    options: &Options,
    verdict: Verdict<S::Action>,
    reached: Progress,
) -> Outcome<S::Action> {
    let &Options { order, reduce, symmetry, max_states, max_bytes, .. } = options;
    let bounds = Bounds { scope: system.scope(), order, reduce, symmetry, max_states, max_bytes };
    let Progress { states, transitions, depth, bytes } = reached;
    Outcome { verdict, states, transitions, depth, bytes, bounds }
}

/// The actions to try in a state.
fn actions<S: System>(system: &S, options: &Options, state: &S::State, out: &mut Vec<S::Action>) {
    out.clear();
    system.actions_under(options, state, out);
}
