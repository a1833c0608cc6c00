//! What runs on the model: recorded traces, synthetic workloads, machine profiles.

pub mod machines;
pub mod recorded;
