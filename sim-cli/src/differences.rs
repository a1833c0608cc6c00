//! Paired differences to the baseline, as table, CSV and JSON.

use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use workloads::outcome::{METRICS, Metric, Outcome};
use workloads::paired::Difference;

use crate::report::{
    Column, Comparison, PROVENANCE, add_metrics, apart, plain_table, policy_alias, record, to_decimals,
};

/// A policy beside the baseline, with every seed.
pub(crate) struct Pairs<'a>(Vec<(&'a Outcome, &'a Outcome)>);

impl<'a> Pairs<'a> {
    /// The pairs of a comparison: one list for each policy but the first.
    pub(crate) fn of(comparison: &'a Comparison) -> impl Iterator<Item = Pairs<'a>> {
        (1..comparison.baseline_run().len())
            .map(|policy| Pairs(comparison.runs.iter().map(|run| (&run[0], &run[policy])).collect()))
    }

    fn baseline(&self) -> &'a Outcome {
        self.0.first().expect("a comparison has a run").0
    }

    fn policy(&self) -> &'a Outcome {
        self.0.first().expect("a comparison has a run").1
    }

    fn difference(&self, metric: &Metric) -> Option<Difference> {
        Difference::of(metric, &self.0)
    }
}

/// Three decimals, as all quotients.
fn decimals(number: f64) -> String {
    format!("{:.3}", to_decimals(number, 3))
}

/// The figures of a difference: baseline, policy, difference, and from where to where it is.
fn figures(difference: Option<Difference>) -> [Option<String>; 5] {
    let Some(d) = difference else { return [const { None }; 5] };
    let (low, high) = d.interval.unzip();
    [Some(d.baseline_mean), Some(d.policy_mean), Some(d.mean), low, high].map(|figure| figure.map(decimals))
}

/// Names of [`figures`].
const FIGURES: [&str; 5] =
    ["baseline_mean", "policy_mean", "difference_mean", "difference_low_95", "difference_high_95"];

/// One table: a policy beside the baseline, metric by metric.
pub(crate) fn table(pairs: &Pairs<'_>) -> Table {
    let right = |text: &str| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = plain_table();
    let (baseline, policy) = (policy_alias(pairs.baseline().policy), policy_alias(pairs.policy().policy));
    let title = format!("{policy} - {baseline}");
    let heads = [baseline, policy, "difference", "95 % from", "to", "pairs"];
    table.set_header([Cell::new(title)].into_iter().chain(heads.map(right)));
    add_metrics(&mut table, |metric| {
        let difference = pairs.difference(metric);
        let shown = figures(difference).map(|figure| figure.map_or("-".to_owned(), |text| apart(&text)));
        let count = difference.map_or(0, |d| d.pairs).to_string();
        shown.iter().chain([&count]).map(|text| right(text)).collect()
    });
    table
}

/// Columns that say what a difference is about.
const ABOUT: [&str; 4] = ["seeds", "baseline", "metric", "pairs"];

/// A row for each metric of each policy but the first.
pub(crate) fn csv(comparisons: &[Comparison], writer: &mut csv::Writer<Vec<u8>>) {
    let columns = PROVENANCE.iter().map(|p: &Column| p.0);
    record(writer, columns.chain(ABOUT).chain(FIGURES));
    for comparison in comparisons {
        for pairs in Pairs::of(comparison) {
            for metric in METRICS {
                let difference = pairs.difference(metric);
                let about = [
                    comparison.seeds().map_or(String::new(), |seeds| seeds.to_string()),
                    pairs.baseline().policy.to_owned(),
                    metric.name.to_owned(),
                    difference.map_or(0, |d| d.pairs).to_string(),
                ];
                let provenance = PROVENANCE.iter().map(|p| (p.1)(pairs.policy()));
                record(writer, provenance.chain(about).chain(figures(difference).map(Option::unwrap_or_default)));
            }
        }
    }
}

/// A policy and its differences by metric.
#[derive(Serialize)]
pub(crate) struct DifferencesJson<'a> {
    policy: &'a str,
    baseline: &'a str,
    metrics: MetricsJson<'a>,
}

impl<'a> DifferencesJson<'a> {
    pub(crate) fn of(comparison: &'a Comparison) -> Vec<DifferencesJson<'a>> {
        let one = |pairs: Pairs<'a>| DifferencesJson {
            policy: pairs.policy().policy,
            baseline: pairs.baseline().policy,
            metrics: MetricsJson(pairs),
        };
        Pairs::of(comparison).map(one).collect()
    }
}

/// The metrics in their own order.
struct MetricsJson<'a>(Pairs<'a>);

#[derive(Serialize)]
struct DifferenceJson {
    pairs: usize,
    baseline_mean: Option<f64>,
    policy_mean: Option<f64>,
    difference_mean: Option<f64>,
    difference_low_95: Option<f64>,
    difference_high_95: Option<f64>,
}

impl Serialize for MetricsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(METRICS.len()))?;
        for metric in METRICS {
            let difference = self.0.difference(metric);
            let [baseline_mean, policy_mean, difference_mean, difference_low_95, difference_high_95] =
                figures(difference).map(|figure| figure.and_then(|text| text.parse().ok()));
            let value = DifferenceJson {
                pairs: difference.map_or(0, |d| d.pairs),
                baseline_mean,
                policy_mean,
                difference_mean,
                difference_low_95,
                difference_high_95,
            };
            map.serialize_entry(metric.name, &value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_sign() {
        assert_eq!(decimals(-0.000_4), "0.000");
        assert_eq!(decimals(-0.000_6), "-0.001");
        assert_eq!(decimals(2.0), "2.000");
    }
}
