//! The fit: what the model shows at the points of a curve, and the parameters with which it is nearest to what was published.

use std::collections::HashMap;

use crossbeam_utils::thread;

use crate::calibrate::curve::{Curve, Free};
use crate::calibrate::search;
use crate::sweep::PlanError;

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

    /// The points with figures to fit.
    fn fit_points(&self) -> Vec<usize> {
        let points = self.curve.points.iter().enumerate();
        points.filter(|(_, point)| point.fit && point.published_ns.is_some()).map(|(n, _)| n).collect()
    }

    /// Fits the parameters of the curve.
    pub(super) fn fit(&mut self, free: &[Free]) -> Result<Vec<u64>, PlanError> {
        let points = self.fit_points();
        search::deepest(free, &mut |values| self.off(free, values, &points))
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
            let values = search::nearby(free, fitted, &mut |values| self.off(free, values, &others))?;
            shown[left_out] = self.show(free, &values, &[left_out])?[0];
        }
        Ok(shown)
    }
}
