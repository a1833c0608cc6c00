//! The live view of mmusim: not built yet.
//!
//! It will be a front end over the same [`Clock`](sim_core::drive::clock::Clock) that batch runs use.
