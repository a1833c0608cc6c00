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

    /// With this instead of what perf does.
    fn doing(self, subcommand: &str, instead: &str) -> Stage {
        let start = format!("\n{subcommand}) ");
        assert_eq!(PERF.matches(&start).count(), 1);
        fs::write(self.path().join("perf"), PERF.replace(&start, &format!("{start}{instead}; "))).expect("a script");
        self
    }

    /// What lies there afterwards.
    fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("a directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
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
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stage.log(), "");
}

#[test]
fn a_recording_is_one_file() {
    let stage = Stage::new();
    let (code, stdout, stderr) = output(&mut stage.record(&["-o", "mine.txt", "--", "true", "-x"]));
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
    let (code, _, stderr) = output(&mut stage.record(&["-o", "mine.txt", "--", "true"]));
    assert!(code == 2 && stderr.contains("mine.txt is there already"), "{stderr}");
    assert_eq!(stage.log(), log);
    // A program may fail.
    let (code, _, stderr) = output(&mut stage.record(&["--", "false"]));
    assert!(code == 0 && stderr.contains("perf record ended with exit status: 1"), "{stderr}");
}

/// Ctrl-C, and the end of the terminal, reach perf as well, which ends by them and writes what it has. A program is not asked: it
/// may have ended before.
#[test]
fn a_recording_that_is_interrupted_gets_its_text() {
    for signal in ["INT", "HUP"] {
        let stage = Stage::new().doing("record", &format!("kill -{signal} $PPID; kill -{signal} $PPID"));
        let (code, _, stderr) = output(&mut stage.record(&["-o", "mine.txt", "--", "true"]));
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
        let (code, _, stderr) = output(&mut stage.record(&["-o", "mine.txt", "--", "true"]));
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
    // A file that nobody may execute is no program.
    let stage = Stage::new();
    fs::set_permissions(stage.path().join("perf"), fs::Permissions::from_mode(0o644)).expect("permissions");
    let (code, _, stderr) = output(stage.record(&["--", "true"]).env("PATH", stage.path()));
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
    assert_eq!(code, 0);
}

#[test]
fn a_program_is_needed() {
    common::expect(&["record"], &["PROGRAM"]);
    common::expect(&["record", "true"], &["'true'"]);
}
