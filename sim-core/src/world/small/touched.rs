//! A value that knows whether it was written to, so that the explorer packs only what a step has changed.

use std::ops::{Deref, DerefMut};

/// A value, and whether anybody may have written to it since it was last said to be known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touched<T> {
    value: T,
    touched: bool,
}

impl<T> Touched<T> {
    pub(super) const fn new(value: T) -> Touched<T> {
        Touched { value, touched: true }
    }

    /// A value that equals something its owner remembers.
    pub(super) const fn known(value: T) -> Touched<T> {
        Touched { value, touched: false }
    }

    pub(super) const fn is_touched(&self) -> bool {
        self.touched
    }
}

impl<T> Deref for Touched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Touched<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.touched = true;
        &mut self.value
    }
}
