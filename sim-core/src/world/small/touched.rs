//! A value that knows whether it was looked at and whether it was written to: the explorer packs only what a step has changed,
//! and remembers what a step did by what it depended on.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// A value, and what was done with it since it was last said to be known.
#[derive(Clone, Debug)]
pub(super) struct Touched<T> {
    value: T,
    seen: Cell<bool>,
    touched: bool,
}

impl<T: Copy> Touched<T> {
    pub(super) const fn new(value: T) -> Touched<T> {
        Touched { value, seen: Cell::new(false), touched: true }
    }

    /// A value that equals something its owner remembers.
    pub(super) const fn known(value: T) -> Touched<T> {
        Touched { value, seen: Cell::new(false), touched: false }
    }

    /// Becomes a copy that nobody has looked at.
    pub(super) fn copy_from(&mut self, other: &Touched<T>) {
        (self.value, self.touched) = (other.value, other.touched);
        self.seen.set(false);
    }

    pub(super) const fn is_touched(&self) -> bool {
        self.touched
    }

    /// Was it read or written to?
    pub(super) fn is_seen(&self) -> bool {
        self.seen.get() || self.touched
    }
}

impl<T> Deref for Touched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.seen.set(true);
        &self.value
    }
}

impl<T> DerefMut for Touched<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.touched = true;
        &mut self.value
    }
}
