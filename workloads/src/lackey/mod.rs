//! TLB misses of a program, from the accesses that valgrind's lackey prints of it (`--tool=lackey --trace-mem=yes`).
//!
//! The accesses run through TLBs of the model under the rules of cachegrind, whose caches with lines of 4096 bytes are TLBs:
//! the counts are the same as its own, all nine. Those rules, read in `cg_sim.c` of valgrind 3.19 and held against what it counts
//! (`.ci/tlb-counts`):
//!
//! - The second level is looked up where the first has missed, and filled where it misses too; it holds code and data, and what it
//!   evicts stays in the first level (that of [`Mmu`](sim_core::machine::Mmu) does not).
//! - An access across two pages touches both, whatever the first of them finds; it is one reference and at most one miss.
//! - What reads and writes in one instruction (`M`) counts as a read.
//!
//! There is one of each array, whatever thread makes an access; nothing is ever flushed.

mod arrays;
mod error;
mod line;
mod read;

pub use arrays::{Array, Counts, Geometry};
pub use error::LackeyError;
pub use line::PAGE_BYTES;
pub use read::{Accesses, count};
