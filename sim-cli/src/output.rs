//! Where results go: stdout or a file, and in which format.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, ValueEnum};
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading
    Table,
    /// Rows for a data frame, with their provenance
    Csv,
    /// One document
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// How to write the results [default: by the extension of FILE, else table]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Write the results to FILE, complete or not at all, instead of to stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

impl OutputArgs {
    pub(crate) fn format(&self) -> Format {
        let by_extension = |path: &PathBuf| {
            let formats = [("csv", Format::Csv), ("json", Format::Json)];
            formats.into_iter().find(|(extension, _)| ends_in(path, extension))
        };
        let said = self.format.or_else(|| Some(by_extension(self.output.as_ref()?)?.1));
        said.unwrap_or(Format::Table)
    }

    /// Can the results be written at all? Asked before a long run.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.output.as_deref().map_or(Ok(()), check_path)
    }

    /// Writes results. A reader who has seen enough is not an error.
    pub(crate) fn write(&self, content: &str) -> Result<(), Failure> {
        self.write_bytes(content.as_bytes())
    }

    /// Writes results that are no text.
    pub(crate) fn write_bytes(&self, content: &[u8]) -> Result<(), Failure> {
        let Some(path) = &self.output else {
            let mut stdout = io::stdout().lock();
            return match stdout.write_all(content).and_then(|()| stdout.flush()) {
                Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::io("cannot write", "stdout", &e)),
                _ => Ok(()),
            };
        };
        write_bytes(path, content).map_err(|e| Failure::io("cannot write", &path.display().to_string(), &e))
    }
}

/// Does the name of a file end in a dot and this? `x.CSV` is CSV, too.
pub(crate) fn ends_in(path: impl AsRef<Path>, extension: &str) -> bool {
    path.as_ref().extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Arguments that name a file to write.
const WRITTEN: [&str; 3] = ["output", "perfetto", "witness"];

/// Would a command write over a file that it reads, or over another that it writes? Asked before it begins.
pub(crate) fn check_apart(matches: &ArgMatches) -> Result<(), Failure> {
    let mut matches = matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    let arguments = matches.ids().flat_map(|id| {
        let values = matches.try_get_raw(id.as_str()).ok().flatten().into_iter().flatten();
        values.filter_map(|value| Some((id.as_str(), Path::new(value), file(Path::new(value))?)))
    });
    let arguments: Vec<_> = arguments.collect();
    for (n, (id, path, target)) in arguments.iter().enumerate().filter(|(_, (id, ..))| WRITTEN.contains(id)) {
        let is_other = |&(m, (_, _, other)): &(usize, &(&str, &Path, PathBuf))| m != n && other == target;
        let Some((_, (other, ..))) = arguments.iter().enumerate().find(is_other) else { continue };
        let message = if WRITTEN.contains(other) {
            format!("{} would be written by --{id} and by --{other}", path.display())
        } else {
            format!("{} would be read, and written over by --{id}", path.display())
        };
        return Err(Failure::new(message, "expected another file to write"));
    }
    Ok(())
}

/// The file that an argument names, if it can be one: names of what is built in have no dot, and a pipe is written to by many.
fn file(path: &Path) -> Option<PathBuf> {
    let named = path.to_str().is_none_or(|text| text.contains(['.', '/']));
    match path.metadata() {
        _ if !named => None,
        Ok(there) => path.canonicalize().ok().filter(|_| there.is_file()),
        Err(_) => Some(directory(path).canonicalize().ok()?.join(path.file_name()?)),
    }
}

/// Can a file of this name be written at all?
pub(crate) fn check_path(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        let message = format!("{} is a directory", path.display());
        return Err(Failure::new(message, "expected the name of a file to write"));
    }
    if !directory(path).is_dir() {
        let message = format!("cannot write {}: its directory does not exist", path.display());
        return Err(Failure::new(message, "expected a file in a directory that exists"));
    }
    Ok(())
}

/// Writes a text aside and renames it, so that nobody ever sees half a file.
pub(crate) fn write_file(path: &Path, content: &str) -> io::Result<()> {
    write_bytes(path, content.as_bytes())
}

/// The same for what is no text. What is not a file (a pipe, /dev/null) is written to.
pub(crate) fn write_bytes(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = match std::fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            let mut device: File = OpenOptions::new().write(true).open(path)?;
            return match device.write_all(content) {
                Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
                result => result,
            };
        }
        // A link is followed: the file it names is replaced, not the link.
        Ok(_) => path.canonicalize()?,
        Err(_) => path.to_owned(),
    };
    let mut aside = aside(&target)?;
    aside.write_all(content)?;
    aside.persist(&target)?;
    Ok(())
}

/// A file beside this one, to be renamed to it once it is whole.
pub(crate) fn aside(target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mmusim-").permissions(Permissions::from_mode(0o666));
    builder.tempfile_in(directory(target))
}

/// Where a file of this name is.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
