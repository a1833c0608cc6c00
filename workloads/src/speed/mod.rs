//! How fast the simulator is, and what that is measured against.
//!
//! [`bare`] is little more than TLBs and a queue, [`whole`] the simulator on the same accesses of the same machine; [`measure`]
//! times both. Nothing here changes a result of the simulator.

pub mod bare;
pub mod calls;
pub mod measure;
pub mod mix;
pub mod whole;

use self::mix::{Mix, Stream};

/// A second-level hit costs this much more than a first-level hit, of one cycle.
const STLB_CYCLES: u64 = 7;
/// And a walk this much more.
const WALK_CYCLES: u64 = 60;
/// How far a core runs ahead.
const LOOKAHEAD_CYCLES: u64 = 100;

/// What an access is measured under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Cores that access memory.
    pub cores: u16,
    /// Where.
    pub mix: Mix,
    /// Accesses of all cores together.
    pub accesses: u32,
    /// May a core run ahead?
    pub run_ahead: bool,
}

impl Shape {
    /// The accesses of each core.
    pub(crate) fn streams(self) -> impl Iterator<Item = Stream> {
        let each = self.accesses / u32::from(self.cores);
        (0..self.cores).map(move |core| Stream::new(core, each))
    }
}

/// Where accesses found their translations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// In the first level.
    pub l1: u64,
    /// In the second.
    pub stlb: u64,
    /// Nowhere.
    pub walks: u64,
}

impl Hits {
    fn plus(self, other: Hits) -> Hits {
        Hits { l1: self.l1 + other.l1, stlb: self.stlb + other.stlb, walks: self.walks + other.walks }
    }
}

#[cfg(test)]
mod tests {
    use super::bare::Bare;
    use super::calls::{Busy, Calls};
    use super::whole::Whole;
    use super::*;

    /// The bare loop's cycles are those of its hits, so equal cycles are equal hits: the simulator's TLBs find what the loop's do.
    /// What it has beyond is upper levels of the page tables, cold when they are walked for the first time.
    #[test]
    fn the_simulator_and_the_bare_loop_do_the_same() {
        for mix in Mix::ALL {
            for (cores, run_ahead) in [(2, true), (2, false), (16, true), (16, false)] {
                let shape = Shape { cores, mix, accesses: 40_000, run_ahead };
                let mut whole = Whole::new(shape);
                let (hits, accesses) = (Bare::new(shape).run(), whole.run());
                assert_eq!(accesses, hits.l1 + hits.stlb + hits.walks);
                let bare = accesses + hits.stlb * STLB_CYCLES + hits.walks * (STLB_CYCLES + WALK_CYCLES);
                let beyond = whole.access_cycles().checked_sub(bare).expect("no access is cheaper");
                let line = STLB_CYCLES + WALK_CYCLES;
                assert!(
                    beyond.is_multiple_of(line) && beyond / line <= 2 * hits.walks,
                    "{shape:?}: {beyond} cycles beyond {bare}"
                );
                assert_eq!(mix == Mix::Hot, hits.walks == 0, "{hits:?}");
            }
        }
    }

    /// What docs/speed.md says of the mixes: three of four accesses of `mixed` repeat the one before, and the rest is `single`.
    #[test]
    fn the_draws_of_mixed_are_the_accesses_of_single() {
        let hits = |mix, accesses| Bare::new(Shape { cores: 2, mix, accesses, run_ahead: false }).run();
        let (mixed, single) = (hits(Mix::Mixed, 160_000), hits(Mix::Single, 40_000));
        assert_eq!(mixed, Hits { l1: single.l1 + 120_000, ..single });
        let per_mille = |n: u64| (n * 1_000 + 20_000) / 40_000;
        assert_eq!([single.l1, single.stlb, single.walks].map(per_mille), [859, 130, 11], "{single:?}");
    }

    #[test]
    fn every_kind_of_call_flushes() {
        let policy = sim_core::policy::find("pending-generation").expect("a registered policy");
        for calls in Calls::ALL {
            let done = Busy::new(calls, policy, 4, 2, 3).run();
            assert!(done.flushes >= 6 && done.kernel_acts > 100, "{}: {done:?}", calls.name());
            assert!(done.kernel_steps > done.kernel_acts && done.kernel_steps < 2 * done.kernel_acts, "{done:?}");
        }
    }
}
