//! `mmusim replay` and what else takes recordings, as a user types it.

mod common;

use common::{file, json, mmusim, stdout};
use serde_json::{Value, json};
use workloads::recorded::{EMBEDDED, decode, embedded};

const PAGEOUT: &str = "pageout-dirty-mprotect";
const PAGEOUTS: [&str; 4] =
    [PAGEOUT, "pageout-dirty-munmap", "pageout-clean-mprotect", "pageout-dirty-mprotect-1thread"];

/// The text of an embedded recording.
fn text(name: &str) -> String {
    let (_, bytes) = decode(embedded(name).expect("embedded").input()).expect("it decodes");
    String::from_utf8(bytes).expect("text")
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn operations(report: &Value) -> &Vec<Value> {
    report["operations"].as_array().expect("a list")
}

/// What the calls of the 20 rounds pay; a round begins with MADV_PAGEOUT, the first call that pays.
fn rounds(report: &Value, calls: usize) -> Vec<Vec<u64>> {
    let of = |o: &Value, key: &str| o[key].as_u64().expect("a count");
    let operations = operations(report);
    let first = operations.iter().position(|o| of(o, "recorded_full_ipi") >= 64).expect("a pageout");
    let paid: Vec<u64> = operations[first..].iter().map(|o| of(o, "predicted_full_ipi")).collect();
    paid.chunks(calls).take(20).map(<[u64]>::to_vec).collect()
}

/// The rest of a report has to agree too, whatever the recording is called.
fn nameless(mut report: Value) -> Value {
    report["provenance"]["recording"] = Value::Null;
    report
}

#[test]
fn every_prediction_is_the_record() {
    for name in PAGEOUTS {
        let report = json(&["replay", name]);
        let top = [
            "assumptions",
            "extra_flushes",
            "extra_flushes_hot",
            "inferred",
            "lines",
            "notes",
            "operations",
            "provenance",
            "reclaim_cycles",
            "rows",
            "rules",
            "windows",
        ];
        assert_eq!(keys(&report), top);
        assert_eq!(report["provenance"]["policy"], "pending-generation");
        assert_eq!(report["provenance"]["recording"], name);
        let row = ["context", "extent", "high", "low", "predicted", "reason", "recorded"];
        assert!(report["rows"].as_array().expect("a list").iter().all(|r| keys(r) == row), "{name}");
        assert!(operations(&report).len() >= 75, "{name}");
        for operation in operations(&report) {
            assert_eq!(keys(operation), ["name", "predicted_full_ipi", "recorded_full_ipi", "tid", "time_ns"]);
            assert_eq!(operation["predicted_full_ipi"], operation["recorded_full_ipi"], "{name}: {operation}");
        }
    }
}

#[test]
fn the_call_at_risk_pays_nothing_unpatched_and_one_flush_patched() {
    for (name, calls, at_risk) in [(PAGEOUT, 3, 1), ("pageout-dirty-munmap", 7, 1), ("pageout-clean-mprotect", 4, 2)] {
        let pays = |policy: &str| {
            let report = json(&["replay", name, "--policy", policy]);
            let rounds = rounds(&report, calls);
            assert_eq!(rounds.len(), 20, "{name}");
            (rounds.iter().map(|r| r[at_risk]).collect::<Vec<_>>(), report)
        };
        let (unpatched, _) = pays("unpatched");
        assert_eq!(unpatched, [0; 20], "{name}");
        let (patched, report) = pays("patched");
        assert_eq!(patched, [1; 20], "{name}");
        if name == PAGEOUT {
            assert_eq!(report["extra_flushes"], json!({ "needed": 0, "useful_elsewhere": 0, "needless": 20 }));
        }
    }
}

#[test]
fn one_thread_alone_pays_in_the_first_round_only() {
    let report = json(&["replay", "pageout-dirty-mprotect-1thread"]);
    let rounds = rounds(&report, 3);
    assert_eq!(rounds[0], [64, 1, 0]);
    assert!(rounds[1..].iter().flatten().all(|&paid| paid == 0));
}

#[test]
fn the_same_from_a_file_plain_or_compressed_and_from_standard_input() {
    let text = text(PAGEOUT);
    let (_plain, plain) = file("mine.txt", text.as_bytes());
    let (_compressed, compressed) = file("mine.zst", embedded(PAGEOUT).expect("embedded").bytes);
    let builtin = nameless(json(&["replay", PAGEOUT]));
    for path in [&plain, &compressed] {
        let report = json(&["replay", path]);
        let name = report["provenance"]["recording"].as_str().expect("a name");
        assert!(name.starts_with("mine.") && !name.contains('/'), "no path in results: {name}");
        assert_eq!(nameless(report), builtin, "{path}");
    }
    for bytes in [text.as_bytes(), embedded(PAGEOUT).expect("embedded").bytes] {
        let assert = mmusim(&["replay", "-", "--format", "json"]).write_stdin(bytes).assert().success();
        let report: Value = serde_json::from_slice(&assert.get_output().stdout).expect("JSON");
        assert_eq!(report["provenance"]["recording"], "<standard input>");
        assert_eq!(nameless(report), builtin);
    }
}

#[test]
fn table_and_csv() {
    insta::assert_snapshot!("replay_table", stdout(&["replay", PAGEOUT]));
    let csv = stdout(&["replay", PAGEOUT, "--format", "csv"]);
    insta::assert_snapshot!("replay_csv_header", csv.lines().next().expect("a header"));
    let rows = json(&["replay", PAGEOUT])["rows"].as_array().expect("a list").len();
    assert_eq!(csv.lines().count(), 1 + rows);
}

#[test]
fn unknown_events_are_counted_and_skipped() {
    let text = text(PAGEOUT);
    let (head, _) = text.split_once('\n').expect("lines");
    let (start, _) = head.split_once(": ").expect("a time");
    let odd = format!("{start}: kmem:kfree: ptr=0x1\n{start}: kmem:kfree: ptr=0x2\n{start}: x:y: \n{text}");
    let (_directory, path) = file("odd.txt", odd.as_bytes());
    let (report, builtin) = (json(&["replay", &path]), json(&["replay", PAGEOUT]));
    assert_eq!(report["lines"]["unknown_events"], json!({ "kmem:kfree": 2, "x:y": 1 }));
    assert_eq!(report["lines"]["read"], builtin["lines"]["read"].as_u64().expect("a count") + 3);
    assert_eq!(builtin["lines"]["unknown_events"], json!({}));
    for key in ["rows", "operations", "inferred", "extra_flushes"] {
        assert_eq!(report[key], builtin[key], "{key}");
    }
    assert!(stdout(&["replay", &path]).contains(" lines read, 3 of events that are unknown and skipped, "));
}

#[test]
fn a_process_by_id_or_name() {
    let busiest = json(&["replay", PAGEOUT]);
    let pid = busiest["provenance"]["pid"].to_string();
    assert_eq!(json(&["replay", PAGEOUT, "--pid", &pid]), busiest);
    assert_eq!(json(&["replay", PAGEOUT, "--comm", "pageout"]), busiest);
}

#[test]
fn timing_of_the_model_runs() {
    let report = json(&["replay", PAGEOUT, "--timing", "model"]);
    assert_eq!(report["provenance"]["timing"], "model");
    assert!(rounds(&report, 3).iter().all(|r| r[0] == 64), "the pageouts pay what they paid");
}

#[test]
fn more_processes_on_a_larger_machine() {
    let report = json(&["replay", PAGEOUT, "--processes", "2", "--profile", "milan_36c"]);
    assert_eq!(report["provenance"]["processes"], 2);
    for operation in operations(&report) {
        let recorded = operation["recorded_full_ipi"].as_u64().expect("a count");
        assert_eq!(operation["predicted_full_ipi"], 2 * recorded, "{operation}");
    }
    let table = stdout(&["replay", PAGEOUT, "--processes", "2", "--profile", "milan_36c"]);
    assert!(table.contains("what-if: predictions are for 2 copies of the process"), "{table}");
}

#[test]
fn the_same_command_gives_the_same_bytes() {
    for format in ["table", "csv", "json"] {
        let run = || stdout(&["replay", "pageout-clean-mprotect", "--format", format]);
        assert_eq!(run(), run(), "{format}");
    }
}

#[test]
fn the_whole_tour_is_the_same_whatever_the_run_ahead() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |name: &str, options: &[&str]| {
        let path = directory.path().join(format!("{name}.csv"));
        let to = ["compare", "-o", path.to_str().expect("text")];
        mmusim(&[&to[..], options].concat()).assert().success().stdout("");
        std::fs::read_to_string(&path).expect("written")
    };
    let off = run("off", &["--no-run-ahead"]);
    assert!(off.contains(",memcg-file-mprotect-cut,") && off.contains(",overlap,"), "recorded and synthetic");
    assert_eq!(run("one", &["--lookahead", "1"]), off);
    assert_eq!(run("hundred", &["--lookahead", "100"]), off);
}

#[test]
fn compare_takes_recordings() {
    let builtin = json(&["compare", PAGEOUT]);
    let comparison = &builtin["comparisons"][0];
    assert_eq!(comparison["workload"]["name"], PAGEOUT);
    assert_eq!(comparison["seed"], Value::Null);
    let extra = |run: usize| &comparison["runs"][run]["metrics"]["flushes_extra"];
    assert_eq!((extra(0), extra(1)), (&json!(0), &json!(20)));
    let (_directory, path) = file("mine.perf.txt", text(PAGEOUT).as_bytes());
    let mine = json(&["compare", &path]);
    assert_eq!(mine["comparisons"][0]["workload"]["name"], "mine.perf.txt");
    assert_eq!(mine["comparisons"][0]["runs"], comparison["runs"]);
}

#[test]
fn compare_takes_workload_files() {
    let builtin = workloads::synthetic::find("alternating").expect("built in");
    let (_directory, path) = file("mine.toml", builtin.text.as_bytes());
    assert_eq!(json(&["compare", &path]), json(&["compare", "alternating"]));
}

#[test]
fn recordings_are_listed() {
    insta::assert_snapshot!("list_recordings", stdout(&["list", "recordings"]));
    let listed = json(&["list", "recordings"]);
    let names: Vec<_> = listed.as_array().expect("a list").iter().map(|r| r["name"].as_str().expect("text")).collect();
    assert_eq!(names, EMBEDDED.iter().map(|r| r.name).collect::<Vec<_>>());
}

/// strace has no flushes of the kernel: nothing stands where they would, and both commands say so.
#[test]
fn what_was_not_recorded_is_not_a_zero() {
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../workloads/tests/data/threads.strace");
    let args = ["replay", trace, "--profile", "skx_2s"];
    let said = "note: not one flush (tlb:tlb_flush) is recorded";
    let table = stdout(&args);
    assert!(table.contains(said) && table.contains("note: strace shows calls only"), "{table}");
    let report = json(&args);
    assert_eq!(report["provenance"]["kind"], "strace");
    for row in report["rows"].as_array().expect("a list") {
        assert!(row["recorded"].is_null() && row["predicted"].is_u64(), "{row}");
    }
    for operation in report["operations"].as_array().expect("a list") {
        assert!(operation["recorded_full_ipi"].is_null(), "{operation}");
    }
    let csv = stdout(&[&args[..], &["--format", "csv"]].concat());
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let column = reader.headers().expect("a header").iter().position(|name| name == "recorded").expect("it is there");
    assert!(reader.records().all(|row| row.expect("a row")[column].is_empty()));
    let compared = mmusim(&["compare", trace, "--profile", "skx_2s"]).assert().success();
    assert!(String::from_utf8_lossy(&compared.get_output().stderr).contains(said));
    // As many CPUs as threads at a time.
    common::expect(&["replay", trace], &["zen5_vm has 2 CPUs, threads.strace needs 3", "--profile"]);
}
