//! The two drivers of the model: the clock and the explorer.

pub mod clock;
pub mod engine;
pub mod explore;
pub mod tournament;
