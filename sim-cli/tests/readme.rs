//! The README says what the program does: its numbers are in results/, its commands and links exist.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use common::stdout;
use serde_json::Value;
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::Race;
use sim_core::drive::explore::{Verdict, Witness, search};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Mm, Rights, Span};
use sim_core::policy;
use sim_core::step::era;
use sim_core::world::small::Scenario;

/// Heads of the table of runs, and the columns of the CSV they stand for.
const COLUMNS: [(&str, &str); 9] = [
    ("extra flushes", "flushes_extra_per_reclaim_cycle"),
    ("needed", "flushes_extra_needed_per_reclaim_cycle"),
    ("useful elsewhere", "flushes_extra_useful_elsewhere_per_reclaim_cycle"),
    ("needless", "flushes_extra_needless_per_reclaim_cycle"),
    ("flush cycles", "flush_total_per_reclaim_cycle_cycles"),
    ("of unpatched, %", "flush_total_of_baseline_percent"),
    ("windows", "windows_permission"),
    ("used", "windows_permission_used"),
    ("violations", "violations_permission"),
];

/// Recordings, and how many calls a round of them has.
const ROUNDS: [(&str, usize); 4] = [
    ("pageout-dirty-mprotect", 3),
    ("pageout-dirty-munmap", 7),
    ("pageout-clean-mprotect", 4),
    ("pageout-dirty-mprotect-1thread", 3),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The rows of the table whose head begins with this cell, the head first.
fn table(first: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let lines = readme.lines().skip_while(|line| !line.starts_with(&format!("| {first} |")));
    let rows = lines.take_while(|line| line.starts_with('|')).filter(|line| !line.starts_with("|--"));
    rows.map(cells).collect()
}

fn canonical(policy: &str) -> &'static str {
    policy::find(policy).unwrap_or_else(|| panic!("no policy {policy}")).name
}

#[test]
fn the_numbers_of_the_runs_are_in_the_results() {
    let mut runs = BTreeMap::new();
    for file in ["results/compare.csv", "results/overlap-two-tables.csv"] {
        let text = read(file);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for row in reader.deserialize() {
            let row: BTreeMap<String, String> = row.expect("a row");
            runs.insert((row["workload"].clone(), row["policy"].clone()), row);
        }
    }
    let expected: Vec<Vec<String>> = table("run")[1..]
        .iter()
        .map(|row| {
            let (workload, policy) = row[0].split_once(' ').expect("a workload and a policy");
            let run = &runs[&(workload.to_owned(), canonical(policy).to_owned())];
            [row[0].clone()].into_iter().chain(COLUMNS.iter().map(|(_, column)| run[*column].clone())).collect()
        })
        .collect();
    let heads: Vec<&str> = ["run"].into_iter().chain(COLUMNS.map(|c| c.0)).collect();
    assert_eq!(table("run")[0], heads);
    assert_eq!(expected.len(), runs.len(), "every run has a row");
    same("run", &expected);
}

/// Compares a table with what it should be, printed as it should be.
fn same(first: &str, expected: &[Vec<String>]) {
    let line = |row: &Vec<String>| format!("| {} |", row.join(" | "));
    let lines = |rows: &[Vec<String>]| rows.iter().map(line).collect::<Vec<_>>().join("\n");
    let expected = lines(expected);
    assert_eq!(lines(&table(first)[1..]), expected, "README.md should have:\n{expected}");
}

/// What the calls of the 20 rounds pay: rounds that differ, in order.
fn rounds(operations: &[Value], calls: usize, key: &str) -> String {
    let paid = |o: &Value, key: &str| o[key].as_u64().expect("a count");
    let first = operations.iter().position(|o| paid(o, "recorded_full_ipi") >= 64).expect("a pageout");
    let round = |r: &[Value]| r.iter().map(|o| paid(o, key).to_string()).collect::<Vec<_>>().join(" / ");
    let mut rounds: Vec<String> = operations[first..].chunks(calls).take(20).map(round).collect();
    assert_eq!(rounds.len(), 20);
    rounds.dedup();
    rounds.join(", then ")
}

fn pageout(name: &str, calls: usize) -> Vec<String> {
    let report: Value = serde_json::from_str(&read(&format!("results/replay-{name}.json"))).expect("JSON");
    let operations = report["operations"].as_array().expect("a list");
    let sum = |key: &str| operations.iter().map(|o| o[key].as_u64().expect("a count")).sum::<u64>().to_string();
    let agree = operations.iter().filter(|o| o["recorded_full_ipi"] == o["predicted_full_ipi"]).count();
    vec![
        name.to_owned(),
        rounds(operations, calls, "recorded_full_ipi"),
        rounds(operations, calls, "predicted_full_ipi"),
        sum("recorded_full_ipi"),
        sum("predicted_full_ipi"),
        format!("{agree} of {}", operations.len()),
    ]
}

/// The sums of the second table of a replay in text: calls, recorded, predicted, agree.
fn sums(name: &str) -> [u64; 4] {
    let text = read(&format!("results/replay-{name}.txt"));
    let (_, calls) = text.split_once("calls that agree").expect("the table of calls");
    let mut sums = [0; 4];
    for line in calls.lines().skip(2).take_while(|line| !line.is_empty()) {
        for (sum, cell) in sums.iter_mut().zip(line.split_whitespace().skip(1)) {
            *sum += cell.parse::<u64>().expect("a count");
        }
    }
    sums
}

#[test]
fn the_numbers_of_the_recordings_are_in_the_results() {
    let mut expected: Vec<_> = ROUNDS.iter().map(|(name, calls)| pageout(name, *calls)).collect();
    let loaded = "memcg-file-mprotect-cut";
    let [calls, recorded, predicted, agree] = sums(loaded);
    let dash = || "-".to_owned();
    let last = [loaded.to_owned(), dash(), dash(), recorded.to_string(), predicted.to_string()];
    expected.push(last.into_iter().chain([format!("{agree} of {calls}")]).collect());
    same("recording", &expected);
}

/// The litmus files of the table of verdicts: one or two of each kind.
const FILES: [&str; 10] = [
    "B01-mprotect-ro",
    "B01-mprotect-none",
    "B01-dontneed",
    "B01-mremap",
    "B02-flag-lost-mprotect",
    "B04-local-only",
    "C1-ksm",
    "C2-mkclean",
    "B06-walker-retakes-ptl",
    "M01-free-before-flush",
];

#[test]
fn the_verdicts_are_in_the_results() {
    let mut verdicts = BTreeMap::new();
    for row in csv::Reader::from_reader(read("results/verdicts.csv").as_bytes()).deserialize() {
        let row: BTreeMap<String, String> = row.expect("a row");
        let cell = match (row["verdict"].as_str(), row["class"].as_str()) {
            ("never", _) => "-".to_owned(),
            ("sometimes", class) => class.to_owned(),
            (verdict, _) => panic!("{verdict} is no verdict to publish: {row:?}"),
        };
        verdicts.insert((row["file"].clone(), row["policy"].clone()), cell);
    }
    let policies: Vec<&str> = policy::POLICIES.iter().chain(policy::OTHERS).map(|policy| policy.name).collect();
    let cell =
        |file: &str, policy: &str| verdicts.get(&(file.to_owned(), policy.to_owned())).cloned().unwrap_or_default();
    let row = |file: &&str| {
        [(*file).to_owned()].into_iter().chain(policies.iter().map(|policy| cell(file, policy))).collect()
    };
    let head: Vec<String> = ["file"].iter().chain(&policies).map(|name| (*name).to_owned()).collect();
    assert_eq!(table("file")[0], head, "README.md should have the head: | {} |", head.join(" | "));
    same("file", &FILES.iter().map(row).collect::<Vec<Vec<String>>>());
}

#[test]
fn the_witness_is_the_one_the_explorer_finds() {
    let store = || Op::access(AccessKind::Store, 0);
    let reclaim = Op::call(OpKind::Reclaim(Mm(0)), Span::page(0));
    let take = Op::mprotect(Span::page(0), Rights::READ);
    let scenario = Scenario::new("seed", 1, 1, &[&[reclaim], &[store(), store()], &[take]]);
    let strategy = policy::find("unpatched").expect("registered").strategy;
    let race =
        Race { scenario: &scenario, setting: Setting { policy: strategy, era: *era::find("v4.13").expect("v4.13") } };
    let Verdict::Sometimes(moves) = search(&race, 1_000_000).verdict else { panic!("the race is not found") };
    let witness = Witness::replay(&race, &moves).to_string();
    let witness = witness.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert!(read("README.md").contains(&format!("```text\n{witness}\n```")), "README.md should have:\n{witness}");
}

#[test]
fn its_commands_exist() {
    let readme = read("README.md");
    let mut commands = 0;
    for line in readme.lines().filter_map(|line| line.strip_prefix("cargo run --release -- ")) {
        let words: Vec<&str> = line.split('#').next().expect("a command").split_whitespace().collect();
        let help = stdout(&[words[0], "--help"]);
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(&format!("{option} ")), "{line}: no {option}");
        }
        commands += 1;
    }
    assert!(commands >= 3);
    let ci = read(".ci/run");
    assert!(readme.contains("cargo test --workspace") && ci.contains("cargo test --workspace"));
    for policy in policy::POLICIES {
        assert!(readme.contains(&format!("`{}`", policy.name)), "README.md should name `{}`", policy.name);
    }
}

#[test]
fn its_links_exist_and_it_is_short() {
    let readme = read("README.md");
    let targets: Vec<&str> = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(targets.len() >= 5);
    for target in targets {
        assert!(root().join(target).exists(), "{target}");
    }
    assert!(read("ARCHITECTURE.md").contains("**What the model does not show**"));
    assert!(readme.lines().count() <= 126, "more than one screen of prose and its tables");
}
