//! The guided tour: the seed's race, its patch, the price of the patch, and the race the patch has left.

/// A stop.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// What it is about.
    pub title: &'static str,
    /// Two sentences, true of the state shown.
    pub sentences: [&'static str; 2],
}

/// All stops.
pub const STOPS: &[Stop] = &[];
