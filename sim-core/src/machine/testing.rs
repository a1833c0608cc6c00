//! A machine for tests: every cost is a different prime, so that a sum tells which terms it has.
#![doc(hidden)]

use super::profile::Profile;

/// The text of [`prime_profile`]. TLBs are small and have odd numbers of sets: evictions are a few fills away.
pub const PRIMES: &str = r#"[machine]
ghz = 2.003
sockets = 2
dies_per_socket = 2
cores_per_socket = 4
smt = 2
[tlb]
itlb4k_entries = 4
itlb4k_ways = 2
itlb2m_entries = 2
dtlb4k_entries = 6
dtlb4k_ways = 2
dtlb2m_entries = 2
dtlb2m_ways = 2
stlb_entries = 21
stlb_ways = 3
stlb_holds_2m = true
stlb_hit_cyc = 101
walkers = 2
cached_walk_extra_cyc = 103
[psc]
pml5e_entries = 2
pml4e_entries = 2
pdpte_entries = 2
pde_entries = 4
hit_cyc = 107
flushed_by_invlpg = true
flushed_by_cr3 = true
[cache]
l1d_kib = 32
l1_cyc = 109
l2_kib = 1024
l2_cyc = 113
llc_mib = 32
llc_cyc = 127
dram_local_cyc = 131
dram_remote_cyc = 137
c2c_same_cyc = 181
c2c_die_cyc = 191
c2c_remote_cyc = 193
[inval]
invlpg_cyc = 197
cr3_flush_cyc = 199
cr3_noflush_cyc = 211
invpcid_single_cyc = 223
invpcid_all_cyc = 227
invlpgb_plus_tlbsync_cyc = 229
invlpgb_min_active_cpus = 4
invlpgb_max_pages = 8
tlbi_dsb_fixed_cyc = 233
tlbi_per_page_cyc = 239
tlbi_asid_all_cyc = 241
tlbi_range_limit_pages = 512
single_page_clear_flush_cyc = 251
batched_tlbi_nosync_cyc = 257
dsb_contention_cyc_per_peer = 263
[ipi]
mode = "xapic_phys"
icr_write_cyc = 269
csd_enqueue_same_cyc = 271
csd_enqueue_remote_cyc = 277
csd_enqueue_contended_cyc = 281
csd_dequeue_contended_cyc = 283
delivery_same_cyc = 293
delivery_die_cyc = 307
delivery_remote_cyc = 311
irq_entry_cyc = 313
irq_exit_cyc = 317
pti_extra_cyc = 331
handler_body_cyc = 337
ack_read_same_cyc = 347
ack_read_remote_cyc = 349
idle_wake_cyc = 383
[kernel]
fault_entry_cyc = 389
fault_exit_cyc = 397
minor_fault_anon_cyc = 401
syscall_cyc = 409
madvise1_local_cyc = 419
munmap_base_cyc = 421
pageout_refault_page_cyc = 431
ctx_switch_cyc = 433
spin_handoff_same_cyc = 439
spin_handoff_remote_cyc = 443
reclaim_page_clean_cyc = 449
rmap_unmap_one_cyc = 457
swap_cluster_max = 32
flush_ceiling_pages = 33
[swap]
zram_read_cyc = 461
zram_write_cyc = 463
"#;

/// 16 CPUs: 2 sockets of 2 dies of 2 cores of 2 threads. CPU 0 has 8 as sibling, 1 on its die, 2 on its socket, 4 on the other.
///
/// # Panics
/// Never: the text is a constant and tested.
pub fn prime_profile() -> Profile {
    Profile::parse("prime", PRIMES).expect("the prime profile is valid")
}

#[cfg(test)]
mod tests {
    use super::PRIMES;
    use std::collections::BTreeSet;

    #[test]
    fn costs_are_distinct_primes() {
        let mut seen = BTreeSet::new();
        for (key, value) in PRIMES.lines().filter_map(|line| line.split_once(" = ")) {
            if !key.contains("_cyc") {
                continue;
            }
            let cost: u64 = value.parse().unwrap();
            assert!(cost > 100 && (2..cost).all(|d| !cost.is_multiple_of(d)), "{key}");
            assert!(seen.insert(cost), "{key} = {cost} is there twice");
        }
        assert!(seen.len() > 45);
    }
}
