//! Random numbers that stay the same: one stream a purpose and core, and bounded draws of our own.
//!
//! Libraries may change the values of their distributions in minor releases, so only `next_u64` is taken from one.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Pages, kinds and distances of accesses.
    Access = 1,
    /// When operations come, and where.
    Operation = 2,
    /// Pauses of reclaim.
    Reclaim = 3,
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of a seed, a purpose and a core.
    pub fn new(seed: u64, purpose: Purpose, core: u16) -> Draw {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((purpose as u64) << 16 | u64::from(core));
        Draw(rng)
    }

    /// A number below `bound`: Lemire's multiply and shift, with rejection.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        let rejected = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= rejected {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number of at least `least` with this mean, evenly spread. Beyond 2^40 both count as that: no run is longer.
    pub fn around(&mut self, least: u64, mean: u64) -> u64 {
        let least = least.min(1 << 40);
        let mean = mean.clamp(least, 1 << 40);
        least + self.below(2 * (mean - least) + 1)
    }

    /// True in `percent` of all draws.
    pub fn percent(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }
}

/// Ranks with a probability proportional to `1 / (rank + 1)^s`, from a cumulative table in integers.
#[derive(Clone, Debug)]
pub struct Zipf(Vec<u64>);

impl Zipf {
    /// The distribution over `ranks` ranks; `s` 0 is even.
    pub fn new(ranks: u32, s: f64) -> Zipf {
        let mut sum = 0;
        Zipf(
            (1..=ranks)
                .map(|rank| {
                    sum += weight(rank, s);
                    sum
                })
                .collect(),
        )
    }

    /// Draws a rank, counted from 0.
    ///
    /// # Panics
    /// If there are no ranks.
    pub fn draw(&self, draw: &mut Draw) -> u64 {
        let at = draw.below(*self.0.last().expect("there are ranks"));
        self.0.partition_point(|&sum| sum <= at) as u64
    }
}

/// `2^32 / rank^s`. Only operations that IEEE 754 rounds exactly, since `powf` differs from one platform to the next: the
/// power is put together from square roots, one for each binary digit of the fraction of `s`.
fn weight(rank: u32, s: f64) -> u64 {
    let base = f64::from(rank);
    let mut power = 1.0;
    let mut whole = s;
    while whole >= 1.0 {
        power *= base;
        whole -= 1.0;
    }
    let (mut root, mut fraction) = (base, whole);
    for _ in 0..20 {
        root = root.sqrt();
        fraction *= 2.0;
        if fraction >= 1.0 {
            power *= root;
            fraction -= 1.0;
        }
    }
    integer(4_294_967_296.0 / power).max(1)
}

#[expect(clippy::cast_sign_loss, reason = "weights are positive")]
fn integer(weight: f64) -> u64 {
    weight as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_draws() {
        let mut draw = Draw::new(1, Purpose::Access, 0);
        let drawn: Vec<u64> = (0..6).map(|_| draw.below(1000)).collect();
        assert_eq!(drawn, [434, 466, 886, 55, 463, 373]);
        let mut other = Draw::new(1, Purpose::Operation, 0);
        assert_eq!((0..4).map(|_| other.around(1, 100)).collect::<Vec<_>>(), [34, 37, 58, 72]);
        let mut core = Draw::new(1, Purpose::Access, 1);
        assert_eq!((0..4).map(|_| core.below(1000)).collect::<Vec<_>>(), [303, 993, 872, 987]);
    }

    #[test]
    fn golden_zipf() {
        let zipf = Zipf::new(6, 0.99);
        assert_eq!(zipf.0, [4_294_967_296, 6_457_388_217, 7_904_859_406, 8_993_590_452, 9_866_521_050, 10_595_290_739]);
        let mut draw = Draw::new(7, Purpose::Access, 3);
        assert_eq!((0..12).map(|_| zipf.draw(&mut draw)).collect::<Vec<_>>(), [4, 1, 0, 5, 0, 5, 5, 1, 3, 1, 2, 0]);
    }

    #[test]
    fn every_value_in_range_and_none_beyond() {
        let mut draw = Draw::new(3, Purpose::Reclaim, 9);
        let mut seen = [0_u32; 7];
        (0..7_000).for_each(|_| seen[draw.below(7) as usize] += 1);
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        let around: Vec<u64> = (0..1000).map(|_| draw.around(5, 10)).collect();
        assert_eq!((around.iter().min(), around.iter().max()), (Some(&5), Some(&15)));
    }
}
