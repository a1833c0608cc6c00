//! The guided tour: the seed's race, its patch, the price of the patch, and the race the patch has left.

use sim_core::drive::clock::log::{Entry, Happened};
use sim_core::nouns::types::Cpu;
use sim_core::policy::Touch;
use sim_core::step::frame::{Act, Path};
use sim_core::world::Cause;

/// A stop.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// What it is about.
    pub title: &'static str,
    /// Two sentences, true of the state shown.
    pub sentences: [&'static str; 2],
    /// A scenario of the catalogue.
    pub file: &'static str,
    /// The policy it runs under.
    pub policy: &'static str,
    /// The order of moves is that of a violation under this policy; none: each CPU goes on until it is done, the lowest first.
    pub order_of: Option<&'static str>,
    /// It stops right after this; none: at the end.
    pub at: Option<fn(&Entry) -> bool>,
}

/// All stops.
pub const STOPS: &[Stop] = &[
    Stop {
        title: "A store, and a translation that allows it",
        sentences: [
            "CPU1 has written page x, so its TLB now holds a translation of x that allows stores (W) and has been stored through (D).",
            "CPU0 is inside reclaim with the page-table lock (ptl) held, and about to clear the entry of x in the page table.",
        ],
        file: "B01-mprotect-ro",
        policy: "batched",
        order_of: Some("batched"),
        at: Some(|entry| matches!(entry.what, Happened::Act(Act::Use { .. }, _)) && entry.cpu == Cpu(1)),
    },
    Stop {
        title: "Reclaim clears the entry and puts the flush off",
        sentences: [
            "The page-table entry of x is gone, but nobody has told CPU1, whose TLB still holds the old translation.",
            "Reclaim has only noted that a flush is due (~): one flush for a whole batch of pages is cheaper than one for each.",
        ],
        file: "B01-mprotect-ro",
        policy: "batched",
        order_of: Some("batched"),
        at: Some(|entry| matches!(entry.what, Happened::Act(Act::Deferred { .. }, _))),
    },
    Stop {
        title: "mprotect finds nothing to flush",
        sentences: [
            "The ptl is free again, and CPU2 has taken it to make x read-only: it finds an entry that is not present.",
            "What is not present cannot be cached, it concludes, so it owes no flush; but CPU1 does cache it.",
        ],
        file: "B01-mprotect-ro",
        policy: "batched",
        order_of: Some("batched"),
        at: Some(|entry| {
            matches!(entry.what, Happened::Act(Act::PteRead(_), at) if at.path == Path::Mprotect) && entry.cpu == Cpu(2)
        }),
    },
    Stop {
        title: "The race",
        sentences: [
            "mprotect() has returned, which promised that a store to x would fault; the window is open as long as CPU1's translation is there.",
            "CPU1 has just written x through it: this is the race of commit 3ea277194daa, found by trying every interleaving.",
        ],
        file: "B01-mprotect-ro",
        policy: "batched",
        order_of: Some("batched"),
        at: None,
    },
    Stop {
        title: "The patch: reclaim leaves a flag",
        sentences: [
            "The same moves under the patch (pending-flag, v4.13): reclaim now sets tlb_flush_batched in the address space while it still holds the ptl.",
            "So whoever takes the ptl after it can see that a flush is pending, and the entry of x is already gone.",
        ],
        file: "B01-mprotect-ro",
        policy: "pending-flag",
        order_of: Some("batched"),
        at: Some(
            |entry| matches!(entry.what, Happened::Act(Act::Words { touch: Touch::Write, .. }, at) if at.path == Path::Unmap),
        ),
    },
    Stop {
        title: "The first operation at risk pays",
        sentences: [
            "CPU2 has found the flag set under the ptl and begins a flush of its own before it trusts what the page table says.",
            "This one is needed: CPU1 holds a translation of x that grants more than the entry does.",
        ],
        file: "B01-mprotect-ro",
        policy: "pending-flag",
        order_of: Some("batched"),
        at: Some(pending_check_flushes),
    },
    Stop {
        title: "The price: a flush for nothing",
        sentences: [
            "Here each CPU has run to its end in turn: reclaim has flushed its batch long before mprotect came, but nobody has cleared the flag.",
            "So mprotect has paid for a flush that no translation needed (needless), and there was no violation to prevent.",
        ],
        file: "B01-mprotect-ro",
        policy: "pending-flag",
        order_of: None,
        at: None,
    },
    Stop {
        title: "What the patch has left: two page tables, two locks",
        sentences: [
            "Pages a and b are under different page tables, so the locks that guard the one flag are different, too.",
            "CPU2's flush for a began before reclaim cleared b; now CPU2 clears the flag that reclaim has set for b meanwhile.",
        ],
        file: "B02-flag-lost-mprotect",
        policy: "pending-flag",
        order_of: Some("pending-flag"),
        at: Some(
            |entry| matches!(entry.what, Happened::Act(Act::Words { touch: Touch::Write, .. }, at) if at.path == Path::Mprotect),
        ),
    },
    Stop {
        title: "The race is back",
        sentences: [
            "mprotect has found no flag for b and has not flushed, and CPU1 has written b after the promise.",
            "It takes two page tables; with one, the explorer finds that no interleaving breaks a promise.",
        ],
        file: "B02-flag-lost-mprotect",
        policy: "pending-flag",
        order_of: Some("pending-flag"),
        at: None,
    },
    Stop {
        title: "The later fix: count instead of flag",
        sentences: [
            "The same moves under the pair of generations (5ee2fa2f0636, v5.17): what was put off after a flush began is not taken for flushed.",
            "mprotect has flushed for b, too, and CPU1's store has found no stale translation: no promise was broken.",
        ],
        file: "B02-flag-lost-mprotect",
        policy: "pending-generation",
        order_of: Some("pending-flag"),
        at: None,
    },
];

fn pending_check_flushes(entry: &Entry) -> bool {
    matches!(entry.what, Happened::Act(Act::FlushBegin { request, .. }, _) if request.cause == Cause::PendingCheck)
}
