//! What a step is: frames, flows, acts, the context a step runs in, and the era it runs under.

mod act;
pub mod era;
pub mod frame;
