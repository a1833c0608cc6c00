//! The fit: few parameters, each inside its range, by a search that only goes where the curve gets better.

use std::collections::HashMap;

use crossbeam_utils::thread;

use crate::calibrate::curve::{Curve, Free};
use crate::sweep::PlanError;

/// A step changes a parameter by this factor, in thousandths, up or down. Smaller ones are within what a run scatters.
const STEPS: [u64; 5] = [1500, 1225, 1107, 1052, 1026];
/// A fit without one of the points begins where the whole fit ended, with the third of them.
const SHORT: usize = 2;

/// What the model shows at each point of a curve, in ns.
type Shown = Vec<Option<f64>>;

/// Runs curves under parameters, each set of them once.
pub(super) struct Runner<'a> {
    curve: &'a Curve,
    threads: usize,
    known: HashMap<(Vec<u64>, usize), Option<f64>>,
    /// Hears of every run.
    ran: &'a mut dyn FnMut(u64),
    runs: u64,
}

impl<'a> Runner<'a> {
    pub(super) fn new(curve: &'a Curve, threads: usize, ran: &'a mut dyn FnMut(u64)) -> Runner<'a> {
        Runner { curve, threads, known: HashMap::new(), ran, runs: 0 }
    }

    /// What the model shows at these points.
    pub(super) fn show(&mut self, free: &[Free], values: &[u64], points: &[usize]) -> Result<Shown, PlanError> {
        let keys: Vec<_> = free.iter().zip(values).map(|(free, &value)| (free.key.clone(), value)).collect();
        let wanted: Vec<usize> =
            points.iter().copied().filter(|&n| !self.known.contains_key(&(values.to_vec(), n))).collect();
        if !wanted.is_empty() {
            let runs = self.curve.runs(&keys)?;
            let measure = self.curve.measure;
            let run = |n: usize| {
                let outcome = runs[n].run(&mut |_| {}).expect("the plan has tried whether it can be run");
                measure.of(&outcome, runs[n].profile().machine.mhz)
            };
            // The last ones take longest.
            for few in wanted.rchunks(self.threads.max(1)) {
                let shown: Vec<_> = thread::scope(|scope| {
                    let workers: Vec<_> = few.iter().map(|&n| (n, scope.spawn(move |_| run(n)))).collect();
                    workers.into_iter().map(|(n, w)| (n, w.join().expect("a run panicked"))).collect()
                })
                .expect("a run panicked");
                self.runs += shown.len() as u64;
                (self.ran)(self.runs);
                self.known.extend(shown.into_iter().map(|(n, shown)| ((values.to_vec(), n), shown)));
            }
        }
        Ok(points.iter().map(|&n| self.known[&(values.to_vec(), n)]).collect())
    }

    /// How far off the model is at these points: the sum of the squares of the logarithms of the ratios.
    fn off(&mut self, free: &[Free], values: &[u64], points: &[usize]) -> Result<f64, PlanError> {
        let shown = self.show(free, values, points)?;
        let published = points.iter().map(|&n| self.curve.points[n].published_ns);
        let square = |(shown, published): (Option<f64>, Option<u64>)| match (shown, published) {
            (Some(shown), Some(published)) => (shown / published as f64).ln().powi(2),
            _ => f64::INFINITY,
        };
        Ok(shown.into_iter().zip(published).map(square).sum())
    }

    /// The values that fit these points, from a start on.
    fn search(
        &mut self,
        free: &[Free],
        start: Vec<u64>,
        points: &[usize],
        steps: &[u64],
    ) -> Result<Vec<u64>, PlanError> {
        let (mut best, mut steps) = (start, steps.iter());
        let mut off = self.off(free, &best, points)?;
        let mut step = steps.next();
        while let Some(&thousandths) = step {
            let mut better = false;
            for (n, parameter) in free.iter().enumerate() {
                for (times, per) in [(thousandths, 1000), (1000, thousandths)] {
                    let mut tried = best.clone();
                    tried[n] = ((best[n] * times + per / 2) / per).clamp(parameter.min, parameter.max);
                    let tried_off = self.off(free, &tried, points)?;
                    if tried_off < off {
                        (best, off, better) = (tried, tried_off, true);
                        break;
                    }
                }
            }
            if !better {
                step = steps.next();
            }
        }
        Ok(best)
    }

    /// The points with figures to fit.
    fn fit_points(&self) -> Vec<usize> {
        let points = self.curve.points.iter().enumerate();
        points.filter(|(_, point)| point.fit && point.published_ns.is_some()).map(|(n, _)| n).collect()
    }

    /// Fits the parameters of the curve.
    pub(super) fn fit(&mut self, free: &[Free]) -> Result<Vec<u64>, PlanError> {
        let start = free.iter().map(|free| free.start).collect();
        self.search(free, start, &self.fit_points(), &STEPS)
    }

    /// What a fit to all other points shows at each point, where that is one of those.
    pub(super) fn leave_one_out(&mut self, free: &[Free], fitted: &[u64]) -> Result<Shown, PlanError> {
        let all = self.fit_points();
        let mut shown = vec![None; self.curve.points.len()];
        if all.len() <= free.len() {
            // Too few are left to say anything.
            return Ok(shown);
        }
        for &left_out in &all {
            let others: Vec<usize> = all.iter().copied().filter(|&n| n != left_out).collect();
            let values = self.search(free, fitted.to_vec(), &others, &STEPS[SHORT..])?;
            shown[left_out] = self.show(free, &values, &[left_out])?[0];
        }
        Ok(shown)
    }
}
