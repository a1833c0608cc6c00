//! Whatever is written, the reader says what is wrong or the explorer can run it.

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use workloads::litmus::check::Found;
use workloads::litmus::{LITMUS, Litmus, format};

/// Interleavings are cut off here: a crash shows early.
const STATES: usize = 4_000;
/// Files tried.
const CASES: u32 = 400;

/// Words of the language and some others.
const WORDS: &[&str] = &[
    "x",
    "y",
    "x..y",
    "x..",
    "..",
    "r",
    "rw",
    "none",
    "anon",
    "file",
    "private",
    "clean",
    "dirty",
    "table",
    "process",
    "0",
    "1",
    "2",
    "99999999999",
    "-1",
    ":",
    ";",
    "#",
    "cpu",
    "page",
    "cached",
    "set",
    "expect",
    "W",
    "D",
    "kthread",
    "read",
    "write",
    "mprotect",
    "fork",
    "exit",
    "reclaim",
    "kswapd",
    "mremap",
    "ksm",
    "soft-dirty",
    "uffd-wp",
    "never",
    "sometimes",
    "é",
    "\u{a0}",
    "\t",
];

fn operation() -> impl Strategy<Value = String> {
    let page = || select(vec!["x", "x", "y", "x..y"]);
    prop_oneof![
        select(vec!["read x", "write x", "read y", "write y", "read x", "write x"]).prop_map(str::to_owned),
        (page(), select(vec!["none", "r", "rw"])).prop_map(|(p, r)| format!("mprotect {p} {r}")),
        (page(), select(vec!["r", "rw", "rw file", "r private"])).prop_map(|(p, r)| format!("mmap {p} {r}")),
        (page(), select(vec!["dontneed", "free", "pageout"])).prop_map(|(p, a)| format!("madvise {p} {a}")),
        (select(vec!["munmap", "reclaim", "mkclean", "numa", "soft-dirty", "uffd-wp"]), page())
            .prop_map(|(op, p)| format!("{op} {p}")),
        select(vec!["ksm x y", "ksm y x"]).prop_map(str::to_owned),
        select(vec!["mremap x y", "mremap y x", "munmap y; mremap x y", "munmap x; mremap y x"])
            .prop_map(str::to_owned),
    ]
}

fn page() -> impl Strategy<Value = String> {
    let (rights, backing) = (select(vec!["none", "r", "rw", "rw"]), select(vec!["anon", "anon", "file", "private"]));
    (rights, backing, select(vec!["clean", "dirty"]))
        .prop_map(|(rights, backing, dirty)| format!("{rights} {backing} {dirty}"))
}

/// Where the second page is, and which process CPU 2 runs.
const LAYOUTS: &[(&str, &str)] = &[("", ""), (" table 1", ""), (" process 1", " process 1"), ("", " process 1")];

/// Files that are mostly right: pages and programs of every kind.
fn file() -> impl Strategy<Value = String> {
    let lists = select(vec![
        "reclaim x",
        "reclaim x; reclaim y",
        "reclaim y; kswapd",
        "kswapd",
        "mkclean x; reclaim x",
        "soft-dirty x; ksm y x",
        "",
    ]);
    let program = || vec(operation(), 0..4).prop_map(|ops| ops.join("; "));
    let end = || select(vec!["", "", "", "", "; fork", "; exit"]);
    let sets = select(vec![
        "",
        "lone_tables on",
        "evictions off",
        "free_batch_slots 1",
        "dirty_assist off",
        "flush_before_free off",
        "wp_reuses off",
        "isolate_until_flushed off",
    ]);
    let era = select(vec!["v4.13", "v5.17", "v6.18"]);
    let cpus = (lists, program(), end(), program(), end());
    (page(), page(), cpus, sets, era, select(LAYOUTS)).prop_map(|(x, y, cpus, sets, era, (place, home))| {
        let set = if sets.is_empty() { String::new() } else { format!("set {sets}\n") };
        let (list, one, one_end, two, two_end) = cpus;
        let (one, two) = (format!("{one}{one_end}"), format!("{two}{two_end}"));
        let (one, two) = (one.trim_start_matches("; "), two.trim_start_matches("; "));
        format!(
            "litmus p\ntitle t\nsource s\nera {era}\n{set}page x {x}\npage y {y}{place}\ncpu 0 kthread: {list}\n\
            cpu 1: {one}\ncpu 2{home}: {two}\nexpect never pending-generation batched: r\n"
        )
    })
}

#[test]
fn what_is_read_can_be_explored() {
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let (read, exhausted) = (Cell::new(0), Cell::new(0));
    let result =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)).run(&file(), |text| {
            let Ok(litmus) = Litmus::parse("p", &text) else { return Ok(()) };
            read.set(read.get() + 1);
            for expect in &litmus.expects {
                let found = litmus.check(expect.policy, STATES).found;
                prop_assert!(found != Found::Stuck, "{text}");
                exhausted.set(exhausted.get() + u32::from(found != Found::NotExhausted));
            }
            let once = format("p", &text).unwrap();
            prop_assert_eq!(format("p", &once).unwrap(), once);
            Ok(())
        });
    result.unwrap();
    assert!(read.get() > CASES / 4, "{} of {CASES} can be read", read.get());
    assert!(exhausted.get() > CASES / 10, "{} of them are explored to the end", exhausted.get());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_wrong_has_a_place(which in 0..LITMUS.len(), cuts in vec((any::<prop::sample::Index>(), 0..3_u8, select(WORDS)), 1..4)) {
        let mut words: Vec<&str> = LITMUS[which].text.split_inclusive([' ', '\n']).collect();
        for (at, how, word) in cuts {
            let at = at.index(words.len());
            match how {
                0 => drop(words.remove(at)),
                1 => words.insert(at, word),
                _ => words[at] = word,
            }
        }
        let text = words.concat();
        if let Err(error) = Litmus::parse("p", &text) {
            prop_assert!(error.line <= text.lines().count() + 1 && error.span.end <= text.len());
            prop_assert!(error.message.contains("expected"), "{}", error.message);
        }
    }
}
