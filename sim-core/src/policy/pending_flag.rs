//! P5, *patched*: the flag of 3ea277194daa; and the same with one of its parts left out or moved.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Touch, Words};

/// Reclaim sets a flag in the address space after it cleared a PTE; an operation that finds it set flushes and clears it.
#[derive(Debug)]
pub(super) struct PendingFlag {
    /// R4.6a is made.
    pub(super) sets: bool,
    /// R4.6a comes before R4.4a: what the barrier in front of the store forbids.
    pub(super) sets_before_clear: bool,
    /// F4 comes before F2: what the barrier between the two forbids.
    pub(super) clears_before_flush: bool,
    /// F2 flushes the CPU that it runs on and no other.
    pub(super) flush_is_local: bool,
}

/// As it was merged.
pub(super) const MERGED: PendingFlag =
    PendingFlag { sets: true, sets_before_clear: false, clears_before_flush: false, flush_is_local: false };

impl PendingFlag {
    /// R4.6a. After the clear, never before it: the other order loses the flag to an F under another PTL (B3).
    fn set_at(&self) -> Hook {
        if self.sets_before_clear { Hook::BeforeClear } else { Hook::Deferred }
    }
}

impl Policy for PendingFlag {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }

    fn pending(&self, words: Words) -> bool {
        words.batched != 0
    }

    fn hook(&self, hook: Hook, pc: u8, words: &mut Words, _local: &mut u32) -> HookStep {
        match (hook, pc) {
            (at, 0) if self.sets && at == self.set_at() => {
                words.batched = 1;
                HookStep::Touched(Touch::Write, 1)
            }
            // F1.
            (Hook::BeforeTrust, 0) => HookStep::Touched(Touch::Read, if words.batched == 0 { 3 } else { 1 }),
            // F2, then F4, so that a second operation cannot pass between them. Not one step: this is what loses an update made
            // under another PTL (B2).
            (Hook::BeforeTrust, 1 | 2) if (pc == 1) == self.clears_before_flush => {
                words.batched = 0;
                HookStep::Touched(Touch::Write, pc + 1)
            }
            (Hook::BeforeTrust, 1 | 2) if self.flush_is_local => HookStep::FlushLocal(pc + 1),
            (Hook::BeforeTrust, 1 | 2) => HookStep::FlushMm(pc + 1),
            _ => HookStep::Done,
        }
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "pending-flag",
    aliases: &["patched"],
    commit: "3ea277194daa",
    kernels: "v4.13 to v5.16, and stable kernels it was backported to",
    summary: "reclaim sets a per-mm flag, and the first operation at risk that finds it set flushes the mm",
    broadcast: false,
    strategy: &MERGED,
};

const fn ablated(name: &'static str, summary: &'static str, strategy: &'static PendingFlag) -> PolicyInfo {
    PolicyInfo { name, aliases: &[], kernels: "none", summary, strategy, ..INFO }
}

/// What no kernel had: one part less.
pub(super) const ABLATED: [PolicyInfo; 3] = [
    ablated("pending-flag-unset", "pending-flag whose flag is never set", &PendingFlag { sets: false, ..MERGED }),
    ablated(
        "pending-flag-cleared-first",
        "pending-flag whose flag is cleared before the flush, not after",
        &PendingFlag { clears_before_flush: true, ..MERGED },
    ),
    ablated(
        "pending-flag-local",
        "pending-flag whose check flushes the CPU it runs on and no other",
        &PendingFlag { flush_is_local: true, ..MERGED },
    ),
];
