//! The era: what the kernel around the policy does.

/// How a shootdown reaches other CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// Flush locally, then interrupt the others and wait (before v5.13).
    IpiSerial,
    /// Interrupt the others, flush locally meanwhile, then wait (since v5.13, 4ce94eabac16).
    IpiConcurrent,
    /// Issue a broadcast invalidation, then wait until every CPU has done it (TLBI and DSB, INVLPGB and TLBSYNC).
    Broadcast,
}

/// What keeps the modelled kernel right, whatever the era: each can be taken away, to see what it protects from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protections {
    /// Reclaim flushes its batch (R7) before it frees frames (R8), not after.
    pub flush_before_free: bool,
    /// Reclaim flushes before it writes a folio if the batch holds a PTE that was dirty (R5.2).
    pub flush_before_io: bool,
    /// An operation counts itself out of `tlb_flush_pending` after its flush, not before.
    pub pending_until_flushed: bool,
    /// `tlb_flush_pending` counts who has not flushed yet (v4.13, 16af97dc5a89); before it was a flag, which the first to be done
    /// cleared for all.
    pub flush_pending_counts: bool,
    /// A PTE that is `PROT_NONE` counts as accessible while a flush is pending in the address space (`pte_accessible()`; v4.13,
    /// 20841405940e): whoever took its rights away may not have flushed yet.
    pub accessible_checks_pending: bool,
    /// gup-fast reads the PTE again when it has a reference, and gives that up if the PTE has changed (v2.6.27, 8174c430e445).
    pub gup_rechecks_pte: bool,
    /// munmap flushes for the memory of drivers before it unlinks the VMA, by which drivers go (v5.19, b67fbebd4cf9).
    pub pfnmap_flushes_before_unlink: bool,
    /// Migration flushes its batch before it copies (v6.3, 7e12beb8ca2a), not when it lets go of the old page.
    pub flush_before_copy: bool,
    /// fork flushes the parent even if it has write-protected nothing (K4).
    pub fork_flushes_always: bool,
    /// A walker that let go of a PTL makes the pending check again when it has retaken it (v6.16, 383c4613c67c).
    pub recheck_after_relock: bool,
    /// Reclaim that is entered again, for memory that swapping out needs, adds to the batch and does not start one
    /// (v4.8, by removing `init_tlb_ubc()`).
    pub nested_reclaim_keeps_batch: bool,
    /// munmap and `MADV_DONTNEED` flush dirty file pages before they let go of the PTL (Z6).
    pub flush_dirty_under_ptl: bool,
    /// Reclaim holds its isolate references until it has flushed (R9 after R7).
    pub isolate_until_flushed: bool,
    /// KSM flushes for a PTE that is read-only and clean if a flush is pending in the address space (v4.13, b3a81d0841a9).
    pub ksm_checks_pending: bool,
    /// KSM leaves a page alone that has more references than it knows of, once it has flushed for its PTE.
    pub ksm_checks_references: bool,
    /// `mincore` says of a page without a PTE that it is resident if it is in the page cache or the swap cache (`mincore_page()`).
    pub mincore_asks_caches: bool,
    /// A pass of soft-dirty tracking counts itself in `tlb_flush_pending` (v4.13, b3a81d0841a9).
    pub soft_dirty_counts: bool,
    /// A store that has to copy a page of its own flushes for it first if a flush is pending in the address space (v5.12,
    /// 6ce64428d620, for pages that userfaultfd watches; here for all).
    pub wp_fault_checks_pending: bool,
    /// munmap, `MADV_DONTNEED` and truncation make the pending check in `zap_pte_range()` (3ea277194daa).
    pub check_in_zap: bool,
    /// `MADV_FREE` makes it in `madvise_free_pte_range()` (3ea277194daa).
    pub check_in_free: bool,
    /// mprotect and NUMA balancing make it in `change_pte_range()` (3ea277194daa).
    pub check_in_mprotect: bool,
    /// mremap makes it in `move_ptes()`, where it holds both PTLs (3ea277194daa).
    pub check_in_mremap: bool,
    /// These four make it after they have taken the PTL, not before.
    pub check_under_ptl: bool,
    /// The initiator of a shootdown flushes its own CPU if that is concerned (X4).
    pub flushes_own_cpu: bool,
    /// A shootdown interrupts every CPU of the mask, the last one too (X6).
    pub mask_complete: bool,
    /// The initiator of a broadcast invalidation waits until every CPU has done it (DSB, TLBSYNC).
    pub waits_for_broadcasts: bool,
    /// The target of an interrupt releases the initiator's entry after it has flushed (`csd_unlock()` of a synchronous call), not
    /// before: then the request it reads may be the initiator's next one.
    pub acks_after_flush: bool,
    /// Whoever the flush of a batch reaches makes it, though it names no generation (8f1d56f64f8d); with aa44284960d5 alone the
    /// missing one passed for a generation that every CPU had.
    pub batch_always_flushes: bool,
    /// Each task puts flushes off in a batch of its own (`current->tlb_ubc`).
    pub batch_per_task: bool,
    /// An initiator takes interrupts while it waits for the others, who may be waiting for it.
    pub irqs_on_while_waiting: bool,
    /// Where munmap leaves its flush to other CPUs, frames are freed when all have made it (LATR).
    pub frames_held_until_swept: bool,
    /// And nothing is mapped at those addresses before.
    pub addresses_held_until_swept: bool,
}

impl Protections {
    /// All in place.
    pub const ALL: Protections = Protections {
        flush_before_free: true,
        flush_before_io: true,
        pending_until_flushed: true,
        flush_pending_counts: true,
        accessible_checks_pending: true,
        gup_rechecks_pte: true,
        pfnmap_flushes_before_unlink: true,
        flush_before_copy: true,
        fork_flushes_always: true,
        recheck_after_relock: true,
        nested_reclaim_keeps_batch: true,
        flush_dirty_under_ptl: true,
        isolate_until_flushed: true,
        ksm_checks_pending: true,
        ksm_checks_references: true,
        mincore_asks_caches: true,
        soft_dirty_counts: true,
        wp_fault_checks_pending: true,
        check_in_zap: true,
        check_in_free: true,
        check_in_mprotect: true,
        check_in_mremap: true,
        check_under_ptl: true,
        flushes_own_cpu: true,
        mask_complete: true,
        waits_for_broadcasts: true,
        acks_after_flush: true,
        batch_always_flushes: true,
        batch_per_task: true,
        irqs_on_while_waiting: true,
        frames_held_until_swept: true,
        addresses_held_until_swept: true,
    };
}

/// The rules of the surrounding kernel. A policy row names a default; a recording keeps its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Era {
    /// The name on the command line: the release it is taken from.
    pub name: &'static str,
    /// How an invalidation reaches the others.
    pub mechanism: Mechanism,
    /// mprotect flushes the span of PTEs whose rights changed (v5.19, 4a18419f71cd), not the whole range as soon as one
    /// present PTE was visited.
    pub mprotect_gathers: bool,
    /// An operation that is about to flush what it gathered flushes the whole address space if others have changed PTEs and not
    /// flushed yet (v4.13, 99baac21e458): what it found cleared they may still owe.
    pub nested_gathers: bool,
    /// munmap holds `mmap_lock` for reading only, once its VMAs are gone (v4.20, dd2283f2605e): faults and madvise elsewhere run beside
    /// its walk and its flush.
    pub munmap_downgrades: bool,
    /// `MADV_DONTNEED` and `MADV_FREE` gather over all VMAs of a call (v6.16), and do not flush for each.
    pub madvise_gathers: bool,
    /// mremap flushes the old place before it lets go of the PTLs if a present PTE moved (v4.19, eb66ae030829), and not at all
    /// otherwise. Before, only a dirty one made it do so there; for the rest it flushed the old place at the end, owed or not.
    pub mremap_flushes_under_ptl: bool,
    /// munmap and `MADV_DONTNEED` take a dirty file page out of the rmap after they have flushed, not when they clear the PTE
    /// (v6.2, 5df397dec7c4): until then writeback finds the page and waits for the PTL.
    pub rmap_after_flush: bool,
    /// `MADV_PAGEOUT` calls the pending check for each page table. The walker came with v5.4, its check later.
    pub pageout_checks_pending: bool,
    /// The walker of `MADV_PAGEOUT` clears A, for which it flushes in the end (v5.4 to v6.8; 2864f3d0f583 ended it).
    pub pageout_clears_accessed: bool,
    /// Reclaim flushes and frees in its loop each time this many freed folios have collected (31 since v6.10); 0: only at
    /// the end of the list.
    pub free_batch_slots: u16,
    /// Folios of a shrink list (`SWAP_CLUSTER_MAX`, 32); the clock asks the profile.
    pub shrink_list_folios: u16,
    /// A CPU that switched to another address space stays in `mm_cpumask` until a shootdown that names the address space
    /// finds it there (v6.14, 209954cbc7d0).
    pub lazy_mask: bool,
    /// A shootdown passes over CPUs that are lazy or run something else, unless page tables are freed (v4.20 for lazy ones,
    /// 145f573b89a6; since v6.14 for CPUs left in a lazily kept mask): they flush when they come back.
    pub skips_idle_targets: bool,
    /// A full flush takes over above this many pages (`tlb_single_page_flush_ceiling`).
    pub ceiling_pages: u64,
    /// Fresh anonymous folios start on the inactive list and are activated when found referenced twice, as file folios are
    /// (v5.9, b518154e59aa); before, they started active and once was enough.
    pub anon_on_trial: bool,
    /// The backing store completes a write before it returns (zram), so the page is freed in the same pass.
    pub synchronous_swap: bool,
    /// A store through a clean entry translates again (x86). Off: it writes the frame the old entry names.
    pub dirty_assist: bool,
    /// `MADV_FREE` lets go of the PTL once in every page table and retakes it, as it does to split a large folio.
    pub free_drops_ptl: bool,
    /// Swapping a page out needs memory, for which the task enters reclaim again (R5.3); that one finds nothing to take.
    pub pageout_reenters: bool,
    /// Reclaim flushes a batch that holds a dirty PTE before it lets go of a dirty file page it has unmapped and keeps (R5.1).
    /// No kernel does; without it writeback of that page can lose a store.
    pub flushes_before_keeping: bool,
    /// Migration defers its flush as reclaim does and makes it in a batch (v6.3, 7e12beb8ca2a).
    pub migration_batches: bool,
    /// Reclaim and migration put no flush off for a PTE that is not accessible (v6.4, 4d4b6d66db63). One that is flushed at once is
    /// passed over in every era (`ptep_clear_flush()`).
    pub batch_skips_inaccessible: bool,
    /// `page_mkclean()` makes the pending check. No kernel does; the other remedy for the same loss.
    pub mkclean_checks_pending: bool,
    /// A store to a read-only anonymous page of its own takes it over as it is. Off: it is copied, as v5.9 to v5.18 did for any
    /// reference too many, which every page is then taken to have.
    pub wp_reuses: bool,
    /// mprotect that gives W makes the PTEs of pages of one's own writable at once (v6.0, 64fe24a3e05e), and so does a hint fault of
    /// a load (v6.2, 6a56ccbcf6c6). Off: the next store faults for it.
    pub mprotect_grants_write: bool,
    /// Clearing soft-dirty bits takes `mmap_lock` for writing (v5.11, 29a951dfb3c3), so that no fault copies a page beside it.
    pub soft_dirty_excludes_faults: bool,
    /// A load that swaps a page in maps it writable if it may be (v6.11). Off: only a store does.
    pub swapin_grants_write: bool,
    /// Reclaim may write pages. Off: it keeps dirty ones once it has unmapped them, as with laptop mode or for an allocation that
    /// must not start IO.
    pub reclaim_may_write: bool,
    /// KSM flushes for the PTE of a page that only one process maps, whatever its bits (v5.19, `PageAnonExclusive`).
    pub ksm_flushes_exclusive: bool,
    /// KSM counts references also where it owed no flush. No kernel does.
    pub ksm_counts_read_only: bool,
    /// A load of a file page that is not mapped maps those of an aligned window of so many pages (`fault_around_bytes`, 16 pages);
    /// 1: only its own. Recordings show each page that was mapped by itself, so it is for workloads that say so.
    pub fault_around_pages: u16,
    /// An address space on fewer CPUs is interrupted where others are broadcast to (INVLPGB since v6.15: 4); 0: none is.
    pub broadcast_min_cpus: u16,
    /// A fault takes the lock of its VMA, not `mmap_lock` (v6.4, 5e31275cc997). It costs other lines; what it excludes is the same.
    pub faults_lock_vma: bool,
    /// A target reads `tlb_gen` of the address space even if it has made that flush already (before v6.0, aa44284960d5). Cost only.
    pub reads_mm_gen_always: bool,
    /// munmap and madvise begin with `lru_add_drain()`, for which they take the lock of the LRU lists (before v6.14). Cost only.
    pub zap_drains_lru: bool,
    /// What no kernel leaves out.
    pub protections: Protections,
}

const V4_13: Era = Era {
    name: "v4.13",
    mechanism: Mechanism::IpiSerial,
    mprotect_gathers: false,
    nested_gathers: true,
    munmap_downgrades: false,
    madvise_gathers: false,
    mremap_flushes_under_ptl: false,
    rmap_after_flush: false,
    pageout_checks_pending: true,
    pageout_clears_accessed: false,
    free_batch_slots: 0,
    shrink_list_folios: 32,
    lazy_mask: false,
    skips_idle_targets: false,
    ceiling_pages: 33,
    anon_on_trial: false,
    synchronous_swap: true,
    dirty_assist: true,
    free_drops_ptl: false,
    pageout_reenters: false,
    flushes_before_keeping: false,
    migration_batches: false,
    batch_skips_inaccessible: false,
    mkclean_checks_pending: false,
    wp_reuses: true,
    mprotect_grants_write: false,
    soft_dirty_excludes_faults: false,
    swapin_grants_write: false,
    reclaim_may_write: true,
    ksm_flushes_exclusive: false,
    ksm_counts_read_only: false,
    fault_around_pages: 1,
    broadcast_min_cpus: 0,
    faults_lock_vma: false,
    reads_mm_gen_always: true,
    zap_drains_lru: true,
    protections: Protections::ALL,
};

/// All eras, oldest first.
pub static ERAS: &[Era] = &[
    V4_13,
    Era {
        name: "v5.17",
        mechanism: Mechanism::IpiConcurrent,
        munmap_downgrades: true,
        mremap_flushes_under_ptl: true,
        skips_idle_targets: true,
        anon_on_trial: true,
        pageout_clears_accessed: true,
        soft_dirty_excludes_faults: true,
        ..V4_13
    },
    Era {
        name: "v6.18",
        mechanism: Mechanism::IpiConcurrent,
        mprotect_gathers: true,
        munmap_downgrades: true,
        madvise_gathers: true,
        mremap_flushes_under_ptl: true,
        rmap_after_flush: true,
        free_batch_slots: 31,
        lazy_mask: true,
        skips_idle_targets: true,
        anon_on_trial: true,
        migration_batches: true,
        batch_skips_inaccessible: true,
        mprotect_grants_write: true,
        soft_dirty_excludes_faults: true,
        swapin_grants_write: true,
        ksm_flushes_exclusive: true,
        faults_lock_vma: true,
        reads_mm_gen_always: false,
        zap_drains_lru: false,
        ..V4_13
    },
];

/// Finds an era by name.
pub fn find(name: &str) -> Option<&'static Era> {
    ERAS.iter().find(|e| e.name == name)
}
