//! P2, *unpatched*: reclaim defers to one flush per batch, and nobody else knows.

use crate::policy::{Policy, PolicyInfo};

/// Defers while another CPU uses the address space (`should_defer_flush`); operations do not look.
#[derive(Debug)]
struct Batched;

impl Policy for Batched {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "batched",
    aliases: &["unpatched"],
    commit: "d950c9477d51",
    kernels: "v4.3 to v4.12",
    summary: "reclaim defers the flush to the end of its batch; operations in between do not know",
    broadcast: false,
    strategy: &Batched,
};
