//! What can be wrong with a recording.

use std::io;

use thiserror::Error;

/// Most characters of a line or field that a message repeats.
const EXCERPT: usize = 80;

/// Why an input could not be imported. Each message names the input, the line where there is one,
/// what is there and what should be.
#[derive(Debug, Error)]
pub enum ImportError {
    /// There is no such file.
    #[error("{name}: no such file; expected the text of a recording, plain or compressed by zstd")]
    NotFound {
        /// The input.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Reading failed.
    #[error(
        "{name}: cannot be read ({}); expected a readable file with the text of a recording",
        .source.kind()
    )]
    Unreadable {
        /// The input.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is a directory.
    #[error("{name}: is a directory; expected a file with the text of a recording")]
    Directory {
        /// The input.
        name: String,
    },
    /// It has more text than an import accepts.
    #[error("{name}: has more than {limit} bytes of text; expected a shorter recording, or a part of it")]
    TooLarge {
        /// The input.
        name: String,
        /// The most that is accepted, in bytes.
        limit: u64,
    },
    /// The compressed data ends early or is damaged.
    #[error(
        "{name}: the zstd data is cut short or damaged: it broke off after {bytes} bytes ({lines} \
         whole lines) of text; expected a complete file"
    )]
    BadZstd {
        /// The input.
        name: String,
        /// Bytes of text before the damage.
        bytes: u64,
        /// Whole lines of text before the damage.
        lines: u64,
        /// What the decoder said.
        source: io::Error,
    },
    /// It is what `perf record` writes.
    #[error(
        "{name}: is a raw perf.data file; expected its text, which \
         `perf script --ns -F comm,pid,tid,cpu,time,event,trace -i {name}` prints"
    )]
    RawPerfData {
        /// The input.
        name: String,
    },
    /// It is not text.
    #[error(
        "{name}:{line}: has {found}, so this is a binary file; expected text (perf.data becomes text \
         by `perf script --ns -F comm,pid,tid,cpu,time,event,trace`)"
    )]
    Binary {
        /// The input.
        name: String,
        /// Line of the first such byte.
        line: u32,
        /// What gives it away.
        found: &'static str,
    },
    /// A line does not start as every line of its kind does.
    #[error("{name}:{line}: `{excerpt}` is not an event; expected {expected}")]
    Malformed {
        /// The input.
        name: String,
        /// The line.
        line: u32,
        /// Its beginning.
        excerpt: String,
        /// What lines of this kind look like.
        expected: &'static str,
    },
    /// The last line has no end.
    #[error(
        "{name}:{line}: the last line, `{excerpt}`, does not end in a newline, so the file was cut \
         short; expected a whole line (if it is whole, add the newline)"
    )]
    CutShort {
        /// The input.
        name: String,
        /// The line.
        line: u32,
        /// Its beginning.
        excerpt: String,
    },
    /// A field of a known event is missing or wrong.
    #[error("{name}:{line}: {event} has {found} for `{field}`; expected {expected}, in `{excerpt}`")]
    Field {
        /// The input.
        name: String,
        /// The line.
        line: u32,
        /// The event.
        event: Box<str>,
        /// The field.
        field: &'static str,
        /// The text found, quoted, or `nothing`.
        found: String,
        /// What it should be.
        expected: &'static str,
        /// The beginning of the event's fields.
        excerpt: String,
    },
    /// A line is earlier than the one before it.
    #[error(
        "{name}:{line}: time {} goes backwards (previous line {previous_line} was at {}); expected \
         lines in time order",
        seconds(*.time_ns),
        seconds(*.previous_ns)
    )]
    TimeBackwards {
        /// The input.
        name: String,
        /// The line.
        line: u32,
        /// Its beginning.
        excerpt: String,
        /// Its time.
        time_ns: u64,
        /// The event line before it.
        previous_line: u32,
        /// The time of that line.
        previous_ns: u64,
    },
    /// It goes on for longer than the clock of the model can tell.
    #[error(
        "{name}:{line}: time {} is more than {} hours after the first event ({}); expected a recording of at most so long",
        seconds(*.time_ns),
        .most_ns / 3_600_000_000_000,
        seconds(*.first_ns)
    )]
    TooLong {
        /// The input.
        name: String,
        /// The first line that is too late.
        line: u32,
        /// Its time.
        time_ns: u64,
        /// The time of the first event.
        first_ns: u64,
        /// The longest there may be.
        most_ns: u64,
    },
    /// There is no line at all that a replay could use.
    #[error(
        "{name}: has no known event ({lines} lines, {unknown} of them of unknown events); expected \
         events such as tlb_flush, page_fault_user or sys_enter_mprotect, or calls such as mprotect"
    )]
    NoEvents {
        /// The input.
        name: String,
        /// Its lines.
        lines: u64,
        /// Lines of unknown events.
        unknown: u64,
    },
    /// No process fits the request.
    #[error("{name}: has no event of {wanted}; expected one of the processes in it: {candidates}")]
    NoSuchProcess {
        /// The input.
        name: String,
        /// What was asked for.
        wanted: String,
        /// The five busiest processes.
        candidates: String,
    },
}

impl ImportError {
    pub(super) fn unreadable(name: &str, source: io::Error) -> Self {
        Self::Unreadable { name: name.to_owned(), source }
    }

    /// The line at fault, counted from 1, if one is.
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::Binary { line, .. }
            | Self::Malformed { line, .. }
            | Self::CutShort { line, .. }
            | Self::Field { line, .. }
            | Self::TimeBackwards { line, .. }
            | Self::TooLong { line, .. } => Some(*line),
            _ => None,
        }
    }

    /// The text at fault, shortened, with control characters escaped.
    pub fn excerpt(&self) -> Option<&str> {
        match self {
            Self::Malformed { excerpt, .. }
            | Self::CutShort { excerpt, .. }
            | Self::Field { excerpt, .. }
            | Self::TimeBackwards { excerpt, .. } => Some(excerpt),
            _ => None,
        }
    }
}

/// The beginning of a text, fit to be printed: control characters escaped, at most 80 characters.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    let mut length = 0;
    for character in text.trim().chars() {
        let piece: String =
            if matches!(character, '\'' | '"' | '\\') { character.into() } else { character.escape_debug().collect() };
        let width = piece.chars().count();
        if length + width >= EXCERPT {
            shown.push('…');
            break;
        }
        shown.push_str(&piece);
        length += width;
    }
    shown
}

/// Nanoseconds as `perf` prints them.
fn seconds(time_ns: u64) -> String {
    format!("{}.{:09}", time_ns / 1_000_000_000, time_ns % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_printable() {
        assert_eq!(excerpt("  a\tb\u{1b}[31m \"q\" \\ "), "a\\tb\\u{1b}[31m \"q\" \\");
        let long = excerpt(&"x".repeat(500));
        assert_eq!(long.chars().count(), EXCERPT);
        assert!(long.ends_with('…'));
        assert_eq!(excerpt(&"x".repeat(79)), "x".repeat(79));
        assert!(excerpt(&"\u{202e}".repeat(79)).chars().count() <= EXCERPT);
    }

    #[test]
    fn seconds_keep_their_zeros() {
        assert_eq!(seconds(3_791_000_000_007), "3791.000000007");
    }
}
