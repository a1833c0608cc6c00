//! The catalogue counted: what `results/verdicts.csv` says of a file under a policy is found anew, to the last state.
//!
//! A count is the finest check of a path there is: a step more, a step less or another order of two changes it, whether or not a
//! verdict does. Only rows that take few states are made here; `results/check` makes them all.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use sim_core::policy;
use workloads::litmus::check::Checked;
use workloads::litmus::{Litmus, find};

/// Rows of more states are left to `results/check`, but for the smallest one of a file.
const STATES_MAX: usize = 4_000;
/// Nor is that one made if it takes more than this.
const STATES_OF_A_FILE_MAX: usize = 60_000;
/// Declared contracts are looked into where the search is this short.
const STATES_DECLARED_MAX: usize = 12_000;

/// A row of the table, as far as it is compared.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Row {
    states: usize,
    transitions: usize,
    /// Of the whole space, or of the witness.
    depth: usize,
    file: String,
    policy: String,
    verdict: String,
    class: String,
    /// The verdict under the contract that the policy declares, where that is a weaker one.
    declared_verdict: String,
    declared_class: String,
}

fn table() -> Vec<Row> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../results/verdicts.csv");
    csv::Reader::from_path(file).unwrap().deserialize().collect::<Result<_, _>>().unwrap()
}

/// The rows that are made, the smallest first: a broken rule shows soon.
fn rows() -> Vec<Row> {
    let mut rows = table();
    rows.sort_by_key(|row| row.states);
    let mut seen = BTreeSet::new();
    rows.retain(|row| {
        let first = seen.insert(row.file.clone());
        row.states <= if first { STATES_OF_A_FILE_MAX } else { STATES_MAX }
    });
    rows
}

fn litmus(row: &Row) -> Litmus {
    Litmus::parse(&row.file, find(&row.file).unwrap().text).unwrap()
}

/// The verdict and its class, as the table has them.
fn verdict(checked: &Checked) -> (&'static str, &'static str) {
    (checked.found.name(), checked.class.map_or("", |class| class.name()))
}

#[test]
fn every_count_is_that_of_the_table() {
    let rows = rows();
    assert!(rows.len() > 500, "{}", rows.len());
    for row in rows {
        // A broken path may have no end; nothing here takes many more states than it should.
        let checked = litmus(&row).check(policy::find(&row.policy).unwrap(), 2 * row.states + 1_000);
        let found = (checked.states, checked.transitions, checked.moves.as_ref().map_or(checked.depth, Vec::len));
        let what = format!("{} under {}", row.file, row.policy);
        assert_eq!(found, (row.states, row.transitions, row.depth), "{what}");
        assert_eq!(verdict(&checked), (row.verdict.as_str(), row.class.as_str()), "{what}");
    }
}

#[test]
fn what_a_declared_contract_excuses_is_in_the_table_too() {
    let (table, mut found) = (table(), 0);
    for row in table.iter().filter(|row| row.policy == "latr" && row.states <= STATES_DECLARED_MAX) {
        let declared = litmus(row).check_declared(policy::find(&row.policy).unwrap(), STATES_OF_A_FILE_MAX);
        let (verdict, class) = declared.as_ref().map_or(("", ""), verdict);
        found += usize::from(!verdict.is_empty());
        assert_eq!((verdict, class), (row.declared_verdict.as_str(), row.declared_class.as_str()), "{}", row.file);
    }
    assert!(found > 3, "{found}");
}
