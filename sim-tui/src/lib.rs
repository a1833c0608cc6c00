//! The live view of mmusim: a run that can be stepped, taken back and looked into.

mod follow;
mod glance;
pub mod moment;
pub mod pair;
pub mod playback;
pub mod run;
pub mod source;
