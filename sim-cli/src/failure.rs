//! What a user did wrong, and where: rendered by miette on stderr.

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
        Failure::Plain { message: message.into(), help: Some(help.into()) }
    }

    /// An error of the file system.
    pub(crate) fn io(what: &str, path: &str, error: &std::io::Error) -> Failure {
        Failure::Plain { message: format!("{what} {path}: {error}"), help: None }
    }

    /// An error in a workload.
    pub(crate) fn text(error: TextError, text: &str) -> Failure {
        Failure::Text(Box::new(InText {
            place: format!("{}:{}:{}", error.name, error.line, error.column),
            message: error.message,
            source_code: NamedSource::new(error.name, text.to_owned()),
            span: error.span.into(),
        }))
    }

    /// An error in a machine profile.
    pub(crate) fn profile(error: ProfileError, text: &str) -> Failure {
        Failure::Text(Box::new(InText {
            place: format!("{}:{}:{}", error.name, error.line, error.column),
            message: error.message,
            source_code: NamedSource::new(error.name, text.to_owned()),
            span: error.span.into(),
        }))
    }
}
