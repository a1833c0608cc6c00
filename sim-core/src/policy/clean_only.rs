//! P1: the first patch of the v4.3 series defers clean PTEs only.

use crate::policy::{Policy, PolicyInfo};

/// A dirty PTE is flushed as soon as it is cleared; a clean one joins the batch. Stores through stale translations of clean
/// pages translate again, so only loads are left to go wrong.
#[derive(Debug)]
struct CleanOnly;

impl Policy for CleanOnly {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }

    fn defers_dirty(&self) -> bool {
        false
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "clean-only",
    aliases: &[],
    commit: "72b252aed506",
    kernels: "none: the first patch of the v4.3 series without the second",
    summary: "reclaim defers the flush of clean PTEs to the end of its batch, and flushes dirty ones at once",
    broadcast: false,
    strategy: &CleanOnly,
};
