//! P0: every PTE that reclaim clears is flushed on the spot, under its PTL.

use crate::policy::{Policy, PolicyInfo};

/// Never defers, so nothing is ever pending.
#[derive(Debug)]
struct Immediate;

impl Policy for Immediate {
    fn defer(&self, _remote_in_mask: bool) -> bool {
        false
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "immediate",
    aliases: &["unbatched"],
    commit: "72b252aed506^",
    kernels: "before v4.3; later also kernels without CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH",
    summary: "reclaim flushes each page as it clears the PTE, before it drops the PTL",
    broadcast: false,
    strategy: &Immediate,
};
