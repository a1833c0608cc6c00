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
    /// Since its next event.
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

/// What CPUs hold that did not fault a page in; a recording has no accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Victim {
    /// Nothing.
    Idle,
    /// Whatever their page tables grant, as long as they run the process: they touch all pages all the time.
    Hot,
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
        victim: Victim::Idle,
    };

    /// The estimate with hot victims: the same flushes, other windows.
    pub const HOT: Assumptions = Assumptions { name: "hot", victim: Victim::Hot, ..Assumptions::ESTIMATE };

    /// The extremes.
    pub const EXTREMES: [Assumptions; 2] = [
        Assumptions {
            name: "fewest",
            dirty: Dirty::LastFault,
            silent: Silent::Late,
            fault_around: FaultAround::Never,
            mapped_lists: MappedLists::None,
            victim: Victim::Idle,
        },
        Assumptions {
            name: "most",
            dirty: Dirty::AllWritable,
            silent: Silent::Early,
            fault_around: FaultAround::Always,
            mapped_lists: MappedLists::All,
            victim: Victim::Idle,
        },
    ];
}

impl Default for Assumptions {
    fn default() -> Assumptions {
        Assumptions::ESTIMATE
    }
}
