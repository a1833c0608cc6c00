//! What a recording leaves undecided, and the extremes of it: an estimate is shown between replays under them.

use serde::Serialize;

/// Which PTEs of pages that reclaim takes are dirty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dirty {
    /// Those whose last fault was a write; no other is known to be. The fewest possible.
    LastFault,
    /// All that are writable: each was written after its read fault. The most possible.
    AllWritable,
}

/// Since when a thread has been on a CPU to which no recorded switch brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silent {
    /// A sleeper since its next event, any other since it left its last CPU.
    ByState,
    /// Since it left its last CPU.
    Early,
    /// A sleeper since its next event, any other at most a scheduling slice after it left its last CPU.
    Late,
}

/// When, within the time that a list leaves open, a page was unmapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unmapping {
    /// One that was written as soon as the page before it was done; those of a list without writes evenly over its time.
    Evenly,
    /// As soon as the page before it was done.
    Early,
    /// As late as the flush before its write, or that at the end of the list, allows.
    Late,
}

/// Which neighbours a read fault on a file maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultAround {
    /// Those that can have been in memory.
    InMemory,
    /// None.
    Never,
    /// All, wherever there is no mapped page yet.
    Always,
}

/// Which lists without writes had mapped pages in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MappedLists {
    /// Those that took long enough for a shootdown.
    ByTime,
    /// Any, as long as there are mapped pages left.
    All,
    /// None: reclaim took unmapped page cache. (Lists with writes always have them.)
    None,
}

/// Which pages of lists without writes were mapped although no recorded fault had mapped them: faults of the kernel itself are
/// not recorded, nor is what came before the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnseenPages {
    /// None.
    None,
    /// One clean page of every list that is taken to have mapped pages although none is left that was seen.
    One,
    /// All that are missing in such lists when the pages that were seen run out, clean.
    All,
}

/// What CPUs hold that did not fault a page in; a recording has no accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Victim {
    /// Nothing.
    Idle,
    /// Whatever their page tables grant, as long as they run the process: they touch all pages all the time.
    Hot,
}

/// Which pages were used by the time of a call about them, in a recording without faults. One with faults tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touched {
    /// All that may be: they were written, or read where that is all.
    All,
    /// None.
    None,
}

/// One way to settle it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Assumptions {
    /// Its name in reports.
    pub name: &'static str,
    /// Dirty PTEs.
    pub dirty: Dirty,
    /// Silent threads.
    pub silent: Silent,
    /// Neighbours of file faults.
    pub fault_around: FaultAround,
    /// Lists without writes.
    pub mapped_lists: MappedLists,
    /// Mapped pages that were never seen.
    pub unseen_pages: UnseenPages,
    /// Time within a list.
    pub unmapping: Unmapping,
    /// Pages of calls, if no fault is recorded.
    pub touched: Touched,
    /// Translations of other CPUs.
    pub victim: Victim,
}

impl Assumptions {
    /// What the estimate is made under.
    pub const ESTIMATE: Assumptions = Assumptions {
        name: "estimate",
        dirty: Dirty::LastFault,
        silent: Silent::ByState,
        fault_around: FaultAround::InMemory,
        mapped_lists: MappedLists::ByTime,
        unseen_pages: UnseenPages::One,
        unmapping: Unmapping::Evenly,
        touched: Touched::All,
        victim: Victim::Idle,
    };

    /// The estimate with hot victims: the same flushes, other windows.
    pub const HOT: Assumptions = Assumptions { name: "hot", victim: Victim::Hot, ..Assumptions::ESTIMATE };

    /// All at the extreme with the fewest flushes.
    const FEWEST: Assumptions = Assumptions {
        name: "fewest",
        dirty: Dirty::LastFault,
        silent: Silent::Late,
        fault_around: FaultAround::Never,
        mapped_lists: MappedLists::None,
        unseen_pages: UnseenPages::None,
        unmapping: Unmapping::Late,
        touched: Touched::None,
        victim: Victim::Idle,
    };

    /// All at the other.
    const MOST: Assumptions = Assumptions {
        name: "most",
        dirty: Dirty::AllWritable,
        silent: Silent::Early,
        fault_around: FaultAround::Always,
        mapped_lists: MappedLists::All,
        unseen_pages: UnseenPages::All,
        unmapping: Unmapping::Early,
        touched: Touched::All,
        victim: Victim::Idle,
    };

    /// The extremes, between which an estimate is shown: all together, and alone those that do not move all counts the same
    /// way: who is in a mask decides between flushes of several CPUs and local ones, and when a page was unmapped between the
    /// calls that pay for it.
    pub const EXTREMES: [Assumptions; 5] = [
        Assumptions::FEWEST,
        Assumptions::MOST,
        Assumptions { name: "silent-early", silent: Silent::Early, ..Assumptions::ESTIMATE },
        Assumptions { name: "silent-late", silent: Silent::Late, ..Assumptions::ESTIMATE },
        Assumptions { name: "unmapped-late", unmapping: Unmapping::Late, ..Assumptions::ESTIMATE },
    ];
}

impl Default for Assumptions {
    fn default() -> Assumptions {
        Assumptions::ESTIMATE
    }
}
