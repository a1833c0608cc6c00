//! P10': arm64 since v6.16: the pending check flushes the address space.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Words, pending_generation};

/// As arm64-dsb, with the generation pair of the generic code: an operation that finds a flush pending makes one of its own and
/// waits for it.
#[derive(Debug)]
struct Arm64Flush;

/// Past the steps of the generation pair.
const ISSUED: u8 = 4;

impl Policy for Arm64Flush {
    fn defer(&self, _remote_in_mask: bool) -> bool {
        true
    }

    fn issues_when_deferring(&self) -> bool {
        true
    }

    fn pending(&self, words: Words) -> bool {
        pending_generation::INFO.strategy.pending(words)
    }

    fn hook(&self, hook: Hook, pc: u8, words: &mut Words, local: &mut u32) -> HookStep {
        let pair = pending_generation::INFO.strategy;
        match (hook, pc) {
            // R4.5a, then R4.6a.
            (Hook::Deferred, 0) => HookStep::Broadcast(ISSUED),
            (Hook::Deferred, ISSUED) => pair.hook(hook, 0, words, local),
            _ => pair.hook(hook, pc, words, local),
        }
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "arm64-flush",
    aliases: &[],
    commit: "4b634918384c",
    kernels: "arm64, since v6.16",
    summary: "as arm64-dsb, but an operation that finds a flush pending flushes the address space",
    broadcast: true,
    strategy: &Arm64Flush,
};
