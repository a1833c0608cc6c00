//! `mmusim sweep run`: the points of a shard, several at a time, each into a file of its own.

use std::any::Any;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use workloads::outcome::Outcome;
use workloads::sweep::Point;
use workloads::sweep::store::{self, State};
use workloads::synthetic::Unfit;

use crate::Verdict;
use crate::cli::SweepRunArgs;
use crate::commands::sweep::{read, state};
use crate::failure::Failure;
use crate::jobs;
use crate::output::write_file;
use crate::progress::Progress;
use crate::report::{record, run_columns, run_row};

pub(super) fn run(args: &SweepRunArgs) -> Result<Verdict, Failure> {
    let plan = read(&args.plan)?;
    let directory = args.dir.as_path();
    fs::create_dir_all(directory).map_err(|e| Failure::io("cannot make", &directory.display().to_string(), &e))?;
    let points: Vec<&Point> = plan.shard(args.shard.index, args.shard.of).collect();
    let mut left = Vec::new();
    for point in &points {
        if !matches!(state(directory, point)?, State::Done(_)) {
            left.push(*point);
        }
    }
    let title = format!("{} {}/{}, {} points", plan.input.name, args.shard.index, args.shard.of, left.len());
    let cycles = left.iter().fold(0, |sum: u64, point| sum.saturating_add(point.duration_cycles()));
    let progress = Progress::new(title, cycles);
    let (mut done, mut failed, mut failure) = (0, 0, None);
    let job = |point: &&Point| {
        let mut part = progress.run(point.duration_cycles());
        let attempted = attempt(|| point.run(&mut |cycles| part.at(cycles)));
        keep(directory, point, attempted)
    };
    jobs::each(&left, args.threads.unwrap_or_else(jobs::default_threads), job, |ended| match ended {
        Ok(is_done) => {
            if is_done {
                done += 1;
            } else {
                failed += 1;
            }
            true
        }
        // Whatever is written later would not be written either.
        Err(e) => {
            failure.get_or_insert(e);
            false
        }
    });
    drop(progress);
    if let Some(failure) = failure {
        return Err(failure);
    }
    let mut told = format!("{} points: {} were there, {done} done", points.len(), points.len() - left.len());
    if failed > 0 {
        let _ = write!(told, ", {failed} failed (`mmusim sweep status` says why)");
    }
    eprintln!("{} {}/{}: {told}", plan.input.name, args.shard.index, args.shard.of);
    Ok(if failed > 0 { Verdict::Incomplete } else { Verdict::Fine })
}

/// Runs a point. An assertion of the model that fails is the end of this point, not of the others.
fn attempt(run: impl FnOnce() -> Result<Outcome, Unfit>) -> Result<Outcome, String> {
    // What a run changes is its own.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => outcome.map_err(|unfit| unfit.to_string()),
        Err(panic) => Err(message(&*panic)),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the model stopped: {}", text.unwrap_or("it does not say why"))
}

/// Writes what became of a point; false if it failed.
fn keep(directory: &Path, point: &Point, attempted: Result<Outcome, String>) -> Result<bool, Failure> {
    let (path, failure_path) = (store::path(directory, point), store::failure_path(directory, point));
    let unwritten = |path: &Path, e| Failure::io("cannot write", &path.display().to_string(), &e);
    match attempted {
        Ok(outcome) => {
            write_file(&path, &store::seal(&point.id, &result(&outcome))).map_err(|e| unwritten(&path, e))?;
            match fs::remove_file(&failure_path) {
                Err(e) if e.kind() != ErrorKind::NotFound => Err(unwritten(&failure_path, e)),
                _ => Ok(true),
            }
        }
        Err(message) => {
            write_file(&failure_path, &format!("{message}\n")).map_err(|e| unwritten(&failure_path, e))?;
            Ok(false)
        }
    }
}

/// The CSV of one run, as `compare` would write it. There is no other policy beside it to be the baseline.
fn result(outcome: &Outcome) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    record(&mut writer, run_columns());
    record(&mut writer, run_row(outcome, None));
    String::from_utf8(writer.into_inner().expect("memory is writable")).expect("names are text")
}

#[cfg(test)]
mod tests {
    use workloads::sweep::Plan;

    use super::*;

    const PLAN: &str =
        "name = \"p\"\n[fixed]\npolicy = \"patched\"\nworkload = \"alternating\"\n\"workload.duration_cycles\" = 1\n";

    #[test]
    fn a_point_that_fails_is_recorded_and_forgotten_once_it_is_done() {
        let plan = Plan::parse("p.toml", PLAN, Path::new(".")).expect("a plan");
        let (point, directory) = (&plan.points[0], tempfile::tempdir().expect("a directory"));
        let directory = directory.path();
        for (run, told) in [
            (attempt(|| panic!("{} < {}", 1, 2)), "the model stopped: 1 < 2"),
            (attempt(|| Err(Unfit::Cpus { needed: 2, there: 1 })), "the workload needs 2 CPUs"),
        ] {
            assert!(!keep(directory, point, run).expect("written"));
            match store::state(directory, point).expect("read") {
                State::Failed(message) => assert!(message.starts_with(told), "{message}"),
                other => panic!("{other:?}"),
            }
        }
        assert!(keep(directory, point, attempt(|| point.run(&mut |_| {}))).expect("written"));
        assert!(matches!(store::state(directory, point), Ok(State::Done(_))));
        assert_eq!(fs::read_dir(directory).expect("listed").count(), 1, "nothing else is left");
    }
}
