//! `mmusim record`: perf on a program, with the tracepoints that a replay wants.
//!
//! It runs `perf record` and `perf script` and nothing else: it mounts nothing, changes no setting, and writes one file.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT};
use workloads::recorded::{TRACEPOINTS, Tracepoint};

use crate::Verdict;
use crate::cli::RecordArgs;
use crate::failure::Failure;
use crate::output::{OutputArgs, check_path, directory, write_bytes};

/// Pages of each CPU's buffer: fewer lose events when many pages fault.
const BUFFER_PAGES: &str = "8192";
/// The columns that an import reads.
const COLUMNS: &str = "comm,pid,tid,cpu,time,event,trace";
/// What users without CAP_PERFMON may do: anything at -1, no raw tracepoints from 0 on, and from 1 on no CPU as a whole either
/// (Documentation/admin-guide/sysctl/kernel.rst).
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";
/// What perf writes, in a directory beside the text.
const DATA: &str = "perf.data";

pub(crate) fn run(args: &RecordArgs) -> Result<Verdict, Failure> {
    let output = args.output.clone().unwrap_or_else(|| default_output(&args.program[0]));
    let found = Found::here(&args.tracefs);
    let lines = Lines { events: &found.present, program: &args.program, output: &output };
    for note in &found.notes {
        say(&format!("note: {note}"));
    }
    if args.dry_run || !found.missing.is_empty() {
        OutputArgs { format: None, output: None }.write(&lines.both(Path::new(DATA)))?;
    }
    if !found.missing.is_empty() {
        let help = "expected perf and tracefs; the lines on stdout can be run once they are there";
        return Err(Failure::new(format!("cannot record here: {}", found.missing.join("; ")), help));
    }
    if !args.dry_run {
        record(&lines)?;
    }
    Ok(Verdict::Fine)
}

fn record(lines: &Lines<'_>) -> Result<(), Failure> {
    let output = lines.output;
    check_path(output)?;
    if output.exists() {
        let message = format!("{} is there already", output.display());
        return Err(Failure::new(message, "expected the name of a file to make: choose another one with -o"));
    }
    let aside = tempfile::Builder::new().prefix(".mmusim-").tempdir_in(directory(output));
    let aside = aside.map_err(|e| Failure::io("cannot write beside", &output.display().to_string(), &e))?;
    let data = aside.path().join(DATA);
    leave_signals_to_perf()?;
    let status = command(&lines.record(&data)).status().map_err(|e| Failure::io("cannot run", "perf", &e))?;
    if !data.exists() {
        let message = format!("perf record ended with {status} and no recording");
        return Err(Failure::new(message, format!("its own message is above; it was run as\n{}", lines.both(&data))));
    }
    if !status.success() {
        // perf hands the program's own exit code on, and ends by the signal that it was told to end by.
        say(&format!("note: perf record ended with {status}"));
    }
    match script(&data).and_then(|text| write(output, &text)) {
        Ok(count) => {
            say(&format!("{}: {count} lines; mmusim replay {0}", output.display()));
            Ok(())
        }
        Err(failure) => {
            let data = aside.keep().join(DATA);
            let help = format!(
                "the recording is kept: {}; its text is what this prints\n{}",
                data.display(),
                lines.script(&data)
            );
            Err(Failure::new(failure.to_string(), help))
        }
    }
}

/// Ctrl-C, or the end of the terminal, is for perf: it ends a recording by it, and the text is made as ever. What was ignored, as
/// nohup does, stays so, here and in perf.
fn leave_signals_to_perf() -> Result<(), Failure> {
    let ignored = of_this_process("SigIgn:").and_then(|mask| u64::from_str_radix(&mask, 16).ok()).unwrap_or(0);
    for signal in [SIGINT, SIGHUP] {
        if ignored >> (signal - 1) & 1 == 0 {
            let registered = signal_hook::flag::register(signal, Arc::default());
            registered.map_err(|e| Failure::io("cannot leave to perf", "the signals of the terminal", &e))?;
        }
    }
    Ok(())
}

/// The text of a recording.
fn script(data: &Path) -> Result<Vec<u8>, Failure> {
    let output = command(&script_words(data)).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| Failure::io("cannot run", "perf script", &e))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Failure::new(format!("perf script ended with {}", output.status), "its own message is above"))
}

/// Returns the number of lines.
fn write(output: &Path, text: &[u8]) -> Result<usize, Failure> {
    write_bytes(output, text).map_err(|e| Failure::io("cannot write", &output.display().to_string(), &e))?;
    Ok(text.split(|&byte| byte == b'\n').count() - 1)
}

/// A message. Where nobody is left to read it, the recording is still to be saved.
fn say(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

fn command(words: &[OsString]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn default_output(program: &OsStr) -> PathBuf {
    let mut name = Path::new(program).file_name().unwrap_or(program).to_owned();
    name.push(".perf.txt");
    name.into()
}

/// What is run.
struct Lines<'a> {
    events: &'a [&'static Tracepoint],
    program: &'a [OsString],
    output: &'a Path,
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
struct Found {
    present: Vec<&'static Tracepoint>,
    /// What it cannot do without.
    missing: Vec<String>,
    /// What it would be better with, and what may go wrong.
    notes: Vec<String>,
}

impl Found {
    fn here(tracefs: &Path) -> Found {
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
