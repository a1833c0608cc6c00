//! The live view of mmusim: a run that can be stepped, taken back and looked into.

pub mod moment;
