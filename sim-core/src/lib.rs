//! The mmusim model: a multicore MMU, the kernel paths around TLB flushing, and two drivers that run the same text.

pub mod drive;
pub mod kernel;
pub mod machine;
pub mod nouns;
pub mod oracle;
pub mod policy;
pub mod step;
pub mod world;
