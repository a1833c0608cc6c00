//! The text of `strace -f -ttt -o FILE`: what a program asked of the kernel, and when.
//!
//! It has no CPUs, no faults, no reclaim and no flushes. Every thread is given a CPU of its own from its birth or first line to its
//! exit, the lowest that is free; pages are there if the assumptions of a replay say so (`assume::Touched`).

use rustc_hash::{FxHashMap, FxHashSet};

use super::error::{ImportError, excerpt};
use super::event::{Call, CallName, Event, ImportSummary, RunState, Target, What};
use super::fields::{Fault, digits};
use super::importer::{Importer, Parsed};
use super::line::{MAX_COMM, nanoseconds};
use super::pick::Census;
use super::strace_args::{self as args, Argued, Ended};

pub(super) static IMPORTER: Importer = Importer {
    name: "strace",
    notes: &[
        "strace shows calls only: no faults, no reclaim, no CPUs, and no flushes of the kernel to hold a prediction against",
        "predicted are the flushes that calls make of their own accord; without reclaim no flush is ever deferred, so what policies \
         differ in does not happen, unless a call is MADV_PAGEOUT",
        "the estimate has every page written that a call is about and that may be; the lower end of the interval has none",
        "a thread runs on a CPU of its own from its birth (its first call, if strace did not record clone) to its exit, so no flush \
         is spared because one sleeps",
        "a heap that brk shrinks is unmapped by munmap; time in the kernel is known if strace was told -T",
    ],
    recognises: |line| split(line).is_some(),
    read,
    settle: Some(settle),
};

const EXPECTED: &str =
    "`PID SECONDS.MICROSECONDS CALL(ARGUMENTS) = RESULT`, as `strace -f -ttt -e trace=%memory -o FILE` writes";

/// The idle task.
const IDLE: i32 = 0;

/// A line begins with the thread, unless there is one only, and the time.
fn split(line: &str) -> Option<(i32, u64, &str)> {
    let (first, rest) = line.trim_end().split_once(' ')?;
    if let Some(time_ns) = nanoseconds(first) {
        return Some((1, time_ns, rest.trim_start()));
    }
    let tid = i32::try_from(digits(first, 10)?).ok().filter(|tid| *tid > 0)?;
    let (time, rest) = rest.trim_start().split_once(' ')?;
    Some((tid, nanoseconds(time)?, rest.trim_start()))
}

/// Who a thread belongs to, as far as calls tell.
#[derive(Clone, Copy)]
enum Born {
    /// A thread of the process of that one.
    With(i32),
    /// A process of its own.
    Alone,
}

struct Reader<'t, 'n> {
    name: &'n str,
    number: u32,
    previous: (u32, u64),
    /// Its pid is not known before the end: it is the tid.
    events: Vec<Event>,
    unknown: FxHashMap<String, u64>,
    blank: u64,
    /// By thread: what it was heard to call, until that is resumed.
    under_way: FxHashMap<i32, &'t str>,
    born: FxHashMap<i32, Born>,
    /// In order of their first line.
    threads: Vec<i32>,
    /// By process, as far as it is known by then: the end of the heap.
    heap_end: FxHashMap<i32, u64>,
    /// By process: the number of events when it became another program, and that program's name.
    executed: FxHashMap<i32, (usize, Option<&'t str>)>,
}

fn read<'a>(name: &str, text: &'a str) -> Result<Parsed<'a>, ImportError> {
    let mut reader = Reader {
        name,
        number: 0,
        previous: (0, 0),
        events: Vec::new(),
        unknown: FxHashMap::default(),
        blank: 0,
        under_way: FxHashMap::default(),
        born: FxHashMap::default(),
        threads: Vec::new(),
        heap_end: FxHashMap::default(),
        executed: FxHashMap::default(),
    };
    for line in text.split_inclusive('\n') {
        reader.line(line)?;
    }
    Ok(reader.finish())
}

impl<'t> Reader<'t, '_> {
    fn line(&mut self, line: &'t str) -> Result<(), ImportError> {
        self.number += 1;
        let name = || self.name.to_owned();
        if !line.ends_with('\n') {
            return Err(ImportError::CutShort { name: name(), line: self.number, excerpt: excerpt(line) });
        }
        if line.trim().is_empty() || line.starts_with('#') {
            self.blank += 1;
            return Ok(());
        }
        let malformed =
            ImportError::Malformed { name: name(), line: self.number, excerpt: excerpt(line), expected: EXPECTED };
        let Some((tid, time_ns, rest)) = split(line) else { return Err(malformed) };
        let (previous_line, previous_ns) = self.previous;
        if time_ns < previous_ns {
            let (name, line, excerpt) = (name(), self.number, excerpt(line));
            return Err(ImportError::TimeBackwards { name, line, excerpt, time_ns, previous_line, previous_ns });
        }
        self.previous = (self.number, time_ns);
        self.rest(tid, time_ns, rest).ok_or(malformed)?.map_err(|(call, fault)| ImportError::Field {
            name: self.name.to_owned(),
            line: self.number,
            event: call.into(),
            field: fault.field,
            found: fault.found.map_or("nothing".to_owned(), |text| format!("`{}`", excerpt(text))),
            expected: fault.expected,
            excerpt: excerpt(rest),
        })
    }

    /// `None`: that is no line of strace.
    fn rest(&mut self, tid: i32, time_ns: u64, rest: &'t str) -> Option<Result<(), (&'t str, Fault<'t>)>> {
        self.know(tid);
        if let Some(end) = rest.strip_prefix("+++ ") {
            end.ends_with(" +++").then_some(())?;
            self.push(tid, time_ns, What::Switch { prev: tid, prev_state: RunState::Other(b'X'), next: IDLE });
            return Some(Ok(()));
        }
        if rest.starts_with("--- ") {
            self.skip("(signal)");
            return Some(Ok(()));
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let (call, rest) = resumed.split_once(" resumed>")?;
            let (_, result) = rest.rsplit_once(" = ")?;
            let Some(given) =
                self.under_way.remove(&tid).filter(|given| *given == call || given.starts_with(&format!("{call}(")))
            else {
                self.skip(call);
                return Some(Ok(()));
            };
            return Some(self.returned(tid, time_ns, given, args::result(result)?, 0).map_err(|fault| (call, fault)));
        }
        let (call, _) = rest.split_once('(')?;
        if !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') || call.is_empty() {
            return None;
        }
        if let Some(given) = rest.strip_suffix("<unfinished ...>") {
            let given = given.trim_end();
            self.under_way.insert(tid, given);
            return Some(self.entered(tid, time_ns, given).map_err(|fault| (call, fault)));
        }
        let (given, result) = rest.rsplit_once(" = ")?;
        let given = given.trim_end().strip_suffix(')')?;
        let (result, took_ns) = (args::result(result)?, args::took_ns(result));
        let outcome =
            self.entered(tid, time_ns, given).and_then(|()| self.returned(tid, time_ns, given, result, took_ns));
        Some(outcome.map_err(|fault| (call, fault)))
    }

    fn know(&mut self, tid: i32) {
        if !self.threads.contains(&tid) {
            self.threads.push(tid);
        }
    }

    fn skip(&mut self, call: &str) {
        *self.unknown.entry(call.to_owned()).or_default() += 1;
    }

    fn push(&mut self, tid: i32, time_ns: u64, what: What) {
        self.events.push(Event { line: self.number, time_ns, cpu: 0, pid: tid, tid, what });
    }

    /// A call with its arguments, without the closing parenthesis.
    fn entered(&mut self, tid: i32, time_ns: u64, given: &'t str) -> Result<(), Fault<'t>> {
        if let Argued::Memory(call) = args::read(given)? {
            self.push(tid, time_ns, What::Enter(call));
        }
        Ok(())
    }

    /// The same call is over.
    fn returned(
        &mut self,
        tid: i32,
        time_ns: u64,
        given: &'t str,
        ended: Ended,
        took_ns: u64,
    ) -> Result<(), Fault<'t>> {
        let succeeded = match ended {
            Ended::Returned(value) => Some(value).filter(|value| value.cast_signed() >= 0),
            Ended::Never => None,
        };
        match (args::read(given)?, ended) {
            (Argued::Memory(call), Ended::Returned(ret)) => {
                self.push(tid, time_ns.saturating_add(took_ns), What::Exit { name: call.name(), ret });
            }
            (Argued::Memory(_), Ended::Never) => {}
            (Argued::Brk(asked), _) => self.moved_heap(tid, time_ns, asked, succeeded),
            (Argued::Clone { thread }, _) => {
                if let Some(child) = succeeded.and_then(|child| i32::try_from(child).ok()) {
                    self.birth(tid, child, thread, time_ns);
                }
                self.skip(call_name(given));
            }
            (Argued::Execve(program), _) => {
                if succeeded.is_some() {
                    let process = self.process(tid);
                    self.executed.insert(process, (self.events.len(), Some(program)));
                    self.heap_end.remove(&process);
                }
                self.skip(call_name(given));
            }
            (Argued::Other, _) => self.skip(call_name(given)),
        }
        Ok(())
    }

    /// `child` is what a clone of `tid` returned. Its first lines may stand before that: it is not born again then, and what it
    /// has told of its heap is kept.
    fn birth(&mut self, tid: i32, child: i32, thread: bool, time_ns: u64) {
        let parent = self.process(tid);
        let own_end = self.heap_end.get(&child).copied();
        // A number that is used again must not lead in a circle.
        let with = thread && parent != child;
        self.born.insert(child, if with { Born::With(parent) } else { Born::Alone });
        if with {
            if let Some(end) = own_end {
                self.heap_end.remove(&child);
                self.heap_end.insert(parent, end);
            }
        } else if let (None, Some(&end), false) =
            (own_end, self.heap_end.get(&parent), self.executed.contains_key(&child))
        {
            self.heap_end.insert(child, end);
        }
        if thread && !self.threads.contains(&child) {
            self.push(child, time_ns, What::Switch { prev: IDLE, prev_state: RunState::Running, next: child });
        }
        self.know(child);
    }

    /// The process of a thread, as far as calls have told by now; otherwise the thread itself.
    fn process(&self, tid: i32) -> i32 {
        let mut process = tid;
        while let Some(Born::With(parent)) = self.born.get(&process) {
            process = *parent;
        }
        process
    }

    /// The heap ends elsewhere. One that shrinks is unmapped; one that is asked for and is not where it was is another program's.
    fn moved_heap(&mut self, tid: i32, time_ns: u64, asked: u64, end: Option<u64>) {
        let Some(end) = end else { return };
        let process = self.process(tid);
        let before = self.heap_end.insert(process, end);
        *self.unknown.entry("brk".to_owned()).or_default() += 1;
        match before {
            None if asked == 0 && !self.executed.contains_key(&process) => {
                // The first that the loader of a program does.
                self.executed.insert(process, (self.events.len(), None));
            }
            Some(before) if asked == 0 && end != before => {
                self.executed.insert(process, (self.events.len(), None));
            }
            Some(before) if asked != 0 && end < before => {
                let call = Call::Munmap { address: end, length: before - end };
                self.push(tid, time_ns, What::Enter(call));
                self.push(tid, time_ns, What::Exit { name: CallName::Munmap, ret: 0 });
            }
            _ => {}
        }
    }

    /// By thread: its process. Without a call that tells, one that loaded a program is a process, and any other is of the process
    /// that was heard of last before it.
    fn processes(&self) -> FxHashMap<i32, i32> {
        let mut processes: FxHashMap<i32, i32> = FxHashMap::default();
        let mut latest = None;
        for &tid in &self.threads {
            let parent = match self.born.get(&tid) {
                Some(Born::With(parent)) => {
                    let process = self.process(*parent);
                    Some(*processes.get(&process).unwrap_or(&process))
                }
                Some(Born::Alone) => None,
                None if self.executed.contains_key(&tid) => None,
                None => latest,
            };
            let process = parent.unwrap_or(tid);
            processes.insert(tid, process);
            latest = Some(process);
        }
        processes
    }

    fn finish(mut self) -> Parsed<'t> {
        let processes = self.processes();
        let mut census = Census::default();
        let mut events = Vec::with_capacity(self.events.len());
        for (at, mut event) in std::mem::take(&mut self.events).into_iter().enumerate() {
            event.pid = processes[&event.tid];
            let program = self.executed.get(&event.pid);
            if program.is_some_and(|&(since, _)| at < since) {
                let name = match event.what {
                    What::Enter(_) => "(enter, before execve)",
                    What::Exit { .. } => "(exit, before execve)",
                    _ => "(thread, before execve)",
                };
                *self.unknown.entry(name.to_owned()).or_default() += 1;
                continue;
            }
            let comm = program.and_then(|&(_, program)| program).map_or("unnamed", comm);
            census.count(event.pid, comm);
            events.push(event);
        }
        // What took long may have been over, by its duration, after the next line was written.
        let mut next_ns = u64::MAX;
        for event in events.iter_mut().rev() {
            event.time_ns = event.time_ns.min(next_ns);
            next_ns = event.time_ns;
        }
        let summary = ImportSummary {
            lines: self.number.into(),
            blank_or_comment: self.blank,
            unknown_events: self.unknown.into_iter().collect(),
            ..ImportSummary::default()
        };
        Parsed { events, census, summary }
    }
}

fn call_name(given: &str) -> &str {
    given.split_once('(').map_or(given, |(name, _)| name)
}

/// The name the kernel gives a task that executes this path.
fn comm(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let end = (0..=MAX_COMM.min(name.len())).rev().find(|&at| name.is_char_boundary(at));
    &name[..end.unwrap_or(0)]
}

/// Gives the threads of the process their CPUs, and drops the ends of all others.
fn settle(events: &mut Vec<Event>, target: &Target, summary: &mut ImportSummary) {
    let threads: FxHashSet<i32> =
        events.iter().filter(|event| event.pid == target.pid).map(|event| event.tid).collect();
    events.retain(|event| threads.contains(&event.tid) || !matches!(event.what, What::Switch { .. }));
    let mut on: Vec<Option<i32>> = Vec::new();
    for event in events.iter_mut().filter(|event| event.pid == target.pid) {
        let at = on.iter().position(|tid| *tid == Some(event.tid)).unwrap_or_else(|| {
            let free = on.iter().position(Option::is_none).unwrap_or_else(|| {
                on.push(None);
                on.len() - 1
            });
            on[free] = Some(event.tid);
            free
        });
        event.cpu = at as u16;
        if matches!(event.what, What::Switch { next: IDLE, .. }) {
            on[at] = None;
        }
    }
    summary.cpus = on.len() as u16;
}
