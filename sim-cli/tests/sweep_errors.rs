//! Plans that break one rule each: message, line and caret.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use common::{mmusim, published};

const GOOD: &str = r#"name = "good"
summary = "a plan"

[fixed]
workload = "overlap"
"workload.duration_cycles" = 300_000

[[axis]]
policy = ["unpatched", "patched"]

[[axis]]
workload.user.gap_cycles = [20, 200]
workload.pages = [32, 64]

[[axis]]
seed = { from = 1, to = 4 }
"#;

/// The rule, and what of the good plan is replaced by what.
const RULES: &[(&str, &[(&str, &str)])] = &[
    ("it is TOML", &[("[fixed]", "[fixed")]),
    ("a key is there once", &[("workload.pages", "workload.user.gap_cycles")]),
    ("keys are known", &[("summary", "sumary")]),
    ("it has a name", &[("name = \"good\"\n", "")]),
    ("a name is text", &[("\"good\"", "7")]),
    ("fixed is a table", &[("[fixed]\n", "fixed = 1\n[other]\n")]),
    (
        "axes are tables",
        &[
            ("[[axis]]\npolicy", "[axis]\npolicy"),
            ("[[axis]]\nworkload", "[more]\nworkload"),
            ("[[axis]]\nseed", "[most]\nseed"),
        ],
    ),
    ("an axis has a knob", &[("policy = [\"unpatched\", \"patched\"]", "")]),
    ("a knob is a known one", &[("policy =", "strategy =")]),
    ("an axis has a list", &[("[20, 200]", "20")]),
    ("a list has a value", &[("[20, 200]", "[]")]),
    ("a value is no date", &[("[20, 200]", "[2017-11-12, 200]")]),
    ("a value fits into 64 bits", &[("[20, 200]", "[20, 9223372036854775808]")]),
    ("a range has its own keys", &[("to = 4", "to = 4, by = 2")]),
    ("a range has two ends", &[(", to = 4", "")]),
    ("a range has whole numbers", &[("to = 4", "to = 4.5")]),
    ("a range goes up", &[("to = 4", "to = 0")]),
    ("knobs of an axis have as many values", &[("[32, 64]", "[16, 32, 64]")]),
    ("a knob is set once", &[("[fixed]\n", "[fixed]\nseed = 1\n")]),
    ("a knob is set under one name", &[("[fixed]\n", "[fixed]\ncores = 2\n\"workload.cores\" = 3\n")]),
    (
        "a machine is said in one place",
        &[("[fixed]\n", "[fixed]\nprofile = \"skx_2s\"\n\"workload.profile\" = \"skx_2s\"\n")],
    ),
    ("an era is said in one place", &[("[fixed]\n", "[fixed]\n\"workload.era\" = \"v4.13\"\nera = \"v4.13\"\n")]),
    ("a knob is set or a part of it", &[("[fixed]\n", "[fixed]\n\"workload.user\" = [1]\n")]),
    ("points are few", &[("to = 4", "to = 90_000")]),
    ("a policy is said", &[("policy = [\"unpatched\", \"patched\"]", "era = [\"v4.13\", \"v5.17\"]")]),
    ("a workload is said", &[("workload = \"overlap\"\n", "")]),
    ("a policy is a known one", &[("\"patched\"", "\"pached\"")]),
    ("a policy is no mutant", &[("\"patched\"", "\"pending-flag-unset\"")]),
    ("a policy is a word", &[("\"patched\"", "4.13")]),
    ("an era is a known one", &[("[fixed]\n", "[fixed]\nera = \"v4.12\"\n")]),
    ("a seed is whole", &[("{ from = 1, to = 4 }", "[-1]")]),
    ("a switch is a known one", &[("[fixed]\n", "[fixed]\n\"era.lazy_mast\" = true\n")]),
    ("a switch is of the kernel", &[("[fixed]\n", "[fixed]\n\"era.evictions\" = true\n")]),
    ("a switch has its values", &[("[fixed]\n", "[fixed]\n\"era.lazy_mask\" = 3\n")]),
    ("a workload is there", &[("\"overlap\"", "\"overlaps.toml\"")]),
    ("a workload is no directory", &[("\"overlap\"", "\".\"")]),
    ("a profile is there", &[("[fixed]\n", "[fixed]\nprofile = \"skx\"\n")]),
    ("a key is the workload's", &[("gap_cycles", "gap_cycels")]),
    ("a key is the machine's", &[("[fixed]\n", "[fixed]\n\"profile.ipi.icr_writes_cyc\" = 3\n")]),
    ("a key is no list's end", &[("[fixed]\n", "[fixed]\n\"workload.operations.2.span_pages\" = 3\n")]),
    ("a key is not under a number", &[("[fixed]\n", "[fixed]\n\"workload.cores.user\" = 3\n")]),
    ("a key has no empty part", &[("[fixed]\n", "[fixed]\n\"workload..cores\" = 3\n")]),
    ("a value is of the type of its key", &[("[20, 200]", "[20, \"many\"]")]),
    ("a value is one of its key", &[("[fixed]\n", "[fixed]\n\"workload.user.pattern\" = \"random\"\n")]),
    ("a value follows the rules of its key", &[("[fixed]\n", "[fixed]\n\"workload.user.stores_percent\" = 101\n")]),
    (
        "values follow the rules over several keys",
        &[("[32, 64]", "[32, 60]"), ("[fixed]\n", "[fixed]\n\"workload.page_tables\" = 32\n")],
    ),
    (
        "a rule over several keys is broken by the one without which it holds",
        &[("[fixed]\n", "[fixed]\n\"workload.user.pattern\" = \"uniform\"\n")],
    ),
    ("a cost is bounded", &[("[fixed]\n", "[fixed]\n\"profile.ipi.irq_entry_cyc\" = 1_000_000_001\n")]),
    ("a machine has the CPUs", &[("[fixed]\n", "[fixed]\ncores = 104\n")]),
    ("a mechanism has prices", &[("[fixed]\n", "[fixed]\n\"era.mechanism\" = \"broadcast\"\n")]),
    ("a run is there once", &[("\"unpatched\"", "\"pending-flag\"")]),
];

/// The good plan with a rule broken.
fn bad(rule: &str, replaced: &[(&str, &str)]) -> String {
    replaced.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{rule}: no `{from}`");
        text.replacen(from, to, 1)
    })
}

/// What each subcommand says of it, before anything is run.
fn complaint(text: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("plan.toml"), text).expect("a file");
    let said = |args: &[&str]| {
        let assert = mmusim(args).current_dir(directory.path()).assert().code(2).stdout("");
        String::from_utf8(assert.get_output().stderr.clone()).expect("text")
    };
    let text = said(&["sweep", "plan", "plan.toml"]);
    assert_eq!(said(&["sweep", "run", "plan.toml", "--dir", "points"]), text);
    assert!(!directory.path().join("points").exists());
    text
}

#[test]
fn the_good_plan_is_good() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("plan.toml"), GOOD).expect("a file");
    mmusim(&["sweep", "plan", "plan.toml"]).current_dir(directory.path()).assert().code(0);
}

#[test]
fn every_rule_has_its_message_its_line_and_its_caret() {
    let (mut all, mut messages) = (String::new(), BTreeSet::new());
    for (rule, replaced) in RULES {
        let text = complaint(&bad(rule, replaced));
        assert!(text.contains("plan.toml:"), "{rule}:\n{text}");
        let message = text.lines().next().and_then(|line| line.split_once(": ")).expect("a message").1.to_owned();
        assert!(messages.insert(message.clone()), "{rule}: another rule says `{message}` already");
        writeln!(all, "## {rule}\n{text}").expect("memory is writable");
    }
    insta::assert_snapshot!("bad_plans", published(&all));
}

#[test]
fn a_workload_that_is_wrong_by_itself_is_shown_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = workloads::synthetic::find("overlap").expect("built in").text;
    std::fs::write(directory.path().join("mine.toml"), text.replace("cores = 6", "cores = 0")).expect("a file");
    std::fs::write(directory.path().join("plan.toml"), GOOD.replace("\"overlap\"", "\"mine.toml\"")).expect("a file");
    let assert = mmusim(&["sweep", "plan", "plan.toml"]).current_dir(directory.path()).assert().code(2).stdout("");
    let said = String::from_utf8(assert.get_output().stderr.clone()).expect("text");
    assert!(said.contains("mine.toml:7:9") && said.contains("cores = 0"), "{said}");
}
