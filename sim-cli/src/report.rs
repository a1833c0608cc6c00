//! Comparisons as table, CSV and JSON, all from the one list of metrics.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, LineStyle, Table, TableStyle};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use sim_core::policy;
use workloads::outcome::{Input, METRICS, Metric, Outcome, SCHEMA, Value};

use crate::cli::RowsArg;
use crate::differences::{self, DifferencesJson, Pairs};
use crate::distribution::{self, CyclesJson};
use crate::failure::Failure;
use crate::output::{Format, OutputArgs};

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a recording is told that asks for seeds.
const NO_SEED: &str = "a recording has no seed: each policy is run once, and the differences have no interval";

/// One workload or recording under several policies; the first is the baseline.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// By seed, in order, and in each by policy: at least one of both. A recording is one run without a seed.
    pub(crate) runs: Vec<Vec<Outcome>>,
    /// The differences between policies were asked for.
    pub(crate) paired: bool,
}

impl Comparison {
    /// Every policy with the first seed.
    pub(crate) fn baseline_run(&self) -> &[Outcome] {
        self.runs.first().expect("a comparison has a run")
    }

    fn baseline(&self) -> &Outcome {
        self.baseline_run().first().expect("a comparison has a run")
    }

    /// How many seeds, if there can be several.
    pub(crate) fn seeds(&self) -> Option<usize> {
        (self.paired && self.baseline().seed.is_some()).then_some(self.runs.len())
    }

    /// Every run beside the baseline of its seed.
    fn with_baseline(&self) -> impl Iterator<Item = (&Outcome, &Outcome)> {
        self.runs.iter().flat_map(|run| run.iter().map(|outcome| (outcome, &run[0])))
    }
}

fn value(metric: &Metric, outcome: &Outcome, baseline: &Outcome) -> Value {
    (metric.value)(outcome, Some(baseline))
}

/// Writes comparisons as asked.
pub(crate) fn write(comparisons: &[Comparison], rows: RowsArg, output: &OutputArgs) -> Result<(), Failure> {
    output.write(&match output.format() {
        Format::Table => tables(comparisons),
        Format::Csv => csv(comparisons, rows),
        Format::Json => json(comparisons),
    })
}

/// A table with a line under its header and nothing else.
pub(crate) fn plain_table() -> Table {
    let line = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(line));
    table
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

/// A row for each metric, under their headings.
pub(crate) fn add_metrics(table: &mut Table, cells: impl Fn(&Metric) -> Vec<Cell>) {
    let mut heading = "";
    for metric in METRICS {
        if metric.heading != heading {
            heading = metric.heading;
            table.add_row([heading]);
        }
        let unit = if metric.unit.is_empty() { String::new() } else { format!(", {}", metric.unit) };
        let label = Cell::new(format!("  {}{unit}", metric.label));
        table.add_row([label].into_iter().chain(cells(metric)));
    }
}

/// What people call a policy.
pub(crate) fn policy_alias(name: &'static str) -> &'static str {
    policy::find(name).and_then(|p| p.aliases.first()).copied().unwrap_or(name)
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

/// A number with its thousands apart.
pub(crate) fn apart(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    let mut shown = sign.to_owned();
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    if let Some(fraction) = fraction {
        let _ = write!(shown, ".{fraction}");
    }
    shown
}

/// A column that says what a row is about.
pub(crate) type Column = (&'static str, fn(&Outcome) -> String);

/// The provenance of a run.
pub(crate) const PROVENANCE: &[Column] = &[
    ("schema", |_| SCHEMA.to_string()),
    ("version", |_| VERSION.to_owned()),
    ("workload", |o| o.workload.name.clone()),
    ("workload_sha256", |o| o.workload.sha256.clone()),
    ("profile", |o| o.profile.name.clone()),
    ("profile_sha256", |o| o.profile.sha256.clone()),
    ("era", |o| o.era.to_owned()),
    ("seed", |o| o.seed.map_or(String::new(), |seed| seed.to_string())),
    ("policy", |o| o.policy.to_owned()),
];

/// The columns of a row of `runs`.
pub(crate) fn run_columns() -> impl Iterator<Item = &'static str> {
    PROVENANCE.iter().map(|p| p.0).chain(METRICS.iter().map(|m| m.name))
}

/// A row of `runs`.
pub(crate) fn run_row(outcome: &Outcome, baseline: Option<&Outcome>) -> impl Iterator<Item = String> {
    let provenance = PROVENANCE.iter().map(|p| (p.1)(outcome));
    provenance.chain(METRICS.iter().map(move |metric| (metric.value)(outcome, baseline).to_string()))
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

/// Writes a row.
pub(crate) fn record<T: AsRef<[u8]>>(writer: &mut csv::Writer<Vec<u8>>, fields: impl Iterator<Item = T>) {
    writer.write_record(fields).expect("every row has the columns of the header, and memory is writable");
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
    fn thousands_are_apart() {
        assert_eq!(readable(Value::Count(999)), "999");
        assert_eq!(readable(Value::Count(1_234_567)), "1,234,567");
        assert_eq!(readable(Value::quotient(123_456_789, 1000)), "123,456.789");
        assert_eq!(readable(Value::Absent), "-");
        assert_eq!((apart("-123456.500"), apart("-999")), ("-123,456.500".to_owned(), "-999".to_owned()));
    }
}
