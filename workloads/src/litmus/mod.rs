//! Litmus files: a few pages, a few CPUs, one line a CPU, and the verdict expected under each policy, with its reason.
//!
//! `docs/litmus.md` has every word. A file becomes a [`Scenario`] of the explorer and an [`Era`]; [`check`] explores it.

pub mod ablate;
pub mod check;
pub mod distinguish;
mod embedded;
mod format;
mod lex;
mod ops;
mod page;
mod parse;
pub mod promela;
pub mod switches;
pub mod witness;
pub mod words;

use sim_core::oracle::Class;
use sim_core::policy::PolicyInfo;
use sim_core::step::era::Era;
use sim_core::world::small::Scenario;

pub use embedded::{Builtin, LITMUS, find};
pub use format::format;

/// A litmus file, read.
#[derive(Clone, Debug)]
pub struct Litmus {
    /// Its name.
    pub name: String,
    /// What goes wrong, in one line.
    pub title: String,
    /// Where it comes from.
    pub source: String,
    /// The kernel around the policy, with the switches of the file set.
    pub era: Era,
    /// Pages and programs.
    pub scenario: Scenario,
    /// The verdicts expected.
    pub expects: Vec<Expect>,
    /// Those under the contract that a policy declares, where it is weaker than that of the system calls.
    pub declared: Vec<Expect>,
}

/// What a file expects under one policy.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The policy.
    pub policy: &'static PolicyInfo,
    /// The class of a violation that some interleaving has; none: no interleaving has any.
    pub class: Option<Class>,
    /// Why, or where that is said.
    pub reason: String,
}

impl Litmus {
    /// What is expected under a policy, if the file says.
    pub fn expected(&self, policy: &PolicyInfo) -> Option<&Expect> {
        self.expects.iter().find(|expect| expect.policy.name == policy.name)
    }

    /// What is expected under a policy and the contract it declares, if the file says.
    pub fn expected_declared(&self, policy: &PolicyInfo) -> Option<&Expect> {
        self.declared.iter().find(|expect| expect.policy.name == policy.name)
    }
}
