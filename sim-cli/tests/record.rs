//! `mmusim record`: the line it runs, and what it says is missing. perf and tracefs are stand-ins: a script and directories.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assert_cmd::Command;
use common::mmusim;
use workloads::recorded::TRACEPOINTS;

/// Writes its arguments to a log; `record` makes the file of -o, `script` prints a recording.
const PERF: &str = r#"#!/bin/sh
echo "perf $*" >>"$(dirname "$0")/log"
case $1 in
record) while [ "$1" != -o ]; do shift; done; echo data >"$2"; [ "$4" = false ] && exit 1; exit 0 ;;
script) echo 'rec 7/8 [001] 5.000000010: tlb:tlb_flush: pages:1 reason:remote IPI send (4)' ;;
esac
"#;

struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    /// With all tracepoints, and perf.
    fn new() -> Stage {
        let directory = tempfile::tempdir().expect("a directory");
        for tracepoint in &TRACEPOINTS {
            fs::create_dir_all(directory.path().join("events").join(tracepoint.name.replace(':', "/")))
                .expect("a directory");
        }
        let perf = directory.path().join("perf");
        fs::write(&perf, PERF).expect("a script");
        fs::set_permissions(&perf, fs::Permissions::from_mode(0o755)).expect("permissions");
        Stage { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn without(self, tracepoint: &str) -> Stage {
        fs::remove_dir(self.path().join("events").join(tracepoint)).expect("it is there");
        self
    }

    fn record(&self, args: &[&str]) -> Command {
        let tracefs = self.path().to_str().expect("text");
        let mut command = mmusim(&[&["record", "--tracefs", tracefs], args].concat());
        command.env("PATH", format!("{tracefs}:/usr/bin:/bin")).current_dir(self.path());
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

/// Without these rights nothing can be recorded, whatever is installed.
fn may_trace() -> bool {
    let read = |path| fs::read_to_string(path).expect("Linux has it");
    let root = read("/proc/self/status")
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    root || read("/proc/sys/kernel/perf_event_paranoid").trim() == "-1"
}

fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ends"), text(output.stdout), text(output.stderr))
}

#[test]
fn a_dry_run_prints_the_line_and_runs_nothing() {
    let stage = Stage::new();
    let (code, stdout, stderr) = output(&mut stage.record(&["--dry-run", "--", "echo", "it's", "a b"]));
    let names: Vec<_> = TRACEPOINTS.iter().map(|tracepoint| tracepoint.name).collect();
    let line = format!("perf record -q -a -m 8192 -e {} -o perf.data -- echo 'it'\\''s' 'a b'\n", names.join(","));
    let script = "perf script --ns -F comm,pid,tid,cpu,time,event,trace -i perf.data > echo.perf.txt\n";
    assert_eq!(stdout, line + script);
    assert_eq!(code, if may_trace() { 0 } else { 2 }, "{stderr}");
    assert_eq!(stage.log(), "");
}

#[test]
fn a_recording_is_one_file() {
    let stage = Stage::new();
    let (code, stdout, stderr) = output(&mut stage.record(&["-o", "mine.txt", "--", "true", "-x"]));
    if !may_trace() {
        assert!(code == 2 && stderr.contains("not root") && stage.log().is_empty(), "{stderr}");
        return;
    }
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
    let mut there: Vec<_> =
        fs::read_dir(stage.path()).expect("a directory").map(|e| e.expect("an entry").file_name()).collect();
    there.sort();
    assert_eq!(there, ["events", "log", "mine.txt", "perf"]);
    let (code, _, stderr) = output(&mut stage.record(&["-o", "mine.txt", "--", "true"]));
    assert!(code == 2 && stderr.contains("mine.txt is there already"), "{stderr}");
    assert_eq!(stage.log(), log);
    // A program may fail.
    let (code, _, stderr) = output(&mut stage.record(&["--", "false"]));
    assert!(code == 0 && stderr.contains("perf record ended with exit status: 1"), "{stderr}");
}

#[test]
fn what_is_missing_is_said_and_nothing_is_run() {
    let expect = |stage: &Stage, parts: &[&str]| {
        let (code, stdout, stderr) = output(&mut stage.record(&["--", "true"]));
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
    let (code, _, stderr) = output(stage.record(&["--", "true"]).env("PATH", "/nonexistent"));
    assert!(code == 2 && stderr.contains("perf is not installed"), "{stderr}");
}

#[test]
fn tracepoints_that_older_kernels_lack_are_left_out() {
    let stage = Stage::new().without("vmscan/mm_vmscan_reclaim_pages");
    let (code, stdout, stderr) = output(&mut stage.record(&["--dry-run", "--", "true"]));
    assert!(
        stderr.contains("this kernel has no vmscan:mm_vmscan_reclaim_pages") && stderr.contains("left out"),
        "{stderr}"
    );
    assert!(!stdout.contains("reclaim_pages") && stdout.contains("mm_vmscan_write_folio"), "{stdout}");
    assert_eq!(code, if may_trace() { 0 } else { 2 });
}

#[test]
fn a_program_is_needed() {
    common::expect(&["record"], &["PROGRAM"]);
    common::expect(&["record", "true"], &["'true'"]);
}
