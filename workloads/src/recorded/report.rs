//! A replay as a reader gets it: recorded beside predicted, what was inferred, and where it all comes from.

use std::collections::BTreeMap;

use serde::Serialize;
use sim_core::drive::clock::price::Unpriced;
use sim_core::drive::clock::stats::Stats;
use sim_core::drive::clock::timeline::{Event, Timeline};
use sim_core::drive::engine::Setting;
use sim_core::machine::profile::Profile;
use sim_core::policy::PolicyInfo;
use sim_core::step::era::Era;
use sim_core::world::big::FlushValue;

use super::answer::{self, OperationRow, Row};
use super::assume::{Assumptions, Victim};
use super::event::Recording;
use super::replay::{Replayed, Stage, Timing, replay, replay_noting};
use super::script::{Action, Inferred, Script};

/// The rules that settle what a recording leaves open; printed with every report.
pub const RULES: &[&str] = &[
    "a PTE is dirty if the last fault on its page was a write",
    "a silent thread is on the CPU of its next event: a sleeper from that event on, any other from when it left its last CPU \
     and nothing else was seen on this one any more",
    "reclaim takes the least recently faulted mapped pages, as many as the list freed or wrote; first those whose next fault \
     says they were taken",
    "a list without writes that was over sooner than its pages and one shootdown take had no mapped page in it (figures of the \
     profile)",
    "such a list has one mapped page if none is left that a recorded fault mapped: faults of the kernel are not recorded",
    "pages that MADV_FREE gave up are taken with file pages; MAP_POPULATE and MADV_POPULATE_* map theirs when they return",
    "a read fault on a file maps with it every page of its aligned 16 (fault-around), clean, unless the thread had to wait for \
     IO or MADV_RANDOM holds: then only its own; a neighbour that faults before any file page was freed was not in memory",
    "of a process that loads several programs (execve) the one that it did most in counts, with an address space of its own",
    "a CPU stays in mm_cpumask until a flush that names the address space finds something else loaded there",
    "mmap with MAP_FIXED and mremap with MREMAP_FIXED unmap what they replace, and mremap the tail it cuts off, before anything \
     else; a call without an exit mapped and moved nothing",
    "what happened on a CPU while a thread was preempted there in the middle of a call or list comes after it",
    "reclaim that lost its CPU between two writes lost it before it unmapped the page of the second, and before its page table, if \
     that is another one: it looks around for others in between (cond_resched())",
    "what the recording shows no mapping for is a private file mapping, writable, until a call maps there: nothing was there then",
];

/// Of a recording without one flush.
const NO_ANSWERS: &str =
    "not one flush (tlb:tlb_flush) is recorded, so there is nothing to hold the predictions against";
/// Of a recording without one fault.
const NO_FAULTS: &str =
    "not one fault (exceptions:page_fault_user) is recorded, so which pages were used is assumed (touched)";

/// What a recording leaves out, by its kind and by what is in it.
pub fn notes(recording: &Recording) -> Vec<&'static str> {
    let mut notes = recording.notes.to_vec();
    notes.extend((!recording.has_answers()).then_some(NO_ANSWERS));
    notes.extend((!recording.has_faults()).then_some(NO_FAULTS));
    notes
}

/// Extra flushes: those made only because a reclaim flush was found pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExtraFlushes {
    /// They removed a translation in the range of the operation that granted more than its PTE.
    pub needed: u64,
    /// They removed such a translation, but outside the range.
    pub useful_elsewhere: u64,
    /// They removed none.
    pub needless: u64,
}

impl ExtraFlushes {
    fn of(stats: &Stats) -> ExtraFlushes {
        let extra = |value| stats.extra.get(&value).copied().unwrap_or(0);
        ExtraFlushes {
            needed: extra(FlushValue::Needed),
            useful_elsewhere: extra(FlushValue::UsefulElsewhere),
            needless: extra(FlushValue::Needless),
        }
    }
}

/// Windows of one class: how long a translation that broke a promise stayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WindowRow {
    /// What CPUs other than the faulting one are taken to hold.
    pub victim: Victim,
    /// The class of promise.
    pub class: &'static str,
    /// How many.
    pub count: u64,
    /// Half of them were no longer.
    pub p50_cycles: u64,
    /// 99 of 100 were no longer.
    pub p99_cycles: u64,
    /// The longest.
    pub max_cycles: u64,
}

fn windows(victim: Victim, stats: &Stats) -> impl Iterator<Item = WindowRow> + '_ {
    stats.windows.iter().map(move |(class, windows)| WindowRow {
        victim,
        class: class.name(),
        count: windows.lengths_cycles.len() as u64,
        p50_cycles: windows.percentile_cycles(50),
        p99_cycles: windows.percentile_cycles(99),
        max_cycles: windows.max_cycles(),
    })
}

/// What identifies the result: the same provenance gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// Version of mmusim.
    pub version: &'static str,
    /// Name of the recording.
    pub recording: String,
    /// Hash of its text.
    pub recording_sha256: String,
    /// What kind of text it is.
    pub kind: &'static str,
    /// The process.
    pub pid: i32,
    /// Its name.
    pub comm: String,
    /// The strategy.
    pub policy: &'static str,
    /// The surrounding kernel; a policy does not change it.
    pub era: &'static str,
    /// The machine.
    pub profile: String,
    /// Hash of its text.
    pub profile_sha256: String,
    /// `recorded` or `model`.
    pub timing: Timing,
    /// How many copies of the recorded process; predictions are for all of them.
    pub processes: u16,
}

/// What was in the text, and what of it the replay has no use for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// Lines of whatever kind.
    pub read: u64,
    /// Well-formed lines of events that the importer does not know, by event: counted and skipped.
    pub unknown_events: BTreeMap<String, u64>,
    /// Known events of other processes.
    pub other_process_events: u64,
}

/// A replay, beside what the kernel did.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where it comes from.
    pub provenance: Provenance,
    /// What was read.
    pub lines: Lines,
    /// Flushes by context, reason and extent.
    pub rows: Vec<Row>,
    /// Every system call of the process, in order.
    pub operations: Vec<OperationRow>,
    /// Extra flushes by what they were worth.
    pub extra_flushes: ExtraFlushes,
    /// The same with hot victims.
    pub extra_flushes_hot: ExtraFlushes,
    /// Windows by victim and class.
    pub windows: Vec<WindowRow>,
    /// How often each gap of the recording had to be filled.
    pub inferred: Inferred,
    /// What the estimate is made under, what hot victims are, and the extremes between which the estimate is shown.
    pub assumptions: Vec<Assumptions>,
    /// What the recording leaves out, and what that does to the report.
    pub notes: Vec<&'static str>,
    /// By which rules.
    pub rules: &'static [&'static str],
    /// Reclaim cycles: direct ones, and calls of `MADV_PAGEOUT`.
    pub reclaim_cycles: u64,
    /// The measurements behind it.
    #[serde(skip)]
    pub replayed: Replayed,
}

/// How to replay.
#[derive(Clone, Copy, Debug)]
pub struct Options<'o> {
    /// The strategy.
    pub policy: &'static PolicyInfo,
    /// The surrounding kernel.
    pub era: &'static Era,
    /// The machine: name, text hash and figures.
    pub profile: (&'o str, &'o str, &'o Profile),
    /// When things happen.
    pub timing: Timing,
    /// How many copies of the process.
    pub processes: u16,
}

/// The extremes that can differ from the estimate: where no thread came silently and no list was shrunk, nothing is open.
fn open_extremes(script: &Script) -> Vec<Assumptions> {
    let estimate = Assumptions::ESTIMATE;
    let silent = script.inferred.silent_arrivals > 0;
    let lists = script.items.iter().any(|item| matches!(item.action, Action::Reclaim(_)));
    let alone = |a: &Assumptions| Assumptions { name: estimate.name, ..*a };
    let open = |a: &Assumptions| {
        (alone(a) != Assumptions { silent: a.silent, ..estimate } || silent)
            && (alone(a) != Assumptions { unmapping: a.unmapping, ..estimate } || lists)
    };
    Assumptions::EXTREMES.into_iter().filter(open).collect()
}

/// What happens when in the replay that the estimate of a report is made from.
///
/// # Errors
/// If the profile has no prices for interrupts.
///
/// # Panics
/// If the machine has fewer CPUs than all copies of the process need together.
pub fn timeline(recording: &Recording, options: Options<'_>) -> Result<Vec<Event>, Unpriced> {
    let stage = Stage {
        setting: Setting::of(options.policy, *options.era),
        profile: options.profile.2,
        timing: options.timing,
        assumptions: Assumptions::ESTIMATE,
        processes: options.processes,
    };
    let replayed = replay_noting(&Script::new(recording), &stage, Some(Timeline::new()))?;
    Ok(replayed.stats.timeline.map_or(Vec::new(), |timeline| timeline.into_events()))
}

/// Replays a recording under a policy.
///
/// # Errors
/// If the profile has no prices for interrupts.
///
/// # Panics
/// If the machine has fewer CPUs than all copies of the process need together.
pub fn report(recording: &Recording, options: Options<'_>) -> Result<Report, Unpriced> {
    let setting = Setting::of(options.policy, *options.era);
    let (profile_name, profile_sha256, profile) = options.profile;
    let usual = &Script::new(recording);
    let run = &|assumptions: Assumptions| {
        let own =
            (assumptions.silent != Assumptions::ESTIMATE.silent).then(|| Script::assuming(recording, &assumptions));
        let (timing, processes) = (options.timing, options.processes);
        let stage = Stage { setting, profile, timing, assumptions, processes };
        replay(own.as_ref().unwrap_or(usual), &stage).map(|replayed| (own, replayed))
    };
    // Each run is deterministic by itself, so it does not matter that they overlap.
    let (estimate, hot, extremes) = std::thread::scope(|scope| {
        let extremes: Vec<_> = open_extremes(usual).into_iter().map(|a| scope.spawn(move || run(a))).collect();
        let hot = scope.spawn(|| run(Assumptions::HOT));
        let estimate = run(Assumptions::ESTIMATE);
        let extremes = extremes.into_iter().map(|run| run.join().expect("a replay does not panic"));
        let extremes: Vec<_> = extremes.collect();
        (estimate, hot.join().expect("a replay does not panic"), extremes)
    });
    let (_, replayed) = estimate?;
    let (_, hot) = hot?;
    let (mut rows, operations) = answer::rows(recording, usual, &replayed);
    for extreme in extremes {
        let (own, replayed) = extreme?;
        answer::widen(&mut rows, recording, own.as_ref().unwrap_or(usual), &replayed);
    }
    Ok(Report {
        provenance: Provenance {
            version: env!("CARGO_PKG_VERSION"),
            recording: recording.file_name().to_owned(),
            recording_sha256: recording.sha256.clone(),
            kind: recording.kind,
            pid: recording.target.pid,
            comm: recording.target.comm.clone(),
            policy: options.policy.name,
            era: options.era.name,
            profile: profile_name.to_owned(),
            profile_sha256: profile_sha256.to_owned(),
            timing: options.timing,
            processes: options.processes,
        },
        lines: Lines {
            read: recording.summary.lines,
            unknown_events: recording.summary.unknown_events.clone(),
            other_process_events: recording.summary.other_process_events,
        },
        rows,
        operations,
        extra_flushes: ExtraFlushes::of(&replayed.stats),
        extra_flushes_hot: ExtraFlushes::of(&hot.stats),
        windows: windows(Victim::Idle, &replayed.stats).chain(windows(Victim::Hot, &hot.stats)).collect(),
        inferred: replayed.inferred,
        assumptions: [&[Assumptions::ESTIMATE, Assumptions::HOT], &Assumptions::EXTREMES[..]].concat(),
        notes: notes(recording),
        rules: RULES,
        reclaim_cycles: usual.reclaim_cycles,
        replayed,
    })
}
