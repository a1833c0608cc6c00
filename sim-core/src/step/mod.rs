//! What a step is: frames, flows, acts, the context a step runs in, and the era it runs under.

pub mod era;
pub mod frame;
