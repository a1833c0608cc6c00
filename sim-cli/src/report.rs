//! Comparisons as table, CSV and JSON, all from the one list of metrics.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, LineStyle, Table, TableStyle};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use sim_core::policy;
use workloads::outcome::{Input, METRICS, Metric, Outcome, SCHEMA, Value};

use crate::failure::Failure;
use crate::output::{Format, OutputArgs};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One workload or recording under several policies; the first is the baseline.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// At least one.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Comparison {
    fn baseline(&self) -> &Outcome {
        self.outcomes.first().expect("a comparison has a run")
    }

    fn value(&self, metric: &Metric, outcome: &Outcome) -> Value {
        (metric.value)(outcome, Some(self.baseline()))
    }
}

/// Writes comparisons as asked.
pub(crate) fn write(comparisons: &[Comparison], output: &OutputArgs) -> Result<(), Failure> {
    output.write(&match output.format() {
        Format::Table => tables(comparisons),
        Format::Csv => csv(comparisons),
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
        if let Some(seed) = run.seed {
            let _ = write!(text, ", seed {seed}");
        }
        let _ = writeln!(text, "\n{}", table(comparison));
    }
    text
}

fn table(comparison: &Comparison) -> String {
    let mut table = plain_table();
    let mut header = vec![Cell::new("")];
    header.extend(
        comparison.outcomes.iter().map(|o| Cell::new(policy_title(o.policy)).set_alignment(CellAlignment::Right)),
    );
    table.set_header(header);
    let mut heading = "";
    for metric in METRICS {
        if metric.heading != heading {
            heading = metric.heading;
            table.add_row([heading]);
        }
        let unit = if metric.unit.is_empty() { String::new() } else { format!(", {}", metric.unit) };
        let mut row = vec![Cell::new(format!("  {}{unit}", metric.label))];
        row.extend(comparison.outcomes.iter().map(|outcome| {
            let shown = readable(comparison.value(metric, outcome));
            Cell::new(shown).set_alignment(CellAlignment::Right)
        }));
        table.add_row(row);
    }
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
    if text.is_empty() {
        return "-".to_owned();
    }
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut shown = String::new();
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
type Column = (&'static str, fn(&Outcome) -> String);

/// The provenance of a run.
const PROVENANCE: &[Column] = &[
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

fn csv(comparisons: &[Comparison]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = PROVENANCE.iter().map(|p| p.0).chain(METRICS.iter().map(|m| m.name));
    writer.write_record(header).expect("memory is writable");
    for comparison in comparisons {
        for outcome in &comparison.outcomes {
            let provenance = PROVENANCE.iter().map(|p| (p.1)(outcome));
            let values = METRICS.iter().map(|m| comparison.value(m, outcome).to_string());
            writer.write_record(provenance.chain(values)).expect("every row has the columns of the header");
        }
    }
    let bytes = writer.into_inner().expect("memory is writable");
    String::from_utf8(bytes).expect("names are text")
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
    runs: Vec<RunJson<'a>>,
}

#[derive(Serialize)]
struct InputJson<'a> {
    name: &'a str,
    sha256: &'a str,
}

#[derive(Serialize)]
struct RunJson<'a> {
    policy: &'a str,
    metrics: MetricsJson<'a>,
}

/// The metrics in their own order, which a map of serde_json would not keep.
struct MetricsJson<'a>(&'a Comparison, &'a Outcome);

impl Serialize for MetricsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(METRICS.len()))?;
        for metric in METRICS {
            match self.0.value(metric, self.1) {
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
        let runs = comparison
            .outcomes
            .iter()
            .map(|outcome| RunJson { policy: outcome.policy, metrics: MetricsJson(comparison, outcome) });
        ComparisonJson {
            workload: (&baseline.workload).into(),
            profile: (&baseline.profile).into(),
            era: baseline.era,
            seed: baseline.seed,
            runs: runs.collect(),
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
    }
}
