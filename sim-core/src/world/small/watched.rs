//! A value that knows whether it was looked at and whether it was written to: the explorer packs only what a step has changed,
//! and remembers what a step did by what it depended on.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// A value, and what was done with it since it was last said to be known.
#[derive(Clone, Debug)]
pub(super) struct Watched<T> {
    value: T,
    seen: Cell<bool>,
    written: bool,
}

impl<T: Copy> Watched<T> {
    pub(super) const fn new(value: T) -> Watched<T> {
        Watched { value, seen: Cell::new(false), written: true }
    }

    /// A value that equals something its owner remembers.
    pub(super) const fn known(value: T) -> Watched<T> {
        Watched { value, seen: Cell::new(false), written: false }
    }

    /// Becomes a copy that nobody has looked at.
    pub(super) fn copy_from(&mut self, other: &Watched<T>) {
        (self.value, self.written) = (other.value, other.written);
        self.seen.set(false);
    }

    pub(super) const fn is_written(&self) -> bool {
        self.written
    }

    /// Was it read or written to?
    pub(super) fn is_seen(&self) -> bool {
        self.seen.get() || self.written
    }
}

impl<T> Deref for Watched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.seen.set(true);
        &self.value
    }
}

impl<T> DerefMut for Watched<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.written = true;
        &mut self.value
    }
}
