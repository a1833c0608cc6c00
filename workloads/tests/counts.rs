//! The catalogue counted: what `results/verdicts.csv` says of a file under a policy is found anew, to the last state.
//!
//! A count is the finest check of a path there is: a step more, a step less or another order of two changes it, whether or not a
//! verdict does. Only rows that take few states are made here; `results/check` makes them all.

use std::path::PathBuf;

use sim_core::policy;
use workloads::litmus::{Litmus, find};

/// Rows of more states are left to `results/check`, but for the smallest one of a file.
const STATES_MAX: usize = 4_000;
/// Nor is that one made if it takes more than this.
const STATES_OF_A_FILE_MAX: usize = 60_000;
/// Declared contracts are looked into where the search is this short.
const STATES_DECLARED_MAX: usize = 12_000;

/// A row of the table, as far as it is compared.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    states: usize,
    transitions: usize,
    /// Of the whole space, or of the witness.
    depth: usize,
    file: String,
    policy: String,
    verdict: String,
    class: String,
    /// The verdict under the contract that the policy declares, and its class, where that is a weaker one.
    declared: [String; 2],
}

fn table() -> Vec<Row> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../results/verdicts.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| names.iter().position(|&n| n == name).unwrap();
    let columns = ["states", "transitions", "depth", "file", "policy", "verdict", "class"].map(column);
    let declared = ["declared_verdict", "declared_class"].map(column);
    lines
        .map(|line| {
            let cells: Vec<_> = line.split(',').collect();
            let [states, transitions, depth, file, policy, verdict, class] = columns.map(|at| cells[at]);
            let declared = declared.map(|at| cells[at]);
            let number = |cell: &str| cell.parse::<usize>().unwrap();
            let [states, transitions, depth] = [states, transitions, depth].map(number);
            let [file, policy, verdict, class] = [file, policy, verdict, class].map(str::to_owned);
            let declared = declared.map(str::to_owned);
            Row { states, transitions, depth, file, policy, verdict, class, declared }
        })
        .collect()
}

/// The rows that are made, the smallest first: a broken rule shows soon.
fn rows() -> Vec<Row> {
    let mut rows = table();
    rows.sort_by_key(|row| row.states);
    let mut seen = std::collections::BTreeSet::new();
    rows.retain(|row| {
        let first = seen.insert(row.file.clone());
        row.states <= if first { STATES_OF_A_FILE_MAX } else { STATES_MAX }
    });
    rows
}

#[test]
fn every_count_is_that_of_the_table() {
    let rows = rows();
    assert!(rows.len() > 500, "{}", rows.len());
    for row in rows {
        let text = find(&row.file).unwrap().text;
        let litmus = Litmus::parse(&row.file, text).unwrap();
        // A broken path may have no end; nothing here takes many more states than it should.
        let checked = litmus.check(policy::find(&row.policy).unwrap(), 2 * row.states + 1_000);
        let found = Row {
            declared: row.declared.clone(),
            states: checked.states,
            transitions: checked.transitions,
            depth: checked.moves.as_ref().map_or(checked.depth, Vec::len),
            verdict: checked.found.name().to_owned(),
            class: checked.class.map_or(String::new(), |class| class.name().to_owned()),
            file: row.file.clone(),
            policy: row.policy.clone(),
        };
        assert_eq!(found, row);
    }
}

#[test]
fn what_a_declared_contract_excuses_is_in_the_table_too() {
    let (table, mut found) = (table(), 0);
    for row in table.iter().filter(|row| row.policy == "latr" && row.states <= STATES_DECLARED_MAX) {
        let text = find(&row.file).unwrap().text;
        let litmus = Litmus::parse(&row.file, text).unwrap();
        let declared = litmus.check_declared(policy::find(&row.policy).unwrap(), STATES_OF_A_FILE_MAX);
        let verdict =
            declared.map_or([""; 2], |checked| [checked.found.name(), checked.class.map_or("", |class| class.name())]);
        found += usize::from(!verdict[0].is_empty());
        assert_eq!(verdict, row.declared, "{}", row.file);
    }
    assert!(found > 3, "{found}");
}
