//! Calibration: a few rows of a machine profile fitted to part of what was published about it, and the rest predicted.
//!
//! A curve is a file in `workloads/curves/` and a row of [`CURVES`]. What is free is a physical row of the profile, with its
//! range and why; nothing is indexed by the number of cores.

pub mod curve;
mod fit;
mod search;

use crate::calibrate::curve::{Curve, Free};
use crate::calibrate::fit::Runner;
use crate::sweep::PlanError;

/// A curve by name.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// The curve, TOML.
    pub text: &'static str,
}

macro_rules! curve {
    ($name:literal) => {
        Builtin { name: $name, text: include_str!(concat!("../../curves/", $name, ".toml")) }
    };
}

/// All curves, by name.
pub static CURVES: &[Builtin] = &[
    curve!("clx-tlb_flush3"),
    curve!("icx-tlb_flush1"),
    curve!("kunpeng-flush-range"),
    curve!("milan-tlb_flush2"),
    curve!("milan-tlb_flush2-invlpgb"),
    curve!("skx-tlb_flush1"),
    curve!("skx-tlb_flush1-gen"),
    curve!("skx-tlb_flush3"),
];

impl Builtin {
    /// The curve, read.
    ///
    /// # Panics
    /// Never: a test reads all of them.
    pub fn curve(&self) -> Curve {
        match Curve::parse(self.name, self.text) {
            Ok(curve) => curve,
            Err(error) => panic!("built-in curve: {error}"),
        }
    }
}

/// The curves of a machine.
pub fn curves_of(profile: &str) -> Vec<Curve> {
    CURVES.iter().map(Builtin::curve).filter(|curve| curve.profile.get_ref() == profile).collect()
}

/// A parameter and what it was fitted to.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// Which, and its range.
    pub free: Free,
    /// In cycles.
    pub value: u64,
}

/// A point of a curve beside the model's.
#[derive(Clone, Debug)]
pub struct Row {
    /// The curve.
    pub curve: String,
    /// Where on its axis.
    pub at: u64,
    /// In ns, if a figure is at hand.
    pub published_ns: Option<u64>,
    /// Parameters were fitted to it.
    pub fit: bool,
    /// What the model shows, in ns.
    pub model_ns: Option<f64>,
    /// What a fit without this point shows here, in ns.
    pub left_out_ns: Option<f64>,
}

impl Row {
    /// How far a figure of the model is from the published one, in percent.
    pub fn error_percent(&self, model_ns: Option<f64>) -> Option<f64> {
        Some((model_ns? / self.published_ns? as f64 - 1.0) * 100.0)
    }
}

/// What a calibration came to.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// The parameters, if any was fitted.
    pub fitted: Vec<Fitted>,
    /// All points of all curves of the machine.
    pub rows: Vec<Row>,
}

/// Fits the parameters of a machine to its curves, if `fit` says so, and runs all points; otherwise the profile is taken as it is.
/// `ran` hears how many runs are done.
///
/// # Errors
/// If a curve sets what cannot be set.
pub fn calibrate(
    curves: &[Curve],
    fit: bool,
    threads: usize,
    ran: &mut dyn FnMut(u64),
) -> Result<Calibration, PlanError> {
    let mut calibration = Calibration::default();
    // What one curve fits the others are predicted with.
    let mut order: Vec<&Curve> = curves.iter().collect();
    order.sort_by_key(|curve| curve.free.is_empty());
    for curve in order {
        let mut runner = Runner::new(curve, threads, ran);
        let mut left_out = vec![None; curve.points.len()];
        if fit && !curve.free.is_empty() {
            let values = runner.fit(&curve.free)?;
            left_out = runner.leave_one_out(&curve.free, &values)?;
            let fitted = curve.free.iter().cloned().zip(values).map(|(free, value)| Fitted { free, value });
            calibration.fitted.extend(fitted);
        }
        let (free, values): (Vec<_>, Vec<_>) =
            calibration.fitted.iter().map(|fitted| (fitted.free.clone(), fitted.value)).unzip();
        let all: Vec<usize> = (0..curve.points.len()).collect();
        let shown = runner.show(&free, &values, &all)?;
        let rows = curve.points.iter().zip(shown).zip(left_out).map(|((point, model_ns), left_out_ns)| Row {
            curve: curve.name.clone(),
            at: point.at,
            published_ns: point.published_ns,
            fit: point.fit,
            model_ns,
            left_out_ns,
        });
        calibration.rows.extend(rows);
    }
    Ok(calibration)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::machines::machine;

    #[test]
    fn every_file_is_registered_and_can_be_run() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/curves");
        let files: BTreeSet<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(CURVES.is_sorted_by_key(|curve| curve.name), "the rows are not in order");
        assert_eq!(CURVES.iter().map(|c| format!("{}.toml", c.name)).collect::<BTreeSet<_>>(), files);
        for builtin in CURVES {
            let curve = builtin.curve();
            assert_eq!(curve.name, builtin.name);
            assert!(machine(curve.profile.get_ref()).is_some(), "{}", curve.name);
            let start: Vec<_> = curve.free.iter().map(|free| (free.key.clone(), free.start)).collect();
            assert_eq!(curve.runs(&start).expect(builtin.name).len(), curve.points.len());
        }
    }

    #[test]
    fn a_machine_has_at_most_four_free_parameters() {
        for builtin in CURVES {
            let name = builtin.curve().profile.into_inner();
            let free: BTreeSet<_> = curves_of(&name).into_iter().flat_map(|c| c.free).map(|f| f.key).collect();
            assert!(free.len() <= curve::FREE_MAX, "{name}");
        }
    }

    /// A curve that the model itself made, with parameters that the fit does not know.
    #[test]
    fn a_fit_finds_the_parameters_that_made_a_curve() {
        let text = CURVES.iter().find(|c| c.name == "kunpeng-flush-range").expect("it is there").text;
        let mut curve = Curve::parse("x", text).expect("a curve");
        curve.points.retain(|point| [1, 8, 64].contains(&point.at));
        let made = [2711, 809];
        let free = curve.free.clone();
        let all = [0, 1, 2];
        let shown = Runner::new(&curve, 1, &mut |_| {}).show(&free, &made, &all).expect("it runs");
        for (point, shown) in curve.points.iter_mut().zip(shown) {
            (point.published_ns, point.fit) = (shown.map(|ns| format!("{ns:.0}").parse().expect("digits")), true);
        }
        let found = Runner::new(&curve, 1, &mut |_| {}).fit(&free).expect("it runs");
        for (found, made) in found.into_iter().zip(made) {
            assert!(found.abs_diff(made) * 30 < made, "{found}, made with {made}");
        }
    }
}
