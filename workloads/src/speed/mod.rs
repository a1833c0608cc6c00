//! How fast the simulator is, and what that is measured against.
//!
//! [`bare`] is the least that an access could cost, [`whole`] the simulator on the same accesses of the same machine; [`measure`]
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
