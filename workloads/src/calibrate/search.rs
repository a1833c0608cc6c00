//! The search for a minimum of few parameters, each inside its range: it only goes where it gets better, from more than one start.

use crate::calibrate::curve::Free;

/// A step changes a parameter by this factor, in thousandths, up or down. Smaller ones are within what a run scatters.
const STEPS: [u64; 5] = [1500, 1225, 1107, 1052, 1026];
/// With the first of them all starts are tried; the best few go on with the others, as does [`nearby`].
const COARSE: usize = 2;
const GO_ON: usize = 3;

/// How far off these values of the parameters are.
type Found = (f64, Vec<u64>);

/// A parameter grows or shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// The parameters that change together.
type Change = Vec<(usize, Way)>;

/// The values of the deepest minimum found.
///
/// # Errors
/// The first of `off`.
pub(super) fn deepest<E>(free: &[Free], off: &mut dyn FnMut(&[u64]) -> Result<f64, E>) -> Result<Vec<u64>, E> {
    // In pairs, too: one may make up for another.
    let ways = [singly(free.len()), in_pairs(free.len())].concat();
    let mut found: Vec<Found> = Vec::new();
    for start in starts(free) {
        found.push(search(free, start, &ways, &STEPS[..COARSE], off)?);
    }
    best_first(&mut found);
    found.dedup();
    found.truncate(GO_ON);
    for from in &mut found {
        *from = search(free, from.1.clone(), &ways, &STEPS[COARSE..], off)?;
    }
    best_first(&mut found);
    Ok(found.swap_remove(0).1)
}

/// The values of a minimum next to these.
///
/// # Errors
/// The first of `off`.
pub(super) fn nearby<E>(
    free: &[Free],
    from: &[u64],
    off: &mut dyn FnMut(&[u64]) -> Result<f64, E>,
) -> Result<Vec<u64>, E> {
    Ok(search(free, from.to_vec(), &singly(free.len()), &STEPS[COARSE..], off)?.1)
}

/// Parameters are changed in each of these ways, by step after step, until nothing is better.
fn search<E>(
    free: &[Free],
    start: Vec<u64>,
    ways: &[Change],
    steps: &[u64],
    off: &mut dyn FnMut(&[u64]) -> Result<f64, E>,
) -> Result<Found, E> {
    let mut best = (off(&start)?, start);
    for &step in steps {
        let mut better = true;
        while std::mem::take(&mut better) {
            for change in ways {
                let tried = changed(free, &best.1, change, step);
                let tried_off = off(&tried)?;
                if tried_off < best.0 {
                    (best, better) = ((tried_off, tried), true);
                }
            }
        }
    }
    Ok(best)
}

/// Where searches begin: at the values without a fit, and with each parameter in turn half-way, in logarithms, to either end of its
/// range. A search ends in the next hollow, which need not be the deepest.
fn starts(free: &[Free]) -> Vec<Vec<u64>> {
    let given: Vec<u64> = free.iter().map(|free| free.start).collect();
    let mut starts = vec![given.clone()];
    for (n, parameter) in free.iter().enumerate() {
        for end in [parameter.min, parameter.max] {
            let mut start = given.clone();
            start[n] = (given[n] * end).isqrt();
            starts.push(start);
        }
    }
    starts
}

fn best_first(found: &mut [Found]) {
    found.sort_by(|(a, _), (b, _)| a.total_cmp(b));
}

fn changed(free: &[Free], from: &[u64], change: &Change, step: u64) -> Vec<u64> {
    let mut values = from.to_vec();
    for &(n, way) in change {
        let (times, per) = if way == Way::Up { (step, 1000) } else { (1000, step) };
        values[n] = ((from[n] * times + per / 2) / per).clamp(free[n].min, free[n].max);
    }
    values
}

/// Each parameter, both ways.
fn singly(parameters: usize) -> Vec<Change> {
    (0..parameters).flat_map(|n| [Way::Up, Way::Down].map(|way| vec![(n, way)])).collect()
}

/// Each two of them, all four ways.
fn in_pairs(parameters: usize) -> Vec<Change> {
    let single = singly(parameters);
    let pairs = single.iter().flatten().flat_map(|&a| single.iter().flatten().map(move |&b| vec![a, b]));
    pairs.filter(|pair| pair[0].0 < pair[1].0).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn free(starts: &[u64]) -> Vec<Free> {
        let one = |&start: &u64| Free { key: String::new(), start, min: 100, max: 10_000, why: String::new() };
        starts.iter().map(one).collect()
    }

    fn found(free: &[Free], off: impl Fn(&[f64]) -> f64) -> Vec<u64> {
        let logarithms = |values: &[u64]| values.iter().map(|&value| (value as f64).ln()).collect::<Vec<_>>();
        let Ok(values) = deepest(free, &mut |values| Ok::<_, Infallible>(off(&logarithms(values))));
        values
    }

    fn near(value: u64, wanted: u64) -> bool {
        value.abs_diff(wanted) * 100 <= wanted * 3
    }

    /// A narrow valley across the axes: one parameter alone only leads out of it.
    #[test]
    fn parameters_that_make_up_for_each_other_are_found() {
        let values = found(&free(&[300, 3_000]), |x| {
            let (product, ratio) = (x[0] + x[1] - (900_000_f64).ln(), x[0] - x[1]);
            1_000.0 * product * product + ratio * ratio
        });
        assert!(values.iter().all(|&value| near(value, 949)), "{values:?}");
    }

    /// How far off, with hollows at these values of both parameters, the first of which is not as deep.
    fn two_hollows(x: &[f64], [shallow, deep]: [[u64; 2]; 2]) -> f64 {
        let hollow = |at: [u64; 2]| x.iter().zip(at).map(|(x, at)| (x - (at as f64).ln()).powi(2)).sum::<f64>();
        (hollow(shallow) + 0.1).min(hollow(deep))
    }

    /// The start lies in the shallow one, and the other to either side of it.
    #[test]
    fn the_deepest_hollow_is_found() {
        let start = [1_000, 1_000];
        for deep in [[300, 1_000], [3_000, 1_000], [1_000, 300], [1_000, 3_000]] {
            let values = found(&free(&start), |x| two_hollows(x, [start, deep]));
            assert!(values.iter().zip(deep).all(|(&value, deep)| near(value, deep)), "{values:?}, expected {deep:?}");
        }
    }

    /// A fit without one of the points goes to the bottom of where the whole fit ended, and nowhere else.
    #[test]
    fn nearby_is_the_same_hollow() {
        let off = |values: &[u64]| {
            let x: Vec<f64> = values.iter().map(|&value| (value as f64).ln()).collect();
            Ok::<_, Infallible>(two_hollows(&x, [[400, 400], [2_000, 2_000]]))
        };
        let Ok(values) = nearby(&free(&[300, 300]), &[350, 460], &mut { off });
        assert!(values.iter().all(|&value| near(value, 400)), "{values:?}");
    }

    #[test]
    fn nothing_leaves_its_range() {
        let (free, tried) = (free(&[100, 10_000]), std::cell::RefCell::new(Vec::new()));
        let off = |values: &[u64]| {
            tried.borrow_mut().push(values.to_vec());
            Ok::<_, Infallible>(values[1] as f64 - values[0] as f64)
        };
        let Ok(values) = deepest(&free, &mut { off });
        assert_eq!(values, [10_000, 100]);
        assert!(tried.into_inner().iter().flatten().all(|value| (100..=10_000).contains(value)));
    }

    #[test]
    fn errors_end_a_search() {
        assert_eq!(deepest(&free(&[400]), &mut |_| Err("no")), Err("no"));
    }
}
