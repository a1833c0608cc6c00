//! Every part of the patch, and what is expected without it.

use sim_core::oracle::Class;

use super::{Ablation, Case};
use Class::{Data, Permission, Unmapped};

const fn race(class: Class, scenes: &'static [&'static str], why: &'static str) -> Case {
    Case { scenes, class: Some(class), why }
}

const fn none(scenes: &'static [&'static str], why: &'static str) -> Case {
    Case { scenes, class: None, why }
}

const LOST: &str = "B2: the flag that one page table's lock guards is cleared under another's";
const ANYHOW: &str = "the rule of v4.13 flushes the old place at the end, owed or not";
const CHECKED: &str = "the operation flushes what it finds pending";
const OTHER: &str = "another call site is missing; this operation makes its own check";
const MISSING: &str = "the operation finds no PTE and a flush pending, and does not ask";
const ONE_LOCK: &str = "one PTL: nobody can come between the two";
const OWN_CLEAR: &str = "the flag is that of the page itself, set after the clear and under its PTL";
const OTHERS_WAIT: &str = "mmap_lock for write: the second operation waits until the first has flushed";
const UNTOLD: &str = "the check finds nothing, as before the patch";
const OUTSIDE: &str = "reclaim clears the PTE between the check and the lock";
const LOCAL: &str = "the translation is another CPU's";
const FIRST: &str = "the first to check flushes itself and clears the flag for the second";

/// The whole table, in order of the patch. The first row is the patch itself.
pub static ABLATIONS: &[Ablation] = &[
    Ablation {
        name: "patch",
        line: "all of it",
        removes: "nothing is removed",
        policy: "pending-flag",
        off: None,
        cases: &[
            none(&["mprotect", "munmap", "dontneed", "free", "mremap-v4.19"], CHECKED),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
            race(Permission, &["mprotect-two-tables"], LOST),
            race(Unmapped, &["munmap-two-tables"], LOST),
            race(Data, &["dontneed-two-tables", "free-two-tables"], LOST),
            race(Unmapped, &["mremap-v4.19-two-tables"], LOST),
            none(&["early-flag", "early-flag-two-tables"], OWN_CLEAR),
            none(&["parallel-mprotect", "parallel-mprotect-two-tables"], CHECKED),
            none(&["parallel-dontneed", "parallel-dontneed-two-tables", "parallel-dontneed-counted"], CHECKED),
            none(&["parallel-free", "parallel-free-two-tables"], CHECKED),
        ],
    },
    Ablation {
        name: "no-check-in-free",
        line: "madvise_free_pte_range(): flush_tlb_batched_pending()",
        removes: "MADV_FREE makes no pending check",
        policy: "pending-flag",
        off: Some("check_in_free"),
        cases: &[
            race(Data, &["free", "free-two-tables", "parallel-free", "parallel-free-two-tables"], MISSING),
            none(&["mprotect", "munmap", "dontneed", "mremap-v4.19"], OTHER),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
            race(Permission, &["mprotect-two-tables"], LOST),
            race(Unmapped, &["munmap-two-tables", "mremap-v4.19-two-tables"], LOST),
            race(Data, &["dontneed-two-tables"], LOST),
            none(&["early-flag", "early-flag-two-tables"], OTHER),
            none(&["parallel-mprotect", "parallel-mprotect-two-tables"], OTHER),
            none(&["parallel-dontneed", "parallel-dontneed-two-tables", "parallel-dontneed-counted"], OTHER),
        ],
    },
    Ablation {
        name: "no-check-in-zap",
        line: "zap_pte_range(): flush_tlb_batched_pending()",
        removes: "munmap and MADV_DONTNEED make no pending check",
        policy: "pending-flag",
        off: Some("check_in_zap"),
        cases: &[
            race(Unmapped, &["munmap", "munmap-two-tables"], MISSING),
            race(Data, &["dontneed", "dontneed-two-tables"], MISSING),
            race(Data, &["parallel-dontneed", "parallel-dontneed-two-tables", "parallel-dontneed-counted"], MISSING),
            none(&["mprotect", "free", "mremap-v4.19"], OTHER),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
            none(
                &["mremap-v4.19-two-tables"],
                "the munmap in front of mremap no longer clears the flag, so mremap finds it",
            ),
            race(Permission, &["mprotect-two-tables"], LOST),
            race(Data, &["free-two-tables"], LOST),
            none(&["early-flag", "early-flag-two-tables"], OTHER),
            none(&["parallel-mprotect", "parallel-mprotect-two-tables"], OTHER),
            none(&["parallel-free", "parallel-free-two-tables"], OTHER),
        ],
    },
    Ablation {
        name: "no-check-in-mprotect",
        line: "change_pte_range(): flush_tlb_batched_pending()",
        removes: "mprotect makes no pending check",
        policy: "pending-flag",
        off: Some("check_in_mprotect"),
        cases: &[
            race(Permission, &["mprotect", "mprotect-two-tables", "early-flag", "early-flag-two-tables"], MISSING),
            race(Permission, &["parallel-mprotect", "parallel-mprotect-two-tables"], MISSING),
            none(&["munmap", "dontneed", "free", "mremap-v4.19"], OTHER),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
            race(Unmapped, &["munmap-two-tables", "mremap-v4.19-two-tables"], LOST),
            race(Data, &["dontneed-two-tables", "free-two-tables"], LOST),
            none(&["parallel-dontneed", "parallel-dontneed-two-tables", "parallel-dontneed-counted"], OTHER),
            none(&["parallel-free", "parallel-free-two-tables"], OTHER),
        ],
    },
    Ablation {
        name: "no-check-in-mremap",
        line: "move_ptes(): flush_tlb_batched_pending()",
        removes: "mremap makes no pending check",
        policy: "pending-flag",
        off: Some("check_in_mremap"),
        cases: &[
            race(Unmapped, &["mremap-v4.19", "mremap-v4.19-two-tables"], MISSING),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
            none(&["mprotect", "munmap", "dontneed", "free"], OTHER),
            race(Permission, &["mprotect-two-tables"], LOST),
            race(Unmapped, &["munmap-two-tables"], LOST),
            race(Data, &["dontneed-two-tables", "free-two-tables"], LOST),
            none(&["early-flag", "early-flag-two-tables"], OTHER),
            none(&["parallel-mprotect", "parallel-mprotect-two-tables"], OTHER),
            none(&["parallel-dontneed", "parallel-dontneed-two-tables", "parallel-dontneed-counted"], OTHER),
            none(&["parallel-free", "parallel-free-two-tables"], OTHER),
        ],
    },
    Ablation {
        name: "flag-never-set",
        line: "set_tlb_ubc_flush_pending(): mm->tlb_flush_batched = true",
        removes: "reclaim tells nobody that a flush is pending",
        policy: "pending-flag-unset",
        off: None,
        cases: &[
            race(Permission, &["mprotect", "mprotect-two-tables", "early-flag", "early-flag-two-tables"], UNTOLD),
            race(Permission, &["parallel-mprotect", "parallel-mprotect-two-tables"], UNTOLD),
            race(Unmapped, &["munmap", "munmap-two-tables", "mremap-v4.19", "mremap-v4.19-two-tables"], UNTOLD),
            race(Data, &["dontneed", "dontneed-two-tables", "free", "free-two-tables"], UNTOLD),
            race(Data, &["parallel-dontneed", "parallel-dontneed-two-tables", "parallel-dontneed-counted"], UNTOLD),
            race(Data, &["parallel-free", "parallel-free-two-tables"], UNTOLD),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
        ],
    },
    Ablation {
        name: "flag-set-before-clear",
        line: "set_tlb_ubc_flush_pending(): barrier() in front of the store",
        removes: "barrier 1: the flag is set before the PTE is cleared, R4.6a before R4.4a",
        policy: "flag-before-clear",
        off: None,
        cases: &[
            race(
                Permission,
                &["early-flag-two-tables"],
                "B3: a check under the other PTL flushes and clears the flag before the PTE is cleared",
            ),
            none(&["early-flag"], ONE_LOCK),
            none(&["mprotect", "munmap", "dontneed", "free", "mremap-v4.19"], ONE_LOCK),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
            race(Permission, &["mprotect-two-tables"], LOST),
            race(Unmapped, &["munmap-two-tables", "mremap-v4.19-two-tables"], LOST),
            race(Data, &["dontneed-two-tables", "free-two-tables"], LOST),
            none(&["parallel-mprotect", "parallel-dontneed", "parallel-free"], ONE_LOCK),
            none(
                &["parallel-mprotect-two-tables", "parallel-dontneed-two-tables", "parallel-free-two-tables"],
                "no translation is filled again between the early flush and the clear",
            ),
            none(
                &["parallel-dontneed-counted"],
                "no translation is filled again between the early flush and the clear",
            ),
        ],
    },
    Ablation {
        name: "flag-cleared-before-flush",
        line: "flush_tlb_batched_pending(): barrier() between the flush and the store",
        removes: "barrier 2: the flag is cleared before the flush, F4 before F2",
        policy: "pending-flag-cleared-first",
        off: None,
        cases: &[
            race(
                Data,
                &["parallel-dontneed-two-tables", "parallel-free-two-tables"],
                "the second operation passes between",
            ),
            none(&["parallel-dontneed", "parallel-free"], "one PTL: it is held from the check to the end of the flush"),
            none(&["parallel-dontneed-counted"], "the second finds the first at work, and flushes for it"),
            none(&["parallel-mprotect", "parallel-mprotect-two-tables"], OTHERS_WAIT),
            none(
                &["mprotect", "munmap", "dontneed", "free", "mremap-v4.19"],
                "one operation: it flushes before it goes on",
            ),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
            none(
                &["mprotect-two-tables", "munmap-two-tables", "dontneed-two-tables", "free-two-tables"],
                "one operation at a time, and B2 is gone: a flag set during the flush stays",
            ),
            none(
                &["mremap-v4.19-two-tables"],
                "one operation at a time, and B2 is gone: a flag set during the flush stays",
            ),
            none(&["early-flag", "early-flag-two-tables"], OWN_CLEAR),
        ],
    },
    Ablation {
        name: "check-before-ptl",
        line: "each call site: after pte_offset_map_lock()",
        removes: "the check is made before the PTL is taken",
        policy: "pending-flag",
        off: Some("check_under_ptl"),
        cases: &[
            race(Permission, &["mprotect", "mprotect-two-tables", "early-flag", "early-flag-two-tables"], OUTSIDE),
            race(Permission, &["parallel-mprotect", "parallel-mprotect-two-tables"], OUTSIDE),
            race(Unmapped, &["munmap", "munmap-two-tables", "mremap-v4.19", "mremap-v4.19-two-tables"], OUTSIDE),
            race(Data, &["dontneed", "dontneed-two-tables", "free", "free-two-tables"], OUTSIDE),
            race(Data, &["parallel-dontneed", "parallel-dontneed-two-tables", "parallel-dontneed-counted"], OUTSIDE),
            race(Data, &["parallel-free", "parallel-free-two-tables"], OUTSIDE),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
        ],
    },
    Ablation {
        name: "flush-is-local",
        line: "flush_tlb_batched_pending(): flush_tlb_mm(mm)",
        removes: "the check flushes the CPU it runs on and no other",
        policy: "pending-flag-local",
        off: None,
        cases: &[
            race(Permission, &["mprotect", "mprotect-two-tables", "early-flag", "early-flag-two-tables"], LOCAL),
            race(Permission, &["parallel-mprotect", "parallel-mprotect-two-tables"], FIRST),
            race(Unmapped, &["munmap", "munmap-two-tables", "mremap-v4.19", "mremap-v4.19-two-tables"], LOCAL),
            race(Data, &["dontneed", "dontneed-two-tables", "free", "free-two-tables"], LOCAL),
            race(Data, &["parallel-dontneed", "parallel-dontneed-two-tables", "parallel-dontneed-counted"], FIRST),
            race(Data, &["parallel-free", "parallel-free-two-tables"], FIRST),
            none(&["mremap-v4.13", "mremap-v4.13-two-tables"], ANYHOW),
        ],
    },
];
