//! Every target on its seeds and on seeded changes of them. libFuzzer goes further (`.ci/fuzz`); this holds what it has found.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fuzz::seeds::{Seed, words};
use fuzz::{TARGETS, Target};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Changed inputs of each target.
const INPUTS: u32 = 400;
/// Changes of an input at most.
const CHANGES_MAX: usize = 4;

/// A number below a bound.
fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    (random.next_u64() % bound.max(1) as u64) as usize
}

/// One input from the seeds: some changes of one of them.
fn changed(random: &mut ChaCha8Rng, seeds: &[Seed], words: &[String]) -> Vec<u8> {
    let mut bytes = seeds[below(random, seeds.len())].1.clone();
    for _ in 0..=below(random, CHANGES_MAX) {
        change(random, &mut bytes, words);
    }
    bytes
}

/// One change: of a byte, of a line, or of a word.
fn change(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>, words: &[String]) {
    const TELLING: &[u8] = b" :/[](){}.,=-+|\"'#0129afxXR>\n\t\0\x1b\xc3\xff";
    let at = below(random, bytes.len());
    match random.next_u32() % 8 {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, TELLING[below(random, TELLING.len())]),
        2 if !bytes.is_empty() => bytes[at] = TELLING[below(random, TELLING.len())],
        3 if !bytes.is_empty() => drop(bytes.drain(at..(at + 1 + below(random, 8)).min(bytes.len()))),
        4 => {
            let line = line_at(bytes, at);
            bytes.drain(line);
        }
        5 => {
            let line = bytes[line_at(bytes, at)].to_vec();
            let at = below(random, bytes.len());
            let to = line_at(bytes, at).start;
            bytes.splice(to..to, line);
        }
        6 => {
            let number = [0, 1, 255, 4096, 1 << 31, 1 << 47, u64::MAX][below(random, 7)].to_string();
            bytes.splice(word_at(bytes, at), number.into_bytes());
        }
        _ => {
            let word = words[below(random, words.len())].clone();
            bytes.splice(word_at(bytes, at), word.into_bytes());
        }
    }
}

/// The line around a byte, with its newline.
fn line_at(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let at = at.min(bytes.len());
    let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let end = bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |end| at + end + 1);
    start..end
}

/// The word or number around a byte.
fn word_at(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let at = at.min(bytes.len());
    let start = bytes[..at].iter().rposition(|byte| !is_word(byte)).map_or(0, |end| end + 1);
    let end = bytes[at..].iter().position(|byte| !is_word(byte)).map_or(bytes.len(), |end| at + end);
    start..end
}

/// Runs a target, and says what it was run on if it panics.
fn run(target: &Target, what: &str, bytes: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))) {
        eprintln!("{}, {what}:\n{}", target.name, String::from_utf8_lossy(bytes));
        std::panic::resume_unwind(panic);
    }
}

/// The seeds of a target, and changes of them.
fn all_of(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("it is registered");
    let seeds = (target.seeds)();
    for (name, bytes) in &seeds {
        assert!(bytes.len() <= 4 * target.max_len, "{name}: {} bytes are no small text", bytes.len());
        run(target, name, bytes);
    }
    let words: Vec<_> = words(&seeds).into_iter().collect();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for n in 0..INPUTS {
        let mut bytes = changed(&mut random, &seeds, &words);
        bytes.truncate(target.max_len);
        run(target, &format!("input {n}"), &bytes);
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            all_of(stringify!($name));
        })*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! { perf ftrace strace lackey litmus profile workload plan witness keys }

#[test]
fn every_target_is_tested_and_built() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
    let manifest: toml::Table = include_str!("../targets/Cargo.toml").parse().expect("it is TOML");
    let built: Vec<_> =
        manifest["bin"].as_array().expect("a list").iter().filter_map(|bin| bin["name"].as_str()).collect();
    assert_eq!(built, names);
    for name in names {
        let path = format!("{}/targets/src/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read_to_string(&path).expect(&path).contains("fuzz::"), "{path}");
    }
}
