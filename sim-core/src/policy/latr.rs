//! P14, LATR (ASPLOS'18, on Linux 4.10): munmap tells the other CPUs and does not wait for them.

use crate::nouns::marks::Class;
use crate::policy::{Policy, PolicyInfo};

/// Each CPU sweeps what the others have left for it at its next tick or context switch. A CPU whose ring of records is full falls back
/// to interrupts. What was unmapped, frames and addresses,
/// is held back until all have. Reclaim batches as Linux 4.10 does, with the race of that time; whatever takes rights away
/// or leaves the pages mapped flushes at once.
#[derive(Debug)]
struct Latr;

impl Policy for Latr {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }

    fn defers_unmap(&self) -> bool {
        true
    }

    fn excuses(&self, class: Class) -> bool {
        // A program that touches what it has unmapped is wrong by itself: the old content is all that it can reach.
        class == Class::Unmapped
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "latr",
    aliases: &[],
    commit: "Kumar et al., ASPLOS 2018",
    kernels: "none: a patched Linux 4.10",
    summary: "as batched; munmap leaves its flush to the next tick of each CPU, and holds frames and addresses back until then",
    broadcast: false,
    strategy: &Latr,
};
