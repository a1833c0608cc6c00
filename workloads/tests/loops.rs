//! The benchmark loops: what a round flushes, by how and on how many threads, whatever the prices are.

mod shipped;

use shipped::{Way, variant as workload};
use sim_core::drive::clock::RunAhead;
use sim_core::step::era::{self, Era};
use sim_core::world::Cause;
use workloads::machines::machine;
use workloads::outcome::Outcome;
use workloads::synthetic::Synthetic;

fn run_on(workload: &Synthetic, profile: &'static str, policy: &str, run_ahead: RunAhead) -> Outcome {
    let era = era::find("v5.17");
    shipped::run(workload, policy, Way { profile: Some(profile), era, run_ahead, ..Way::default() })
}

fn run(workload: &Synthetic, profile: &'static str, policy: &str) -> Outcome {
    run_on(workload, profile, policy, RunAhead::Upto(u64::MAX))
}

/// Flushes a round.
fn flushes(outcome: &Outcome) -> f64 {
    outcome.stats.flushes.values().sum::<u64>() as f64 / outcome.rounds as f64
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 0.02, "{found}, expected {expected}");
}

#[test]
fn a_round_flushes_as_often_as_the_benchmark_does() {
    let alone = &[("cores", "1"), ("duration_cycles", "40_000_000")];
    // Every store copies a page that a load before has mapped, but for the first of each window of 16 in the first pass.
    let first = run(&workload("tlb_flush1", alone), "skx_2s", "immediate");
    assert_eq!(first.stats.flushes[&Cause::Operation], first.rounds);
    assert_eq!(first.stats.flushes[&Cause::Cow], first.rounds - 512 / 16);
    // The second flush of every 256 is munmap's, which frees a page table.
    near(flushes(&run(&workload("tlb_flush2", alone), "skx_2s", "immediate")), 1.0 + 1.0 / 256.0);
    near(flushes(&run(&workload("tlb_flush3", alone), "skx_2s", "immediate")), 1.0);
    // Without the neighbours there is nothing mapped to copy.
    let lonely = [alone.as_slice(), &[("fault_around_pages", "1")]].concat();
    let lonely = run(&workload("tlb_flush1", &lonely), "skx_2s", "immediate");
    assert_eq!(lonely.stats.flushes[&Cause::Cow], lonely.rounds - 512, "only the own page of a pass before");
}

#[test]
fn calls_of_other_threads_make_a_second_flush_of_a_dirty_page() {
    let many = workload("tlb_flush3", &[("cores", "16")]);
    let outcome = run(&many, "skx_2s", "immediate");
    let nested = outcome.stats.flushes.get(&Cause::Nested).copied().unwrap_or(0) as f64 / outcome.rounds as f64;
    assert!(nested > 0.9, "{nested}");
    near(flushes(&outcome), 1.0 + nested);
}

#[test]
fn a_page_that_numa_balancing_moves_costs_no_flush_of_its_own() {
    // The pass flushes once for all 64 pages. `v5.17` flushes for migrations at once, and looks whether a TLB can hold the PTE.
    let outcome =
        run(&workload("numa-migration", &[("cores", "1"), ("duration_cycles", "40_000_000")]), "skx_2s", "immediate");
    near(flushes(&outcome), 1.0 / 64.0);
    // In a batch the flush is put off, or not owed. A PTE counts as accessible while a pass of any thread has not flushed.
    let era = era::find("v6.18").expect("an era");
    let all = Box::leak(Box::new(Era { batch_skips_inaccessible: false, ..*era }));
    let [all, some] = [all, era].map(|era| {
        let way = Way { era: Some(era), ..Way::default() };
        shipped::run(&workload("numa-migration", &[]), "batched", way)
    });
    let share = |of: &Outcome, count: u64| count as f64 / of.rounds as f64;
    near(share(&all, all.stats.deferred), 1.0 - 512.0 / all.rounds as f64);
    assert!(share(&some, some.stats.deferred) < 0.3);
    assert!(share(&some, some.stats.ipis_sent) < 0.3 * share(&all, all.stats.ipis_sent));
}

#[test]
fn processes_interrupt_nobody() {
    let processes = workload(
        "tlb_flush1",
        &[("cores", "8"), ("each_page", "[{ do = \"store\" }, { do = \"dontneed\" }]\nprocesses = true")],
    );
    let outcome = run(&processes, "skx_2s", "immediate");
    assert_eq!((outcome.stats.ipis_sent, outcome.stats.requests_served), (0, 0));
    assert!(outcome.rounds > 1000);
}

#[test]
fn interrupts_coalesce_where_many_threads_flush() {
    let outcome =
        run(&workload("tlb_flush3", &[("cores", "52"), ("duration_cycles", "12_000_000")]), "skx_2s", "immediate");
    let rounds = outcome.rounds as f64;
    let (taken, requests) =
        (outcome.stats.ipis_received as f64 / rounds, outcome.stats.requests_served as f64 / rounds);
    // Nearly all of two flushes by 51 targets, in a tenth as many interrupts.
    assert!((80.0..=102.5).contains(&requests), "{requests}");
    assert!(taken * 8.0 < requests, "{taken} interrupts for {requests} requests");
}

#[test]
fn broadcasts_are_for_address_spaces_on_four_cpus() {
    for (cores, broadcast) in [("3", false), ("4", true)] {
        let outcome = run(&workload("tlb_flush2", &[("cores", cores)]), "milan_36c", "invlpgb");
        assert_eq!(outcome.stats.broadcasts > 0, broadcast, "{cores}");
        // Until the last thread has loaded the address space there are fewer.
        assert_eq!(outcome.stats.ipis_received * 100 > outcome.rounds, !broadcast, "{cores}");
    }
}

#[test]
fn no_result_depends_on_how_far_cores_run_ahead() {
    let seen = |workload: &Synthetic, profile, policy, run_ahead| {
        let outcome = run_on(workload, profile, policy, run_ahead);
        (format!("{:?}", outcome.stats), outcome.duration_cycles, outcome.rounds)
    };
    let short = &[("cores", "6"), ("duration_cycles", "1_000_000")];
    let overlap = workload("overlap", &[("duration_cycles", "2_000_000")]);
    for (workload, profile, policy) in [
        (&workload("tlb_flush1", short), "skx_2s", "pending-flag"),
        (&workload("tlb_flush2", short), "milan_36c", "invlpgb"),
        (&overlap, "milan_36c", "invlpgb"),
        (&overlap, "kunpeng920_2s", "arm64-dsb"),
        (&overlap, "kunpeng920_2s", "immediate"),
    ] {
        let without = seen(workload, profile, policy, RunAhead::Off);
        let overlapped = [1, 100].map(RunAhead::Overlapped);
        for ahead in [1, 37, 100, u64::MAX].map(RunAhead::Upto).into_iter().chain(overlapped) {
            assert!(seen(workload, profile, policy, ahead) == without, "{profile} {policy} {ahead:?}");
        }
    }
}

#[test]
fn a_broadcast_costs_its_pages_up_to_the_limit_and_then_a_whole_address_space() {
    let p = machine("kunpeng920_2s").expect("a machine").profile();
    let inval = &p.inval;
    let (fixed, page, all) =
        (inval.tlbi_dsb_fixed_cyc.unwrap(), inval.tlbi_per_page_cyc.unwrap(), inval.tlbi_asid_all_cyc.unwrap());
    for (pages, cycles) in [("1", fixed + page), ("33", fixed + 33 * page), ("511", fixed + 511 * page), ("512", all)] {
        let outcome = run(&workload("flush-range", &[("pages", pages)]), "kunpeng920_2s", "immediate");
        let count: u64 = outcome.stats.flushes.values().sum();
        let each = (outcome.stats.cycles.initiator + outcome.stats.cycles.waiting) / count;
        assert_eq!(each, cycles, "{pages} pages");
    }
}

#[test]
fn who_broadcasts_at_the_same_time_waits_longer() {
    let each = |cores| {
        let processes = ("each_page", "[{ do = \"store\" }]\nprocesses = true");
        let outcome = run(&workload("flush-range", &[("cores", cores), processes]), "kunpeng920_2s", "immediate");
        let count: u64 = outcome.stats.flushes.values().sum();
        (outcome.stats.cycles.initiator + outcome.stats.cycles.waiting) / count
    };
    assert!(each("8") > each("2") && each("2") > each("1"));
}
