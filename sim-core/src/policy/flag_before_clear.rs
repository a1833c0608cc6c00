//! P4: the second draft of the fix sets the flag when it decides to defer, before it clears the PTE.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Touch, Words};

/// As *patched*, with the two halves of R4 swapped: an operation under another PTL can find the flag set, flush and clear it
/// before the PTE is cleared, and whoever comes next finds nothing pending (B3).
#[derive(Debug)]
struct FlagBeforeClear;

impl Policy for FlagBeforeClear {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }

    fn pending(&self, words: Words) -> bool {
        words.batched != 0
    }

    fn hook(&self, hook: Hook, pc: u8, words: &mut Words, _local: &mut u32) -> HookStep {
        match (hook, pc) {
            (Hook::BeforeClear, 0) => {
                words.batched = 1;
                HookStep::Touched(Touch::Write, 1)
            }
            (Hook::BeforeTrust, 0) => HookStep::Touched(Touch::Read, if words.batched == 0 { 3 } else { 1 }),
            (Hook::BeforeTrust, 1) => HookStep::FlushMm(2),
            (Hook::BeforeTrust, 2) => {
                words.batched = 0;
                HookStep::Touched(Touch::Write, 3)
            }
            _ => HookStep::Done,
        }
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "flag-before-clear",
    aliases: &[],
    commit: "draft of 2017-07-12",
    kernels: "none: dropped in review",
    summary: "as pending-flag, but the flag is set before the PTE is cleared",
    broadcast: false,
    strategy: &FlagBeforeClear,
};
