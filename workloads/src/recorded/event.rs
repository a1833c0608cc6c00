//! What a recording consists of: its target, its events and what the import left out.

use std::collections::BTreeMap;
use std::path::Path;

/// A recorded trace, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Where it came from: the path, the name of the embedded recording, or standard input.
    pub name: String,
    /// SHA-256 of the decompressed text, in hexadecimal.
    pub sha256: String,
    /// The kind of text, by its name among the [`IMPORTERS`](super::IMPORTERS).
    pub kind: &'static str,
    /// What texts of this kind leave out.
    pub notes: &'static [&'static str],
    /// The process the recording is about.
    pub target: Target,
    /// Every known event of every process, in file order, which is also time order.
    pub events: Vec<Event>,
    /// What was counted on the way.
    pub summary: ImportSummary,
}

impl Recording {
    /// Does it tell what the kernel flushed? If not one flush is recorded, of any process, nobody asked for them.
    pub fn has_answers(&self) -> bool {
        self.events.iter().any(|event| matches!(event.what, What::TlbFlush { .. }))
    }

    /// Does it tell what was used? If not one fault is recorded, nobody asked for them.
    pub fn has_faults(&self) -> bool {
        self.events.iter().any(|event| matches!(event.what, What::UserFault { .. }))
    }

    /// The name it goes by in results, which must not depend on where it lies.
    pub fn file_name(&self) -> &str {
        Path::new(&self.name).file_name().and_then(|name| name.to_str()).unwrap_or(&self.name)
    }
}

/// The process a recording is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Process id (thread group id).
    pub pid: i32,
    /// The name most of its events carry, with control characters escaped.
    pub comm: String,
}

/// Counts of one import.
///
/// Every line is blank, a comment, counted among the unknown events, or at least one element of [`Recording::events`]: a line of
/// strace is the begin and the end of a call, and some (brk, clone) are both of no use as they stand and events. Elements are either
/// without a task, or of another process, or of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// Lines of text, of whatever kind.
    pub lines: u64,
    /// Lines that are blank or start with `#`.
    pub blank_or_comment: u64,
    /// Well-formed lines of events or calls the importer has no use for, by name; in parentheses what has none.
    pub unknown_events: BTreeMap<String, u64>,
    /// Known events of a process that is not the target.
    pub other_process_events: u64,
    /// Known events whose pid or tid is -1: the task was already gone.
    pub without_task: u64,
    /// Highest CPU number of a known event, plus one; where the text names no CPUs, as many as the target's threads were given.
    pub cpus: u16,
    /// Time of the first known event.
    pub first_time_ns: u64,
    /// Time of the last known event.
    pub last_time_ns: u64,
}

/// One event of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Line in the text it was read from, counted from 1.
    pub line: u32,
    /// Time in nanoseconds, from the clock that the text has: mostly since boot (perf, ftrace), or since 1970 (strace).
    pub time_ns: u64,
    /// The CPU it happened on, or that was given to its thread where the text names none.
    pub cpu: u16,
    /// Process that was running there, or -1.
    pub pid: i32,
    /// Thread that was running there, or -1.
    pub tid: i32,
    /// What happened.
    pub what: What,
}

/// What happened in an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The kernel flushed, or asked for a flush (`tlb:tlb_flush`).
    TlbFlush {
        /// Pages flushed; -1 stands for all of them.
        pages: i64,
        /// The kernel's number for the cause.
        reason: u8,
    },
    /// A page fault in user mode (`exceptions:page_fault_user`).
    UserFault {
        /// Faulting address.
        address: u64,
        /// Error code of the processor: bit 1 is a write, bit 4 an instruction fetch.
        error_code: u16,
    },
    /// A system call begins.
    Enter(Call),
    /// A system call ends.
    Exit {
        /// Which one.
        name: CallName,
        /// Its result; errors are negative numbers in two's complement.
        ret: u64,
    },
    /// The CPU goes from one thread to another (`sched:sched_switch`).
    Switch {
        /// Thread that leaves the CPU.
        prev: i32,
        /// The state it is left in.
        prev_state: RunState,
        /// Thread that gets the CPU.
        next: i32,
    },
    /// The process loads a program, and has an address space of its own from here on (`sched:sched_process_exec`).
    Exec,
    /// A reclaim cycle begins, in a memory cgroup or directly for an allocation.
    ReclaimBegin,
    /// That reclaim cycle ends.
    ReclaimEnd {
        /// Pages it freed.
        reclaimed: u64,
    },
    /// A batch of an inactive list went through reclaim (`vmscan:mm_vmscan_lru_shrink_inactive`).
    ShrinkInactive(ListStats),
    /// A list of chosen pages went through reclaim (`vmscan:mm_vmscan_reclaim_pages`).
    ReclaimPages(ListStats),
    /// Reclaim starts to write a folio out (`vmscan:mm_vmscan_write_folio`).
    WriteFolio {
        /// Number of its first page frame.
        pfn: u64,
        /// Anonymous memory, as opposed to a file's.
        anon: bool,
        /// The writer waits for it.
        sync: bool,
    },
}

/// The system calls a recording knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallName {
    /// `mmap`
    Mmap,
    /// `munmap`
    Munmap,
    /// `mprotect`
    Mprotect,
    /// `madvise`
    Madvise,
    /// `mremap`
    Mremap,
}

/// A system call with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `mmap`
    Mmap {
        /// Requested address, or 0.
        address: u64,
        /// Bytes.
        length: u64,
        /// `PROT_*` bits.
        protection: u32,
        /// `MAP_*` bits.
        flags: u32,
        /// File descriptor, or -1.
        fd: i32,
        /// Offset in the file, in bytes.
        offset: u64,
    },
    /// `munmap`
    Munmap {
        /// First address.
        address: u64,
        /// Bytes.
        length: u64,
    },
    /// `mprotect`
    Mprotect {
        /// First address.
        start: u64,
        /// Bytes.
        length: u64,
        /// `PROT_*` bits.
        protection: u32,
    },
    /// `madvise`
    Madvise {
        /// First address.
        start: u64,
        /// Bytes.
        length: u64,
        /// `MADV_*` number.
        advice: u32,
    },
    /// `mremap`
    Mremap {
        /// Old address.
        address: u64,
        /// Bytes before.
        old_length: u64,
        /// Bytes after.
        new_length: u64,
        /// `MREMAP_*` bits.
        flags: u32,
        /// New address; meaningful with `MREMAP_FIXED` only.
        new_address: u64,
    },
}

impl Call {
    /// Which system call it is.
    pub fn name(&self) -> CallName {
        match self {
            Self::Mmap { .. } => CallName::Mmap,
            Self::Munmap { .. } => CallName::Munmap,
            Self::Mprotect { .. } => CallName::Mprotect,
            Self::Madvise { .. } => CallName::Madvise,
            Self::Mremap { .. } => CallName::Mremap,
        }
    }
}

/// What became of the pages of one list that went through reclaim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListStats {
    /// Pages looked at.
    pub scanned: u32,
    /// Pages freed.
    pub reclaimed: u32,
    /// Dirty pages among them.
    pub dirty: u32,
    /// Pages already being written.
    pub writeback: u32,
    /// Dirty pages whose device is congested.
    pub congested: u32,
    /// Pages to be freed as soon as their write ends.
    pub immediate: u32,
    /// Anonymous pages put back on the active list.
    pub activate_anon: u32,
    /// File pages put back on the active list.
    pub activate_file: u32,
    /// Pages kept because they were referenced.
    pub ref_keep: u32,
    /// Pages that could not be unmapped.
    pub unmap_fail: u32,
    /// Pressure, from 12 (least) to 0; only [`What::ShrinkInactive`] has it.
    pub priority: Option<u8>,
    /// The list of file pages, as opposed to the anonymous one; only [`What::ShrinkInactive`] has it.
    pub file: Option<bool>,
}

/// The state in which a thread leaves its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Still runnable (`R`, or `R+` when preempted).
    Running,
    /// Asleep, signals wake it (`S`).
    Sleeping,
    /// Asleep, signals do not wake it (`D`).
    Blocked,
    /// Any other, by its letter: `X` and `Z` are dead, `I` an idle kernel thread, `T` stopped.
    Other(u8),
}
