//! Recordings that are none, and what else can go wrong in a replay: one screen, the place, exit code 2.

mod common;

use common::{expect, file};
use workloads::machines::machine;
use workloads::recorded::{decode, embedded};

const PAGEOUT: &str = "pageout-dirty-mprotect";

fn text() -> String {
    let (_, bytes) = decode(embedded(PAGEOUT).expect("embedded").input()).expect("it decodes");
    String::from_utf8(bytes).expect("text")
}

/// `replay` and `compare` of a file of these bytes.
fn bad(name: &str, bytes: &[u8], parts: &[&str]) {
    let (_directory, path) = file(name, bytes);
    for command in ["replay", "compare"] {
        expect(&[command, &path], &[&[name], parts].concat());
    }
}

#[test]
fn no_such_file() {
    let parts = ["/nonexistent/x.txt: no such file", "expected the text of a recording", PAGEOUT];
    expect(&["replay", "/nonexistent/x.txt"], &parts);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("text");
    expect(&["replay", path], &[path, "is a directory", "expected a file"]);
}

#[test]
fn bytes_that_are_no_text() {
    bad("b.txt", b"# a comment\n\x00\x01\x02\xff\n", &["b.txt:2: ", "binary file", "expected text"]);
    bad("perf.data", b"PERFILE2\x68\x00\x00\x00", &["raw perf.data file", "perf script --ns -F"]);
    let compressed = embedded(PAGEOUT).expect("embedded").bytes;
    let half = &compressed[..compressed.len() / 2];
    bad("half.zst", half, &["cut short or damaged", "whole lines", "expected a complete file"]);
    bad("empty.txt", b"", &["has no known event", "expected events such as tlb_flush, page_fault_user"]);
}

#[test]
fn a_line_cut_in_half() {
    let text = text();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let cut = &lines[1000][..lines[1000].len() / 2];
    let middle = [&lines[..1000].concat(), cut, "\n", &lines[1001..].concat()].concat();
    bad("cut.txt", middle.as_bytes(), &["cut.txt:1001: ", "expected"]);
    // The newline went with the other half: what is left runs into the next line.
    let joined = [&lines[..1000].concat(), cut, &lines[1001..].concat()].concat();
    bad("joined.txt", joined.as_bytes(), &["joined.txt:1001: ", "expected"]);
    let end = [&lines[..1000].concat(), cut].concat();
    bad("end.txt", end.as_bytes(), &["end.txt:1001: ", "does not end in a newline", "expected a whole line"]);
}

#[test]
fn time_going_backwards() {
    let text = text();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.swap(500, 600);
    let parts = ["back.txt:502: ", "goes backwards", "line 501", "expected lines in time order"];
    bad("back.txt", lines.concat().as_bytes(), &parts);
}

#[test]
fn no_such_process() {
    expect(&["replay", PAGEOUT, "--pid", "1"], &[PAGEOUT, "no event of process 1", "expected one of", "`pageout`"]);
    expect(&["replay", PAGEOUT, "--comm", "nope"], &["a process named `nope`", "expected one of", "`pageout`"]);
    expect(&["replay", PAGEOUT, "--comm", "x", "--pid", "1"], &["cannot be used with"]);
}

#[test]
fn unknown_names_list_the_known() {
    expect(&["replay", "nope"], &["nope", "no such file", "memcg-file-mprotect-cut"]);
    expect(&["replay", PAGEOUT, "--policy", "nope"], &["'nope'", "batched", "pending-flag", "pending-generation"]);
    expect(&["replay", PAGEOUT, "--profile", "nope"], &["no profile `nope`", "zen5_vm"]);
    expect(&["replay", PAGEOUT, "--era", "nope"], &["'nope'", "v4.13", "v6.18"]);
    expect(&["replay", PAGEOUT, "--timing", "nope"], &["'nope'", "recorded", "model"]);
}

#[test]
fn profiles_that_do_not_fit() {
    let shipped = machine("zen5_vm").expect("shipped").text;
    let (at, line) = shipped.lines().enumerate().find(|(_, l)| l.starts_with("ghz")).expect("a clock");
    let (_directory, path) = file("mine.toml", shipped.replacen(line, &format!("{line}\nspeed = 9"), 1).as_bytes());
    expect(&["replay", PAGEOUT, "--profile", &path], &[&format!("mine.toml:{}:", at + 2), "`speed`", "`ghz`"]);
    expect(&["replay", PAGEOUT, "--policy", "invlpgb"], &["no costs of", "milan_36c", "--profile"]);
}

#[test]
fn places_that_cannot_be_written() {
    let parts = ["/nonexistent/x.json", "does not exist", "expected a file in a directory that exists"];
    expect(&["replay", PAGEOUT, "-o", "/nonexistent/x.json"], &parts);
    // Nobody may create files there, not even root.
    expect(&["replay", PAGEOUT, "-o", "/proc/x.json"], &["cannot write /proc/x.json"]);
}

#[test]
fn more_cpus_than_the_machine_has() {
    let parts = ["zen5_vm has 2 CPUs", "needs 4: 2 recorded x 2 processes", "--profile", "--processes"];
    expect(&["replay", PAGEOUT, "--processes", "2"], &parts);
    expect(&["replay", PAGEOUT, "--processes", "0"], &["'0'", "--processes"]);
    // A recording made on more CPUs than the machine has.
    let (_directory, path) = file("wide.txt", text().replace("[001]", "[007]").as_bytes());
    expect(&["replay", &path], &["zen5_vm has 2 CPUs, wide.txt needs 8: 8 recorded", "--profile"]);
    expect(&["compare", &path], &["zen5_vm has 2 CPUs, wide.txt needs 8"]);
}
