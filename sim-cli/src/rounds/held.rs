//! The rounds in a recording: what the kernel flushed in each call beside what was predicted.

use std::collections::BTreeMap;

use workloads::recorded::answer::{Initiated, OperationRow};
use workloads::recorded::{Call, Event, Recording, What};

use super::case::{Case, name_of};

/// A call of every round, in order of rounds.
#[derive(Debug)]
pub(crate) struct HeldCall {
    /// Its name.
    pub(crate) name: &'static str,
    /// By round.
    pub(crate) rounds: Vec<Held>,
}

/// A call of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// By the kernel.
    pub(crate) recorded: Initiated,
    /// By the model, which has not seen that.
    pub(crate) predicted: Initiated,
}

impl Held {
    /// To the integer, in everything that the call initiated.
    pub(crate) fn agrees(&self) -> bool {
        self.recorded == self.predicted
    }
}

impl HeldCall {
    /// Rounds in which it agrees.
    pub(crate) fn agree(&self) -> usize {
        self.rounds.iter().filter(|held| held.agrees()).count()
    }
}

/// Rounds of which all calls agree.
pub(crate) fn rounds_that_agree(calls: &[HeldCall]) -> usize {
    let rounds = calls.first().map_or(0, |call| call.rounds.len());
    (0..rounds).filter(|&round| calls.iter().all(|call| call.rounds[round].agrees())).count()
}

/// Finds the rounds: from the first `MADV_PAGEOUT` on, the main thread makes their calls and no others.
///
/// # Errors
/// What there is instead of a call, or that flushes were not recorded.
pub(crate) fn hold(
    case: &Case,
    rounds: usize,
    recording: &Recording,
    operations: &[OperationRow],
) -> Result<Vec<HeldCall>, String> {
    let names = case.calls();
    let mut held: Vec<HeldCall> = names.iter().map(|&name| HeldCall { name, rounds: Vec::new() }).collect();
    let first = |call: &Call| name_of(call) == names.first().copied();
    let mut calls = calls(recording).zip(operations).skip_while(|((tid, call), _)| {
        // The main thread's number is that of the process.
        *tid != recording.target.pid || !first(call)
    });
    for round in 1..=rounds {
        for call in &mut held {
            let next = calls.by_ref().find(|((tid, _), _)| *tid == recording.target.pid);
            let Some(((_, found), operation)) = next else {
                return Err(format!("the recording ends before {} of round {round} of {rounds}", call.name));
            };
            if name_of(&found) != Some(call.name) {
                return Err(format!("{found:?} in the place of {} of round {round} of {rounds}", call.name));
            }
            let Some(recorded) = operation.recorded else {
                return Err("not one flush (tlb:tlb_flush) is recorded".to_owned());
            };
            call.rounds.push(Held { recorded, predicted: operation.predicted });
        }
    }
    Ok(held)
}

/// The calls of the process, of which a report has one row each.
fn calls(recording: &Recording) -> impl Iterator<Item = (i32, Call)> + '_ {
    let ours = recording.events.iter().filter(|event| event.pid == recording.target.pid);
    ours.filter_map(|event| match event.what {
        What::Enter(call) => Some((event.tid, call)),
        _ => None,
    })
}

/// How often a CPU switches from another thread than it had switched to: then switches are missing, and who ran there is not known.
pub(crate) fn switches_missing(recording: &Recording) -> usize {
    let mut on = BTreeMap::new();
    let missing = |event: &&Event| match event.what {
        What::Switch { prev, next, .. } => on.insert(event.cpu, next).is_some_and(|expected| expected != prev),
        _ => false,
    };
    recording.events.iter().filter(missing).count()
}

/// Did the kernel take any page at all? Where it may not swap, `MADV_PAGEOUT` does nothing.
pub(crate) fn pages_written(recording: &Recording) -> usize {
    let written = |event: &&Event| event.pid == recording.target.pid && matches!(event.what, What::WriteFolio { .. });
    recording.events.iter().filter(written).count()
}

#[cfg(test)]
mod tests {
    use workloads::recorded::{Pick, import_text};

    use super::*;

    #[test]
    fn a_cpu_goes_on_with_the_thread_it_switched_to() {
        let missing = |threads: &[(u16, i32, i32)]| {
            let line = |&(cpu, prev, next): &(u16, i32, i32)| {
                format!(
                    "a 1/1 [{cpu:03}] 1.000000000: sched:sched_switch: prev_comm=a prev_pid={prev} prev_prio=120 prev_state=R ==> \
                     next_comm=a next_pid={next} next_prio=120\n"
                )
            };
            let text: String = threads.iter().map(line).collect();
            switches_missing(&import_text("test", text.as_bytes(), &Pick::Busiest).expect("a recording"))
        };
        assert_eq!(missing(&[(0, 1, 2), (1, 7, 1), (0, 2, 0), (0, 0, 5), (1, 1, 0)]), 0);
        assert_eq!(missing(&[(0, 1, 2), (0, 3, 4), (0, 4, 5), (0, 6, 7)]), 2);
    }
}
