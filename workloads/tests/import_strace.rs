//! What the importers of strace and ftrace make of their texts, and how replays of them answer.

use std::collections::BTreeSet;

use sim_core::policy;
use sim_core::step::era;
use workloads::machines::machine;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{Options, Report, report};
use workloads::recorded::script::Context;
use workloads::recorded::{Call, CallName, IMPORTERS, ImportError, Pick, Recording, RunState, What, import_text};

/// How it was made is in `threads.c`.
const STRACE: &str = include_str!("data/threads.strace");
const FTRACE: &str = include_str!("data/threads.ftrace");

fn read(text: &str) -> Recording {
    import_text("test", text.as_bytes(), &Pick::Busiest).expect("is well-formed")
}

fn refuse(text: &str) -> ImportError {
    import_text("x.txt", text.as_bytes(), &Pick::Busiest).expect_err("is not well-formed")
}

fn calls(recording: &Recording) -> Vec<(i32, Call)> {
    let calls = recording.events.iter().filter_map(|event| match event.what {
        What::Enter(call) => Some((event.tid, call)),
        _ => None,
    });
    calls.collect()
}

/// The calls of a line, from one process.
fn one(line: &str) -> Call {
    let recording = read(&format!("7 5.000001 {line}\n"));
    assert_eq!(recording.kind, "strace");
    calls(&recording)[0].1
}

fn replay(text: &str, policy: &str) -> Report {
    let profile = machine("skx_2s").expect("shipped").profile();
    let options = Options {
        policy: policy::find(policy).expect("is registered"),
        era: era::find("v6.18").expect("is registered"),
        profile: ("skx_2s", "", &profile),
        timing: Timing::Recorded,
        processes: 1,
    };
    report(&read(text), options).expect("it has prices")
}

#[test]
fn arguments_are_names_and_numbers() {
    assert_eq!(
        one("mmap(NULL, 8392704, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK, -1, 0) = 0x7f09b66fb000"),
        Call::Mmap { address: 0, length: 8_392_704, protection: 3, flags: 0x2_0022, fd: -1, offset: 0 }
    );
    assert_eq!(
        one(
            "mmap(0x7f1000, 4096, PROT_READ, MAP_SHARED|MAP_FIXED|21<<MAP_HUGE_SHIFT, 3</tmp/a, (b) = c>, 0x26000) = 0x7f1000"
        ),
        Call::Mmap { address: 0x7f_1000, length: 4096, protection: 1, flags: 0x11 | 21 << 26, fd: 3, offset: 0x2_6000 }
    );
    // arm64 has two more.
    assert_eq!(
        one("mprotect(0x7f1000, 8192, PROT_READ|PROT_BTI|PROT_MTE) = 0"),
        Call::Mprotect { start: 0x7f_1000, length: 8192, protection: 0x31 }
    );
    assert_eq!(
        one("mprotect(0x7f1000, 8192, PROT_NONE) = -1 ENOMEM (Cannot allocate memory)"),
        Call::Mprotect { start: 0x7f_1000, length: 8192, protection: 0 }
    );
    assert_eq!(
        one("madvise(0x7f1000, 8192, 0x19 /* MADV_??? */) = -1 EINVAL (Invalid argument)"),
        Call::Madvise { start: 0x7f_1000, length: 8192, advice: 25 }
    );
    let moved = |new_address, flags| Call::Mremap {
        address: 0x7f_1000,
        old_length: 4096,
        new_length: 8192,
        flags,
        new_address,
    };
    assert_eq!(one("mremap(0x7f1000, 4096, 8192, MREMAP_MAYMOVE) = 0x7f2000"), moved(0, 1));
    assert_eq!(
        one("mremap(0x7f1000, 4096, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, 0x7f5000) = 0x7f5000"),
        moved(0x7f_5000, 3)
    );
}

/// strace -y.
#[test]
fn results_may_have_paths() {
    let text = "\
        7 5.000001 openat(AT_FDCWD</root>, \"/etc/passwd\", O_RDONLY) = 3</etc/passwd>\n\
        7 5.000002 openat(AT_FDCWD</root>, \"/etc/a b\", O_RDONLY) = 4</etc/a b> <0.000001>\n\
        7 5.000003 dup(3</etc/passwd> <unfinished ...>\n\
        7 5.000004 <... dup resumed>) = 5</etc/passwd>\n\
        7 5.000005 munmap(0x7f1000, 4096) = 0 <0.000002>\n";
    let recording = read(text);
    assert_eq!((recording.events.len(), recording.events[1].time_ns), (2, 5_000_007_000));
    assert_eq!(recording.summary.unknown_events["openat"], 2);
}

#[test]
fn calls_that_were_interrupted_are_put_together() {
    let text = "\
        7 5.000001 munmap(0x7f1000, 4096 <unfinished ...>\n\
        8 5.000002 mprotect(0x7f5000, 4096, PROT_READ) = 0 <0.000500>\n\
        7 5.000003 <... munmap resumed>) = 0\n\
        8 5.000004 munmap(0x7f5000, 4096 <unfinished ...>\n\
        8 5.000005 <... munmap resumed>) = ?\n\
        8 5.000006 +++ exited with 0 +++\n\
        9 5.000007 <... munmap resumed>) = 0\n\
        9 5.000008 madvise(0x7f8000, 4096, MADV_FREE) = 0\n";
    let recording = read(text);
    let events: Vec<_> =
        recording.events.iter().map(|e| (e.line, e.time_ns % 1_000_000, e.cpu, e.tid, e.what)).collect();
    let exit = |name, ret| What::Exit { name, ret };
    let enter = |n: usize| What::Enter(calls(&recording)[n].1);
    assert_eq!(
        events,
        [
            (1, 1_000, 0, 7, enter(0)),
            (2, 2_000, 1, 8, enter(1)),
            // It took longer, but the next line came first.
            (2, 3_000, 1, 8, exit(CallName::Mprotect, 0)),
            (3, 3_000, 0, 7, exit(CallName::Munmap, 0)),
            (4, 4_000, 1, 8, enter(2)),
            (6, 6_000, 1, 8, What::Switch { prev: 8, prev_state: RunState::Other(b'X'), next: 0 }),
            // The CPU of a thread that ended is free.
            (8, 8_000, 1, 9, enter(3)),
            (8, 8_000, 1, 9, exit(CallName::Madvise, 0)),
        ]
    );
    assert_eq!((recording.target.pid, recording.summary.cpus), (7, 2));
    assert_eq!(recording.summary.unknown_events.get("munmap"), Some(&1));
}

#[test]
fn processes_threads_and_programs_are_told_apart() {
    let text = "\
        7 5.000001 execve(\"/bin/sh\", [\"sh\"], 0x7ffe /* 3 vars */) = 0\n\
        7 5.000002 munmap(0x1000, 4096) = 0\n\
        7 5.000003 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 8\n\
        8 5.000004 munmap(0x2000, 4096) = 0\n\
        8 5.000005 execve(\"/usr/bin/a-name-that-is-long\", [\"x\"], 0x7ffe /* 3 vars */) = 0\n\
        8 5.000006 clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0} => {parent_tid=[9]}, 88) = 9\n\
        9 5.000007 munmap(0x3000, 4096) = 0\n\
        8 5.000008 brk(NULL) = 0x9000\n\
        8 5.000009 brk(0xc000) = 0xc000\n\
        8 5.000010 brk(0xa000) = 0xa000\n\
        --- not a line\n";
    let text = &text[..text.find("---").expect("is there")];
    let recording = read(text);
    assert_eq!((recording.target.pid, recording.target.comm.as_str()), (8, "a-name-that-is-"));
    let ours: Vec<_> =
        recording.events.iter().filter(|e| e.pid == 8 && matches!(e.what, What::Enter(_))).map(|e| e.tid).collect();
    assert_eq!(ours, [9, 8]);
    assert_eq!(calls(&recording).last(), Some(&(8, Call::Munmap { address: 0xa000, length: 0x2000 })));
    // What process 8 did before it was that program is not of it.
    assert_eq!(recording.summary.unknown_events.get("(enter, before execve)"), Some(&1));
    assert_eq!(recording.summary.cpus, 2);
    // Without calls that tell, whoever loads a program is a process, and another heap another program.
    let silent = "\
        7 5.000001 brk(NULL) = 0x9000\n\
        7 5.000002 munmap(0x1000, 4096) = 0\n\
        7 5.000003 brk(NULL) = 0x5000\n\
        7 5.000004 munmap(0x2000, 4096) = 0\n\
        8 5.000005 munmap(0x3000, 4096) = 0\n\
        9 5.000006 brk(NULL) = 0x7000\n\
        9 5.000007 munmap(0x4000, 4096) = 0\n";
    let recording = read(silent);
    let of = |address| {
        recording.events.iter().find(|e| e.what == What::Enter(Call::Munmap { address, length: 4096 })).map(|e| e.pid)
    };
    assert_eq!([of(0x1000), of(0x2000), of(0x3000), of(0x4000)], [None, Some(7), Some(7), Some(9)]);
    // strace -p: threads that were there before it have no birth, those after it have.
    let attached = "\
        7 5.000001 munmap(0x1000, 4096) = 0\n\
        8 5.000002 munmap(0x2000, 4096) = 0\n\
        8 5.000003 clone3({flags=CLONE_VM|CLONE_THREAD} => {parent_tid=[9]}, 88) = 9\n\
        9 5.000004 munmap(0x3000, 4096) = 0\n";
    assert!(read(attached).events.iter().all(|event| event.pid == 7));
}

#[test]
fn the_heap_is_that_of_the_process() {
    let unmapped = |text: &str| {
        let recording = read(text);
        let calls = recording.events.iter().filter_map(|event| match event.what {
            What::Enter(Call::Munmap { address, length }) => Some((event.pid, event.tid, address, length)),
            _ => None,
        });
        (recording.summary.unknown_events, calls.collect::<Vec<_>>())
    };
    // One thread has it grow, another one shrink, and one asks where it ends.
    let threads = "\
        7 5.000001 brk(NULL) = 0x9000\n\
        7 5.000002 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_THREAD) = 8\n\
        8 5.000003 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_THREAD) = 9\n\
        8 5.000004 brk(0xc000) = 0xc000\n\
        9 5.000005 brk(NULL) = 0xc000\n\
        9 5.000006 brk(0xb000) = 0xb000\n\
        7 5.000007 brk(0xa000) = 0xa000\n";
    let (unknown, calls) = unmapped(threads);
    assert_eq!(calls, [(7, 9, 0xb000, 0x1000), (7, 7, 0xa000, 0x1000)]);
    assert!(!unknown.contains_key("(enter, before execve)"), "{unknown:?}");
    // A thread that is heard before its clone returns.
    let early = "\
        7 5.000001 brk(NULL) = 0x9000\n\
        7 5.000002 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_THREAD <unfinished ...>\n\
        8 5.000003 brk(0xc000) = 0xc000\n\
        7 5.000004 <... clone resumed>) = 8\n\
        7 5.000005 brk(0xb000) = 0xb000\n";
    assert_eq!(unmapped(early).1, [(7, 7, 0xb000, 0x1000)]);
    // A child has a copy, and what happens to that is its own affair.
    let child = "\
        7 5.000001 brk(NULL) = 0x9000\n\
        7 5.000002 brk(0xc000) = 0xc000\n\
        7 5.000003 fork() = 8\n\
        8 5.000004 munmap(0x1000, 4096) = 0\n\
        8 5.000005 brk(NULL) = 0xc000\n\
        8 5.000006 brk(0xa000) = 0xa000\n\
        7 5.000007 brk(0xb000) = 0xb000\n";
    assert_eq!(unmapped(child).1, [(8, 8, 0x1000, 0x1000), (8, 8, 0xa000, 0x2000), (7, 7, 0xb000, 0x1000)]);
}

#[test]
fn nobody_is_born_after_the_first_line() {
    let text = "\
        7 5.000001 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_THREAD <unfinished ...>\n\
        8 5.000002 munmap(0x1000, 4096) = 0\n\
        8 5.000003 +++ exited with 0 +++\n\
        7 5.000004 <... clone resumed>) = 8\n\
        7 5.000005 munmap(0x2000, 4096) = 0\n\
        7 5.000006 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_THREAD) = 9\n\
        9 5.000007 munmap(0x3000, 4096) = 0\n";
    let recording = read(text);
    assert!(recording.events.iter().all(|event| event.pid == 7));
    let births: Vec<_> = recording.events.iter().filter(|e| matches!(e.what, What::Switch { prev: 0, .. })).collect();
    assert_eq!(births.iter().map(|event| (event.line, event.tid)).collect::<Vec<_>>(), [(6, 9)]);
    // The CPU of the thread that ended is free.
    assert_eq!(recording.summary.cpus, 2);
}

#[test]
fn a_real_strace_has_every_call_of_the_program() {
    let recording = read(STRACE);
    assert_eq!((recording.kind, recording.target.comm.as_str(), recording.summary.cpus), ("strace", "threads", 3));
    assert!(STRACE.contains("<unfinished ...>"));
    let of = |name| calls(&recording).iter().filter(|(_, call)| call.name() == name).count();
    let text = |name: &str| STRACE.matches(&format!(" {name}(")).count();
    for (name, text) in
        [(CallName::Mmap, text("mmap")), (CallName::Munmap, text("munmap")), (CallName::Mprotect, text("mprotect"))]
    {
        assert_eq!(of(name), text, "{name:?}");
    }
    let exits = recording.events.iter().filter(|event| matches!(event.what, What::Exit { .. })).count();
    assert_eq!(exits, calls(&recording).len());
    let summary = &recording.summary;
    let skipped: u64 = summary.unknown_events.values().sum();
    assert!(skipped > 0 && summary.lines == STRACE.lines().count() as u64);
}

/// Eight pages written, then taken the right to: one flush of three CPUs for each mprotect and each munmap of the program.
#[test]
fn without_faults_pages_are_assumed_and_without_flushes_nothing_is_claimed() {
    let report = replay(STRACE, "pending-generation");
    assert!(report.rows.iter().all(|row| row.recorded.is_none() && row.low <= row.predicted));
    assert!(report.operations.iter().all(|operation| operation.recorded_full_ipi.is_none()));
    assert!(report.notes.iter().any(|note| note.contains("nothing to hold the predictions against")));
    assert!(report.notes.iter().any(|note| note.contains("not one fault")));
    let ranged = |context| {
        let rows = report.rows.iter().filter(move |row| row.context == context && row.reason == 4);
        rows.map(|row| (row.low, row.predicted)).fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1))
    };
    // Two rounds of three threads.
    assert_eq!(ranged(Context::Mprotect), (0, 6));
    // Reclaim is what policies differ in.
    let predicted = |policy| serde_json::to_string(&replay(STRACE, policy).rows).expect("plain data");
    assert_eq!(predicted("unpatched"), predicted("patched"));
}

#[test]
fn ftrace_has_the_events_of_perf() {
    let recording = read(FTRACE);
    assert_eq!((recording.kind, recording.target.comm.as_str()), ("ftrace", "threads"));
    // The same program, as strace saw it.
    let of = |text: &str, name: CallName| calls(&read(text)).iter().filter(|(_, call)| call.name() == name).count();
    for name in [CallName::Mmap, CallName::Munmap, CallName::Mprotect, CallName::Madvise] {
        assert_eq!(of(FTRACE, name), of(STRACE, name), "{name:?}");
    }
    let faults = recording.events.iter().filter(|e| matches!(e.what, What::UserFault { .. })).count();
    assert_eq!(faults, FTRACE.matches("page_fault_user").count());
    let flushes = recording.events.iter().filter(|e| matches!(e.what, What::TlbFlush { .. })).count();
    assert_eq!(flushes, FTRACE.matches(": tlb_flush").count());
    let ours = recording.events.iter().filter(|event| event.pid == recording.target.pid).map(|event| event.tid);
    assert_eq!(ours.collect::<BTreeSet<_>>().len(), 3, "the threads of the process");
}

/// The kernel's own flushes are in it, so that the prediction can be held against them.
#[test]
fn a_real_ftrace_is_predicted_to_the_flush() {
    let report = replay(FTRACE, "pending-generation");
    assert!(report.notes.iter().all(|note| !note.contains("not one")));
    for context in [Context::Mprotect, Context::Munmap] {
        let rows: Vec<_> = report.rows.iter().filter(|row| row.context == context).collect();
        assert!(!rows.is_empty());
        for row in rows {
            assert_eq!(row.recorded, Some(row.predicted), "{row:?}");
        }
    }
}

#[test]
fn ftrace_in_its_variants() {
    let event = |line: &str| {
        let recording = read(line);
        assert_eq!(recording.kind, "ftrace", "{line}");
        let event = recording.events[0];
        (event.pid, event.tid, event.cpu, event.time_ns, event.what)
    };
    let flush = What::TlbFlush { pages: 1, reason: 3 };
    let text = "tlb_flush: pages:1 reason:local MM shootdown (3)\n";
    assert_eq!(event(&format!("  a b-c-17 (  12) [003] d..1. 5.000007: {text}")), (12, 17, 3, 5_000_007_000, flush));
    assert_eq!(event(&format!("  a b-c-17    [003] d..1. 5.000007: {text}")), (17, 17, 3, 5_000_007_000, flush));
    // trace-cmd report: no flags, and lines of its own.
    assert_eq!(
        event(&format!("cpus=2\nCPU 1 is empty\n  sd-17  [003]  5.000007: {text}")),
        (17, 17, 3, 5_000_007_000, flush)
    );
    let enter = What::Enter(Call::Munmap { address: 0x7f_1000, length: 0x8497 });
    for form in [
        "sys_enter_munmap:  addr: 0x007f1000, len: 0x00008497",
        "sys_munmap(addr: 0x7f1000, len: 0x8497)",
        "sys_munmap(addr: 7f1000, len: 8497)",
    ] {
        assert_eq!(event(&format!("sd-17 [000] ..... 5.000007: {form}\n")).4, enter, "{form}");
    }
    let exit = What::Exit { name: CallName::Munmap, ret: 0 };
    for form in ["sys_exit_munmap: 0x0", "sys_munmap -> 0x0"] {
        assert_eq!(event(&format!("sd-17 [000] ..... 5.000007: {form}\n")).4, exit, "{form}");
    }
    // Threads without a process: by their name.
    let two = read(&format!(
        "sd-17 [000] ..... 5.000007: {text}sd-18 [001] ..... 5.000008: {text}other-9 [0] ..... 5.000009: {text}"
    ));
    let pids: Vec<_> = two.events.iter().map(|event| event.pid).collect();
    assert_eq!(pids, [17, 17, 9]);
    let kernel = ["CPU:1 [LOST 12 EVENTS]", "CPU:1 [LOST EVENTS]"];
    let trace_cmd = ["CPU:7 [204600 EVENTS DROPPED]", "CPU:7 [EVENTS DROPPED]"];
    for lost in [kernel, trace_cmd].concat() {
        let lost = read(&format!("version = 6\ncpus=8\n{lost}\nsd-17 [000] ..... 5.000007: {text}"));
        let counts = &lost.summary.unknown_events;
        assert_eq!((counts["(lost events)"], counts["(trace-cmd)"]), (1, 2));
    }
    for line in ["CPU:1 is LOST", "CPU:x [LOST 12 EVENTS]", "CPU:1 [12 EVENTS]", "versions"] {
        let error = refuse(&format!("sd-17 [000] ..... 5.000007: {text}{line}\n"));
        assert_eq!(error.line(), Some(2), "{line}");
    }
}

#[test]
fn the_kind_is_told_by_the_lines() {
    let names: Vec<_> = IMPORTERS.iter().map(|importer| importer.name).collect();
    assert_eq!(names, ["perf script", "ftrace", "strace"]);
    let perf = "rec 7/8 [001] 5.000000010: tlb:tlb_flush: pages:1 reason:remote IPI send (4)\n";
    assert_eq!(read(&format!("# a comment\n\n{perf}")).kind, "perf script");
    // What is none of them is held against the first.
    assert!(refuse("hello\n").to_string().contains("expected `COMM PID/TID [CPU]"));
}

#[test]
fn mistakes_name_the_line_and_what_was_expected() {
    let good = "7 5.000001 munmap(0x7f1000, 4096) = 0\n";
    for (line, message) in [
        (
            "7 5.000002 munmap(0x7f1000, many) = 0\n",
            "x.txt:2: munmap has `many` for `length`; expected a number in range",
        ),
        ("7 5.000002 munmap(0x7f1000) = 0\n", "x.txt:2: munmap has nothing for `length`; expected that argument"),
        (
            "7 5.000002 mprotect(0x7f1000, 4096, PROT_ALL) = 0\n",
            "x.txt:2: mprotect has `PROT_ALL` for `prot`; expected names of flags",
        ),
        (
            "7 5.000002 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, x, 0) = 0\n",
            "x.txt:2: mmap has `x` for `fd`; expected a number",
        ),
        (
            "7 5.000002 munmap(0x7f1000, 4096)\n",
            "is not an event; expected `PID SECONDS.MICROSECONDS CALL(ARGUMENTS) = RESULT`",
        ),
        ("7 5.000002 munmap(0x7f1000, 4096) = many\n", "x.txt:2: "),
        ("[pid 7] 5.000002 munmap(0x7f1000, 4096) = 0\n", "x.txt:2: `[pid 7] 5.000002 munmap"),
        ("7 12:00:01 munmap(0x7f1000, 4096) = 0\n", "as `strace -f -ttt -e trace=%memory -o FILE` writes"),
        ("7 5.000000 munmap(0x7f1000, 4096) = 0\n", "x.txt:2: time 5.000000000 goes backwards"),
        ("7 5.000002 munmap(0x7f1000, 40", "x.txt:2: the last line"),
    ] {
        let error = refuse(&format!("{good}{line}")).to_string();
        assert!(error.contains(message), "{line}: {error}");
    }
    let flush = "sd-17 [000] ..... 5.000007: tlb_flush: pages:1 reason:local MM shootdown (3)\n";
    for (line, message) in [
        ("sd-17 [000] ..... 5.000008: sys_munmap(addr: 0x7f1000)\n", "x.txt:2: sys_munmap has nothing for `len`"),
        ("sd-17 [000] ..... 5.000008: sys_munmap -> x\n", "x.txt:2: sys_munmap has `x` for `ret`"),
        (
            "sd 17 [000] ..... 5.000008: tlb_flush: pages:1\n",
            "expected `COMM-TID (TGID) [CPU] FLAGS SECONDS.MICROSECONDS: EVENT: FIELDS`",
        ),
    ] {
        let error = refuse(&format!("{flush}{line}")).to_string();
        assert!(error.contains(message), "{line}: {error}");
    }
}
