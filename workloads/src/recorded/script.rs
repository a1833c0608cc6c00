//! From a recording to what the model is made to do: per CPU, in recorded order.
//!
//! `tlb:tlb_flush` lines are the answer sheet and are not looked at here. What a recording leaves open is settled by rules,
//! each of which counts how often it was needed ([`Inferred`]).

use serde::Serialize;
use sim_core::nouns::op::Op;
use sim_core::nouns::types::{AccessKind, Span};

use super::event::{CallName, ListStats};

/// Where a flush is made: the first column of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// Between the begin and the end of direct reclaim.
    Reclaim,
    /// In mprotect(2).
    Mprotect,
    /// In munmap(2).
    Munmap,
    /// In madvise(2), `MADV_PAGEOUT`'s own reclaim included.
    Madvise,
    /// In mremap(2).
    Mremap,
    /// In mmap(2).
    Mmap,
    /// Anywhere else: faults, mostly.
    Other,
}

impl Context {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Context::Reclaim => "reclaim",
            Context::Mprotect => "mprotect",
            Context::Munmap => "munmap",
            Context::Madvise => "madvise",
            Context::Mremap => "mremap",
            Context::Mmap => "mmap",
            Context::Other => "other",
        }
    }
}

impl From<CallName> for Context {
    fn from(name: CallName) -> Context {
        match name {
            CallName::Mmap => Context::Mmap,
            CallName::Munmap => Context::Munmap,
            CallName::Mprotect => Context::Mprotect,
            CallName::Madvise => Context::Madvise,
            CallName::Mremap => Context::Mremap,
        }
    }
}

/// One shrink list of a reclaim cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The tracepoint's figures.
    pub stats: ListStats,
    /// When each of its folios was written, in ns since the first event.
    pub writes_ns: Vec<u64>,
    /// How long it took on the CPU.
    pub busy_ns: u64,
    /// When its thread was off the CPU: since when, and when it was back, in ns since the first event.
    pub away_ns: Vec<(u64, u64)>,
}

/// The next fault on a page: what it says about the time until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextFault {
    /// There is none.
    Never,
    /// Its PTE was not present: something took the page meanwhile.
    Absent,
    /// Its PTE was present: the page stayed.
    Present,
}

/// What a CPU of the model does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A user access faults.
    Fault {
        /// Where.
        vpn: u64,
        /// Doing what.
        kind: AccessKind,
        /// On a PTE that was present.
        present: bool,
        /// The thread waited for IO before its next event: what it needed was not in memory.
        slept: bool,
        /// What the recording knows of the page's future.
        next: NextFault,
    },
    /// A system call; the lists are those that `MADV_PAGEOUT` shrank in it.
    Call(Op, Vec<List>),
    /// `madvise`, about how a range will be read: at random, or not.
    Advice {
        /// Where.
        span: Span,
        /// At random: nothing is read ahead.
        random: bool,
    },
    /// Pages are mapped without a fault (`MAP_POPULATE`, `MADV_POPULATE_WRITE`).
    Populate {
        /// Where.
        span: Span,
        /// As a write would have.
        write: bool,
    },
    /// A mapping grows, or stays where `mremap` moved it away from.
    Extend {
        /// A page number in the mapping it is part of.
        like: u64,
        /// Where.
        span: Span,
    },
    /// One list of direct reclaim.
    Reclaim(List),
    /// The CPU begins to run the process.
    Load,
    /// The idle task borrows the address space.
    Borrow,
    /// Something else runs here.
    Unload,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// When it began, in ns since the first event.
    pub time_ns: u64,
    /// When it was over, as far as the recording tells: nothing that began later may begin before it is over here too.
    pub end_ns: u64,
    /// On which CPU.
    pub cpu: u16,
    /// Which thread.
    pub tid: i32,
    /// What.
    pub action: Action,
    /// Where its flushes are counted.
    pub context: Context,
    /// The system call it belongs to, as an index into [`Script::operations`].
    pub operation: Option<u32>,
    /// The reclaim cycle it is part of; one of its own if it is `MADV_PAGEOUT`.
    pub cycle: Option<u32>,
    /// The line it comes from.
    pub line: u32,
}

/// One system call of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which.
    pub name: CallName,
    /// By which thread.
    pub tid: i32,
    /// When it was entered, in ns as recorded.
    pub time_ns: u64,
}

/// What had to be inferred, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inferred {
    /// A thread arrived on a CPU without a recorded switch: it is taken to have been there since it left its last one.
    pub silent_arrivals: u64,
    /// Pages that had to be present when the recording says so, though nothing recorded put them there.
    pub made_present: u64,
    /// Pages that had gone when the recording says so, though nothing recorded took them away.
    pub made_absent: u64,
    /// Pages used outside every mapping the recording shows (brk, stack, before the first event).
    pub mapped_unseen: u64,
    /// Reclaimed pages for which no mapped page of the process was left: page cache nobody maps.
    pub victims_unmapped: u64,
    /// Reclaimed pages that were mapped although no recorded fault had mapped them.
    pub victims_unseen: u64,
    /// Neighbours mapped by faults on file pages.
    pub faulted_around: u64,
    /// Calls without an exit in the recording.
    pub unfinished_calls: u64,
}

/// A recording as the model plays it.
#[derive(Clone, Debug)]
pub struct Script {
    /// In order of time.
    pub items: Vec<Item>,
    /// The system calls, in order of entry.
    pub operations: Vec<Operation>,
    /// What was inferred so far; the replay adds to it.
    pub inferred: Inferred,
    /// How many CPUs the recording names.
    pub cpus: u16,
    /// Reclaim cycles: direct ones and `MADV_PAGEOUT` calls.
    pub reclaim_cycles: u64,
    /// One more than the highest number of a cycle; some began before the recording.
    pub cycles_numbered: u32,
    /// Faults are recorded, of whatever process.
    pub has_faults: bool,
    /// Writes completed at once (zram): pages written were also freed by the same list.
    pub synchronous_swap: bool,
}
