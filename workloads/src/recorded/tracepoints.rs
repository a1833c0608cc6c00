//! Events of the kernel's tracepoints, one a line: what `perf script` and ftrace have in common.

use rustc_hash::FxHashMap;

use super::error::{ImportError, excerpt};
use super::event::{Event, ImportSummary, Target, What};
use super::fields::{Fault, trim_start};
use super::importer::Parsed;
use super::line::Header;
use super::parts::Parts;
use super::pick::Census;

/// Bytes of text per event, for a first guess at the number of events.
const USUAL_LINE: usize = 150;

/// How lines are written.
pub(super) trait Dialect {
    /// What they look like, for messages.
    const EXPECTED: &'static str;

    /// Splits a line.
    fn header<'a>(&mut self, line: &'a str) -> Option<Header<'a>>;

    /// Reads the fields of an event; `None` if it is not one of those in [`What`].
    fn what<'a>(event: &str, rest: &'a str) -> Option<Result<What, Fault<'a>>>;

    /// A line that is no event, by what it is counted as.
    fn is_other(&self, _line: &str) -> Option<&'static str> {
        None
    }
}

/// Reads a text.
pub(super) fn read<'a, D: Dialect>(name: &str, text: &'a str, dialect: D) -> Result<Parsed<'a>, ImportError> {
    let mut reader = Reader::new(name, dialect, text);
    reader.text(text)?;
    Ok(reader.finish())
}

/// Reads a text in parts, in a dialect whose lines can be read without those before them: all that one part has to know of another
/// is how many lines there are and how late it is, and that is put right in order.
pub(super) fn read_parts<'a, D>(name: &str, text: &'a str, dialect: D, parts: Parts) -> Result<Parsed<'a>, ImportError>
where
    D: Dialect + Copy + Sync + Send,
{
    if parts.threads == 1 {
        return read(name, text, dialect);
    }
    let mut whole = Reader::new(name, dialect, text);
    let read = |part: &'a str| {
        let mut reader = Reader::new(name, dialect, part);
        reader.text(part).is_ok().then_some(reader)
    };
    parts.each(text, read, |part, read| match read {
        Some(read) if read.first_ns.is_none_or(|first_ns| whole.previous.1 <= first_ns) => {
            whole.append(read);
            Ok(())
        }
        // Read where it stands it says what is wrong, and on which line.
        _ => whole.text(part),
    })?;
    Ok(whole.finish())
}

/// As what events of the process are counted that are of another program.
const OTHER_PROGRAM: &str = "(another program, execve)";

/// Keeps of the process the program that it did most in: every execve begins with an address space of its own, which no CPU has
/// loaded yet but the one it is on.
pub(super) fn settle(events: &mut Vec<Event>, target: &Target, summary: &mut ImportSummary) {
    // By program: where it begins, and how much it did.
    let mut programs = vec![(0, 0)];
    for (at, event) in events.iter().enumerate().filter(|(_, event)| event.pid == target.pid) {
        if event.what == What::Exec {
            programs.push((at, 0));
        }
        programs.last_mut().expect("there is one").1 += 1;
    }
    // The last one in a draw.
    let (chosen, &(first, _)) = programs.iter().enumerate().max_by_key(|(_, (_, count))| count).expect("there is one");
    let end = programs.get(chosen + 1).map_or(events.len(), |&(at, _)| at);
    if programs.len() == 1 {
        return;
    }
    let mut dropped = 0;
    let mut at = 0;
    events.retain(|event| {
        let elsewhere = !(first..end).contains(&at);
        at += 1;
        let arrives = matches!(event.what, What::Switch { next, .. } if next == target.pid);
        let drop = elsewhere && (event.pid == target.pid || arrives);
        dropped += u64::from(drop);
        !drop
    });
    if dropped > 0 {
        *summary.unknown_events.entry(OTHER_PROGRAM.to_owned()).or_default() += dropped;
    }
}

/// Reads one line after the other.
struct Reader<'a, 'n, D> {
    dialect: D,
    name: &'n str,
    /// The current line, from 1.
    number: u32,
    /// Line and time of the last event, known or not.
    previous: (u32, u64),
    /// Time of the first one.
    first_ns: Option<u64>,
    events: Vec<Event>,
    unknown: FxHashMap<&'a str, u64>,
    census: Census<'a>,
    summary: ImportSummary,
}

impl<'a, 'n, D: Dialect> Reader<'a, 'n, D> {
    fn new(name: &'n str, dialect: D, text: &str) -> Self {
        Self {
            dialect,
            name,
            number: 0,
            previous: (0, 0),
            first_ns: None,
            events: Vec::with_capacity(text.len() / USUAL_LINE),
            unknown: FxHashMap::default(),
            census: Census::default(),
            summary: ImportSummary::default(),
        }
    }

    /// Reads what follows.
    fn text(&mut self, text: &'a str) -> Result<(), ImportError> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', text.as_bytes()) {
            self.line(&text[start..=end])?;
            start = end + 1;
        }
        if start < text.len() {
            self.line(&text[start..])?;
        }
        Ok(())
    }

    /// Takes over what was read from what follows, as if it had been read here.
    fn append(&mut self, next: Self) {
        let before = self.number;
        self.number += next.number;
        if let Some(first_ns) = next.first_ns {
            self.first_ns.get_or_insert(first_ns);
            self.previous = (before + next.previous.0, next.previous.1);
        }
        self.events.extend(next.events.iter().map(|event| Event { line: before + event.line, ..*event }));
        for (event, count) in next.unknown {
            *self.unknown.entry(event).or_default() += count;
        }
        self.census.append(&next.census);
        self.summary.blank_or_comment += next.summary.blank_or_comment;
        self.summary.cpus = self.summary.cpus.max(next.summary.cpus);
    }

    fn finish(mut self) -> Parsed<'a> {
        self.summary.lines = self.number.into();
        let unknown = self.unknown.into_iter();
        self.summary.unknown_events = unknown.map(|(event, count)| (event.to_owned(), count)).collect();
        Parsed { events: self.events, census: self.census, summary: self.summary }
    }

    fn line(&mut self, line: &'a str) -> Result<(), ImportError> {
        self.number += 1;
        if !line.ends_with('\n') {
            return Err(ImportError::CutShort {
                name: self.name.to_owned(),
                line: self.number,
                excerpt: excerpt(line),
            });
        }
        let content = trim_start(line);
        if content.is_empty() || content.starts_with('#') {
            self.summary.blank_or_comment += 1;
            return Ok(());
        }
        if let Some(other) = self.dialect.is_other(content) {
            *self.unknown.entry(other).or_default() += 1;
            return Ok(());
        }
        let header = self.dialect.header(line).ok_or_else(|| ImportError::Malformed {
            name: self.name.to_owned(),
            line: self.number,
            excerpt: excerpt(line),
            expected: D::EXPECTED,
        })?;
        self.check_order(line, header.time_ns)?;
        self.event(&header)
    }

    fn check_order(&mut self, line: &str, time_ns: u64) -> Result<(), ImportError> {
        let (previous_line, previous_ns) = self.previous;
        if time_ns < previous_ns {
            return Err(ImportError::TimeBackwards {
                name: self.name.to_owned(),
                line: self.number,
                excerpt: excerpt(line),
                time_ns,
                previous_line,
                previous_ns,
            });
        }
        self.previous = (self.number, time_ns);
        self.first_ns.get_or_insert(time_ns);
        Ok(())
    }

    fn event(&mut self, header: &Header<'a>) -> Result<(), ImportError> {
        let Some(outcome) = D::what(header.event, header.rest) else {
            *self.unknown.entry(header.event).or_default() += 1;
            return Ok(());
        };
        let what = outcome.map_err(|fault| self.field_error(header, fault))?;
        self.events.push(Event {
            line: self.number,
            time_ns: header.time_ns,
            cpu: header.cpu,
            pid: header.pid,
            tid: header.tid,
            what,
        });
        self.summary.cpus = self.summary.cpus.max(header.cpu + 1);
        self.census.count(header.pid, header.comm);
        Ok(())
    }

    fn field_error(&self, header: &Header<'_>, fault: Fault<'_>) -> ImportError {
        ImportError::Field {
            name: self.name.to_owned(),
            line: self.number,
            event: header.event.into(),
            field: fault.field,
            found: fault.found.map_or("nothing".to_owned(), |text| format!("`{}`", excerpt(text))),
            expected: fault.expected,
            excerpt: excerpt(header.rest),
        }
    }
}
