//! P5, *patched*: the flag of 3ea277194daa.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Touch, Words};

/// Reclaim sets a flag in the address space after it cleared a PTE; an operation that finds it set flushes and clears it.
#[derive(Debug)]
struct PendingFlag;

impl Policy for PendingFlag {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }

    fn pending(&self, words: Words) -> bool {
        words.batched != 0
    }

    fn hook(&self, hook: Hook, pc: u8, words: &mut Words, _local: &mut u32) -> HookStep {
        match (hook, pc) {
            // R4.6a. After the clear, never before it: the other order loses the flag to an F under another PTL (B3).
            (Hook::Deferred, 0) => {
                words.batched = 1;
                HookStep::Touched(Touch::Write, 1)
            }
            // F1, F2. The flush comes before the clear, so that a second operation cannot pass between them.
            (Hook::BeforeTrust, 0) => HookStep::Touched(Touch::Read, if words.batched == 0 { 3 } else { 1 }),
            (Hook::BeforeTrust, 1) => HookStep::FlushMm(2),
            // F4. Not atomic with the flush: this is what loses an update made under another PTL (B2).
            (Hook::BeforeTrust, 2) => {
                words.batched = 0;
                HookStep::Touched(Touch::Write, 3)
            }
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
    strategy: &PendingFlag,
};
