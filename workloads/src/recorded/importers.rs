//! The kinds of text a recording can be, and which of them one is.

use super::importer::Importer;
use super::{ftrace, perf, strace};

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
