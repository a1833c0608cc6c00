//! The rules of a replay, one by one, on recordings of a few lines written here.

use std::fmt::Write as _;

use sim_core::policy;
use sim_core::step::era;
use workloads::machines::machine;
use workloads::recorded::answer::Extent;
use workloads::recorded::assume::Victim;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{Options, Report, report};
use workloads::recorded::script::Context;
use workloads::recorded::{Pick, import_text};

const PID: i32 = 100;
/// Sixteen pages, aligned.
const FILE: u64 = 0x7000_0000_0000;

/// A recording under construction; times in microseconds.
#[derive(Default)]
struct Text(Vec<(u64, String)>);

impl Text {
    fn line(&mut self, us: u64, tid: i32, cpu: u16, event: &str) -> &mut Text {
        let line = format!("  prog {PID}/{tid} [{cpu:03}] 10.{:09}: {event}\n", us * 1000);
        self.0.push((us, line));
        self
    }

    fn fault(&mut self, us: u64, tid: i32, cpu: u16, address: u64, code: u16) -> &mut Text {
        self.line(
            us,
            tid,
            cpu,
            &format!("exceptions:page_fault_user: address={address:#x} ip=0x1 error_code={code:#x}"),
        )
    }

    fn call(&mut self, us: (u64, u64), tid: i32, cpu: u16, name: &str, arguments: &str, ret: u64) -> &mut Text {
        self.line(us.0, tid, cpu, &format!("syscalls:sys_enter_{name}: {arguments}"));
        self.line(us.1, tid, cpu, &format!("syscalls:sys_exit_{name}: {ret:#x}"))
    }

    fn mmap(&mut self, us: u64, at: u64, pages: u64, flags: u32) -> &mut Text {
        let (length, fd) = (pages << 12, if flags & 0x20 == 0 { 3 } else { -1 });
        let arguments = format!("addr: {at:#x}, len: {length:#x}, prot: 0x3, flags: {flags:#x}, fd: {fd:#x}, off: 0x0");
        self.call((us, us + 1), PID, 0, "mmap", &arguments, at)
    }

    fn mprotect(&mut self, us: u64, tid: i32, cpu: u16, at: u64, pages: u64, rights: u32) -> &mut Text {
        let arguments = format!("start: {at:#x}, len: {:#x}, prot: {rights:#x}", pages << 12);
        self.call((us, us + 4), tid, cpu, "mprotect", &arguments, 0)
    }

    /// A cycle of one list that freed `pages` file pages in this time, and wrote none.
    fn reclaim(&mut self, us: (u64, u64), tid: i32, cpu: u16, pages: u32) -> &mut Text {
        self.line(us.0, tid, cpu, "vmscan:mm_vmscan_memcg_reclaim_begin: order=0 gfp_flags=GFP_KERNEL");
        let list = format!(
            "vmscan:mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned={pages} nr_reclaimed={pages} nr_dirty=0 \
             nr_writeback=0 nr_congested=0 nr_immediate=0 nr_activate_anon=0 nr_activate_file=0 nr_ref_keep=0 \
             nr_unmap_fail=0 priority=12 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC"
        );
        self.line(us.1, tid, cpu, &list);
        self.line(us.1, tid, cpu, &format!("vmscan:mm_vmscan_memcg_reclaim_end: nr_reclaimed={pages}"))
    }

    fn switch(&mut self, us: u64, cpu: u16, prev: i32, state: &str, next: i32) -> &mut Text {
        let event = format!(
            "sched:sched_switch: prev_comm=a prev_pid={prev} prev_prio=120 prev_state={state} ==> next_comm=b \
             next_pid={next} next_prio=120"
        );
        self.line(us, if prev == 0 { 0 } else { prev }, cpu, &event)
    }

    fn replay(&self, policy: &str) -> Report {
        self.timed(policy, Timing::Recorded)
    }

    fn timed(&self, policy: &str, timing: Timing) -> Report {
        let mut lines = self.0.clone();
        lines.sort_by_key(|&(us, _)| us);
        let mut text = String::new();
        for (_, line) in lines {
            let _ = write!(text, "{line}");
        }
        let recording = import_text("test", text.as_bytes(), &Pick::Pid(PID)).expect("a well-formed recording");
        let profile = machine("zen5_vm").expect("a shipped profile").profile();
        let options = Options {
            policy: policy::find(policy).expect("a policy"),
            era: era::find("v6.18").expect("an era"),
            profile: ("zen5_vm", "", &profile),
            timing,
            processes: 1,
        };
        report(&recording, options).expect("zen5_vm has IPI costs")
    }
}

fn predicted(report: &Report, context: Context, reason: u8, extent: Extent) -> u64 {
    let rows = report.rows.iter().filter(|r| (r.context, r.reason, r.extent) == (context, reason, extent));
    rows.map(|r| r.predicted).sum()
}

/// One-page flushes of a CPU that is alone.
fn local(report: &Report) -> u64 {
    predicted(report, Context::Reclaim, 3, Extent::Ranged)
}

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
fn neighbours_end_with_the_mapping() {
    let mut text = Text::default();
    text.mmap(1, FILE, 4, 1).fault(10, PID, 0, FILE + 0x3000, 4).reclaim((100, 300), PID, 0, 32);
    assert_eq!(local(&text.replay("pending-generation")), 4);
}

/// A thread leaves CPU 0 and is next seen on CPU 1 after the reclaim; a line of another process may be between.
fn silent(state: &str, between: Option<(u64, &str)>) -> Report {
    let other = PID + 1;
    let mut text = Text::default();
    text.mmap(1, FILE, 64, 2)
        .fault(10, other, 0, FILE + 0x20000, 4)
        .switch(20, 0, other, state, PID)
        .fault(30, PID, 0, FILE, 4)
        .reclaim((100, 300), PID, 0, 16)
        .fault(400, other, 1, FILE + 0x1000, 4);
    text.0.extend(between.map(|(us, line)| (us, format!("  other 999/999 [001] 10.{:09}: {line}\n", us * 1000))));
    text.replay("pending-generation")
}

#[test]
fn a_runnable_thread_is_silently_on_the_cpu_of_its_next_event() {
    let full = |report: &Report| predicted(report, Context::Reclaim, 4, Extent::Full);
    let runnable = silent("R", None);
    assert_eq!((full(&runnable), local(&runnable)), (1, 0));
    // Not as long as something else is there.
    let fault = "exceptions:page_fault_user: address=0x1000 ip=0x1 error_code=0x4";
    let taken = silent("R", Some((350, fault)));
    assert_eq!((full(&taken), local(&taken)), (0, 16));
    // But who is interrupted there is part of the answer.
    let answered = silent("R", Some((350, "tlb:tlb_flush: pages:0 reason:remote shootdown (1)")));
    assert_eq!((full(&answered), local(&answered)), (1, 0));
    let asleep = silent("S", None);
    assert_eq!((full(&asleep), local(&asleep)), (0, 16));
    let row = |report: &Report, reason| {
        let row = report.rows.iter().find(|r| (r.context, r.reason) == (Context::Reclaim, reason));
        row.map(|r| (r.low, r.high))
    };
    // It may have woken up long before, so both are shown.
    assert_eq!(row(&asleep, 4), Some((0, 1)));
}

/// Two threads on two CPUs; the first has stored to four pages.
fn four_pages(text: &mut Text) -> &mut Text {
    text.mmap(1, FILE, 64, 0x22).fault(4, PID + 1, 1, FILE + 0x20000, 6);
    for page in 0..4 {
        text.fault(10 + 5 * page, PID, 0, FILE + (page << 12), 6);
    }
    text
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
    for us in [60, 130, 170, 260] {
        text.mprotect(us, other, 1, FILE + 0x1000, 15, u32::from(us != 130));
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
fn a_preempted_list_holds_nobody_up() {
    let other = PID + 1;
    let mut text = Text::default();
    four_pages(&mut text).line(100, PID, 0, "vmscan:mm_vmscan_memcg_reclaim_begin: order=0 gfp_flags=GFP_KERNEL");
    for us in [120, 380, 395] {
        let write = "vmscan:mm_vmscan_write_folio: page=0x1 pfn=0x1 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC";
        text.line(us, PID, 0, write);
    }
    let list = "vmscan:mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned=3 nr_reclaimed=3 nr_dirty=0 nr_writeback=0 \
                nr_congested=0 nr_immediate=0 nr_activate_anon=0 nr_activate_file=0 nr_ref_keep=0 nr_unmap_fail=0 \
                priority=12 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC";
    text.line(400, PID, 0, list).line(401, PID, 0, "vmscan:mm_vmscan_memcg_reclaim_end: nr_reclaimed=3");
    // Away for most of the time between the first two writes.
    let back = "prev_comm=b prev_pid=999 prev_prio=120 prev_state=R ==> next_comm=prog next_pid=100 next_prio=120";
    text.switch(150, 0, PID, "R+", 999);
    text.0.push((350, format!("  other 999/999 [000] 10.000350000: sched:sched_switch: {back}\n")));
    for us in [200, 250, 390] {
        text.mprotect(us, other, 1, FILE + 0x20000, 1, 1);
    }
    let report = text.replay("pending-generation");
    let paid: Vec<u64> =
        report.operations.iter().filter(|o| o.name == "mprotect").map(|o| o.predicted_full_ipi).collect();
    // Each page is unmapped as soon as the one before it is written.
    assert_eq!(paid, [1, 0, 1]);
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

/// perf forks, then loads the program that it records: CPUs that ran the one are not in the mask of the other.
#[test]
fn a_program_begins_with_an_address_space_of_its_own() {
    const ANON: u32 = 0x22;
    let text = |execs: &[u64]| {
        let mut text = Text::default();
        text.fault(10, PID, 1, FILE, 6).switch(20, 1, PID, "R+", 999).switch(30, 0, 999, "S", PID);
        for &us in execs {
            text.line(us, PID, 0, "sched:sched_process_exec: filename=/bin/prog pid=100 old_pid=100");
        }
        text.mmap(50, FILE, 16, ANON).fault(60, PID, 0, FILE, 6).mprotect(70, PID, 0, FILE, 16, 1);
        text
    };
    let sent = |report: &Report| predicted(report, Context::Mprotect, 4, Extent::Ranged);
    let alone = |report: &Report| predicted(report, Context::Mprotect, 3, Extent::Ranged);
    let (without, with) = (text(&[]).replay("patched"), text(&[40]).replay("patched"));
    assert_eq!((sent(&without), sent(&with), alone(&with)), (1, 0, 1));
    assert_eq!(with.lines.unknown_events["(another program, execve)"], 3);
    // The program that did most counts, not the last one.
    let last = text(&[40, 90]).replay("patched");
    assert_eq!((sent(&last), alone(&last), last.operations.len()), (0, 1, 2));
    assert_eq!(last.lines.unknown_events["(another program, execve)"], 4);
}

/// The other thread arrives while the one that reclaims is off its CPU: from there on flushes are for both.
#[test]
fn reclaim_loses_its_cpu_between_two_pages() {
    const ANON: u32 = 0x22;
    const WRITE: &str = "vmscan:mm_vmscan_write_folio: page=0x1 pfn=0x1 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC";
    let other = PID + 1;
    let flushes = |away: Option<(u64, u64)>, arrives: u64| {
        let mut text = Text::default();
        text.mmap(10, FILE, 3, ANON);
        for page in 0..3 {
            text.fault(20 + page, PID, 0, FILE + (page << 12), 6);
        }
        text.line(
            100,
            PID,
            0,
            &format!("syscalls:sys_enter_madvise: start: {FILE:#x}, len_in: 0x3000, behavior: 0x15"),
        );
        text.line(110, PID, 0, WRITE).line(220, PID, 0, WRITE).line(230, PID, 0, WRITE);
        if let Some((left, back)) = away {
            text.switch(left, 0, PID, "R+", 999).switch(back, 0, 999, "S", PID);
        }
        text.switch(arrives, 1, 888, "S", other).fault(300, other, 1, FILE, 6);
        let list = "vmscan:mm_vmscan_reclaim_pages: nid=0 nr_scanned=3 nr_reclaimed=3 nr_dirty=0 nr_writeback=0 nr_congested=0 \
                    nr_immediate=0 nr_activate_anon=0 nr_activate_file=0 nr_ref_keep=0 nr_unmap_fail=0";
        text.line(240, PID, 0, list).line(241, PID, 0, "syscalls:sys_exit_madvise: 0x0");
        let report = text.replay("patched");
        let of = |reason, extent| predicted(&report, Context::Madvise, reason, extent);
        (of(3, Extent::Ranged), of(4, Extent::Full))
    };
    assert_eq!(flushes(Some((120, 200)), 150), (1, 2));
    // On its CPU all the time, it unmaps a page as soon as it is done with the one before.
    assert_eq!(flushes(None, 150), (2, 1));
    // Before the first page, too.
    assert_eq!((flushes(Some((102, 108)), 105), flushes(None, 105)), ((0, 3), (1, 2)));
}

#[test]
fn a_list_takes_the_time_that_its_thread_is_on_a_cpu() {
    let flushed = |list: (u64, u64), away: Option<(u64, u64)>| {
        let mut text = Text::default();
        text.mmap(1, FILE, 64, 2).fault(10, PID, 0, FILE, 4).reclaim(list, PID, 0, 16);
        if let Some((left, back)) = away {
            text.switch(left, 0, PID, "R+", 999).switch(back, 0, 999, "S", PID);
        }
        local(&text.replay("pending-generation"))
    };
    // Too short for a shootdown, so nothing was mapped; and long enough.
    assert_eq!((flushed((100, 104), None), flushed((100, 300), None)), (0, 16));
    assert_eq!(flushed((100, 300), Some((102, 298))), 0);
}

/// Two pages under two page tables. Between them the thread is off its CPU, and the other one goes: the pending check of the
/// second table finds that out, and the second page is flushed for one CPU only.
#[test]
fn reclaim_loses_its_cpu_between_two_page_tables() {
    const ANON: u32 = 0x22;
    let (start, other) = (FILE + 0x1f_f000, PID + 1);
    let flushes = |away: Option<(u64, u64)>| {
        let mut text = Text::default();
        text.mmap(10, start, 2, ANON).fault(15, other, 1, FILE, 6);
        text.fault(20, PID, 0, start, 6).fault(21, PID, 0, start + 0x1000, 6);
        text.line(
            100,
            PID,
            0,
            &format!("syscalls:sys_enter_madvise: start: {start:#x}, len_in: 0x2000, behavior: 0x15"),
        );
        for us in [110, 220] {
            text.line(
                us,
                PID,
                0,
                "vmscan:mm_vmscan_write_folio: page=0x1 pfn=0x1 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC",
            );
            let list = "vmscan:mm_vmscan_reclaim_pages: nid=0 nr_scanned=1 nr_reclaimed=1 nr_dirty=0 nr_writeback=0 \
                        nr_congested=0 nr_immediate=0 nr_activate_anon=0 nr_activate_file=0 nr_ref_keep=0 nr_unmap_fail=0";
            text.line(us + 2, PID, 0, list);
        }
        if let Some((left, back)) = away {
            text.switch(left, 0, PID, "R+", 999).switch(back, 0, 999, "S", PID);
        }
        text.switch(150, 1, other, "R", 888).line(230, PID, 0, "syscalls:sys_exit_madvise: 0x0");
        let report = text.replay("pending-generation");
        let of = |reason, extent| predicted(&report, Context::Madvise, reason, extent);
        (of(4, Extent::Full), of(3, Extent::Ranged))
    };
    assert_eq!(flushes(Some((115, 200))), (2, 1));
    assert_eq!(flushes(None), (3, 0));
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
