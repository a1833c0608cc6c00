//! P6: the generation pair of 5ee2fa2f0636, which replaced the flag.

use crate::policy::{Hook, HookStep, Policy, PolicyInfo, Touch, Words};

/// Where the flushed half starts (`TLB_FLUSH_BATCH_FLUSHED_SHIFT`).
const FLUSHED_SHIFT: u32 = 16;
/// Width of each half (`TLB_FLUSH_BATCH_PENDING_MASK`).
const MASK: u32 = 0x7fff;
/// Beyond this many pending the pair is restarted, so that pending can never catch up with flushed from behind
/// (`TLB_FLUSH_BATCH_PENDING_LARGE`).
const LARGE: u32 = MASK / 2;

/// Reclaim counts up a pending generation; an operation flushes if it differs from the flushed one, and records what it
/// read before the flush, unless a producer slipped in.
#[derive(Debug)]
struct PendingGeneration {
    /// [`LARGE`], or less to see what it is for.
    large: u32,
    /// The consumer records what it flushed by a compare-and-exchange. Off: by a store, which loses what a producer added meanwhile.
    exchanges: bool,
}

impl Policy for PendingGeneration {
    fn defer(&self, remote_in_mask: bool) -> bool {
        remote_in_mask
    }

    fn pending(&self, words: Words) -> bool {
        words.batched & MASK != words.batched >> FLUSHED_SHIFT
    }

    fn read_out(&self, words: Words) -> String {
        format!("pending {} flushed {}", words.batched & MASK, words.batched >> FLUSHED_SHIFT)
    }

    fn hook(&self, hook: Hook, pc: u8, words: &mut Words, local: &mut u32) -> HookStep {
        match (hook, pc) {
            (Hook::Deferred, 0) => {
                *local = words.batched;
                HookStep::Touched(Touch::Read, 1)
            }
            (Hook::Deferred, 1) if *local & MASK > self.large => {
                // A failed exchange means somebody else restarted or flushed: read again.
                let won = words.batched == *local;
                if won {
                    words.batched = 1;
                }
                *local = words.batched;
                HookStep::Touched(Touch::Atomic, if won { 2 } else { 1 })
            }
            (Hook::Deferred, 1) => {
                words.batched += 1;
                HookStep::Touched(Touch::Atomic, 2)
            }
            (Hook::BeforeTrust, 0) => {
                *local = words.batched;
                let pending = *local & MASK;
                let flushed = *local >> FLUSHED_SHIFT;
                HookStep::Touched(Touch::Read, if pending == flushed { 3 } else { 1 })
            }
            (Hook::BeforeTrust, 1) => HookStep::FlushMm(2),
            (Hook::BeforeTrust, 2) => {
                // If a producer counted up meanwhile the exchange fails and the next operation flushes again.
                if !self.exchanges || words.batched == *local {
                    let pending = *local & MASK;
                    words.batched = pending | pending << FLUSHED_SHIFT;
                }
                HookStep::Touched(Touch::Atomic, 3)
            }
            _ => HookStep::Done,
        }
    }
}

/// The same with the restart after 1, 2 or 3 pending flushes, for explorations: none of another number.
pub(super) fn restarting_after(large: u32) -> Option<&'static dyn Policy> {
    const fn scaled(large: u32) -> PendingGeneration {
        PendingGeneration { large, exchanges: true }
    }
    static SCALED: [PendingGeneration; 3] = [scaled(1), scaled(2), scaled(3)];
    let scaled = SCALED.iter().find(|policy| policy.large == large)?;
    Some(scaled)
}

pub(super) const INFO: PolicyInfo = PolicyInfo {
    name: "pending-generation",
    aliases: &[],
    commit: "5ee2fa2f0636",
    kernels: "since v5.17",
    summary: "as pending-flag, with a pending and a flushed generation in one atomic word in place of the flag",
    broadcast: false,
    strategy: &PendingGeneration { large: LARGE, exchanges: true },
};

/// What no kernel had: the flushed half is stored, not exchanged.
pub(super) const STORED: PolicyInfo = PolicyInfo {
    name: "pending-generation-stored",
    commit: "5ee2fa2f0636, mutated",
    kernels: "none",
    summary: "pending-generation whose check stores what it flushed and does not compare",
    strategy: &PendingGeneration { large: LARGE, exchanges: false },
    ..INFO
};
