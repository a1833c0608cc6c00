//! The rules of a replay, one by one, on recordings of a few lines written here; `replay_cpus.rs` has those of CPUs.

mod lines;

use lines::{FILE, PID, Text, four_pages, local, predicted};
use workloads::recorded::answer::Extent;
use workloads::recorded::assume::Victim;
use workloads::recorded::report::Report;
use workloads::recorded::script::Context;

fn one_read(prepare: impl Fn(&mut Text)) -> Report {
    let mut text = Text::default();
    text.mmap(1, FILE, 64, 2).fault(10, PID, 0, FILE + 0x3000, 4);
    prepare(&mut text);
    text.reclaim((100, 300), PID, 0, 32);
    text.replay("pending-generation")
}

#[test]
fn a_read_fault_maps_its_aligned_sixteen_pages() {
    let report = one_read(|_| ());
    assert_eq!((local(&report), report.inferred.faulted_around), (16, 15));
    let row = report.rows.iter().find(|r| (r.context, r.reason) == (Context::Reclaim, 3)).expect("a row");
    // At least none of the list was mapped, at most all of it.
    assert_eq!((row.low, row.high), (0, 32));
}

#[test]
fn a_fault_that_waits_for_io_maps_its_own_page() {
    let report = one_read(|text| {
        text.switch(12, 0, PID, "D", 0).switch(50, 0, 0, "R", PID);
    });
    assert_eq!(local(&report), 1);
}

#[test]
fn a_mapping_read_at_random_has_no_neighbours_in_memory() {
    let advise = |from: u64, advice: u32| {
        move |text: &mut Text| {
            let arguments = format!("start: {from:#x}, len_in: 0x40000, behavior: {advice:#x}");
            text.call((4, 5), PID, 0, "madvise", &arguments, 0);
        }
    };
    assert_eq!(local(&one_read(advise(FILE, 1))), 1);
    assert_eq!(local(&one_read(advise(FILE, 2))), 16);
    assert_eq!(local(&one_read(advise(FILE + 0x100_0000, 1))), 16);
    let both = one_read(|text| {
        advise(FILE, 1)(text);
        text.call((6, 7), PID, 0, "madvise", &format!("start: {FILE:#x}, len_in: 0x4000, behavior: 0x0"), 0);
    });
    // The faulting page is read normally again.
    assert_eq!(local(&both), 16);
}

#[test]
fn a_neighbour_that_faults_before_any_reclaim_was_not_in_memory() {
    let report = one_read(|text| {
        text.fault(20, PID, 0, FILE + 0x5000, 4);
    });
    assert_eq!((local(&report), report.inferred.made_absent), (16, 0));
    assert_eq!(report.inferred.faulted_around, 14);
    let later = one_read(|text| {
        text.fault(400, PID, 0, FILE + 0x5000, 4);
    });
    assert_eq!(later.inferred.made_absent, 0);
    assert_eq!(local(&later), 16);
}

#[test]
fn a_new_mapping_is_where_nothing_was() {
    let mut text = Text::default();
    // A fault where no mapping is known maps its neighbours, but for the one that faults later. The kernel then puts a mapping there.
    text.fault(10, PID, 0, FILE + 0x3000, 4).mmap(20, FILE + 0x8000, 4, 0x22).fault(30, PID, 0, FILE + 0x9000, 6);
    let report = text.replay("immediate");
    assert_eq!((report.inferred.faulted_around, report.inferred.made_absent), (14, 3));
    assert!(report.rows.iter().all(|row| row.predicted == 0), "{:?}", report.rows);
}

#[test]
fn neighbours_end_with_the_mapping() {
    let mut text = Text::default();
    text.mmap(1, FILE, 4, 1).fault(10, PID, 0, FILE + 0x3000, 4).reclaim((100, 300), PID, 0, 32);
    assert_eq!(local(&text.replay("pending-generation")), 4);
}

fn flushed(report: &Report, context: Context) -> u64 {
    predicted(report, context, 4, Extent::Ranged) + predicted(report, context, 4, Extent::Full)
}

#[test]
fn a_fixed_mapping_over_present_pages_flushes_them() {
    let fixed = |at: u64, flags: u32, ret: u64| {
        let mut text = Text::default();
        let arguments = format!("addr: {at:#x}, len: 0x4000, prot: 0x3, flags: {flags:#x}, fd: 0xffffffff, off: 0x0");
        four_pages(&mut text).call((100, 120), PID, 0, "mmap", &arguments, ret);
        flushed(&text.replay("pending-generation"), Context::Mmap)
    };
    assert_eq!(fixed(FILE, 0x32, FILE), 1);
    assert_eq!(fixed(FILE + 0x10000, 0x32, FILE + 0x10000), 0, "nothing is there");
    assert_eq!(fixed(FILE, 0x22, FILE + 0x100_0000), 0, "only a hint");
    assert_eq!(fixed(FILE, 0x32, 12_u64.wrapping_neg()), 0, "it failed");
}

#[test]
fn a_shrinking_mremap_unmaps_its_tail() {
    let shrunk = |to: u64, ret: u64| {
        let mut text = Text::default();
        let arguments = format!("addr: {FILE:#x}, old_len: 0x4000, new_len: {to:#x}, flags: 0x1, new_addr: 0x0");
        four_pages(&mut text).call((100, 120), PID, 0, "mremap", &arguments, ret);
        flushed(&text.replay("pending-generation"), Context::Mremap)
    };
    assert_eq!(shrunk(0x2000, FILE), 1);
    assert_eq!(shrunk(0x8000, FILE), 0, "grown where it was");
    assert_eq!(shrunk(0x2000, FILE + 0x100_0000), 2, "tail, then the move");
    assert_eq!(shrunk(0x2000, 12_u64.wrapping_neg()), 0, "it failed");
}

/// CPU 0 reclaims eight pages from 100 us to 200 us, none of which any CPU has translated but the first; CPU 1 calls
/// mprotect on the others before, twice meanwhile, and after.
fn overlapping(policy: &str) -> Report {
    let other = PID + 1;
    let mut text = Text::default();
    text.mmap(1, FILE, 16, 1).mmap(3, FILE + 0x100_0000, 16, 0x22).fault(8, other, 1, FILE + 0x100_0000, 6);
    text.fault(10, PID, 0, FILE, 4).reclaim((100, 200), PID, 0, 8);
    for (us, rights) in [(60, 1), (130, 0), (170, 1), (260, 3)] {
        text.mprotect(us, other, 1, FILE + 0x1000, 15, rights);
    }
    text.replay(policy)
}

#[test]
fn the_calls_that_overlap_reclaim_pay_for_it() {
    let paid = |policy| -> Vec<u64> {
        let report = overlapping(policy);
        report.operations.iter().filter(|o| o.name == "mprotect").map(|o| o.predicted_full_ipi).collect()
    };
    for policy in ["patched", "pending-generation"] {
        // The flush at the end of the list does not settle what was deferred: the first call after it pays for nothing.
        assert_eq!(paid(policy), [0, 1, 1, 1], "{policy}");
    }
    assert_eq!(paid("unpatched"), [0, 0, 0, 0]);
}

#[test]
fn a_hot_victim_has_a_window_where_a_promise_meets_a_deferred_flush() {
    let opened = |policy, victim| -> u64 {
        let report = overlapping(policy);
        report.windows.iter().filter(|w| w.victim == victim && w.class == "permission").map(|w| w.count).sum()
    };
    assert!(opened("unpatched", Victim::Hot) > 0);
    assert_eq!(opened("unpatched", Victim::Idle), 0);
    for policy in ["patched", "pending-generation", "immediate"] {
        assert_eq!(opened(policy, Victim::Hot), 0, "{policy}");
    }
    let report = overlapping("patched");
    let (idle, hot) = (report.extra_flushes, report.extra_flushes_hot);
    // The reclaiming CPU itself holds the page it faulted in, which is not in the range.
    assert_eq!((idle.needed, idle.useful_elsewhere, idle.needless), (0, 1, 2));
    // Between the two calls the pages grant nothing, so nobody holds what is deferred then.
    assert_eq!((hot.needed, hot.useful_elsewhere, hot.needless), (1, 0, 2));
}

#[test]
fn a_list_that_took_long_enough_had_a_page_nobody_saw() {
    let list = |until: u64| {
        let mut text = Text::default();
        text.mmap(1, FILE, 64, 0x22).fault(4, PID + 1, 1, FILE, 6).reclaim((100, until), PID, 0, 8);
        let report = text.replay("pending-generation");
        let row = report.rows.iter().find(|r| (r.context, r.reason) == (Context::Reclaim, 4)).expect("a row");
        (row.low, row.predicted, row.high, report.inferred.victims_unseen)
    };
    assert_eq!(list(200), (0, 1, 1, 1));
    assert_eq!(list(101), (0, 0, 1, 0), "no time for a shootdown");
}

/// What an operation on the four pages, or on other ones, makes other CPUs do: ranged and full shootdowns.
fn shootdowns(name: &str, arguments: &str, ret: u64, again: bool, alone: bool) -> (u64, u64) {
    let mut text = Text::default();
    if alone {
        text.mmap(1, FILE, 64, 0x22);
        for page in 0..4 {
            text.fault(10 + 5 * page, PID, 0, FILE + (page << 12), 6);
        }
    } else {
        four_pages(&mut text);
    }
    text.call((100, 120), PID, 0, name, arguments, ret);
    if again {
        text.call((140, 160), PID, 0, name, arguments, ret);
    }
    let report = text.replay("pending-generation");
    let count = |extent| {
        let rows = report.rows.iter().filter(|r| (r.reason, r.extent) == (4, extent));
        rows.map(|r| r.predicted).sum()
    };
    (count(Extent::Ranged), count(Extent::Full))
}

#[test]
fn operations_flush_what_they_find_present_and_nothing_else() {
    let advice = |at: u64, advice: u32| format!("start: {at:#x}, len_in: 0x4000, behavior: {advice:#x}");
    let unmap = |at: u64| format!("addr: {at:#x}, len: 0x4000");
    let moved = format!("addr: {FILE:#x}, old_len: 0x4000, new_len: 0x4000, flags: 0x1, new_addr: 0x0");
    let there = FILE + 0x4000_0000;
    let empty = FILE + 0x30000;
    for (name, on_pages, on_none, ret) in [
        ("munmap", unmap(FILE), unmap(empty), 0),
        ("madvise", advice(FILE, 4), advice(empty, 4), 0),
        ("madvise", advice(FILE, 8), advice(empty, 8), 0),
        ("mremap", moved.clone(), moved.replace("old_len: 0x4000", "old_len: 0x0"), there),
    ] {
        assert_eq!(shootdowns(name, &on_pages, ret, false, false), (1, 0), "{name} {on_pages}");
        assert_eq!(shootdowns(name, &on_none, ret, false, false), (0, 0), "{name} {on_none}");
        assert_eq!(shootdowns(name, &on_pages, ret, false, true), (0, 0), "{name} {on_pages}, alone");
        let failed = 22_u64.wrapping_neg();
        assert_eq!(shootdowns(name, &on_pages, failed, false, false), (0, 0), "{name} {on_pages}, failed");
        // Nothing is left to be zapped or moved, or made clean and old.
        assert_eq!(shootdowns(name, &on_pages, ret, true, false), (1, 0), "{name} {on_pages}, twice");
    }
}

#[test]
fn populated_pages_are_present_without_a_fault() {
    let flushed = |flags: u32| {
        let mut text = Text::default();
        text.mmap(1, FILE, 64, 0x22).fault(4, PID + 1, 1, FILE, 6).fault(6, PID, 0, FILE + 0x1000, 6);
        text.mmap(10, FILE + 0x100_0000, 40, flags);
        text.call((40, 60), PID, 0, "munmap", &format!("addr: {:#x}, len: 0x28000", FILE + 0x100_0000), 0);
        let report = text.replay("pending-generation");
        (predicted(&report, Context::Munmap, 4, Extent::Ranged), predicted(&report, Context::Munmap, 4, Extent::Full))
    };
    assert_eq!(flushed(0x8022), (0, 1), "40 pages are above the ceiling");
    assert_eq!(flushed(0x22), (0, 0));
}

/// The table under these pages holds nothing else, so the kernel flushes once more when it frees it.
#[test]
fn a_recorded_munmap_frees_no_page_table() {
    let mut text = Text::default();
    four_pages(&mut text);
    let span = format!("start: {FILE:#x}, len_in: 0x40000, behavior: 0x4");
    text.call((100, 110), PID, 0, "madvise", &span, 0);
    text.call((120, 130), PID, 0, "munmap", &format!("addr: {FILE:#x}, len: 0x40000"), 0);
    let report = text.replay("pending-generation");
    assert_eq!((flushed(&report, Context::Madvise), flushed(&report, Context::Munmap)), (1, 0));
}
