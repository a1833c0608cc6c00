//! What happened, as it happens: for a view of a run that goes on while it is looked at.
//!
//! Everything that is priced is in it, with the time it took. Accesses that a TLB serves are not, nor sweeps that find nothing.

use crate::nouns::types::{Cpu, Page};
use crate::oracle::Class;
use crate::step::frame::{Act, StepId};

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was over, in cycles.
    pub at_cycles: u64,
    /// How long it took, in cycles.
    pub length_cycles: u64,
    /// On which core.
    pub cpu: Cpu,
    /// What.
    pub what: Happened,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A step of a kernel path or of user code acted.
    Act(Act, StepId),
    /// The core has swept what this one left to it.
    Sweep(Cpu),
    /// A usable translation of a page came to break a promise (`Some`), or such a translation is gone (`None`).
    Window(Page, Option<Class>),
    /// An access of a page broke a promise.
    Violation(Page, Class),
}
