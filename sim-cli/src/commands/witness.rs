//! `mmusim replay w.json`: the interleaving of a witness, move by move, in cycles of a machine.

use std::path::Path;

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use sim_core::drive::clock::along::{Timed, along};
use sim_core::drive::explore::race::Move;
use sim_core::kernel::path::label;
use sim_core::nouns::types::Cpu;
use workloads::litmus::witness::{Document, Replayable, Unread};
use workloads::timeline::{Counter, Timeline, of_witness};

use crate::Verdict;
use crate::cli::{ReplayArgs, TimingArg};
use crate::failure::Failure;
use crate::input::{self, Machine};
use crate::output::{Format, check_path, ends_in};
use crate::perfetto;
use crate::report::plain_table;

/// The machine if nothing else is said: the scenarios have more CPUs than the recorded machine.
pub(crate) const PROFILE: &str = "skx_2s";
/// The version of rows; it counts up when a column changes its meaning.
const SCHEMA: u32 = 1;

/// A move in a report.
#[derive(Debug, Serialize)]
struct Row {
    cpu: u16,
    step: String,
    text: String,
    start_cycles: u64,
    length_cycles: u64,
    violation: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Report<'r> {
    schema: u32,
    version: &'static str,
    file: &'r str,
    policy: &'static str,
    era: &'static str,
    profile: &'r str,
    profile_sha256: &'r str,
    end_cycles: u64,
    moves: Vec<Row>,
}

/// Is this a witness, by its name?
pub(crate) fn is_witness(path: &str) -> bool {
    ends_in(path, "json")
}

pub(crate) fn run(args: &ReplayArgs) -> Result<Verdict, Failure> {
    alone(args)?;
    let read = read(&args.trace)?;
    let machine = input::machine(args.profile.as_deref().unwrap_or(PROFILE))?;
    let (cpus, there) = (read.litmus.scenario.programs.len() as u32, machine.profile.cpus());
    if cpus > there {
        let message = format!("{} has {there} CPUs, the witness needs {cpus}", machine.input.name);
        return Err(Failure::new(message, "choose a larger one with --profile (mmusim list profiles)"));
    }
    let setting = read.litmus.race(read.policy).setting;
    let timed = along(&read.litmus.scenario, setting, &machine.profile, &read.moves).map_err(|e| {
        Failure::new(format!("{}: {e}", args.trace), "choose another machine, or make the witness anew")
    })?;
    let report = report(&read, &machine, &timed);
    if let Some(path) = &args.perfetto {
        draw(&report, &timed, cpus as u16, path)?;
    }
    args.output.write(&match args.output.format() {
        Format::Table => table(&report),
        Format::Csv => csv(&report),
        Format::Json => serde_json::to_string_pretty(&report).expect("memory is writable") + "\n",
    })?;
    Ok(Verdict::Fine)
}

/// Reads a witness.
pub(crate) fn read(path: &str) -> Result<Replayable, Failure> {
    let text = input::read_text(path, "witness", &[])?;
    Document::read(path, &text).map_err(|e| match e {
        Unread::Litmus(e) => Failure::new(e.to_string(), "expected the litmus file the witness was made of"),
        other => Failure::new(other.to_string(), "expected a file that `mmusim check --witness` has written"),
    })
}

/// A witness brings its policy, era and order with it.
fn alone(args: &ReplayArgs) -> Result<(), Failure> {
    let given = [
        (args.policy.is_some(), "--policy"),
        (args.era.is_some(), "--era"),
        (args.recording.pid.is_some(), "--pid"),
        (args.recording.comm.is_some(), "--comm"),
        (args.processes != 1, "--processes"),
        (args.timing != TimingArg::Recorded, "--timing"),
    ];
    match given.iter().find(|(given, _)| *given) {
        None => Ok(()),
        Some((_, option)) => {
            let message = format!("{option} does not go with a witness, which has its own");
            Err(Failure::new(message, "expected --profile, --perfetto, --format or --output, or a recording"))
        }
    }
}

fn draw(report: &Report<'_>, timed: &[Timed], cpus: u16, path: &Path) -> Result<(), Failure> {
    check_path(path)?;
    let Report { file, policy, era, profile, .. } = report;
    let provenance = [
        ("version", report.version),
        ("file", file),
        ("policy", policy),
        ("era", era),
        ("profile", profile),
        ("profile_sha256", report.profile_sha256),
    ];
    let drawn = Timeline {
        title: format!("{file} under {policy}, {era}, on {profile}"),
        provenance: provenance.map(|(name, value)| (name, value.to_owned())).into(),
        cpus,
        counters: &[Counter::Pending],
        marks: of_witness(timed),
    };
    perfetto::write(&drawn, path)
}

fn report<'r>(read: &'r Replayable, machine: &'r Machine, timed: &[Timed]) -> Report<'r> {
    let row = |timed: &Timed| {
        let Cpu(cpu) = timed.mv.cpu();
        let labels: Vec<_> = timed.acts.iter().map(|(_, at)| label(*at)).collect();
        let (step, text) = match timed.mv {
            Move::Evict(_, page) => {
                ("HW".to_owned(), format!("TLB entry of {} evicted", read.litmus.scenario.page_name(page)))
            }
            _ => (labels.last().map_or("", |l| l.id).to_owned(), labels.last().map_or("", |l| l.text).to_owned()),
        };
        let violation = timed.violations.last().map(|violation| violation.class.name());
        Row { cpu, step, text, start_cycles: timed.start_cycles, length_cycles: timed.length_cycles, violation }
    };
    Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        file: &read.litmus.name,
        policy: read.policy.name,
        era: read.litmus.era.name,
        profile: &machine.input.name,
        profile_sha256: &machine.input.sha256,
        end_cycles: timed.iter().map(|t| t.start_cycles + t.length_cycles).max().unwrap_or(0),
        moves: timed.iter().map(row).collect(),
    }
}

fn table(report: &Report<'_>) -> String {
    let mut table = plain_table();
    table.set_header(["start", "cycles", "CPU", "step", "", ""].map(Cell::new));
    let right = |text: u64| Cell::new(text.to_string()).set_alignment(CellAlignment::Right);
    for row in &report.moves {
        let broken = row.violation.map_or(String::new(), |class| format!("{class} violation"));
        let place = [Cell::new(row.cpu.to_string()), Cell::new(&row.step), Cell::new(&row.text), Cell::new(broken)];
        table.add_row([right(row.start_cycles), right(row.length_cycles)].into_iter().chain(place));
    }
    let Report { file, policy, era, profile, end_cycles, .. } = report;
    format!("{file} under {policy}, {era}, on {profile}: {end_cycles} cycles\n\n{}\n", table.trim_fmt())
}

fn csv(report: &Report<'_>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = ["schema", "version", "file", "policy", "era", "profile", "profile_sha256"];
    let columns = ["cpu", "step", "text", "start_cycles", "length_cycles", "violation"];
    writer.write_record(head.iter().chain(&columns)).expect("memory is writable");
    for row in &report.moves {
        let provenance = [&report.schema.to_string(), report.version, report.file, report.policy, report.era];
        let machine = [report.profile, report.profile_sha256];
        let numbers = [row.start_cycles.to_string(), row.length_cycles.to_string()];
        let cells = [row.cpu.to_string(), row.step.clone(), row.text.clone()].into_iter().chain(numbers);
        let provenance = provenance.iter().chain(&machine).map(|cell| (*cell).to_owned());
        let violation = row.violation.unwrap_or_default().to_owned();
        writer
            .write_record(provenance.chain(cells).chain([violation]))
            .expect("every row has the columns of the header");
    }
    String::from_utf8(writer.into_inner().expect("memory is writable")).expect("names are text")
}
