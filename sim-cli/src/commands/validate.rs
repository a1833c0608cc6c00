//! `mmusim validate --host`: rounds of MADV_PAGEOUT on the running kernel, recorded, replayed, and held against each other.
//!
//! It runs perf and, under it, a small program that it carries, in a temporary directory. It mounts nothing, changes no setting and makes no swap.

mod host;
mod shown;
mod text;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use workloads::machines::MACHINES;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{Options, Report, report};
use workloads::recorded::{Pick, Recording, import_text};

use self::host::Host;
use self::text::{Text, text_name};
use super::replay::{RECORDED_PROFILE, fits, unfit};
use crate::Verdict;
use crate::cli::ValidateArgs;
use crate::failure::Failure;
use crate::input::{self, Machine};
use crate::perf::{self, say};
use crate::progress::Progress;
use crate::rounds::case::{CASES, Case};
use crate::rounds::held::{HeldCall, hold, pages_written, switches_missing};

/// Of a process that may not swap.
const NOTHING_WRITTEN: &str =
    "MADV_PAGEOUT wrote not one page; expected a process that may swap (memory.swap.max of its cgroup)";

/// A case that was recorded and replayed.
struct Validated {
    case: &'static Case,
    report: Report,
    calls: Vec<HeldCall>,
}

impl Validated {
    fn rounds(&self) -> usize {
        self.calls.first().map_or(0, |call| call.rounds.len())
    }

    fn agrees(&self) -> bool {
        self.calls.iter().all(|call| call.agree() == call.rounds.len())
    }
}

/// A case that this machine cannot do, and why.
struct Skipped {
    case: &'static Case,
    why: String,
}

/// What became of the cases.
struct Outcome<'h> {
    host: &'h Host,
    validated: Vec<Validated>,
    skipped: Vec<Skipped>,
}

pub(crate) fn run(args: &ValidateArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let cases: Vec<&'static Case> = if args.cases.is_empty() { CASES.iter().collect() } else { args.cases.clone() };
    let named = args.profile.as_deref().map(input::machine).transpose()?;
    if let Some(directory) = &args.keep {
        check_kept(directory, &cases)?;
    }
    let host = Host::here(args);
    for note in &host.found.notes {
        say(&format!("note: {note}"));
    }
    if !host.found.missing.is_empty() {
        say("skipped: the rounds cannot be made and recorded here");
        for missing in &host.found.missing {
            say(&format!("  missing: {missing}"));
        }
        return Ok(Verdict::Incomplete);
    }
    let mut outcome = Outcome { host: &host, validated: Vec::new(), skipped: Vec::new() };
    // What the cases before a failure have shown is not lost by it.
    let all = validate(args, &cases, named.as_ref(), &mut outcome);
    if !outcome.validated.is_empty() {
        args.output.write(&shown::text(&outcome, args.output.format()))?;
    }
    all?;
    Ok(if outcome.validated.iter().any(|validated| !validated.agrees()) {
        Verdict::Unexpected
    } else if outcome.skipped.is_empty() {
        Verdict::Fine
    } else {
        Verdict::Incomplete
    })
}

fn validate(
    args: &ValidateArgs,
    cases: &[&'static Case],
    named: Option<&Machine>,
    outcome: &mut Outcome<'_>,
) -> Result<(), Failure> {
    let signalled = perf::leave_signals_to_perf()?;
    let progress = Progress::new("validate".to_owned(), cases.len() as u64);
    for &case in cases {
        let part = progress.run(1);
        let done = one(args, case, named, outcome.host, &signalled);
        drop(part);
        match done? {
            Ok(validated) => outcome.validated.push(validated),
            Err(why) => {
                say(&format!("skipped: {}: {why}", case.name));
                outcome.skipped.push(Skipped { case, why });
            }
        }
    }
    Ok(())
}

/// Records a case and replays it, or says why this machine cannot do it.
fn one(
    args: &ValidateArgs,
    case: &'static Case,
    named: Option<&Machine>,
    host: &Host,
    signalled: &AtomicBool,
) -> Result<Result<Validated, String>, Failure> {
    if case.spinner && perf::cpus_allowed() < 2 {
        return Ok(Err("a second thread is to spin on another CPU, and this process may run on one only".to_owned()));
    }
    let mut text = Text::record(args, case, host, signalled)?;
    let recording = match import_text(&text.name, &text.bytes, &Pick::Comm(text.comm.clone())) {
        Ok(recording) => recording,
        Err(error) => return Err(text.unusable(case, &error.to_string())),
    };
    if pages_written(&recording) == 0 {
        return Ok(Err(NOTHING_WRITTEN.to_owned()));
    }
    let report = replayed(&recording, args, named, host)?;
    let calls = match hold(case, args.rounds as usize, &recording, &report.operations) {
        Ok(calls) => calls,
        Err(message) => return Err(text.unusable(case, &message)),
    };
    let missing = switches_missing(&recording);
    let validated = Validated { case, report, calls };
    if !validated.agrees() && missing > 0 {
        // Of processes that perf may not see, or lost by it.
        say(&format!(
            "note: {}: {missing} switches of tasks are missing, so where its threads ran is not certain",
            case.name
        ));
    }
    if !validated.agrees() || args.keep.is_some() {
        let differs = if validated.agrees() { "" } else { "it differs; " };
        let path = text.kept()?.display().to_string();
        say(&format!("{}: {differs}mmusim replay {path} --comm {}", case.name, text.comm));
    }
    Ok(Ok(validated))
}

/// Prediction and recording, call by call. The prediction never sees what the kernel flushed.
fn replayed(
    recording: &Recording,
    args: &ValidateArgs,
    named: Option<&Machine>,
    host: &Host,
) -> Result<Report, Failure> {
    let chosen;
    let machine = if let Some(machine) = named {
        machine
    } else {
        chosen = input::machine(enough(recording.summary.cpus.into()))?;
        &chosen
    };
    fits(recording, machine, 1)?;
    let options = Options {
        policy: args.policy.unwrap_or(host.policy),
        era: args.era.unwrap_or(host.era),
        profile: (&machine.input.name, &machine.input.sha256, &machine.profile),
        timing: Timing::Recorded,
        processes: 1,
    };
    report(recording, options).map_err(|e| unfit(machine, &e))
}

/// The usual machine of a recording; if that has too few CPUs, the smallest one that interrupts and has enough.
fn enough(cpus: u32) -> &'static str {
    let there = |name: &&str| input::machine(name).ok().filter(|machine| machine.profile.ipi.icr_write_cyc.is_some());
    let size = |name: &&str| there(name).map_or(0, |machine| machine.profile.cpus());
    let large = MACHINES.iter().map(|machine| machine.name).filter(|name| size(name) >= cpus);
    if size(&RECORDED_PROFILE) >= cpus { RECORDED_PROFILE } else { large.min_by_key(size).unwrap_or(RECORDED_PROFILE) }
}

/// Can the recordings be kept there?
fn check_kept(directory: &Path, cases: &[&'static Case]) -> Result<(), Failure> {
    if !directory.is_dir() {
        let message = format!("{} is no directory", directory.display());
        return Err(Failure::new(message, "expected a directory that exists"));
    }
    for case in cases {
        let path = directory.join(text_name(case));
        if path.exists() {
            let message = format!("{} is there already", path.display());
            return Err(Failure::new(message, "expected a directory without recordings of these cases"));
        }
    }
    Ok(())
}
