//! The smallest scenario on which the verdicts of two policies differ, by enumeration.
//!
//! [`classes`] has what is tried, in order of size; [`Question::compare`] tries one under both policies. Whoever drives it takes the first
//! that differs in that order, on as many threads as it likes.

mod candidates;

use std::fmt::Write as _;

use sim_core::drive::explore::{Options, Verdict, search_with};
use sim_core::oracle::Class;
use sim_core::policy::PolicyInfo;
use sim_core::step::era::Era;

use super::Litmus;
use super::check::{Checked, Found};
pub use candidates::{Bounds, Candidate, Size, classes};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The policies.
    pub policies: [&'static PolicyInfo; 2],
    /// The kernel around them.
    pub era: &'static Era,
    /// Do races of different classes count as a difference?
    pub by_class: bool,
    /// States a search may visit.
    pub states: usize,
}

/// One scenario under both policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The verdicts are the same.
    Same,
    /// They are not.
    Differ,
    /// One of the searches came to its bound.
    NotExhausted,
}

/// A scenario on which they differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Its litmus file, with the verdicts as expected.
    pub text: String,
    /// The same, read.
    pub litmus: Litmus,
    /// The verdicts, in order of the policies.
    pub checked: [Checked; 2],
}

impl Question {
    /// Tries a scenario.
    pub fn compare(&self, candidate: &Candidate) -> Compared {
        let litmus = self.read(&self.text(candidate, &[]));
        let found = self.policies.map(|policy| {
            let checked = if self.by_class { litmus.check(policy, self.states) } else { self.quickly(&litmus, policy) };
            (checked.found, checked.class)
        });
        let of = |(found, class): (Found, Option<Class>)| match found {
            Found::NotExhausted => None,
            // Nothing that could be broken is nothing that is.
            Found::Vacuous => Some((Found::Never, None)),
            other => Some((other, class.filter(|_| self.by_class))),
        };
        match found.map(of) {
            [Some(one), Some(other)] if one == other => Compared::Same,
            [Some(_), Some(_)] => Compared::Differ,
            _ => Compared::NotExhausted,
        }
    }

    /// Reductions keep verdicts; ways and classes are of no interest here.
    fn quickly(&self, litmus: &Litmus, policy: &PolicyInfo) -> Checked {
        let options = Options { reduce: true, max_states: self.states, ..Options::default() };
        let outcome = search_with(&litmus.race(policy), &options, &mut |_| {});
        let found = match outcome.verdict {
            Verdict::Never { .. } => Found::Never,
            Verdict::Sometimes(_) => Found::Sometimes,
            Verdict::Stuck(_) => Found::Stuck,
            Verdict::NotExhausted { .. } => Found::NotExhausted,
        };
        let (states, transitions, depth) = (outcome.states, outcome.transitions, outcome.depth);
        Checked { found, class: None, states, transitions, depth, moves: None }
    }

    /// A scenario that differs, explored in full, with its file. `tried`: how many were tried, with this one.
    pub fn difference(&self, candidate: &Candidate, tried: usize) -> Difference {
        let plain = self.read(&self.text(candidate, &[]));
        let checked = self.policies.map(|policy| plain.check(policy, self.states));
        let verdict = |checked: &Checked| match (checked.found, checked.class) {
            (Found::Sometimes, Some(class)) => format!("sometimes {}", class.name()),
            _ => "never".to_owned(),
        };
        let why = |checked: &Checked| match checked.found {
            Found::Sometimes => format!("the shortest way has {} moves", checked.moves.as_ref().map_or(0, Vec::len)),
            other => format!("{}, in {} states", other.name(), checked.states),
        };
        let expects: Vec<String> = self
            .policies
            .iter()
            .zip(&checked)
            .filter(|(_, checked)| !matches!(checked.found, Found::Stuck | Found::Vacuous))
            .map(|(policy, checked)| format!("{} {}: {}", verdict(checked), policy.name, why(checked)))
            .collect();
        let source = format!("enumeration: the smallest of {tried} scenarios that tells them apart");
        let text = self.text(candidate, &expects).replace(SOURCE, &source);
        Difference { litmus: self.read(&text), text, checked }
    }

    fn read(&self, text: &str) -> Litmus {
        Litmus::parse(&self.name(), text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn name(&self) -> String {
        format!("{}-or-{}", self.policies[0].name, self.policies[1].name)
    }

    /// The file of a scenario.
    fn text(&self, candidate: &Candidate, expects: &[String]) -> String {
        let mut out = String::new();
        let mut line = |keyword: &str, rest: &str| _ = writeln!(out, "{keyword:6} {rest}");
        line("litmus", &self.name());
        line("title", &format!("{} and {} differ", self.policies[0].name, self.policies[1].name));
        line("source", SOURCE);
        line("era", self.era.name);
        line("set", "evictions off");
        candidate.lines(&mut line);
        if expects.is_empty() {
            line("expect", &format!("never {}: not known yet", self.policies[0].name));
        }
        for expect in expects {
            line("expect", expect);
        }
        out
    }
}

const SOURCE: &str = "enumeration";
