//! Memory pressure: the watermarks, the lists and the swap queue, in the shipped workload and in variants of it.

mod shipped;

use shipped::Way;
use sim_core::drive::clock::RunAhead;
use sim_core::oracle::Class;
use sim_core::policy::POLICIES;
use sim_core::step::era::{self, Era};
use workloads::outcome::{METRICS, Outcome};
use workloads::synthetic::{self, Synthetic};

/// The shipped workload for a shorter time, with these lines replaced.
fn variant(changes: &[(&str, &str)]) -> Synthetic {
    let text = synthetic::find("pressure").expect("a known workload").text;
    let mut text = text.replace("duration_cycles = 60_000_000", "duration_cycles = 12_000_000");
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    Synthetic::parse("variant.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn run_as(workload: &Synthetic, policy: &str, era: &'static Era, run_ahead: RunAhead) -> Outcome {
    shipped::run(workload, policy, Way { era: Some(era), run_ahead, ..Way::default() })
}

fn run(workload: &Synthetic, policy: &str) -> Outcome {
    shipped::run(workload, policy, Way::default())
}

/// Nothing is lost: each frame is free or on one list, and no operation is left in the middle of anything.
fn assert_accounted(outcome: &Outcome, what: &str) {
    let census = outcome.census.expect("memory is limited");
    assert_eq!(census.lost(), 0, "{what}: {census:?}");
    assert_eq!((census.isolated, census.in_flight), (0, 0), "{what}: {census:?}");
}

#[test]
fn every_frame_is_accounted_for_whatever_the_policy_the_era_and_the_backing() {
    for (n, backing) in ["anon", "private_file", "shared_file"].into_iter().enumerate() {
        let workload = variant(&[("backing = \"anon\"", &format!("backing = \"{backing}\""))]);
        for (m, policy) in POLICIES.iter().enumerate() {
            let era = &era::ERAS[(n + m) % era::ERAS.len()];
            let outcome = run_as(&workload, policy.name, era, RunAhead::Upto(u64::MAX));
            let what = format!("{backing}, {}, {}", policy.name, era.name);
            assert_accounted(&outcome, &what);
            assert!(outcome.stats.pages_clean + outcome.stats.pages_dirty > 100, "{what}: reclaim does something");
            for class in [Class::FreedFrame, Class::ReusedFrame] {
                assert_eq!(outcome.stats.violations[&class], 0, "{what}: {class:?}");
                assert!(outcome.stats.windows[&class].lengths_cycles.is_empty(), "{what}: {class:?}");
            }
        }
    }
}

#[test]
fn a_frame_freed_before_the_flush_shows() {
    let mut era = *era::find("v5.17").expect("an era");
    era.protections.flush_before_free = false;
    // Clean file pages: nothing is flushed before IO, which would hide the rest.
    let changes = [("backing = \"anon\"", "backing = \"shared_file\""), ("stores_percent = 30", "stores_percent = 0")];
    let outcome = run_as(&variant(&changes), "unpatched", Box::leak(Box::new(era)), RunAhead::Upto(u64::MAX));
    assert!(!outcome.stats.windows[&Class::FreedFrame].lengths_cycles.is_empty());
    assert_accounted(&outcome, "mutant");
}

#[test]
fn kswapd_runs_from_below_low_to_above_high() {
    let workload = variant(&[("gap_cycles = 4_000", "gap_cycles = 10_000"), ("= 12_000_000", "= 40_000_000")]);
    let marks = workload.workload.memory.as_ref().expect("it has limits").watermarks();
    assert_eq!((marks.min, marks.low, marks.high), (80, 100, 120));
    let pressure = run(&workload, "unpatched").stats.pressure;
    assert!(pressure.woken_at.len() > 3, "{pressure:?}");
    assert!(pressure.woken_at.iter().all(|&free| free <= marks.low), "{pressure:?}");
    assert!(pressure.slept_at.iter().all(|&free| free > marks.high), "{pressure:?}");
    // It sleeps once more at the end, unless it was asleep.
    let (woken, slept) = (pressure.woken_at.len(), pressure.slept_at.len());
    assert!(slept == woken || slept == woken + 1, "{woken} wakeups, {slept} sleeps");
}

#[test]
fn allocations_reclaim_themselves_only_when_kswapd_is_too_slow() {
    let slow =
        run(&variant(&[("gap_cycles = 4_000", "gap_cycles = 500"), ("= 12_000_000", "= 40_000_000")]), "unpatched");
    assert!(slow.stats.pressure.direct > 20, "{:?}", slow.stats.pressure);
    let calm =
        run(&variant(&[("gap_cycles = 4_000", "gap_cycles = 40_000"), ("= 12_000_000", "= 100_000_000")]), "unpatched");
    assert!(calm.stats.pressure.woken_at.len() > 5, "{:?}", calm.stats.pressure);
    assert_eq!(calm.stats.pressure.direct, 0, "{:?}", calm.stats.pressure);
    for outcome in [&slow, &calm] {
        let value = |name| METRICS.iter().find(|m| m.name == name).map(|m| (m.value)(outcome, None).to_string());
        let count = |name| value(name).expect("a metric").parse::<u64>().expect("a count");
        assert_eq!(count("reclaim_cycles_kswapd") + count("reclaim_cycles_direct"), count("reclaim_cycles"));
    }
}

#[test]
fn the_queue_is_full_and_never_more_than_full() {
    for depth in [1, 3] {
        let short = format!("depth = {depth}");
        let workload = variant(&[("depth = 32", &short), ("latency_cycles = 20_000", "latency_cycles = 4_000")]);
        let outcome = run(&workload, "unpatched");
        assert!(outcome.stats.writes > 50, "{} writes among the reads", outcome.stats.writes);
        assert_eq!(outcome.stats.pressure.io_in_flight_max, depth);
        assert!(outcome.stats.io_wait_cycles > 0, "somebody waits for a place");
        assert_accounted(&outcome, "short queue");
    }
}

#[test]
fn without_a_device_pages_are_freed_in_the_pass_that_writes_them() {
    let text = "[swap]\nlatency_cycles = 20_000     # 10 us\ndepth = 32\n";
    let outcome = run(&variant(&[(text, "")]), "patched");
    assert!(outcome.stats.writes > 100);
    assert_eq!(outcome.stats.pressure.io_in_flight_max, 0);
    assert_accounted(&outcome, "zram");
}

/// Nor on how often a kswapd that sleeps is asked, which is what accesses without work before them differ in.
#[test]
fn no_result_depends_on_the_run_ahead() {
    let mut woken = 0;
    for (seed, gap_cycles) in [(6, "0"), (1, "3"), (3, "40")] {
        let gap = format!("gap_cycles = {gap_cycles}");
        let workload = variant(&[("gap_cycles = 4_000", &gap), ("= 12_000_000", "= 40_000_000")]);
        let era = era::find("v6.18").expect("an era");
        let values = |run_ahead| {
            let way = Way { era: Some(era), run_ahead, seed, ..Way::default() };
            let outcome = shipped::run(&workload, "patched", way);
            let metrics = METRICS.iter().map(|m| format!("{} {}", m.name, (m.value)(&outcome, None)));
            (metrics.collect::<Vec<_>>(), outcome.census, outcome.stats.pressure.woken_at.len())
        };
        let off = values(RunAhead::Off);
        woken += off.2;
        for run_ahead in [1, 100, u64::MAX].map(RunAhead::Upto).into_iter().chain([RunAhead::Overlapped(100)]) {
            assert_eq!(values(run_ahead), off, "seed {seed}, gap {gap_cycles}, {run_ahead:?}");
        }
    }
    assert!(woken > 60, "{woken}");
}
