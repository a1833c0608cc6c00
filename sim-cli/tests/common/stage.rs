//! perf and tracefs as stand-ins: a script and directories.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assert_cmd::Command;
use workloads::recorded::TRACEPOINTS;

/// Writes its arguments to a log; `record` makes the file of -o, `script` prints a recording.
const PERF: &str = r#"#!/bin/sh
echo "perf $*" >>"$(dirname "$0")/log"
case $1 in
record) while [ "$1" != -o ]; do shift; done; echo data >"$2"; [ "$4" = false ] && exit 1; exit 0 ;;
script) echo 'rec 7/8 [001] 5.000000010: tlb:tlb_flush: pages:1 reason:remote IPI send (4)' ;;
esac
"#;

pub(crate) struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    /// With all tracepoints, and perf.
    pub(crate) fn new() -> Stage {
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

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn without(self, tracepoint: &str) -> Stage {
        fs::remove_dir(self.path().join("events").join(tracepoint)).expect("it is there");
        self
    }

    /// The program with this perf, this tracefs, and temporary files under the stage.
    pub(crate) fn mmusim(&self, command: &str, args: &[&str]) -> Command {
        let tracefs = self.path().to_str().expect("text");
        // Whoever runs the tests may have them ignore signals, as nohup and the `&` of a shell do; the program would leave it at that.
        let mut run = Command::new("/usr/bin/env");
        run.arg("--default-signal=INT,HUP").arg(assert_cmd::cargo::cargo_bin!("mmusim")).env("NO_COLOR", "1");
        run.args([command, "--tracefs", tracefs]).args(args);
        run.env("PATH", format!("{tracefs}:/usr/bin:/bin")).env("TMPDIR", tracefs).current_dir(self.path());
        run
    }

    /// With this instead of what perf does.
    pub(crate) fn doing(self, subcommand: &str, instead: &str) -> Stage {
        let start = format!("\n{subcommand}) ");
        assert_eq!(PERF.matches(&start).count(), 1);
        fs::write(self.path().join("perf"), PERF.replace(&start, &format!("{start}{instead}; "))).expect("a script");
        self
    }

    /// What lies there afterwards.
    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("a directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

pub(crate) fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ends"), text(output.stdout), text(output.stderr))
}
