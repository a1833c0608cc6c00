//! What the CPUs share: page by page, folio by folio, lock by lock. Each of these is a place that knows whether it was looked at and
//! whether it was written to, so that the explorer can remember a step by the few places it depended on.

mod words;

use std::cell::Cell;

use super::queue::Queue;
use super::{FRAMES, MMS, PAGES, Scenario};
use crate::nouns::cpuset::CpuSet;
use crate::nouns::types::{Cpu, FrameNo, Promise, Pte, Task};
use crate::policy::Words;
use crate::world::{Folio, Vma};

/// Values of one kind, with a bit for each that was looked at, and for each that was written to. Nothing but [`words`] sees a
/// value without that.
#[derive(Clone, Debug)]
pub(super) struct Noted<T, const N: usize> {
    values: [T; N],
    looked: Cell<u8>,
    written: u8,
}

impl<T: Copy, const N: usize> Noted<T, N> {
    const fn new(value: T) -> Noted<T, N> {
        assert!(N <= 8, "a bit each");
        Noted { values: [value; N], looked: Cell::new(0), written: 0 }
    }

    #[inline]
    fn look(&self, n: usize) {
        self.looked.set(self.looked.get() | 1 << n);
    }

    #[inline]
    pub(super) fn get(&self, n: usize) -> T {
        self.look(n);
        self.values[n]
    }

    /// Writes without looking.
    #[inline]
    pub(super) fn set(&mut self, n: usize, value: T) {
        self.written |= 1 << n;
        self.values[n] = value;
    }

    /// For whoever may look, and may write.
    #[inline]
    pub(super) fn at(&mut self, n: usize) -> &mut T {
        self.look(n);
        self.written |= 1 << n;
        &mut self.values[n]
    }

    pub(super) fn replace(&mut self, n: usize, value: T) -> T {
        std::mem::replace(self.at(n), value)
    }

    /// Becomes a copy of the first ones that nobody has looked at or written to.
    #[inline]
    fn copy_from(&mut self, other: &Self, first: usize) {
        self.values[..first].copy_from_slice(&other.values[..first]);
        self.looked.set(0);
        self.written = 0;
    }
}

/// All of it: by page, frame, address space.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) pte: Noted<Pte, PAGES>,
    pub(super) vma: Noted<Vma, PAGES>,
    pub(super) promise: Noted<Promise, PAGES>,
    pub(super) cached_frame: Noted<Option<FrameNo>, PAGES>,
    pub(super) ghost: Noted<u8, PAGES>,
    pub(super) emptier: Noted<Option<Task>, PAGES>,
    pub(super) table_freed: Noted<bool, PAGES>,
    pub(super) rmap_kept: Noted<Option<FrameNo>, PAGES>,
    pub(super) folio: Noted<Folio, FRAMES>,
    pub(super) mmap_writer: Noted<Option<Cpu>, MMS>,
    pub(super) mmap_readers: Noted<CpuSet<1>, MMS>,
    pub(super) mask: Noted<CpuSet<1>, MMS>,
    pub(super) words: Noted<Words, MMS>,
    pub(super) flush_pending: Noted<u32, MMS>,
    pub(super) ptl: Noted<Option<Cpu>, PAGES>,
    /// Set by user threads.
    pub(super) flags: Noted<u8, 1>,
    /// Folios on all LRU lists, the latest addition last, if the scenario asks for an order.
    pub(super) lru: Noted<Queue<FRAMES>, 1>,
    /// The page that mapped each frame last, or found it in a cache; known with the order.
    pub(super) last_page: Noted<u8, FRAMES>,
}

impl Shared {
    pub(super) fn new() -> Shared {
        Shared {
            pte: Noted::new(Pte::None),
            vma: Noted::new(Vma::default()),
            promise: Noted::new(Promise::default()),
            cached_frame: Noted::new(None),
            ghost: Noted::new(0),
            emptier: Noted::new(None),
            table_freed: Noted::new(false),
            rmap_kept: Noted::new(None),
            folio: Noted::new(Folio::default()),
            mmap_writer: Noted::new(None),
            mmap_readers: Noted::new(CpuSet::EMPTY),
            mask: Noted::new(CpuSet::EMPTY),
            words: Noted::new(Words::default()),
            flush_pending: Noted::new(0),
            ptl: Noted::new(None),
            flags: Noted::new(0),
            lru: Noted::new(Queue::EMPTY),
            last_page: Noted::new(0),
        }
    }

    /// Becomes a copy of another state of the same scenario, in which nothing was looked at or written to.
    pub(super) fn copy_from(&mut self, other: &Shared, scenario: &Scenario) {
        let (pages, mms) = (usize::from(scenario.all_pages()), usize::from(scenario.processes));
        self.pte.copy_from(&other.pte, pages);
        self.vma.copy_from(&other.vma, pages);
        self.promise.copy_from(&other.promise, pages);
        self.cached_frame.copy_from(&other.cached_frame, pages);
        self.ghost.copy_from(&other.ghost, pages);
        self.emptier.copy_from(&other.emptier, pages);
        self.table_freed.copy_from(&other.table_freed, pages);
        self.rmap_kept.copy_from(&other.rmap_kept, pages);
        self.folio.copy_from(&other.folio, scenario.frames());
        self.mmap_writer.copy_from(&other.mmap_writer, mms);
        self.mmap_readers.copy_from(&other.mmap_readers, mms);
        self.mask.copy_from(&other.mask, mms);
        self.words.copy_from(&other.words, mms);
        self.flush_pending.copy_from(&other.flush_pending, mms);
        self.ptl.copy_from(&other.ptl, pages);
        self.flags.copy_from(&other.flags, 1);
        if scenario.lru {
            self.lru.copy_from(&other.lru, 1);
            self.last_page.copy_from(&other.last_page, FRAMES);
        }
    }
}
