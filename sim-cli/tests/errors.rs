//! Every way to get it wrong: one screen, the place, what was expected, exit code 2.

mod common;

use common::{expect, file, mmusim};
use workloads::synthetic;

fn overlap_with(from: &str, to: &str) -> (tempfile::TempDir, String) {
    let text = synthetic::find("overlap").expect("built in").text;
    assert!(text.contains(from));
    file("mine.toml", text.replacen(from, to, 1).as_bytes())
}

#[test]
fn unknown_names_list_the_known() {
    expect(&["compare", "nope"], &["no workload `nope`", "overlap-two-tables", "pageout-dirty-mprotect"]);
    expect(&["compare", "--profile", "nope"], &["no profile `nope`", "skx_2s"]);
    expect(&["compare", "--policy", "nope"], &["'nope'", "pending-generation"]);
    expect(&["compare", "--era", "v9"], &["'v9'", "v4.13", "v6.18"]);
    expect(&["list", "nope"], &["'nope'", "policies"]);
    expect(&["compare", "--seed", "x"], &["'x'", "--seed"]);
    expect(&["compare", "--lookahead", "1", "--no-run-ahead"], &["cannot be used with"]);
}

#[test]
fn files_that_are_no_workload() {
    expect(&["compare", "/nonexistent/x.toml"], &["no workload `/nonexistent/x.toml`", "no such file"]);
    expect(&["compare", "/usr"], &["/usr: is a directory", "expected a file"]);
    expect(&["compare", "--profile", "/usr"], &["/usr is a directory", "expected a file"]);
    let (_directory, binary) = file("b.toml", b"name = 1\n\xff\xfe\x00");
    expect(&["compare", &binary], &["b.toml:2: not text", "expected a workload in TOML"]);
    let (_directory, empty) = file("e.toml", b"");
    expect(&["compare", &empty], &["e.toml:1", "missing field `name`"]);
    let (_directory, unread) = file("p.toml", b"[machine]\nghz = 1\n");
    expect(&["compare", "--profile", &unread], &["p.toml:1:1: missing field `sockets`"]);
}

#[test]
fn mistakes_in_a_workload_name_the_line_and_the_keys() {
    let (_directory, path) = overlap_with("gap_cycles", "gap_cycels");
    expect(&["compare", &path], &["mine.toml:17:1", "unknown field `gap_cycels`", "`gap_cycles`"]);
    let (_directory, path) = overlap_with("pages = 64", "pages = = 64");
    expect(&["compare", &path], &["mine.toml:8:"]);
    let (_directory, path) = overlap_with("cores = 6", "cores = \"six\"");
    expect(&["compare", &path], &["mine.toml:7:9", "invalid type: string \"six\"", "expected a nonzero u16"]);
    let (_directory, path) = overlap_with("page_tables = 1", "page_tables = 5");
    expect(&["compare", &path], &["mine.toml:9:15", "expected a divisor of pages (64)"]);
    let (_directory, path) = overlap_with("profile = \"skx_2s\"", "profile = \"skx\"");
    expect(&["compare", &path], &["mine.toml:5:11", "unknown `skx`", "skx_2s"]);
}

/// A file must not be able to move the cursor of whoever reads what is wrong with it.
#[test]
fn control_characters_of_a_file_are_not_printed() {
    let (_directory, workload) = overlap_with("gap_cycles", "\"\u{1b}[2J\"");
    let (_directory, keys) = file("keys.toml", "[keys]\nstep = [\"\\u001b[2J\"]\n".as_bytes());
    expect(&["compare", &workload], &["mine.toml:17:", "?[2J"]);
    expect(&["tui", "--keys", &keys, "--print-keys"], &["unknown key", "[2J"]);
}

#[test]
fn machines_that_do_not_fit() {
    expect(&["compare", "overlap", "--profile", "zen5_vm"], &["needs 7 CPUs", "at most the 2"]);
    expect(&["compare", "overlap", "--policy", "invlpgb"], &["no costs of", "milan_36c", "--profile"]);
}

#[test]
fn a_process_of_a_workload() {
    expect(&["compare", "overlap", "--pid", "3"], &["overlap is a workload", "expected a recording"]);
    expect(&["compare", "overlap", "--comm", "cat"], &["overlap is a workload", "--comm"]);
}

/// What is read stays as it is, by whatever name it is written to; so does what else is written.
#[test]
fn results_over_what_is_read() {
    let text = include_str!("../../workloads/synthetic/overlap.toml");
    let (directory, workload) = file("own.toml", text.as_bytes());
    let link = directory.path().join("link.csv");
    std::os::unix::fs::symlink(&workload, &link).expect("a link");
    for written in [workload.as_str(), link.to_str().expect("text")] {
        let parts = [written, "would be read, and written over by --output", "expected another file"];
        expect(&["compare", &workload, "-o", written], &parts);
    }
    expect(&["compare", &workload, "--policy", "batched", "--perfetto", &workload], &["written over by --perfetto"]);
    assert_eq!(std::fs::read_to_string(&workload).expect("the file"), text);
    let (_directory, litmus) = file("own.litmus", common::LITMUS_FILE.as_bytes());
    let check = ["check", &litmus, "--policy", "immediate", "--witness", &litmus];
    expect(&check, &["written over by --witness"]);
    let new = directory.path().join("new.csv");
    let new = new.to_str().expect("text");
    let both = ["compare", "overlap", "--policy", "batched", "--perfetto", new, "-o", new];
    expect(&both, &[new, "--perfetto", "--output"]);
    let devices = ["compare", "overlap", "--policy", "batched", "--perfetto", "/dev/null", "-o", "/dev/null"];
    mmusim(&devices).assert().success();
}

#[test]
fn places_that_cannot_be_written() {
    expect(&["compare", "-o", "/nonexistent/x.csv"], &["/nonexistent/x.csv", "does not exist"]);
    expect(&["compare", "-o", "/usr"], &["/usr is a directory"]);
}
