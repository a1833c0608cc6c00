//! What the importer says about damaged, foreign and missing recordings.

use std::borrow::Cow;
use std::error::Error as _;
use std::fs;
use std::path::Path;

use workloads::recorded::{ImportError, Input, Pick, decode, embedded, import, import_text};

const FIRST: &str = "rec 7/8 [001] 5.000000010: tlb:tlb_flush: pages:1 reason:remote IPI send (4)\n";

fn refuse(text: impl AsRef<[u8]>) -> ImportError {
    import_text("dir/x.perf", text.as_ref(), &Pick::Busiest).expect_err("is not well-formed")
}

fn refuse_path(path: &Path) -> ImportError {
    import(Input::Path(path.to_owned()), &Pick::Busiest).expect_err("cannot be imported")
}

/// Message, line and excerpt of an error.
fn parts(error: &ImportError) -> (String, Option<u32>, Option<&str>) {
    (error.to_string(), error.line(), error.excerpt())
}

/// The second line of a text is an event with these fields.
fn second(event: &str) -> ImportError {
    refuse(format!("{FIRST}rec 7/8 [001] 5.000000011: {event}\n"))
}

#[test]
fn missing_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("no.perf");
    let error = refuse_path(&path);
    let expected =
        format!("{}: no such file; expected the text of a recording, plain or compressed by zstd", path.display());
    assert_eq!(parts(&error), (expected, None, None));
    assert!(error.source().is_some());
}

#[test]
fn directory_instead_of_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let error = refuse_path(directory.path());
    let expected =
        format!("{}: is a directory; expected a file with the text of a recording", directory.path().display());
    assert_eq!(parts(&error), (expected, None, None));
}

#[test]
fn file_that_cannot_be_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("x.perf");
    fs::write(&file, FIRST).expect("is written");
    let error = refuse_path(&file.join("below.perf"));
    let message = error.to_string();
    assert!(message.contains(": cannot be read (not a directory); expected"), "{message}");
}

#[test]
fn binary_files() {
    let error = refuse("PERFILE2\0\0rest");
    let expected = "dir/x.perf: is a raw perf.data file; expected its text, which `perf script --ns \
                    -F comm,pid,tid,cpu,time,event,trace -i dir/x.perf` prints";
    assert_eq!(parts(&error), (expected.to_owned(), None, None));

    for (bytes, found) in [(&b"a\0"[..], "a NUL byte"), (b"\xff\xfe", "bytes that are not UTF-8")] {
        let error = refuse([FIRST.as_bytes(), bytes, b"\n"].concat());
        let expected = format!(
            "dir/x.perf:2: has {found}, so this is a binary file; expected text (perf.data becomes \
             text by `perf script --ns -F comm,pid,tid,cpu,time,event,trace`)"
        );
        assert_eq!(parts(&error), (expected, Some(2), None));
    }
}

#[test]
fn truncated_compressed_recording() {
    let source = embedded("memcg-file-mprotect-cut").expect("is embedded");
    let (_, whole) = decode(source.input()).expect("decodes");
    for length in [4, 5, 100, 300_000, source.bytes.len() - 1] {
        let input = Input::Bytes { name: "cut.zst".to_owned(), bytes: Cow::Borrowed(&source.bytes[..length]) };
        let error = import(input, &Pick::Busiest).expect_err("is cut");
        let ImportError::BadZstd { bytes, lines, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            error.to_string(),
            format!(
                "cut.zst: the zstd data is cut short or damaged: it broke off after {bytes} bytes \
                 ({lines} whole lines) of text; expected a complete file"
            )
        );
        let decoded = &whole[..usize::try_from(bytes).expect("fits")];
        assert_eq!(lines, decoded.split(|&byte| byte == b'\n').count() as u64 - 1);
        assert_eq!(length >= 300_000, lines > 50_000, "{length}: {lines}");
        assert!(error.source().is_some());
    }
}

#[test]
fn damaged_compressed_recording() {
    let source = embedded("pageout-dirty-mprotect").expect("is embedded");
    let mut flipped = source.bytes.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let trailing = [source.bytes, b"garbage"].concat();
    for damaged in [flipped, trailing] {
        let input = Input::Bytes { name: "bad.zst".to_owned(), bytes: Cow::Owned(damaged) };
        let error = import(input, &Pick::Busiest).expect_err("is damaged");
        assert!(matches!(error, ImportError::BadZstd { .. }), "{error:?}");
    }
}

#[test]
fn malformed_line() {
    let error = refuse(format!("# header\n{FIRST}  rec 7/8 [001] 5.0000\u{1b}[2J\n{FIRST}"));
    let excerpt = "rec 7/8 [001] 5.0000\\u{1b}[2J";
    let expected = format!(
        "dir/x.perf:3: `{excerpt}` is not an event; expected `COMM PID/TID [CPU] \
         SECONDS.NANOSECONDS: EVENT: FIELDS`"
    );
    assert_eq!(parts(&error), (expected, Some(3), Some(excerpt)));
    let error = refuse(format!("{}\n", "long ".repeat(100)));
    assert_eq!(error.excerpt().map(|text| text.chars().count()), Some(80));
}

#[test]
fn cut_last_line() {
    let error = refuse(format!("{FIRST}{}", FIRST.trim_end()));
    let excerpt = "rec 7/8 [001] 5.000000010: tlb:tlb_flush: pages:1 reason:remote IPI send (4)";
    let expected = format!(
        "dir/x.perf:2: the last line, `{excerpt}`, does not end in a newline, so the file was cut \
         short; expected a whole line (if it is whole, add the newline)"
    );
    assert_eq!(parts(&error), (expected, Some(2), Some(excerpt)));
    let text = FIRST.repeat(2);
    for end in FIRST.len() + 1..text.len() {
        assert_eq!(refuse(&text[..end]).line(), Some(2), "{end}");
    }
}

#[test]
fn malformed_field() {
    let error = second("syscalls:sys_enter_mprotect: start: 0x7f00, len: 0xzz, prot: 0x1");
    let excerpt = "start: 0x7f00, len: 0xzz, prot: 0x1";
    let expected = format!(
        "dir/x.perf:2: syscalls:sys_enter_mprotect has `0xzz` for `len`; expected a number in \
         range, in `{excerpt}`"
    );
    assert_eq!(parts(&error), (expected, Some(2), Some(excerpt)));
    let message = second("vmscan:mm_vmscan_memcg_reclaim_end: ").to_string();
    let expected = "dir/x.perf:2: vmscan:mm_vmscan_memcg_reclaim_end has nothing for \
                    `nr_reclaimed`; expected that field, in the kernel's order, in ``";
    assert_eq!(message, expected);
}

#[test]
fn each_faulty_field_is_named() {
    let switch = "sched:sched_switch: prev_comm=a prev_pid=";
    for (event, field) in [
        ("tlb:tlb_flush: reason:remote IPI send (4)", "pages"),
        ("tlb:tlb_flush: pages:x reason:remote IPI send (4)", "pages"),
        ("tlb:tlb_flush: pages:1", "reason"),
        ("tlb:tlb_flush: pages:1 reason:remote IPI send", "reason"),
        ("tlb:tlb_flush: pages:1 reason:remote IPI send (256)", "reason"),
        ("tlb:tlb_flush: pages:1 reason:remote  rec 7/8 [001] 5.1: x (4)", "reason"),
        ("exceptions:page_fault_user: address=0x ip=0x1 error_code=0x4", "address"),
        ("exceptions:page_fault_user: address=0x1 ip=0x1 error_co", "error_code"),
        ("exceptions:page_fault_user: address=0x1 ip=0x1 error_code=0x10000", "error_code"),
        ("syscalls:sys_exit_mmap: ", "ret"),
        ("syscalls:sys_exit_mmap: 0x1 0x2", "ret"),
        ("syscalls:sys_enter_munmap: addr: 0x1", "len"),
        ("syscalls:sys_enter_madvise: start: 0x1, length: 0x2, behavior: 0x3", "len_in"),
        ("syscalls:sys_enter_mmap: addr: 0, len: 1, prot: 1, flags: 2, fd: 0x1ffffffff, off: 0", "fd"),
        ("vmscan:mm_vmscan_memcg_reclaim_begin: order=0", "gfp_flags"),
        ("vmscan:mm_vmscan_reclaim_pages: nid=0 nr_scanned=9 nr_dirty=0", "nr_reclaimed"),
        ("vmscan:mm_vmscan_write_folio: page=0x1 pfn=0x1 flags=RECLAIM_WB_ASYNC", "flags"),
        ("vmscan:mm_vmscan_write_folio: page=0x1 pfn=0x1 flags=RECLAIM_WB_ANON", "flags"),
        ("sched:sched_switch: prev_co", "prev_comm"),
        (&format!("{switch}1 prev_prio=2 prev_state=S"), "next_comm"),
        (&format!("{switch}x prev_prio=2 prev_state=S ==> next_comm=b next_pid=1 next_prio=1"), "prev_pid"),
        (&format!("{switch}1 prev_prio=2 prev_state=4 ==> next_comm=b next_pid=1 next_prio=1"), "prev_state"),
        (&format!("{switch}1 prev_prio=2 prev_state=S ==> next_comm=b next_pid= next_prio=1"), "next_pid"),
        (&format!("{switch}1 prev_prio=2 prev_state=S ==> next_comm=b next_pid=1 next_prio="), "next_prio"),
        (
            &format!(
                "{switch}     rec 7/8 [001] 5.1: {switch}1 prev_prio=2 prev_state=S ==> next_comm=b next_pid=1 next_prio=1"
            ),
            "prev_pid",
        ),
    ] {
        let error = second(event);
        let ImportError::Field { field: found, line, .. } = error else {
            panic!("{event}: {error:?}");
        };
        assert_eq!((found, line), (field, 2), "{event}");
    }
}

#[test]
fn time_going_backwards() {
    let earlier = FIRST.replace("5.000000010", "5.000000009").replace("[001]", "[000]");
    let error = refuse(format!("{FIRST}\n{earlier}"));
    let expected = "dir/x.perf:3: time 5.000000009 goes backwards (previous line 1 was at \
                    5.000000010); expected lines in time order";
    assert_eq!(parts(&error), (expected.to_owned(), Some(3), Some(earlier.trim_end())));
    let other = "a 1/1 [0] 6.000000: cycles: \n";
    assert_eq!(refuse(format!("{other}{FIRST}")).line(), Some(2));
}

#[test]
fn times_that_no_clock_of_the_model_holds() {
    let day = FIRST.replace("5.000000010", "86405.000000010");
    assert!(import_text("x.perf", format!("{FIRST}{day}").as_bytes(), &Pick::Busiest).is_ok());
    let later = FIRST.replace("5.000000010", "86405.000000011");
    let error = refuse(format!("{FIRST}{day}\n{later}{later}"));
    let expected = "dir/x.perf:4: time 86405.000000011 is more than 24 hours after the first event (5.000000010); \
                    expected a recording of at most so long";
    assert_eq!(parts(&error), (expected.to_owned(), Some(4), None));
}

#[test]
fn nothing_to_import() {
    let other = "a 1/1 [0] 6.000000: cycles: \n";
    for (text, lines, unknown) in [("", 0, 0), ("# header\n\n", 2, 0), (other, 1, 1)] {
        let expected = format!(
            "dir/x.perf: has no known event ({lines} lines, {unknown} of them of unknown events); \
             expected events such as tlb_flush, page_fault_user or sys_enter_mprotect, or calls such as mprotect"
        );
        assert_eq!(parts(&refuse(text)), (expected, None, None));
    }
}

#[test]
fn no_process() {
    let text = FIRST.replace("rec 7/8", "other 7/8");
    let expected = "dir/x.perf: has no event of a process by its own name; expected one of the \
                    processes in it: 7 `other` (1 events)";
    assert_eq!(parts(&refuse(text)), (expected.to_owned(), None, None));
    let text = FIRST.replace("rec 7/8", "other -1/-1");
    assert!(refuse(text).to_string().ends_with("in it: none has a pid"));
}
