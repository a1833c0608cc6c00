//! `mmusim record`: perf on a program, with the tracepoints that a replay wants.
//!
//! It runs `perf record` and `perf script` and nothing else: it mounts nothing, changes no setting, and writes one file.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use workloads::recorded::{TRACEPOINTS, Tracepoint};

use crate::Verdict;
use crate::cli::RecordArgs;
use crate::failure::Failure;
use crate::output::{OutputArgs, check_path, directory, write_bytes};

/// Pages of each CPU's buffer: fewer lose events when many pages fault.
const BUFFER_PAGES: &str = "8192";
/// The columns that an import reads.
const COLUMNS: &str = "comm,pid,tid,cpu,time,event,trace";
/// The value from which on only root may trace all CPUs (Documentation/admin-guide/sysctl/kernel.rst).
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

pub(crate) fn run(args: &RecordArgs) -> Result<Verdict, Failure> {
    let output = args.output.clone().unwrap_or_else(|| default_output(&args.program[0]));
    let found = Found::here(&args.tracefs);
    let line = |data: &Path| record_line(&found.present, data, &args.program);
    let shown = |data: &Path| {
        let redirected = format!("{} > {}", shown(&script_line(data)), quoted(output.as_os_str()));
        format!("{}\n{redirected}\n", shown(&line(data)))
    };
    for note in &found.notes {
        eprintln!("note: {note}");
    }
    if args.dry_run || !found.missing.is_empty() {
        OutputArgs { format: None, output: None }.write(&shown(Path::new("perf.data")))?;
    }
    if !found.missing.is_empty() {
        let help = "expected perf, the right to trace all CPUs, and tracefs; the lines on stdout can be run once they are there";
        return Err(Failure::new(format!("cannot record here: {}", found.missing.join("; ")), help));
    }
    if args.dry_run {
        return Ok(Verdict::Fine);
    }
    check_path(&output)?;
    if output.exists() {
        let message = format!("{} is there already", output.display());
        return Err(Failure::new(message, "expected the name of a file to make: choose another one with -o"));
    }
    let aside = tempfile::Builder::new().prefix(".mmusim-").tempdir_in(directory(&output));
    let aside = aside.map_err(|e| Failure::io("cannot write beside", &output.display().to_string(), &e))?;
    let data = aside.path().join("perf.data");
    let words = line(&data);
    let status = command(&words).status().map_err(|e| Failure::io("cannot run", "perf", &e))?;
    if !data.exists() {
        let message = format!("perf record ended with {status} and no recording");
        return Err(Failure::new(message, format!("its own message is above; it was run as\n{}", shown(&data))));
    }
    if !status.success() {
        // perf hands the program's own exit code on.
        eprintln!("note: perf record ended with {status}");
    }
    let text = script(&data)?;
    write_bytes(&output, &text).map_err(|e| Failure::io("cannot write", &output.display().to_string(), &e))?;
    eprintln!("{}: {} lines; mmusim replay {0}", output.display(), String::from_utf8_lossy(&text).lines().count());
    Ok(Verdict::Fine)
}

/// The text of a recording.
fn script(data: &Path) -> Result<Vec<u8>, Failure> {
    let mut child = command(&script_line(data))
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| Failure::io("cannot run", "perf script", &e))?;
    let mut text = Vec::new();
    let read = child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut text));
    read.map_err(|e| Failure::io("cannot read what", "perf script prints", &e))?;
    let status = child.wait().map_err(|e| Failure::io("cannot run", "perf script", &e))?;
    if status.success() {
        return Ok(text);
    }
    Err(Failure::new(format!("perf script ended with {status}"), "its own message is above"))
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

/// All CPUs: what others flush and reclaim is part of the story.
fn record_line(events: &[&Tracepoint], data: &Path, program: &[OsString]) -> Vec<OsString> {
    let names: Vec<_> = events.iter().map(|event| event.name).collect();
    let mut words: Vec<OsString> = ["perf", "record", "-q", "-a", "-m", BUFFER_PAGES, "-e"].map(OsString::from).into();
    words.extend([names.join(",").into(), "-o".into(), data.into(), "--".into()]);
    words.extend(program.iter().cloned());
    words
}

fn script_line(data: &Path) -> Vec<OsString> {
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
    /// What it would be better with.
    notes: Vec<String>,
}

impl Found {
    fn here(tracefs: &Path) -> Found {
        let mut found = Found::default();
        if !in_path("perf") {
            found.missing.push("perf is not installed (Debian: apt-get install linux-perf)".to_owned());
        }
        if let (false, Some(paranoid)) = (is_root(), number_in(PARANOID).filter(|paranoid| *paranoid > -1)) {
            found
                .missing
                .push(format!("not root, and {PARANOID} is {paranoid}: run it as root, or root sets it to -1"));
        }
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
    let executable = |path: &Path| OpenOptions::new().read(true).open(path).is_ok() && path.is_file();
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| executable(&dir.join(program))))
}

/// The effective user of this process.
fn is_root() -> bool {
    let mut status = String::new();
    let read = File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut status));
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    read.is_ok() && uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}

fn number_in(path: &str) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
