//! The kinds of text a recording can be, and what tells them apart.

use super::error::ImportError;
use super::event::{Event, ImportSummary, Target};
use super::pick::Census;
use super::{ftrace, perf, strace};

/// One kind of text: a row of [`IMPORTERS`].
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
    /// Does what had to wait until the process was chosen.
    pub(super) settle: fn(&mut Vec<Event>, &Target, &mut ImportSummary),
}

/// In the order in which they are tried; what none of them recognises is taken for the first, whose errors tell what was expected.
pub static IMPORTERS: [&Importer; 3] = [&perf::IMPORTER, &ftrace::IMPORTER, &strace::IMPORTER];

/// So many lines may be damaged before one is recognised.
const LOOKED_AT: usize = 100;

/// The kind of a text.
pub(super) fn of(text: &str) -> &'static Importer {
    let lines = text.lines().filter(|line| !line.trim_start().is_empty() && !line.trim_start().starts_with('#'));
    let mut found = lines.take(LOOKED_AT).filter_map(|line| IMPORTERS.into_iter().find(|i| (i.recognises)(line)));
    found.next().unwrap_or(IMPORTERS[0])
}

/// What a text consists of. Who its process is is not decided yet.
pub(super) struct Parsed<'a> {
    pub(super) events: Vec<Event>,
    pub(super) census: Census<'a>,
    pub(super) summary: ImportSummary,
}

/// Nothing had to wait.
pub(super) fn leave(_: &mut Vec<Event>, _: &Target, _: &mut ImportSummary) {}
