//! P11: x86 with broadcast invalidation (INVLPGB and TLBSYNC), v6.15.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Words, pending_generation};

/// The batch ends with one broadcast of everything and a wait for it, whoever is in the mask; operations check the generation
/// pair and broadcast for their address space.
#[derive(Debug)]
struct Invlpgb;

impl Policy for Invlpgb {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }

    fn pending(&self, words: Words) -> bool {
        pending_generation::INFO.strategy.pending(words)
    }

    fn hook(&self, hook: Hook, pc: u8, words: &mut Words, local: &mut u32) -> HookStep {
        pending_generation::INFO.strategy.hook(hook, pc, words, local)
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "invlpgb",
    aliases: &[],
    commit: "v6.15 (van Riel's INVLPGB series)",
    kernels: "since v6.15, on AMD processors that broadcast, for address spaces with a global ASID",
    summary: "pending-generation, with broadcast invalidations in place of interrupts",
    broadcast: true,
    strategy: &Invlpgb,
};
