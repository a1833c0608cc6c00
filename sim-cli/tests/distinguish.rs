//! `mmusim distinguish`: a litmus file with the rest in its comments, and what it says where nothing differs.

mod common;

use common::{expect, file, json, mmusim, stdout};

const PAIR: [&str; 3] = ["distinguish", "unpatched", "patched"];

#[test]
fn the_seed_is_found_and_is_valid_input_for_check() {
    let text = stdout(&PAIR);
    insta::assert_snapshot!("distinguish", text);
    let (_directory, path) = file("found.litmus", text.as_bytes());
    let checked = stdout(&["check", &path]);
    assert!(checked.contains("2 searches, 2 with an expected verdict, 0 not as expected"), "{checked}");
}

#[test]
fn nothing_depends_on_threads() {
    for format in ["table", "json"] {
        let with = |threads| stdout(&[&PAIR[..], &["--format", format, "--threads", threads]].concat());
        assert_eq!(with("1"), with("3"), "{format}");
    }
    let report = json(&PAIR);
    assert_eq!(report["policies"], serde_json::json!(["batched", "pending-flag"]));
    assert_eq!(
        (&report["verdicts"][0]["class"], &report["verdicts"][1]["verdict"]),
        (&"permission".into(), &"never".into())
    );
    assert!(report["litmus"].as_str().expect("text").starts_with("litmus batched-or-pending-flag\n"));
    assert_eq!(report["not_exhausted"], 0);
}

#[test]
fn where_nothing_differs_it_says_within_what() {
    let small = ["distinguish", "patched", "pending-generation", "--pages", "1"];
    let text = stdout(&small);
    let said = "pending-flag and pending-generation do not differ in v4.13 within 3 CPUs, 1 pages, 1 page tables, 2 operations each \
        and 4 in all, 1000000 states a search\n";
    assert!(text.starts_with(said) && text.contains(" scenarios tried, 0 of them not exhausted"), "{text}");
    let report = json(&small);
    assert!(report["litmus"].is_null() && report["tried"].as_u64() > Some(5), "{report}");
}

#[test]
fn exit_codes() {
    expect(&["distinguish", "patched", "pending-flag"], &["pending-flag is one policy", "expected two"]);
    expect(&["distinguish", "patched"], &["required"]);
    expect(&[&PAIR[..], &["--format", "csv"]].concat(), &["a scenario has no rows", "expected --format table or json"]);
    expect(&[&PAIR[..], &["--cpus", "1"]].concat(), &["1 is not in 2..=5"]);
    mmusim(&[&PAIR[..], &["--states", "50"]].concat()).assert().code(3);
}
