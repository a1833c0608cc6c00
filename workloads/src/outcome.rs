//! What comes out of a run, and the one list of metrics that feeds tables, CSV and JSON alike.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};
use sim_core::drive::clock::stats::{Stats, Windows};
use sim_core::oracle::Class;
use sim_core::world::Cause;
use sim_core::world::big::{Census, FlushValue};

/// The version of the columns (docs/compare.md); raised when one is renamed, removed or changes its meaning.
pub const SCHEMA: u32 = 1;

/// Something that was read: its name and the hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The name it goes by in results; never a path.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

impl Input {
    /// An input of this name with these bytes.
    pub fn new(name: &str, bytes: &[u8]) -> Input {
        Input { name: name.to_owned(), sha256: sha256(bytes) }
    }
}

/// SHA-256, hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// A digest in lower-case digits, two a byte.
pub(crate) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One run: what was run under what, and what was measured.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The policy's name.
    pub policy: &'static str,
    /// The era's name.
    pub era: &'static str,
    /// The machine.
    pub profile: Input,
    /// The workload or recording.
    pub workload: Input,
    /// The seed; a recording has none.
    pub seed: Option<u64>,
    /// User threads; of a recording, 0.
    pub threads: u16,
    /// Rounds of loops and programs that its threads have done.
    pub rounds: u64,
    /// Reclaim cycles done: passes of kswapd or of direct reclaim, or calls of `MADV_PAGEOUT`.
    pub reclaim_cycles: u64,
    /// Where the frames were at the end, if memory was short.
    pub census: Option<Census>,
    /// How long it took, in cycles.
    pub duration_cycles: u64,
    /// Everything else.
    pub stats: Stats,
}

impl Outcome {
    /// How many reclaim cycles cost how many extra flushes: flushes of pending checks that found a flush pending which this
    /// cycle was the last to put off. Cycles without any are there with 0, and so is a cycle that was cut off.
    pub fn cycles_by_extra(&self) -> BTreeMap<u64, u64> {
        let mut cycles = self.stats.reclaim.by_extra();
        // A recorded cycle that shrank no list has nothing the model could begin.
        let idle = self.reclaim_cycles.saturating_sub(self.stats.reclaim.begun());
        if idle > 0 {
            *cycles.entry(0).or_default() += idle;
        }
        cycles
    }

    /// Cycles that have begun and not ended in the run, or that had begun before the recording.
    pub fn cycles_cut_off(&self) -> u64 {
        self.stats.reclaim.begun().saturating_sub(self.reclaim_cycles)
    }
}

/// The value of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A quotient, shown with three decimals.
    Quotient(u64, u64),
    /// There is none: no reclaim cycle to divide by, or no baseline.
    Absent,
}

impl Value {
    /// A quotient, absent if it would divide by 0.
    pub fn quotient(dividend: u64, divisor: u64) -> Value {
        if divisor == 0 { Value::Absent } else { Value::Quotient(dividend, divisor) }
    }

    /// The value as a number to reckon with, if there is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Value::Count(count) => Some(count as f64),
            Value::Quotient(dividend, divisor) => Some(dividend as f64 / divisor as f64),
            Value::Absent => None,
        }
    }
}

/// As in a CSV: digits, a point, three decimals; nothing if absent.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Count(count) => write!(f, "{count}"),
            Value::Quotient(dividend, divisor) => {
                let (dividend, divisor) = (u128::from(dividend), u128::from(divisor));
                let thousandths = (dividend * 1000 + divisor / 2) / divisor;
                write!(f, "{}.{:03}", thousandths / 1000, thousandths % 1000)
            }
            Value::Absent => Ok(()),
        }
    }
}

/// A row of the table, a column of the CSV, a key of the JSON.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name in CSV and JSON, unit last.
    pub name: &'static str,
    /// The section of the table.
    pub heading: &'static str,
    /// The name in the table, under the heading.
    pub label: &'static str,
    /// The unit in the table; empty for a plain count.
    pub unit: &'static str,
    /// The value; the baseline is the first policy of the comparison.
    pub value: fn(&Outcome, Option<&Outcome>) -> Value,
}

const RECLAIM: &str = "reclaim";
const FLUSHES: &str = "flushes per reclaim cycle, by cause";
const EXTRA: &str = "extra flushes per reclaim cycle over unpatched (pending checks)";
const IPIS: &str = "interrupts";
const COST: &str = "flush cost per reclaim cycle";
const PERMISSION: &str = "permission windows (mprotect returned, right still usable)";
const UNMAPPED: &str = "unmapped windows (munmap returned, page still reachable)";
const DATA: &str = "data windows (content given up, still reachable or stores lost)";
const COPY: &str = "copy windows (fork returned, shared frame still writable)";
const CLEAN: &str = "clean-page windows (page written, still writable without a trace)";
const FREED: &str = "freed-frame windows (frame freed, still reachable)";
const REUSED: &str = "reused-frame windows (frame handed out again, still reachable)";
const POTENTIAL: &str = "potential windows (PTE cleared, flush pending)";
const VIOLATIONS: &str = "violations";
const USER: &str = "user";
const BY_CYCLE: &str = "pending checks, and reclaim cycles by the extra flushes they cost";
const LOOPS: &str = "loops";
const MEANS: &str = "invalidations and writes";

const fn metric(
    heading: &'static str,
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    value: fn(&Outcome, Option<&Outcome>) -> Value,
) -> Metric {
    Metric { name, heading, label, unit, value }
}

/// All metrics, in the order of the table.
#[rustfmt::skip]
pub static METRICS: &[Metric] = &[
    metric(RECLAIM, "reclaim_cycles", "reclaim cycles", "", |o, _| Value::Count(o.reclaim_cycles)),
    metric(RECLAIM, "reclaim_cycles_kswapd", "by kswapd, by watermark", "", |o, _| by_watermark(o, o.stats.pressure.woken_at.len() as u64)),
    metric(RECLAIM, "reclaim_cycles_direct", "by allocating tasks", "", |o, _| by_watermark(o, o.stats.pressure.direct)),
    metric(RECLAIM, "shrink_lists", "shrink lists", "", |o, _| Value::Count(o.stats.lists)),
    metric(RECLAIM, "reclaimed_clean_pages", "pages, PTE clean", "", |o, _| Value::Count(o.stats.pages_clean)),
    metric(RECLAIM, "reclaimed_dirty_pages", "pages, PTE dirty", "", |o, _| Value::Count(o.stats.pages_dirty)),
    metric(RECLAIM, "deferred_pages", "pages with deferred flush", "", |o, _| Value::Count(o.stats.deferred)),
    metric(FLUSHES, "flushes_batch_per_reclaim_cycle", "batch", "", |o, _| flushes(o, Cause::Batch)),
    metric(FLUSHES, "flushes_before_io_per_reclaim_cycle", "before IO", "", |o, _| flushes(o, Cause::BeforeIo)),
    metric(FLUSHES, "flushes_pending_check_per_reclaim_cycle", "pending check", "", |o, _| flushes(o, Cause::PendingCheck)),
    metric(FLUSHES, "flushes_operation_per_reclaim_cycle", "operation's own", "", |o, _| flushes(o, Cause::Operation)),
    metric(FLUSHES, "flushes_per_page_per_reclaim_cycle", "per page", "", |o, _| flushes(o, Cause::PerPage)),
    metric(FLUSHES, "flushes_cow_per_reclaim_cycle", "copy on write", "", |o, _| flushes(o, Cause::Cow)),
    metric(FLUSHES, "flushes_nested_per_reclaim_cycle", "nested gathers", "", |o, _| flushes(o, Cause::Nested)),
    metric(EXTRA, "flushes_extra_per_reclaim_cycle", "extra", "", |o, _| flushes(o, Cause::PendingCheck)),
    metric(EXTRA, "flushes_extra_needed_per_reclaim_cycle", "needed", "", |o, _| extra(o, FlushValue::Needed)),
    metric(EXTRA, "flushes_extra_useful_elsewhere_per_reclaim_cycle", "useful elsewhere", "",
        |o, _| extra(o, FlushValue::UsefulElsewhere)),
    metric(EXTRA, "flushes_extra_needless_per_reclaim_cycle", "needless", "", |o, _| extra(o, FlushValue::Needless)),
    metric(EXTRA, "flushes_extra", "extra, whole run", "", |o, _| Value::Count(pending_checks(o))),
    metric(IPIS, "ipis_sent", "sent", "", |o, _| Value::Count(o.stats.ipis_sent)),
    metric(IPIS, "ipis_received", "received", "", |o, _| Value::Count(o.stats.ipis_received)),
    metric(IPIS, "ipis_received_elsewhere", "received, mm not running", "",
        |o, _| Value::Count(o.stats.ipis_received_elsewhere)),
    metric(COST, "flush_initiator_per_reclaim_cycle_cycles", "initiator", "cycles", |o, _| cost(o, o.stats.cycles.initiator)),
    metric(COST, "flush_waiting_per_reclaim_cycle_cycles", "waiting", "cycles", |o, _| cost(o, o.stats.cycles.waiting)),
    metric(COST, "flush_receivers_per_reclaim_cycle_cycles", "receivers", "cycles", |o, _| cost(o, o.stats.cycles.receivers)),
    metric(COST, "flush_refill_per_reclaim_cycle_cycles", "refill", "cycles", |o, _| cost(o, o.stats.cycles.refill)),
    metric(COST, "flush_total_per_reclaim_cycle_cycles", "total", "cycles", |o, _| cost(o, o.stats.cycles.total())),
    metric(COST, "flush_total_of_baseline_percent", "total, of the first policy", "%", of_baseline),
    metric(PERMISSION, "windows_permission", "windows", "", |o, _| count(windows(o, Class::Permission))),
    metric(PERMISSION, "windows_permission_p50_cycles", "p50", "cycles", |o, _| percentile(windows(o, Class::Permission), 50)),
    metric(PERMISSION, "windows_permission_p99_cycles", "p99", "cycles", |o, _| percentile(windows(o, Class::Permission), 99)),
    metric(PERMISSION, "windows_permission_max_cycles", "max", "cycles", |o, _| percentile(windows(o, Class::Permission), 100)),
    metric(PERMISSION, "windows_permission_used", "used", "", |o, _| used(windows(o, Class::Permission))),
    metric(UNMAPPED, "windows_unmapped", "windows", "", |o, _| count(windows(o, Class::Unmapped))),
    metric(UNMAPPED, "windows_unmapped_p50_cycles", "p50", "cycles", |o, _| percentile(windows(o, Class::Unmapped), 50)),
    metric(UNMAPPED, "windows_unmapped_p99_cycles", "p99", "cycles", |o, _| percentile(windows(o, Class::Unmapped), 99)),
    metric(UNMAPPED, "windows_unmapped_max_cycles", "max", "cycles", |o, _| percentile(windows(o, Class::Unmapped), 100)),
    metric(UNMAPPED, "windows_unmapped_used", "used", "", |o, _| used(windows(o, Class::Unmapped))),
    metric(DATA, "windows_data", "windows", "", |o, _| count(windows(o, Class::Data))),
    metric(DATA, "windows_data_p50_cycles", "p50", "cycles", |o, _| percentile(windows(o, Class::Data), 50)),
    metric(DATA, "windows_data_p99_cycles", "p99", "cycles", |o, _| percentile(windows(o, Class::Data), 99)),
    metric(DATA, "windows_data_max_cycles", "max", "cycles", |o, _| percentile(windows(o, Class::Data), 100)),
    metric(DATA, "windows_data_used", "used", "", |o, _| used(windows(o, Class::Data))),
    metric(COPY, "windows_copy", "windows", "", |o, _| count(windows(o, Class::Copy))),
    metric(COPY, "windows_copy_p50_cycles", "p50", "cycles", |o, _| percentile(windows(o, Class::Copy), 50)),
    metric(COPY, "windows_copy_p99_cycles", "p99", "cycles", |o, _| percentile(windows(o, Class::Copy), 99)),
    metric(COPY, "windows_copy_max_cycles", "max", "cycles", |o, _| percentile(windows(o, Class::Copy), 100)),
    metric(COPY, "windows_copy_used", "used", "", |o, _| used(windows(o, Class::Copy))),
    metric(CLEAN, "windows_clean_page", "windows", "", |o, _| count(windows(o, Class::CleanPage))),
    metric(CLEAN, "windows_clean_page_p50_cycles", "p50", "cycles", |o, _| percentile(windows(o, Class::CleanPage), 50)),
    metric(CLEAN, "windows_clean_page_p99_cycles", "p99", "cycles", |o, _| percentile(windows(o, Class::CleanPage), 99)),
    metric(CLEAN, "windows_clean_page_max_cycles", "max", "cycles", |o, _| percentile(windows(o, Class::CleanPage), 100)),
    metric(CLEAN, "windows_clean_page_used", "used", "", |o, _| used(windows(o, Class::CleanPage))),
    metric(FREED, "windows_freed_frame", "windows", "", |o, _| count(windows(o, Class::FreedFrame))),
    metric(FREED, "windows_freed_frame_p50_cycles", "p50", "cycles", |o, _| percentile(windows(o, Class::FreedFrame), 50)),
    metric(FREED, "windows_freed_frame_p99_cycles", "p99", "cycles", |o, _| percentile(windows(o, Class::FreedFrame), 99)),
    metric(FREED, "windows_freed_frame_max_cycles", "max", "cycles", |o, _| percentile(windows(o, Class::FreedFrame), 100)),
    metric(FREED, "windows_freed_frame_used", "used", "", |o, _| used(windows(o, Class::FreedFrame))),
    metric(REUSED, "windows_reused_frame", "windows", "", |o, _| count(windows(o, Class::ReusedFrame))),
    metric(REUSED, "windows_reused_frame_p50_cycles", "p50", "cycles", |o, _| percentile(windows(o, Class::ReusedFrame), 50)),
    metric(REUSED, "windows_reused_frame_p99_cycles", "p99", "cycles", |o, _| percentile(windows(o, Class::ReusedFrame), 99)),
    metric(REUSED, "windows_reused_frame_max_cycles", "max", "cycles", |o, _| percentile(windows(o, Class::ReusedFrame), 100)),
    metric(REUSED, "windows_reused_frame_used", "used", "", |o, _| used(windows(o, Class::ReusedFrame))),
    metric(POTENTIAL, "windows_potential", "windows", "", |o, _| count(Some(&o.stats.potential))),
    metric(POTENTIAL, "windows_potential_p50_cycles", "p50", "cycles", |o, _| percentile(Some(&o.stats.potential), 50)),
    metric(POTENTIAL, "windows_potential_p99_cycles", "p99", "cycles", |o, _| percentile(Some(&o.stats.potential), 99)),
    metric(POTENTIAL, "windows_potential_max_cycles", "max", "cycles", |o, _| percentile(Some(&o.stats.potential), 100)),
    metric(VIOLATIONS, "violations_permission", "permission", "", |o, _| violations(o, Class::Permission)),
    metric(VIOLATIONS, "violations_unmapped", "unmapped", "", |o, _| violations(o, Class::Unmapped)),
    metric(VIOLATIONS, "violations_data", "data", "", |o, _| violations(o, Class::Data)),
    metric(VIOLATIONS, "violations_copy", "copy", "", |o, _| violations(o, Class::Copy)),
    metric(VIOLATIONS, "violations_clean_page", "clean page", "", |o, _| violations(o, Class::CleanPage)),
    metric(VIOLATIONS, "violations_freed_frame", "freed frame", "", |o, _| violations(o, Class::FreedFrame)),
    metric(VIOLATIONS, "violations_reused_frame", "reused frame", "", |o, _| violations(o, Class::ReusedFrame)),
    metric(USER, "accesses", "accesses", "", |o, _| Value::Count(o.stats.accesses)),
    metric(USER, "faults", "faults", "", |o, _| Value::Count(o.stats.faults)),
    metric(USER, "segvs", "SIGSEGVs", "", |o, _| Value::Count(o.stats.segvs)),
    metric(USER, "lock_wait_cycles", "waiting for locks", "cycles", |o, _| Value::Count(o.stats.lock_wait_cycles)),
    metric(USER, "swap_wait_cycles", "waiting for the swap queue", "cycles", |o, _| by_watermark(o, o.stats.io_wait_cycles)),
    metric(USER, "duration_cycles", "duration", "cycles", |o, _| Value::Count(o.duration_cycles)),
    metric(BY_CYCLE, "pending_checks", "checks", "", |o, _| Value::Count(o.stats.reclaim.checks)),
    metric(BY_CYCLE, "pending_checks_found", "checks that found a flush pending", "", |o, _| Value::Count(o.stats.reclaim.found)),
    metric(BY_CYCLE, "reclaim_cycles_extra_0", "reclaim cycles with no extra flush", "", |o, _| cycles(o, 0..=0)),
    metric(BY_CYCLE, "reclaim_cycles_extra_1", "with 1", "", |o, _| cycles(o, 1..=1)),
    metric(BY_CYCLE, "reclaim_cycles_extra_2_or_more", "with 2 or more", "", |o, _| cycles(o, 2..=u64::MAX)),
    metric(BY_CYCLE, "flushes_extra_in_reclaim_cycle_max", "most in one cycle", "", most_extra),
    metric(BY_CYCLE, "reclaim_cycles_cut_off", "cycles cut off", "", |o, _| Value::Count(o.cycles_cut_off())),
    metric(LOOPS, "rounds", "rounds of loops and programs", "", |o, _| Value::Count(o.rounds)),
    metric(LOOPS, "round_cycles", "a round, of one thread", "cycles", |o, _| round(o)),
    metric(MEANS, "flush_requests", "requests that interrupts found queued", "", |o, _| Value::Count(o.stats.requests_served)),
    metric(MEANS, "flush_broadcasts", "broadcast invalidations", "", |o, _| Value::Count(o.stats.broadcasts)),
    metric(MEANS, "pages_written", "pages written to swap or file", "", |o, _| Value::Count(o.stats.writes)),
];

/// The time of all threads, by the rounds they did in it.
fn round(outcome: &Outcome) -> Value {
    Value::quotient(u64::from(outcome.threads) * outcome.duration_cycles, outcome.rounds)
}

/// Only where memory is short.
fn by_watermark(outcome: &Outcome, count: u64) -> Value {
    outcome.census.map_or(Value::Absent, |_| Value::Count(count))
}

fn flushes(outcome: &Outcome, cause: Cause) -> Value {
    let flushes = outcome.stats.flushes.get(&cause).copied().unwrap_or(0);
    Value::quotient(flushes, outcome.reclaim_cycles)
}

fn pending_checks(outcome: &Outcome) -> u64 {
    outcome.stats.flushes.get(&Cause::PendingCheck).copied().unwrap_or(0)
}

fn extra(outcome: &Outcome, value: FlushValue) -> Value {
    let flushes = outcome.stats.extra.get(&value).copied().unwrap_or(0);
    Value::quotient(flushes, outcome.reclaim_cycles)
}

fn cost(outcome: &Outcome, cycles: u64) -> Value {
    Value::quotient(cycles, outcome.reclaim_cycles)
}

/// Reclaim cycles with so many extra flushes.
fn cycles(outcome: &Outcome, extra: RangeInclusive<u64>) -> Value {
    Value::Count(outcome.cycles_by_extra().range(extra).map(|(_, cycles)| cycles).sum())
}

/// Without a cycle there is no most.
fn most_extra(outcome: &Outcome, _baseline: Option<&Outcome>) -> Value {
    outcome.cycles_by_extra().last_key_value().map_or(Value::Absent, |(&extra, _)| Value::Count(extra))
}

/// The flush cost of a reclaim cycle in percent of the baseline's.
fn of_baseline(outcome: &Outcome, baseline: Option<&Outcome>) -> Value {
    let Some(baseline) = baseline else {
        return Value::Absent;
    };
    let cross = |a: &Outcome, b: &Outcome| a.stats.cycles.total().checked_mul(b.reclaim_cycles);
    match (cross(outcome, baseline), cross(baseline, outcome)) {
        (Some(ours), Some(theirs)) => {
            ours.checked_mul(100).map_or(Value::Absent, |percent| Value::quotient(percent, theirs))
        }
        _ => Value::Absent,
    }
}

fn windows(outcome: &Outcome, class: Class) -> Option<&Windows> {
    outcome.stats.windows.get(&class)
}

fn count(windows: Option<&Windows>) -> Value {
    Value::Count(windows.map_or(0, |w| w.lengths_cycles.len() as u64))
}

fn used(windows: Option<&Windows>) -> Value {
    Value::Count(windows.map_or(0, |w| w.used))
}

/// No window has no length: absent, not 0.
fn percentile(windows: Option<&Windows>, percent: u64) -> Value {
    windows
        .filter(|w| !w.lengths_cycles.is_empty())
        .map_or(Value::Absent, |w| Value::Count(w.percentile_cycles(percent)))
}

fn violations(outcome: &Outcome, class: Class) -> Value {
    Value::Count(outcome.stats.violations.get(&class).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_end_in_their_unit() {
        let names: BTreeSet<_> = METRICS.iter().map(|m| m.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            match metric.unit {
                "cycles" => assert!(metric.name.ends_with("_cycles"), "{}", metric.name),
                "%" => assert!(metric.name.ends_with("_percent"), "{}", metric.name),
                unit => assert_eq!(unit, "", "{}", metric.name),
            }
        }
    }

    #[test]
    fn every_class_of_violation_has_its_rows() {
        for class in Class::ALL {
            for prefix in ["windows", "violations"] {
                let name = format!("{prefix}_{}", class.name().replace('-', "_"));
                assert!(METRICS.iter().any(|m| m.name == name), "{name}");
            }
        }
    }

    #[test]
    fn quotients_are_rounded_to_three_decimals() {
        assert_eq!(Value::quotient(2, 3).to_string(), "0.667");
        assert_eq!(Value::quotient(1_999_999, 1000).to_string(), "1999.999");
        assert_eq!(Value::quotient(u64::MAX, 1).to_string(), "18446744073709551615.000");
        assert_eq!(Value::quotient(1, 0).to_string(), "");
    }
}
