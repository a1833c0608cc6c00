//! `mmusim check`: exit codes, rows, witnesses and their replay.

mod common;

use common::{expect, file, json, mmusim, stdout};
use serde_json::{Value, json};
use workloads::litmus::find;

const SEED: &str = "B01-mprotect-ro-cached";

fn seed() -> &'static str {
    find(SEED).expect("built in").text
}

/// The seed's race, with another verdict expected of `batched`.
fn wrong() -> (tempfile::TempDir, String) {
    let text = seed().replace("sometimes permission batched latr local-only", "never batched");
    assert_ne!(text, seed());
    file("wrong.litmus", text.as_bytes())
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn exit_code_0_if_every_verdict_is_the_expected_one() {
    let text = stdout(&["check", SEED]);
    assert!(text.contains("12 searches, 12 with an expected verdict, 0 not as expected"), "{text}");
    // Nothing is expected of a policy that a file does not name; the verdict stands.
    let text = stdout(&["check", "B12-mremap-reclaim-fixed", "B04-local-only-own", "--policy", "local-only"]);
    assert!(text.contains("2 searches, 1 with an expected verdict, 0 not as expected"), "{text}");
}

#[test]
fn exit_code_1_if_a_verdict_is_another() {
    let (_directory, path) = wrong();
    let assert = mmusim(&["check", &path]).assert().code(1).stderr("");
    let text = String::from_utf8(assert.get_output().stdout.clone()).expect("text");
    assert!(text.contains("<- not so") && text.contains("2 not as expected"), "{text}");
    // A verdict of never that nothing puts to the test is none.
    let vacuous = seed().replace("cpu    1: write x\n", "cpu    1:\n");
    let (_directory, path) = file("vacuous.litmus", vacuous.as_bytes());
    let assert = mmusim(&["check", &path, "--policy", "patched", "--format", "json"]).assert().code(1);
    let rows: Value = serde_json::from_slice(&assert.get_output().stdout).expect("JSON");
    assert_eq!((&rows[0]["verdict"], &rows[0]["expected"]), (&json!("vacuous"), &json!("never")));
}

#[test]
fn exit_code_2_if_the_command_line_or_a_file_is_wrong() {
    expect(&["check"], &["nothing to check", "expected litmus files", "--all"]);
    expect(&["check", SEED, "--all"], &["cannot be used with"]);
    expect(&["check", "B99-none"], &["no litmus file `B99-none`", SEED]);
    expect(&["check", "/usr"], &["/usr is a directory"]);
    expect(&["check", SEED, "--states", "0"], &["0 is not in 1.."]);
    expect(&["check", SEED, "--witness", "/tmp/w.json"], &["these are 12", "expected one file and one --policy"]);
    let (_directory, binary) = file("b.litmus", b"litmus b\n\xff\xfe");
    expect(&["check", &binary], &["b.litmus:2: not text", "expected a litmus file"]);
    let one = ["check", SEED, "--policy", "batched", "--witness", "/nonexistent/w.json"];
    expect(&one, &["/nonexistent/w.json", "does not exist"]);
}

#[test]
fn exit_code_3_if_a_search_was_not_exhausted() {
    let args = ["check", SEED, "--states", "300", "--policy", "patched", "--format", "json"];
    let assert = mmusim(&args).assert().code(3);
    let rows: Value = serde_json::from_slice(&assert.get_output().stdout).expect("JSON");
    assert_eq!(rows[0]["verdict"], "not-exhausted");
    assert_eq!((&rows[0]["states"], &rows[0]["bounds"]["states_max"]), (&json!(300), &json!(300)));
    // The same for the second verdict of a policy with a contract of its own: the first one comes long before all is visited.
    let latr = |text: &str| {
        let (_directory, path) = file("latr.litmus", text.as_bytes());
        mmusim(&["check", &path, "--states", "150", "--policy", "latr"]).assert().get_output().status.code()
    };
    let text = find("P14-munmap").expect("built in").text;
    assert_eq!(latr(text), Some(3));
    assert_eq!(latr(&text.replace("sometimes unmapped latr", "never latr")), Some(1));
    // A verdict that is wrong is graver.
    let (_directory, path) = wrong();
    mmusim(&["check", &path, "--states", "3000"]).assert().code(1);
}

#[test]
fn ways_to_search_are_stated_and_change_no_verdict() {
    const FILE: &str = "B10-dontneed";
    let of = |more: &[&str]| {
        let all = [&["check", FILE, "--policy", "pending-generation", "--policy", "batched"], more].concat();
        json(&all).as_array().expect("a list").clone()
    };
    let plain = of(&[]);
    let stated = |row: &Value| ["order", "reduce", "symmetry"].map(|key| row["bounds"][key].clone());
    assert_eq!(stated(&plain[0]), [json!("breadth"), json!(false), json!(false)]);
    assert_eq!(plain[0]["bounds"]["memory_max_mib"], Value::Null);
    for (more, bounds) in [
        (&["--symmetry"][..], [json!("breadth"), json!(false), json!(true)]),
        (&["--reduce"], [json!("breadth"), json!(true), json!(false)]),
        (&["--order", "depth", "--reduce", "--symmetry"], [json!("depth"), json!(true), json!(true)]),
    ] {
        let rows = of(more);
        for (row, plain) in rows.iter().zip(&plain) {
            assert_eq!(stated(row), bounds);
            let verdict = |row: &Value| ["verdict", "class", "as_expected"].map(|key| row[key].clone());
            assert_eq!(verdict(row), verdict(plain), "{more:?}");
            let fewer = row["states"].as_u64() < plain["states"].as_u64();
            assert!(fewer || row["verdict"] != "never", "{more:?}: {row}");
        }
    }
    // One search has all the threads, and finds the same.
    let one = |threads| stdout(&["check", FILE, "--policy", "batched", "--symmetry", "--threads", threads]);
    assert_eq!(one("1"), one("3"));
}

#[test]
fn too_little_memory_is_no_verdict() {
    let args = ["check", "B10-dontneed", "--memory", "4", "--policy", "patched", "--format", "json"];
    let assert = mmusim(&args).assert().code(3).stderr("");
    let rows: Value = serde_json::from_slice(&assert.get_output().stdout).expect("JSON");
    assert_eq!((&rows[0]["verdict"], &rows[0]["bounds"]["memory_max_mib"]), (&json!("not-exhausted"), &json!(4)));
    assert!(rows[0]["states"].as_u64() > Some(10_000), "{rows}");
    expect(&["check", SEED, "--memory", "0"], &["0 is not in 1.."]);
    expect(&["check", SEED, "--order", "sideways"], &["[possible values: breadth, depth]"]);
}

#[test]
fn rows_have_their_shape_and_do_not_depend_on_threads() {
    let args = ["check", SEED, "B04-local-only"];
    let rows = json(&args);
    let expected = [
        "as_expected",
        "bounds",
        "class",
        "declared",
        "depth",
        "era",
        "expected",
        "expected_class",
        "file",
        "policy",
        "schema",
        "sha256",
        "states",
        "transitions",
        "verdict",
        "version",
    ];
    let rows_listed = rows.as_array().expect("a list");
    assert!(rows_listed.iter().all(|row| keys(row) == expected), "{:?}", keys(&rows[0]));
    let bounds = [
        "cpus",
        "evictions",
        "memory_max_mib",
        "order",
        "page_tables",
        "pages",
        "processes",
        "reduce",
        "states_max",
        "symmetry",
    ];
    assert_eq!(keys(&rows[0]["bounds"]), bounds);
    let of =
        |policy: &str| rows_listed.iter().find(|row| row["file"] == SEED && row["policy"] == policy).expect("a row");
    let picked =
        |policy| ["verdict", "class", "expected", "expected_class", "as_expected"].map(|key| of(policy)[key].clone());
    assert_eq!(
        picked("batched"),
        [json!("sometimes"), json!("permission"), json!("sometimes"), json!("permission"), json!(true)]
    );
    assert_eq!(picked("pending-flag"), [json!("never"), Value::Null, json!("never"), Value::Null, json!(true)]);
    assert!(of("batched")["depth"].as_u64() > Some(10) && of("pending-flag")["depth"].as_u64() > Some(50));
    for format in ["json", "csv", "table"] {
        let with = |threads| stdout(&[&args[..], &["--format", format, "--threads", threads]].concat());
        assert_eq!(with("1"), with("3"), "{format}");
    }
    let csv = stdout(&["check", SEED, "--format", "csv"]);
    let head = "schema,version,file,sha256,era,policy,expected,expected_class,verdict,class,as_expected,states,transitions,\
        depth,states_max,declared_expected,declared_expected_class,declared_verdict,declared_class,memory_max_mib,order,\
        reduce,symmetry";
    assert_eq!((csv.lines().next(), csv.lines().count()), (Some(head), 13));
    // Only a policy with a contract of its own has a second verdict.
    assert_eq!(of("batched")["declared"], Value::Null);
    let rows = json(&["check", "P14-munmap", "--policy", "latr"]);
    assert_eq!((&rows[0]["class"], &rows[0]["declared"]["verdict"]), (&json!("unmapped"), &json!("never")));
    let timed = json(&["check", SEED, "--policy", "batched", "--timings"]);
    assert!(timed[0]["seconds"].is_f64());
}

#[test]
fn a_witness_is_printed_with_the_state_its_steps_change() {
    insta::assert_snapshot!("check_table", stdout(&["check", SEED, "--policy", "unpatched"]));
}

#[test]
fn a_witness_is_written_and_replayed_in_cycles() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("w.json").to_str().expect("text").to_owned();
    stdout(&["check", SEED, "--policy", "unpatched", "--witness", &path]);
    let document: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("it is written")).expect("JSON");
    let expected = ["class", "file", "lines", "litmus", "moves", "policy", "schema", "version"];
    assert_eq!(keys(&document), expected);
    assert_eq!((&document["litmus"], &document["class"]), (&json!(seed()), &json!("permission")));
    let report = json(&["replay", &path]);
    let (moves, made) = (report["moves"].as_array().expect("a list"), document["moves"].as_array().expect("a list"));
    let cpus = |rows: &[Value]| rows.iter().map(|row| row["cpu"].clone()).collect::<Vec<_>>();
    assert_eq!(cpus(moves), cpus(made));
    let broken: Vec<&Value> = moves.iter().map(|row| &row["violation"]).filter(|v| !v.is_null()).collect();
    assert_eq!(
        (broken, &moves.last().expect("moves")["violation"]),
        (vec![&json!("permission")], &json!("permission"))
    );
    let starts: Vec<u64> = moves.iter().map(|row| row["start_cycles"].as_u64().expect("cycles")).collect();
    assert!(starts.is_sorted() && report["end_cycles"].as_u64() > starts.last().copied());
    insta::assert_snapshot!("replay_witness", stdout(&["replay", &path]));
    let dearer = json(&["replay", &path, "--profile", "clx_ap_9242"]);
    assert_ne!(dearer["end_cycles"], report["end_cycles"], "the cycles are the machine's");
    let csv = stdout(&["replay", &path, "--format", "csv"]);
    assert_eq!(csv.lines().count(), moves.len() + 1);
    expect(&["replay", &path, "--profile", "zen5_vm"], &["zen5_vm has 2 CPUs", "needs 3"]);
    expect(&["replay", &path, "--policy", "patched"], &["--policy does not go with a witness"]);
    expect(&["replay", &path, "--era", "v6.18"], &["--era does not go with a witness"]);
    // Another interleaving than the policy allows is not played.
    let text = std::fs::read_to_string(&path).expect("text").replace("\"batched\"", "\"immediate\"");
    std::fs::write(&path, text).expect("a file");
    expect(&["replay", &path], &["cannot be made here", "expected the moves of a witness"]);
    std::fs::write(&path, "{\n  \"schema\": 1\n}").expect("a file");
    expect(&["replay", &path], &["w.json:3:1: missing field `version`", "expected a witness"]);
}

#[test]
fn without_a_violation_there_is_no_witness() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("w.json").to_str().expect("text").to_owned();
    let args = ["check", SEED, "--policy", "patched", "--witness", &path];
    mmusim(&args).assert().code(0).stderr(format!("no witness: {SEED} under pending-flag is never\n"));
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn files_are_formatted_and_not_explored() {
    let messy = seed().replace("page   x rw", "page x   rw").replace("cpu    1:", "cpu 1 :");
    let (_directory, path) = file("messy.litmus", messy.as_bytes());
    assert_ne!(messy, seed());
    assert_eq!(stdout(&["check", "--fmt", &path]), seed());
    assert_eq!(stdout(&["check", "--fmt", SEED]), seed());
    let (_directory, path) = file("bad.litmus", b"litmus b\ntitle t\n");
    expect(&["check", "--fmt", &path], &["bad.litmus:3:1: the file ends here; expected a `source` line"]);
}
