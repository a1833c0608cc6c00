//! `mmusim record`: the line it runs, and what it says is missing. perf and tracefs are stand-ins: a script and directories.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use assert_cmd::Command;
use common::mmusim;
use common::stage::{Stage, output};
use workloads::recorded::TRACEPOINTS;

fn record(stage: &Stage, args: &[&str]) -> Command {
    stage.mmusim("record", args)
}

#[test]
fn a_dry_run_prints_the_line_and_runs_nothing() {
    let stage = Stage::new();
    let (code, stdout, stderr) = output(&mut record(&stage, &["--dry-run", "--", "echo", "it's", "a b"]));
    let names: Vec<_> = TRACEPOINTS.iter().map(|tracepoint| tracepoint.name).collect();
    let line = format!("perf record -q -a -m 8192 -e {} -o perf.data -- echo 'it'\\''s' 'a b'\n", names.join(","));
    let script = "perf script --ns -F comm,pid,tid,cpu,time,event,trace -i perf.data > echo.perf.txt\n";
    assert_eq!(stdout, line + script);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stage.log(), "");
}

#[test]
fn a_recording_is_one_file() {
    let stage = Stage::new();
    let (code, stdout, stderr) = output(&mut record(&stage, &["-o", "mine.txt", "--", "true", "-x"]));
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    let log = stage.log();
    let lines: Vec<_> = log.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("perf record -q -a") && lines[0].ends_with(" -- true -x"),
        "{log}"
    );
    assert!(lines[1].starts_with("perf script --ns -F comm,pid,tid,cpu,time,event,trace -i "), "{log}");
    let mine = stage.path().join("mine.txt");
    assert!(fs::read_to_string(&mine).expect("it was made").starts_with("rec 7/8"));
    mmusim(&["replay", mine.to_str().expect("text")]).assert().success();
    // perf.data is gone, and a file that is there stays.
    assert_eq!(stage.entries(), ["events", "log", "mine.txt", "perf"]);
    let (code, _, stderr) = output(&mut record(&stage, &["-o", "mine.txt", "--", "true"]));
    assert!(code == 2 && stderr.contains("mine.txt is there already"), "{stderr}");
    assert_eq!(stage.log(), log);
    // A program may fail.
    let (code, _, stderr) = output(&mut record(&stage, &["--", "false"]));
    assert!(code == 0 && stderr.contains("perf record ended with exit status: 1"), "{stderr}");
}

/// Ctrl-C, and the end of the terminal, reach perf as well, which ends by them and writes what it has. A program is not asked: it
/// may have ended before.
#[test]
fn a_recording_that_is_interrupted_gets_its_text() {
    for signal in ["INT", "HUP"] {
        let stage = Stage::new().doing("record", &format!("kill -{signal} $PPID; kill -{signal} $PPID"));
        let (code, _, stderr) = output(&mut record(&stage, &["-o", "mine.txt", "--", "true"]));
        assert_eq!(code, 0, "{stderr}");
        assert!(fs::read_to_string(stage.path().join("mine.txt")).expect("it was made").starts_with("rec 7/8"));
        assert_eq!(stage.entries(), ["events", "log", "mine.txt", "perf"]);
    }
}

/// nohup has the program ignore SIGHUP, and perf with it: a handler would be taken from perf when it is executed.
#[test]
fn a_signal_that_is_ignored_is_ignored_by_perf() {
    let stage = Stage::new().doing("record", "kill -HUP $$");
    let mmusim = assert_cmd::cargo::cargo_bin!("mmusim");
    let line = format!("trap '' HUP; exec {} record --tracefs . -o mine.txt -- true", mmusim.display());
    let path = format!("{}:/usr/bin:/bin", stage.path().display());
    Command::new("sh").args(["-c", &line]).env("PATH", path).current_dir(stage.path()).assert().success();
    assert_eq!(stage.entries(), ["events", "log", "mine.txt", "perf"]);
}

#[test]
fn without_a_text_the_recording_is_kept() {
    for (instead, message) in
        [("exit 3", "perf script ended with exit status: 3"), ("mkdir mine.txt", "cannot write mine.txt")]
    {
        let stage = Stage::new().doing("script", instead);
        let (code, _, stderr) = output(&mut record(&stage, &["-o", "mine.txt", "--", "true"]));
        assert!(code == 2 && stderr.contains(message), "{stderr}");
        let kept: Vec<_> = stage.entries().into_iter().filter(|name| name.starts_with(".mmusim-")).collect();
        let [kept] = &kept[..] else { panic!("{kept:?}: {stderr}") };
        let data = stage.path().join(".").join(kept).join("perf.data");
        assert_eq!(fs::read_to_string(&data).expect("it is there"), "data\n");
        let said = format!("the recording is kept: {}; its text is what this prints\n", data.display());
        assert!(stderr.contains(&said), "no `{said}` in {stderr}");
        let line = format!("perf script --ns -F comm,pid,tid,cpu,time,event,trace -i {} > mine.txt\n", data.display());
        assert!(stderr.contains(&line), "no `{line}` in {stderr}");
    }
}

#[test]
fn what_is_missing_is_said_and_nothing_is_run() {
    let expect = |stage: &Stage, parts: &[&str]| {
        let (code, stdout, stderr) = output(&mut record(stage, &["--", "true"]));
        assert_eq!(code, 2, "{stderr}");
        assert!(stdout.starts_with("perf record "), "{stdout}");
        for part in parts {
            assert!(stderr.contains(part), "no `{part}` in {stderr}");
        }
        assert_eq!(stage.log(), "");
        stdout
    };
    let stage = Stage::new().without("syscalls/sys_enter_munmap");
    let line = expect(&stage, &["this kernel has no syscalls:sys_enter_munmap"]);
    assert!(!line.contains("sys_enter_munmap") && line.contains("sys_exit_munmap"));
    let stage = Stage::new();
    fs::remove_dir_all(stage.path().join("events")).expect("it is there");
    let line = expect(&stage, &["no tracefs at", "mount -t tracefs"]);
    assert!(line.contains("sys_enter_munmap"), "what is there is not known: {line}");
    fs::remove_file(stage.path().join("perf")).expect("it is there");
    let (code, _, stderr) = output(record(&stage, &["--", "true"]).env("PATH", "/nonexistent"));
    assert!(code == 2 && stderr.contains("perf is not installed"), "{stderr}");
    // A file that nobody may execute is no program.
    let stage = Stage::new();
    fs::set_permissions(stage.path().join("perf"), fs::Permissions::from_mode(0o644)).expect("permissions");
    let (code, _, stderr) = output(record(&stage, &["--", "true"]).env("PATH", stage.path()));
    assert!(code == 2 && stderr.contains("perf is not installed"), "{stderr}");
}

#[test]
fn tracepoints_that_older_kernels_lack_are_left_out() {
    let stage = Stage::new().without("vmscan/mm_vmscan_reclaim_pages");
    let (code, stdout, stderr) = output(&mut record(&stage, &["--dry-run", "--", "true"]));
    assert!(
        stderr.contains("this kernel has no vmscan:mm_vmscan_reclaim_pages") && stderr.contains("left out"),
        "{stderr}"
    );
    assert!(!stdout.contains("reclaim_pages") && stdout.contains("mm_vmscan_write_folio"), "{stdout}");
    assert_eq!(code, 0);
}

#[test]
fn a_program_is_needed() {
    common::expect(&["record"], &["PROGRAM"]);
    common::expect(&["record", "true"], &["'true'"]);
}
