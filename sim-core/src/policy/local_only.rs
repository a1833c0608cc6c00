//! P3: the first draft of the fix, of July 2017: an operation that changed nothing flushes its own CPU.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Words};

/// Batches as *unpatched* does; an operation that owes no flush makes one on the CPU it runs on. Other CPUs keep theirs (B4).
#[derive(Debug)]
struct LocalOnly;

impl Policy for LocalOnly {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }

    fn hook(&self, hook: Hook, pc: u8, _words: &mut Words, _local: &mut u32) -> HookStep {
        match (hook, pc) {
            (Hook::NothingOwed, 0) => HookStep::FlushLocal(1),
            _ => HookStep::Done,
        }
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "local-only",
    aliases: &[],
    commit: "draft of 2017-07-11",
    kernels: "none: dropped in review",
    summary: "as batched; an operation that would return without a flush flushes the CPU it runs on",
    broadcast: false,
    strategy: &LocalOnly,
};
