//! Paired differences between two policies: their mean, and its 95 % interval by Student's t.
//!
//! Both policies of a pair run under the same seed, so that what a seed does to both cancels out. The quantile is computed
//! here, from the finite sums for an integer number of degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4): only
//! operations that IEEE 754 rounds exactly go into it, so no result depends on the platform's `exp` or `ln`.

use std::f64::consts::PI;

use crate::outcome::{Metric, Outcome};

/// How sure the interval is.
const CONFIDENCE: f64 = 0.95;
/// Halvings of an angle before its series: enough for 11 terms to reach the last bit.
const HALVINGS: i32 = 6;

/// What one metric is under two policies, over all pairs of runs in which both have a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// How many pairs.
    pub pairs: usize,
    /// The mean under the baseline.
    pub baseline_mean: f64,
    /// The mean under the policy.
    pub policy_mean: f64,
    /// The mean of policy - baseline.
    pub mean: f64,
    /// The 95 % interval of that mean; one pair has none.
    pub interval: Option<(f64, f64)>,
}

impl Difference {
    /// The difference of a metric over pairs of runs, the baseline's first; none if no pair has values.
    pub fn of(metric: &Metric, pairs: &[(&Outcome, &Outcome)]) -> Option<Difference> {
        let value = |outcome, baseline| (metric.value)(outcome, Some(baseline)).number();
        let values = pairs.iter().filter_map(|&(b, p)| Some((value(b, b)?, value(p, b)?)));
        Difference::between(&values.collect::<Vec<_>>())
    }

    /// The difference of paired values, the baseline's first; none if there are none.
    pub fn between(values: &[(f64, f64)]) -> Option<Difference> {
        let pairs = values.len();
        if pairs == 0 {
            return None;
        }
        let mean_of = |of: &dyn Fn(&(f64, f64)) -> f64| values.iter().map(of).sum::<f64>() / pairs as f64;
        let mean = mean_of(&|(baseline, policy)| policy - baseline);
        let interval = (pairs > 1).then(|| {
            let squares: f64 = values.iter().map(|(b, p)| (p - b - mean) * (p - b - mean)).sum();
            let freedom = pairs as u32 - 1;
            let half = student_t(freedom) * (squares / f64::from(freedom) / pairs as f64).sqrt();
            (mean - half, mean + half)
        });
        Some(Difference { pairs, baseline_mean: mean_of(&|v| v.0), policy_mean: mean_of(&|v| v.1), mean, interval })
    }
}

/// The two-sided 95 % quantile of Student's t: |T| is at most this in 95 of 100.
fn student_t(freedom: u32) -> f64 {
    // 12.7 at one degree of freedom, and less at every other.
    let (mut low, mut high) = (0.0, 16.0);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        *(if within(middle, freedom) < CONFIDENCE { &mut low } else { &mut high }) = middle;
    }
}

/// P(|T| <= t): a finite sum in the sine and cosine of atan(t / sqrt(freedom)), which are algebraic.
fn within(t: f64, freedom: u32) -> f64 {
    let n = f64::from(freedom);
    let cos2 = n / (n + t * t);
    let sin = t / (n + t * t).sqrt();
    let odd = freedom % 2 == 1;
    let mut term = if odd { cos2.sqrt() } else { 1.0 };
    let mut sum = 0.0;
    for k in 1..=freedom / 2 {
        sum += term;
        let k = f64::from(2 * k + u32::from(odd));
        term *= cos2 * (k - 1.0) / k;
    }
    if odd { 2.0 / PI * (atan(t / n.sqrt()) + sin * sum) } else { sin * sum }
}

/// The arc tangent of a number that is not negative.
fn atan(x: f64) -> f64 {
    let x = (0..HALVINGS).fold(x, |x, _| x / (1.0 + (1.0 + x * x).sqrt()));
    let mut power = x;
    let mut sum = 0.0;
    for k in 0..11 {
        sum += power / f64::from(2 * k + 1);
        power *= -x * x;
    }
    sum * f64::from(1 << HALVINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_printed_tables() {
        // Any table of Student's t, two-sided 95 %.
        let table = [
            (1, 12.706),
            (2, 4.303),
            (3, 3.182),
            (4, 2.776),
            (5, 2.571),
            (7, 2.365),
            (9, 2.262),
            (10, 2.228),
            (19, 2.093),
            (20, 2.086),
            (29, 2.045),
            (30, 2.042),
            (60, 2.000),
            (120, 1.980),
            (9_999, 1.960),
        ];
        for (freedom, quantile) in table {
            assert!((student_t(freedom) - quantile).abs() <= 0.0005, "{freedom}: {}", student_t(freedom));
        }
    }

    #[test]
    fn the_arc_tangent_is_that_of_the_library() {
        for x in [0.0, 1e-9, 0.03, 0.5, 1.0, 12.7, 1e6] {
            assert!((atan(x) - f64::atan(x)).abs() < 1e-14, "{x}: {}", atan(x));
        }
    }

    /// Differences 1, 2, 3, 4, 5: mean 3, standard error sqrt(2.5 / 5), t(4) = 2.776.
    #[test]
    fn the_interval_of_a_worked_example() {
        let values = [(10.0, 11.0), (20.0, 22.0), (5.0, 8.0), (0.0, 4.0), (100.0, 105.0)];
        let difference = Difference::between(&values).expect("five pairs");
        assert_eq!((difference.pairs, difference.mean), (5, 3.0));
        assert_eq!((difference.baseline_mean, difference.policy_mean), (27.0, 30.0));
        let (low, high) = difference.interval.expect("an interval");
        assert!((low - 1.036_757).abs() < 1e-6 && (high - 4.963_243).abs() < 1e-6, "{low} {high}");
    }

    #[test]
    fn one_pair_has_no_interval_and_none_no_difference() {
        let one = Difference::between(&[(1.0, 4.0)]).expect("one pair");
        assert_eq!((one.mean, one.interval), (3.0, None));
        assert_eq!(Difference::between(&[]), None);
        let alike = Difference::between(&[(1.0, 4.0), (2.0, 5.0)]).expect("two pairs");
        assert_eq!(alike.interval, Some((3.0, 3.0)));
    }
}
