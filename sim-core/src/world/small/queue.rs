//! A queue of folios, each with a page, that can be copied.

use crate::nouns::types::{FrameNo, Page};

/// At most `N` folios, the first in first out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queue<const N: usize> {
    len: u8,
    entries: [(u8, u8); N],
}

impl<const N: usize> Queue<N> {
    pub(super) const EMPTY: Queue<N> = Queue { len: 0, entries: [(0, 0); N] };

    pub(super) fn push(&mut self, page: Page, frame: FrameNo) {
        self.entries[usize::from(self.len)] = (page.0 as u8, frame.0 as u8);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<(Page, FrameNo)> {
        let first = self.iter().next()?;
        self.take(0);
        Some(first)
    }

    /// Takes a frame out, if it is there.
    pub(super) fn remove(&mut self, frame: FrameNo) {
        let at = self.iter().position(|(_, other)| other == frame);
        if let Some(at) = at {
            self.take(at);
        }
    }

    /// The first one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Page, FrameNo)> + '_ {
        let of = |&(page, frame): &(u8, u8)| (Page(u32::from(page)), FrameNo(u32::from(frame)));
        self.entries[..usize::from(self.len)].iter().map(of)
    }

    fn take(&mut self, at: usize) {
        self.entries.copy_within(at + 1..usize::from(self.len), at);
        self.len -= 1;
        self.entries[usize::from(self.len)] = (0, 0);
    }
}
