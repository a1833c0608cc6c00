//! The text of `perf script`.

use super::event::What;
use super::fields::Fault;
use super::importer::Importer;
use super::line::{Header, header};
use super::parts::Parts;
use super::tracepoints::{self, Dialect};
use super::what::what;

pub(super) static IMPORTER: Importer = Importer {
    name: "perf script",
    notes: &[],
    recognises: |line| header(line).is_some(),
    read: |name, text| tracepoints::read_parts(name, text, PerfScript, Parts::of(text)),
    settle: Some(tracepoints::settle),
};

/// A line says all there is to know, whatever was before it.
#[derive(Clone, Copy)]
struct PerfScript;

impl Dialect for PerfScript {
    const EXPECTED: &'static str = "`COMM PID/TID [CPU] SECONDS.NANOSECONDS: EVENT: FIELDS`";

    fn header<'a>(&mut self, line: &'a str) -> Option<Header<'a>> {
        header(line)
    }

    fn what<'a>(event: &str, rest: &'a str) -> Option<Result<What, Fault<'a>>> {
        what(event, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::error::ImportError;
    use super::super::importer::Parsed;
    use super::*;

    /// Lines from the name to the CPU, and from the event on; then those that are no events.
    const TASKS: [&str; 4] = ["a 1/2 [000]", "     V8 Worker 7/8 [001]", "a 1/3 [007]", "é[1] -1/-1 [002]"];
    const EVENTS: [&str; 4] = [
        "tlb:tlb_flush: pages:1 reason:remote IPI send (4)",
        "  exceptions:page_fault_user: address=0x7f ip=0x7e error_code=0x14",
        "sched:sched_switch: prev_comm=a prev_pid=2 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120",
        "cycles:u: ",
    ];
    const OTHERS: [&str; 4] = ["", "# a comment", "\t ", "#"];
    const DAMAGED: [&str; 2] = ["a 1/2 [000] 5.0", "a 1/2 [000"];
    /// A field of it is wrong.
    const FAULTY: &str = "exceptions:page_fault_user: address=0x7f ip=0x7e error_code=much";

    fn line(task: &str, time_ns: u64, event: &str) -> String {
        format!("{task} {}.{:09}: {event}", time_ns / 1_000_000_000, time_ns % 1_000_000_000)
    }

    fn read(text: &str, parts: Parts) -> Result<Parsed<'_>, ImportError> {
        tracepoints::read_parts("dir/x.perf", text, PerfScript, parts)
    }

    fn one(text: &str) -> Parts {
        Parts { threads: 1, bytes: text.len(), ahead: 1 }
    }

    /// The same outcome, to the last letter of an error and the last count, whatever the parts.
    fn same_in_parts(text: &str, parts: Parts) {
        let told = |error: ImportError| format!("{error} {error:?}");
        let (whole, in_parts) = (read(text, one(text)).map_err(told), read(text, parts).map_err(told));
        assert_eq!(whole, in_parts, "{parts:?} of {text:?}");
    }

    /// Each line where a part begins, ends, or is one by itself.
    fn same_in_any_parts(text: &str) {
        for threads in [2, 3] {
            for ahead in [1, 2, 7] {
                for bytes in (1..=text.len() + 1).step_by(29) {
                    same_in_parts(text, Parts { threads, bytes, ahead });
                }
            }
        }
    }

    /// Twelve events, in order of time.
    fn lines() -> Vec<String> {
        (0..12).map(|at| line(TASKS[at % 3], 5_000_000_000 + at as u64, EVENTS[at % 4])).collect()
    }

    #[test]
    fn whole_texts() {
        let lines = lines();
        same_in_any_parts("");
        same_in_any_parts("# nothing\n\n");
        same_in_any_parts(&format!("{}\n", lines.join("\n")));
        same_in_any_parts(&format!("{}\r\n", lines.join("\r\n# and\r\n\r\n")));
        let text = format!("\n{}\n", lines.join("\n"));
        let events = read(&text, Parts { threads: 2, bytes: 1, ahead: 3 }).expect("is well-formed").events;
        assert_eq!(events.iter().map(|event| event.line).collect::<Vec<_>>(), [2, 3, 4, 6, 7, 8, 10, 11, 12]);
    }

    #[test]
    fn a_task_without_a_name() {
        let text = format!("{}\n", line(" 8/9 [001]", 7, EVENTS[0]));
        let events = read(&text, one(&text)).expect("is well-formed").events;
        assert_eq!((events[0].pid, events[0].tid), (8, 9));
    }

    #[test]
    fn damage_on_any_line() {
        for at in 0..12 {
            let text = |changed: &str| {
                let mut lines = lines();
                lines[at] = changed.to_owned();
                format!("{}\n", lines.join("\n"))
            };
            same_in_any_parts(&text(DAMAGED[at % 2]));
            same_in_any_parts(&text(&line(TASKS[0], 5_000_000_000 + at as u64, FAULTY)));
            // Earlier than all before it, or later than all after it; known or not.
            same_in_any_parts(&text(&line(TASKS[0], 7, EVENTS[at % 4])));
            same_in_any_parts(&text(&line(TASKS[0], 6_000_000_000, EVENTS[at % 4])));
            // Wrong twice: the time is looked at before the fields.
            same_in_any_parts(&text(&line(TASKS[0], 7, FAULTY)));
        }
    }

    #[test]
    fn an_end_that_is_missing() {
        same_in_any_parts(&lines().join("\n"));
        same_in_any_parts("a");
        same_in_any_parts("\n#");
    }

    #[test]
    fn the_first_of_two_errors() {
        for (first, second) in [(3, 9), (0, 11), (5, 6)] {
            let mut lines = lines();
            lines[first] = line(TASKS[0], 5_000_000_000 + first as u64, FAULTY);
            DAMAGED[0].clone_into(&mut lines[second]);
            let text = format!("{}\n", lines.join("\n"));
            same_in_any_parts(&text);
            let error = read(&text, Parts { threads: 3, bytes: 1, ahead: 7 }).expect_err("is damaged");
            assert_eq!(error.line(), Some(first as u32 + 1));
        }
    }

    /// A line, and by how much it is later than the one before.
    fn any_line() -> impl Strategy<Value = (String, i64)> {
        let event = |events: Vec<&'static str>| {
            let later = prop_oneof![60 => 0..3_i64, 1 => -2..0_i64];
            (select(TASKS.to_vec()), select(events), later)
                .prop_map(|(task, event, later)| (format!("{task}|{event}"), later))
        };
        prop_oneof![
            60 => event(EVENTS.to_vec()),
            9 => select(OTHERS.to_vec()).prop_map(|line| (line.to_owned(), 0)),
            1 => select(DAMAGED.to_vec()).prop_map(|line| (line.to_owned(), 0)),
            1 => event(vec![FAULTY]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_in_any_parts(
            lines in prop::collection::vec(any_line(), 0..40),
            end in select(vec!["\n", "\r\n"]), whole in prop::bool::weighted(0.9),
            threads in 2..5_usize, bytes in 1..1500_usize, ahead in 1..6_usize,
        ) {
            let (mut text, mut time_ns) = (String::new(), 5_000_000_000_u64);
            for (known, later) in lines {
                time_ns = time_ns.saturating_add_signed(later);
                text += &known.split_once('|').map_or(known.clone(), |(task, event)| line(task, time_ns, event));
                text += end;
            }
            if !whole {
                text.pop();
            }
            same_in_parts(&text, Parts { threads, bytes, ahead });
        }
    }
}
