//! Published curves: what was measured on a machine, and the plan that has the model do the same.

use std::path::Path;

use serde::Deserialize;
use toml::{Spanned, Table, Value};

use crate::error::TextError;
use crate::outcome::Outcome;
use crate::sweep::{Plan, PlanError, Point};

/// A machine has no more free parameters than this.
pub const FREE_MAX: usize = 4;

/// A published curve.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// What was measured.
    pub summary: String,
    /// Where it was published.
    pub source: String,
    /// The machine it was measured on.
    pub profile: Spanned<String>,
    /// What the figures are.
    pub measure: Measure,
    /// The knob that differs from point to point (docs/sweeps.md).
    pub axis: String,
    /// Its points.
    pub points: Vec<PublishedPoint>,
    /// The other knobs.
    pub fixed: Table,
    /// What is fitted to it.
    #[serde(default)]
    pub free: Vec<Free>,
}

/// What the figures of a curve are, all in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// A round of one thread.
    Round,
    /// A flush, as its initiator sees it.
    Flush,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedPoint {
    /// Where on the axis.
    pub at: u64,
    /// What was measured; absent where no figure is at hand and the model only predicts.
    pub published_ns: Option<u64>,
    /// Parameters are fitted to it.
    #[serde(default)]
    pub fit: bool,
}

/// A key of the profile that is fitted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Free {
    /// The key, such as `kernel.minor_fault_anon_cyc`.
    pub key: String,
    /// Where the search begins: the value without a fit, in cycles.
    pub start: u64,
    /// The least that makes sense.
    pub min: u64,
    /// The most.
    pub max: u64,
    /// Why it is free, and why in this range.
    pub why: String,
}

impl Curve {
    /// Reads a curve; `name` is for messages.
    ///
    /// # Errors
    /// If the text is no curve, has too many free parameters, or points to fit and nothing to fit them with.
    pub fn parse(name: &str, text: &str) -> Result<Curve, TextError> {
        let curve: Curve = toml::from_str(text).map_err(|e| TextError::toml(name, text, &e))?;
        let fail = |message: String| Err(TextError::new(name, text, curve.profile.span(), message));
        if curve.free.len() > FREE_MAX {
            return fail(format!("free: {} parameters, expected at most {FREE_MAX}", curve.free.len()));
        }
        if let Some(free) = curve.free.iter().find(|f| !(f.min..=f.max).contains(&f.start) || f.min == 0) {
            return fail(format!(
                "free: {} starts at {}, expected {} to {}, above 0",
                free.key, free.start, free.min, free.max
            ));
        }
        let fitted = curve.points.iter().filter(|point| point.fit && point.published_ns.is_some()).count();
        if fitted < curve.free.len() || (fitted > 0 && curve.free.is_empty()) {
            let free = curve.free.len();
            return fail(format!(
                "points: {fitted} to fit {free} parameters, expected as many or more, and parameters"
            ));
        }
        Ok(curve)
    }

    /// The points as runs of the model, on the profile with these keys set.
    ///
    /// # Errors
    /// If one cannot be run.
    pub fn runs(&self, keys: &[(String, u64)]) -> Result<Vec<Point>, PlanError> {
        let mut fixed = self.fixed.clone();
        fixed.insert("profile".to_owned(), Value::String(self.profile.get_ref().clone()));
        for (key, cycles) in keys {
            fixed.insert(format!("profile.{key}"), Value::Integer(cycles.cast_signed()));
        }
        let places = self.points.iter().map(|point| Value::Integer(point.at.cast_signed())).collect();
        let axis = Table::from_iter([(self.axis.clone(), Value::Array(places))]);
        let plan = Table::from_iter([
            ("name".to_owned(), Value::String(self.name.clone())),
            ("fixed".to_owned(), Value::Table(fixed)),
            ("axis".to_owned(), Value::Array(vec![Value::Table(axis)])),
        ]);
        let text = toml::to_string(&plan).expect("a table can be written");
        Plan::parse(&self.name, &text, Path::new(".")).map(|plan| plan.points)
    }
}

impl Measure {
    /// What a run of the model shows, in ns; none if it did none of it.
    pub fn of(self, outcome: &Outcome, mhz: u64) -> Option<f64> {
        let (cycles, count) = match self {
            Measure::Round => (u64::from(outcome.threads) * outcome.duration_cycles, outcome.rounds),
            Measure::Flush => {
                let cycles = &outcome.stats.cycles;
                (cycles.initiator + cycles.waiting, outcome.stats.flushes.values().sum())
            }
        };
        (count > 0).then(|| cycles as f64 * 1000.0 / mhz as f64 / count as f64)
    }
}
