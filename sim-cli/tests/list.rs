//! `mmusim list`.

mod common;

use common::stdout;
use sim_core::policy::{self, OWN};
use sim_core::step::era::ERAS;
use workloads::litmus::LITMUS;
use workloads::machines::MACHINES;
use workloads::synthetic::WORKLOADS;

#[test]
fn tables() {
    for what in ["eras", "litmus", "workloads", "profiles"] {
        insta::assert_snapshot!(format!("list_{what}"), stdout(&["list", what]));
    }
}

#[test]
fn published_policies() {
    // Rows of one's own are nobody else's business.
    let text = stdout(&["list", "policies", "--format", "csv"]);
    let own = |line: &&str| OWN.iter().any(|policy| line.starts_with(&format!("{},", policy.name)));
    let published: Vec<&str> = text.lines().filter(|line| !own(line)).collect();
    assert_eq!(text.lines().count(), published.len() + OWN.len());
    insta::assert_snapshot!(published.join("\n"));
}

#[test]
fn json_names_every_row_of_the_registries() {
    let registries: [(&str, Vec<&str>); 5] = [
        ("policies", policy::all().map(|p| p.name).collect()),
        ("eras", ERAS.iter().map(|e| e.name).collect()),
        ("litmus", LITMUS.iter().map(|l| l.name).collect()),
        ("workloads", WORKLOADS.iter().map(|w| w.name).collect()),
        ("profiles", MACHINES.iter().map(|m| m.name).collect()),
    ];
    for (what, expected) in registries {
        let text = stdout(&["list", what, "--format", "json"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().expect("a name")).collect();
        assert_eq!(names, expected);
        let csv = stdout(&["list", what, "--format", "csv"]);
        assert_eq!(csv.lines().count(), expected.len() + 1);
    }
}
