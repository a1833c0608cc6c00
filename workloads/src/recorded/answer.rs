//! What the kernel did, beside what the model predicts.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Serialize;
use sim_core::drive::clock::stats::FlushLine;

use super::event::{Recording, What};
use super::replay::Replayed;
use super::script::{Context, Script};

/// `tlb_flush` reasons (include/linux/mm_types.h, `enum tlb_flush_reason`).
const REMOTE: u8 = 1;
const LOCAL: u8 = 2;
const LOCAL_MM: u8 = 3;
const REMOTE_SEND: u8 = 4;
const WRONG_CPU: u8 = 5;
const FULL: i64 = -1;

/// How much a flush covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Everything.
    Full,
    /// Some pages.
    Ranged,
    /// Nothing: it was up to date already, or the wrong CPU was asked.
    None,
}

impl Extent {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Extent::Full => "full",
            Extent::Ranged => "ranged",
            Extent::None => "none",
        }
    }

    fn of(pages: i64) -> Extent {
        match pages {
            FULL => Extent::Full,
            0 => Extent::None,
            _ => Extent::Ranged,
        }
    }
}

/// One line of the table: how often, recorded and predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Where the flush was initiated.
    pub context: Context,
    /// The tracepoint's reason.
    pub reason: u8,
    /// How much it covers.
    pub extent: Extent,
    /// By the kernel; of the process, reasons 1 and 5 for its initiations only. `None`: flushes were not recorded.
    pub recorded: Option<u64>,
    /// By the model.
    pub predicted: u64,
    /// The least it predicts under any of the assumptions of the report.
    pub low: u64,
    /// The most.
    pub high: u64,
}

/// Flushes that one call initiated. Those that found nothing to flush do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Initiated {
    /// Shootdowns of several CPUs, of everything (reason 4).
    pub full_ipi: u64,
    /// Shootdowns of several CPUs, of some pages.
    pub ranged_ipi: u64,
    /// Flushes of the caller's own TLB, of everything (reasons 2 and 3): alone, or as its part of a shootdown.
    pub full_local: u64,
    /// Flushes of its own TLB, of some pages.
    pub ranged_local: u64,
}

impl Initiated {
    fn add(&mut self, reason: u8, extent: Extent) {
        let count = match (reason, extent) {
            (REMOTE_SEND, Extent::Full) => &mut self.full_ipi,
            (REMOTE_SEND, Extent::Ranged) => &mut self.ranged_ipi,
            (LOCAL | LOCAL_MM, Extent::Full) => &mut self.full_local,
            (LOCAL | LOCAL_MM, Extent::Ranged) => &mut self.ranged_local,
            _ => return,
        };
        *count += 1;
    }
}

/// One system call: full shootdowns of several CPUs initiated inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OperationRow {
    /// Which call.
    pub name: &'static str,
    /// By which thread.
    pub tid: i32,
    /// When it was entered, in ns as recorded.
    pub time_ns: u64,
    /// By the kernel; `None`: flushes were not recorded.
    pub recorded_full_ipi: Option<u64>,
    /// By the model.
    pub predicted_full_ipi: u64,
    /// All that the kernel initiated inside it; `None`: flushes were not recorded.
    #[serde(skip)]
    pub recorded: Option<Initiated>,
    /// All that the model initiated.
    #[serde(skip)]
    pub predicted: Initiated,
}

type Cell = (Context, u8, Extent);

/// Counts by context, reason and extent.
#[derive(Clone, Debug, Default)]
struct Tally {
    cells: BTreeMap<Cell, u64>,
    operations: FxHashMap<u32, Initiated>,
}

impl Tally {
    fn add(&mut self, context: Context, operation: Option<u32>, reason: u8, pages: i64) {
        let extent = Extent::of(pages);
        *self.cells.entry((context, reason, extent)).or_default() += 1;
        if let Some(operation) = operation {
            self.operations.entry(operation).or_default().add(reason, extent);
        }
    }
}

/// The rows and operations of a replay.
pub fn rows(recording: &Recording, script: &Script, replayed: &Replayed) -> (Vec<Row>, Vec<OperationRow>) {
    let answers = recording.has_answers();
    let recorded = recorded(recording);
    let lines = replayed.stats.flush_lines.as_deref().unwrap_or(&[]);
    let predicted = predicted(script, lines, recording.summary.other_process_events > 0);
    let cells: std::collections::BTreeSet<Cell> =
        recorded.cells.keys().chain(predicted.cells.keys()).copied().collect();
    let count = |tally: &Tally, cell: &Cell| tally.cells.get(cell).copied().unwrap_or(0);
    let rows =
        cells.iter().map(|cell| row(*cell, answers.then(|| count(&recorded, cell)), count(&predicted, cell))).collect();
    let initiated = |tally: &Tally, n: u32| tally.operations.get(&n).copied().unwrap_or_default();
    let operations = (0..).zip(&script.operations).map(|(n, operation)| {
        let recorded = answers.then(|| initiated(&recorded, n));
        let predicted = initiated(&predicted, n);
        OperationRow {
            name: Context::from(operation.name).name(),
            tid: operation.tid,
            time_ns: operation.time_ns,
            recorded_full_ipi: recorded.map(|recorded| recorded.full_ipi),
            predicted_full_ipi: predicted.full_ipi,
            recorded,
            predicted,
        }
    });
    (rows, operations.collect())
}

fn row(cell: Cell, recorded: Option<u64>, predicted: u64) -> Row {
    let (context, reason, extent) = cell;
    Row { context, reason, extent, recorded, predicted, low: predicted, high: predicted }
}

/// Widens the rows to what another replay of the recording predicts.
pub fn widen(rows: &mut Vec<Row>, recording: &Recording, script: &Script, replayed: &Replayed) {
    let lines = replayed.stats.flush_lines.as_deref().unwrap_or(&[]);
    let mut other = predicted(script, lines, recording.summary.other_process_events > 0).cells;
    for row in rows.iter_mut() {
        let predicted = other.remove(&(row.context, row.reason, row.extent)).unwrap_or(0);
        (row.low, row.high) = (row.low.min(predicted), row.high.max(predicted));
    }
    rows.extend(
        other.into_iter().map(|(cell, high)| Row { high, ..row(cell, recording.has_answers().then_some(0), 0) }),
    );
    rows.sort_by_key(|row| (row.context, row.reason, row.extent));
}

/// Reads the answer sheet. Initiations belong to the thread that prints them; what a target prints (reasons 1 and 5) names
/// the interrupted task, so it is counted with the latest initiation before it, if that was one of the process.
fn recorded(recording: &Recording) -> Tally {
    let mut tally = Tally::default();
    let mut calls: FxHashMap<i32, u32> = FxHashMap::default();
    let mut names = Vec::new();
    let mut reclaiming: FxHashMap<i32, u32> = FxHashMap::default();
    let mut latest: Option<Context> = None;
    for event in &recording.events {
        let ours = event.pid == recording.target.pid;
        match event.what {
            What::Enter(call) if ours => {
                calls.insert(event.tid, names.len() as u32);
                names.push(call.name());
            }
            What::Exit { .. } if ours => {
                calls.remove(&event.tid);
            }
            What::ReclaimBegin if ours => *reclaiming.entry(event.tid).or_default() += 1,
            What::ReclaimEnd { .. } if ours => {
                if let Some(depth) = reclaiming.get_mut(&event.tid) {
                    *depth = depth.saturating_sub(1);
                }
            }
            What::TlbFlush { pages, reason } => {
                let operation = calls.get(&event.tid).copied();
                let context = if reclaiming.get(&event.tid).is_some_and(|&depth| depth > 0) {
                    Context::Reclaim
                } else {
                    operation.map_or(Context::Other, |o| names[o as usize].into())
                };
                match reason {
                    REMOTE | WRONG_CPU => {
                        if let Some(context) = latest {
                            tally.add(context, None, reason, pages);
                        }
                    }
                    LOCAL..=REMOTE_SEND => {
                        if reason == REMOTE_SEND {
                            latest = ours.then_some(context);
                        }
                        if ours {
                            tally.add(context, operation, reason, pages);
                        }
                    }
                    // Flushes at a task switch have no initiator.
                    _ => {}
                }
            }
            _ => {}
        }
    }
    tally
}

/// `system_wide`: the recording holds other processes too, so what a CPU prints while it runs one of them would be in it.
fn predicted(script: &Script, lines: &[FlushLine], system_wide: bool) -> Tally {
    let mut tally = Tally::default();
    for line in lines {
        if line.elsewhere && matches!(line.reason, REMOTE | WRONG_CPU) && !system_wide {
            continue;
        }
        let Some(item) = line.tag.map(|tag| &script.items[tag as usize % script.items.len()]) else {
            continue;
        };
        let pages = if line.reason == WRONG_CPU { 0 } else { line.pages };
        tally.add(item.context, item.operation, line.reason, pages);
    }
    tally
}
