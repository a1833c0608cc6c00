//! The switches: what a scenario may turn on or off in the kernel, the machine and the exploration around the policy.

use sim_core::step::era::{Era, Mechanism};
use sim_core::world::small::Scenario;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// The name: that of the field of the era, of its protections, or of the scenario.
    pub name: &'static str,
    /// What it is when it is on.
    pub doc: &'static str,
    /// How it is set.
    pub kind: Kind,
}

/// What values a switch takes, and where they go.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `on` or `off`, of the kernel or the machine.
    Flag(fn(&mut Era) -> &mut bool),
    /// A count, of the kernel.
    Count(fn(&mut Era, u16)),
    /// How a shootdown reaches the others.
    Mechanism,
    /// `on` or `off`, of the exploration.
    Scene(fn(&mut Scenario) -> &mut bool),
}

/// The names of the mechanisms.
pub static MECHANISMS: &[(&str, Mechanism, &str)] = &[
    ("ipi-serial", Mechanism::IpiSerial, "the local flush first, then the interrupts"),
    ("ipi-concurrent", Mechanism::IpiConcurrent, "the local flush while the interrupts are under way"),
    ("broadcast", Mechanism::Broadcast, "a broadcast invalidation and a wait until every CPU has done it"),
];

const fn flag(name: &'static str, field: fn(&mut Era) -> &mut bool, doc: &'static str) -> Switch {
    Switch { name, doc, kind: Kind::Flag(field) }
}

const fn count(name: &'static str, set: fn(&mut Era, u16), doc: &'static str) -> Switch {
    Switch { name, doc, kind: Kind::Count(set) }
}

const fn scene(name: &'static str, field: fn(&mut Scenario) -> &mut bool, doc: &'static str) -> Switch {
    Switch { name, doc, kind: Kind::Scene(field) }
}

/// All switches.
pub static SWITCHES: &[Switch] = &[
    Switch { name: "mechanism", doc: "how a shootdown reaches the others", kind: Kind::Mechanism },
    flag("mprotect_gathers", |e| &mut e.mprotect_gathers, "mprotect flushes the PTEs it changed, not the whole range"),
    flag(
        "nested_gathers",
        |e| &mut e.nested_gathers,
        "an operation flushes for those that have cleared PTEs and not flushed yet",
    ),
    flag(
        "munmap_downgrades",
        |e| &mut e.munmap_downgrades,
        "munmap holds `mmap_lock` for reading only, once its VMAs are gone",
    ),
    flag(
        "madvise_gathers",
        |e| &mut e.madvise_gathers,
        "`MADV_DONTNEED` and `MADV_FREE` flush once for all VMAs of a call",
    ),
    flag(
        "mremap_flushes_under_ptl",
        |e| &mut e.mremap_flushes_under_ptl,
        "mremap flushes the old place before it drops the PTLs",
    ),
    flag("rmap_after_flush", |e| &mut e.rmap_after_flush, "a dirty file page leaves the rmap after the flush"),
    flag(
        "pageout_checks_pending",
        |e| &mut e.pageout_checks_pending,
        "the walker of `MADV_PAGEOUT` makes the pending check",
    ),
    flag(
        "pageout_clears_accessed",
        |e| &mut e.pageout_clears_accessed,
        "the walker of `MADV_PAGEOUT` clears A and flushes for it in the end",
    ),
    count(
        "free_batch_slots",
        |e, n| e.free_batch_slots = n,
        "reclaim flushes and frees each time so many folios have collected; 0: at the end",
    ),
    count(
        "shrink_list_folios",
        |e, n| e.shrink_list_folios = n,
        "folios of a shrink list (`SWAP_CLUSTER_MAX`); the clock asks the profile",
    ),
    flag("lazy_mask", |e| &mut e.lazy_mask, "a CPU that switched away stays in `mm_cpumask`"),
    flag("skips_idle_targets", |e| &mut e.skips_idle_targets, "a shootdown passes over CPUs that run something else"),
    count("ceiling_pages", |e, n| e.ceiling_pages = u64::from(n), "above so many pages everything is flushed"),
    flag("anon_on_trial", |e| &mut e.anon_on_trial, "fresh anonymous folios start on the inactive list"),
    flag(
        "synchronous_swap",
        |e| &mut e.synchronous_swap,
        "a page is written before reclaim goes on, so it is freed in the same pass",
    ),
    flag("dirty_assist", |e| &mut e.dirty_assist, "a store through a clean translation translates again, as on x86"),
    flag(
        "flushes_before_keeping",
        |e| &mut e.flushes_before_keeping,
        "reclaim flushes before it lets go of a dirty file page that it keeps",
    ),
    flag("migration_batches", |e| &mut e.migration_batches, "migration defers its flush as reclaim does"),
    flag(
        "batch_skips_inaccessible",
        |e| &mut e.batch_skips_inaccessible,
        "reclaim and migration put no flush off for a PTE that is not accessible",
    ),
    flag("mkclean_checks_pending", |e| &mut e.mkclean_checks_pending, "`page_mkclean()` makes the pending check"),
    flag("flush_before_free", |e| &mut e.protections.flush_before_free, "reclaim flushes before it frees frames"),
    flag(
        "flush_before_io",
        |e| &mut e.protections.flush_before_io,
        "reclaim flushes before it writes a page that was dirty in a PTE",
    ),
    flag(
        "pending_until_flushed",
        |e| &mut e.protections.pending_until_flushed,
        "an operation counts itself out after its flush, not before",
    ),
    flag(
        "fork_flushes_always",
        |e| &mut e.protections.fork_flushes_always,
        "fork flushes the parent whatever it found",
    ),
    flag(
        "flush_dirty_under_ptl",
        |e| &mut e.protections.flush_dirty_under_ptl,
        "a zap flushes dirty file pages under the PTL",
    ),
    flag(
        "frames_held_until_swept",
        |e| &mut e.protections.frames_held_until_swept,
        "where munmap leaves its flush to the other CPUs, frames are freed when all have made it",
    ),
    flag(
        "addresses_held_until_swept",
        |e| &mut e.protections.addresses_held_until_swept,
        "and nothing is mapped at those addresses before",
    ),
    flag(
        "free_drops_ptl",
        |e| &mut e.free_drops_ptl,
        "`MADV_FREE` drops and retakes the PTL once in a table, as it does to split a large folio",
    ),
    flag("pageout_reenters", |e| &mut e.pageout_reenters, "swapping a page out enters reclaim again, for memory"),
    flag(
        "recheck_after_relock",
        |e| &mut e.protections.recheck_after_relock,
        "a walker that retakes a PTL makes the pending check again",
    ),
    flag(
        "nested_reclaim_keeps_batch",
        |e| &mut e.protections.nested_reclaim_keeps_batch,
        "reclaim that is entered again adds to the batch of its task",
    ),
    flag(
        "flush_pending_counts",
        |e| &mut e.protections.flush_pending_counts,
        "`tlb_flush_pending` counts who has not flushed yet; off: a flag",
    ),
    flag(
        "isolate_until_flushed",
        |e| &mut e.protections.isolate_until_flushed,
        "reclaim holds its isolate references until it has flushed",
    ),
    flag(
        "ksm_checks_pending",
        |e| &mut e.protections.ksm_checks_pending,
        "KSM flushes for a read-only, clean PTE if a flush is pending",
    ),
    flag(
        "ksm_checks_references",
        |e| &mut e.protections.ksm_checks_references,
        "KSM gives a page up that somebody else has a reference to",
    ),
    flag(
        "ksm_flushes_exclusive",
        |e| &mut e.ksm_flushes_exclusive,
        "KSM flushes for every PTE of a page that no other process maps",
    ),
    count(
        "fault_around_pages",
        |e, n| e.fault_around_pages = n,
        "a load of a file page maps those of an aligned window of so many, a power of two; 1: its own",
    ),
    count(
        "broadcast_min_cpus",
        |e, n| e.broadcast_min_cpus = n,
        "an address space on fewer CPUs is interrupted where others are broadcast to; the clock asks the profile",
    ),
    flag("faults_lock_vma", |e| &mut e.faults_lock_vma, "a fault takes the lock of its VMA; a matter of cost only"),
    flag(
        "reads_mm_gen_always",
        |e| &mut e.reads_mm_gen_always,
        "a target that is up to date reads `tlb_gen` all the same; a matter of cost only",
    ),
    flag(
        "zap_drains_lru",
        |e| &mut e.zap_drains_lru,
        "munmap and madvise drain the LRU batch first; a matter of cost only",
    ),
    flag("ksm_counts_read_only", |e| &mut e.ksm_counts_read_only, "KSM counts references also where it owed no flush"),
    flag(
        "soft_dirty_counts",
        |e| &mut e.protections.soft_dirty_counts,
        "a pass of soft-dirty tracking counts itself as not flushed yet",
    ),
    flag(
        "wp_fault_checks_pending",
        |e| &mut e.protections.wp_fault_checks_pending,
        "a store that copies a page of its own flushes for it first if a flush is pending",
    ),
    flag(
        "wp_reuses",
        |e| &mut e.wp_reuses,
        "a store to a read-only page of its own takes it over; off: copies it, as for a reference too many",
    ),
    flag(
        "mprotect_grants_write",
        |e| &mut e.mprotect_grants_write,
        "mprotect to more rights makes the PTEs of one's own pages writable; off: the next store does",
    ),
    flag(
        "soft_dirty_excludes_faults",
        |e| &mut e.soft_dirty_excludes_faults,
        "a pass of soft-dirty tracking takes `mmap_lock` for writing",
    ),
    flag(
        "mincore_asks_caches",
        |e| &mut e.protections.mincore_asks_caches,
        "`mincore` looks into the page cache and the swap cache for what has no PTE",
    ),
    flag(
        "swapin_grants_write",
        |e| &mut e.swapin_grants_write,
        "a load that swaps a page in maps it writable if it may be",
    ),
    flag(
        "reclaim_may_write",
        |e| &mut e.reclaim_may_write,
        "reclaim writes dirty pages; off: it keeps them once they are unmapped",
    ),
    flag(
        "accessible_checks_pending",
        |e| &mut e.protections.accessible_checks_pending,
        "a `PROT_NONE` PTE is taken for accessible while a flush is pending",
    ),
    flag(
        "gup_rechecks_pte",
        |e| &mut e.protections.gup_rechecks_pte,
        "gup-fast reads the PTE again when it has a reference to the page",
    ),
    flag(
        "pfnmap_flushes_before_unlink",
        |e| &mut e.protections.pfnmap_flushes_before_unlink,
        "munmap flushes for the memory of drivers before it unlinks the VMA",
    ),
    flag(
        "flush_before_copy",
        |e| &mut e.protections.flush_before_copy,
        "migration that defers its flush makes it before it copies",
    ),
    flag(
        "check_in_zap",
        |e| &mut e.protections.check_in_zap,
        "munmap, `MADV_DONTNEED` and truncation make the pending check",
    ),
    flag("check_in_free", |e| &mut e.protections.check_in_free, "`MADV_FREE` makes the pending check"),
    flag(
        "check_in_mprotect",
        |e| &mut e.protections.check_in_mprotect,
        "mprotect and NUMA balancing make the pending check",
    ),
    flag("check_in_mremap", |e| &mut e.protections.check_in_mremap, "mremap makes the pending check"),
    flag(
        "check_under_ptl",
        |e| &mut e.protections.check_under_ptl,
        "these make it after they have taken the PTL, not before",
    ),
    flag("flushes_own_cpu", |e| &mut e.protections.flushes_own_cpu, "a shootdown flushes the CPU it is made on, too"),
    flag("mask_complete", |e| &mut e.protections.mask_complete, "a shootdown interrupts the last CPU of the mask, too"),
    flag(
        "waits_for_broadcasts",
        |e| &mut e.protections.waits_for_broadcasts,
        "a broadcast invalidation is waited for before the caller goes on",
    ),
    flag(
        "acks_after_flush",
        |e| &mut e.protections.acks_after_flush,
        "an interrupted CPU acknowledges after its flush, not before",
    ),
    flag(
        "batch_always_flushes",
        |e| &mut e.protections.batch_always_flushes,
        "an interrupted CPU flushes for a batch, though it names no generation",
    ),
    flag("batch_per_task", |e| &mut e.protections.batch_per_task, "each task has a batch of its own"),
    flag(
        "irqs_on_while_waiting",
        |e| &mut e.protections.irqs_on_while_waiting,
        "a CPU takes interrupts while it waits for the others to flush",
    ),
    scene("evictions", |s| &mut s.evictions, "a CPU may lose any translation at any time; on if not said"),
    scene(
        "lone_tables",
        |s| &mut s.lone_tables,
        "nothing else lives under the page tables, so munmap of all their pages frees them",
    ),
];

/// The switch of this name.
pub fn find(name: &str) -> Option<&'static Switch> {
    SWITCHES.iter().find(|switch| switch.name == name)
}

impl Switch {
    /// The values it takes.
    pub fn values(&self) -> String {
        match self.kind {
            Kind::Flag(_) | Kind::Scene(_) => "on or off".to_owned(),
            Kind::Count(_) => "a number".to_owned(),
            Kind::Mechanism => MECHANISMS.iter().map(|m| m.0).collect::<Vec<_>>().join(" or "),
        }
    }

    /// Sets it; false if it takes no such value.
    pub fn set(&self, value: &str, era: &mut Era, scenario: &mut Scenario) -> bool {
        let on = match value {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        match (self.kind, on) {
            (Kind::Flag(field), Some(on)) => *field(era) = on,
            (Kind::Scene(field), Some(on)) => *field(scenario) = on,
            (Kind::Count(set), _) => match value.parse() {
                Ok(n) => set(era, n),
                Err(_) => return false,
            },
            (Kind::Mechanism, _) => match MECHANISMS.iter().find(|m| m.0 == value) {
                Some(&(_, mechanism, _)) => era.mechanism = mechanism,
                None => return false,
            },
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::step::era::ERAS;

    #[test]
    fn every_field_of_an_era_has_its_switch() {
        let printed = format!("{:#?}", ERAS[0]);
        let fields: Vec<&str> =
            printed.lines().filter_map(|line| line.trim().split_once(": ")).map(|(f, _)| f).collect();
        assert!(fields.len() > 15, "{printed}");
        for field in fields.into_iter().filter(|field| !["name", "protections"].contains(field)) {
            assert!(find(field).is_some(), "no switch `{field}`");
        }
    }

    #[test]
    fn every_switch_sets_the_field_of_its_name_and_no_other() {
        let plain = Scenario::new("plain", 1, 1, &[]);
        for switch in SWITCHES {
            let values = match switch.kind {
                Kind::Count(_) => ["3", "4"],
                Kind::Mechanism => ["ipi-serial", "ipi-concurrent"],
                Kind::Flag(_) | Kind::Scene(_) => ["off", "on"],
            };
            let print = |value| {
                let (mut era, mut scenario) = (ERAS[0], plain.clone());
                assert!(switch.set(value, &mut era, &mut scenario), "{} {value}", switch.name);
                format!("{era:#?}{scenario:#?}")
            };
            let (one, other) = (print(values[0]), print(values[1]));
            let changed: Vec<_> = one.lines().zip(other.lines()).filter(|(a, b)| a != b).collect();
            assert_eq!(changed.len(), 1, "{}: {changed:?}", switch.name);
            assert!(changed[0].0.trim().starts_with(&format!("{}:", switch.name)), "{changed:?}");
            assert!(!switch.set("maybe", &mut ERAS[0].clone(), &mut plain.clone()), "{}", switch.name);
        }
    }
}
