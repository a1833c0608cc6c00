//! States of the small world as words, exactly: equal words mean equal states of one scenario, and words give the state back.

use super::queue::Queue;
use super::{CPUS, CpuState, FRAMES, IDLE, PAGES, Small, VPN_BITS, Watched};
use crate::machine::tlb::Entry;
use crate::nouns::cpuset::CpuSet;
use crate::nouns::marks::{MARK_BITS, Marks};
use crate::nouns::types::{Backing, FrameNo, Mm, Page, Rights, Span};
use crate::world::{Batch, Cause, Gather, Lockless, Request};

pub(super) const CPU_BITS: u32 = CPUS as u32;
pub(super) const FRAME_BITS: u32 = FRAMES.ilog2();
const ENTRY_BITS: u32 = 3 + MARK_BITS + FRAME_BITS;
/// Words of a CPU before those of the path it is on.
pub(crate) const CPU_WORDS: usize = 4;

/// One word, filled field by field from its low end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bits {
    word: u64,
    used: u32,
}

impl Bits {
    /// Appends a field of `bits` bits.
    #[inline]
    pub(crate) fn put(&mut self, value: u64, bits: u32) {
        assert!(value >> bits == 0 && self.used + bits <= 64, "{value} does not fit {bits} bits");
        self.word |= value << self.used;
        self.used += bits;
    }

    #[inline]
    fn flag(&mut self, value: bool) {
        self.put(u64::from(value), 1);
    }

    #[inline]
    fn option(&mut self, value: Option<u64>, bits: u32) {
        self.put(value.map_or(0, |v| v + 1), bits);
    }

    #[inline]
    fn cpus(&mut self, set: CpuSet<1>) {
        self.put(set.words()[0], CPU_BITS);
    }

    #[inline]
    pub(crate) fn word(self) -> u64 {
        self.word
    }
}

/// The fields of a word, taken off in the order in which they were put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields(pub(crate) u64);

impl Fields {
    /// The next field, of `bits` bits.
    #[inline]
    pub(crate) fn take(&mut self, bits: u32) -> u64 {
        let value = self.0 & ((1 << bits) - 1);
        self.0 >>= bits;
        value
    }

    #[inline]
    pub(super) fn flag(&mut self) -> bool {
        self.take(1) != 0
    }

    #[inline]
    fn option(&mut self, bits: u32) -> Option<u64> {
        self.take(bits).checked_sub(1)
    }

    #[inline]
    pub(super) fn rights(&mut self) -> Rights {
        Rights::from_prot(self.take(3) as u32)
    }

    #[inline]
    fn cpus(&mut self) -> CpuSet<1> {
        CpuSet::from_words([self.take(CPU_BITS)])
    }
}

fn word(fill: impl FnOnce(&mut Bits)) -> u64 {
    let mut bits = Bits::default();
    fill(&mut bits);
    bits.word()
}

impl Small<'_> {
    /// Appends the [`CPU_WORDS`] words of one CPU.
    pub(crate) fn pack_cpu(&self, n: usize, out: &mut Vec<u64>) {
        self.pack_cpu_as(n, n, out);
    }

    /// The same under another number.
    pub(crate) fn pack_cpu_as(&self, n: usize, number: usize, out: &mut Vec<u64>) {
        out.extend(self.cpus[n].words(number));
    }

    /// Takes up the words of [`Small::pack_cpu`]; the CPU then counts as unwritten.
    pub(crate) fn unpack_cpu(&mut self, n: usize, words: &[u64]) {
        self.cpus[n] = Watched::known(CpuState::of(words));
    }

    /// May a CPU have changed since it was unpacked?
    pub(crate) fn is_written(&self, n: usize) -> bool {
        self.cpus[n].is_written()
    }

    /// Which CPUs has anybody looked at since the world was copied? A bit each.
    pub(crate) fn saw(&self) -> u8 {
        let cpus = self.cpus[..self.scenario.programs.len()].iter().enumerate();
        cpus.fold(0, |saw, (n, cpu)| saw | u8::from(cpu.is_seen()) << n)
    }

    /// Becomes a copy of another state of the same scenario.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        let cpus = self.scenario.programs.len();
        self.shared.copy_from(&other.shared, self.scenario);
        self.cpus[..cpus].iter_mut().zip(&other.cpus).for_each(|(cpu, other)| cpu.copy_from(other));
    }
}

pub(super) fn take_backing(fields: &mut Fields) -> Backing {
    match fields.take(2) {
        0 => Backing::Anon,
        1 => Backing::PrivateFile,
        2 => Backing::SharedFile,
        _ => Backing::Pfn,
    }
}

impl CpuState {
    /// The number of the CPU is part of them, so that equal words mean the same program.
    fn words(&self, n: usize) -> [u64; CPU_WORDS] {
        [
            word(|b| self.tlb.iter().for_each(|&entry| put_entry(entry, b))),
            word(|b| {
                b.put(u64::from(self.pc), 4);
                b.flag(self.batch.required);
                b.flag(self.batch.writable);
                let sets = [self.batch_mask, self.targets, self.waiting, self.queued, self.serving];
                for set in sets {
                    b.cpus(set);
                }
                b.put(self.gather.span.first, VPN_BITS);
                b.put(self.gather.span.pages, VPN_BITS);
                b.flag(self.gather.freed_tables);
                put_lockless(self.lockless, b);
            }),
            word(|b| {
                put_request(self.request, b);
                self.issued.iter().for_each(|&pages| b.put(u64::from(pages), PAGES as u32));
                b.put(u64::from(self.held), FRAMES as u32);
            }),
            word(|b| {
                self.victims.put(b);
                b.put(u64::from(self.kept), FRAMES as u32);
                b.put(u64::from(self.freeing), FRAMES as u32);
                b.put(n as u64, 3);
            }),
        ]
    }

    fn of(words: &[u64]) -> CpuState {
        let mut cpu = IDLE;
        let mut fields = Fields(words[0]);
        cpu.tlb.iter_mut().for_each(|entry| *entry = take_entry(&mut fields));
        fields = Fields(words[1]);
        cpu.pc = fields.take(4) as u8;
        cpu.batch = Batch { required: fields.flag(), writable: fields.flag() };
        for set in [&mut cpu.batch_mask, &mut cpu.targets, &mut cpu.waiting, &mut cpu.queued, &mut cpu.serving] {
            *set = fields.cpus();
        }
        cpu.gather = Gather { span: take_span(&mut fields), freed_tables: fields.flag() };
        cpu.lockless = take_lockless(&mut fields);
        fields = Fields(words[2]);
        cpu.request = take_request(&mut fields);
        cpu.issued.iter_mut().for_each(|pages| *pages = fields.take(PAGES as u32) as u8);
        cpu.held = fields.take(FRAMES as u32) as u8;
        fields = Fields(words[3]);
        cpu.victims = Queue::take_fields(&mut fields);
        (cpu.kept, cpu.freeing) = (fields.take(FRAMES as u32) as u8, fields.take(FRAMES as u32) as u8);
        cpu
    }
}

fn put_lockless(walked: Option<Lockless>, b: &mut Bits) {
    let Some(Lockless { page, frame, marks }) = walked else { return b.put(0, 1) };
    b.put(1 | u64::from(page.0) << 1, 3);
    b.put(u64::from(frame.0), FRAME_BITS);
    b.put(u64::from(marks.of_frame()), 2);
}

fn take_lockless(fields: &mut Fields) -> Option<Lockless> {
    fields.flag().then(|| Lockless {
        page: Page(fields.take(2) as u32),
        frame: FrameNo(fields.take(FRAME_BITS) as u32),
        marks: Marks::from_frame(fields.take(2) as u8),
    })
}

fn put_entry(entry: Option<Entry>, b: &mut Bits) {
    let Some(Entry { frame, writable, dirty, executable, marks }) = entry else {
        return b.put(0, ENTRY_BITS);
    };
    assert!(executable, "every walk grants fetches");
    b.put(1 | u64::from(writable) << 1 | u64::from(dirty) << 2, 3);
    b.put(u64::from(marks), MARK_BITS);
    b.put(u64::from(frame), FRAME_BITS);
}

fn take_entry(fields: &mut Fields) -> Option<Entry> {
    let [held, writable, dirty] = std::array::from_fn(|_| fields.flag());
    let (marks, frame) = (fields.take(MARK_BITS) as u8, fields.take(FRAME_BITS) as u32);
    held.then_some(Entry { frame, writable, dirty, executable: true, marks })
}

fn take_span(fields: &mut Fields) -> Span {
    Span { first: fields.take(VPN_BITS), pages: fields.take(VPN_BITS) }
}

fn put_request(request: Option<Request>, b: &mut Bits) {
    b.flag(request.is_some());
    let Some(request) = request else { return };
    b.option(request.mm.map(|mm| u64::from(mm.0)), 2);
    b.flag(request.span.is_some());
    let span = request.span.unwrap_or_default();
    b.put(span.first, VPN_BITS);
    b.put(span.pages, VPN_BITS);
    b.put(request.cause as u64, 3);
    b.flag(request.freed_tables);
    b.flag(request.catch_up);
}

fn take_request(fields: &mut Fields) -> Option<Request> {
    fields.flag().then(|| {
        let mm = fields.option(2).map(|n| Mm(n as u16));
        let ranged = fields.flag();
        let span = take_span(fields);
        let cause = CAUSES[fields.take(3) as usize];
        let (freed_tables, catch_up) = (fields.flag(), fields.flag());
        Request { mm, span: ranged.then_some(span), cause, freed_tables, catch_up }
    })
}

impl Queue<FRAMES> {
    pub(super) fn put(&self, b: &mut Bits) {
        b.put(self.iter().count() as u64, 4);
        for (page, frame) in self.iter() {
            b.put(u64::from(page.0), 2);
            b.put(u64::from(frame.0), FRAME_BITS);
        }
    }

    pub(super) fn take_fields(fields: &mut Fields) -> Self {
        let mut queue = Queue::EMPTY;
        for _ in 0..fields.take(4) {
            let page = Page(fields.take(2) as u32);
            queue.push(page, FrameNo(fields.take(FRAME_BITS) as u32));
        }
        queue
    }
}

const CAUSES: [Cause; 7] =
    [Cause::Batch, Cause::BeforeIo, Cause::PendingCheck, Cause::Operation, Cause::PerPage, Cause::Cow, Cause::Nested];

// A cause is packed by its discriminant.
const _: () = {
    let mut n = 0;
    while n < CAUSES.len() {
        assert!(CAUSES[n] as usize == n);
        n += 1;
    }
    assert!(n <= 8 && ENTRY_BITS * super::PAGES as u32 <= 64);
};
