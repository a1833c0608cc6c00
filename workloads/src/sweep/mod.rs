//! Parameter sweeps: a plan in TOML, its points, and the files their results are kept in.
//!
//! A plan is a list of axes. Knobs of one axis change together, those of two are multiplied; a point is one run of a synthetic
//! workload under one setting of all knobs (docs/sweeps.md). [`knob::KNOBS`] is the table of what can be set.

mod edit;
pub mod knob;
mod parse;
mod resolve;
pub mod store;

use std::path::Path;
use std::sync::Arc;

use sim_core::drive::clock::RunAhead;
use sim_core::machine::profile::Profile;
use sim_core::policy::PolicyInfo;
use sim_core::step::era::Era;
use thiserror::Error;

use crate::error::TextError;
use crate::outcome::{Input, METRICS, Outcome, SCHEMA, sha256};
use crate::sweep::knob::Knob;
use crate::sweep::parse::Axis;
use crate::sweep::resolve::Resolver;
use crate::synthetic::{Conditions, Synthetic, Unfit};

/// More points than this take a directory of files that no file system likes.
pub const POINTS_MAX: usize = 100_000;

/// Hexadecimal digits of an id: 128 bits tell any points apart.
const ID_DIGITS: usize = 32;

/// A plan that cannot be run, or a file it names: what is wrong there.
#[derive(Clone, Debug, Error)]
#[error("{error}")]
pub struct PlanError {
    /// What, and where.
    pub error: Box<TextError>,
    /// The text it is about.
    pub text: String,
}

impl PlanError {
    fn new(error: TextError, text: &str) -> PlanError {
        PlanError { error: Box::new(error), text: text.to_owned() }
    }
}

/// A plan, with all its points.
#[derive(Debug)]
pub struct Plan {
    /// Its name, and the hash of its text.
    pub input: Input,
    /// One line about it; may be empty.
    pub summary: String,
    /// In the order of the plan: the first axis slowest, the last one fastest.
    pub points: Vec<Point>,
    axes: Vec<Axis>,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Point {
    /// The hash of everything its result depends on; the name of its file.
    pub id: String,
    /// Where on each axis it is.
    places: Vec<usize>,
    workload: Arc<Subject>,
    machine: Arc<Machine>,
    policy: &'static PolicyInfo,
    era: Era,
    seed: u64,
}

/// A workload with the keys set that a plan sets.
#[derive(Debug)]
struct Subject {
    /// Its hash is that of the text it was made from.
    synthetic: Synthetic,
    /// The hash of the text with the keys set.
    sha256: String,
}

/// A machine with the keys set that a plan sets.
#[derive(Debug)]
struct Machine {
    /// Its name, and the hash of the text it was made from.
    input: Input,
    profile: Profile,
    /// The hash of the text with the keys set.
    sha256: String,
}

impl Plan {
    /// Reads a plan and makes its points; `name` (usually the file) is for messages, `directory` is where files are that it
    /// names.
    ///
    /// # Errors
    /// If the text is no plan, names what is not there, sets what cannot be set, has the same run twice, or has a point that
    /// cannot be run.
    pub fn parse(name: &str, text: &str, directory: &Path) -> Result<Plan, PlanError> {
        let outline = parse::outline(name, text).map_err(|error| PlanError::new(error, text))?;
        let points = Resolver::new(name, text, &outline, directory).points()?;
        let input = Input::new(&outline.name, text.as_bytes());
        Ok(Plan { input, summary: outline.summary, points, axes: outline.axes })
    }

    /// What the plan calls its knobs, in its order, and the knobs.
    pub fn knobs(&self) -> impl Iterator<Item = (&str, &'static Knob)> {
        self.axes.iter().flat_map(|axis| axis.dials.iter().map(|dial| (dial.name.as_str(), dial.knob)))
    }

    /// How many of the knobs, the first ones, are the same at every point.
    pub fn fixed(&self) -> usize {
        self.axes[0].dials.len()
    }

    /// The value of each knob at a point, in the same order.
    pub fn values(&self, point: &Point) -> impl Iterator<Item = String> {
        let axes = self.axes.iter().zip(&point.places);
        axes.flat_map(|(axis, &place)| axis.dials.iter().map(move |dial| dial.values[place].text()))
    }

    /// The points of a shard: each `of`-th from `shard` on, which counts from 1. So every shard has a share of each axis.
    pub fn shard(&self, shard: usize, of: usize) -> impl Iterator<Item = &Point> {
        self.points.iter().skip(shard - 1).step_by(of)
    }
}

impl Point {
    /// Runs it. `progress` hears now and then how many cycles are done.
    ///
    /// # Errors
    /// None that the plan would not have told before.
    pub fn run(&self, progress: &mut dyn FnMut(u64)) -> Result<Outcome, Unfit> {
        self.workload.synthetic.run(&self.conditions(RunAhead::Upto(u64::MAX)), progress)
    }

    /// How long the workload runs, in cycles.
    pub fn duration_cycles(&self) -> u64 {
        self.workload.synthetic.workload.duration_cycles.get_ref().get()
    }

    fn conditions(&self, run_ahead: RunAhead) -> Conditions<'_> {
        let Machine { input, profile, .. } = &*self.machine;
        Conditions { policy: self.policy, era: &self.era, profile, profile_input: input, seed: self.seed, run_ahead }
    }
}

/// The id of a point: a hash of all that its result and its row depend on, the columns included.
fn identity(point: &Point) -> String {
    // Whatever conditions there are, they count; how far cores run ahead does not.
    let Conditions { policy, era, profile: _, profile_input, seed, run_ahead: _ } =
        point.conditions(RunAhead::Upto(u64::MAX));
    let workload = &point.workload.synthetic.input;
    let columns: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
    let text = [
        format!("version {} schema {SCHEMA}", env!("CARGO_PKG_VERSION")),
        format!("columns {}", columns.join(",")),
        format!("policy {}", policy.name),
        format!("era {era:?}"),
        format!("workload {} {} {}", workload.name, workload.sha256, point.workload.sha256),
        format!("profile {} {} {}", profile_input.name, profile_input.sha256, point.machine.sha256),
        format!("seed {seed}"),
    ];
    let mut id = sha256(text.join("\n").as_bytes());
    id.truncate(ID_DIGITS);
    id
}

#[cfg(test)]
mod tests;
