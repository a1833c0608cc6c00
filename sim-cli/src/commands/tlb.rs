//! `mmusim tlb`: what of a program's accesses misses the TLBs, counted as cachegrind counts it.

use std::fmt::Write as _;
use std::path::PathBuf;

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use workloads::lackey::{Accesses, Array, Counts, Geometry, LackeyError, PAGE_BYTES, count};
use workloads::recorded::Input;

use crate::Verdict;
use crate::cli::TlbArgs;
use crate::failure::Failure;
use crate::input::{self, Machine};
use crate::output::Format;
use crate::progress::Progress;
use crate::report::{VERSION, plain_table};

/// The version of rows; it counts up when a column changes its meaning.
const SCHEMA: u32 = 1;

/// What the trace was to look like.
const HELP: &str = "a trace is what `valgrind --tool=lackey --trace-mem=yes --log-file=FILE PROGRAM` writes, plain or .zst, - for \
                    standard input; without --log-file the program's own messages are in between";

/// The result; counts by the names of cachegrind's events.
#[derive(Debug, Serialize)]
struct Row {
    schema: u32,
    version: &'static str,
    trace: String,
    trace_sha256: String,
    profile: String,
    profile_sha256: String,
    i1_entries: u32,
    i1_ways: u32,
    d1_entries: u32,
    d1_ways: u32,
    ll_entries: u32,
    ll_ways: u32,
    #[serde(rename = "Ir")]
    fetches: u64,
    #[serde(rename = "I1mr")]
    fetches_missed_first: u64,
    #[serde(rename = "ILmr")]
    fetches_missed_second: u64,
    #[serde(rename = "Dr")]
    reads: u64,
    #[serde(rename = "D1mr")]
    reads_missed_first: u64,
    #[serde(rename = "DLmr")]
    reads_missed_second: u64,
    #[serde(rename = "Dw")]
    writes: u64,
    #[serde(rename = "D1mw")]
    writes_missed_first: u64,
    #[serde(rename = "DLmw")]
    writes_missed_second: u64,
    modifies: u64,
    across_pages: u64,
    lines: u64,
    other_lines: u64,
}

pub(crate) fn run(args: &TlbArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let machine = input::machine(&args.profile)?;
    let own = Geometry::of_machine(&machine.profile.tlb);
    let geometry = Geometry {
        fetch: args.fetch.unwrap_or(own.fetch),
        data: args.data.unwrap_or(own.data),
        second: args.second.or(own.second),
    };
    let overridden = args.fetch.is_some() && args.data.is_some() && args.second.is_some();
    let progress = Progress::counting("tlb", "accesses");
    let input = Input::Path(PathBuf::from(&args.trace));
    let accesses = count(input, &geometry, &mut |so_far| progress.counted(so_far)).map_err(|e| failure(&e))?;
    drop(progress);
    let row = row(&accesses, &geometry, (!overridden).then_some(&machine));
    args.output.write(&match args.output.format() {
        Format::Table => table(&accesses, &geometry, &row.profile),
        Format::Csv => csv(&row),
        Format::Json => serde_json::to_string_pretty(&row).expect("memory is writable") + "\n",
    })?;
    Ok(Verdict::Fine)
}

fn failure(error: &LackeyError) -> Failure {
    Failure::new(error.to_string(), HELP)
}

fn row(accesses: &Accesses, geometry: &Geometry, machine: Option<&Machine>) -> Row {
    let Geometry { fetch, data, second } = *geometry;
    let second = second.unwrap_or(Array { entries: 0, ways: 0 });
    let Accesses { fetches, reads, writes, .. } = *accesses;
    let profile = |of: fn(&Machine) -> &str| machine.map_or(String::new(), |machine| of(machine).to_owned());
    Row {
        schema: SCHEMA,
        version: VERSION,
        trace: accesses.file_name().to_owned(),
        trace_sha256: accesses.sha256.clone(),
        profile: profile(|machine| &machine.input.name),
        profile_sha256: profile(|machine| &machine.input.sha256),
        i1_entries: fetch.entries,
        i1_ways: fetch.ways,
        d1_entries: data.entries,
        d1_ways: data.ways,
        ll_entries: second.entries,
        ll_ways: second.ways,
        fetches: fetches.refs,
        fetches_missed_first: fetches.first_misses,
        fetches_missed_second: fetches.second_misses,
        reads: reads.refs,
        reads_missed_first: reads.first_misses,
        reads_missed_second: reads.second_misses,
        writes: writes.refs,
        writes_missed_first: writes.first_misses,
        writes_missed_second: writes.second_misses,
        modifies: accesses.modifies,
        across_pages: accesses.across,
        lines: accesses.lines,
        other_lines: accesses.other_lines,
    }
}

fn csv(row: &Row) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.serialize(row).expect("memory takes every record");
    String::from_utf8(writer.into_inner().expect("memory can be flushed")).expect("the fields are text")
}

fn table(accesses: &Accesses, geometry: &Geometry, profile: &str) -> String {
    let Accesses { fetches, reads, writes, .. } = *accesses;
    let all = fetches.refs + reads.refs + writes.refs;
    let mut text = format!("{}: {all} accesses, {} of them across two pages", accesses.file_name(), accesses.across);
    let _ = writeln!(text, "; {} lines of {} are none", accesses.other_lines, accesses.lines);
    let on = if profile.is_empty() { String::new() } else { format!(" ({profile})") };
    let _ = writeln!(text, "{}{on}\n\n{}", sizes(geometry), counts(fetches, reads, writes));
    let _ = match cachegrind(geometry) {
        Some(options) => {
            writeln!(text, "\nthe same by cachegrind: valgrind --tool=cachegrind --cache-sim=yes {options}")
        }
        None => writeln!(text, "\ncachegrind has no such TLBs: it wants two levels, and a power of two of sets"),
    };
    text
}

fn arrays(geometry: &Geometry) -> impl Iterator<Item = (&'static str, Option<Array>)> {
    [("I1", Some(geometry.fetch)), ("D1", Some(geometry.data)), ("LL", geometry.second)].into_iter()
}

fn sizes(geometry: &Geometry) -> String {
    let shown = arrays(geometry).map(|(name, array)| match array {
        Some(Array { entries, ways }) if entries == ways => format!("{name} {entries} entries, any way"),
        Some(Array { entries, ways }) => format!("{name} {} sets of {ways} ways", entries / ways),
        None => format!("no {name}"),
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// The options that make cachegrind count with these TLBs, if it can.
fn cachegrind(geometry: &Geometry) -> Option<String> {
    let option = |(name, array): (&str, Option<Array>)| {
        let Array { entries, ways } = array?;
        let bytes = u64::from(entries) * u64::from(PAGE_BYTES);
        (entries / ways).is_power_of_two().then(|| format!("--{name}={bytes},{ways},{PAGE_BYTES}"))
    };
    Some(arrays(geometry).map(option).collect::<Option<Vec<_>>>()?.join(" "))
}

fn counts(fetches: Counts, reads: Counts, writes: Counts) -> String {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = plain_table();
    let heads = ["refs", "first level missed", "of refs, %", "second level missed", "of refs, %"];
    table.set_header([Cell::new("")].into_iter().chain(heads.map(|head| right(head.to_owned()))));
    for (name, of) in [("instructions", fetches), ("data reads", reads), ("data writes", writes)] {
        let percent = |part: u64| {
            let whole = of.refs as f64;
            if of.refs == 0 { String::new() } else { format!("{:.3}", 100.0 * part as f64 / whole) }
        };
        let cells = [
            of.refs.to_string(),
            of.first_misses.to_string(),
            percent(of.first_misses),
            of.second_misses.to_string(),
            percent(of.second_misses),
        ];
        table.add_row([Cell::new(name)].into_iter().chain(cells.map(right)));
    }
    table.trim_fmt()
}
