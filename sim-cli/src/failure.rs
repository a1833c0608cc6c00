//! What a user did wrong, and where: rendered by miette on stderr.

use std::ops::Range;

use miette::{Diagnostic, NamedSource, SourceSpan};
use sim_core::machine::profile::ProfileError;
use thiserror::Error;
use workloads::error::TextError;

/// An error in the usage or in the input.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum Failure {
    /// Something on the command line or in the file system.
    #[error("{message}")]
    Plain {
        /// What.
        message: String,
        /// What was expected.
        #[help]
        help: Option<String>,
    },
    /// A place in a text.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Text(Box<InText>),
}

/// An error at a place in a text.
#[derive(Debug, Error, Diagnostic)]
#[error("{place}: {message}")]
pub(crate) struct InText {
    /// `file:line:column`.
    place: String,
    /// What is wrong there and what was expected.
    message: String,
    /// The text.
    #[source_code]
    source_code: NamedSource<String>,
    /// The bytes at fault.
    #[label("here")]
    span: SourceSpan,
}

impl Failure {
    /// An error with what was expected.
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure::Plain { message: printable(&message.into()), help: Some(printable(&help.into())) }
    }

    /// An error of the file system.
    pub(crate) fn io(what: &str, path: &str, error: &std::io::Error) -> Failure {
        Failure::Plain { message: printable(&format!("{what} {path}: {error}")), help: None }
    }

    /// An error in a workload.
    pub(crate) fn text(error: TextError, text: &str) -> Failure {
        let TextError { name, line, column, span, message, .. } = error;
        Failure::at(&name, (line, column), span, &message, text)
    }

    /// An error in a machine profile.
    pub(crate) fn profile(error: ProfileError, text: &str) -> Failure {
        let ProfileError { name, line, column, span, message, .. } = error;
        Failure::at(&name, (line, column), span, &message, text)
    }

    fn at(name: &str, (line, column): (usize, usize), span: Range<usize>, message: &str, text: &str) -> Failure {
        let name = printable(name);
        Failure::Text(Box::new(InText {
            place: format!("{name}:{line}:{column}"),
            message: printable(message),
            source_code: NamedSource::new(name, as_long(text)),
            span: span.into(),
        }))
    }
}

/// What a file says may end up on a terminal. Control characters in it would do to the terminal what they say: they are escaped.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| if is_harmful(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// The same for a text that spans point into: every character keeps its length in bytes.
fn as_long(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) { ['?', '\u{bf}'][c.len_utf8() - 1] } else { c }).collect()
}

fn is_harmful(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let text = "a\u{1b}[2J\u{7f}\u{85}\u{9b}31m\tb\u{e9}\n";
        assert_eq!(printable(text), "a\\u{1b}[2J\\u{7f}\\u{85}\\u{9b}31m\tb\u{e9}\n");
        assert_eq!(as_long(text), "a?[2J?\u{bf}\u{bf}31m\tb\u{e9}\n");
        assert_eq!(as_long(text).len(), text.len());
    }
}
