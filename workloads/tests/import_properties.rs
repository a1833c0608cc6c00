//! The importer takes any input without a panic, and damage does not pass unnoticed.

use std::borrow::Cow;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use workloads::recorded::{Input, Pick, Recording, decode, embedded, import, import_text};

/// Whole lines, a few of each kind.
const LINES: &[&str] = &[
    "swapper 0/0 [000] 5.881768001: tlb:tlb_flush: pages:0 reason:flush on task switch (0)\n",
    "V8 Worker 7/8 [001] 5.881769001: exceptions:page_fault_user: address=0x7f ip=0x7e error_code=0x14\n",
    "rec 7/-1 [001] 5.881770001: sched:sched_switch: prev_comm=V8 Worker prev_pid=8 prev_prio=120 prev_state=R+ ==> next_comm=swapper/0 next_pid=0 next_prio=120\n",
    "rec 7/7 [001] 5.881771001: sched:sched_switch: rec:7 [120] D ==> swapper/0:0 [120]\n",
    "rec 7/7 [000] 5.881772001: syscalls:sys_enter_mmap: addr: 0x00, len: 0x2000, prot: 0x3, flags: 0x22, fd: 0xffffffff, off: 0x0\n",
    "rec 7/7 [000] 5.881773001: syscalls:sys_exit_mmap: 0x7f17ae16f000\n",
    "rec 7/7 [000] 5.881774001: syscalls:sys_enter_mremap: addr: 0x1, old_len: 0x2, new_len: 0x3, flags: 0x1, new_addr: 0x0\n",
    "rec 7/7 [000] 5.881775001: vmscan:mm_vmscan_memcg_reclaim_begin: order=0 gfp_flags=GFP_A|B\n",
    "rec 7/7 [000] 5.881776001: vmscan:mm_vmscan_memcg_reclaim_end: nr_reclaimed=44\n",
    "rec 7/7 [000] 5.881777001: vmscan:mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned=6 nr_reclaimed=0 nr_dirty=6 nr_writeback=0 nr_congested=0 nr_immediate=0 nr_activate_anon=0 nr_activate_file=6 nr_ref_keep=0 nr_unmap_fail=0 priority=12 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC\n",
    "rec 7/7 [000] 5.881778001: vmscan:mm_vmscan_write_folio: page=0x2f pfn=0x2f flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC\n",
    "rec 7/7 [000] 5.881779001: cycles:u: \n",
];

/// An embedded recording as text, and the beginnings of its lines.
static WHOLE: LazyLock<(Vec<u8>, Vec<usize>)> = LazyLock::new(|| {
    let source = embedded("pageout-dirty-mprotect-1thread").expect("is embedded");
    let (_, text) = decode(source.input()).expect("decodes");
    let mut starts = vec![0];
    starts.extend((1..text.len()).filter(|&at| text[at - 1] == b'\n'));
    (text, starts)
});

fn attempt(bytes: &[u8]) -> Result<Recording, String> {
    match import_text("x.perf", bytes, &Pick::Busiest) {
        Ok(recording) => Ok(recording),
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("x.perf:"), "{message}");
            let excerpt = error.excerpt().unwrap_or_default();
            assert!(excerpt.chars().count() <= 80, "{excerpt}");
            assert!(!message.contains(char::is_control), "{message:?}");
            let newlines = bytes.split(|&byte| byte == b'\n').count();
            assert!(error.line().is_none_or(|line| (1..=newlines).contains(&(line as usize))));
            Err(message)
        }
    }
}

/// A change to some bytes.
#[derive(Clone, Debug)]
enum Mangle {
    Delete(Index, usize),
    Insert(Index, Vec<u8>),
    Replace(Index, u8),
    Truncate(Index),
}

fn mangles() -> impl Strategy<Value = Mangle> {
    let telling = select(b" :/[].,=-+|()0129axXR>\n\t\0\x1b\xc3\xff".to_vec());
    prop_oneof![
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Mangle::Delete(at, length)),
        (any::<Index>(), prop::collection::vec(telling.clone(), 1..4))
            .prop_map(|(at, bytes)| Mangle::Insert(at, bytes)),
        (any::<Index>(), telling).prop_map(|(at, byte)| Mangle::Replace(at, byte)),
        any::<Index>().prop_map(Mangle::Truncate),
    ]
}

fn mangle(bytes: &mut Vec<u8>, change: &Mangle) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Mangle::Delete(at, length) => {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Mangle::Insert(at, more) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, more.iter().copied());
        }
        Mangle::Replace(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Mangle::Truncate(at) => bytes.truncate(at.index(bytes.len())),
    }
}

#[test]
fn the_lines_are_whole() {
    let recording = attempt(LINES.concat().as_bytes()).expect("imports");
    assert_eq!(recording.events.len(), LINES.len() - 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mangled_lines_do_not_panic(
        line in select(LINES),
        changes in prop::collection::vec(mangles(), 1..4),
    ) {
        let mut bytes = line.as_bytes().to_vec();
        for change in &changes {
            mangle(&mut bytes, change);
        }
        let _ = attempt(&bytes);
        bytes.push(b'\n');
        let _ = attempt(&bytes);
    }

    #[test]
    fn text_after_any_prefix_does_not_panic(
        prefix in select(LINES), length in any::<Index>(), tail in "\\PC*",
    ) {
        let prefix = &prefix[..length.index(prefix.len())];
        let _ = attempt(format!("{prefix}{tail}\n").as_bytes());
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in any::<String>()) {
        let _ = attempt(text.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in any::<Vec<u8>>(), compressed: bool) {
        let _ = attempt(&bytes);
        if compressed {
            bytes.splice(0..0, [0x28, 0xb5, 0x2f, 0xfd]);
        }
        let input = Input::Bytes { name: "x".to_owned(), bytes: Cow::Owned(bytes) };
        let _ = import(input, &Pick::Busiest);
    }

    #[test]
    fn a_line_that_runs_into_the_next_is_noticed(
        first in select(LINES), at in any::<Index>(), second in select(LINES),
    ) {
        // As perf pads it: the name takes 16 columns.
        let start = second.find(" 7/").or(second.find(" 0/")).expect("has a task");
        let padded = format!("{:>16}{}", &second[..start], &second[start..]);
        let end = at.index(first.len() - 1);
        let cut = first[..end].trim_end();
        // The text of an unknown event may be anything.
        prop_assume!(!cut.is_empty() && !first.contains("cycles"));
        let text = format!("{cut}{padded}");
        prop_assert!(attempt(text.as_bytes()).is_err(), "{}", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_truncated_recording_is_a_prefix_or_an_error(end in any::<Index>()) {
        let (text, starts) = &*WHOLE;
        let end = end.index(text.len());
        let outcome = attempt(&text[..end]).map(|recording| recording.events.len());
        match starts.binary_search(&end) {
            Ok(0) => prop_assert!(outcome.is_err()),
            Ok(lines) => prop_assert_eq!(outcome, Ok(lines)),
            Err(line) => {
                let message = outcome.expect_err("cut line");
                let place = format!("x.perf:{line}: ");
                prop_assert!(message.starts_with(&place), "{}", message);
            }
        }
    }

    #[test]
    fn a_deleted_line_is_one_event_less(line in any::<Index>()) {
        let (text, starts) = &*WHOLE;
        let line = line.index(starts.len());
        let end = starts.get(line + 1).copied().unwrap_or(text.len());
        let shorter = [&text[..starts[line]], &text[end..]].concat();
        let mut expected = attempt(text).expect("imports").events;
        expected.remove(line);
        for event in &mut expected[line..] {
            event.line -= 1;
        }
        prop_assert_eq!(attempt(&shorter).expect("imports").events, expected);
    }
}
