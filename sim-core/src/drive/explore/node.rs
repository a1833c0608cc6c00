//! A state of the kernel model, unpacked.

use crate::drive::engine::Stack;
use crate::world::small::{CPUS, Small};

/// A state: the small world and the frames of each CPU.
#[derive(Debug)]
pub struct Node<'s> {
    /// The world.
    pub world: Small<'s>,
    /// What each CPU is in the middle of.
    pub(super) stacks: [Stack; CPUS],
    /// What it was unpacked from, so that what has not changed since is not packed again.
    pub(super) known: Parts,
    /// CPUs that have moved since.
    pub(super) moved: u8,
}

/// Numbers of the parts of a state: what is shared, then each CPU with the frames of the path it is on.
pub type Parts = [u32; 1 + CPUS];

/// Of nothing that was ever packed.
pub(super) const NOWHERE: Parts = [u32::MAX; 1 + CPUS];

impl Clone for Node<'_> {
    fn clone(&self) -> Self {
        let Node { world, stacks, known, moved } = self;
        Node { world: world.clone(), stacks: stacks.clone(), known: *known, moved: *moved }
    }

    fn clone_from(&mut self, other: &Self) {
        self.world.copy_from(&other.world);
        (self.known, self.moved) = (other.known, other.moved);
        self.stacks.iter_mut().zip(&other.stacks).for_each(|(stack, other)| stack.clone_from(other));
    }
}
