//! What reports of runs are made of: rows and their provenance, plain tables, numbers to read. All go by the one list of metrics.

use std::fmt::Write as _;

use comfy_table::{Cell, LineStyle, Table, TableStyle};
use sim_core::policy;
use workloads::outcome::{METRICS, Metric, Outcome, SCHEMA};

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

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

    /// The first policy with the first seed.
    pub(crate) fn baseline(&self) -> &Outcome {
        self.baseline_run().first().expect("a comparison has a run")
    }

    /// How many seeds, if there can be several.
    pub(crate) fn seeds(&self) -> Option<usize> {
        (self.paired && self.baseline().seed.is_some()).then_some(self.runs.len())
    }

    /// Every run beside the baseline of its seed.
    pub(crate) fn with_baseline(&self) -> impl Iterator<Item = (&Outcome, &Outcome)> {
        self.runs.iter().flat_map(|run| run.iter().map(|outcome| (outcome, &run[0])))
    }
}

/// A number as it is printed with so many decimals; 0 has no sign.
pub(crate) fn to_decimals(number: f64, decimals: usize) -> f64 {
    format!("{number:.decimals$}").parse::<f64>().expect("a number was printed") + 0.0
}

/// A table with a line under its header and nothing else.
pub(crate) fn plain_table() -> Table {
    let line = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(line));
    table
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

/// Writes a row.
pub(crate) fn record<T: AsRef<[u8]>>(writer: &mut csv::Writer<Vec<u8>>, fields: impl Iterator<Item = T>) {
    writer.write_record(fields).expect("every row has the columns of the header, and memory is writable");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!((apart("999"), apart("1234567")), ("999".to_owned(), "1,234,567".to_owned()));
        assert_eq!((apart("-123456.500"), apart("-999")), ("-123,456.500".to_owned(), "-999".to_owned()));
    }
}
