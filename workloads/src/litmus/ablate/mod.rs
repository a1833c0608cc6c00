//! The patch 3ea277194daa, line by line: each part left out or moved, and the race that comes back.
//!
//! An ablation is `pending-flag` with one parameter changed, or the kernel with one switch off; a scene is text. Together they
//! are a litmus file, which states what is expected and why.

mod scenes;
mod table;

use std::fmt::Write as _;

use sim_core::oracle::Class;
use sim_core::policy::{self, PolicyInfo};

use super::Litmus;
pub use scenes::{MremapRule, SCENES, Scene};
pub use table::ABLATIONS;

/// A part of the patch that is left out or moved.
#[derive(Clone, Copy, Debug)]
pub struct Ablation {
    /// What it is called.
    pub name: &'static str,
    /// The line of the patch.
    pub line: &'static str,
    /// What becomes of it.
    pub removes: &'static str,
    /// The policy that is left: `pending-flag` or a variant.
    pub policy: &'static str,
    /// The switch of the kernel that is off.
    pub off: Option<&'static str>,
    /// What is expected of every scene.
    pub cases: &'static [Case],
}

/// What is expected of some scenes, and why.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Their names.
    pub scenes: &'static [&'static str],
    /// The class of the race that comes back; none: none does.
    pub class: Option<Class>,
    /// Why.
    pub why: &'static str,
}

/// One ablation on one scene.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// The ablation.
    pub ablation: &'static Ablation,
    /// The scene.
    pub scene: &'static Scene,
    /// What is expected of it, and of others with it.
    pub case: &'static Case,
}

/// The ablation of this name.
pub fn find(name: &str) -> Option<&'static Ablation> {
    ABLATIONS.iter().find(|ablation| ablation.name == name)
}

impl Ablation {
    /// It on every scene, in order of its table.
    pub fn trials(&'static self) -> impl Iterator<Item = Trial> {
        let scene = |name: &&str| SCENES.iter().find(|scene| scene.name == *name).expect("a scene of the table");
        let of = move |case: &'static Case| case.scenes.iter().map(scene).map(move |scene| (case, scene));
        self.cases.iter().flat_map(of).map(move |(case, scene)| Trial { ablation: self, scene, case })
    }
}

impl Trial {
    /// The policy that is left.
    pub fn policy(&self) -> &'static PolicyInfo {
        policy::find(self.ablation.policy).expect("a policy of the table")
    }

    /// The name of its litmus file.
    pub fn name(&self) -> String {
        format!("{}-{}", self.ablation.name, self.scene.name)
    }

    /// The litmus file, which `mmusim check` takes as any other.
    pub fn text(&self) -> String {
        let Trial { ablation, scene, case } = *self;
        let mut out = String::new();
        let mut line = |keyword: &str, rest: &str| _ = writeln!(out, "{keyword:6} {rest}");
        line("litmus", &self.name());
        line("title", &format!("{}; {}", ablation.removes, scene.title));
        line("source", "3ea277194daa");
        line("era", "v4.13");
        if let Some(switch) = ablation.off {
            line("set", &format!("{switch} off"));
        }
        if let Some(rule) = scene.mremap {
            line("set", &format!("mremap_flushes_under_ptl {}", rule.value()));
        }
        out += scene.lines;
        let verdict = case.class.map_or("never".to_owned(), |class| format!("sometimes {}", class.name()));
        _ = writeln!(out, "expect {verdict} {}: {}", ablation.policy, case.why);
        out
    }

    /// The same, read.
    pub fn litmus(&self) -> Litmus {
        Litmus::parse(&self.name(), &self.text()).unwrap_or_else(|error| panic!("{error}"))
    }
}
