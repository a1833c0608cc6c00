//! `mmusim compare`: the same workload under several policies.

use sim_core::policy::{self, PolicyInfo};
use sim_core::step::era;
use workloads::outcome::{Input, Outcome};
use workloads::recorded::Recording;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{self, Options};
use workloads::synthetic::{Conditions, Synthetic};

use crate::Verdict;
use crate::cli::{ClockArgs, CompareArgs};
use crate::commands::replay;
use crate::failure::Failure;
use crate::input;
use crate::progress::Progress;
use crate::report::{Comparison, write};

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
    let mut comparisons = Vec::new();
    for subject in subjects(args)? {
        let mut outcomes = Vec::new();
        for policy in &policies {
            outcomes.push(match &subject {
                Subject::Recorded(recording) => recorded(recording, policy, &args.clock)?,
                Subject::Synthetic(workload) => synthetic(workload, policy, &args.clock)?,
            });
        }
        comparisons.push(Comparison { outcomes });
    }
    write(&comparisons, &args.output)?;
    Ok(Verdict::Fine)
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
    Ok(if replay::is_recording(name) {
        Subject::Recorded(Box::new(replay::recording(name, &args.recording)?))
    } else {
        Subject::Synthetic(Box::new(input::workload(name)?))
    })
}

fn recorded(recording: &Recording, policy: &'static PolicyInfo, args: &ClockArgs) -> Result<Outcome, Failure> {
    let machine = replay::machine(args.profile.as_deref())?;
    let options = Options {
        policy,
        era: args.era.unwrap_or_else(replay::recorded_era),
        profile: (&machine.input.name, &machine.input.sha256, &machine.profile),
        timing: Timing::Recorded,
    };
    let report = report::report(recording, options).map_err(|e| replay::unfit(&machine, &e))?;
    Ok(Outcome {
        policy: policy.name,
        era: options.era.name,
        profile: machine.input,
        workload: Input { name: recording.file_name().to_owned(), sha256: recording.sha256.clone() },
        seed: None,
        reclaim_cycles: report.reclaim_cycles,
        census: None,
        duration_cycles: report.replayed.duration_cycles,
        stats: report.replayed.stats,
    })
}

fn synthetic(workload: &Synthetic, policy: &'static PolicyInfo, args: &ClockArgs) -> Result<Outcome, Failure> {
    let spec = &workload.workload;
    let machine = input::machine(args.profile.as_deref().unwrap_or(spec.profile.get_ref()))?;
    let written_for = || era::find(spec.era.get_ref()).expect("a workload is read with its era");
    let on = Conditions {
        policy,
        era: args.era.unwrap_or_else(written_for),
        profile: &machine.profile,
        profile_input: &machine.input,
        seed: args.seed,
        run_ahead: args.run_ahead(),
    };
    let title = format!("{} under {}", workload.input.name, policy.name);
    let mut progress = Progress::new(title, spec.duration_cycles.get_ref().get());
    let outcome = workload.run(&on, &mut |cycles| progress.at(cycles));
    outcome.map_err(|unfit| {
        let message = format!("{} on {}: {unfit}", workload.input.name, machine.input.name);
        Failure::new(message, "choose another machine with --profile (mmusim list profiles)")
    })
}
