//! `mmusim replay`: a recording under a policy, what the kernel did beside what the model predicts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use comfy_table::{Cell, CellAlignment, Table};
use sim_core::policy;
use sim_core::step::era;
use workloads::recorded::assume::Victim;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{Options, Report, report, timeline};
use workloads::recorded::{EMBEDDED, IMPORTERS, Input, Pick, Recording, embedded, import};
use workloads::timeline::{Counter, Timeline, of_run};

use crate::Verdict;
use crate::cli::{RecordingArgs, ReplayArgs};
use crate::failure::Failure;
use crate::input::{self, Machine};
use crate::output::{Format, check_path, ends_in};
use crate::perfetto;
use crate::report::{VERSION, plain_table};

/// The kernel of the shipped recordings; a recording does not name its own.
const RECORDED_ERA: &str = "v6.18";
/// The policy of that kernel.
const RECORDED_POLICY: &str = "pending-generation";
/// The machine nearest to the one they were made on.
pub(crate) const RECORDED_PROFILE: &str = "zen5_vm";

pub(crate) fn run(args: &ReplayArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    if super::witness::is_witness(&args.trace) {
        return super::witness::run(args);
    }
    let recording = recording(&args.trace, &args.recording)?;
    let machine = machine(args.profile.as_deref())?;
    let timing = if args.timing == crate::cli::TimingArg::Model { Timing::Model } else { Timing::Recorded };
    let options = Options {
        policy: args.policy.unwrap_or_else(|| policy::find(RECORDED_POLICY).expect("a registered policy")),
        era: args.era.unwrap_or_else(recorded_era),
        profile: (&machine.input.name, &machine.input.sha256, &machine.profile),
        timing,
        processes: args.processes,
    };
    fits(&recording, &machine, args.processes)?;
    if let Some(path) = &args.perfetto {
        check_path(path)?;
        draw(&recording, &machine, options, path)?;
    }
    let report = report(&recording, options).map_err(|e| unfit(&machine, &e))?;
    args.output.write(&match args.output.format() {
        Format::Table => table(&report),
        Format::Csv => csv(&report),
        Format::Json => json(&report),
    })?;
    Ok(Verdict::Fine)
}

/// Draws the replay that the estimate is made from.
pub(crate) fn draw(recording: &Recording, machine: &Machine, options: Options<'_>, path: &Path) -> Result<(), Failure> {
    let events = timeline(recording, options).map_err(|e| unfit(machine, &e))?;
    let (name, policy, era) = (recording.file_name(), options.policy.name, options.era.name);
    let provenance = [
        ("version", VERSION),
        ("recording", name),
        ("recording_sha256", &recording.sha256),
        ("policy", policy),
        ("era", era),
        ("profile", options.profile.0),
        ("profile_sha256", options.profile.1),
        ("timing", if options.timing == Timing::Model { "model" } else { "recorded" }),
        ("processes", &options.processes.to_string()),
    ];
    let drawn = Timeline {
        title: format!("{name} under {policy}, {era}, on {}", options.profile.0),
        provenance: provenance.map(|(name, value)| (name, value.to_owned())).into(),
        cpus: recording.summary.cpus.max(1) * options.processes,
        counters: &Counter::ALL,
        marks: of_run(&events),
    };
    perfetto::write(&drawn, path)
}

/// The era of a recording if nothing else is said.
pub(crate) fn recorded_era() -> &'static era::Era {
    era::find(RECORDED_ERA).expect("a registered era")
}

/// The machine of a recording, or the one asked for.
pub(crate) fn machine(name: Option<&str>) -> Result<Machine, Failure> {
    input::machine(name.unwrap_or(RECORDED_PROFILE))
}

/// Every copy of the process needs the CPUs of the recording.
pub(crate) fn fits(recording: &Recording, machine: &Machine, processes: u16) -> Result<(), Failure> {
    let recorded = u32::from(recording.summary.cpus.max(1));
    let (needed, there) = (recorded * u32::from(processes), machine.profile.cpus());
    if needed <= there {
        return Ok(());
    }
    let times = if processes > 1 { format!(" x {processes} processes") } else { String::new() };
    let message = format!(
        "{} has {there} CPUs, {} needs {needed}: {recorded} recorded{times}",
        machine.input.name,
        recording.file_name()
    );
    let help =
        "expected a machine with that many: choose one with --profile (mmusim list profiles), or fewer --processes";
    Err(Failure::new(message, help))
}

/// A profile that cannot price interrupts.
pub(crate) fn unfit(machine: &Machine, error: &impl std::fmt::Display) -> Failure {
    let message = format!("{}: {error}", machine.input.name);
    Failure::new(message, "choose another machine with --profile (mmusim list profiles)")
}

/// Is this the name of a recording, or a file that looks like one?
pub(crate) fn is_recording(name: &str) -> bool {
    let path = std::path::Path::new(name);
    let toml = ends_in(path, "toml");
    embedded(name).is_some() || name == "-" || (path.exists() && !toml)
}

/// A recording by name, by path, or from standard input.
pub(crate) fn recording(name: &str, args: &RecordingArgs) -> Result<Recording, Failure> {
    let input = match embedded(name) {
        Some(builtin) => builtin.input(),
        None => Input::Path(PathBuf::from(name)),
    };
    let pick = match (args.pid, &args.comm) {
        (Some(pid), _) => Pick::Pid(pid),
        (None, Some(comm)) => Pick::Comm(comm.clone()),
        (None, None) => Pick::Busiest,
    };
    import(input, &pick).map_err(|e| {
        let known: Vec<_> = EMBEDDED.iter().map(|r| r.name).collect();
        let help = format!(
            "a recording is the text of {}, plain or .zst, - for standard input (docs/replay.md), or one of {}",
            IMPORTERS.map(|importer| importer.name).join(", "),
            known.join(", ")
        );
        Failure::new(e.to_string(), help)
    })
}

fn json(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("a report is plain data");
    text.push('\n');
    text
}

fn csv(report: &Report) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let p = &report.provenance;
    let write = |writer: &mut csv::Writer<Vec<u8>>, record: &[&str]| {
        writer.write_record(record).expect("memory takes every record");
    };
    let header = [
        "version",
        "recording",
        "recording_sha256",
        "policy",
        "era",
        "profile",
        "profile_sha256",
        "context",
        "reason",
        "extent",
        "recorded",
        "predicted",
        "low",
        "high",
    ];
    write(&mut writer, &header);
    for row in &report.rows {
        let (reason, recorded, predicted) =
            (row.reason.to_string(), count(row.recorded, ""), row.predicted.to_string());
        let (low, high) = (row.low.to_string(), row.high.to_string());
        let (context, extent) = (row.context.name(), row.extent.name());
        write(
            &mut writer,
            &[
                p.version,
                &p.recording,
                &p.recording_sha256,
                p.policy,
                p.era,
                &p.profile,
                &p.profile_sha256,
                context,
                &reason,
                extent,
                &recorded,
                &predicted,
                &low,
                &high,
            ],
        );
    }
    let bytes = writer.into_inner().expect("memory can be flushed");
    String::from_utf8(bytes).expect("the fields are text")
}

/// A number that may not have been recorded.
fn count(recorded: Option<u64>, absent: &str) -> String {
    recorded.map_or(absent.to_owned(), |recorded| recorded.to_string())
}

fn right(text: impl std::fmt::Display + Copy) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn table(report: &Report) -> String {
    let p = &report.provenance;
    let mut text =
        format!("{} ({} {}) under {}, era {}, on {}\n", p.recording, p.comm, p.pid, p.policy, p.era, p.profile);
    if p.processes > 1 {
        let _ = writeln!(
            text,
            "what-if: predictions are for {} copies of the process, each on CPUs of its own; recorded is the one",
            p.processes
        );
    }
    let _ = writeln!(
        text,
        "{} lines read, {} of events that are unknown and skipped, {} events of other processes",
        report.lines.read,
        report.lines.unknown_events.values().sum::<u64>(),
        report.lines.other_process_events
    );
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = writeln!(text, "{}\n", rows(report).trim_fmt());
    let _ = writeln!(text, "{}\n", operations(report).trim_fmt());
    let _ = writeln!(text, "{}\n", windows(report).trim_fmt());
    for (victim, extra) in [("idle", report.extra_flushes), ("hot", report.extra_flushes_hot)] {
        let total = extra.needed + extra.useful_elsewhere + extra.needless;
        let _ = writeln!(
            text,
            "extra flushes ({victim} victim): {total} = {} needed + {} useful elsewhere + {} needless",
            extra.needed, extra.useful_elsewhere, extra.needless
        );
    }
    let i = report.inferred;
    let _ = writeln!(
        text,
        "inferred: {} silent arrivals, {} pages made present, {} made absent, {} mapped unseen, {} victims unmapped, \
         {} victims unseen, {} faulted around, {} unfinished calls",
        i.silent_arrivals,
        i.made_present,
        i.made_absent,
        i.mapped_unseen,
        i.victims_unmapped,
        i.victims_unseen,
        i.faulted_around,
        i.unfinished_calls
    );
    text.push_str("assumptions:\n");
    for a in &report.assumptions {
        let _ = writeln!(
            text,
            "  {}: dirty {:?}, silent threads {:?}, fault-around {:?}, mapped lists {:?}, unseen pages {:?}, unmapping {:?}, \
             touched {:?}, victims {:?}",
            a.name, a.dirty, a.silent, a.fault_around, a.mapped_lists, a.unseen_pages, a.unmapping, a.touched, a.victim
        );
    }
    text.push_str("rules:\n");
    for rule in report.rules {
        let _ = writeln!(text, "  {rule}");
    }
    text
}

fn rows(report: &Report) -> Table {
    let mut table = plain_table();
    table.set_header([
        Cell::new("context"),
        Cell::new("reason"),
        Cell::new("extent"),
        right("recorded"),
        right("predicted [low..high]"),
    ]);
    for row in &report.rows {
        table.add_row([
            Cell::new(row.context.name()),
            Cell::new(format!("{} {}", row.reason, reason(row.reason))),
            Cell::new(row.extent.name()),
            right(&count(row.recorded, "-")),
            Cell::new(format!("{} [{}..{}]", row.predicted, row.low, row.high)).set_alignment(CellAlignment::Right),
        ]);
    }
    table
}

/// Windows by victim and class, in cycles.
fn windows(report: &Report) -> Table {
    let mut table = plain_table();
    table.set_header([
        Cell::new("victim"),
        Cell::new("windows"),
        right("count"),
        right("p50 cycles"),
        right("p99 cycles"),
        right("max cycles"),
    ]);
    for row in &report.windows {
        let victim = if row.victim == Victim::Hot { "hot" } else { "idle" };
        table.add_row([
            Cell::new(victim),
            Cell::new(row.class),
            right(row.count),
            right(row.p50_cycles),
            right(row.p99_cycles),
            right(row.max_cycles),
        ]);
    }
    table
}

/// The names of the tracepoint (include/trace/events/tlb.h).
fn reason(reason: u8) -> &'static str {
    match reason {
        1 => "remote shootdown",
        2 => "local shootdown",
        3 => "local mm shootdown",
        4 => "remote IPI send",
        5 => "remote wrong CPU",
        _ => "task switch",
    }
}

/// Calls by name: full shootdowns of other CPUs that they paid for.
fn operations(report: &Report) -> Table {
    #[derive(Default)]
    struct Sum {
        calls: u64,
        predicted: u64,
        /// Flushes that were recorded, and calls for which the prediction agrees.
        recorded: Option<(u64, u64)>,
    }
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for operation in &report.operations {
        let sum = sums.entry(operation.name).or_default();
        sum.calls += 1;
        sum.predicted += operation.predicted_full_ipi;
        let processes = u64::from(report.provenance.processes);
        // Either all of them have a figure, or none.
        if let Some(recorded) = operation.recorded_full_ipi {
            let (flushes, agree) = sum.recorded.get_or_insert((0, 0));
            *flushes += recorded;
            *agree += u64::from(recorded * processes == operation.predicted_full_ipi);
        }
    }
    let mut table = plain_table();
    table.set_header([
        Cell::new("call"),
        right("calls"),
        right("full IPI flushes recorded"),
        right("predicted"),
        right("calls that agree"),
    ]);
    for (name, sum) in sums {
        let (recorded, agree) = sum.recorded.unzip();
        let (recorded, agree) = (count(recorded, "-"), count(agree, "-"));
        table.add_row([Cell::new(name), right(sum.calls), right(&recorded), right(sum.predicted), right(&agree)]);
    }
    table
}
