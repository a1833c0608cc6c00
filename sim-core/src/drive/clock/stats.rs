//! What the clock measures.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::drive::clock::cycles::Cycles;
use crate::drive::clock::log::{Entry, Happened};
use crate::drive::clock::source::{Order, What};
pub use crate::drive::clock::steps::Steps;
use crate::drive::clock::timeline::Timeline;
pub use crate::drive::clock::windows::{OpenWindow, Windows};
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{Actor, Cpu, Page, Pte, Span};
use crate::oracle::Class;
use crate::step::frame::{Act, Path, StepId, Wait};
use crate::world::big::{Big, FlushValue};
use crate::world::{Cause, Request, World};

/// One line of the tracepoint `tlb:tlb_flush`, as the model would print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushLine {
    /// When, in cycles.
    pub time: u64,
    /// On which CPU.
    pub cpu: Cpu,
    /// The order of the initiator ([`Order::tag`]).
    pub tag: Option<u32>,
    /// The tracepoint's reason: 1 remote, 2 local batch, 3 local mm, 4 remote send, 5 wrong CPU.
    pub reason: u8,
    /// Pages; -1 is a full flush, 0 "already up to date".
    pub pages: i64,
    /// The CPU that prints it was not running an address space of the model.
    pub elsewhere: bool,
    /// Why the model made it.
    pub cause: Cause,
    /// For a pending check: what it was worth.
    pub value: Option<FlushValue>,
}

/// Cycles spent on flushing, by who spends them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushCycles {
    /// The initiator: queueing, sending, flushing itself, reading the acknowledgements.
    pub initiator: u64,
    /// The initiator, waiting for the last acknowledgement; and calls that wait for addresses to be swept.
    pub waiting: u64,
    /// The targets: interrupt entry to exit; and sweeps.
    pub receivers: u64,
    /// Walks for translations that a flush removed and nothing has overwritten since.
    pub refill: u64,
}

impl FlushCycles {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.initiator + self.waiting + self.receivers + self.refill
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    class: Class,
    at: u64,
    holders: FxHashSet<Cpu>,
    used: bool,
}

/// What memory pressure made of reclaim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Free frames at each wakeup of kswapd.
    pub woken_at: Vec<u32>,
    /// Free frames each time it went to sleep.
    pub slept_at: Vec<u32>,
    /// Rounds of direct reclaim.
    pub direct: u64,
    /// The most requests the swap device had at once.
    pub io_in_flight_max: u32,
}

impl Pressure {
    /// Reclaim cycles that memory pressure began: wakeups of kswapd, and rounds of direct reclaim.
    pub fn reclaim_cycles(&self) -> u64 {
        self.woken_at.len() as u64 + self.direct
    }
}

/// Does a CPU run an address space, and not just borrow one?
fn runs(world: &Big, cpu: Cpu) -> bool {
    world.loaded(cpu).is_some() && !world.lazy(cpu)
}

/// Everything measured in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Flushes made, by cause; local ones included.
    pub flushes: BTreeMap<Cause, u64>,
    /// Pending checks that flushed, by what the flush was worth.
    pub extra: BTreeMap<FlushValue, u64>,
    /// Pending checks and their flushes, by the reclaim cycle they pay for.
    pub reclaim: Cycles,
    /// Interrupts sent.
    pub ipis_sent: u64,
    /// Interrupts taken.
    pub ipis_received: u64,
    /// Interrupts taken by CPUs that were not running the address space.
    pub ipis_received_elsewhere: u64,
    /// Requests found in the queue by all interrupts together; more than `ipis_received` where requests coalesced.
    pub requests_served: u64,
    /// Broadcast invalidations issued.
    pub broadcasts: u64,
    /// Flushes of munmap that were left to the ticks of other CPUs.
    pub recorded: u64,
    /// Sweeps, at ticks and switches, whatever they found.
    pub sweeps: u64,
    /// Records that they found, each once a CPU.
    pub records_swept: u64,
    /// Shrink lists done.
    pub lists: u64,
    /// Pages unmapped by reclaim whose PTE was clean.
    pub pages_clean: u64,
    /// Pages unmapped by reclaim whose PTE was dirty.
    pub pages_dirty: u64,
    /// Deferred clears.
    pub deferred: u64,
    /// Folios written.
    pub writes: u64,
    /// Cycles.
    pub cycles: FlushCycles,
    /// Cycles spent waiting for locks.
    pub lock_wait_cycles: u64,
    /// Cycles spent waiting for the swap device.
    pub io_wait_cycles: u64,
    /// kswapd's wakeups and sleeps, and what was done for allocations in between.
    pub pressure: Pressure,
    /// Windows by class.
    pub windows: BTreeMap<Class, Windows>,
    /// From a deferred clear to the flush of its batch, whether or not anybody promised anything.
    pub potential: Windows,
    /// Uses that broke a promise, by class.
    pub violations: BTreeMap<Class, u64>,
    /// User accesses done.
    pub accesses: u64,
    /// Faults taken.
    pub faults: u64,
    /// SIGSEGVs delivered.
    pub segvs: u64,
    /// Cycles of user accesses and walks.
    pub access_cycles: u64,
    /// Which steps acted.
    pub steps: Steps,
    /// The lines of `tlb:tlb_flush`, if they are kept.
    pub flush_lines: Option<Vec<FlushLine>>,
    /// What happened when, if it is kept.
    pub timeline: Option<Box<Timeline>>,
    /// What has happened and nobody has taken yet, if it is kept.
    pub log: Option<Vec<Entry>>,
    windows_opened: u64,
    value_at_hand: Option<FlushValue>,
    open: FxHashMap<Page, Open>,
    /// The last window of a page that closed: its class, and whether it was used.
    closed: FxHashMap<Page, (Class, bool)>,
    /// By reclaimer: pages whose PTE it has cleared since its last flush, and when.
    pending: FxHashMap<Cpu, Vec<(Page, u64)>>,
    /// The order each CPU is executing.
    tags: Vec<Option<u32>>,
}

impl Stats {
    /// Nothing measured yet.
    pub fn new(cpus: u16) -> Stats {
        Stats {
            flushes: BTreeMap::new(),
            extra: BTreeMap::new(),
            reclaim: Cycles::new(cpus),
            ipis_sent: 0,
            ipis_received: 0,
            ipis_received_elsewhere: 0,
            requests_served: 0,
            broadcasts: 0,
            recorded: 0,
            sweeps: 0,
            records_swept: 0,
            lists: 0,
            pages_clean: 0,
            pages_dirty: 0,
            deferred: 0,
            writes: 0,
            cycles: FlushCycles::default(),
            lock_wait_cycles: 0,
            io_wait_cycles: 0,
            pressure: Pressure::default(),
            windows: Class::ALL.into_iter().map(|c| (c, Windows::default())).collect(),
            potential: Windows::default(),
            violations: Class::ALL.into_iter().map(|c| (c, 0)).collect(),
            accesses: 0,
            faults: 0,
            segvs: 0,
            access_cycles: 0,
            steps: Steps::default(),
            flush_lines: None,
            timeline: None,
            log: None,
            windows_opened: 0,
            value_at_hand: None,
            open: FxHashMap::default(),
            closed: FxHashMap::default(),
            pending: FxHashMap::default(),
            tags: vec![None; usize::from(cpus)],
        }
    }

    /// An order begins.
    pub(super) fn begin(&mut self, cpu: Cpu, order: &Order, now: u64) {
        if let Some(timeline) = &mut self.timeline {
            timeline.begin(cpu, order, now);
        }
        self.tags[usize::from(cpu.0)] = Some(order.tag);
        match order.what {
            What::Op(Op { kind: OpKind::Kswapd, .. }) => self.reclaim.begin_own(cpu),
            _ => self.reclaim.begin(cpu, order.cycle),
        }
    }

    /// It ends.
    pub(super) fn done(&mut self, cpu: Cpu, order: &Order, now: u64) {
        if let Some(timeline) = &mut self.timeline {
            timeline.done(cpu, order, now);
        }
        self.tags[usize::from(cpu.0)] = None;
    }

    /// A core stopped waiting at this time.
    pub(super) fn waited(&mut self, cpu: Cpu, wait: Wait, cycles: u64, now: u64) {
        if let Some(timeline) = &mut self.timeline {
            timeline.waited(cpu, wait, cycles, now);
        }
        match wait {
            Wait::Acks | Wait::Broadcasts | Wait::Sweeps => self.cycles.waiting += cycles,
            Wait::Io => self.io_wait_cycles += cycles,
            // The time of user code is nobody's cost.
            Wait::Flag(_) => {}
            _ => self.lock_wait_cycles += cycles,
        }
    }

    /// A translation of a page broke a promise (`Some`), or such a translation is gone.
    pub(super) fn window(&mut self, cpu: Cpu, page: Page, class: Option<Class>, now: u64) {
        if let Some(timeline) = &mut self.timeline {
            timeline.stale(cpu, page, class.is_some(), now);
        }
        self.logs(now, 0, cpu, Happened::Window(page, class));
        let Some(class) = class else {
            let Some(open) = self.open.get_mut(&page) else { return };
            open.holders.remove(&cpu);
            if open.holders.is_empty() {
                self.close(page, now);
            }
            return;
        };
        let open = self.open.entry(page).or_insert_with(|| {
            self.windows_opened += 1;
            Open { class, at: now, holders: FxHashSet::default(), used: false }
        });
        open.class = open.class.max(class);
        open.holders.insert(cpu);
    }

    /// A promise that binds this CPU was broken. Its window may have closed less than the lookahead ago.
    pub(super) fn violated(&mut self, cpu: Cpu, page: Page, class: Class, now: u64) {
        if let Some(timeline) = &mut self.timeline {
            timeline.violated(cpu, page, class, now);
        }
        self.logs(now, 0, cpu, Happened::Violation(page, class));
        *self.violations.entry(class).or_default() += 1;
        if let Some(open) = self.open.get_mut(&page) {
            open.used = true;
        } else if let Some((of_window, used)) = self.closed.get_mut(&page)
            && !std::mem::replace(used, true)
        {
            self.windows.entry(*of_window).or_default().used += 1;
        }
    }

    /// A flush begins: what is a pending check worth?
    pub(super) fn flush_value(&mut self, request: Request, what: Option<What>, world: &mut Big) {
        self.value_at_hand = None;
        let (Cause::PendingCheck, Some(mm)) = (request.cause, request.mm) else {
            return;
        };
        let range = match what {
            Some(What::Op(op)) => op.span,
            _ => Span::default(),
        };
        let value = world.flush_value(mm, range);
        *self.extra.entry(value).or_default() += 1;
        self.value_at_hand = Some(value);
    }

    /// Accesses that a TLB served, each in so many cycles: what [`Stats::act`] makes of [`Act::Use`].
    #[inline]
    pub(super) fn hits(&mut self, at: StepId, accesses: u64, cycles: u64) {
        self.steps.note(at);
        self.accesses += accesses;
        self.access_cycles += accesses * cycles;
    }

    /// A tick begins, in which a CPU sweeps.
    pub(super) fn tick(&mut self, cpu: Cpu, now: u64) {
        if let Some(timeline) = &mut self.timeline {
            timeline.tick(cpu, now);
        }
        self.sweeps += 1;
    }

    /// A CPU has looked for what another one has left to it, and found so many records.
    pub(super) fn swept(&mut self, cpu: Cpu, from: Cpu, records: u64, (end, cycles): (u64, u64)) {
        self.cycles.receivers += cycles;
        if records == 0 {
            return;
        }
        self.records_swept += records;
        if let Some(timeline) = &mut self.timeline {
            timeline.swept(cpu, from, end, cycles);
        }
        self.logs(end, cycles, cpu, Happened::Sweep(from));
    }

    /// An act that took `cycles` and ended at `now`.
    #[expect(clippy::inline_always, reason = "as for `settle_act`")]
    #[inline(always)]
    pub(super) fn act(&mut self, who: Actor, act: &Act, at: StepId, now: u64, cycles: u64, world: &Big) {
        if self.timeline.is_some() || self.log.is_some() {
            self.record(who.cpu, act, at, now, cycles);
        }
        self.steps.note(at);
        match at.path {
            Path::Flush => self.cycles.initiator += cycles,
            Path::Irq => self.cycles.receivers += cycles,
            Path::Access => self.access_cycles += cycles,
            _ => {}
        }
        self.count(who, act, at, now, cycles, world);
    }

    #[inline(never)]
    fn record(&mut self, cpu: Cpu, act: &Act, at: StepId, now: u64, cycles: u64) {
        if let Some(timeline) = &mut self.timeline {
            timeline.act(cpu, *act, now, cycles);
        }
        self.logs(now, cycles, cpu, Happened::Act(*act, at));
    }

    #[expect(clippy::inline_always, reason = "as for `settle_act`")]
    #[inline(always)]
    fn count(&mut self, who: Actor, act: &Act, at: StepId, now: u64, cycles: u64, world: &Big) {
        match *act {
            Act::FlushBegin { request, remote } => {
                *self.flushes.entry(request.cause).or_default() += 1;
                if request.cause == Cause::PendingCheck {
                    self.reclaim.paid(who.cpu);
                }
                if remote {
                    self.line(world, who.cpu, who.cpu, 4, request, now);
                }
            }
            // The flush of its own TLB, and what it leaves to others.
            Act::Broadcast(request) if at.path == Path::Munmap => {
                self.cycles.initiator += cycles;
                *self.flushes.entry(request.cause).or_default() += 1;
                self.recorded += 1;
                self.line(world, who.cpu, who.cpu, 3, request, now);
            }
            Act::Words { mm, check: Some(found), .. } => self.reclaim.checked(who.cpu, mm, found),
            Act::Words { mm, .. } if at.path == Path::Unmap => self.reclaim.set(who.cpu, mm),
            Act::FlushLocal(request) => {
                self.line(world, who.cpu, who.cpu, if request.mm.is_some() { 3 } else { 2 }, request, now);
            }
            Act::FlushRemote { from, request, wrong_cpu } => {
                self.line(world, who.cpu, from, if wrong_cpu { 5 } else { 1 }, request, now);
            }
            Act::FlushEnd(request) if request.mm.is_none() => {
                for (_, since) in self.pending.remove(&who.cpu).unwrap_or_default() {
                    self.potential.lengths_cycles.push(now - since);
                }
            }
            Act::Post { sent, .. } => self.ipis_sent += u64::from(sent),
            Act::IrqEnter { requests } => {
                self.ipis_received += 1;
                self.requests_served += u64::from(requests);
                self.ipis_received_elsewhere += u64::from(!runs(world, who.cpu));
            }
            Act::PteXchg { old: Pte::Present(old), new: Pte::None, .. } if at.path == Path::Unmap => {
                self.pages_dirty += u64::from(old.dirty);
                self.pages_clean += u64::from(!old.dirty);
            }
            Act::Deferred { page, .. } => {
                self.deferred += 1;
                self.pending.entry(who.cpu).or_default().push((page, now));
            }
            Act::Write(_) | Act::Submit { write: true, .. } => self.writes += 1,
            Act::WakeKswapd { free } => self.pressure.woken_at.push(free),
            Act::KswapdSleeps { free } => self.pressure.slept_at.push(free),
            Act::DirectReclaim { .. } => {
                self.pressure.direct += 1;
                self.reclaim.begin_own(who.cpu);
            }
            Act::ListEnd => self.lists += 1,
            Act::Use { .. } => self.accesses += 1,
            Act::Walk { .. } if world.last_miss_flushed(who.cpu) => self.cycles.refill += cycles,
            Act::FaultExit(_, segv) => {
                self.faults += 1;
                self.segvs += u64::from(segv);
            }
            _ => {}
        }
    }

    /// `cpu` prints the line; `from` initiated the flush.
    fn line(&mut self, world: &Big, cpu: Cpu, from: Cpu, reason: u8, request: Request, time: u64) {
        let tag = self.tags[usize::from(from.0)];
        let value = self.value_at_hand.filter(|_| reason == 4 && request.cause == Cause::PendingCheck);
        if let Some(lines) = &mut self.flush_lines {
            let pages = request.span.map_or(-1, |s| s.pages.cast_signed());
            let elsewhere = !runs(world, cpu);
            lines.push(FlushLine { elsewhere, time, cpu, tag, reason, pages, cause: request.cause, value });
        }
    }

    #[inline]
    fn logs(&mut self, at_cycles: u64, length_cycles: u64, cpu: Cpu, what: Happened) {
        if self.log.is_some() {
            self.push(Entry { at_cycles, length_cycles, cpu, what });
        }
    }

    /// Apart, so that what is not logged does not pay for it.
    #[inline(never)]
    fn push(&mut self, entry: Entry) {
        if let Some(log) = &mut self.log {
            log.push(entry);
        }
    }

    /// Is anything in the log?
    #[inline]
    pub(super) fn has_logged(&self) -> bool {
        self.log.as_ref().is_some_and(|log| !log.is_empty())
    }

    /// Windows that have opened so far, of all classes.
    pub fn windows_opened(&self) -> u64 {
        self.windows_opened
    }

    /// The windows that are open, by page.
    pub fn open_windows(&self) -> Vec<OpenWindow> {
        let of = |(&page, open): (&Page, &Open)| {
            let mut holders: Vec<Cpu> = open.holders.iter().copied().collect();
            holders.sort_unstable();
            OpenWindow { page, class: open.class, since_cycles: open.at, holders }
        };
        let mut windows: Vec<_> = self.open.iter().map(of).collect();
        windows.sort_unstable_by_key(|window| window.page);
        windows
    }

    /// Pages whose flush is put off, by reclaimer: in the order in which their PTEs were cleared.
    pub fn pending_pages(&self) -> impl Iterator<Item = Page> {
        let mut reclaimers: Vec<_> = self.pending.iter().collect();
        reclaimers.sort_unstable_by_key(|&(cpu, _)| cpu);
        reclaimers.into_iter().flat_map(|(_, pages)| pages.iter().map(|&(page, _)| page))
    }

    /// The run is over: windows still open close now.
    pub(super) fn finish(&mut self, now: u64) {
        let mut pages: Vec<Page> = self.open.keys().copied().collect();
        pages.sort_unstable();
        for page in pages {
            self.close(page, now);
        }
    }

    fn close(&mut self, page: Page, now: u64) {
        let open = self.open.remove(&page).expect("only an open window closes");
        let windows = self.windows.entry(open.class).or_default();
        windows.lengths_cycles.push(now - open.at);
        windows.used += u64::from(open.used);
        self.closed.insert(page, (open.class, open.used));
    }
}
