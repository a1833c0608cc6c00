//! What the CPUs share as words, and which bits of these stand for places that were looked at or written to.

use super::super::pack::{Bits, CPU_BITS, FRAME_BITS, Fields, take_backing};
use super::super::queue::Queue;
use super::super::{FLAGS, Scenario, Small};
use super::{FRAMES, Noted, Shared};
use crate::nouns::cpuset::CpuSet;
use crate::nouns::types::{Cpu, FrameNo, Present, Promise, Pte, Rights, Task};
use crate::policy::Words;
use crate::world::{Folio, Vma};

const PTE_BITS: u32 = 2 + 4 + FRAME_BITS;
const FOLIO_FLAGS: u32 = 13;
const FOLIO_BITS: u32 = 16;
const LRU_BITS: u32 = 4 + FRAMES as u32 * (2 + FRAME_BITS);

/// A value as a few bits.
pub(in crate::world::small) trait Packed: Copy {
    fn bits(self) -> u64;
    fn of(bits: u64) -> Self;
}

/// Where the places of a state go, one after the other.
trait Sink {
    /// A place: its value in so many bits, and whether it was looked at, and written to.
    fn place(&mut self, value: u64, bits: u32, noted: (bool, bool));
    fn end_word(&mut self);
}

impl<T: Packed, const N: usize> Noted<T, N> {
    #[inline]
    fn put(&self, n: usize, bits: u32, sink: &mut impl Sink) {
        let noted = (self.looked.get() >> n & 1 != 0, self.written >> n & 1 != 0);
        sink.place(self.values[n].bits(), bits, noted);
    }

    #[inline]
    fn take(&mut self, n: usize, bits: u32, fields: &mut Fields) {
        self.values[n] = T::of(fields.take(bits));
    }
}

impl Shared {
    /// Every place, in the order of the words.
    #[inline]
    fn walk(&self, scenario: &Scenario, sink: &mut impl Sink) {
        let (pages, frames) = (usize::from(scenario.all_pages()), scenario.frames());
        for n in 0..pages {
            self.pte.put(n, PTE_BITS, sink);
            self.vma.put(n, 6, sink);
            self.promise.put(n, 4, sink);
            self.cached_frame.put(n, 4, sink);
            self.ghost.put(n, 8, sink);
            self.emptier.put(n, 3, sink);
            self.table_freed.put(n, 1, sink);
            self.rmap_kept.put(n, 4, sink);
            sink.end_word();
        }
        for first in (0..frames).step_by(4) {
            (first..frames.min(first + 4)).for_each(|n| self.folio.put(n, FOLIO_BITS, sink));
            sink.end_word();
        }
        for n in 0..usize::from(scenario.processes) {
            self.mmap_writer.put(n, 3, sink);
            self.mmap_readers.put(n, CPU_BITS, sink);
            self.mask.put(n, CPU_BITS, sink);
            self.words.put(n, 32, sink);
            self.flush_pending.put(n, 3, sink);
            sink.end_word();
        }
        (0..pages).for_each(|n| self.ptl.put(n, 3, sink));
        self.flags.put(0, FLAGS as u32, sink);
        if scenario.lru {
            (0..FRAMES).for_each(|n| self.last_page.put(n, 2, sink));
            sink.end_word();
            self.lru.put(0, LRU_BITS, sink);
        }
        sink.end_word();
    }

    /// The other way round, place by place.
    fn unpack(&mut self, scenario: &Scenario, words: &[u64]) {
        let (pages, frames) = (usize::from(scenario.all_pages()), scenario.frames());
        let mut words = words.iter().map(|&word| Fields(word));
        let mut word = || words.next().expect("words of the same scenario");
        for n in 0..pages {
            let fields = &mut word();
            self.pte.take(n, PTE_BITS, fields);
            self.vma.take(n, 6, fields);
            self.promise.take(n, 4, fields);
            self.cached_frame.take(n, 4, fields);
            self.ghost.take(n, 8, fields);
            self.emptier.take(n, 3, fields);
            self.table_freed.take(n, 1, fields);
            self.rmap_kept.take(n, 4, fields);
        }
        for first in (0..frames).step_by(4) {
            let fields = &mut word();
            (first..frames.min(first + 4)).for_each(|n| self.folio.take(n, FOLIO_BITS, fields));
        }
        for n in 0..usize::from(scenario.processes) {
            let fields = &mut word();
            self.mmap_writer.take(n, 3, fields);
            self.mmap_readers.take(n, CPU_BITS, fields);
            self.mask.take(n, CPU_BITS, fields);
            self.words.take(n, 32, fields);
            self.flush_pending.take(n, 3, fields);
        }
        let fields = &mut word();
        (0..pages).for_each(|n| self.ptl.take(n, 3, fields));
        self.flags.take(0, FLAGS as u32, fields);
        if scenario.lru {
            (0..FRAMES).for_each(|n| self.last_page.take(n, 2, fields));
            self.lru.take(0, LRU_BITS, &mut word());
        }
    }
}

/// The values themselves.
struct Values<'o> {
    out: &'o mut Vec<u64>,
    word: Bits,
}

impl Sink for Values<'_> {
    #[inline]
    fn place(&mut self, value: u64, bits: u32, _noted: (bool, bool)) {
        self.word.put(value, bits);
    }

    #[inline]
    fn end_word(&mut self) {
        self.out.push(std::mem::take(&mut self.word).word());
    }
}

/// All bits of a place that was looked at, or written to.
struct Notes<'o> {
    looked: &'o mut Vec<u64>,
    written: &'o mut Vec<u64>,
    word: [u64; 2],
    used: u32,
}

impl Sink for Notes<'_> {
    #[inline]
    fn place(&mut self, _value: u64, bits: u32, (looked, written): (bool, bool)) {
        let all = ((1 << bits) - 1) << self.used;
        self.word[0] |= if looked { all } else { 0 };
        self.word[1] |= if written { all } else { 0 };
        self.used += bits;
    }

    #[inline]
    fn end_word(&mut self) {
        self.looked.push(self.word[0]);
        self.written.push(self.word[1]);
        (self.word, self.used) = ([0; 2], 0);
    }
}

impl Small<'_> {
    /// Appends the words of what the CPUs share.
    pub(crate) fn pack_shared(&self, out: &mut Vec<u64>) {
        self.shared.walk(self.scenario, &mut Values { out, word: Bits::default() });
    }

    /// Takes up the words of [`Small::pack_shared`] for the same scenario.
    pub(crate) fn unpack_shared(&mut self, words: &[u64]) {
        self.shared.unpack(self.scenario, words);
    }

    /// Which bits of [`Small::pack_shared`] has anybody looked at since the world was copied, and which were written to?
    pub(crate) fn noted(&self, looked: &mut Vec<u64>, written: &mut Vec<u64>) {
        looked.clear();
        written.clear();
        self.shared.walk(self.scenario, &mut Notes { looked, written, word: [0; 2], used: 0 });
    }
}

impl Packed for Pte {
    #[inline]
    fn bits(self) -> u64 {
        match self {
            Pte::None => 0,
            Pte::Swap => 1,
            Pte::Present(Present { frame, writable, dirty, accessed, protnone }) => {
                let flags = [writable, dirty, accessed, protnone];
                2 | all(flags) << 2 | u64::from(frame.0) << 6
            }
        }
    }

    #[inline]
    fn of(bits: u64) -> Pte {
        let mut fields = Fields(bits);
        match fields.take(2) {
            0 => Pte::None,
            1 => Pte::Swap,
            _ => {
                let [writable, dirty, accessed, protnone] = std::array::from_fn(|_| fields.flag());
                Pte::Present(Present { frame: FrameNo(fields.0 as u32), writable, dirty, accessed, protnone })
            }
        }
    }
}

impl Packed for Vma {
    #[inline]
    fn bits(self) -> u64 {
        u64::from(self.mapped) | u64::from(self.rights.bits()) << 1 | (self.backing as u64) << 4
    }

    #[inline]
    fn of(bits: u64) -> Vma {
        let mut fields = Fields(bits);
        Vma { mapped: fields.flag(), rights: fields.rights(), backing: take_backing(&mut fields) }
    }
}

impl Packed for Promise {
    #[inline]
    fn bits(self) -> u64 {
        u64::from(self.mapped) | u64::from(self.rights.bits()) << 1
    }

    #[inline]
    fn of(bits: u64) -> Promise {
        Promise { mapped: bits & 1 != 0, rights: Rights::from_prot((bits >> 1) as u32) }
    }
}

impl Packed for Folio {
    #[inline]
    fn bits(self) -> u64 {
        let Folio { allocated, lru, anon, dirty, cached, isolated, lazyfree, locked, .. } = self;
        let Folio { gathered, active, referenced, writeback, dropped, ksm, .. } = self;
        let flags = [
            allocated, lru, anon, dirty, cached, isolated, lazyfree, locked, active, referenced, writeback, dropped,
            ksm,
        ];
        all::<{ FOLIO_FLAGS as usize }>(flags) | u64::from(gathered) << FOLIO_FLAGS
    }

    #[inline]
    fn of(bits: u64) -> Folio {
        let mut fields = Fields(bits);
        Folio {
            allocated: fields.flag(),
            lru: fields.flag(),
            anon: fields.flag(),
            dirty: fields.flag(),
            cached: fields.flag(),
            isolated: fields.flag(),
            lazyfree: fields.flag(),
            locked: fields.flag(),
            active: fields.flag(),
            referenced: fields.flag(),
            writeback: fields.flag(),
            dropped: fields.flag(),
            ksm: fields.flag(),
            gathered: fields.0 as u8,
        }
    }
}

impl Packed for Words {
    fn bits(self) -> u64 {
        u64::from(self.batched)
    }

    fn of(bits: u64) -> Words {
        Words { batched: bits as u32 }
    }
}

impl Packed for Queue<FRAMES> {
    fn bits(self) -> u64 {
        let mut bits = Bits::default();
        Queue::put(&self, &mut bits);
        bits.word()
    }

    fn of(bits: u64) -> Self {
        Queue::take_fields(&mut Fields(bits))
    }
}

impl Packed for CpuSet<1> {
    fn bits(self) -> u64 {
        self.words()[0]
    }

    fn of(bits: u64) -> CpuSet<1> {
        CpuSet::from_words([bits])
    }
}

/// None is 0, and some number is one more than that.
macro_rules! packed_number {
    ($($name:ident($number:ty)),*) => {$(
        impl Packed for Option<$name> {
            #[inline]
            fn bits(self) -> u64 {
                self.map_or(0, |n| u64::from(n.0) + 1)
            }

            #[inline]
            fn of(bits: u64) -> Self {
                bits.checked_sub(1).map(|n| $name(n as $number))
            }
        }
    )*};
}

packed_number!(FrameNo(u32), Task(u16), Cpu(u16));

impl Packed for u8 {
    #[inline]
    fn bits(self) -> u64 {
        u64::from(self)
    }

    #[inline]
    fn of(bits: u64) -> u8 {
        bits as u8
    }
}

impl Packed for u32 {
    #[inline]
    fn bits(self) -> u64 {
        u64::from(self)
    }

    #[inline]
    fn of(bits: u64) -> u32 {
        bits as u32
    }
}

impl Packed for bool {
    #[inline]
    fn bits(self) -> u64 {
        u64::from(self)
    }

    #[inline]
    fn of(bits: u64) -> bool {
        bits != 0
    }
}

/// Flags from the low end.
#[inline]
fn all<const N: usize>(flags: [bool; N]) -> u64 {
    flags.iter().rev().fold(0, |bits, &flag| bits << 1 | u64::from(flag))
}
