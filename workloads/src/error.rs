//! What is wrong with an input file, and where.

use std::ops::Range;

use thiserror::Error;

/// An input that cannot be used: the place in the text, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}:{line}:{column}: {message}\n  {line} | {source_line}")]
pub struct TextError {
    /// Name of the input, usually its file.
    pub name: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The offending bytes of the text.
    pub span: Range<usize>,
    /// The offending line, without its end.
    pub source_line: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl TextError {
    /// An error about these bytes of a text.
    pub fn new(name: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> TextError {
        // A parser may point behind the last byte.
        let start = span.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |end| end + 1);
        TextError {
            name: name.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            span: start..span.end.clamp(start, text.len()),
            source_line: text[line_start..].lines().next().unwrap_or("").to_owned(),
            message: message.into(),
        }
    }

    /// What the parser of TOML says.
    pub fn toml(name: &str, text: &str, error: &toml::de::Error) -> TextError {
        TextError::new(name, text, error.span().unwrap_or(0..0), error.message())
    }
}
