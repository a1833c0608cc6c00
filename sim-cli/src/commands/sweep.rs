//! `mmusim sweep`: many runs of synthetic workloads, planned in a file, in shards that may be killed and resumed.

mod list;
mod merge;
mod run;

use std::path::Path;

use workloads::sweep::store::{self, State};
use workloads::sweep::{Plan, Point};

use crate::Verdict;
use crate::cli::{SweepArgs, SweepCommand};
use crate::failure::{Failure, printable};
use crate::input;

/// Points named in a message at most.
const NAMED: usize = 10;

pub(crate) fn run(args: &SweepArgs) -> Result<Verdict, Failure> {
    match &args.what {
        SweepCommand::Plan(args) => list::plan(args),
        SweepCommand::Run(args) => run::run(args),
        SweepCommand::Status(args) => list::status(args),
        SweepCommand::Merge(args) => merge::run(args),
    }
}

/// Reads a plan.
fn read(path: &Path) -> Result<Plan, Failure> {
    let name = path.display().to_string();
    let text = input::read_text(&name, "plan", &[])?;
    let directory = path.parent().unwrap_or(Path::new("."));
    Plan::parse(&name, &text, directory).map_err(|e| Failure::text(*e.error, &e.text))
}

/// What is there of each point.
fn states(plan: &Plan, directory: &Path) -> Result<Vec<State>, Failure> {
    if !directory.is_dir() {
        let message = format!("no directory {}", directory.display());
        return Err(Failure::new(message, "expected the --dir of `mmusim sweep run`"));
    }
    plan.points.iter().map(|point| state(directory, point)).collect()
}

fn state(directory: &Path, point: &Point) -> Result<State, Failure> {
    let unreadable = |e| Failure::io("cannot read", &store::path(directory, point).display().to_string(), &e);
    store::state(directory, point).map_err(unreadable)
}

/// How many points of the plan there are in each state, and which ones are not done.
fn summary(plan: &Plan, states: &[State]) -> String {
    let count = |name: &str| states.iter().filter(|state| state.name() == name).count();
    let mut parts = vec![format!("{} of {} points done", count("done"), plan.points.len())];
    for name in ["missing", "broken", "failed"] {
        if count(name) > 0 {
            parts.push(format!("{} {name}", count(name)));
        }
    }
    format!("{}: {}", printable(&plan.input.name), parts.join(", "))
}

/// The numbers of the points that are not done, not all of them if there are many.
fn left(states: &[State]) -> String {
    let left: Vec<usize> = (1..).zip(states).filter(|(_, s)| !matches!(s, State::Done(_))).map(|(n, _)| n).collect();
    let mut text = left.iter().take(NAMED).map(usize::to_string).collect::<Vec<_>>().join(", ");
    if left.len() > NAMED {
        text.push_str(", ...");
    }
    text
}
