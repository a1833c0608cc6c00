//! The import: from text to a checked [`Recording`].

use std::fmt::Write as _;

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use super::error::{ImportError, excerpt};
use super::event::{Event, ImportSummary, Recording};
use super::fields::{Fault, trim_start};
use super::line::{Header, header};
use super::pick::{Census, Pick};
use super::source::{Input, check_size, decode, newlines};
use super::what::what;

/// First bytes of the files that `perf record` writes.
const PERF_DATA_MAGIC: &[u8] = b"PERFILE2";

/// Bytes of text per event, for a first guess at the number of events.
const USUAL_LINE: usize = 150;

/// Reads an input and turns it into a recording.
///
/// # Errors
///
/// If the input cannot be read, if any line of it is damaged or out of order, or if the process
/// picked is not in it. See [`import_text`].
pub fn import(input: Input, pick: &Pick) -> Result<Recording, ImportError> {
    let (name, text) = decode(input)?;
    import_text(&name, &text, pick)
}

/// Turns the text of `perf script` into a recording. `name` stands for it in messages.
///
/// The lines of all CPUs have to be in order of time, which is how `perf script` prints them; equal
/// times are in order. Every line must end in a newline, since otherwise a number cut short at the
/// end of a file would pass for a whole one. Blank lines and lines that begin with `#` are skipped.
///
/// # Errors
///
/// If the text is binary, a line is malformed, cut, or earlier than the one before it, a field of a
/// known event is missing or wrong, no event is known, or the process picked is not in it.
pub fn import_text(name: &str, text: &[u8], pick: &Pick) -> Result<Recording, ImportError> {
    check_size(name, text)?;
    let lines = as_text(name, text)?;
    let mut reader = Reader::new(name, text.len() / USUAL_LINE);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text) {
        reader.line(&lines[start..=end])?;
        start = end + 1;
    }
    if start < lines.len() {
        reader.line(&lines[start..])?;
    }
    reader.finish(hex_sha256(text), pick)
}

/// Reads one line after the other.
struct Reader<'a> {
    name: &'a str,
    /// The current line, from 1.
    number: u32,
    /// Line and time of the last event, known or not.
    previous: (u32, u64),
    events: Vec<Event>,
    unknown: FxHashMap<&'a str, u64>,
    census: Census<'a>,
    summary: ImportSummary,
}

impl<'a> Reader<'a> {
    fn new(name: &'a str, events: usize) -> Self {
        Self {
            name,
            number: 0,
            previous: (0, 0),
            events: Vec::with_capacity(events),
            unknown: FxHashMap::default(),
            census: Census::default(),
            summary: ImportSummary::default(),
        }
    }

    fn line(&mut self, line: &'a str) -> Result<(), ImportError> {
        self.number += 1;
        if !line.ends_with('\n') {
            return Err(ImportError::CutShort {
                name: self.name.to_owned(),
                line: self.number,
                excerpt: excerpt(line),
            });
        }
        let content = trim_start(line);
        if content.is_empty() || content.starts_with('#') {
            self.summary.blank_or_comment += 1;
            return Ok(());
        }
        let header = header(line).ok_or_else(|| ImportError::Malformed {
            name: self.name.to_owned(),
            line: self.number,
            excerpt: excerpt(line),
        })?;
        self.check_order(line, header.time_ns)?;
        self.event(&header)
    }

    fn check_order(&mut self, line: &str, time_ns: u64) -> Result<(), ImportError> {
        let (previous_line, previous_ns) = self.previous;
        if time_ns < previous_ns {
            return Err(ImportError::TimeBackwards {
                name: self.name.to_owned(),
                line: self.number,
                excerpt: excerpt(line),
                time_ns,
                previous_line,
                previous_ns,
            });
        }
        self.previous = (self.number, time_ns);
        Ok(())
    }

    fn event(&mut self, header: &Header<'a>) -> Result<(), ImportError> {
        let Some(outcome) = what(header.event, header.rest) else {
            *self.unknown.entry(header.event).or_default() += 1;
            return Ok(());
        };
        let what = outcome.map_err(|fault| self.field_error(header, fault))?;
        self.events.push(Event {
            line: self.number,
            time_ns: header.time_ns,
            cpu: header.cpu,
            pid: header.pid,
            tid: header.tid,
            what,
        });
        self.summary.cpus = self.summary.cpus.max(header.cpu + 1);
        self.census.count(header.pid, header.comm);
        Ok(())
    }

    fn field_error(&self, header: &Header<'_>, fault: Fault<'_>) -> ImportError {
        ImportError::Field {
            name: self.name.to_owned(),
            line: self.number,
            event: header.event.into(),
            field: fault.field,
            found: fault.found.map_or("nothing".to_owned(), |text| format!("`{}`", excerpt(text))),
            expected: fault.expected,
            excerpt: excerpt(header.rest),
        }
    }

    fn finish(mut self, sha256: String, pick: &Pick) -> Result<Recording, ImportError> {
        let (Some(first), Some(last)) = (self.events.first(), self.events.last()) else {
            return Err(ImportError::NoEvents {
                name: self.name.to_owned(),
                lines: self.number.into(),
                unknown: self.unknown.values().sum(),
            });
        };
        self.summary.first_time_ns = first.time_ns;
        self.summary.last_time_ns = last.time_ns;
        self.summary.lines = self.number.into();
        let unknown = self.unknown.into_iter();
        self.summary.unknown_events = unknown.map(|(event, count)| (event.to_owned(), count)).collect();
        let target = self.census.target(self.name, pick)?;
        for event in &self.events {
            if event.pid == -1 || event.tid == -1 {
                self.summary.without_task += 1;
            } else if event.pid != target.pid {
                self.summary.other_process_events += 1;
            }
        }
        Ok(Recording { name: self.name.to_owned(), sha256, target, events: self.events, summary: self.summary })
    }
}

/// The bytes as text, if they are text.
fn as_text<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, ImportError> {
    if bytes.starts_with(PERF_DATA_MAGIC) {
        return Err(ImportError::RawPerfData { name: name.to_owned() });
    }
    let binary = |at: usize, found| ImportError::Binary {
        name: name.to_owned(),
        line: 1 + newlines(&bytes[..at]) as u32,
        found,
    };
    let text = std::str::from_utf8(bytes).map_err(|error| binary(error.valid_up_to(), "bytes that are not UTF-8"))?;
    match memchr::memchr(0, bytes) {
        Some(at) => Err(binary(at, "a NUL byte")),
        None => Ok(text),
    }
}

fn hex_sha256(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
