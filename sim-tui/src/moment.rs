//! A moment of a run: all that the panes show, as plain data, so that drawing never touches the simulation.

use sim_core::drive::clock::log::Entry;
pub use sim_core::drive::clock::look::Doing;
use sim_core::nouns::op::Op;
use sim_core::nouns::types::{Cpu, FrameNo, Lock, Mm, Page, Promise, Pte};
use sim_core::oracle::Class;
use sim_core::step::frame::StepId;
use sim_core::world::{Cause, Folio, TlbLevel};

/// What a view wants to see in detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The core whose TLB is shown; none: the one that has done something last.
    pub core: Option<Cpu>,
    /// How many translations of it at most; those that break a promise come first.
    pub tlb_rows: usize,
    /// How many pages at most.
    pub pages: usize,
    /// How many entries of the log at most, the last ones.
    pub log: usize,
}

/// The state at one position of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// What runs, on one line: the workload, recording or witness.
    pub title: String,
    /// The policy.
    pub policy: &'static str,
    /// Events made since the start.
    pub position: u64,
    /// The time of the last event, in cycles.
    pub now_cycles: u64,
    /// Nothing is left to do.
    pub finished: bool,
    /// By CPU.
    pub cores: Vec<Core>,
    /// The core whose TLB is shown.
    pub core: Cpu,
    /// The translations of that core.
    pub tlb: Vec<Translation>,
    /// How many it has in all.
    pub tlb_size: usize,
    /// Pages, by number: all of a small world; of a large one those with something pending or stale and those touched last.
    pub pages: Vec<PageRow>,
    /// How many pages the world has.
    pub pages_total: usize,
    /// By address space.
    pub spaces: Vec<Space>,
    /// Locks that somebody holds or waits for.
    pub locks: Vec<HeldLock>,
    /// The last entries of the log, oldest first; their positions are at most `position`.
    pub log: Vec<Logged>,
    /// Sums since the start.
    pub totals: Totals,
    /// The same over time.
    pub history: History,
}

/// An entry of the log with the position of the event it was part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Which event.
    pub position: u64,
    /// What happened.
    pub entry: Entry,
}

/// One core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// What it does.
    pub doing: Doing,
    /// The operation under way.
    pub op: Option<Op>,
    /// Its next step in each path under way, outermost first; the last is the one that runs.
    pub steps: Vec<StepId>,
    /// It only borrows the page tables that it has loaded (lazy TLB mode).
    pub lazy: bool,
    /// An interrupt is on its way to it, or waits to be taken.
    pub interrupt_pending: bool,
    /// Acknowledgements it still waits for.
    pub acks_outstanding: u16,
    /// Usable translations of its TLB that break a promise.
    pub stale: u32,
}

/// A translation in a TLB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Of which page.
    pub page: Page,
    /// Its name.
    pub name: String,
    /// The frame it names.
    pub frame: FrameNo,
    /// Stores allowed.
    pub writable: bool,
    /// Stored through.
    pub dirty: bool,
    /// Where it is.
    pub level: TlbLevel,
    /// The promise it breaks, if it is usable and breaks one.
    pub stale: Option<Class>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRow {
    /// Its number.
    pub page: Page,
    /// `A` of a litmus file; else address space and page number in hexadecimal.
    pub name: String,
    /// The page-table entry.
    pub pte: Pte,
    /// What user space has been promised.
    pub promise: Promise,
    /// The frame that the PTE names and what is known of it.
    pub folio: Option<(FrameNo, Folio)>,
    /// CPUs that hold a translation of it.
    pub holders: Vec<Cpu>,
    /// Those of them whose translation is usable and breaks a promise.
    pub stale: Vec<Cpu>,
    /// Reclaim has cleared its PTE and has not flushed yet.
    pub pending: bool,
    /// The window open over it: its class, and since when, in cycles.
    pub window: Option<(Class, u64)>,
}

/// One address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its number.
    pub mm: Mm,
    /// CPUs in `mm_cpumask`.
    pub mask: Vec<Cpu>,
    /// What the policy's word says (`tlb_flush_batched`): the flag, or the pending and the flushed generation.
    pub batched: String,
    /// Does the policy find a flush pending in it?
    pub flush_batched_pending: bool,
    /// `mm->tlb_flush_pending`.
    pub flush_pending: u32,
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// Which, and how it is held.
    pub lock: Lock,
    /// Cores that hold it.
    pub holders: Vec<Cpu>,
    /// Cores that wait for it.
    pub waiters: Vec<Cpu>,
}

/// Sums since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Reclaim cycles, as `mmusim compare` counts them.
    pub reclaim_cycles: u64,
    /// Cycles spent on flushing, by everybody.
    pub flush_cycles: u64,
    /// Shootdowns and local flushes, by cause.
    pub flushes: Vec<(Cause, u64)>,
    /// Flushes of the pending check: needed, useful elsewhere, needless.
    pub extra: [u64; 3],
    /// Interrupts sent.
    pub ipis_sent: u64,
    /// PTEs whose flush reclaim has put off.
    pub deferred: u64,
    /// Windows by class.
    pub windows: Vec<(Class, Windows)>,
    /// Violations by class.
    pub violations: Vec<(Class, u64)>,
    /// User accesses.
    pub accesses: u64,
    /// Page faults.
    pub faults: u64,
}

/// Windows of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// Opened since the start.
    pub opened: u64,
    /// Open at this moment.
    pub open: u64,
    /// The 99th percentile of the closed ones, in cycles.
    pub p99_cycles: u64,
}

/// Sums by slots of time. When the slots are used up their width doubles and neighbours are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The width of a slot, in cycles.
    pub width_cycles: u64,
    /// Interrupts sent, by slot from the start.
    pub ipis: Vec<u64>,
    /// Cycles spent on flushing.
    pub flush_cycles: Vec<u64>,
    /// PTEs whose flush was put off.
    pub deferred: Vec<u64>,
    /// Windows that opened.
    pub windows: Vec<u64>,
    /// Violations.
    pub violations: Vec<u64>,
}

impl Default for Want {
    /// Little of everything.
    fn default() -> Want {
        Want { core: None, tlb_rows: 16, pages: 64, log: 64 }
    }
}

impl History {
    /// Slots at most.
    pub const SLOTS: usize = 128;
}
