//! What is done with any bytes: one function for each format that a user hands over. It reads them and, if they can be read, goes on
//! as the program does. What cannot be read is refused with an error; nothing panics, hangs or takes memory without bound.
//!
//! libFuzzer drives these functions (`fuzz/targets/`, `.ci/fuzz`), and so does a test, with seeded changes of the same seeds.

pub mod keys;
pub mod lackey;
pub mod litmus;
pub mod plan;
pub mod profile;
pub mod recorded;
pub mod seeds;
pub mod witness;
pub mod workload;

use seeds::Seed;

/// A format, and what is done with bytes that may be in it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of the file in `fuzz/targets/src/`.
    pub name: &'static str,
    /// Takes any bytes, and panics if they lay a fault open.
    pub run: fn(&[u8]),
    /// Small texts of this format.
    pub seeds: fn() -> Vec<Seed>,
    /// The longest input that is tried, in bytes: what is slow because it is long is no finding.
    pub max_len: usize,
}

/// All of them.
pub static TARGETS: &[Target] = &[
    Target { name: "perf", run: recorded::text, seeds: seeds::perf, max_len: 4096 },
    Target { name: "ftrace", run: recorded::text, seeds: seeds::ftrace, max_len: 4096 },
    Target { name: "strace", run: recorded::text, seeds: seeds::strace, max_len: 4096 },
    Target { name: "lackey", run: lackey::text, seeds: seeds::lackey, max_len: 4096 },
    Target { name: "litmus", run: litmus::text, seeds: seeds::litmus, max_len: 2048 },
    Target { name: "profile", run: profile::text, seeds: seeds::profile, max_len: 4096 },
    Target { name: "workload", run: workload::text, seeds: seeds::workload, max_len: 4096 },
    Target { name: "plan", run: plan::text, seeds: seeds::plan, max_len: 2048 },
    Target { name: "witness", run: witness::text, seeds: seeds::witness, max_len: 8192 },
    Target { name: "keys", run: keys::text, seeds: seeds::keys, max_len: 2048 },
];

/// Any bytes as text. Files that are no text are refused before any of these readers sees them.
fn as_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A number that depends on the bytes only: it picks what is varied from input to input (FNV-1a).
fn digest(bytes: &[u8]) -> usize {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 17) as usize
}

/// An error says what is wrong. Control characters of the input may be in it: the program escapes what it prints.
fn says(error: &impl std::fmt::Display) {
    assert!(!error.to_string().is_empty(), "an error without a message");
}
