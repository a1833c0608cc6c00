//! `mmusim export`: what it writes, and what it refuses. That SPIN comes to the same verdicts is for `.ci/promela`.

mod common;

use std::collections::BTreeSet;

use common::{LITMUS_FILE as GOOD, expect, file, stdout};
use sim_core::kernel::path::labels;
use sim_core::step::frame::Path;
use workloads::litmus::LITMUS;

fn export(name: &str, policy: &str) -> String {
    stdout(&["export", "--promela", name, "--policy", policy])
}

/// What a model says of its own file: the text in front of the paths, and the programs behind them.
fn own_part(model: &str) -> String {
    let (head, rest) = model.split_once("/* ---- The machine").expect("the paths follow");
    let at = rest.find("/* ---- CPU 0").expect("the programs follow");
    format!("{head}...\n\n{}", &rest[at..])
}

#[test]
fn models_of_two_files() {
    insta::assert_snapshot!("export_mprotect", own_part(&export("B01-mprotect-ro", "pending-flag")));
    insta::assert_snapshot!("export_mremap", own_part(&export("B12-mremap-truncate", "latr")));
}

#[test]
fn the_text_of_the_paths_does_not_depend_on_the_file() {
    let paths = |model: &str| {
        let from = model.find("/* ---- The machine").expect("the paths");
        model[from..model.find("/* ---- CPU 0").expect("the programs")].to_owned()
    };
    assert_eq!(paths(&export("B01-munmap", "batched")), paths(&export("C1-ksm", "invlpgb")));
}

#[test]
fn words_without_a_text_are_refused() {
    let replaced = |what: &str, by: &str| {
        assert!(GOOD.contains(what));
        file("bad.litmus", GOOD.replace(what, by).as_bytes())
    };
    for (what, by, word) in [
        ("cpu    0 kthread: reclaim x", "cpu    0 kthread: kswapd", "kswapd"),
        ("mprotect x r", "madvise x pageout", "pageout"),
        ("cpu    1: write x; write x\ncpu    2: mprotect x r", "cpu    1: write x; exit", "exit"),
        ("anon dirty", "private dirty", "private"),
        ("mprotect x r", "munmap x; mmap x rw private", "private"),
        ("mprotect x r", "mmap x rw", "mmap"),
        ("mprotect x r", "munmap x; mmap x rw; mmap x rw", "mmap"),
        (
            "cpu    1: write x; write x\ncpu    2: mprotect x r",
            "cpu    1: munmap x; mmap x rw\ncpu    2: munmap x; mmap x rw",
            "mmap",
        ),
        ("dirty_assist on", "lone_tables on", "lone_tables"),
        ("dirty_assist on", "free_batch_slots 1", "free_batch_slots"),
        ("dirty_assist on", "fault_around_pages 2", "fault_around_pages"),
        ("dirty_assist on", "broadcast_min_cpus 2", "broadcast_min_cpus"),
    ] {
        let (_keep, path) = replaced(what, by);
        expect(
            &["export", "--promela", &path],
            &[&format!("`{word}` cannot be exported: "), "bad.litmus", "lists the words that cannot be exported"],
        );
    }
    let (_keep, path) = file("good.litmus", GOOD.as_bytes());
    stdout(&["export", "--promela", &path]);
}

#[test]
fn what_is_no_litmus_file_is_refused() {
    expect(&["export", "--promela", "nothing"], &["nothing"]);
    expect(&["export"], &["--promela"]);
    expect(&["export", "--promela", "B01-munmap", "-o", "/nonexistent/a.pml"], &["does not exist"]);
    let (_keep, path) = file("bad.litmus", GOOD.replace("reclaim x", "reclaim z").as_bytes());
    expect(&["export", "--promela", &path], &["bad.litmus:9", "unknown page `z`"]);
}

#[test]
fn a_file_gets_what_stdout_would() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.pml");
    stdout(&["export", "--promela", "B01-munmap", "--policy", "unpatched", "-o", path.to_str().expect("text")]);
    assert_eq!(std::fs::read_to_string(&path).expect("it is written"), export("B01-munmap", "batched"));
}

/// The numbers in brackets in the comments of a text.
fn numbers(text: &str) -> BTreeSet<&str> {
    text.split('[')
        .skip(1)
        .filter_map(|part| part.split_once(']'))
        .map(|(inside, _)| inside)
        .filter(|inside| inside.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter(|inside| {
            inside.trim_start_matches(|c: char| c.is_ascii_uppercase()).starts_with(|c: char| c.is_ascii_digit())
        })
        .collect()
}

/// Steps of the model that its own kind of step has no counterpart of: entries of calls, which do nothing that another CPU could
/// see, and the paths that are refused.
const WITHOUT: &[&str] = &["C0", "D0", "D8", "G0", "I0", "K0", "M0", "Q0", "S0", "T0", "V0", "W0", "W7", "Z0", "R2"];

#[test]
fn every_number_is_one_of_the_model_and_every_step_has_one() {
    let known: BTreeSet<&str> = Path::ALL.iter().flat_map(|&path| labels(path)).map(|label| label.id).collect();
    let models: Vec<String> = LITMUS.iter().map(|litmus| export(litmus.name, "latr")).collect();
    let named: BTreeSet<&str> = models.iter().flat_map(|model| numbers(model)).collect();
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "the kernel's paths have no {unknown:?}");
    let refused = |id: &str| id.starts_with('P') || id.starts_with('L') && !id.starts_with("LZ");
    let missing: Vec<_> = known.difference(&named).filter(|id| !WITHOUT.contains(id) && !refused(id)).collect();
    assert!(missing.is_empty(), "no model has {missing:?}");
    assert!(WITHOUT.iter().all(|id| known.contains(id) && !named.contains(id)));
}
