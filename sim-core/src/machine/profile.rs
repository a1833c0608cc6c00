//! The machine profile: every number the model charges, read from a TOML file.
//!
//! Costs are in cycles of the machine's own clock. A key that is an `Option` is one that only some machines have, or that no
//! source gives; [`Profile::parse`] demands it where the model could not do without (see [`IpiMode`]), and the cost methods state
//! what they use in its place. Where a figure comes from is the business of the comment beside it in the file.

mod check;
mod error;
mod topology;

pub use error::ProfileError;
pub use topology::{CPUS_MAX, Distance, Places};

use serde::Deserialize;

/// One machine: topology, translation caches and costs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Clock and topology.
    pub machine: Topology,
    /// Geometry and hit cost of the TLBs.
    pub tlb: TlbGeometry,
    /// Paging-structure caches ("page walk caches").
    pub psc: PscGeometry,
    /// Latencies of the memory hierarchy.
    pub cache: CacheCosts,
    /// Invalidation instructions.
    pub inval: InvalCosts,
    /// Interprocessor interrupts.
    pub ipi: IpiCosts,
    /// Kernel work between the hardware events.
    pub kernel: KernelCosts,
    /// The swap device, if its speed is known.
    pub swap: Option<SwapCosts>,
}

/// Table `[machine]`: clock and topology.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Clock in MHz, written as `ghz` in the file with at most three decimals, so that conversions stay integer.
    #[serde(rename = "ghz", deserialize_with = "check::mhz_from_ghz")]
    pub mhz: u64,
    /// Sockets (packages).
    pub sockets: u32,
    /// Dies (or core complexes) per socket; cores are spread over them evenly.
    pub dies_per_socket: u32,
    /// Physical cores per socket.
    pub cores_per_socket: u32,
    /// Hardware threads per core.
    pub smt: u32,
    /// How much longer the kernel's work takes on a CPU whose core has another CPU at work, in percent; absent: not at all.
    pub smt_slowdown_percent: Option<u64>,
}

/// Table `[tlb]`. Entries are per core; sets = entries / ways and need not be a power of two.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlbGeometry {
    /// First-level instruction TLB, 4 KiB pages.
    pub itlb4k_entries: u32,
    /// Ways of it.
    pub itlb4k_ways: u32,
    /// First-level instruction TLB, 2 MiB pages; fully associative.
    pub itlb2m_entries: u32,
    /// First-level data TLB, 4 KiB pages.
    pub dtlb4k_entries: u32,
    /// Ways of it.
    pub dtlb4k_ways: u32,
    /// First-level data TLB, 2 MiB pages.
    pub dtlb2m_entries: u32,
    /// Ways of it.
    pub dtlb2m_ways: u32,
    /// Second-level TLB; 0: there is none.
    pub stlb_entries: u32,
    /// Ways of it.
    pub stlb_ways: u32,
    /// Whether the second level holds 2 MiB pages too.
    pub stlb_holds_2m: bool,
    /// What a second-level hit costs more than a first-level hit.
    pub stlb_hit_cyc: u64,
    /// Page walks a core can have in flight.
    pub walkers: u32,
    /// What a walk adds that needs only the leaf entry and finds it in the cache.
    pub cached_walk_extra_cyc: u64,
}

/// Table `[psc]`. A size of 0 means that the core has no such cache.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PscGeometry {
    /// PML5 entries; kept for completeness, the model walks four levels.
    pub pml5e_entries: Option<u32>,
    /// PML4 entries.
    pub pml4e_entries: u32,
    /// Page-directory-pointer entries.
    pub pdpte_entries: u32,
    /// Page-directory entries.
    pub pde_entries: u32,
    /// What looking these caches up costs at the start of a walk.
    pub hit_cyc: u64,
    /// Whether invalidating one page drops all entries of its address space (Intel SDM 4.10.4.1: yes).
    pub flushed_by_invlpg: bool,
    /// Whether a flushing CR3 write drops all entries of the address space written.
    pub flushed_by_cr3: bool,
}

/// Table `[cache]`: sizes for information, latencies load-to-use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheCosts {
    /// First-level data cache, KiB.
    pub l1d_kib: u32,
    /// First-level hit.
    pub l1_cyc: u64,
    /// Second-level cache, KiB.
    pub l2_kib: u32,
    /// Second-level hit.
    pub l2_cyc: u64,
    /// Last-level cache, MiB.
    pub llc_mib: u32,
    /// Last-level hit; for comparison, charged to nothing.
    pub llc_cyc: u64,
    /// Memory of the own socket.
    pub dram_local_cyc: u64,
    /// Memory of another socket.
    pub dram_remote_cyc: u64,
    /// Line modified by another core of the same die.
    pub c2c_same_cyc: u64,
    /// Line modified on another die of the same socket; needed if there is one.
    pub c2c_die_cyc: Option<u64>,
    /// Line modified on another socket; needed if there is one.
    pub c2c_remote_cyc: Option<u64>,
}

/// Table `[inval]`: what it costs to drop translations, by instruction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvalCosts {
    /// INVLPG, one page. Needed unless [`IpiMode::NoneForTlb`].
    pub invlpg_cyc: Option<u64>,
    /// CR3 write that flushes its PCID. Needed unless [`IpiMode::NoneForTlb`].
    pub cr3_flush_cyc: Option<u64>,
    /// CR3 write that keeps the entries; 0: no PCIDs.
    pub cr3_noflush_cyc: Option<u64>,
    /// INVPCID of one context; 0: not available.
    pub invpcid_single_cyc: Option<u64>,
    /// INVPCID of all contexts; 0: not available. For comparison, charged to nothing.
    pub invpcid_all_cyc: Option<u64>,
    /// AMD: INVLPGB broadcast and the TLBSYNC that waits for it, together.
    pub invlpgb_plus_tlbsync_cyc: Option<u64>,
    /// AMD: the kernel broadcasts for an mm active on at least this many CPUs.
    pub invlpgb_min_active_cpus: Option<u32>,
    /// AMD: pages one INVLPGB covers.
    pub invlpgb_max_pages: Option<u32>,
    /// arm64: part of TLBI + DSB that does not depend on the pages. Needed if [`IpiMode::NoneForTlb`].
    pub tlbi_dsb_fixed_cyc: Option<u64>,
    /// arm64: each page of a range. Needed if [`IpiMode::NoneForTlb`].
    pub tlbi_per_page_cyc: Option<u64>,
    /// arm64: TLBI + DSB of a whole ASID. Needed if [`IpiMode::NoneForTlb`].
    pub tlbi_asid_all_cyc: Option<u64>,
    /// arm64: from this many pages on the whole ASID is invalidated. Needed if [`IpiMode::NoneForTlb`].
    pub tlbi_range_limit_pages: Option<u32>,
    /// arm64: clearing one PTE and flushing it at once.
    pub single_page_clear_flush_cyc: Option<u64>,
    /// arm64: a TLBI whose DSB is left to the end of a batch.
    pub batched_tlbi_nosync_cyc: Option<u64>,
    /// arm64: what each other CPU that broadcasts at the same time adds to a DSB.
    pub dsb_contention_cyc_per_peer: Option<u64>,
}

/// How a flush addresses the other CPUs.
///
/// The three interrupt modes need the keys `icr_write_cyc`, `irq_entry_cyc`, `irq_exit_cyc`, `handler_body_cyc`, `invlpg_cyc`
/// and `cr3_flush_cyc`; [`IpiMode::NoneForTlb`] needs the four `tlbi_*` keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpiMode {
    /// xAPIC, physical destination: one (uncached) ICR write per target.
    XapicPhys,
    /// x2APIC, physical destination: one MSR write per target.
    X2apicPhys,
    /// x2APIC, cluster destination: one write per cluster of 16 CPUs.
    X2apicCluster,
    /// The hardware broadcasts invalidations (arm64 TLBI): no interrupt.
    NoneForTlb,
}

/// Table `[ipi]`. Use the methods of [`Profile`] for the costs that depend on the distance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IpiCosts {
    /// How targets are addressed.
    pub mode: IpiMode,
    /// One write of the interrupt command register.
    pub icr_write_cyc: Option<u64>,
    /// Queueing a call-function entry for a CPU of the same die; one line transfer if absent.
    pub csd_enqueue_same_cyc: Option<u64>,
    /// The same for a CPU of another socket.
    pub csd_enqueue_remote_cyc: Option<u64>,
    /// Queueing, as observed under full contention; for comparison, charged to nothing.
    pub csd_enqueue_contended_cyc: Option<u64>,
    /// Taking one entry off a contended queue, on the target, as observed; for comparison, charged to nothing.
    pub csd_dequeue_contended_cyc: Option<u64>,
    /// From the ICR write to the interrupt at a CPU of the same die.
    pub delivery_same_cyc: u64,
    /// The same for another die.
    pub delivery_die_cyc: Option<u64>,
    /// The same for another socket.
    pub delivery_remote_cyc: Option<u64>,
    /// Interrupt entry on the target.
    pub irq_entry_cyc: u64,
    /// Interrupt exit on the target.
    pub irq_exit_cyc: u64,
    /// What page-table isolation adds to entry and exit together.
    pub pti_extra_cyc: Option<u64>,
    /// Dequeue and generation checks of the handler, without the flush.
    pub handler_body_cyc: Option<u64>,
    /// Reading back the lock word of one target of the same die; one line transfer if absent.
    pub ack_read_same_cyc: Option<u64>,
    /// The same for a target of another socket.
    pub ack_read_remote_cyc: Option<u64>,
    /// Waking an idle target: what an interrupt takes longer to be taken there.
    pub idle_wake_cyc: u64,
}

/// What the architecture does for reclaim's batched flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchedPending {
    /// arm64: the invalidations are already on their way, one DSB ISH waits for them.
    DsbIsh,
}

/// Table `[kernel]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelCosts {
    /// Page-fault entry.
    pub fault_entry_cyc: u64,
    /// Page-fault exit.
    pub fault_exit_cyc: u64,
    /// A whole minor fault of anonymous memory.
    pub minor_fault_anon_cyc: u64,
    /// A system call that does nothing.
    pub syscall_cyc: u64,
    /// `madvise(MADV_DONTNEED)` of one page, single-threaded; for comparison, charged to nothing.
    pub madvise1_local_cyc: Option<u64>,
    /// `munmap` of one page that has just been touched, single-threaded.
    pub munmap_base_cyc: Option<u64>,
    /// Swapping one page out and in again, batched.
    pub pageout_refault_page_cyc: Option<u64>,
    /// Scheduler ticks a second (`CONFIG_HZ`); see [`Profile::tick_cycles`].
    pub tick_hz: Option<u32>,
    /// A context switch to another address space.
    pub ctx_switch_cyc: u64,
    /// Handing a contended lock to a waiter of the same die.
    pub spin_handoff_same_cyc: u64,
    /// The same for a waiter of another socket.
    pub spin_handoff_remote_cyc: Option<u64>,
    /// How long the lock of the LRU lists is held for the pages of one call; absent: it is never waited for.
    pub lru_lock_hold_cyc: Option<u64>,
    /// Reclaiming one clean page, without its flush.
    pub reclaim_page_clean_cyc: u64,
    /// One reverse mapping in `try_to_unmap`.
    pub rmap_unmap_one_cyc: u64,
    /// Per page of a shrink list that nobody maps, in cycles; tells such lists in a recording.
    pub reclaim_page_unmapped_cyc: Option<u64>,
    /// Per shrink list, in cycles; tells lists of unmapped pages in a recording.
    pub reclaim_list_cyc: Option<u64>,
    /// What the architecture does for the batched flush, if not a flush of the whole mm.
    pub arch_flush_batched_pending: Option<BatchedPending>,
    /// `SWAP_CLUSTER_MAX`: pages of one reclaim batch.
    pub swap_cluster_max: u32,
    /// `tlb_single_page_flush_ceiling`: more pages than this are flushed as a whole.
    pub flush_ceiling_pages: u32,
}

/// Table `[swap]`: the swap device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapCosts {
    /// Reading (decompressing) one 4 KiB page from zram.
    pub zram_read_cyc: u64,
    /// Writing (compressing) one 4 KiB page to zram.
    pub zram_write_cyc: u64,
}

#[cfg(test)]
mod tests;
