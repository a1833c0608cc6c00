//! The cases, one row each, and the steps that a round of them has.

use workloads::recorded::Call;

/// `madvise(2)`.
const MADV_NOHUGEPAGE: u32 = 15;
const MADV_PAGEOUT: u32 = 21;
/// `mprotect(2)`.
const PROT_READ: u32 = 1;
const PROT_WRITE: u32 = 2;

/// A step of a round, on all pages of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Stores to every page.
    Write,
    /// Loads from every page.
    Read,
    /// `MADV_PAGEOUT`.
    Pageout,
    /// mprotect to read-only.
    Protect,
    /// mprotect to what it was.
    Unprotect,
    /// munmap.
    Unmap,
    /// mmap, and `MADV_NOHUGEPAGE`.
    Map,
}

impl Step {
    /// As `rounds.c` takes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Step::Write => "write",
            Step::Read => "read",
            Step::Pageout => "pageout",
            Step::Protect => "protect",
            Step::Unprotect => "unprotect",
            Step::Unmap => "unmap",
            Step::Map => "map",
        }
    }

    /// The system calls of it, by name.
    pub(crate) fn calls(self) -> &'static [&'static str] {
        match self {
            Step::Write | Step::Read => &[],
            Step::Pageout => &["MADV_PAGEOUT"],
            Step::Protect => &["mprotect R"],
            Step::Unprotect => &["mprotect RW"],
            Step::Unmap => &["munmap"],
            Step::Map => &["mmap", "MADV_NOHUGEPAGE"],
        }
    }
}

/// The name of a recorded call among [`Step::calls`], if it can be one of them.
pub(crate) fn name_of(call: &Call) -> Option<&'static str> {
    match *call {
        Call::Madvise { advice: MADV_PAGEOUT, .. } => Some("MADV_PAGEOUT"),
        Call::Madvise { advice: MADV_NOHUGEPAGE, .. } => Some("MADV_NOHUGEPAGE"),
        Call::Mprotect { protection: PROT_READ, .. } => Some("mprotect R"),
        Call::Mprotect { protection, .. } if protection == PROT_READ | PROT_WRITE => Some("mprotect RW"),
        Call::Munmap { .. } => Some("munmap"),
        Call::Mmap { .. } => Some("mmap"),
        _ => None,
    }
}

/// A kind of round.
#[derive(Debug)]
pub(crate) struct Case {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) summary: &'static str,
    /// A second thread spins on another CPU.
    pub(crate) spinner: bool,
    /// What a round does.
    pub(crate) steps: &'static [Step],
}

impl Case {
    /// The system calls of a round.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.steps.iter().flat_map(|step| step.calls()).copied().collect()
    }
}

/// The rounds of the embedded recordings.
pub(crate) static CASES: &[Case] = &[
    Case {
        name: "dirty-mprotect",
        summary: "pages that were written are evicted, then protected; a second thread spins",
        spinner: true,
        steps: &[Step::Write, Step::Pageout, Step::Protect, Step::Unprotect],
    },
    Case {
        name: "dirty-munmap",
        summary: "the same, but they are unmapped and mapped afresh",
        spinner: true,
        steps: &[Step::Write, Step::Pageout, Step::Unmap, Step::Map],
    },
    Case {
        name: "clean-mprotect",
        summary: "evicted once more after they were only read back from swap, then protected; a second thread spins",
        spinner: true,
        steps: &[Step::Write, Step::Pageout, Step::Read, Step::Pageout, Step::Protect, Step::Unprotect],
    },
    Case {
        name: "dirty-mprotect-1thread",
        summary: "as the first, without a second thread",
        spinner: false,
        steps: &[Step::Write, Step::Pageout, Step::Protect, Step::Unprotect],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_in_the_order_of_the_steps() {
        let calls = |name: &str| CASES.iter().find(|case| case.name == name).expect("a case").calls();
        assert_eq!(calls("dirty-mprotect"), ["MADV_PAGEOUT", "mprotect R", "mprotect RW"]);
        assert_eq!(calls("dirty-munmap"), ["MADV_PAGEOUT", "munmap", "mmap", "MADV_NOHUGEPAGE"]);
        assert_eq!(calls("clean-mprotect"), ["MADV_PAGEOUT", "MADV_PAGEOUT", "mprotect R", "mprotect RW"]);
    }
}
