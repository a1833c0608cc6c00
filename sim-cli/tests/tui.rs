//! `mmusim tui` without a terminal: sources, keys, pictures, and what it says when it cannot.

mod common;

use common::{expect, file, mmusim, stdout};

/// The screen after these keys.
fn screen(source: &[&str], keys: &str) -> String {
    stdout(&[&["tui"], source, &["--press", keys, "--size", "100x30"]].concat())
}

#[test]
fn any_source_can_be_looked_at() {
    assert!(screen(&[], "v").contains("! VIOLATION (permission): x"));
    assert!(screen(&["B02-flag-lost-mprotect", "--policy", "patched"], "v").contains("! VIOLATION (permission): b"));
    assert!(screen(&["overlap", "--seed", "2"], "N").contains("overlap, seed 2, on skx_2s"));
    assert!(screen(&["overlap", "--run-ahead"], "n").contains("event 1 "));
    assert!(screen(&["pageout-dirty-munmap"], "N").contains("pageout-dirty-munmap, on zen5_vm"));
    assert!(screen(&["--tour"], "space").contains("Stop 2 of 10"));
    let both = screen(&["overlap", "--policy", "unpatched", "--policy", "patched"], "n");
    assert!(both.contains("batched | pending-flag"), "{both}");
}

#[test]
fn a_witness_has_its_own_policy() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("w.json").to_str().expect("text").to_owned();
    let check = ["check", "B02-flag-lost-mprotect", "--policy", "pending-flag", "--witness", &path];
    mmusim(&check).assert().success();
    let screen = screen(&[&path], "v");
    assert!(screen.contains("witness of pend") && screen.contains("! VIOLATION (permission): b"), "{screen}");
}

#[test]
fn pictures_are_pictures_and_everything_else_is_text() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (svg, txt) = (path("a.svg"), path("a.txt"));
    mmusim(&["tui", "--press", "v", "-o", &svg, "--color", "always"]).assert().success().stdout("");
    let picture = std::fs::read_to_string(&svg).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.contains("#d55e00"), "violations have their colour");
    // NO_COLOR is set.
    mmusim(&["tui", "--press", "v", "-o", &svg]).assert().success();
    assert!(!std::fs::read_to_string(&svg).expect("a picture").contains("#d55e00"));
    mmusim(&["tui", "--press", "v", "-o", &txt]).assert().success();
    assert!(std::fs::read_to_string(&txt).expect("a text").contains("! violations: 1"));
}

#[test]
fn keys_can_be_bound_otherwise() {
    let printed = stdout(&["tui", "--print-keys"]);
    assert!(
        printed.starts_with("[keys]\n") && printed.contains("\nstep = [\"n\", \".\"] # one event forward\n"),
        "{printed}"
    );
    let (_directory, path) = file("keys.toml", b"[keys]\nstep = [\"x\"]\n");
    assert!(screen(&["--keys", &path], "x x").contains("event 2 "));
    assert!(screen(&["--keys", &path], "n n").contains("event 0 "));
}

#[test]
fn what_cannot_be_done_is_said() {
    expect(&["tui"], &["the live view needs a terminal", "--press"]);
    expect(&["tui", "nothing", "--press", "n"], &["no workload `nothing`", "expected a file"]);
    expect(&["tui", "--press", "hyper"], &["--press: unknown key `hyper`", "expected a character or one of space"]);
    expect(&["tui", "--press", "n", "--size", "0x9"], &["expected a width and a height, each from 1 to 1000"]);
    expect(
        &["tui", "--press", "n", "--policy", "patched", "--policy", "unpatched", "--policy", "immediate"],
        &["--policy is given 3 times", "expected one policy, or two"],
    );
    expect(&["tui", "overlap", "--policy", "arm64-dsb", "--press", "n"], &["arm64-dsb", "another machine"]);
    expect(&["tui", "--era", "v6.18", "--press", "n"], &["--era does not go with B01-mprotect-ro", "a workload"]);
    let (_directory, path) = file("keys.toml", b"[keys]\nstep = [\"b\"]\n");
    expect(&["tui", "--keys", &path, "--press", "n"], &["keys.toml: key `b` is bound to `back` and to `step`"]);
    expect(&["tui", "--press", "n", "-o", "/nonexistent/a.svg"], &["its directory does not exist"]);
}
