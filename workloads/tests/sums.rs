//! Short runs of every workload, and every sum that comes of them, to the last event and the last cycle.
//!
//! What each sum should be is argued in the tests beside this one, and in `docs/published.md`; here none may change unseen. After a
//! change that was meant: `INSTA_UPDATE=always cargo test -p workloads --test sums`, and read the difference.

mod shipped;

use std::fmt::Write;

use shipped::{Way, variant};
use sim_core::step::era;
use workloads::outcome::{METRICS, Outcome};
use workloads::synthetic::WORKLOADS;

/// A workload with some of its keys replaced.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    keys: &'static [(&'static str, &'static str)],
    era: &'static str,
    policies: &'static [&'static str],
}

const fn case(
    name: &'static str,
    era: &'static str,
    policies: &'static [&'static str],
    keys: &'static [(&'static str, &'static str)],
) -> Case {
    Case { name, keys, era, policies }
}

const DEFERRING: &[&str] = &["batched", "pending-flag", "pending-generation"];

/// Short enough for all of them to take a few seconds.
#[rustfmt::skip]
const CASES: &[Case] = &[
    case("alternating", "v4.13", DEFERRING, &[("duration_cycles", "4_000_000")]),
    case("flush-range", "v6.18", &["arm64-dsb", "arm64-flush"], &[("duration_cycles", "2_000_000")]),
    case("gc-mprotect", "v6.18", &["pending-generation", "immediate"], &[("duration_cycles", "1_500_000"), ("cores", "3")]),
    case("lru-file-mmap-read", "v5.17", &["immediate", "pending-generation"], &[("duration_cycles", "6_000_000"), ("cores", "2"), ("frames", "1024")]),
    case("numa-migration", "v6.18", &["pending-generation", "immediate"], &[("duration_cycles", "1_500_000"), ("cores", "3")]),
    case("numa-migration", "v5.17", &["pending-generation"], &[("duration_cycles", "1_500_000"), ("cores", "3")]),
    case("mmap-server", "v5.17", &["pending-generation", "generation-check"], &[("duration_cycles", "1_500_000"), ("cores", "3")]),
    case("overlap", "v4.13", DEFERRING, &[("duration_cycles", "6_000_000")]),
    case("overlap", "v6.18", &["clean-only", "local-only", "flag-before-clear", "generation-check"], &[("duration_cycles", "4_000_000")]),
    case("overlap-two-tables", "v4.13", DEFERRING, &[("duration_cycles", "4_000_000")]),
    case("pageout-loop", "v6.18", &["arm64-dsb", "arm64-flush"], &[("duration_cycles", "6_000_000")]),
    case("pressure", "v5.17", DEFERRING, &[("duration_cycles", "8_000_000"), ("cores", "3"), ("frames", "512"), ("pages", "800")]),
    case("pressure", "v6.18", &["pending-generation"], &[("duration_cycles", "6_000_000"), ("cores", "3"), ("frames", "512"), ("pages", "800"), ("backing", "\"private_file\"")]),
    case("pressure", "v4.13", &["immediate"], &[("duration_cycles", "6_000_000"), ("cores", "3"), ("frames", "512"), ("pages", "800"), ("backing", "\"shared_file\"")]),
    case("pressure", "v4.13", &["pending-flag"], &[("duration_cycles", "8_000_000"), ("cores", "3"), ("frames", "512"), ("pages", "800")]),
    case("pressure", "v6.18", &["batched"], &[("duration_cycles", "16_000_000"), ("cores", "5"), ("frames", "256"), ("pages", "600"), ("latency_cycles", "60_000"), ("depth", "4")]),
    case("pressure", "v4.13", &["batched"], &[("duration_cycles", "6_000_000"), ("cores", "3"), ("frames", "512"), ("pages", "800"), ("backing", "\"private_file\"")]),
    case("swap-w-seq-mt", "v4.13", &["batched"], &[("duration_cycles", "6_000_000"), ("cores", "2"), ("frames", "512")]),
    case("lru-file-mmap-read", "v4.13", &["pending-flag"], &[("duration_cycles", "4_000_000"), ("cores", "2"), ("frames", "512")]),
    case("purge-dontneed", "v5.17", &["batched", "generation-check"], &[("duration_cycles", "1_500_000"), ("cores", "3")]),
    case("purge-free", "v5.17", &["pending-flag", "immediate"], &[("duration_cycles", "1_500_000"), ("cores", "3")]),
    case("swap-w-seq-mt", "v5.17", &["pending-generation"], &[("duration_cycles", "6_000_000"), ("cores", "2"), ("frames", "1024")]),
    case("tlb_flush1", "v5.17", &["immediate", "batched"], &[("duration_cycles", "3_000_000"), ("pages", "64")]),
    case("tlb_flush2", "v6.18", &["invlpgb", "batched"], &[("duration_cycles", "1_500_000"), ("cores", "4")]),
    case("tlb_flush2", "v6.18", &["invlpgb"], &[("duration_cycles", "1_000_000"), ("cores", "2")]),
    case("tlb_flush3", "v5.17", &["immediate"], &[("duration_cycles", "1_500_000"), ("cores", "3")]),
];

/// What is not nothing, a line a heading, and the steps of each path.
fn sums(outcome: &Outcome) -> String {
    let (mut text, mut heading) = (String::new(), "");
    for metric in METRICS {
        let value = (metric.value)(outcome, None).to_string();
        if value.chars().any(|c| c != '0' && c != '.') {
            let start = if metric.heading == heading { "" } else { "\n " };
            heading = metric.heading;
            write!(text, "{start} {}={value}", metric.name).unwrap();
        }
    }
    text.push_str("\n  steps");
    for (path, steps) in outcome.stats.steps.iter().filter(|(_, steps)| *steps > 0) {
        write!(text, " {path:?}={steps:b}").unwrap();
    }
    if let Some(census) = outcome.census {
        write!(text, "\n  {census:?}").unwrap();
    }
    text
}

#[test]
fn no_sum_of_a_short_run_changes_unseen() {
    for row in WORKLOADS {
        let mut text = String::new();
        for case in CASES.iter().filter(|case| case.name == row.name) {
            let workload = variant(case.name, case.keys);
            for policy in case.policies {
                let outcome = shipped::run(&workload, policy, Way { era: era::find(case.era), ..Way::default() });
                writeln!(text, "{policy} {} {:?}:{}", case.era, case.keys, sums(&outcome)).unwrap();
            }
        }
        assert!(!text.is_empty(), "{} needs a row in CASES", row.name);
        insta::assert_snapshot!(row.name, text);
    }
}
