//! Where threads run, by a replay: which CPUs are in the mask, and what happens while one is off its CPU.

mod lines;

use lines::{FILE, PID, Text, four_pages, local, predicted};
use workloads::recorded::answer::Extent;
use workloads::recorded::report::Report;
use workloads::recorded::script::Context;

/// Flags of a private anonymous mapping.
const ANON: u32 = 0x22;

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

#[test]
fn a_preempted_list_holds_nobody_up() {
    let other = PID + 1;
    let mut text = Text::default();
    four_pages(&mut text).line(100, PID, 0, "vmscan:mm_vmscan_memcg_reclaim_begin: order=0 gfp_flags=GFP_KERNEL");
    for us in [120, 380, 395] {
        text.write(us, PID, 0);
    }
    let list = "vmscan:mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned=3 nr_reclaimed=3 nr_dirty=0 nr_writeback=0 \
                nr_congested=0 nr_immediate=0 nr_activate_anon=0 nr_activate_file=0 nr_ref_keep=0 nr_unmap_fail=0 \
                priority=12 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC";
    text.line(400, PID, 0, list).line(401, PID, 0, "vmscan:mm_vmscan_memcg_reclaim_end: nr_reclaimed=3");
    // Away for most of the time between the first two writes.
    let back = "prev_comm=b prev_pid=999 prev_prio=120 prev_state=R ==> next_comm=prog next_pid=100 next_prio=120";
    text.switch(150, 0, PID, "R+", 999);
    text.0.push((350, format!("  other 999/999 [000] 10.000350000: sched:sched_switch: {back}\n")));
    for (us, rights) in [(200, 1), (250, 0), (390, 1)] {
        text.mprotect(us, other, 1, FILE + 0x20000, 1, rights);
    }
    let report = text.replay("pending-generation");
    let paid: Vec<u64> =
        report.operations.iter().filter(|o| o.name == "mprotect").map(|o| o.predicted_full_ipi).collect();
    // Each page is unmapped as soon as the one before it is written.
    assert_eq!(paid, [1, 0, 1]);
}

/// perf forks, then loads the program that it records: CPUs that ran the one are not in the mask of the other.
#[test]
fn a_program_begins_with_an_address_space_of_its_own() {
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
        text.write(110, PID, 0).write(220, PID, 0).write(230, PID, 0);
        if let Some((left, back)) = away {
            text.switch(left, 0, PID, "R+", 999).switch(back, 0, 999, "S", PID);
        }
        text.switch(arrives, 1, 888, "S", other).fault(300, other, 1, FILE, 6);
        text.pageout_list(240, PID, 0, 3).line(241, PID, 0, "syscalls:sys_exit_madvise: 0x0");
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
            text.write(us, PID, 0).pageout_list(us + 2, PID, 0, 1);
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
