//! What can be wrong with the text of lackey.

use std::io;

use thiserror::Error;

/// What a line of an access looks like.
const ACCESS: &str = "`I  ADDRESS,SIZE`, ` L ADDRESS,SIZE`, ` S ADDRESS,SIZE` or ` M ADDRESS,SIZE`, the address in hexadecimal and below \
                      2^56, the size from 1 to 4096";

/// Why a trace could not be counted. Each message names the input, the line where there is one, what is there and what should be.
#[derive(Debug, Error)]
pub enum LackeyError {
    /// There is no such file.
    #[error("{name}: no such file; expected the text of lackey, plain or compressed by zstd")]
    NotFound {
        /// The input.
        name: String,
    },
    /// It is a directory.
    #[error("{name}: is a directory; expected a file with the text of lackey")]
    Directory {
        /// The input.
        name: String,
    },
    /// Reading failed.
    #[error("{name}: cannot be read ({}); expected a readable file with the text of lackey", .source.kind())]
    Unreadable {
        /// The input.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The compressed data ends early or is damaged.
    #[error("{name}: the zstd data is cut short or damaged after line {lines} of the text; expected a complete file")]
    BadZstd {
        /// The input.
        name: String,
        /// Whole lines before the damage.
        lines: u64,
        /// What the decoder said.
        source: io::Error,
    },
    /// A line begins like an access and goes on like none.
    #[error("{name}:{line}: `{excerpt}` is not an access; expected {ACCESS}")]
    Malformed {
        /// The input.
        name: String,
        /// The line, from 1.
        line: u64,
        /// Its beginning.
        excerpt: String,
    },
    /// The last line is an access without an end.
    #[error(
        "{name}:{line}: the last line, `{excerpt}`, does not end in a newline, so the trace was cut short; expected a whole line"
    )]
    CutShort {
        /// The input.
        name: String,
        /// The line, from 1.
        line: u64,
        /// Its beginning.
        excerpt: String,
    },
    /// No line is an access.
    #[error("{name}: no access in its {lines} lines; expected lines such as {ACCESS}")]
    NoAccess {
        /// The input.
        name: String,
        /// Its lines.
        lines: u64,
    },
}
