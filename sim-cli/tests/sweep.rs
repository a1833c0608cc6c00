//! `mmusim sweep`: the same bytes whatever the shards, the threads and the accidents on the way.

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{file, mmusim, stdout};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_match};

/// 24 points, a few milliseconds each.
const PLAN: &str = r#"
name = "tiny"
summary = "a plan for tests"

[fixed]
workload = "overlap"
"workload.duration_cycles" = 300_000

[[axis]]
policy = ["unpatched", "patched", "pending-generation"]

[[axis]]
workload.user.gap_cycles = [20, 200]
cores = [2, 4]

[[axis]]
seed = { from = 1, to = 4 }
"#;

const POINTS: usize = 24;

/// A plan in a file, and a directory beside it for its points.
struct Sweep {
    _directory: tempfile::TempDir,
    plan: String,
    points: String,
}

impl Sweep {
    fn new(text: &str) -> Sweep {
        let (directory, plan) = file("plan.toml", text.as_bytes());
        let points = directory.path().join("points").to_str().expect("text").to_owned();
        Sweep { _directory: directory, plan, points }
    }

    /// The arguments of `mmusim sweep WHAT` on it.
    fn args<'a>(&'a self, what: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["sweep", what, self.plan.as_str(), "--dir", self.points.as_str()], more].concat()
    }

    fn run(&self, more: &[&str]) -> assert_cmd::assert::Assert {
        mmusim(&self.args("run", more)).assert()
    }

    fn merge(&self) -> String {
        stdout(&self.args("merge", &[]))
    }

    /// The results of points, in any order.
    fn files(&self) -> Vec<std::path::PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.points) else { return Vec::new() };
        let paths = entries.map(|entry| entry.expect("listed").path());
        paths.filter(|path| path.extension() == Some("csv".as_ref())).collect()
    }
}

/// The rows of an undisturbed run.
fn expected(text: &str) -> String {
    let sweep = Sweep::new(text);
    sweep.run(&[]).success().stdout("");
    sweep.merge()
}

#[test]
fn same_bytes_whatever_the_shards_and_threads() {
    let expected = expected(PLAN);
    assert_eq!(expected.lines().count(), POINTS + 1);
    for shards in [1, 2, 7] {
        for threads in ["1", "2"] {
            let sweep = Sweep::new(PLAN);
            // The last shard first: order is the plan's, not that of the runs.
            for shard in (1..=shards).rev() {
                sweep.run(&["--shard", &format!("{shard}/{shards}"), "-j", threads]).success();
            }
            assert!(sweep.merge() == expected, "{shards} shards, {threads} threads");
        }
    }
}

#[test]
fn rows_have_provenance_knobs_and_the_metrics_of_compare() {
    let merged = expected(PLAN);
    let mut reader = csv::Reader::from_reader(merged.as_bytes());
    let header: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    let compared = stdout(&["compare", "overlap", "--policy", "patched", "--format", "csv"]);
    let columns: Vec<String> = compared.lines().next().expect("a header").split(',').map(str::to_owned).collect();
    let own = ["plan", "plan_sha256", "point", "workload.duration_cycles", "workload.user.gap_cycles", "cores"];
    assert_eq!(header[..9], columns[..9]);
    assert_eq!(header[9..15], own);
    assert_eq!(header[15..], columns[9..]);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    let at = |name: &str| header.iter().position(|h| h == name).expect("a column");
    let settings: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| ["policy", "workload.user.gap_cycles", "cores", "seed"].map(|name| &row[at(name)]).to_vec())
        .collect();
    assert_eq!(settings[0], ["batched", "20", "2", "1"]);
    assert_eq!(settings[7], ["batched", "200", "4", "4"]);
    assert_eq!(settings[8], ["pending-flag", "20", "2", "1"]);
    assert_eq!(settings[23], ["pending-generation", "200", "4", "4"]);
    // Under each policy there are points that differ by their seed, and by their knobs.
    let ends: std::collections::BTreeSet<_> = rows[..8].iter().map(|row| &row[at("duration_cycles")]).collect();
    assert_eq!(ends.len(), 8, "{ends:?}");
}

#[test]
fn a_row_is_what_compare_says_of_the_same_run() {
    let plan = "name = \"one\"\n[fixed]\nworkload = \"alternating\"\npolicy = \"patched\"\nseed = 7\n";
    let merged = expected(plan);
    let options = ["--policy", "patched", "--seed", "7", "--format", "csv"];
    let compared = stdout(&[&["compare", "alternating"], &options[..]].concat());
    let fields = |text: &str| text.lines().nth(1).expect("a row").split(',').map(str::to_owned).collect::<Vec<_>>();
    let (mut row, mut beside) = (fields(&merged), fields(&compared));
    row.drain(9..12);
    assert_eq!(row.len(), beside.len());
    let percent =
        compared.lines().next().expect("a header").split(',').position(|c| c == "flush_total_of_baseline_percent");
    let percent = percent.expect("a column");
    // A point stands alone: there is no first policy.
    assert_eq!((row.remove(percent), beside.remove(percent)), (String::new(), "100.000".to_owned()));
    assert_eq!(row, beside);
}

#[test]
fn json_has_the_rows_of_the_csv() {
    let sweep = Sweep::new(PLAN);
    sweep.run(&[]).success();
    let rows: serde_json::Value =
        serde_json::from_str(&stdout(&sweep.args("merge", &["--format", "json"]))).expect("JSON");
    let merged = sweep.merge();
    let mut reader = csv::Reader::from_reader(merged.as_bytes());
    let header = reader.headers().expect("a header").clone();
    for (index, row) in reader.records().map(|row| row.expect("a row")).enumerate() {
        for (name, field) in header.iter().zip(&row) {
            match &rows[index][name] {
                serde_json::Value::String(text) => assert_eq!(text, field, "{name}"),
                serde_json::Value::Null => assert_eq!(field, "", "{name}"),
                number => assert_eq!(number.as_f64(), field.parse().ok(), "{name}"),
            }
        }
    }
    assert_eq!((&rows[0]["cores"], &rows[0]["seed"]), (&2.into(), &1.into()));
    assert!(rows[0]["plan_sha256"].is_string());
}

/// Kills a run as soon as there are so many files, or lets it end if it is faster.
fn kill_at(sweep: &Sweep, files: usize) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let mut child: Child = Command::new(assert_cmd::cargo::cargo_bin!("mmusim"))
        .args(sweep.args("run", &["-j", "2"]))
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    while sweep.files().len() < files && child.try_wait().expect("it is a child").is_none() {
        thread::sleep(Duration::from_micros(200));
    }
    // SIGKILL: it hears nothing of it.
    child.kill().expect("it is a child");
    child.wait().expect("it is a child").signal() == Some(9)
}

#[test]
fn a_killed_sweep_goes_on_where_it_was() {
    let text = PLAN.replace("to = 4", "to = 8").replace("300_000", "900_000");
    let expected = expected(&text);
    let sweep = Sweep::new(&text);
    let mut killed = 0;
    for files in [1, 2, 9, 20, 30, 40] {
        killed += usize::from(kill_at(&sweep, files));
        // Whatever a kill leaves under the name of a point is whole.
        mmusim(&sweep.args("status", &[])).assert().stdout(contains("broken").not());
    }
    assert!(killed > 0, "it was never killed, but always done before");
    let (before, status) = (sweep.files().len(), sweep.args("status", &[]));
    assert!(before < 2 * POINTS, "the last kill was too late");
    mmusim(&status).assert().code(3).stdout(contains(format!("{before} of 48 points done")));
    mmusim(&sweep.args("merge", &[])).assert().code(3).stdout("");
    // What was there is not run again.
    sweep.run(&[]).success().stderr(contains(format!("{before} were there, {} done", 48 - before)));
    assert!(sweep.merge() == expected);
    mmusim(&status).assert().code(0).stdout("tiny: 48 of 48 points done\n");
}

#[test]
fn an_incomplete_sweep_is_not_merged_unless_asked() {
    let sweep = Sweep::new(PLAN);
    let whole = expected(PLAN);
    sweep.run(&["--shard", "2/3"]).success();
    let out = Path::new(&sweep.plan).with_file_name("out.csv");
    let merge = sweep.args("merge", &["-o", out.to_str().expect("text")]);
    let told = contains("8 of 24 points done, 16 missing; not done: 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, ...");
    mmusim(&merge).assert().code(3).stdout("").stderr(told.clone());
    assert!(!out.exists());
    let partial = [&merge[..], &["--partial"]].concat();
    mmusim(&partial).assert().code(0).stdout("").stderr(told);
    let lines: Vec<&str> = whole.lines().collect();
    let expected: Vec<&str> = (0..lines.len()).filter(|n| *n == 0 || n % 3 == 2).map(|n| lines[n]).collect();
    let written = std::fs::read_to_string(&out).expect("written");
    assert_eq!(written.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_that_is_not_whole_is_as_good_as_none() {
    let whole = expected(PLAN);
    let sweep = Sweep::new(PLAN);
    sweep.run(&[]).success();
    let mut files = sweep.files();
    files.sort();
    let first = std::fs::read(&files[0]).expect("it is there");
    let digit = first.iter().rposition(u8::is_ascii_digit).expect("it has a hash");
    let mut changed = first.clone();
    changed[digit] ^= 1;
    let other = std::fs::read(&files[1]).expect("it is there");
    for broken in [&first[..first.len() / 2], &first[..first.len() - 1], b"", &changed, &other] {
        std::fs::write(&files[0], broken).expect("it is a file");
        mmusim(&sweep.args("status", &[])).assert().code(3).stdout(contains("23 of 24 points done, 1 broken"));
        mmusim(&sweep.args("merge", &[])).assert().code(3).stdout("").stderr(contains("1 broken"));
        sweep.run(&[]).success().stderr(contains("23 were there, 1 done"));
        assert!(sweep.merge() == whole);
    }
    // What a killed run left aside is nobody's point.
    std::fs::write(Path::new(&sweep.points).join(".mmusim-x"), &first[..50]).expect("a file");
    assert!(sweep.merge() == whole);
}

#[test]
fn points_of_a_changed_plan_are_not_those_of_the_old_one() {
    let sweep = Sweep::new(PLAN);
    sweep.run(&[]).success();
    // One value more: what was done is there. Another duration: nothing is.
    std::fs::write(&sweep.plan, PLAN.replace("to = 4", "to = 5")).expect("a file");
    mmusim(&sweep.args("status", &[])).assert().code(3).stdout(contains("24 of 30 points done, 6 missing"));
    std::fs::write(&sweep.plan, PLAN.replace("300_000", "300_001")).expect("a file");
    mmusim(&sweep.args("status", &[])).assert().code(3).stdout(contains("0 of 24 points done, 24 missing"));
    // The workload of a plan is a file beside it; another text of it is another workload.
    let text = workloads::synthetic::find("overlap").expect("built in").text;
    let beside = Path::new(&sweep.plan).with_file_name("mine.toml");
    std::fs::write(&sweep.plan, PLAN.replace("\"overlap\"", "\"mine.toml\"")).expect("a file");
    std::fs::write(&beside, text).expect("a file");
    // The very same workload under another file name is the same run.
    mmusim(&sweep.args("status", &[])).assert().code(0);
    std::fs::write(&beside, text.replace("pause_cycles = 100_000", "pause_cycles = 100_001")).expect("a file");
    mmusim(&sweep.args("status", &[])).assert().code(3).stdout(contains("0 of 24 points done, 24 missing"));
}

#[test]
fn a_point_that_stops_the_model_costs_no_other() {
    // Two shootdowns that meet wait for each other for ever where interrupts are off meanwhile.
    let others = [
        ("\"overlap\"", "\"purge-dontneed\""),
        ("300_000", "3_000_000"),
        ("workload.user.gap_cycles = [20, 200]", "workload.loop.gap_cycles = [1_000, 2_000]"),
        ("cores = [2, 4]", "cores = [6, 8]"),
    ];
    let plan = others.iter().fold(PLAN.to_owned(), |plan, (from, to)| plan.replace(from, to));
    let text = format!("{plan}\n[[axis]]\nera.irqs_on_while_waiting = [true, false]\n");
    let (sweep, whole) = (Sweep::new(&text), expected(&plan));
    sweep.run(&["-j", "2"]).code(3).stderr(contains("24 failed"));
    let status = mmusim(&sweep.args("status", &[])).assert().code(3);
    status.stdout(
        contains("24 of 48 points done, 24 failed")
            .and(is_match("point 2: .*CPU \\d+ is left waiting").expect("valid")),
    );
    mmusim(&sweep.args("merge", &[])).assert().code(3).stdout("");
    let partial = stdout(&sweep.args("merge", &["--partial"]));
    let metrics = |text: &str, knobs: usize| -> Vec<Vec<String>> {
        let row = |line: &str| line.split(',').skip(12 + knobs).map(str::to_owned).collect();
        text.lines().map(row).collect()
    };
    assert_eq!(metrics(&partial, 4), metrics(&whole, 3));
    // They are tried again.
    sweep.run(&[]).code(3).stderr(contains("24 were there, 0 done, 24 failed"));
}

#[test]
fn plan_lists_the_points() {
    let (_directory, path) = file("plan.toml", PLAN.as_bytes());
    let csv = stdout(&["sweep", "plan", &path, "--format", "csv"]);
    assert_eq!(csv.lines().count(), POINTS + 1);
    let document = common::json(&["sweep", "plan", &path]);
    let points = document["points"].as_array().expect("a list");
    assert_eq!(points.len(), POINTS);
    // Ids change with every switch that a kernel gets, the table does not.
    let id = |point: &serde_json::Value| point["point"].as_str().expect("text")[..12].to_owned();
    let table = points.iter().fold(stdout(&["sweep", "plan", &path]), |table, point| {
        assert_eq!(table.matches(&id(point)).count(), 1);
        table.replace(&id(point), "id of a run ")
    });
    insta::assert_snapshot!("plan_table", table);
    assert_eq!(document["knobs"].as_array().map(Vec::len), Some(6));
    let row: Vec<&str> = csv.lines().nth(3).expect("a row").split(',').collect();
    assert_eq!(row[5], document["points"][2]["point"]);
    assert_eq!(row[6..], ["overlap", "300000", "unpatched", "20", "2", "3"]);
}

#[test]
fn wrong_arguments() {
    let sweep = Sweep::new(PLAN);
    for shard in ["0/2", "3/2", "1/0", "1", "a/b", "-1/2"] {
        let more = format!("--shard={shard}");
        mmusim(&sweep.args("run", &[&more])).assert().code(2).stderr(contains("expected I/N with I from 1 to N"));
    }
    common::expect(&["sweep", "plan", "/nonexistent.toml"], &["no plan `/nonexistent.toml`"]);
    common::expect(&sweep.args("merge", &[]), &["no directory", "expected the --dir of `mmusim sweep run`"]);
    std::fs::write(&sweep.points, "").expect("a file");
    common::expect(&sweep.args("run", &[]), &["cannot make"]);
}

#[test]
fn the_page_has_the_table_of_knobs_and_the_plans_beside_it_can_be_run() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let page = read(&docs.join("sweeps.md"));
    let mut rows = String::new();
    for knob in workloads::sweep::knob::KNOBS {
        let key = if knob.name.ends_with('.') { "KEY" } else { "" };
        writeln!(rows, "| `{}{key}` | {} |", knob.name, knob.doc).expect("memory is writable");
    }
    assert!(page.contains(&rows), "expected in docs/sweeps.md:\n{rows}");
    assert!(page.contains(&format!("```toml\n{}```", read(&docs.join("plans/gaps.toml")))));
    let plans = std::fs::read_dir(docs.join("plans")).expect("listed").map(|entry| entry.expect("listed").path());
    for (plan, points) in plans.map(|plan| (plan.clone(), read(&plan))) {
        let listed = stdout(&["sweep", "plan", plan.to_str().expect("text"), "--format", "csv"]);
        let told = format!(": {} points.", listed.lines().count() - 1);
        assert!(points.lines().next().expect("a comment").ends_with(&told), "{}: expected{told}", plan.display());
    }
}
