//! Reclaim cycles by the extra flushes they cost, as table, CSV and JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use workloads::outcome::Outcome;

use crate::report::{Comparison, PROVENANCE, apart, plain_table, policy_alias, record};

/// By policy: how many cycles cost how many extra flushes, all seeds together.
pub(crate) fn table(comparison: &Comparison) -> String {
    let policies = 0..comparison.baseline_run().len();
    let together = |policy: usize| {
        let mut sum = BTreeMap::<u64, u64>::new();
        for (extra, cycles) in comparison.runs.iter().flat_map(|run| run[policy].cycles_by_extra()) {
            *sum.entry(extra).or_default() += cycles;
        }
        sum
    };
    let distributions: Vec<_> = policies.clone().map(together).collect();
    let extras: BTreeSet<u64> = distributions.iter().flat_map(BTreeMap::keys).copied().collect();
    if extras.is_empty() {
        return "no reclaim cycle".to_owned();
    }
    let right = |text: &str| Cell::new(text).set_alignment(CellAlignment::Right);
    let name = |policy: usize| policy_alias(comparison.baseline_run()[policy].policy);
    let mut table = plain_table();
    let header = policies.clone().map(|policy| right(name(policy)));
    table.set_header([Cell::new("extra flushes in a reclaim cycle")].into_iter().chain(header));
    for extra in extras {
        let cycles = distributions.iter().map(|d| d.get(&extra).map_or("-".to_owned(), |n| apart(&n.to_string())));
        table.add_row([Cell::new(apart(&extra.to_string()))].into_iter().chain(cycles.map(|text| right(&text))));
    }
    let mut text = table.trim_fmt();
    for policy in policies {
        let cut_off: u64 = comparison.runs.iter().map(|run| run[policy].cycles_cut_off()).sum();
        if cut_off > 0 {
            let _ = write!(text, "\n{}: {cut_off} of these cycles cut off by the run's end or beginning", name(policy));
        }
    }
    text
}

/// A row for each number of extra flushes that some cycle of a run cost.
pub(crate) fn csv(comparisons: &[Comparison], writer: &mut csv::Writer<Vec<u8>>) {
    record(writer, PROVENANCE.iter().map(|p| p.0).chain(["flushes_extra", "reclaim_cycles"]));
    for outcome in comparisons.iter().flat_map(|c| &c.runs).flatten() {
        for (extra, cycles) in outcome.cycles_by_extra() {
            let provenance = PROVENANCE.iter().map(|p| (p.1)(outcome));
            record(writer, provenance.chain([extra.to_string(), cycles.to_string()]));
        }
    }
}

/// So many cycles cost so many extra flushes.
#[derive(Serialize)]
pub(crate) struct CyclesJson {
    flushes_extra: u64,
    reclaim_cycles: u64,
}

impl CyclesJson {
    pub(crate) fn of(outcome: &Outcome) -> Vec<CyclesJson> {
        let row = |(flushes_extra, reclaim_cycles)| CyclesJson { flushes_extra, reclaim_cycles };
        outcome.cycles_by_extra().into_iter().map(row).collect()
    }
}
