//! P4': the x86 draft without a flag: an operation brings every CPU up to the TLB generation of the address space.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Words};

/// Whether anything is pending is each CPU's own business: deferring counted the generation up, and a CPU that is up to it
/// has nothing to flush. Every operation asks, so the interrupts are the price, not the flushes.
#[derive(Debug)]
struct GenerationCheck;

impl Policy for GenerationCheck {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }

    fn pending(&self, words: Words) -> bool {
        // It does not know, and asks every CPU.
        let _ = words;
        true
    }

    fn hook(&self, hook: Hook, pc: u8, _words: &mut Words, _local: &mut u32) -> HookStep {
        match (hook, pc) {
            (Hook::BeforeTrust, 0) => HookStep::CatchUp(1),
            _ => HookStep::Done,
        }
    }
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "generation-check",
    aliases: &[],
    commit: "draft of 2017-07-13",
    kernels: "none: x86 only, superseded by pending-flag",
    summary: "no flag: every operation at risk brings all CPUs of the address space up to its TLB generation",
    broadcast: false,
    strategy: &GenerationCheck,
};
