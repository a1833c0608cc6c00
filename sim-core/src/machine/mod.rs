//! The hardware: translation caches, page walks, and what a named machine charges for them.

pub mod mmu;
pub mod profile;
pub mod psc;
pub mod testing;
pub mod tlb;
pub mod walk;

pub use mmu::{Access, Lookup, Mmu};
pub use profile::{Distance, IpiMode, Profile, ProfileError};
pub use psc::{Level, Levels};
pub use tlb::{Entry, Key, PageSize, Tlb};
pub use walk::{Line, WalkCost};
