//! What it puts off, and who makes up for that. As it stands it does what `immediate` does.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Words};

/// Never defers, so nothing is ever pending.
#[derive(Debug)]
struct Template;

impl Policy for Template {
    /// R4.3: reclaim is about to clear a PTE and holds its PTL. `true` leaves the flush to the end of the batch, `false` makes it at
    /// once. `remote_in_mask`: some other CPU may have the translation.
    fn defer(&self, remote_in_mask: bool) -> bool {
        let _ = remote_in_mask;
        false
    }

    /// R4.4: the PTE turned out to be dirty. `false` flushes it at once, even if `defer` would have it wait: a store through a
    /// stale translation that is dirty asks the PTE no more.
    fn defers_dirty(&self) -> bool {
        true
    }

    /// Do the words say that some flush is owed? Nothing depends on it but a count: a pending check that flushes is held against it.
    fn pending(&self, words: Words) -> bool {
        let _ = words;
        false
    }

    /// At most one access to `words` a step, so that other CPUs can come in between; `HookStep` says how to go on, and `pc` is the
    /// number that the last step gave, 0 at first. `local` is a register of this execution of the hook.
    #[allow(clippy::match_same_arms, reason = "each hook has a place of its own, whatever it does there")]
    fn hook(&self, hook: Hook, pc: u8, words: &mut Words, local: &mut u32) -> HookStep {
        let _ = (words, local);
        match (hook, pc) {
            // R4.3: `defer` has said yes, the PTE is still there. What is set here can be found, and be cleared, too early.
            (Hook::BeforeClear, _) => HookStep::Done,
            // R4.6a: the PTE is cleared and its flush is owed: the place to tell others so.
            (Hook::Deferred, _) => HookStep::Done,
            // F: an operation is about to trust a PTE that it reads: the place to find out whether a flush is owed, and to make it.
            (Hook::BeforeTrust, _) => HookStep::Done,
            // M8, Z9, V5: an operation is about to return, and owes no flush of its own.
            (Hook::NothingOwed, _) => HookStep::Done,
        }
    }

    // The rest of the hooks have defaults that fit where flushes are interrupts: `read_out`, `issues_when_deferring`,
    // `defers_unmap`, `excuses`.
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "template",
    aliases: &[],
    commit: "none",
    kernels: "none",
    summary: "as immediate, so far",
    broadcast: false,
    strategy: &Template,
};
