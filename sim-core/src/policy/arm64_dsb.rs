//! P10: batched unmapping on arm64, v6.6 to v6.15: the invalidation is issued at once and waited for at the end of the batch.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Words};

/// Each deferred clear issues a broadcast TLBI; the batch ends with a DSB, and so does the pending check. But a DSB waits for the
/// invalidations of the CPU that makes it, and those of reclaim are another's (B7).
#[derive(Debug)]
struct Arm64Dsb;

impl Policy for Arm64Dsb {
    fn defer(&self, _remote_in_mask: bool) -> bool {
        // There is no mask to look at: everybody hears a broadcast.
        true
    }

    fn issues_when_deferring(&self) -> bool {
        true
    }

    fn hook(&self, hook: Hook, pc: u8, _words: &mut Words, _local: &mut u32) -> HookStep {
        match (hook, pc) {
            (Hook::Deferred, 0) => HookStep::Broadcast(1),
            (Hook::BeforeTrust, 0) => HookStep::Sync(1),
            _ => HookStep::Done,
        }
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "arm64-dsb",
    aliases: &[],
    commit: "43b3dfdd0455",
    kernels: "arm64, v6.6 to v6.15",
    summary: "each clear issues a broadcast invalidation; the batch and the pending check wait for those of their own CPU",
    broadcast: true,
    strategy: &Arm64Dsb,
};
