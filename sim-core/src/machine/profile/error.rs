//! What is wrong with a profile, and where.

use std::ops::Range;

/// A profile that cannot be used: the place in the text, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}:{column}: {message}\n  {line} | {source_line}")]
pub struct ProfileError {
    /// Name of the profile, usually its file.
    pub name: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The offending bytes of the text.
    pub span: Range<usize>,
    /// The offending line, without its end.
    pub source_line: String,
    /// The key at fault and what was expected.
    pub message: String,
}

impl ProfileError {
    pub(super) fn new(name: &str, text: &str, span: Range<usize>, message: String) -> Self {
        // A parser may point behind the last byte.
        let start = span.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |end| end + 1);
        Self {
            name: name.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            span: start..span.end.clamp(start, text.len()),
            source_line: text[line_start..].lines().next().unwrap_or("").to_owned(),
            message,
        }
    }
}
