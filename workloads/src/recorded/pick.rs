//! Which process a recording is about.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use rustc_hash::FxHashMap;

use super::error::{ImportError, excerpt};
use super::event::Target;

/// Most processes a message lists.
const LISTED: usize = 5;

/// How to choose the process a recording is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The process with the most events; the idle task and the name `other`, which stands for
    /// processes left out of a recording, do not count. The lowest pid decides a draw.
    Busiest,
    /// The process of that id.
    Pid(i32),
    /// The busiest of the processes that have this name in any of their events.
    Comm(String),
}

/// Events by process, and by name within a process.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Census<'a> {
    events: FxHashMap<(i32, &'a str), u64>,
}

/// One process of the census.
#[derive(Debug, Default)]
struct Process<'a> {
    /// Events under a name that [`Pick::Busiest`] counts.
    named: u64,
    events: u64,
    comms: Vec<(&'a str, u64)>,
}

impl<'a> Census<'a> {
    /// Counts one event.
    pub(super) fn count(&mut self, pid: i32, comm: &'a str) {
        *self.events.entry((pid, comm)).or_default() += 1;
    }

    /// Counts all that another one has counted.
    pub(super) fn append(&mut self, other: &Census<'a>) {
        for (&task, &events) in &other.events {
            *self.events.entry(task).or_default() += events;
        }
    }

    /// The process asked for.
    pub(super) fn target(&self, name: &str, pick: &Pick) -> Result<Target, ImportError> {
        let processes = self.processes();
        let pid = match pick {
            Pick::Busiest => busiest(&processes, |process| process.named),
            Pick::Pid(pid) => processes.contains_key(pid).then_some(*pid),
            Pick::Comm(wanted) => busiest(&processes, |process| {
                let has = process.comms.iter().any(|(comm, _)| comm == wanted);
                if has { process.events } else { 0 }
            }),
        };
        match pid.and_then(|pid| processes.get_key_value(&pid)) {
            Some((&pid, process)) => Ok(Target { pid, comm: excerpt(process.comm()) }),
            None => Err(ImportError::NoSuchProcess {
                name: name.to_owned(),
                wanted: match pick {
                    Pick::Busiest => "a process by its own name".to_owned(),
                    Pick::Pid(pid) => format!("process {pid}"),
                    Pick::Comm(comm) => format!("a process named `{}`", excerpt(comm)),
                },
                candidates: candidates(&processes),
            }),
        }
    }

    /// All processes in order of pid, without the events that have none.
    fn processes(&self) -> BTreeMap<i32, Process<'a>> {
        let mut processes = BTreeMap::<i32, Process<'a>>::new();
        for (&(pid, comm), &events) in &self.events {
            if pid == -1 {
                continue;
            }
            let process = processes.entry(pid).or_default();
            let anonymous = pid == 0 || comm == "other" || comm.starts_with("swapper");
            process.named += if anonymous { 0 } else { events };
            process.events += events;
            process.comms.push((comm, events));
        }
        processes
    }
}

impl<'a> Process<'a> {
    /// The most frequent name, the alphabetically first in a draw.
    fn comm(&self) -> &'a str {
        let frequent = self.comms.iter().min_by_key(|(comm, events)| (Reverse(events), *comm));
        frequent.map_or("", |(comm, _)| comm)
    }
}

/// The process with the highest count above 0, the lowest pid in a draw.
fn busiest<'a>(processes: &BTreeMap<i32, Process<'a>>, count: impl Fn(&Process<'a>) -> u64) -> Option<i32> {
    processes
        .iter()
        .map(|(&pid, process)| (Reverse(count(process)), pid))
        .min()
        .filter(|(Reverse(events), _)| *events > 0)
        .map(|(_, pid)| pid)
}

/// The busiest processes as a list, those that go by their own name first.
fn candidates(processes: &BTreeMap<i32, Process<'_>>) -> String {
    let mut order: Vec<_> = processes.iter().collect();
    order.sort_by_key(|(pid, process)| (Reverse((process.named, process.events)), **pid));
    let mut list = String::new();
    for (pid, process) in order.into_iter().take(LISTED) {
        let comma = if list.is_empty() { "" } else { ", " };
        let comm = excerpt(process.comm());
        // Writing to a string cannot fail.
        let _ = write!(list, "{comma}{pid} `{comm}` ({} events)", process.events);
    }
    if list.is_empty() {
        list.push_str("none has a pid");
    }
    list
}
