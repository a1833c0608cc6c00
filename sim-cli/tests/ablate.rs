//! `mmusim ablate`: the table, exit codes, witnesses and files.

mod common;

use common::{expect, json, mmusim, stdout};
use workloads::litmus::ablate::{ABLATIONS, SCENES};

const ONE: [&str; 2] = ["ablate", "check-before-ptl"];

#[test]
fn the_table_of_the_patch() {
    insta::assert_snapshot!("ablate_table", stdout(&["ablate"]));
}

#[test]
fn the_witness_of_one_part_is_printed() {
    insta::assert_snapshot!(
        "ablate_witness",
        stdout(&["ablate", "flag-set-before-clear", "--scenario", "early-flag-two-tables"])
    );
}

#[test]
fn rows_do_not_depend_on_threads_and_name_the_part_the_scenario_and_the_reason() {
    let some = [&ONE[..], &["--scenario", "mprotect", "--scenario", "mremap-v4.13"]].concat();
    for format in ["json", "csv", "table"] {
        let with = |threads| stdout(&[&some[..], &["--format", format, "--threads", threads]].concat());
        assert_eq!(with("1"), with("3"), "{format}");
    }
    let rows = json(&some);
    let picked =
        |n: usize| ["scenario", "page_tables", "mremap_rule", "verdict", "class"].map(|key| rows[n][key].clone());
    let null = serde_json::Value::Null;
    assert_eq!(picked(0), ["mprotect".into(), 1.into(), null.clone(), "sometimes".into(), "permission".into()]);
    assert_eq!(picked(1), ["mremap-v4.13".into(), 1.into(), "v4.13".into(), "never".into(), null]);
    assert_eq!((&rows[0]["switch_off"], &rows[0]["as_expected"]), (&"check_under_ptl".into(), &true.into()));
    let csv = stdout(&[&some[..], &["--format", "csv"]].concat());
    assert_eq!(csv.lines().count(), 3);
}

#[test]
fn exit_codes() {
    mmusim(&[&ONE[..], &["--scenario", "mremap-v4.13", "--states", "100"]].concat()).assert().code(3);
    expect(&["ablate", "nothing"], &["invalid value 'nothing'", "check-before-ptl"]);
    expect(&["ablate", "--scenario", "nothing"], &["invalid value 'nothing'", "early-flag"]);
    expect(&["ablate", "-o", "/nonexistent/a.csv"], &["does not exist"]);
}

#[test]
fn witnesses_can_be_replayed_and_files_checked() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().join("new").to_str().expect("text").to_owned();
    stdout(&[&ONE[..], &["--scenario", "munmap", "--scenario", "mremap-v4.13", "--witness", &place]].concat());
    let witness = format!("{place}/check-before-ptl-munmap.json");
    let moves = json(&["replay", &witness])["moves"].as_array().expect("a list").clone();
    assert_eq!(moves.last().expect("moves")["violation"], "unmapped");
    assert_eq!(std::fs::read_dir(&place).expect("it is made").count(), 1, "no race, no witness");
    let files = directory.path().join("files");
    stdout(&["ablate", "--files", files.to_str().expect("text")]);
    assert_eq!(std::fs::read_dir(&files).expect("it is made").count(), ABLATIONS.len() * SCENES.len());
    let names = ["flush-is-local-mprotect", "no-check-in-zap-munmap", "flag-never-set-free"];
    let paths = names.map(|name| files.join(format!("{name}.litmus")).to_str().expect("text").to_owned());
    let args: Vec<&str> = ["check"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    assert!(stdout(&args).contains("3 searches, 3 with an expected verdict, 0 not as expected"));
}
