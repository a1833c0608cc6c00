//! What runs on the model: recorded traces, synthetic workloads, machine profiles; and what comes out of a run.

pub mod calibrate;
pub mod error;
pub mod lackey;
pub mod litmus;
pub mod machines;
pub mod outcome;
pub mod paired;
pub mod recorded;
pub mod speed;
pub mod sweep;
pub mod synthetic;
pub mod timeline;
