//! The beginning of a line of `perf script`, which is the same for every event.

use super::fields::{cut, cut_last, digits, task_id, trim_end, trim_start};

/// The kernel keeps 16 bytes for a task's name, the last of them 0.
pub(super) const MAX_COMM: usize = 15;

/// What every event's line begins with, and the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) comm: &'a str,
    pub(super) pid: i32,
    pub(super) tid: i32,
    pub(super) cpu: u16,
    pub(super) time_ns: u64,
    pub(super) event: &'a str,
    pub(super) rest: &'a str,
}

/// Splits a line of the form `COMM PID/TID [CPU] SECONDS.FRACTION: EVENT: FIELDS`.
///
/// A name may hold blanks, slashes, colons and brackets. So the anchor is the first `PID/TID [CPU]`
/// in the line, and what precedes it must not be longer than a task's name can be: a longer one
/// comes from a line that was cut and runs into the next.
pub(super) fn header(line: &str) -> Option<Header<'_>> {
    let (comm, pid, tid, cpu, after) = memchr::memchr_iter(b'[', line.as_bytes()).find_map(|bracket| {
        let (comm, pid, tid) = task(&line[..bracket])?;
        let (cpu, after) = cut(&line[bracket + 1..], b"]")?;
        let cpu = u16::try_from(digits(cpu, 10)?).ok()?;
        Some((comm, pid, tid, cpu, after))
    })?;
    let (time_ns, after) = time(trim_start(after.strip_prefix(' ')?))?;
    let (event, rest) = event(trim_end(trim_start(after)))?;
    let usable = comm.len() <= MAX_COMM && cpu < u16::MAX && !is_group(event);
    usable.then_some(Header { comm, pid, tid, cpu, time_ns, event, rest: trim_start(rest) })
}

/// Splits off `SECONDS.FRACTION: `.
fn time(text: &str) -> Option<(u64, &str)> {
    let (time, after) = text.split_at(memchr::memchr(b':', text.as_bytes())?);
    Some((nanoseconds(time)?, after.strip_prefix(": ")?))
}

/// Splits off the name of the event, which ends in a colon and a blank and has no control characters.
fn event(text: &str) -> Option<(&str, &str)> {
    let end = memchr::memchr(b' ', text.as_bytes()).unwrap_or(text.len());
    let (event, rest) = text.split_at(end);
    let event = event.strip_suffix(':').filter(|event| !event.is_empty())?;
    // All bytes are looked at, which takes few instructions as there is no way out in between.
    let plain = event.bytes().fold(true, |plain, byte| plain & byte.is_ascii_graphic());
    (plain || !event.contains(char::is_control)).then_some((event, rest))
}

/// Is it the tracepoint group of known events? One alone, `tlb:`, is a line cut inside the event's name.
fn is_group(event: &str) -> bool {
    matches!(event, "exceptions" | "sched" | "syscalls" | "tlb" | "vmscan")
}

/// Splits `COMM PID/TID ` from the right.
fn task(text: &str) -> Option<(&str, i32, i32)> {
    let (comm, ids) = cut_last(trim_end(text.strip_suffix(' ')?), b" ")?;
    let (pid, tid) = cut(ids, b"/")?;
    Some((trim_end(trim_start(comm)), task_id(pid)?, task_id(tid)?))
}

/// Exact nanoseconds of `SECONDS.FRACTION`, with 6 digits (the default) or 9 (`--ns`).
pub(super) fn nanoseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = cut(text, b".")?;
    let scale = match fraction.len() {
        6 => 1_000,
        9 => 1,
        _ => return None,
    };
    let nanoseconds = digits(fraction, 10)? * scale;
    digits(seconds, 10)?.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Option<(&str, i32, i32, u16, u64, &str, &str)> {
        header(line).map(|h| (h.comm, h.pid, h.tid, h.cpu, h.time_ns, h.event, h.rest))
    }

    #[test]
    fn names_may_look_like_anything() {
        for comm in
            ["rec", "V8 Worker", "swapper/0", "kworker/u4:2-ev", "a [b] 1/2", "x 3/4 [5", "", "é[1]", ":1234", "1/2"]
        {
            let line = format!("{comm:>16} 12/-1 [003] 5.000000007:   a:b: c: d");
            let expected = (comm, 12, -1, 3, 5_000_000_007, "a:b", "c: d");
            assert_eq!(split(&line), Some(expected), "{line:?}");
        }
    }

    #[test]
    fn widths_and_fractions() {
        let expected = Some(("a", 1, 2, 0, 7_000_123_000, "cycles", ""));
        assert_eq!(split("a 1/2 [0] 7.000123: cycles:"), expected);
        assert_eq!(split(" a     1/2     [000]     7.000123:      cycles:   "), expected);
        assert_eq!(split("a 1/2 [0] 7.000123000: cycles:"), expected);
        assert_eq!(split("a 1/2 [0] 7.000123: é:: y").map(|line| line.5), Some("é:"));
        let far = split("a 1/2 [0] 18446744073.709551615: x: y").expect("fits");
        assert_eq!(far.4, u64::MAX);
    }

    #[test]
    fn what_is_not_a_line() {
        for line in [
            "",
            "a",
            "a 1/2",
            "a 1/2 [0]",
            "a 1/2 [0] ",
            "a 1/2 [0] 7",
            "a 1/2 [0] 7.000123",
            "a 1/2 [0] 7.000123:",
            "a 1/2 [0] 7.000123: ",
            "a 1/2 [0] 7.000123: tlb",
            "a 1/2 [0] 7.000123: tlb:",
            "a 1/2 [0] 7.000123: tlb:tlb_fl",
            "a 1/2 [0] 7.000123: tlb:tlb_fl     rec 1/2 [0] 7.000124: x: y",
            "a 1/2 [0] 7.00012: x: y",
            "a 1/2 [0] 7.0001234: x: y",
            "a 1/2 [0] 7.+00123: x: y",
            "a 1/2 [0] -7.000123: x: y",
            "a 1/2 [0] 18446744073.709551616: x: y",
            "a 1/2 [0] 99999999999999999999.000123: x: y",
            "a 1/2 [65535] 7.000123: x: y",
            "a 1/2 [0]7.000123: x: y",
            "a 1/2[0] 7.000123: x: y",
            "a 1-2 [0] 7.000123: x: y",
            "a 1/-2 [0] 7.000123: x: y",
            "a 2147483648/2 [0] 7.000123: x: y",
            "1/2 [0] 7.000123: x: y",
            "a 1/2 [0] 7.000123: : y",
            "a 1/2 [0] 7.000123: x\u{1b}: y",
            "a 1/2 [0] 7.000123: x\tz: y",
            "a 1/2 [0] 7.000123: x\u{85}: y",
            "a 1/2 [0] 7.000123:x: y",
            "other 18/18 [0            rec 1/2 [0] 7.000123: x: y",
            "othe            rec 1/2 [0] 7.000123: x: y",
        ] {
            assert_eq!(split(line), None, "{line:?}");
        }
    }
}
