//! perf and tracefs, as far as a recording needs them: what is there, what is run, and running it.
//!
//! perf is run and nothing else: nothing is mounted, no setting is changed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT};
use tempfile::TempDir;
use workloads::recorded::{TRACEPOINTS, Tracepoint};

use crate::failure::Failure;

/// Where tracefs is, if nobody says otherwise.
pub(crate) const TRACEFS: &str = "/sys/kernel/tracing";
/// Pages of each CPU's buffer: fewer lose events when many pages fault.
const BUFFER_PAGES: &str = "8192";
/// The columns that an import reads.
const COLUMNS: &str = "comm,pid,tid,cpu,time,event,trace";
/// What users without CAP_PERFMON may do: anything at -1, no raw tracepoints from 0 on, and from 1 on no CPU as a whole either
/// (Documentation/admin-guide/sysctl/kernel.rst).
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";
/// What perf writes, in a directory beside the text.
const DATA: &str = "perf.data";

/// Ctrl-C, or the end of the terminal, is for perf: it ends a recording by it, and the text is made as ever. What was ignored, as
/// nohup does, stays so, here and in perf. What it returns is set when such a signal has come.
pub(crate) fn leave_signals_to_perf() -> Result<Arc<AtomicBool>, Failure> {
    let signalled = Arc::new(AtomicBool::new(false));
    let ignored = of_this_process("SigIgn:").and_then(|mask| u64::from_str_radix(&mask, 16).ok()).unwrap_or(0);
    for signal in [SIGINT, SIGHUP] {
        if ignored >> (signal - 1) & 1 == 0 {
            let registered = signal_hook::flag::register(signal, Arc::clone(&signalled));
            registered.map_err(|e| Failure::io("cannot leave to perf", "the signals of the terminal", &e))?;
        }
    }
    Ok(signalled)
}

/// A message. Where nobody is left to read it, the recording is still to be saved.
pub(crate) fn say(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

fn command(words: &[OsString]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// What is run.
pub(crate) struct Lines<'a> {
    pub(crate) events: &'a [&'static Tracepoint],
    pub(crate) program: &'a [OsString],
    /// The text.
    pub(crate) output: &'a Path,
}

impl Lines<'_> {
    /// All CPUs: what others flush and reclaim is part of the story.
    fn record(&self, data: &Path) -> Vec<OsString> {
        let names: Vec<_> = self.events.iter().map(|event| event.name).collect();
        let mut words: Vec<OsString> =
            ["perf", "record", "-q", "-a", "-m", BUFFER_PAGES, "-e"].map(OsString::from).into();
        words.extend([names.join(",").into(), "-o".into(), data.into(), "--".into()]);
        words.extend(self.program.iter().cloned());
        words
    }

    /// As a shell takes it.
    fn script(&self, data: &Path) -> String {
        format!("{} > {}", shown(&script_words(data)), quoted(self.output.as_os_str()))
    }

    /// As a shell takes them.
    fn both(&self, data: &Path) -> String {
        format!("{}\n{}\n", shown(&self.record(data)), self.script(data))
    }

    /// As a shell takes them, with perf.data where it is run.
    pub(crate) fn shown(&self) -> String {
        self.both(Path::new(DATA))
    }

    /// Records the program; what perf writes is in the directory afterwards.
    pub(crate) fn run(&self, aside: &Path) -> Result<(), Failure> {
        let data = aside.join(DATA);
        let status = command(&self.record(&data)).status().map_err(|e| Failure::io("cannot run", "perf", &e))?;
        if !data.exists() {
            let message = format!("perf record ended with {status} and no recording");
            return Err(Failure::new(
                message,
                format!("its own message is above; it was run as\n{}", self.both(&data)),
            ));
        }
        if !status.success() {
            // perf hands the program's own exit code on, and ends by the signal that it was told to end by.
            say(&format!("note: perf record ended with {status}"));
        }
        Ok(())
    }

    /// Keeps what perf wrote, since there is nothing else of it.
    pub(crate) fn keep(&self, aside: TempDir, failure: &Failure) -> Failure {
        let data = aside.keep().join(DATA);
        let help =
            format!("the recording is kept: {}; its text is what this prints\n{}", data.display(), self.script(&data));
        Failure::new(failure.to_string(), help)
    }
}

/// The text of what perf wrote into a directory.
pub(crate) fn text(aside: &Path) -> Result<Vec<u8>, Failure> {
    let output = command(&script_words(&aside.join(DATA))).output();
    let output = output.map_err(|e| Failure::io("cannot run", "perf script", &e))?;
    // Columns that only tracepoints have are asked for, which perf remarks on for every other kind of event.
    for line in String::from_utf8_lossy(&output.stderr).lines().filter(|line| !line.ends_with("events. Ignoring.")) {
        say(line);
    }
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Failure::new(format!("perf script ended with {}", output.status), "its own message is above"))
}

fn script_words(data: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["perf", "script", "--ns", "-F", COLUMNS, "-i"].map(OsString::from).into();
    words.push(data.into());
    words
}

/// A command as a shell takes it.
fn shown(words: &[OsString]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// What is there for a recording.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) present: Vec<&'static Tracepoint>,
    /// What it cannot do without.
    pub(crate) missing: Vec<String>,
    /// What it would be better with, and what may go wrong.
    pub(crate) notes: Vec<String>,
}

impl Found {
    pub(crate) fn here(tracefs: &Path) -> Found {
        let mut found = Found::default();
        if !in_path("perf") {
            found.missing.push("perf is not installed (Debian: apt-get install linux-perf)".to_owned());
        }
        found.notes.extend(doubt(is_root(), number_in(PARANOID)));
        let events = tracefs.join("events");
        match fs::read_dir(&events) {
            Ok(_) => found.look_for(&events),
            Err(error) => {
                found.present = TRACEPOINTS.iter().collect();
                found.missing.push(match error.kind() {
                    ErrorKind::PermissionDenied => format!("{} is not readable: run it as root", events.display()),
                    _ => format!("no tracefs at {0} (root: mount -t tracefs nodev {0})", tracefs.display()),
                });
            }
        }
        found
    }

    /// Each tracepoint has a directory.
    fn look_for(&mut self, events: &Path) {
        for tracepoint in &TRACEPOINTS {
            let Tracepoint { name, needed, tells } = *tracepoint;
            if events.join(name.replace(':', "/")).is_dir() {
                self.present.push(tracepoint);
            } else if needed {
                self.missing.push(format!("this kernel has no {name} ({tells})"));
            } else {
                self.notes.push(format!("this kernel has no {name} ({tells}); it is left out"));
            }
        }
    }
}

fn in_path(program: &str) -> bool {
    let executable = |path: &Path| path.metadata().is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0);
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| executable(&dir.join(program))))
}

/// Why perf may refuse to trace all CPUs. Only perf knows: root may be without the capability, and others may have it.
fn doubt(root: bool, paranoid: Option<i64>) -> Option<String> {
    let paranoid = paranoid.filter(|&paranoid| !root && paranoid > -1)?;
    Some(format!(
        "not root, and {PARANOID} is {paranoid}: without CAP_PERFMON perf will refuse (run it as root, or root sets it to -1)"
    ))
}

/// The effective user of this process.
fn is_root() -> bool {
    of_this_process("Uid:").is_some_and(|uids| uids.split_whitespace().nth(1) == Some("0"))
}

/// How many CPUs this process may run on; one if nobody knows.
pub(crate) fn cpus_allowed() -> usize {
    of_this_process("Cpus_allowed_list:").map_or(1, |list| listed(&list))
}

/// The CPUs of a list such as `0-3,8`.
fn listed(list: &str) -> usize {
    let bounds = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some((from.trim().parse::<usize>().ok()?, to.trim().parse::<usize>().ok()?))
    };
    list.split(',').filter_map(bounds).map(|(from, to)| to.saturating_sub(from) + 1).sum()
}

/// A line of /proc/self/status.
fn of_this_process(name: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
}

fn number_in(path: &str) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_of_a_list() {
        for (list, cpus) in [("0", 1), ("0-1", 2), ("0-3,8", 5), ("2,4-5", 3), ("", 0)] {
            assert_eq!(listed(list), cpus, "{list}");
        }
        assert!(cpus_allowed() > 0);
    }

    #[test]
    fn who_may_be_refused() {
        for (root, paranoid, doubtful) in [
            (true, Some(4), false),
            (false, Some(4), true),
            (false, Some(0), true),
            (false, Some(-1), false),
            (false, None, false),
        ] {
            assert_eq!(doubt(root, paranoid).is_some(), doubtful, "{root} {paranoid:?}");
        }
    }
}
