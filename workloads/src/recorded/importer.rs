//! One kind of text that a recording can be.

use super::error::ImportError;
use super::event::{Event, ImportSummary, Target};
use super::pick::Census;

/// One kind of text: a row of [`IMPORTERS`](super::IMPORTERS).
#[derive(Debug)]
pub struct Importer {
    /// What writes it.
    pub name: &'static str,
    /// What a recording of this kind leaves out, and what that does to a replay: for reports.
    pub notes: &'static [&'static str],
    /// Is this line, which is neither blank nor a comment, one of it?
    pub(super) recognises: fn(&str) -> bool,
    /// Reads it; the first argument is its name, the second all of it.
    pub(super) read: for<'a> fn(&str, &'a str) -> Result<Parsed<'a>, ImportError>,
    /// Does what has to wait until the process is chosen, if anything has.
    pub(super) settle: Option<Settle>,
}

/// Changes the events of a recording whose process is known.
pub(super) type Settle = fn(&mut Vec<Event>, &Target, &mut ImportSummary);

/// What a text consists of. Who its process is is not decided yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    pub(super) events: Vec<Event>,
    pub(super) census: Census<'a>,
    pub(super) summary: ImportSummary,
}
