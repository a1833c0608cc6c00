//! The shipped workloads show what they are written to show.

mod shipped;

use shipped::Way;
use sim_core::drive::clock::RunAhead;
use sim_core::oracle::Class;
use sim_core::policy::POLICIES;
use sim_core::world::Cause;
use sim_core::world::big::FlushValue;
use workloads::outcome::{METRICS, Outcome};
use workloads::synthetic::{self, Synthetic, WORKLOADS};

fn run_as(workload: &Synthetic, policy: &str, run_ahead: RunAhead) -> Outcome {
    shipped::run(workload, policy, Way { run_ahead, ..Way::default() })
}

fn run(workload: &str, policy: &str) -> Outcome {
    let workload = synthetic::find(workload).expect("a known workload").workload();
    run_as(&workload, policy, RunAhead::Upto(u64::MAX))
}

fn windows(outcome: &Outcome, class: Class) -> (usize, u64) {
    let windows = &outcome.stats.windows[&class];
    (windows.lengths_cycles.len(), windows.used)
}

fn extra(outcome: &Outcome) -> u64 {
    outcome.stats.flushes.get(&Cause::PendingCheck).copied().unwrap_or(0)
}

#[test]
fn under_one_page_table_the_flag_suffices() {
    let (opened, used) = windows(&run("overlap", "unpatched"), Class::Permission);
    assert!(opened >= 20 && used >= 5, "{opened} windows, {used} used");
    for policy in ["patched", "pending-generation", "immediate"] {
        assert_eq!(windows(&run("overlap", policy), Class::Permission), (0, 0), "{policy}");
    }
}

#[test]
fn under_two_page_tables_the_flag_loses_what_the_generations_keep() {
    let (unpatched, _) = windows(&run("overlap-two-tables", "unpatched"), Class::Permission);
    let (patched, used) = windows(&run("overlap-two-tables", "patched"), Class::Permission);
    assert!(used > 0, "{patched} windows, none used");
    assert!(patched * 3 < unpatched, "{patched} against {unpatched}");
    let kept = run("overlap-two-tables", "pending-generation");
    assert_eq!(windows(&kept, Class::Permission), (0, 0));
}

#[test]
fn alternating_pays_exactly_one_extra_flush_a_cycle() {
    for policy in ["patched", "pending-generation"] {
        let outcome = run("alternating", policy);
        assert!(outcome.reclaim_cycles > 20);
        assert_eq!(extra(&outcome), outcome.reclaim_cycles, "{policy}");
    }
    assert_eq!(extra(&run("alternating", "unpatched")), 0);
}

#[test]
fn extra_flushes_add_up_and_are_never_more_than_the_deferred_pages() {
    for workload in WORKLOADS {
        for policy in POLICIES {
            let outcome = run(workload.name, policy.name);
            let parts = [FlushValue::Needed, FlushValue::UsefulElsewhere, FlushValue::Needless];
            let sum: u64 = parts.iter().filter_map(|part| outcome.stats.extra.get(part)).sum();
            assert_eq!(sum, extra(&outcome), "{} {}", workload.name, policy.name);
            // `generation-check` has no words of its own: an operation that is not done yet looks to it like a flush put off.
            let told_apart = policy.name != "generation-check";
            assert!(!told_apart || sum <= outcome.stats.deferred, "{} {}", workload.name, policy.name);
        }
    }
}

/// Every metric, as a CSV would have it.
fn values(outcome: &Outcome) -> Vec<String> {
    METRICS.iter().map(|m| format!("{} {}", m.name, (m.value)(outcome, None))).collect()
}

#[test]
fn no_result_depends_on_the_run_ahead() {
    let text = synthetic::find("overlap").expect("a known workload").text;
    // Without work between the accesses cores do run ahead of each other.
    let text = text.replace("gap_cycles = 400", "gap_cycles = 0");
    let text = text.replace("duration_cycles = 40_000_000", "duration_cycles = 2_000_000");
    let workload = Synthetic::parse("tight.toml", &text).expect("it is still a workload");
    for policy in ["unpatched", "patched"] {
        let off = values(&run_as(&workload, policy, RunAhead::Off));
        let overlapped = [1, 100].map(RunAhead::Overlapped);
        for run_ahead in [1, 7, 100, u64::MAX].map(RunAhead::Upto).into_iter().chain(overlapped) {
            let ahead = values(&run_as(&workload, policy, run_ahead));
            assert_eq!(ahead, off, "{policy}, {run_ahead:?}");
        }
    }
}
