//! A file under a policy: every interleaving, and whether the verdict is the expected one.

use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::{Counts, Move, Only, Race, Recorder};
use sim_core::drive::explore::{Options, Outcome, Progress, System, Verdict, search_with};
use sim_core::oracle::Class;
use sim_core::policy::PolicyInfo;

use super::{Expect, Litmus};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No interleaving breaks a promise.
    Never,
    /// Some interleaving does.
    Sometimes,
    /// None does, and none puts it to the test.
    Vacuous,
    /// The bound on states came first.
    NotExhausted,
    /// Some interleaving ends with work left and nobody able to go on.
    Stuck,
}

impl Found {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Found::Never => "never",
            Found::Sometimes => "sometimes",
            Found::Vacuous => "vacuous",
            Found::NotExhausted => "not-exhausted",
            Found::Stuck => "stuck",
        }
    }
}

/// A verdict and how it was come by.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The verdict.
    pub found: Found,
    /// The class of the violation, if there is one.
    pub class: Option<Class>,
    /// Distinct states visited.
    pub states: usize,
    /// Transitions taken.
    pub transitions: usize,
    /// Moves of the longest shortest way to a state that was visited.
    pub depth: usize,
    /// A way to the violation, or to where nothing goes on: a shortest one, breadth first and without reductions.
    pub moves: Option<Vec<Move>>,
}

impl Litmus {
    /// The file under a policy.
    pub fn race(&self, policy: &PolicyInfo) -> Race<'_> {
        Race { scenario: &self.scenario, setting: Setting::of(policy, self.era) }
    }

    /// Explores the file under a policy, breadth first and in full, visiting at most `bound` states.
    pub fn check(&self, policy: &PolicyInfo, bound: usize) -> Checked {
        self.check_with(policy, &Options { max_states: bound, ..Options::default() }, &mut |_| {})
    }

    /// Explores the file under a policy as asked for, and reports now and then how far it has come. Where a class is
    /// expected, a violation of that class is looked for first: the shortest one of any class may be another.
    pub fn check_with(&self, policy: &PolicyInfo, options: &Options, progress: &mut dyn FnMut(Progress)) -> Checked {
        let race = self.race(policy);
        let wanted = self.expected(policy).and_then(|expect| expect.class);
        if let Some(class) = wanted {
            let outcome = search_with(&Only(race, class), options, progress);
            if !matches!(outcome.verdict, Verdict::Never { .. }) {
                return checked(&race, outcome);
            }
        }
        checked(&race, search_with(&race, options, progress))
    }

    /// The same under the contract that a policy declares; none if it declares no weaker one.
    pub fn check_declared(&self, policy: &PolicyInfo, bound: usize) -> Option<Checked> {
        self.check_declared_with(policy, &Options { max_states: bound, ..Options::default() })
    }

    /// The same as asked for.
    pub fn check_declared_with(&self, policy: &PolicyInfo, options: &Options) -> Option<Checked> {
        let race = self.race(policy);
        let declared = Only(race, Counts::Declared(policy.strategy));
        policy.is_weaker().then(|| checked(&race, search_with(&declared, options, &mut |_| {})))
    }

    /// Is this verdict the expected one? Where nothing is expected, any that was reached is.
    pub fn as_expected(&self, policy: &PolicyInfo, checked: &Checked) -> bool {
        met(self.expected(policy), checked)
    }

    /// The same for the declared contract.
    pub fn as_declared(&self, policy: &PolicyInfo, checked: &Checked) -> bool {
        met(self.expected_declared(policy), checked)
    }
}

fn met(expect: Option<&Expect>, checked: &Checked) -> bool {
    match expect {
        None => !matches!(checked.found, Found::Stuck),
        Some(expect) => match expect.class {
            None => checked.found == Found::Never,
            class => checked.found == Found::Sometimes && checked.class == class,
        },
    }
}

fn checked(race: &Race<'_>, outcome: Outcome<Move>) -> Checked {
    let Outcome { states, transitions, depth, .. } = outcome;
    let (found, moves) = match outcome.verdict {
        Verdict::Never { vacuous: false } => (Found::Never, None),
        Verdict::Never { vacuous: true } => (Found::Vacuous, None),
        Verdict::Sometimes(moves) => (Found::Sometimes, Some(moves)),
        Verdict::Stuck(moves) => (Found::Stuck, Some(moves)),
        Verdict::NotExhausted { .. } => (Found::NotExhausted, None),
    };
    let class = moves.as_ref().filter(|_| found == Found::Sometimes).and_then(|moves| last_class(race, moves));
    Checked { found, class, states, transitions, depth, moves }
}

/// The class of the violation a way ends with.
fn last_class(race: &Race<'_>, moves: &[Move]) -> Option<Class> {
    let (mut node, mut heard) = (race.initial(), Recorder::default());
    for &mv in moves {
        assert!(race.make(&mut node, mv, &mut heard), "a way found can be gone: {mv:?}");
    }
    heard.violations.last().map(|violation| violation.class)
}
