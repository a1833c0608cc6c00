//! `mmusim compare --seeds`, and what a comparison says of single reclaim cycles.

mod common;

use std::collections::BTreeMap;

use common::{expect, file, json, stdout};
use serde_json::Value;

type Row = BTreeMap<String, String>;

/// `overlap`, short enough for a debug build.
fn short() -> (tempfile::TempDir, String) {
    let text = workloads::synthetic::find("overlap").expect("built in").text;
    let short = text.replace("duration_cycles = 40_000_000", "duration_cycles = 1_500_000");
    assert_ne!(short, text);
    file("short.toml", short.as_bytes())
}

fn rows(csv: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

fn csv(subject: &str, options: &[&str]) -> Vec<Row> {
    rows(&stdout(&[&["compare", subject, "--format", "csv"], options].concat()))
}

fn number(row: &Row, column: &str) -> Option<f64> {
    (!row[column].is_empty()).then(|| row[column].parse().expect("a number"))
}

#[test]
fn seeds_are_those_from_the_first_on_the_same_under_each_policy() {
    let (_directory, path) = short();
    let together = csv(&path, &["--seeds", "3", "--seed", "5", "--rows", "runs"]);
    let single = ["5", "6", "7"].map(|seed| csv(&path, &["--seed", seed]));
    assert_eq!(together, single.concat());
    let seeds: Vec<&str> = together.iter().map(|row| &*row["seed"]).collect();
    assert_eq!(seeds, ["5", "5", "6", "6", "7", "7"]);
    assert_ne!(single[0][0]["accesses"], single[1][0]["accesses"]);
}

#[test]
fn the_difference_is_the_mean_of_the_pairs_and_its_interval() {
    let (_directory, path) = short();
    let runs = csv(&path, &["--seeds", "3", "--rows", "runs"]);
    let differences = csv(&path, &["--seeds", "3"]);
    let metrics = runs[0].len() - 9;
    assert_eq!(differences.len(), metrics);
    let mut wide = 0;
    for row in &differences {
        assert_eq!(
            (&*row["baseline"], &*row["policy"], &*row["seeds"], &*row["seed"]),
            ("batched", "pending-flag", "3", "1")
        );
        let pairs = runs.chunks(2).filter_map(|pair| {
            assert_eq!(pair[0]["seed"], pair[1]["seed"]);
            let metric = |run: &Row| number(run, &row["metric"]);
            Some(metric(&pair[1])? - metric(&pair[0])?)
        });
        let pairs: Vec<f64> = pairs.collect();
        assert_eq!(row["pairs"], pairs.len().to_string(), "{row:?}");
        if pairs.len() < 3 {
            continue;
        }
        let mean = pairs.iter().sum::<f64>() / 3.0;
        let variance = pairs.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / 2.0;
        // Student's t, two degrees of freedom, from a printed table.
        let half = 4.302_653 * (variance / 3.0).sqrt();
        for (column, expected) in
            [("difference_mean", mean), ("difference_low_95", mean - half), ("difference_high_95", mean + half)]
        {
            let shown = number(row, column).expect("three pairs have an interval");
            assert!((shown - expected).abs() <= 0.002 + 1e-5 * half, "{column}: {expected}, but {row:?}");
        }
        wide += usize::from(half > 1.0);
    }
    assert!(wide > 10, "seeds differ: {wide} metrics do");
}

#[test]
fn no_byte_depends_on_the_number_of_threads() {
    let (_directory, path) = short();
    for format in ["table", "csv", "json"] {
        let run = |threads: &str| stdout(&["compare", &path, "--seeds", "4", "--format", format, "--threads", threads]);
        let alone = run("1");
        for threads in ["2", "5"] {
            assert_eq!(run(threads), alone, "{format}, {threads} threads");
        }
    }
}

#[test]
fn one_seed_has_a_difference_and_no_interval() {
    let (_directory, path) = short();
    let document = json(&["compare", &path, "--seeds", "1"]);
    let extra = &document["comparisons"][0]["differences"][0]["metrics"]["flushes_extra"];
    let runs = &document["comparisons"][0]["runs"];
    assert_eq!(extra["difference_mean"], runs[1]["metrics"]["flushes_extra"].as_f64().expect("a count"));
    assert_eq!((&extra["pairs"], &extra["difference_low_95"]), (&Value::from(1), &Value::Null));
}

#[test]
fn a_recording_says_that_it_has_no_seed() {
    let recording = "pageout-dirty-mprotect";
    let table = stdout(&["compare", recording, "--seeds", "5"]);
    assert!(table.contains("a recording has no seed: each policy is run once"), "{table}");
    let document = json(&["compare", recording, "--seeds", "5"]);
    let comparison = &document["comparisons"][0];
    assert!(comparison["note"].as_str().expect("a note").starts_with("a recording has no seed"));
    assert_eq!(comparison["runs"].as_array().expect("a list").len(), 2);
    let rows = csv(recording, &["--seeds", "5"]);
    let extra = rows.iter().find(|row| row["metric"] == "flushes_extra").expect("a row");
    assert_eq!((&*extra["difference_mean"], &*extra["difference_low_95"], &*extra["seeds"]), ("20.000", "", ""));
    assert!(json(&["compare", recording])["comparisons"][0].get("note").is_none());
}

#[test]
fn the_table_names_the_seeds_and_ends_with_the_cycles() {
    let (_directory, path) = short();
    let policies = ["--policy", "unpatched", "--policy", "patched", "--policy", "immediate"];
    let table = stdout(&[&["compare", &path, "--seeds", "2", "--seed", "8"], &policies[..]].concat());
    assert!(table.starts_with("overlap on skx_2s, era v4.13, 2 seeds from 8 on\n"), "{table}");
    assert!(table.contains("\n patched - unpatched ") && table.contains("\n unbatched - unpatched "), "{table}");
    let cycles: Vec<&str> = table.lines().skip_while(|line| !line.starts_with(" extra flushes in a")).collect();
    let none: Vec<&str> = cycles[2].split_whitespace().collect();
    assert_eq!(none[0], "0");
    let all = json(&[&["compare", &path, "--seeds", "2", "--seed", "8"], &policies[..]].concat());
    let runs = all["comparisons"][0]["runs"].as_array().expect("a list");
    let unpatched = |run: &&Value| run["policy"] == "batched";
    let begun = |run: &Value| {
        let metric = |name: &str| run["metrics"][name].as_u64().expect("a count");
        metric("reclaim_cycles") + metric("reclaim_cycles_cut_off")
    };
    assert_eq!(none[1], runs.iter().filter(unpatched).map(begun).sum::<u64>().to_string());
}

#[test]
fn the_rows_of_cycles_add_up_to_the_run() {
    let (_directory, path) = short();
    let runs = csv(&path, &[]);
    let cycles = csv(&path, &["--rows", "cycles"]);
    for run in &runs {
        let count = |row: &Row, column: &str| row[column].parse::<u64>().expect("a count");
        let of_run: Vec<&Row> = cycles.iter().filter(|row| row["policy"] == run["policy"]).collect();
        let begun = count(run, "reclaim_cycles") + count(run, "reclaim_cycles_cut_off");
        assert_eq!(of_run.iter().map(|row| count(row, "reclaim_cycles")).sum::<u64>(), begun);
        let extra = of_run.iter().map(|row| count(row, "reclaim_cycles") * count(row, "flushes_extra")).sum::<u64>();
        assert_eq!(extra, count(run, "flushes_extra"));
        let most = of_run.iter().map(|row| count(row, "flushes_extra")).max().expect("a row");
        assert_eq!(most, count(run, "flushes_extra_in_reclaim_cycle_max"));
    }
    assert!(cycles.iter().any(|row| row["flushes_extra"].parse::<u64>().expect("a count") > 1));
    let document = json(&["compare", "pageout-dirty-mprotect"]);
    let paid = |run: usize| &document["comparisons"][0]["runs"][run]["reclaim_cycles_by_flushes_extra"];
    assert_eq!(paid(0), &serde_json::json!([{ "flushes_extra": 0, "reclaim_cycles": 20 }]));
    assert_eq!(paid(1), &serde_json::json!([{ "flushes_extra": 1, "reclaim_cycles": 20 }]));
}

#[test]
fn what_cannot_be_is_said_before_anything_runs() {
    expect(&["compare", "overlap", "--seeds", "0"], &["invalid value '0' for '--seeds <N>'"]);
    expect(&["compare", "overlap", "--seeds", "10001"], &["not in 1..=10000"]);
    expect(&["compare", "overlap", "--threads", "0"], &["'--threads <N>'"]);
    let last = u64::MAX.to_string();
    expect(&["compare", "overlap", "--seeds", "2", "--seed", &last], &["2 seeds from", "expected a smaller --seed"]);
    expect(&["compare", "overlap", "--rows", "cycles"], &["rows of a CSV", "--format csv"]);
    let differences = ["compare", "overlap", "--format", "csv", "--rows", "differences"];
    expect(&differences, &["--rows differences without --seeds", "expected --seeds N"]);
    expect(
        &["compare", "overlap", "--seeds", "2", "--policy", "patched"],
        &["one policy has no difference", "two policies"],
    );
}

#[test]
fn the_columns_are_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compare.md");
    let text = std::fs::read_to_string(path).expect("the page is there");
    let (_directory, path) = short();
    let named = |column: &str| text.contains(&format!("`{column}`"));
    for rows in ["cycles", "differences"] {
        for column in csv(&path, &["--seeds", "2", "--rows", rows])[0].keys() {
            assert!(named(column), "{rows}: {column}");
        }
    }
    let begin = workloads::outcome::METRICS.iter().position(|m| m.name == "pending_checks").expect("a metric");
    for metric in &workloads::outcome::METRICS[begin..] {
        // A family is named once, and its members by their ends.
        let short = metric.name.strip_prefix("reclaim_cycles_extra");
        assert!(named(metric.name) || short.is_some_and(named), "{}", metric.name);
    }
}
