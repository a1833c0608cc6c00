//! The recordings replayed: what a live kernel did, predicted without looking.

mod lines;

use lines::report_of;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{ExtraFlushes, Report};
use workloads::recorded::{EMBEDDED, Pick, decode, embedded};

const PAGEOUTS: [&str; 4] =
    ["pageout-dirty-mprotect", "pageout-dirty-munmap", "pageout-clean-mprotect", "pageout-dirty-mprotect-1thread"];

fn text(name: &str) -> String {
    let (_, bytes) = decode(embedded(name).expect("an embedded recording").input()).expect("it decodes");
    String::from_utf8(bytes).expect("perf script prints text")
}

fn replay_with(text: &str, policy: &str, timing: Timing) -> Report {
    report_of(text, &Pick::Busiest, policy, timing)
}

fn replay(text: &str, policy: &str) -> Report {
    replay_with(text, policy, Timing::Recorded)
}

/// Keeps the lines that `keep` likes, as they are.
fn filtered(text: &str, keep: impl Fn(&str) -> bool) -> String {
    text.split_inclusive('\n').filter(|line| keep(line)).collect()
}

fn without_answers(text: &str) -> String {
    filtered(text, |line| !line.contains("tlb:tlb_flush"))
}

/// What each call of a round pays, round by round, from the call at `first` on.
fn paid(report: &Report, first: usize, calls: usize, rounds: usize) -> Vec<Vec<u64>> {
    let round = |r: usize| &report.operations[first + r * calls..first + (r + 1) * calls];
    (0..rounds).map(|r| round(r).iter().map(|o| o.predicted_full_ipi).collect()).collect()
}

/// The index of the first MADV_PAGEOUT: the first madvise that pays, under a policy that defers.
fn first_pageout(report: &Report) -> usize {
    report.operations.iter().position(|o| o.recorded_full_ipi >= Some(64)).expect("a pageout that shoots down")
}

#[test]
fn every_call_pays_what_the_kernel_paid() {
    for name in PAGEOUTS {
        let report = replay(&text(name), "pending-generation");
        for (n, operation) in report.operations.iter().enumerate() {
            let (recorded, predicted) = (operation.recorded_full_ipi, operation.predicted_full_ipi);
            assert_eq!(Some(predicted), recorded, "{name}: call {n}, {operation:?}");
        }
        assert!(report.operations.len() >= 75, "{name}");
    }
}

#[test]
fn the_integers_of_the_recordings() {
    let report = replay(&text("pageout-dirty-mprotect"), "pending-generation");
    assert_eq!(paid(&report, first_pageout(&report), 3, 20), vec![vec![64, 1, 0]; 20]);
    let report = replay(&text("pageout-dirty-munmap"), "pending-generation");
    // Each round: pageout, then twice munmap, mmap and MADV_NOHUGEPAGE.
    assert_eq!(paid(&report, first_pageout(&report), 7, 20), vec![vec![64, 1, 0, 0, 0, 0, 0]; 20]);
    let report = replay(&text("pageout-clean-mprotect"), "pending-generation");
    assert_eq!(paid(&report, first_pageout(&report), 4, 20), vec![vec![65, 5, 1, 0]; 20]);
    let report = replay(&text("pageout-dirty-mprotect-1thread"), "pending-generation");
    let mut rounds = vec![vec![0, 0, 0]; 20];
    rounds[0] = vec![64, 1, 0];
    assert_eq!(paid(&report, first_pageout(&report), 3, 20), rounds);
}

#[test]
fn unpatched_pays_nothing_and_patched_one_needless_flush() {
    for (name, calls) in [("pageout-dirty-mprotect", 3), ("pageout-dirty-munmap", 7)] {
        let text = text(name);
        let unpatched = replay(&text, "unpatched");
        let rounds = paid(&unpatched, first_pageout(&unpatched), calls, 20);
        assert!(rounds.iter().all(|r| r[0] == 64 && r[1..].iter().all(|&paid| paid == 0)), "{name}: {rounds:?}");
        assert_eq!(unpatched.extra_flushes, ExtraFlushes::default());
        let patched = replay(&text, "patched");
        let rounds = paid(&patched, first_pageout(&patched), calls, 20);
        assert!(rounds.iter().all(|r| r[1] == 1 && r[2..].iter().all(|&paid| paid == 0)), "{name}: {rounds:?}");
        let extra = patched.extra_flushes;
        assert_eq!((extra.needed, extra.useful_elsewhere, extra.needless), (0, 0, 20), "{name}");
    }
}

#[test]
fn the_prediction_never_looks_at_the_answer() {
    for recording in EMBEDDED {
        let text = text(recording.name);
        let blind = without_answers(&text);
        assert!(blind.len() < text.len());
        for policy in ["unpatched", "pending-generation"] {
            let (seeing, blind) = (replay(&text, policy), replay(&blind, policy));
            let predicted = |report: &Report| {
                let rows: Vec<_> = report
                    .rows
                    .iter()
                    .filter(|r| r.predicted > 0)
                    .map(|r| (r.context, r.reason, r.extent, r.predicted))
                    .collect();
                let operations: Vec<_> = report.operations.iter().map(|o| o.predicted_full_ipi).collect();
                serde_json::to_string(&(rows, operations, report.extra_flushes, report.inferred)).expect("plain data")
            };
            assert_eq!(predicted(&seeing), predicted(&blind), "{} under {policy}", recording.name);
            assert!(blind.rows.iter().all(|r| r.recorded.is_none()));
        }
    }
}

#[test]
fn a_page_read_instead_of_written_needs_no_flush_before_its_write() {
    let text = text("pageout-dirty-mprotect");
    let honest = replay(&text, "pending-generation");
    // In round 2 the pages come back from swap; let the first of them be read.
    let pageouts: Vec<usize> = text.match_indices("behavior: 0x00000015").map(|(at, _)| at).collect();
    let round = &text[pageouts[0]..pageouts[1]];
    let fault = round.find("error_code=0x6").expect("round 2 writes its pages");
    let at = pageouts[0] + fault;
    let changed = format!("{}error_code=0x4{}", &text[..at], &text[at + "error_code=0x6".len()..]);
    let report = replay(&changed, "pending-generation");
    let first = first_pageout(&honest);
    let (before, after) = (paid(&honest, first, 3, 20), paid(&report, first, 3, 20));
    assert_eq!(before[1], [64, 1, 0]);
    // Its own flush goes; the next dirty page's flush covers it.
    assert_eq!(after[1], [63, 1, 0]);
    let others = |rounds: &[Vec<u64>]| [&rounds[..1], &rounds[2..]].concat();
    assert_eq!(others(&after), others(&before));
}

#[test]
fn without_the_second_thread_nobody_is_interrupted() {
    let text = text("pageout-dirty-mprotect");
    let alone = filtered(&text, |line| !line.contains("/26811 "));
    let report = replay(&alone, "pending-generation");
    assert_eq!(report.operations.iter().map(|o| o.predicted_full_ipi).sum::<u64>(), 0);
    // One local flush a page instead: 20 rounds of 64.
    let local = |r: &&workloads::recorded::answer::Row| {
        r.reason == 3 && r.context == workloads::recorded::script::Context::Madvise
    };
    assert_eq!(report.rows.iter().filter(local).map(|r| r.predicted).sum::<u64>(), 20 * 64);
}

#[test]
fn what_if_timing_keeps_program_order() {
    let text = text("pageout-dirty-mprotect");
    let report = replay_with(&text, "pending-generation", Timing::Model);
    let rounds = paid(&report, first_pageout(&report), 3, 20);
    assert!(rounds.iter().all(|r| r[0] == 64 && r[2] == 0), "{rounds:?}");
    // One flush a round is owed to the pageout. With nothing to order it, the last call of the second thread may come in the
    // middle of a pageout: it pays too, and the pages deferred after it still owe theirs.
    let paid: u64 = report.operations.iter().map(|o| o.predicted_full_ipi).sum();
    assert!((20 * 65..=20 * 65 + 1).contains(&paid), "{paid}");
    let recorded = replay(&text, "pending-generation");
    assert_ne!(report.replayed.duration_cycles, recorded.replayed.duration_cycles);
}
