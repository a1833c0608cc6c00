//! `mmusim compare`, as a user types it.

mod common;

use common::{mmusim, stdout};
use predicates::str::contains;

/// Short enough for a debug build, with real run-ahead: no work between the accesses.
const TIGHT: &str = r#"
name = "tight"
summary = "a short overlap"
profile = "skx_2s"
era = "v4.13"
cores = 4
pages = 32
page_tables = 2
duration_cycles = 1_500_000

[user]
pattern = "zipf"
zipf_s = 0.6
stores_percent = 20
written_percent = 50
gap_cycles = 0

[[operations]]
call = "mprotect"
rights = "none"
span_pages = 2
gap_accesses = 300
hold_accesses = 30

[[operations]]
call = "munmap"
span_pages = 1
gap_accesses = 900
hold_accesses = 5

[reclaim]
cores = 2
list_pages = 16
lists_per_cycle = 2
pause_cycles = 20_000
"#;

fn tight() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tight.toml");
    std::fs::write(&path, TIGHT).expect("a file");
    let path = path.to_str().expect("text").to_owned();
    (directory, path)
}

/// A table without its figures and their widths, which change with every price.
fn labels(table: &str) -> String {
    let words = |line: &str| -> Vec<String> {
        let parts = line.split("  ").map(str::trim).filter(|part| !part.is_empty());
        parts
            .filter(|part| !part.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '─'))
            .map(str::to_owned)
            .collect()
    };
    table.lines().map(|line| words(line).join(" | ") + "\n").collect()
}

#[test]
fn table() {
    let table = stdout(&["compare", "alternating"]);
    insta::assert_snapshot!("alternating_table", labels(&table));
    assert!(!table.contains('\u{1b}'), "no colours off a terminal");
}

#[test]
fn without_a_subject_it_shows_the_built_in_ones() {
    mmusim(&["compare"]).assert().success().stdout(contains("overlap on skx_2s, era v4.13, seed 1")).stderr("");
}

#[test]
fn csv_has_one_row_a_policy_and_its_provenance() {
    let text = stdout(&["compare", "alternating", "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    insta::assert_snapshot!("csv_header", header.join("\n"));
    let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
    let policies: Vec<_> = rows.iter().map(|row| row[8].to_owned()).collect();
    assert_eq!(policies, ["batched", "pending-flag"]);
    let column = |name: &str| header.iter().position(|h| h == name).expect("a column");
    assert_eq!(&rows[1][column("flushes_extra_per_reclaim_cycle")], "1.000");
    assert_eq!(rows[1][column("workload_sha256")].len(), 64);
    assert_eq!(rows[1][column("profile_sha256")].len(), 64);
}

#[test]
fn json_has_the_metrics_of_the_csv() {
    let text = stdout(&["compare", "alternating", "--format", "json", "--policy", "patched"]);
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let comparison = &document["comparisons"][0];
    assert_eq!(document["schema"], 1);
    assert_eq!(comparison["workload"]["name"], "alternating");
    assert_eq!(comparison["seed"], 1);
    let metrics = &comparison["runs"][0]["metrics"];
    assert_eq!(metrics["flushes_extra_per_reclaim_cycle"], 1.0);
    assert_eq!(metrics["windows_permission_p50_cycles"], serde_json::Value::Null);
    let csv = stdout(&["compare", "alternating", "--format", "csv"]);
    let names = csv.lines().next().expect("a header").split(',').count() - 9;
    assert_eq!(metrics.as_object().expect("an object").len(), names);
}

#[test]
fn same_bytes_whatever_the_run_ahead() {
    let (_directory, path) = tight();
    let run = |options: &[&str]| stdout(&[&["compare", &path, "--format", "csv"], options].concat());
    let expected = run(&["--no-run-ahead"]);
    for options in [&["--lookahead", "1"][..], &["--lookahead", "100"], &[], &[]] {
        assert_eq!(run(options), expected, "{options:?}");
    }
    assert_ne!(run(&["--seed", "2"]), expected);
}

#[test]
fn a_policy_asked_for_twice_runs_once() {
    let (_directory, path) = tight();
    let names = ["--policy", "patched", "--policy", "pending-flag", "--policy", "immediate"];
    let csv = stdout(&[&["compare", &path, "--format", "csv"], &names[..]].concat());
    assert_eq!(csv.lines().count(), 3);
}

#[test]
fn era_and_profile_can_be_others() {
    let (_directory, path) = tight();
    let table = stdout(&["compare", &path, "--era", "v6.18", "--profile", "icx_8358_2s"]);
    assert!(table.starts_with("tight on icx_8358_2s, era v6.18, seed 1"), "{table}");
}

#[test]
fn the_extension_chooses_the_format_and_the_file_is_whole() {
    let (directory, path) = tight();
    for (file, start) in [("a.csv", "schema,version"), ("a.json", "{\n"), ("a.txt", "tight on")] {
        let file = directory.path().join(file);
        let name = file.to_str().expect("text");
        mmusim(&["compare", &path, "-o", name]).assert().success().stdout("");
        assert!(std::fs::read_to_string(&file).expect("written").starts_with(start));
    }
    let named = directory.path().join("b.csv");
    let options = ["--format", "json", "-o", named.to_str().expect("text")];
    mmusim(&[&["compare", &path], &options[..]].concat()).assert().success();
    assert!(std::fs::read_to_string(&named).expect("written").starts_with('{'));
    let left: Vec<_> = std::fs::read_dir(&directory).expect("listed").collect();
    assert_eq!(left.len(), 5, "no temporary file is left: {left:?}");
    mmusim(&["compare", &path, "-o", "/dev/null"]).assert().success();
    assert!(!std::fs::metadata("/dev/null").expect("still there").is_file());
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::process::Stdio;
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("mmusim"))
        .args(["list", "profiles"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
