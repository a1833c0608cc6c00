//! The text of `perf script`.

use super::event::What;
use super::fields::Fault;
use super::importer::Importer;
use super::line::{Header, header};
use super::tracepoints::{self, Dialect};
use super::what::what;

pub(super) static IMPORTER: Importer = Importer {
    name: "perf script",
    notes: &[],
    recognises: |line| header(line).is_some(),
    read: |name, text| tracepoints::read(name, text, PerfScript),
    settle: Some(tracepoints::settle),
};

struct PerfScript;

impl Dialect for PerfScript {
    const EXPECTED: &'static str = "`COMM PID/TID [CPU] SECONDS.NANOSECONDS: EVENT: FIELDS`";

    fn header<'a>(&mut self, line: &'a str) -> Option<Header<'a>> {
        header(line)
    }

    fn what<'a>(event: &str, rest: &'a str) -> Option<Result<What, Fault<'a>>> {
        what(event, rest)
    }
}
