//! The tracepoints that a recording wants.

/// One tracepoint: a row of [`TRACEPOINTS`].
#[derive(Clone, Copy, Debug)]
pub struct Tracepoint {
    /// `group:name`, as perf takes it.
    pub name: &'static str,
    /// Nothing can be replayed without it.
    pub needed: bool,
    /// What it tells.
    pub tells: &'static str,
}

impl Tracepoint {
    /// The name without its group, as ftrace prints it.
    pub fn short(&self) -> &'static str {
        self.name.split_once(':').map_or(self.name, |(_, short)| short)
    }
}

const fn needed(name: &'static str, tells: &'static str) -> Tracepoint {
    Tracepoint { name, needed: true, tells }
}

const fn useful(name: &'static str, tells: &'static str) -> Tracepoint {
    Tracepoint { name, needed: false, tells }
}

const CALL: &str = "what the program asks for, and where it is mapped";
const RECLAIM: &str = "what reclaim takes; kernels without it show less of reclaim";

/// In the order of the line that records them.
pub static TRACEPOINTS: [Tracepoint; 21] = [
    useful("tlb:tlb_flush", "what the kernel flushed, to hold predictions against"),
    needed("exceptions:page_fault_user", "which pages are used"),
    useful("sched:sched_switch", "which CPU runs which thread"),
    useful("sched:sched_process_exec", "when a process loads its program; what it was before is another address space"),
    useful("vmscan:mm_vmscan_reclaim_pages", "what MADV_PAGEOUT takes"),
    useful("vmscan:mm_vmscan_memcg_reclaim_begin", RECLAIM),
    useful("vmscan:mm_vmscan_memcg_reclaim_end", RECLAIM),
    useful("vmscan:mm_vmscan_direct_reclaim_begin", RECLAIM),
    useful("vmscan:mm_vmscan_direct_reclaim_end", RECLAIM),
    useful("vmscan:mm_vmscan_lru_shrink_inactive", RECLAIM),
    useful("vmscan:mm_vmscan_write_folio", "which pages reclaim writes"),
    needed("syscalls:sys_enter_mmap", CALL),
    needed("syscalls:sys_exit_mmap", CALL),
    needed("syscalls:sys_enter_munmap", CALL),
    needed("syscalls:sys_exit_munmap", CALL),
    needed("syscalls:sys_enter_mprotect", CALL),
    needed("syscalls:sys_exit_mprotect", CALL),
    needed("syscalls:sys_enter_madvise", CALL),
    needed("syscalls:sys_exit_madvise", CALL),
    needed("syscalls:sys_enter_mremap", CALL),
    needed("syscalls:sys_exit_mremap", CALL),
];
