//! `mmusim validate --host` where perf is a stand-in that prints a stored recording: of the machine it needs nothing.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use common::stage::{Stage, output};
use serde_json::Value;
use workloads::recorded::{decode, embedded};

/// One thread, so that one CPU is enough; its recording is of 20 such rounds.
const CASE: &str = "dirty-mprotect-1thread";
/// A row of /proc/swaps.
const SWAPS: &str = "Filename Type Size Used Priority\n/dev/zram0 partition 262140 0 -2\n";
/// Prints the recording, as one of the process that asks for it.
const SCRIPT: &str = r#"sed "s/^ *pageout /rounds-$PPID /" "$(dirname "$0")/recording"; exit"#;

fn recording() -> String {
    let (_, text) = decode(embedded("pageout-dirty-mprotect-1thread").expect("embedded").input()).expect("it decodes");
    String::from_utf8(text).expect("text")
}

/// Where perf prints this recording.
fn stage(recording: &str) -> Stage {
    let stage = Stage::new().doing("script", SCRIPT);
    fs::write(stage.path().join("recording"), recording).expect("a file");
    fs::write(stage.path().join("swaps"), SWAPS).expect("a file");
    stage
}

fn validate(stage: &Stage, args: &[&str]) -> Command {
    // The kernel of the recording, not the one of this machine.
    let kernel = ["--host", "--case", CASE, "--swaps", "swaps", "--era", "v6.18", "--policy", "pending-generation"];
    stage.mmusim("validate", &[&kernel, args].concat())
}

/// What is in the stage beside what was put there.
fn left(stage: &Stage) -> Vec<String> {
    let known = ["events", "log", "perf", "recording", "swaps"];
    stage.entries().into_iter().filter(|name| !known.contains(&name.as_str())).collect()
}

/// The recording that is kept somewhere below, and its directory.
fn kept(stage: &Stage, name: &str) -> PathBuf {
    let left = left(stage);
    let [directory] = &left[..] else { panic!("{left:?}") };
    let path = stage.path().join(directory).join(name);
    assert!(path.exists(), "{}", path.display());
    path
}

/// Without the nth line that has all these parts.
fn without(text: &str, parts: &[&str], nth: usize) -> String {
    let matching = text.lines().enumerate().filter(|(_, line)| parts.iter().all(|part| line.contains(part)));
    let (at, _) = matching.clone().nth(nth).expect("there is such a line");
    text.lines().enumerate().filter(|(n, _)| *n != at).fold(String::new(), |text, (_, line)| text + line + "\n")
}

#[test]
fn rounds_that_agree_are_fine() {
    let stage = stage(&recording());
    let (code, stdout, stderr) = output(&mut validate(&stage, &["--format", "json"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let document: Value = serde_json::from_str(&stdout).expect("JSON");
    let case = &document["cases"][0];
    assert_eq!((&case["case"], &case["rounds"], &case["rounds_agree"]), (&CASE.into(), &20.into(), &20.into()));
    let calls = case["calls"].as_array().expect("a list");
    let of = |call: usize, key: &str| calls[call][key].as_u64().expect("a count");
    let names: Vec<_> = calls.iter().map(|call| call["call"].as_str().expect("a name")).collect();
    assert_eq!(names, ["MADV_PAGEOUT", "mprotect R", "mprotect RW"]);
    for (call, full_ipi, ranged_local) in [(0, 64, 19 * 64), (1, 1, 0), (2, 0, 0)] {
        assert_eq!((of(call, "recorded_full_ipi"), of(call, "predicted_full_ipi")), (full_ipi, full_ipi));
        assert_eq!(
            (of(call, "recorded_ranged_local"), of(call, "predicted_ranged_local")),
            (ranged_local, ranged_local)
        );
    }
    // perf was run once, on the program and its steps, and nothing is left of it.
    let log = stage.log();
    let lines: Vec<_> = log.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("perf record -q -a -m 8192 -e tlb:tlb_flush,"), "{log}");
    assert!(lines[0].ends_with(" 0 20 write pageout protect unprotect"), "{log}");
    assert_eq!(left(&stage), [""; 0]);
}

#[test]
fn the_table_has_a_row_for_each_call() {
    let stage = stage(&recording());
    let (code, stdout, _) = output(&mut validate(&stage, &[]));
    assert_eq!(code, 0);
    let row = |call: &str| {
        let line = stdout.lines().find(|line| line.contains(call)).unwrap_or_else(|| panic!("no {call} in {stdout}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("MADV_PAGEOUT"), format!("{CASE} MADV_PAGEOUT 0 x19, 64 0 x19, 64 64 64 20 of 20"));
    assert_eq!(row("mprotect R "), format!("{CASE} mprotect R 0 x19, 1 0 x19, 1 0 x19, 1 0 x19, 1 20 of 20"));
    assert_eq!(row("mprotect RW"), format!("{CASE} mprotect RW 0 0 0 0 20 of 20"));
    assert!(stdout.contains("beside pending-generation, era v6.18, on zen5_vm"), "{stdout}");
}

/// A kernel that had flushed once less.
#[test]
fn a_round_that_differs_is_said_and_kept() {
    let recording = without(&recording(), &["tlb_flush", "pages:-1 reason:remote IPI send (4)"], 7);
    let stage = stage(&recording);
    let (code, stdout, stderr) = output(&mut validate(&stage, &[]));
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.contains("19 of 20 rounds agree"), "{stdout}");
    assert!(stdout.contains("round 1, MADV_PAGEOUT: full ipi 63 recorded, 64 predicted\n"), "{stdout}");
    let kept = kept(&stage, "dirty-mprotect-1thread.perf.txt");
    assert!(stderr.contains(&format!("it differs; mmusim replay {}", kept.display())), "{stderr}");
    assert_eq!(fs::read_dir(kept.parent().expect("a directory")).expect("a directory").count(), 1);
}

/// The same recording, and a policy that is not the kernel's: the prediction does not look at the answer.
#[test]
fn another_policy_predicts_something_else() {
    let stage = stage(&recording());
    let mut command = stage.mmusim("validate", &["--host", "--case", CASE, "--swaps", "swaps", "--era", "v6.18"]);
    let (code, stdout, _) = output(command.args(["--policy", "unpatched"]));
    assert_eq!(code, 1);
    assert!(stdout.contains("round 1, mprotect R: full ipi 1 recorded, 0 predicted"), "{stdout}");
}

#[test]
fn what_is_missing_is_said_and_nothing_is_run() {
    let expect = |stage: &Stage, parts: &[&str]| {
        let (code, stdout, stderr) = output(&mut validate(stage, &["-o", "out.csv"]));
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert!(stderr.contains("skipped: "), "{stderr}");
        for part in parts {
            assert!(stderr.contains(&format!("  missing: {part}")), "no `{part}` in {stderr}");
        }
        assert_eq!(stderr.matches("  missing: ").count(), parts.len(), "{stderr}");
        assert_eq!((stage.log().as_str(), &left(stage)[..]), ("", &[][..]));
    };
    expect(&stage("").without("tlb/tlb_flush"), &["this kernel has no tlb:tlb_flush"]);
    expect(&stage("").without("syscalls/sys_exit_madvise"), &["this kernel has no syscalls:sys_exit_madvise"]);
    let stage = stage("");
    fs::write(stage.path().join("swaps"), "Filename Type Size Used Priority\n/dev/sda2 partition 9000 8500 -2\n")
        .expect("a file");
    expect(&stage, &["swaps has no swap with 1024 KiB free (root: modprobe zram; "]);
    fs::remove_dir_all(stage.path().join("events")).expect("it is there");
    expect(&stage, &["no tracefs at ", "swaps has no swap"]);
    fs::remove_file(stage.path().join("perf")).expect("it is there");
    let (code, _, stderr) = output(validate(&stage, &[]).env("PATH", "/nonexistent"));
    assert!(code == 3 && stderr.contains("  missing: perf is not installed"), "{stderr}");
}

/// MADV_PAGEOUT of a process that may not swap.
#[test]
fn a_case_without_a_page_written_is_skipped() {
    let recording = recording();
    let written = |line: &&str| !line.contains("mm_vmscan_write_folio");
    let stage = stage(&recording.split_inclusive('\n').filter(written).collect::<String>());
    let (code, stdout, stderr) = output(&mut validate(&stage, &[]));
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains("wrote not one page") && stderr.contains("memory.swap.max"), "{stderr}");
    assert_eq!(left(&stage), [""; 0]);
}

/// perf lost what came after the tenth round. What was validated before is not lost with it.
#[test]
fn a_recording_without_all_rounds_is_an_error() {
    let recording = recording();
    let (at, _) = recording.match_indices("behavior: 0x00000015").nth(10).expect("an eleventh round");
    let cut = recording[..at].rfind('\n').expect("a line before") + 1;
    let stage = Stage::new().doing("script", &format!("[ -e out.csv ] || {{ {SCRIPT}; }}; {SCRIPT}"));
    fs::write(stage.path().join("swaps"), SWAPS).expect("a file");
    fs::write(stage.path().join("recording"), &recording[..cut]).expect("a file");
    let (code, stdout, stderr) = output(&mut validate(&stage, &[]));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("the recording ends before MADV_PAGEOUT of round 11 of 20"), "{stderr}");
    let kept = kept(&stage, "dirty-mprotect-1thread.perf.txt");
    assert!(stderr.contains(&format!("the recording is kept: {}", kept.display())), "{stderr}");

    // The second time it is asked, this perf has lost the rest.
    let script = r#"d=$(dirname "$0"); r=$d/whole; [ -e "$d/asked" ] && r=$d/recording; touch "$d/asked"
sed "s/^ *pageout /rounds-$PPID /" "$r"; exit"#;
    let stage = stage.doing("script", script);
    fs::write(stage.path().join("whole"), &recording).expect("a file");
    let (code, _, stderr) = output(&mut validate(&stage, &["--case", CASE, "-o", "out.csv"]));
    assert!(code == 2 && stderr.contains("round 11 of 20"), "{stderr}");
    let rows = fs::read_to_string(stage.path().join("out.csv")).expect("it was written");
    assert_eq!(rows.lines().count(), 1 + 3, "{rows}");
}

#[test]
fn a_call_in_between_is_an_error() {
    let recording = recording();
    // Of the second round: the rounds begin with the first MADV_PAGEOUT.
    let text = without(&recording, &["sys_enter_mprotect", "prot: 0x00000003"], 2);
    let stage = stage(&text);
    let (code, _, stderr) = output(&mut validate(&stage, &[]));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("in the place of mprotect RW of round "), "{stderr}");
}

#[test]
fn recordings_are_kept_where_asked() {
    let stage = stage(&recording());
    fs::create_dir(stage.path().join("kept")).expect("a directory");
    let (code, _, stderr) = output(&mut validate(&stage, &["--keep", "kept"]));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(left(&stage), ["kept"]);
    let path = stage.path().join("kept/dirty-mprotect-1thread.perf.txt");
    assert!(fs::read_to_string(&path).expect("it is there").contains("rounds-"));
    common::mmusim(&["replay", path.to_str().expect("text")]).assert().success();
    // A second time they would be overwritten, and nothing is run.
    let log = stage.log();
    let (code, _, stderr) = output(&mut validate(&stage, &["--keep", "kept"]));
    assert!(code == 2 && stderr.contains("kept/dirty-mprotect-1thread.perf.txt is there already"), "{stderr}");
    let (code, _, stderr) = output(&mut validate(&stage, &["--keep", "nowhere"]));
    assert!(code == 2 && stderr.contains("nowhere is no directory"), "{stderr}");
    assert_eq!(stage.log(), log);
}

#[test]
fn without_a_text_the_recording_is_kept() {
    let stage = stage("").doing("script", "exit 3");
    let (code, _, stderr) = output(&mut validate(&stage, &[]));
    assert!(code == 2 && stderr.contains("perf script ended with exit status: 3"), "{stderr}");
    assert!(stderr.contains(&format!("the recording is kept: {}", kept(&stage, "perf.data").display())), "{stderr}");
}

/// Ctrl-C reaches perf and the program as well.
#[test]
fn an_interrupted_case_leaves_nothing() {
    let stage = stage(&recording()).doing("record", "kill -INT $PPID");
    fs::write(stage.path().join("recording"), recording()).expect("a file");
    let (code, stdout, stderr) = output(&mut validate(&stage, &[]));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert_eq!(left(&stage), [""; 0]);
}

#[test]
fn it_is_asked_for_the_host() {
    common::expect(&["validate"], &["--host"]);
    common::expect(&["validate", "--host", "--case", "dirty"], &["'dirty'", "dirty-mprotect-1thread"]);
    common::expect(&["validate", "--host", "--rounds", "0"], &["'0'"]);
}

/// The names of the first column of the nth table of the page's section.
fn documented(nth: usize) -> BTreeSet<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.md")).expect("the page");
    let (_, rest) = page.split_once("\n## `validate`\n").expect("its section");
    let section = rest.split("\n## ").next().expect("a section");
    let table = section.split("|---|---|---|").nth(nth + 1).expect("a table");
    let names = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    names.map(|(name, _)| name.to_owned()).collect()
}

fn keys(value: &Value, at: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                keys(value, &key, out);
                out.insert(key);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, at, out)),
        _ => {}
    }
}

#[test]
fn columns_and_keys_are_documented() {
    let stage = stage(&recording());
    let (_, stdout, _) = output(&mut validate(&stage, &["--format", "csv"]));
    let header: BTreeSet<String> = stdout.lines().next().expect("a header").split(',').map(str::to_owned).collect();
    assert_eq!(header, documented(0));
    let (_, stdout, _) = output(&mut validate(&stage, &["--format", "json"]));
    let mut found = BTreeSet::new();
    keys(&serde_json::from_str(&stdout).expect("JSON"), "", &mut found);
    // Nothing was skipped here.
    found.extend(["skipped.case", "skipped.why"].map(str::to_owned));
    assert_eq!(found, documented(1));
}
