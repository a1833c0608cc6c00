//! The two drivers: the clock and the explorer.

pub mod engine;
pub mod explore;
