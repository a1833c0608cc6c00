//! P4: the second draft of the fix sets the flag when it decides to defer, before it clears the PTE.

use crate::policy::PolicyInfo;
use crate::policy::pending_flag::{MERGED, PendingFlag};

/// As *patched*, with the two halves of R4 swapped: an operation under another PTL can find the flag set, flush and clear it
/// before the PTE is cleared, and whoever comes next finds nothing pending (B3).
const FLAG_BEFORE_CLEAR: PendingFlag = PendingFlag { sets_before_clear: true, ..MERGED };

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "flag-before-clear",
    aliases: &[],
    commit: "draft of 2017-07-12",
    kernels: "none: dropped in review",
    summary: "as pending-flag, but the flag is set before the PTE is cleared",
    broadcast: false,
    strategy: &FLAG_BEFORE_CLEAR,
};
