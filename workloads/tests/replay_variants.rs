//! Recordings rewritten: what must not matter does not, what is cut or lost does not break anything, other operations pay by the
//! kernel's rules, and what was recorded lies between the extremes.

use std::fmt::Write as _;

use proptest::prelude::*;
use sim_core::machine::profile::Profile;
use sim_core::policy::{self, POLICIES};
use sim_core::step::era;
use workloads::machines::{MACHINES, machine};
use workloads::recorded::answer::{Extent, Row};
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{Options, Report, report};
use workloads::recorded::script::Context;
use workloads::recorded::{EMBEDDED, Pick, decode, embedded, import_text};

const MPROTECT: &str = "pageout-dirty-mprotect";
const MUNMAP: &str = "pageout-dirty-munmap";
const IPI_SEND: u8 = 4;

fn text(name: &str) -> String {
    let (_, bytes) = decode(embedded(name).expect("an embedded recording").input()).expect("it decodes");
    String::from_utf8(bytes).expect("perf script prints text")
}

fn replay_on(text: &str, profile: &Profile, policy: &str, timing: Timing, processes: u16) -> Report {
    let recording = import_text("test", text.as_bytes(), &Pick::Busiest).expect("a well-formed recording");
    let options = Options {
        policy: policy::find(policy).expect("a policy"),
        era: era::find("v6.18").expect("an era"),
        profile: ("profile", "", profile),
        timing,
        processes,
    };
    report(&recording, options).expect("the profile has IPI costs")
}

fn replay(text: &str, policy: &str) -> Report {
    let profile = machine("zen5_vm").expect("shipped").profile();
    replay_on(text, &profile, policy, Timing::Recorded, 1)
}

/// All that a report predicts.
fn predicted(report: &Report) -> String {
    let paid: Vec<_> = report.operations.iter().map(|o| (o.name, o.recorded_full_ipi, o.predicted_full_ipi)).collect();
    serde_json::to_string(&(&report.rows, paid, report.extra_flushes, report.inferred, &report.windows))
        .expect("plain data")
}

/// The text with every hexadecimal number of an address changed.
fn relocated(text: &str, by: u64) -> String {
    let mut out = String::new();
    let mut parts = text.split("0x");
    out.push_str(parts.next().unwrap_or(""));
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
        match u64::from_str_radix(&part[..digits], 16) {
            // User addresses of position-independent programs, and no error code of a system call.
            Ok(address) if (1 << 40..1 << 47).contains(&address) => {
                let _ = write!(out, "{:#x}{}", address - by, &part[digits..]);
            }
            _ => {
                let _ = write!(out, "0x{part}");
            }
        }
    }
    out
}

/// The text with another clock: whole seconds are added to every time.
fn shifted(text: &str, by_s: u64) -> String {
    let shift = |line: &str| {
        let (at, dot) = line.find("] ").zip(line.find('.')).expect("a CPU and a time");
        let time: u64 = line[at + 2..dot].trim().parse().expect("seconds");
        format!("{} {}{}", &line[..=at], time + by_s, &line[dot..])
    };
    text.split_inclusive('\n').map(shift).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn names_places_and_clocks_do_not_matter(
        tables in 1_u64..100_000,
        by_s in 1_u64..1_000_000,
        pick in 0..2_usize,
    ) {
        let original = text([MUNMAP, "pageout-dirty-mprotect-1thread"][pick]);
        let expected = predicted(&replay(&original, "pending-generation"));
        let renamed = original.replace("pageout ", "renamed ");
        prop_assert_ne!(&renamed, &original);
        prop_assert_eq!(predicted(&replay(&renamed, "pending-generation")), &*expected);
        // Page tables stay page tables.
        let moved = relocated(&original, tables << 21);
        prop_assert_ne!(&moved, &original);
        prop_assert_eq!(predicted(&replay(&moved, "pending-generation")), &*expected);
        let later = shifted(&original, by_s);
        prop_assert_eq!(predicted(&replay(&later, "pending-generation")), &*expected);
    }

    #[test]
    fn a_recording_may_be_cut_at_both_ends_and_have_holes(front in 0..60_usize, back in 70..100_usize, hole in 5..40_usize) {
        let text = text(MUNMAP);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let (from, to) = (lines.len() * front / 100, lines.len() * back / 100);
        let kept: String = lines[from..to].iter().enumerate().filter(|(n, _)| n % hole != 1).map(|(_, l)| *l).collect();
        let report = replay(&kept, "pending-generation");
        prop_assert_eq!(report.operations.len(), kept.matches("syscalls:sys_enter_").count());
        // No flush without a cause: one for each folio written, and one for each call at risk.
        let writes = kept.matches("mm_vmscan_write_folio").count() as u64;
        let paid: u64 = report.operations.iter().map(|o| o.predicted_full_ipi).sum();
        prop_assert!(paid <= writes + report.operations.len() as u64, "{} > {}", paid, writes);
    }
}

/// Every mprotect call becomes another operation on the same pages; `ret` makes its result from its number and address.
fn instead_of_mprotect(name: &str, enter: impl Fn(u64, &str, &str) -> String, ret: impl Fn(u64, u64) -> u64) -> String {
    let text = text(MPROTECT);
    let first = text.find("behavior: 0x00000015").expect("a pageout");
    let (head, rounds) = text.split_at(first);
    let mut out = head.to_owned();
    let (mut calls, mut address) = (0, 0);
    for line in rounds.split_inclusive('\n') {
        if let Some((before, arguments)) = line.split_once("sys_enter_mprotect: start: ") {
            let mut fields = arguments.trim().split(", ");
            let (start, length) = (fields.next().expect("an address"), fields.next().expect("a length"));
            address = u64::from_str_radix(&start[2..], 16).expect("hexadecimal");
            let arguments = enter(calls, start, length.trim_start_matches("len: "));
            let _ = writeln!(out, "{before}sys_enter_{name}: {arguments}");
            calls += 1;
        } else if let Some((before, _)) = line.split_once("sys_exit_mprotect: ") {
            let _ = writeln!(out, "{before}sys_exit_{name}: {:#x}", ret(calls - 1, address));
        } else {
            out.push_str(line);
        }
    }
    out
}

/// What the pageout and the two calls after it pay, round by round.
fn rounds(report: &Report) -> Vec<[u64; 3]> {
    let paid: Vec<u64> = report.operations.iter().map(|o| o.predicted_full_ipi).collect();
    let first = report.operations.iter().position(|o| o.recorded_full_ipi >= Some(64)).expect("a pageout");
    paid[first..first + 60].chunks(3).map(|c| [c[0], c[1], c[2]]).collect()
}

#[test]
fn whatever_the_operation_the_first_after_a_pageout_pays_once() {
    let gigabyte = 1 << 30;
    let madvise = |advice: u32| {
        move |_: u64, start: &str, length: &str| format!("start: {start}, len_in: {length}, behavior: {advice:#x}")
    };
    let zero = |_: u64, _: u64| 0;
    // Away and back.
    let moving = |call: u64, start: &str, length: &str| {
        let there = u64::from_str_radix(&start[2..], 16).expect("hexadecimal") + gigabyte;
        let from = if call.is_multiple_of(2) { start.to_owned() } else { format!("{there:#x}") };
        format!("addr: {from}, old_len: {length}, new_len: {length}, flags: 0x1, new_addr: 0x0")
    };
    let back = |call: u64, address: u64| if call.is_multiple_of(2) { address + gigabyte } else { address };
    let variants = [
        ("MADV_DONTNEED", instead_of_mprotect("madvise", madvise(4), zero)),
        ("MADV_FREE", instead_of_mprotect("madvise", madvise(8), zero)),
        ("mremap", instead_of_mprotect("mremap", moving, back)),
    ];
    for (name, text) in variants {
        let paying = rounds(&replay(&text, "pending-generation"));
        assert_eq!(paying, vec![[64, 1, 0]; 20], "{name}");
        let silent = rounds(&replay(&text, "unpatched"));
        assert_eq!(silent, vec![[64, 0, 0]; 20], "{name}");
    }
}

/// The totals a replay is judged by.
fn totals(report: &Report) -> Vec<(String, u64, u64, u64)> {
    let judged = |r: &&Row| r.reason == IPI_SEND && r.context != Context::Other && r.extent != Extent::None;
    let total =
        |r: &Row| (format!("{} {}", r.context.name(), r.extent.name()), r.recorded.expect("recorded"), r.low, r.high);
    report.rows.iter().filter(judged).map(total).collect()
}

#[test]
fn what_was_recorded_lies_between_the_extremes() {
    let mut judged = 0;
    for recording in EMBEDDED {
        let report = replay(&text(recording.name), "pending-generation");
        for (what, recorded, low, high) in totals(&report) {
            judged += u64::from(recorded >= 20);
            assert!((low..=high).contains(&recorded), "{}: {what}: {recorded} in {low}..{high}", recording.name);
        }
        assert!(report.rows.iter().all(|r| r.low <= r.predicted && r.predicted <= r.high), "{}", recording.name);
    }
    assert!(judged >= 7, "{judged}");
}

#[test]
fn copies_of_a_process_multiply_its_flushes_and_nothing_else() {
    let profile = machine("milan_36c").expect("shipped").profile();
    let text = text("pageout-clean-mprotect");
    let of = |processes| replay_on(&text, &profile, "pending-generation", Timing::Recorded, processes);
    let (one, three) = (of(1), of(3));
    assert_eq!(one.rows.len(), three.rows.len());
    for (one, three) in one.rows.iter().zip(&three.rows) {
        assert_eq!((three.recorded, three.predicted), (one.recorded, 3 * one.predicted), "{one:?}");
        assert_eq!((three.low, three.high), (3 * one.low, 3 * one.high), "{one:?}");
    }
    for (one, three) in one.operations.iter().zip(&three.operations) {
        assert_eq!(three.predicted_full_ipi, 3 * one.predicted_full_ipi, "{one:?}");
    }
    assert_eq!(three.inferred, one.inferred);
    let stats = |r: &Report| (r.replayed.stats.ipis_sent, r.replayed.stats.faults, r.replayed.stats.writes);
    let (sent, faults, writes) = stats(&one);
    assert_eq!(stats(&three), (3 * sent, 3 * faults, 3 * writes));
}

#[test]
fn the_timing_of_the_model_on_every_machine_and_under_every_policy() {
    let text = text(MPROTECT);
    let madvise =
        |r: &Report| -> u64 { r.operations.iter().filter(|o| o.name == "madvise").map(|o| o.predicted_full_ipi).sum() };
    let mut durations = std::collections::BTreeSet::new();
    for machine in MACHINES.iter().filter(|m| m.name != "kunpeng920_2s") {
        let report = replay_on(&text, &machine.profile(), "pending-generation", Timing::Model, 1);
        // With nothing to order it, the last madvise of the second thread may come in the middle of a pageout: then it finds a
        // flush pending, and in the end somebody else at work.
        assert!([20 * 64, 20 * 64 + 2].contains(&madvise(&report)), "{}", machine.name);
        durations.insert(report.replayed.duration_cycles);
    }
    // The figures of each machine count.
    assert_eq!(durations.len(), MACHINES.len() - 1);
    let profile = machine("skx_2s").expect("shipped").profile();
    for policy in POLICIES {
        let report = replay_on(&text, &profile, policy.name, Timing::Model, 1);
        assert_eq!(report.replayed.stats.writes, 20 * 64, "{}", policy.name);
        let extra = report.extra_flushes;
        let extra = extra.needed + extra.useful_elsewhere + extra.needless;
        let checks = !matches!(policy.name, "immediate" | "clean-only" | "batched" | "local-only");
        assert_eq!(extra > 0, checks, "{}: {extra}", policy.name);
    }
}
