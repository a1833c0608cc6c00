//! What the importer makes of well-formed recordings.

use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;

use workloads::recorded::{
    Call, CallName, EMBEDDED, Event, Input, ListStats, Pick, Recording, RunState, What, decode, embedded, import,
    import_text,
};

fn read(text: &str) -> Recording {
    import_text("test", text.as_bytes(), &Pick::Busiest).expect("is well-formed")
}

/// The event of one line, whose beginning is always the same.
fn one(event: &str) -> What {
    let text = format!("     rec 24856/24858 [001] 3645.000000042:   {event}\n");
    let recording = read(&text);
    let [only] = recording.events[..] else {
        panic!("one event: {recording:?}");
    };
    let whole = Event { line: 1, time_ns: 3_645_000_000_042, cpu: 1, pid: 24856, tid: 24858, what: only.what };
    assert_eq!(only, whole);
    only.what
}

#[test]
fn flushes_faults_and_reclaim() {
    let flush = |pages, reason| What::TlbFlush { pages, reason };
    let event = "tlb:tlb_flush: pages:-1 reason:local MM shootdown (3)";
    assert_eq!(one(event), flush(-1, 3));
    let event = "tlb:tlb_flush: pages:33 reason:flush on task switch (0)";
    assert_eq!(one(event), flush(33, 0));
    assert_eq!(
        one("exceptions:page_fault_user: address=0x7ff567807e06 ip=0x7ff5677ef7ad error_code=0x17"),
        What::UserFault { address: 0x7ff5_6780_7e06, error_code: 0x17 }
    );
    for kind in ["memcg", "direct"] {
        let begin = format!("vmscan:mm_vmscan_{kind}_reclaim_begin: order=0 gfp_flags=GFP_A|__GFP_B");
        assert_eq!(one(&begin), What::ReclaimBegin);
        let end = format!("vmscan:mm_vmscan_{kind}_reclaim_end: nr_reclaimed=46");
        assert_eq!(one(&end), What::ReclaimEnd { reclaimed: 46 });
    }
    let write = "vmscan:mm_vmscan_write_folio: page=0x12a627 pfn=0x12a628 flags=RECLAIM_WB_";
    for (flags, anon, sync) in [("ANON|RECLAIM_WB_ASYNC", true, false), ("FILE|RECLAIM_WB_SYNC", false, true)] {
        let pfn = 0x0012_a628;
        assert_eq!(one(&format!("{write}{flags}")), What::WriteFolio { pfn, anon, sync });
    }
}

#[test]
fn lists() {
    let fields = "nid=0 nr_scanned=1 nr_reclaimed=2 nr_dirty=3 nr_writeback=4 nr_congested=5 \
                  nr_immediate=6 nr_activate_anon=7 nr_activate_file=8 nr_ref_keep=9 \
                  nr_unmap_fail=10";
    let stats = ListStats {
        scanned: 1,
        reclaimed: 2,
        dirty: 3,
        writeback: 4,
        congested: 5,
        immediate: 6,
        activate_anon: 7,
        activate_file: 8,
        ref_keep: 9,
        unmap_fail: 10,
        priority: None,
        file: None,
    };
    let event = format!("vmscan:mm_vmscan_reclaim_pages: {fields}");
    assert_eq!(one(&event), What::ReclaimPages(stats));
    for (list, file) in [("FILE", true), ("ANON", false)] {
        let event = format!(
            "vmscan:mm_vmscan_lru_shrink_inactive: {fields} priority=11 \
             flags=RECLAIM_WB_{list}|RECLAIM_WB_ASYNC"
        );
        let shrunk = ListStats { priority: Some(11), file: Some(file), ..stats };
        assert_eq!(one(&event), What::ShrinkInactive(shrunk));
    }
}

#[test]
fn switches() {
    let long = |state: &str| {
        one(&format!(
            "sched:sched_switch: prev_comm=V8 prev_pid=7 W prev_pid=24854 prev_prio=120 \
             prev_state={state} ==> next_comm=swapper/0 next_pid=0 next_prio=-1"
        ))
    };
    let short =
        |state: &str| one(&format!("sched:sched_switch: kworker/u4:2-ev:24854 [120] {state} ==> swapper/0:0 [-1]"));
    for (letters, prev_state) in [
        ("R", RunState::Running),
        ("R+", RunState::Running),
        ("S", RunState::Sleeping),
        ("D", RunState::Blocked),
        ("D|W", RunState::Blocked),
        ("X", RunState::Other(b'X')),
        ("I", RunState::Other(b'I')),
    ] {
        let expected = What::Switch { prev: 24854, prev_state, next: 0 };
        assert_eq!(long(letters), expected, "{letters}");
        assert_eq!(short(letters), expected, "{letters}");
    }
}

#[test]
fn system_calls() {
    let enter = |arguments: &str| one(&format!("syscalls:sys_enter_{arguments}"));
    for (fd, number) in [("0xffffffff", -1), ("0x00000003", 3), ("0xffffffffffffff9c", -100)] {
        assert_eq!(
            enter(&format!(
                "mmap: addr: 0x7f0000000000, len: 0x00008f93, prot: 0x00000003, \
                 flags: 0x00000022, fd: {fd}, off: 0x00001000"
            )),
            What::Enter(Call::Mmap {
                address: 0x7f00_0000_0000,
                length: 0x8f93,
                protection: 3,
                flags: 0x22,
                fd: number,
                offset: 0x1000,
            })
        );
    }
    assert_eq!(
        enter("munmap: addr: 0x7f0000000000, len: 0x00040000"),
        What::Enter(Call::Munmap { address: 0x7f00_0000_0000, length: 0x40000 })
    );
    assert_eq!(
        enter("mprotect: start: 0x7fc611bb1000, len: 0x00004000, prot: 0x00000001"),
        What::Enter(Call::Mprotect { start: 0x7fc6_11bb_1000, length: 0x4000, protection: 1 })
    );
    for length in ["len_in", "len"] {
        assert_eq!(
            enter(&format!("madvise: start: 0x5ee0e740000, {length}: 0x0007f000, behavior: 0x15")),
            What::Enter(Call::Madvise { start: 0x05ee_0e74_0000, length: 0x7f000, advice: 21 })
        );
    }
    assert_eq!(
        enter("mremap: addr: 0x1000, old_len: 0x2000, new_len: 0x3000, flags: 0x1, new_addr: 0x4000"),
        What::Enter(Call::Mremap {
            address: 0x1000,
            old_length: 0x2000,
            new_length: 0x3000,
            flags: 1,
            new_address: 0x4000,
        })
    );
}

#[test]
fn results_of_system_calls() {
    for (text, name) in [
        ("mmap", CallName::Mmap),
        ("munmap", CallName::Munmap),
        ("mprotect", CallName::Mprotect),
        ("madvise", CallName::Madvise),
        ("mremap", CallName::Mremap),
    ] {
        for (result, ret) in [
            ("0x0", 0),
            ("0x7f17ae16f000", 0x7f17_ae16_f000),
            ("0xfffffffffffffff4", 12_u64.wrapping_neg()),
            ("-12", 12_u64.wrapping_neg()),
        ] {
            let what = one(&format!("syscalls:sys_exit_{text}: {result}"));
            assert_eq!(what, What::Exit { name, ret });
        }
    }
}

#[test]
fn counts_and_times() {
    let recording = read(
        "# captured on: now\n\
         \n\
         \t\n\
         \x20 V8 Worker 7/8 [002] 1.000001: tlb:tlb_flush: pages:1 reason:remote IPI send (4)\r\n\
         swapper/0 0/0 [005] 1.000001000: tlb:tlb_flush: pages:1 reason:remote IPI send (4)\n\
         V8 Worker 7/-1 [000] 1.000001001: tlb:tlb_flush: pages:1 reason:remote IPI send (4)\n\
         other -1/-1 [000] 1.000001002: tlb:tlb_flush: pages:1 reason:remote IPI send (4)\n\
         a 9/9 [009] 2.000000000: cycles:u: \n\
         a 9/9 [009] 2.000000000: syscalls:sys_enter_brk: brk: 0x0\n\
         a 9/9 [009] 3.000000000: cycles:u: \n",
    );
    assert_eq!((recording.target.pid, &*recording.target.comm), (7, "V8 Worker"));
    assert_eq!(recording.events.len(), 4);
    assert_eq!(recording.events[0].line, 4);
    assert_eq!(recording.events[1].pid, 0);
    let summary = &recording.summary;
    assert_eq!((summary.lines, summary.blank_or_comment), (10, 3));
    assert_eq!((summary.other_process_events, summary.without_task), (1, 2));
    assert_eq!(summary.cpus, 6);
    assert_eq!(summary.first_time_ns, 1_000_001_000);
    assert_eq!(summary.last_time_ns, 1_000_001_002);
    let unknown: Vec<_> = summary.unknown_events.iter().collect();
    let (cycles, brk) = ("cycles:u".to_owned(), "syscalls:sys_enter_brk".to_owned());
    assert_eq!(unknown, [(&cycles, &2), (&brk, &1)]);
}

#[test]
fn picking_a_process() {
    let line = |task: &str| format!("{task} [000] 1.000001: tlb:tlb_flush: pages:1 reason:remote IPI send (4)\n");
    let text: String = [
        "perf-exec 30/30",
        "b 20/20",
        "b 20/20",
        "c 30/30",
        "other 40/40",
        "other 40/40",
        "other 40/40",
        "swapper/1 0/0",
        "swapper/1 0/0",
        "swapper/1 0/0",
        "b 50/50",
        "-1 -1/-1",
    ]
    .map(line)
    .concat();
    let target = |pick| {
        let target = import_text("t", text.as_bytes(), &pick).expect("is there").target;
        (target.pid, target.comm)
    };
    let named = |name: &str| Pick::Comm(name.to_owned());
    assert_eq!(target(Pick::Busiest), (20, "b".to_owned()));
    assert_eq!(target(Pick::Pid(40)), (40, "other".to_owned()));
    assert_eq!(target(named("b")), (20, "b".to_owned()));
    assert_eq!(target(named("perf-exec")), (30, "c".to_owned()));
    assert_eq!(target(named("other")), (40, "other".to_owned()));
    let error = import_text("t", text.as_bytes(), &named("zsh")).expect_err("is not there");
    assert_eq!(
        error.to_string(),
        "t: has no event of a process named `zsh`; expected one of the processes in it: \
         20 `b` (2 events), 30 `c` (2 events), 50 `b` (1 events), 0 `swapper/1` (3 events), \
         40 `other` (3 events)"
    );
    let error = import_text("t", text.as_bytes(), &Pick::Pid(-1)).expect_err("is no process");
    assert!(error.to_string().contains("has no event of process -1;"), "{error}");
}

#[test]
fn the_same_from_everywhere() {
    let source = embedded("pageout-clean-mprotect").expect("is embedded");
    let from_embedded = import(source.input(), &Pick::Busiest).expect("imports");
    let (name, text) = decode(source.input()).expect("decodes");
    assert_eq!(name, source.name);

    let directory = tempfile::tempdir().expect("a directory");
    // The names say the opposite of what is inside: the contents decide.
    let plain = directory.path().join("plain.zst");
    let compressed = directory.path().join("compressed.perf");
    fs::write(&plain, &text).expect("is written");
    fs::write(&compressed, source.bytes).expect("is written");
    let bytes = Input::Bytes { name: "bytes".to_owned(), bytes: Cow::Owned(text.clone()) };
    for input in [Input::Path(plain), Input::Path(compressed), bytes] {
        let mut recording = import(input, &Pick::Busiest).expect("imports");
        recording.name.clone_from(&from_embedded.name);
        assert!(recording == from_embedded);
    }
    let mut recording = import_text("text", &text, &Pick::Busiest).expect("imports");
    recording.name.clone_from(&from_embedded.name);
    assert!(recording == from_embedded);
}

#[test]
fn deleting_flushes_changes_nothing_else() {
    let source = embedded("pageout-dirty-munmap").expect("is embedded");
    let (name, text) = decode(source.input()).expect("decodes");
    let whole = import_text(&name, &text, &Pick::Busiest).expect("imports");
    let kept: String = String::from_utf8(text)
        .expect("is text")
        .split_inclusive('\n')
        .filter(|line| !line.contains(" tlb:tlb_flush: "))
        .collect();
    let without = import_text(&name, kept.as_bytes(), &Pick::Busiest).expect("imports");
    let expected = whole.events.iter().filter(|event| !matches!(event.what, What::TlbFlush { .. }));
    assert_eq!(without.events.len(), 6869 - 3913);
    for (found, expected) in without.events.iter().zip(expected) {
        assert_eq!(Event { line: expected.line, ..*found }, *expected);
    }
    assert_ne!(without.sha256, whole.sha256);
}

#[test]
fn every_embedded_recording_is_found_by_name() {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/traces"));
    let mut total = 0;
    for recording in EMBEDDED {
        assert_eq!(embedded(recording.name).expect("is there").bytes, recording.bytes);
        let file = directory.join(format!("{}.perf.zst", recording.name));
        assert_eq!(fs::read(file).expect("is readable"), recording.bytes);
        total += recording.bytes.len();
    }
    assert_eq!(EMBEDDED.len(), 5);
    assert!(total < 1_000_000, "{total} bytes");
    assert!(embedded("pageout").is_none());
}
