//! The import: from text to a checked [`Recording`].

use std::thread;

use super::error::ImportError;
use super::event::{Event, Recording};
use super::importers;
use super::pick::Pick;
use super::source::{Input, check_size, decode, newlines};
use crate::outcome::sha256;

/// First bytes of the files that `perf record` writes.
const PERF_DATA_MAGIC: &[u8] = b"PERFILE2";

/// The longest recording: a day. The clock counts 52 bits of cycles, which are two days and a half at 20 GHz.
const LENGTH_MAX_NS: u64 = 24 * 3600 * 1_000_000_000;

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

/// Turns text into a recording: that of one of the [`IMPORTERS`](super::IMPORTERS), which the lines tell apart. `name` stands for it
/// in messages.
///
/// The lines of all CPUs have to be in order of time, which is how they are printed; equal times are in order. Every line must end
/// in a newline, since otherwise a number cut short at the end of a file would pass for a whole one. Blank lines and lines that
/// begin with `#` are skipped.
///
/// # Errors
///
/// If the text is binary, a line is malformed, cut, or earlier than the one before it, a field of a
/// known event is missing or wrong, no event is known, it is longer than a day, or the process picked is not in it.
pub fn import_text(name: &str, text: &[u8], pick: &Pick) -> Result<Recording, ImportError> {
    check_size(name, text)?;
    // The hash needs as long as a quarter of the reading, and longer where the processor has no instruction for it.
    let (importer, mut parsed, sha256) = thread::scope(|scope| {
        let hash = scope.spawn(|| sha256(text));
        let lines = as_text(name, text)?;
        let importer = importers::of(lines);
        let parsed = (importer.read)(name, lines)?;
        Ok((importer, parsed, hash.join().expect("hashing does not panic")))
    })?;
    if parsed.events.is_empty() {
        let (lines, unknown) = (parsed.summary.lines, parsed.summary.unknown_events.values().sum());
        return Err(ImportError::NoEvents { name: name.to_owned(), lines, unknown });
    }
    let target = parsed.census.target(name, pick)?;
    if let Some(settle) = importer.settle {
        settle(&mut parsed.events, &target, &mut parsed.summary);
    }
    let (mut summary, events) = (parsed.summary, parsed.events);
    let first_ns = events.first().map_or(0, |event| event.time_ns);
    for event in &events {
        check_length(name, first_ns, event)?;
        if event.pid == -1 || event.tid == -1 {
            summary.without_task += 1;
        } else if event.pid != target.pid {
            summary.other_process_events += 1;
        }
    }
    summary.first_time_ns = first_ns;
    summary.last_time_ns = events.last().map_or(0, |event| event.time_ns);
    Ok(Recording { name: name.to_owned(), sha256, kind: importer.name, notes: importer.notes, target, events, summary })
}

/// Times have to fit the clock of every machine.
fn check_length(name: &str, first_ns: u64, event: &Event) -> Result<(), ImportError> {
    let Event { line, time_ns, .. } = *event;
    if time_ns.saturating_sub(first_ns) <= LENGTH_MAX_NS {
        return Ok(());
    }
    Err(ImportError::TooLong { name: name.to_owned(), line, time_ns, first_ns, most_ns: LENGTH_MAX_NS })
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
