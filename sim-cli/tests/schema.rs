//! `docs/schema.md` has every column of every CSV and every key of every JSON, with its unit, and no other.

mod common;

use std::collections::BTreeSet;

use common::{file, mmusim, stdout};
use serde_json::Value;
use workloads::outcome::METRICS;

/// A row of a table: name, unit, meaning.
type Row = (String, String, String);

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.md");
    std::fs::read_to_string(path).expect("the page")
}

/// The text of a section.
fn section(name: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("\n## {name}\n")).unwrap_or_else(|| panic!("no section {name}"));
    rest.split("\n## ").next().expect("a section").to_owned()
}

/// The tables of a section, in order.
fn tables(name: &str) -> Vec<Vec<Row>> {
    let text = section(name);
    let mut tables: Vec<Vec<Row>> = Vec::new();
    for line in text.lines() {
        if line.starts_with("|---") {
            tables.push(Vec::new());
        } else if line.starts_with("| `") {
            let cells: Vec<_> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
            let [name, unit, meaning] = &cells[..] else { panic!("three cells: {line}") };
            let row = (name.trim_matches('`').to_owned(), unit.clone(), meaning.clone());
            tables.last_mut().expect("a row is in a table").push(row);
        }
    }
    tables
}

fn names(section: &str, table: usize) -> Vec<String> {
    tables(section)[table].iter().map(|row| row.0.clone()).collect()
}

/// Only the provenance, or the provenance and more.
fn with_provenance(more: &[Vec<String>]) -> Vec<String> {
    [&[names("Provenance", 0)], more].concat().concat()
}

fn header(args: &[&str]) -> Vec<String> {
    let text = stdout(&[args, &["--format", "csv"]].concat());
    text.lines().next().expect("a header").split(',').map(str::to_owned).collect()
}

/// The keys of a document, with those they are in; lists are passed through. Below `stop` keys are names of their own.
fn keys(value: &Value, at: &str, stop: &[&str], out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !stop.contains(&at) => {
            for (key, value) in map {
                let key = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                out.insert(key.clone());
                keys(value, &key, stop, out);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, at, stop, out)),
        _ => {}
    }
}

/// A document has the keys of a table, all of them.
fn has_keys(document: &Value, section: &str, table: usize, stop: &[&str]) {
    let mut found = BTreeSet::new();
    keys(document, "", stop, &mut found);
    let expected: BTreeSet<String> = names(section, table).into_iter().collect();
    assert_eq!(found, expected, "{section}");
}

/// So has that of a command.
fn documented(args: &[&str], section: &str, table: usize, stop: &[&str]) {
    has_keys(&common::json(args), section, table, stop);
}

/// A comparison that is over soon, with windows and extra flushes.
fn short() -> (tempfile::TempDir, String) {
    let text = workloads::synthetic::find("overlap-two-tables").expect("built in").text;
    file("short.toml", text.replace("= 100_000_000", "= 600_000").as_bytes())
}

#[test]
fn metrics_have_the_units_and_the_words_of_the_tables() {
    let expected = METRICS.iter().map(|metric| {
        (metric.name.to_owned(), metric.unit.to_owned(), format!("{}: {}", metric.heading, metric.label))
    });
    assert_eq!(tables("Metrics")[0], expected.collect::<Vec<_>>());
}

#[test]
fn names_end_in_their_units() {
    let page = page();
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(sections.len() > 10);
    for row in sections.iter().flat_map(|section| tables(section)).flatten() {
        for (unit, ending) in
            [("cycles", "_cycles"), ("ns", "_ns"), ("%", "_percent"), ("MiB", "_mib"), ("s", "seconds")]
        {
            let counts_cycles = row.0.ends_with("reclaim_cycles");
            assert_eq!(row.1 == unit, row.0.ends_with(ending) && !counts_cycles, "{row:?}");
        }
    }
}

#[test]
fn comparisons_have_their_columns() {
    let (_directory, path) = short();
    let args = ["compare", &path, "--policy", "unpatched", "--policy", "patched"];
    let rows = |rows| [&args[..], &["--rows", rows]].concat();
    assert_eq!(header(&rows("runs")), with_provenance(&[names("Metrics", 0)]));
    assert_eq!(header(&rows("cycles")), with_provenance(&[names("`compare --rows cycles`", 0)]));
    let differences = [&rows("differences")[..], &["--seeds", "2"]].concat();
    assert_eq!(header(&differences), with_provenance(&[names("`compare --rows differences`", 0)]));
    let stop = ["comparisons.runs.metrics", "comparisons.differences.metrics"];
    documented(&[&args[..], &["--seeds", "2"]].concat(), "`compare --format json`", 0, &stop);
}

#[test]
fn sweeps_have_their_columns() {
    let plan = "name = \"p\"\n[fixed]\nworkload = \"overlap\"\npolicy = \"patched\"\n\"workload.duration_cycles\" = 300_000\n\
                [[axis]]\ncores = [2, 3]\n";
    let (directory, plan) = file("plan.toml", plan.as_bytes());
    let points = directory.path().join("points").to_str().expect("text").to_owned();
    let knobs = ["workload", "policy", "workload.duration_cycles", "cores"].map(str::to_owned).to_vec();
    let listed = names("`sweep plan`, `sweep status`", 0);
    let status = ["sweep", "status", &plan, "--dir", &points];
    let (before_state, with_state) = (listed[..listed.len() - 1].to_vec(), listed.clone());
    assert_eq!(header(&["sweep", "plan", &plan]), [before_state, knobs.clone()].concat());
    std::fs::create_dir(&points).expect("a directory");
    // Nothing is done yet, which the exit code says.
    let said = mmusim(&[&status[..], &["--format", "csv"]].concat()).assert().code(3);
    let text = String::from_utf8(said.get_output().stdout.clone()).expect("text");
    assert_eq!(text.lines().next().expect("a header"), [with_state, knobs].concat().join(","));
    mmusim(&["sweep", "run", &plan, "--dir", &points]).assert().success();
    documented(&status, "`sweep plan`, `sweep status`", 1, &[]);
    let own = ["workload.duration_cycles", "cores"].map(str::to_owned).to_vec();
    let merged = with_provenance(&[names("`sweep merge`", 0), own, names("Metrics", 0)]);
    assert_eq!(header(&["sweep", "merge", &plan, "--dir", &points]), merged);
}

#[test]
fn searches_have_their_columns() {
    // Under one policy the file expects more of the kernel than the policy itself does.
    let check = ["check", "B01-mprotect-ro", "--policy", "batched"];
    let columns = names("`check`", 0);
    assert_eq!(header(&check), columns[..columns.len() - 1]);
    assert_eq!(header(&[&check[..], &["--timings"]].concat()), columns);
    let declared = ["check", "B01-munmap", "--policy", "latr"];
    documented(&declared, "`check`", 1, &[]);
    documented(&["distinguish", "batched", "immediate", "--total", "4"], "`distinguish --format json`", 0, &[]);
    let ablate = ["ablate", "check-before-ptl", "--scenario", "mprotect"];
    assert_eq!(header(&ablate), names("`ablate`", 0));
    documented(&ablate, "`ablate`", 0, &[]);
}

#[test]
fn figures_of_speed_have_their_columns() {
    let speed = ["speed", "--rounds", "1", "--accesses", "4096"];
    assert_eq!(header(&speed), names("`speed`", 0));
    let rows = common::json(&speed);
    has_keys(&rows, "`speed`", 0, &[]);
    let section = section("`speed`");
    for row in rows.as_array().expect("rows") {
        let measure = row["measure"].as_str().expect("a name");
        assert!(section.contains(&format!("`{measure}`: ")), "{measure}");
    }
}

#[test]
fn every_command_with_a_format_has_a_section() {
    let commands = |of: &[&str]| -> Vec<String> {
        let help = stdout(&[of, &["--help"]].concat());
        let (_, listed) = help.split_once("Commands:\n").unwrap_or_default();
        let lines = listed.lines().take_while(|line| !line.is_empty());
        let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let all = commands(&[]);
    assert!(all.len() > 10, "{all:?}");
    let nested =
        |of: &String| -> Vec<String> { commands(&[of]).into_iter().map(|command| format!("{of} {command}")).collect() };
    let own = all.iter().filter(|command| *command != "help");
    let mut with_format = 0;
    for command in own.clone().cloned().chain(own.flat_map(nested)).filter(|command| !command.ends_with(" help")) {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        if stdout(&words).contains("--format <FORMAT>") {
            with_format += 1;
            let names = [format!("`{command}`"), format!("`{command} ")];
            let is_named = |heading: &str| names.iter().any(|name| heading.contains(name));
            let page = page();
            let mut headings = page.lines().filter(|line| line.starts_with("## "));
            assert!(headings.any(is_named), "no section of `{command}`");
        }
    }
    assert!(with_format > 10, "{with_format}");
}

#[test]
fn replays_have_their_columns() {
    let recording = ["replay", "pageout-dirty-mprotect"];
    assert_eq!(header(&recording), names("`replay` of a recording", 0));
    documented(&recording, "`replay` of a recording", 1, &["lines.unknown_events"]);
    let (_directory, witness) = file("witness.json", b"");
    mmusim(&["check", "B01-mprotect-ro", "--policy", "batched", "--witness", &witness]).assert().success();
    let witness = ["replay", &witness];
    assert_eq!(header(&witness), names("`replay` of a witness", 0));
    documented(&witness, "`replay` of a witness", 1, &[]);
}

#[test]
fn machines_have_their_columns() {
    let calibrate = ["calibrate", "clx_ap_9242"];
    assert_eq!(header(&calibrate), names("`calibrate`", 0));
    // This one has parameters to fit.
    documented(&["calibrate", "kunpeng920_2s"], "`calibrate`", 1, &[]);
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&[&calibrate[..], &["--format", "json"]].concat())).expect("it is JSON");
    let points = json["points"].as_array().expect("a list");
    assert!(!points.is_empty() && points.iter().all(|point| point["model_ns"].is_f64()), "{points:?}");
    let explain = ["explain", "clx_ap_9242"];
    assert_eq!(header(&explain), names("`explain`", 0));
    documented(&explain, "`explain`", 0, &[]);
}

#[test]
fn counts_of_tlbs_have_their_columns() {
    let (_directory, trace) = file("one.txt", b"I  04001000,3\n");
    assert_eq!(header(&["tlb", &trace]), names("`tlb`", 0));
    documented(&["tlb", &trace], "`tlb`", 0, &[]);
}
