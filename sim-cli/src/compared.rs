//! Comparisons as table, CSV and JSON.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use sim_core::policy;
use workloads::outcome::{Input, METRICS, Metric, Outcome, SCHEMA, Value};

use crate::cli::RowsArg;
use crate::differences::{self, DifferencesJson, Pairs};
use crate::distribution::{self, CyclesJson};
use crate::failure::Failure;
use crate::output::{Format, OutputArgs};
use crate::report::{Comparison, VERSION, add_metrics, apart, plain_table, record, run_columns, run_row};

/// What a recording is told that asks for seeds.
const NO_SEED: &str = "a recording has no seed: each policy is run once, and the differences have no interval";

/// Writes comparisons as asked.
pub(crate) fn write(comparisons: &[Comparison], rows: RowsArg, output: &OutputArgs) -> Result<(), Failure> {
    output.write(&match output.format() {
        Format::Table => tables(comparisons),
        Format::Csv => csv(comparisons, rows),
        Format::Json => json(comparisons),
    })
}

fn tables(comparisons: &[Comparison]) -> String {
    let mut text = String::new();
    for (n, comparison) in comparisons.iter().enumerate() {
        if n > 0 {
            text.push('\n');
        }
        let run = comparison.baseline();
        let _ = write!(text, "{} on {}, era {}", run.workload.name, run.profile.name, run.era);
        match (run.seed, comparison.seeds()) {
            (Some(first), Some(seeds)) => {
                let _ = write!(text, ", {seeds} seeds from {first} on");
            }
            (Some(seed), None) => {
                let _ = write!(text, ", seed {seed}");
            }
            (None, _) => {}
        }
        text.push('\n');
        if comparison.paired {
            let note = if run.seed.is_none() {
                NO_SEED
            } else {
                "means over the seeds, and the mean of the paired differences"
            };
            let _ = writeln!(text, "{note}");
            for pairs in Pairs::of(comparison) {
                let _ = writeln!(text, "\n{}", differences::table(&pairs).trim_fmt());
            }
        } else {
            let _ = writeln!(text, "{}", table(comparison));
        }
        let _ = writeln!(text, "\n{}", distribution::table(comparison));
    }
    text
}

fn table(comparison: &Comparison) -> String {
    let mut table = plain_table();
    let outcomes = comparison.baseline_run();
    let mut header = vec![Cell::new("")];
    header.extend(outcomes.iter().map(|o| Cell::new(policy_title(o.policy)).set_alignment(CellAlignment::Right)));
    table.set_header(header);
    add_metrics(&mut table, |metric| {
        let shown = outcomes.iter().map(|outcome| readable(value(metric, outcome, comparison.baseline())));
        shown.map(|text| Cell::new(text).set_alignment(CellAlignment::Right)).collect()
    });
    table.trim_fmt()
}

fn policy_title(name: &str) -> String {
    match policy::find(name).and_then(|p| p.aliases.first()) {
        Some(alias) => format!("{alias}\n{name}"),
        None => name.to_owned(),
    }
}

/// A value with its thousands apart, or a dash.
fn readable(value: Value) -> String {
    let text = value.to_string();
    if text.is_empty() { "-".to_owned() } else { apart(&text) }
}

fn value(metric: &Metric, outcome: &Outcome, baseline: &Outcome) -> Value {
    (metric.value)(outcome, Some(baseline))
}

fn csv(comparisons: &[Comparison], rows: RowsArg) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    match rows {
        RowsArg::Runs => csv_runs(comparisons, &mut writer),
        RowsArg::Cycles => distribution::csv(comparisons, &mut writer),
        RowsArg::Differences => differences::csv(comparisons, &mut writer),
    }
    let bytes = writer.into_inner().expect("memory is writable");
    String::from_utf8(bytes).expect("names are text")
}

fn csv_runs(comparisons: &[Comparison], writer: &mut csv::Writer<Vec<u8>>) {
    record(writer, run_columns());
    for (outcome, baseline) in comparisons.iter().flat_map(Comparison::with_baseline) {
        record(writer, run_row(outcome, Some(baseline)));
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    comparisons: Vec<ComparisonJson<'a>>,
}

#[derive(Serialize)]
struct ComparisonJson<'a> {
    workload: InputJson<'a>,
    profile: InputJson<'a>,
    era: &'a str,
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seeds: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    runs: Vec<RunJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Vec<DifferencesJson<'a>>>,
}

#[derive(Serialize)]
struct InputJson<'a> {
    name: &'a str,
    sha256: &'a str,
}

#[derive(Serialize)]
struct RunJson<'a> {
    policy: &'a str,
    seed: Option<u64>,
    metrics: MetricsJson<'a>,
    reclaim_cycles_by_flushes_extra: Vec<CyclesJson>,
}

/// The metrics in their own order, which a map of serde_json would not keep; of a run, and of the baseline of its seed.
struct MetricsJson<'a>(&'a Outcome, &'a Outcome);

impl Serialize for MetricsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(METRICS.len()))?;
        for metric in METRICS {
            match value(metric, self.0, self.1) {
                Value::Count(count) => map.serialize_entry(metric.name, &count)?,
                value => map.serialize_entry(metric.name, &value.to_string().parse::<f64>().ok())?,
            }
        }
        map.end()
    }
}

impl<'a> From<&'a Input> for InputJson<'a> {
    fn from(input: &'a Input) -> Self {
        InputJson { name: &input.name, sha256: &input.sha256 }
    }
}

fn json(comparisons: &[Comparison]) -> String {
    let comparisons = comparisons.iter().map(|comparison| {
        let baseline = comparison.baseline();
        let runs = comparison.with_baseline().map(|(outcome, baseline)| RunJson {
            policy: outcome.policy,
            seed: outcome.seed,
            metrics: MetricsJson(outcome, baseline),
            reclaim_cycles_by_flushes_extra: CyclesJson::of(outcome),
        });
        ComparisonJson {
            workload: (&baseline.workload).into(),
            profile: (&baseline.profile).into(),
            era: baseline.era,
            seed: baseline.seed,
            seeds: comparison.seeds(),
            note: (comparison.paired && baseline.seed.is_none()).then_some(NO_SEED),
            runs: runs.collect(),
            differences: comparison.paired.then(|| DifferencesJson::of(comparison)),
        }
    });
    let document = Document { schema: SCHEMA, version: VERSION, comparisons: comparisons.collect() };
    let mut text = serde_json::to_string_pretty(&document).expect("memory is writable");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_with_their_thousands_apart() {
        assert_eq!(readable(Value::Count(999)), "999");
        assert_eq!(readable(Value::Count(1_234_567)), "1,234,567");
        assert_eq!(readable(Value::quotient(123_456_789, 1000)), "123,456.789");
        assert_eq!(readable(Value::Absent), "-");
    }
}
