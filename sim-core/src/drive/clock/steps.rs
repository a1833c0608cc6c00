//! Which steps of the kernel paths have acted in a run.

use crate::step::frame::{Path, StepId};

/// Which steps acted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps([u32; Path::ALL.len()]);

impl Steps {
    #[inline]
    pub(super) fn note(&mut self, at: StepId) {
        self.0[at.path as usize] |= 1 << at.pc;
    }

    /// The paths of which some step acted, and their steps, one bit each.
    pub fn iter(&self) -> impl Iterator<Item = (Path, u32)> {
        Path::ALL.into_iter().zip(self.0).filter(|&(_, bits)| bits != 0)
    }
}
