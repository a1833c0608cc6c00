//! `mmusim compare`: the same workload under several policies, with one seed or with several.

use sim_core::drive::clock::timeline::Timeline;
use sim_core::policy::{self, PolicyInfo};
use sim_core::step::era::{self, Era};
use workloads::outcome::{Input, Outcome};
use workloads::recorded::Recording;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{self, Options};
use workloads::synthetic::{Conditions, Synthetic};

use crate::Verdict;
use crate::cli::{CompareArgs, RowsArg};
use crate::commands::replay;
use crate::compared::write;
use crate::failure::Failure;
use crate::input;
use crate::jobs;
use crate::output::{Format, check_path};
use crate::perfetto;
use crate::progress::Progress;
use crate::report::Comparison;

/// What the issue compares; the first is the baseline.
const DEFAULT_POLICIES: [&str; 2] = ["unpatched", "patched"];
/// What is shown when nothing is asked for.
const TOUR: &[&str] = &["memcg-file-mprotect-cut", "overlap"];

/// Something to run under each policy.
enum Subject {
    /// A recording of a live kernel.
    Recorded(Box<Recording>),
    /// A synthetic workload.
    Synthetic(Box<Synthetic>),
}

pub(crate) fn run(args: &CompareArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let policies = policies(&args.policies);
    check_rows(args, policies.len())?;
    check_perfetto(args, policies.len())?;
    let seeds = seeds(args.clock.surroundings.seed, args.seeds)?;
    let mut comparisons = Vec::new();
    for subject in subjects(args)? {
        let runs = match &subject {
            Subject::Recorded(recording) => vec![recorded(recording, &policies, args)?],
            Subject::Synthetic(workload) => synthetic(workload, &policies, &seeds, args)?,
        };
        comparisons.push(Comparison { runs, paired: args.seeds.is_some() });
    }
    write(&comparisons, args.rows(), &args.output)?;
    Ok(Verdict::Fine)
}

/// Is there anything to put into the rows asked for?
fn check_rows(args: &CompareArgs, policies: usize) -> Result<(), Failure> {
    let (message, help) = match (args.rows, args.rows()) {
        (Some(_), _) if args.output.format() != Format::Csv => {
            ("--rows says what the rows of a CSV are", "use it with --format csv; JSON has all there is")
        }
        (_, RowsArg::Differences) if args.seeds.is_none() => {
            ("--rows differences without --seeds", "expected --seeds N: differences are those of paired seeds")
        }
        (_, RowsArg::Differences) if policies < 2 => (
            "one policy has no difference to another",
            "expected two policies or more with --seeds, or CSV --rows runs",
        ),
        _ => return Ok(()),
    };
    Err(Failure::new(message, help))
}

/// A timeline is of one run.
fn check_perfetto(args: &CompareArgs, policies: usize) -> Result<(), Failure> {
    let Some(path) = &args.perfetto else { return Ok(()) };
    if policies != 1 {
        let message = format!("--perfetto draws one run, and there are {policies} policies");
        return Err(Failure::new(message, "expected one --policy"));
    }
    check_path(path)
}

/// The seeds of the runs: the first, and those that follow it.
fn seeds(first: u64, count: Option<u32>) -> Result<Vec<u64>, Failure> {
    let count = count.unwrap_or(1);
    let Some(last) = first.checked_add(u64::from(count) - 1) else {
        let message = format!("{count} seeds from {first} on go beyond the last one, {}", u64::MAX);
        return Err(Failure::new(message, "expected a smaller --seed, or fewer --seeds"));
    };
    Ok((first..=last).collect())
}

/// The policies asked for, each once.
fn policies(asked: &[&'static PolicyInfo]) -> Vec<&'static PolicyInfo> {
    if asked.is_empty() {
        return DEFAULT_POLICIES.iter().filter_map(|name| policy::find(name)).collect();
    }
    let mut policies: Vec<&'static PolicyInfo> = Vec::new();
    for policy in asked {
        if policies.iter().all(|p| p.name != policy.name) {
            policies.push(policy);
        }
    }
    policies
}

fn subjects(args: &CompareArgs) -> Result<Vec<Subject>, Failure> {
    let asked: Vec<&str> = args.subject.as_deref().map_or(TOUR.to_vec(), |name| vec![name]);
    asked.into_iter().map(|name| subject(name, args)).collect()
}

fn subject(name: &str, args: &CompareArgs) -> Result<Subject, Failure> {
    if replay::is_recording(name) {
        return Ok(Subject::Recorded(Box::new(replay::recording(name, &args.recording)?)));
    }
    // The tour has both.
    if args.subject.is_some() && args.recording.is_said() {
        let message = format!("{name} is a workload, and --pid and --comm choose a process of a recording");
        return Err(Failure::new(message, "expected a recording (mmusim list recordings), or neither of them"));
    }
    Ok(Subject::Synthetic(Box::new(input::workload(name)?)))
}

/// A recording under each policy. It has no seed, and one replay is as good as many.
fn recorded(
    recording: &Recording,
    policies: &[&'static PolicyInfo],
    args: &CompareArgs,
) -> Result<Vec<Outcome>, Failure> {
    let machine = replay::machine(args.clock.surroundings.profile.as_deref())?;
    let options = |policy| Options {
        policy,
        era: args.clock.surroundings.era.unwrap_or_else(replay::recorded_era),
        profile: (&machine.input.name, &machine.input.sha256, &machine.profile),
        timing: Timing::Recorded,
        processes: 1,
    };
    replay::fits(recording, &machine, 1)?;
    for note in report::notes(recording) {
        eprintln!("{}: note: {note}", recording.file_name());
    }
    if let Some(path) = &args.perfetto {
        replay::draw(recording, &machine, options(policies[0]), path)?;
    }
    let mut outcomes = Vec::new();
    // One after the other: a replay takes several threads and much memory by itself.
    for policy in policies {
        let options = options(*policy);
        let report = report::report(recording, options).map_err(|e| replay::unfit(&machine, &e))?;
        outcomes.push(Outcome {
            policy: policy.name,
            era: options.era.name,
            profile: machine.input.clone(),
            workload: Input { name: recording.file_name().to_owned(), sha256: recording.sha256.clone() },
            seed: None,
            threads: 0,
            rounds: 0,
            reclaim_cycles: report.reclaim_cycles,
            census: None,
            duration_cycles: report.replayed.duration_cycles,
            stats: report.replayed.stats,
        });
    }
    Ok(outcomes)
}

/// A workload with each seed, under each policy.
fn synthetic(
    workload: &Synthetic,
    policies: &[&'static PolicyInfo],
    seeds: &[u64],
    args: &CompareArgs,
) -> Result<Vec<Vec<Outcome>>, Failure> {
    let spec = &workload.workload;
    let machine = input::machine(args.clock.surroundings.profile.as_deref().unwrap_or(spec.profile.get_ref()))?;
    let written_for = || era::find(spec.era.get_ref()).expect("a workload is read with its era");
    let era: &'static Era = args.clock.surroundings.era.unwrap_or_else(written_for);
    let runs: Vec<_> = seeds.iter().flat_map(|&seed| policies.iter().map(move |&policy| (seed, policy))).collect();
    let cycles = spec.duration_cycles.get_ref().get();
    let title = format!("{}, {} runs", workload.input.name, runs.len());
    let progress = Progress::new(title, cycles.saturating_mul(runs.len() as u64));
    let outcomes = jobs::all(runs.len(), args.threads.unwrap_or_else(jobs::default_threads), |index| {
        let (seed, policy) = runs[index];
        let (profile, profile_input, run_ahead) = (&machine.profile, &machine.input, args.clock.run_ahead());
        let on = Conditions { policy, era, profile, profile_input, seed, run_ahead };
        let mut part = progress.run(cycles);
        let timeline = args.perfetto.as_ref().map(|_| Timeline::new());
        workload.run_noting(&on, timeline, &mut |cycles| part.at(cycles))
    });
    drop(progress);
    let outcomes: Result<Vec<Outcome>, _> = outcomes.into_iter().collect();
    let mut outcomes = outcomes.map_err(|unfit| {
        let message = format!("{} on {}: {unfit}", workload.input.name, machine.input.name);
        Failure::new(message, "choose another machine with --profile (mmusim list profiles)")
    })?;
    for outcome in &mut outcomes {
        if let (Some(path), Some(timeline)) = (&args.perfetto, outcome.stats.timeline.take()) {
            perfetto::write_run(&timeline.into_events(), outcome, spec.cpus() as u16, path)?;
        }
    }
    let mut outcomes = outcomes.into_iter();
    Ok(seeds.iter().map(|_| outcomes.by_ref().take(policies.len()).collect()).collect())
}
