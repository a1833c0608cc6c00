//! `mmusim record`: perf on a program, with the tracepoints that a replay wants.
//!
//! It runs `perf record` and `perf script` and nothing else: it mounts nothing, changes no setting, and writes one file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::Verdict;
use crate::cli::RecordArgs;
use crate::failure::Failure;
use crate::output::{OutputArgs, check_path, directory, write_bytes};
use crate::perf::{self, Found, Lines, say};

pub(crate) fn run(args: &RecordArgs) -> Result<Verdict, Failure> {
    let output = args.output.clone().unwrap_or_else(|| default_output(&args.program[0]));
    let found = Found::here(&args.tracefs);
    let lines = Lines { events: &found.present, program: &args.program, output: &output };
    for note in &found.notes {
        say(&format!("note: {note}"));
    }
    if args.dry_run || !found.missing.is_empty() {
        OutputArgs { format: None, output: None }.write(&lines.shown())?;
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
    perf::leave_signals_to_perf()?;
    lines.run(aside.path())?;
    match perf::text(aside.path()).and_then(|text| write(output, &text)) {
        Ok(count) => {
            say(&format!("{}: {count} lines; mmusim replay {0}", output.display()));
            Ok(())
        }
        Err(failure) => Err(lines.keep(aside, &failure)),
    }
}

/// Returns the number of lines.
fn write(output: &Path, text: &[u8]) -> Result<usize, Failure> {
    write_bytes(output, text).map_err(|e| Failure::io("cannot write", &output.display().to_string(), &e))?;
    Ok(text.split(|&byte| byte == b'\n').count() - 1)
}

fn default_output(program: &OsStr) -> PathBuf {
    let mut name = Path::new(program).file_name().unwrap_or(program).to_owned();
    name.push(".perf.txt");
    name.into()
}
