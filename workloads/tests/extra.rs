//! Extra flushes, reclaim cycle by reclaim cycle: what they are and what bounds them.

mod lines;
mod shipped;

use std::collections::BTreeMap;

use lines::report_of;
use proptest::prelude::*;
use shipped::Way;
use sim_core::policy::{self, POLICIES};
use sim_core::world::Cause;
use workloads::outcome::{Input, Outcome};
use workloads::recorded::replay::Timing;
use workloads::recorded::{EMBEDDED, Pick, decode, embedded};
use workloads::synthetic::{self, Synthetic, WORKLOADS};

fn run_as(workload: &Synthetic, policy: &str, seed: u64) -> Outcome {
    let outcome = shipped::run(workload, policy, Way { seed, ..Way::default() });
    bounds(&outcome);
    // What ends has begun, under a number of its own.
    assert!(outcome.stats.reclaim.begun() >= outcome.reclaim_cycles);
    outcome
}

fn run(workload: &str, policy: &str) -> Outcome {
    run_as(&synthetic::find(workload).expect("a known workload").workload(), policy, 1)
}

fn text(name: &str) -> String {
    let (_, bytes) = decode(embedded(name).expect("an embedded recording").input()).expect("it decodes");
    String::from_utf8(bytes).expect("perf script prints text")
}

fn replayed(name: &str, policy: &str) -> Outcome {
    replayed_text(name, &text(name), policy)
}

fn replayed_text(name: &str, text: &str, policy: &str) -> Outcome {
    let report = report_of(text, &Pick::Busiest, policy, Timing::Recorded);
    let outcome = Outcome {
        policy: policy::find(policy).expect("a policy").name,
        era: "v6.18",
        profile: Input::new("zen5_vm", b""),
        workload: Input::new(name, text.as_bytes()),
        seed: None,
        threads: 0,
        rounds: 0,
        reclaim_cycles: report.reclaim_cycles,
        census: None,
        duration_cycles: report.replayed.duration_cycles,
        stats: report.replayed.stats,
    };
    bounds(&outcome);
    outcome
}

fn extra(outcome: &Outcome) -> u64 {
    outcome.stats.flushes.get(&Cause::PendingCheck).copied().unwrap_or(0)
}

/// What holds of every run here, whatever it shows.
fn bounds(outcome: &Outcome) {
    let (run, stats) = (format!("{} {}", outcome.workload.name, outcome.policy), &outcome.stats);
    let (extra, found) = (extra(outcome), stats.reclaim.found);
    assert!(extra <= found, "{run}: {extra} extra flushes, {found} checks found one pending");
    assert!(extra <= stats.deferred, "{run}: {extra} extra flushes, {} deferred clears", stats.deferred);
    assert!(found <= stats.reclaim.checks, "{run}");
    let by_cycle = outcome.cycles_by_extra();
    assert_eq!(by_cycle.iter().map(|(extra, cycles)| extra * cycles).sum::<u64>(), extra, "{run}: {by_cycle:?}");
    let all = outcome.reclaim_cycles + outcome.cycles_cut_off();
    assert_eq!(by_cycle.values().sum::<u64>(), all, "{run}: {by_cycle:?}");
}

#[test]
fn alternating_pays_one_in_every_cycle() {
    for policy in ["patched", "pending-generation"] {
        let outcome = run("alternating", policy);
        // Programs are run to the end of a round, so no cycle is cut off.
        assert_eq!((outcome.cycles_cut_off(), outcome.reclaim_cycles > 20), (0, true));
        assert_eq!(outcome.cycles_by_extra(), BTreeMap::from([(1, outcome.reclaim_cycles)]), "{policy}");
    }
}

#[test]
fn where_reclaim_and_operations_overlap_a_cycle_pays_more_than_once() {
    for (workload, policy) in
        [("overlap", "patched"), ("overlap-two-tables", "patched"), ("overlap-two-tables", "pending-generation")]
    {
        let cycles = run(workload, policy).cycles_by_extra();
        let (more, all) = (cycles.range(2..).map(|(_, n)| n).sum::<u64>(), cycles.values().sum::<u64>());
        assert!(all >= 20 && more >= all / 10, "{workload} {policy}: {cycles:?}");
    }
}

#[test]
fn policies_that_do_not_look_pay_nothing_in_any_cycle() {
    for policy in ["unpatched", "immediate"] {
        for workload in WORKLOADS {
            let outcome = run(workload.name, policy);
            if outcome.reclaim_cycles == 0 {
                // A loop with nothing to reclaim.
                assert!(outcome.cycles_by_extra().is_empty(), "{} {policy}", workload.name);
                continue;
            }
            assert!(outcome.reclaim_cycles > 20, "{} {policy}", workload.name);
            let all = outcome.reclaim_cycles + outcome.cycles_cut_off();
            assert_eq!(outcome.cycles_by_extra(), BTreeMap::from([(0, all)]), "{} {policy}", workload.name);
        }
    }
    for recording in EMBEDDED {
        let outcome = replayed(recording.name, "unpatched");
        assert_eq!(outcome.cycles_by_extra(), BTreeMap::from([(0, outcome.reclaim_cycles)]), "{}", recording.name);
    }
}

#[test]
fn a_recorded_round_pays_once() {
    for name in ["pageout-dirty-mprotect", "pageout-dirty-munmap"] {
        assert_eq!(replayed(name, "patched").cycles_by_extra(), BTreeMap::from([(1, 20)]), "{name}");
    }
    // The second thread is gone after the first round, and nothing is deferred from then on.
    let alone = replayed("pageout-dirty-mprotect-1thread", "patched");
    assert_eq!(alone.cycles_by_extra(), BTreeMap::from([(0, 19), (1, 1)]));
    // Under load most cycles end before any operation looks.
    let loaded = replayed("memcg-file-mprotect-cut", "patched");
    let cycles = loaded.cycles_by_extra();
    assert!(cycles[&0] > cycles[&1] && cycles[&1] > 10, "{cycles:?}");
}

#[test]
fn cycles_that_are_cut_off_or_idle_are_counted() {
    let overlap = synthetic::find("overlap").expect("a known workload").text;
    let endless = overlap
        .replace("lists_per_cycle = 1", "lists_per_cycle = 4294967295")
        .replace("duration_cycles = 40_000_000", "duration_cycles = 300_000");
    let outcome = run_as(&Synthetic::parse("endless.toml", &endless).expect("a workload"), "patched", 1);
    assert_eq!((outcome.reclaim_cycles, outcome.cycles_cut_off()), (0, 1));
    assert_eq!(outcome.cycles_by_extra().values().sum::<u64>(), 1);

    // A part of the recording that has its first reclaim cycles in it.
    let recorded = text("memcg-file-mprotect-cut");
    let whole: String = recorded.split_inclusive('\n').skip(55_000).take(4_000).collect();
    let begin = whole.split_inclusive('\n').find(|line| line.contains("reclaim_begin")).expect("a reclaim cycle");
    let (before, after) = (replayed_text("m", &whole, "patched"), whole.replacen(begin, "", 1));
    let after = replayed_text("m", &after, "patched");
    assert_eq!((before.cycles_cut_off(), after.cycles_cut_off()), (0, 1));
    assert_eq!(after.reclaim_cycles, before.reclaim_cycles - 1);
    assert_eq!(after.cycles_by_extra().values().sum::<u64>(), before.reclaim_cycles);

    // Begin and end without a list between them are a cycle, too.
    let lists = |line: &&str| !line.contains("mm_vmscan_lru_shrink_inactive");
    let idle = replayed_text("m", &whole.split_inclusive('\n').filter(lists).collect::<String>(), "patched");
    assert_eq!((idle.stats.lists, idle.reclaim_cycles), (0, before.reclaim_cycles));
    assert_eq!(idle.cycles_by_extra(), BTreeMap::from([(0, before.reclaim_cycles)]));
}

/// A short workload in which anything may overlap.
fn workloads() -> impl Strategy<Value = Synthetic> {
    let call = prop_oneof![
        Just("call = \"mprotect\"\nrights = \"none\""),
        Just("call = \"mprotect\"\nrights = \"r\""),
        Just("call = \"munmap\""),
        Just("call = \"dontneed\""),
        Just("call = \"pageout\""),
    ];
    let operation = (call, 1_u64..=8, 20_u64..400, 0_u64..40).prop_map(|(call, pages, gap, hold)| {
        format!("[[operations]]\n{call}\nspan_pages = {pages}\ngap_accesses = {gap}\nhold_accesses = {hold}\n")
    });
    let reclaim = (1_u32..=2, 1_u32..=24, 1_u32..=3, 0_u64..60_000).prop_map(|(cores, list, lists, pause)| {
        format!("[reclaim]\ncores = {cores}\nlist_pages = {list}\nlists_per_cycle = {lists}\npause_cycles = {pause}\n")
    });
    let user = (prop::sample::select(vec!["uniform", "sequential"]), 0_u8..=100, 0_u8..=100, 0_u64..300).prop_map(
        |(pattern, stores, written, gap)| {
            format!(
                "[user]\npattern = \"{pattern}\"\nstores_percent = {stores}\nwritten_percent = {written}\n\
                 gap_cycles = {gap}\n"
            )
        },
    );
    let machine = (1_u16..=5, prop::sample::select(vec![1_u32, 2, 4]), prop::sample::select(vec!["v4.13", "v6.18"]));
    (machine, user, prop::collection::vec(operation, 0..4), reclaim).prop_map(
        |((cores, tables, era), user, operations, reclaim)| {
            let text = format!(
                "name = \"any\"\nsummary = \"any\"\nprofile = \"skx_2s\"\nera = \"{era}\"\ncores = {cores}\n\
                 pages = 32\npage_tables = {tables}\nduration_cycles = 600_000\n{user}{}{reclaim}",
                operations.concat()
            );
            Synthetic::parse("any.toml", &text).unwrap_or_else(|e| panic!("{e}\n{text}"))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_random_run_exceeds_the_bounds(workload in workloads(), seed: u64) {
        // A generation check asks every CPU each time, pending or not.
        for policy in POLICIES.iter().filter(|policy| policy.name != "generation-check") {
            let outcome = run_as(&workload, policy.name, seed);
            if ["batched", "immediate"].contains(&policy.name) {
                prop_assert_eq!(extra(&outcome), 0);
            }
        }
    }
}
