//! The text of ftrace: `/sys/kernel/tracing/trace`, or what `trace-cmd report` prints.
//!
//! Lines name the thread and, with the option `record-tgid`, its process. Events come without their group; system calls are
//! `sys_munmap(addr: ..)` and `sys_munmap -> 0x0` in the one, `sys_enter_munmap: addr: ..` and `sys_exit_munmap: 0x0` in the other.

use rustc_hash::FxHashMap;

use super::event::What;
use super::fields::{Fault, Fields, cut, digits, task_id, trim_end, trim_start};
use super::importer::Importer;
use super::line::{Header, MAX_COMM, nanoseconds};
use super::tracepoints::{self, Dialect};
use super::wanted::TRACEPOINTS;
use super::what::{call_name, enter, exit, what};

pub(super) static IMPORTER: Importer = Importer {
    name: "ftrace",
    notes: &[
        "ftrace names threads; without the option record-tgid those of one name are taken for one process, and with it those it has \
         no process of for processes of their own",
    ],
    recognises: |line| split(line).is_some(),
    read: |name, text| tracepoints::read(name, text, Ftrace::default()),
    settle: Some(tracepoints::settle),
};

/// The column of the process.
#[derive(Clone, Copy)]
enum Owner {
    Process(i32),
    /// It was not recorded for this thread.
    Unknown,
    /// There is no such column.
    NoColumn,
}

/// A line before it is settled whose its thread is.
struct Split<'a> {
    comm: &'a str,
    tid: i32,
    owner: Owner,
    cpu: u16,
    time_ns: u64,
    event: &'a str,
    rest: &'a str,
}

/// Splits `COMM-TID (TGID) [CPU] FLAGS SECONDS.MICROSECONDS: EVENT`, in which the process and the flags may be missing.
///
/// A name may hold anything, so the anchor is the first thread and CPU that make sense.
fn split(line: &str) -> Option<Split<'_>> {
    let (comm, tid, owner, cpu, after) = line.match_indices('[').find_map(|(bracket, _)| {
        let (comm, tid, owner) = task(trim_end(&line[..bracket]))?;
        let (cpu, after) = cut(&line[bracket + 1..], b"]")?;
        Some((comm, tid, owner, u16::try_from(digits(cpu, 10)?).ok()?, after))
    })?;
    let (time, text) = cut(after.strip_prefix(' ')?, b": ")?;
    let time = time.split_whitespace().next_back()?;
    let text = trim_end(trim_start(text));
    let (event, rest) = event(text)?;
    let usable = comm.len() <= MAX_COMM && cpu < u16::MAX;
    usable.then_some(Split { comm, tid, owner, cpu, time_ns: nanoseconds(time)?, event, rest })
}

fn task(text: &str) -> Option<(&str, i32, Owner)> {
    let (text, owner) = match text.strip_suffix(')').and_then(|text| text.rsplit_once('(')) {
        Some((task, process)) => {
            let process = process.trim();
            let unknown = process.bytes().all(|byte| byte == b'-');
            (trim_end(task), if unknown { Owner::Unknown } else { Owner::Process(task_id(process)?) })
        }
        None => (text, Owner::NoColumn),
    };
    let (comm, tid) = text.rsplit_once('-')?;
    // A blank between them is of another line, or of another kind of text.
    let tid = i32::try_from(digits(tid, 10)?).ok()?;
    Some((trim_start(comm), tid, owner))
}

/// The name of an event, and the rest of its text.
fn event(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_')?;
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    match rest.strip_prefix(':') {
        Some(fields) if fields.is_empty() || fields.starts_with([' ', '\t']) => Some((name, trim_start(fields))),
        _ if name.starts_with("sys_") && (rest.starts_with('(') || rest.starts_with(" -> ")) => Some((name, rest)),
        _ => None,
    }
}

/// `CPU:1 [LOST 12 EVENTS]` of the kernel, `CPU:1 [12 EVENTS DROPPED]` of trace-cmd; either may not know how many.
fn lost(line: &str) -> bool {
    let what = line.strip_prefix("CPU:").and_then(|line| trim_end(line).strip_suffix(']')?.split_once(" ["));
    what.is_some_and(|(cpu, what)| {
        digits(cpu, 10).is_some() && (what.starts_with("LOST ") || what.ends_with("EVENTS DROPPED"))
    })
}

#[derive(Default)]
struct Ftrace {
    /// By thread: its process, where a line says so.
    processes: FxHashMap<i32, i32>,
    /// By name: the first thread of it, where no line does.
    named: FxHashMap<String, i32>,
}

impl Ftrace {
    fn process(&mut self, line: &Split<'_>) -> i32 {
        match line.owner {
            Owner::Process(process) => {
                self.processes.insert(line.tid, process);
                process
            }
            Owner::Unknown => self.processes.get(&line.tid).copied().unwrap_or(line.tid),
            // What ftrace has no name for, and the idle tasks, are not one process.
            Owner::NoColumn if line.comm.starts_with('<') => line.tid,
            Owner::NoColumn => match self.named.get(line.comm) {
                Some(process) => *process,
                None => *self.named.entry(line.comm.to_owned()).or_insert(line.tid),
            },
        }
    }
}

impl Dialect for Ftrace {
    const EXPECTED: &'static str = "`COMM-TID (TGID) [CPU] FLAGS SECONDS.MICROSECONDS: EVENT: FIELDS`, as /sys/kernel/tracing/trace and \
                                    trace-cmd report have it";

    fn header<'a>(&mut self, line: &'a str) -> Option<Header<'a>> {
        let split = split(line)?;
        let pid = self.process(&split);
        let Split { comm, tid, cpu, time_ns, event, rest, .. } = split;
        Some(Header { comm, pid, tid, cpu, time_ns, event, rest })
    }

    fn what<'a>(event: &str, rest: &'a str) -> Option<Result<What, Fault<'a>>> {
        let Some(call) = event.strip_prefix("sys_") else {
            return TRACEPOINTS.iter().find(|known| known.short() == event).and_then(|known| what(known.name, rest));
        };
        if let Some(name) = call.strip_prefix("enter_") {
            return call_name(name).map(|name| enter(name, Fields::colons(rest)).map(What::Enter));
        }
        if let Some(name) = call.strip_prefix("exit_") {
            return call_name(name).map(|name| exit(name, rest));
        }
        let name = call_name(call)?;
        Some(match rest.strip_prefix(" -> ") {
            Some(value) => exit(name, value),
            None => match rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
                Some(arguments) => enter(name, Fields::hexadecimal(arguments)).map(What::Enter),
                None => Err(Fault::new("arguments", rest, "arguments in parentheses")),
            },
        })
    }

    fn is_other(&self, line: &str) -> Option<&'static str> {
        if lost(line) {
            return Some("(lost events)");
        }
        let starts = ["cpus=", "CPU ", "version = "];
        starts.into_iter().any(|start| line.starts_with(start)).then_some("(trace-cmd)")
    }
}
