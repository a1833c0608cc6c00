//! The hardware.
pub mod tlb;
