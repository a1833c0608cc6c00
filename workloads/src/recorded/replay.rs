//! Plays a script on the clock: faults and calls where and when the recording has them, reclaim as much as the kernel did.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustc_hash::FxHashMap;
use sim_core::drive::clock::price::Unpriced;
use sim_core::drive::clock::source::{Order, Source, What};
use sim_core::drive::clock::stats::Stats;
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::profile::{Distance, Profile};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::Backing;
use sim_core::nouns::types::{AccessKind, Cpu, FrameNo, Mm, Page, Present, Pte, Rights, Span, Task};
use sim_core::step::frame::Act;
use sim_core::world::big::Big;
use sim_core::world::{Folio, Vma, World};

use super::assume::{Assumptions, Dirty, FaultAround, MappedLists, Victim};
use super::script::{Action, Inferred, Item, List, NextFault, Script};

/// Nothing recorded uses more pages: 48-bit addresses.
const ALL_PAGES: u64 = 1 << 36;
/// Frames are not what limits a replay: reclaim happens where it was recorded.
const FRAMES_MAX: u32 = 1 << 24;

/// `fault_around_bytes`, 64 KiB by default.
const FAULT_AROUND_PAGES: u64 = 16;

/// When things happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// At recorded times.
    Recorded,
    /// In program order with the recorded gaps of user time between them; calls take as long as the model says.
    Model,
}

/// What came out of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What the clock measured, flush lines included; their tags are indices into [`Script::items`].
    pub stats: Stats,
    /// What had to be inferred.
    pub inferred: Inferred,
    /// Simulated time in cycles.
    pub duration_cycles: u64,
}

/// Replays a script.
///
/// Cores do not run ahead: recorded order ties them to each other.
///
/// # Errors
/// If the profile has no prices for interrupts.
pub fn replay(
    script: &Script,
    setting: Setting,
    profile: &Profile,
    timing: Timing,
    assumptions: &Assumptions,
) -> Result<Replayed, Unpriced> {
    let cpus = script.cpus.max(1);
    let mut world = Big::new(profile, cpus, FRAMES_MAX);
    let mm = world.add_mm();
    world.map(mm, Span { first: 0, pages: ALL_PAGES }, UNSEEN);
    let player = Player::new(script, mm, (profile, timing, *assumptions), &mut world);
    let mut setting = setting;
    setting.era.synchronous_swap = script.synchronous_swap;
    let mut clock = Clock::new(world, player, setting, profile, RunAhead::Off)?;
    clock.hot_victims = assumptions.victim == Victim::Hot;
    clock.stats.flush_lines = Some(Vec::new());
    let duration_cycles = clock.run();
    Ok(Replayed { stats: clock.stats, inferred: clock.source.inferred, duration_cycles })
}

/// What is mapped where the recording shows nothing: text, data, stack, heap. Read pages come from a file, written ones are
/// private.
const UNSEEN: Vma = Vma { mapped: true, rights: Rights::READ_WRITE, backing: Backing::PrivateFile };

struct Player<'s> {
    script: &'s Script,
    profile: &'s Profile,
    timing: Timing,
    assumptions: Assumptions,
    /// One full shootdown of one other CPU.
    shootdown_cycles: u64,
    mm: Mm,
    /// What a fault takes at most, if the recording does not show its end.
    fault_ns: u64,
    /// Items not yet over, by recorded end; empty if order is not to be kept.
    unfinished: BTreeSet<(u64, u32, u32)>,
    /// By list or call under way: folios written, and folios frozen.
    progress: FxHashMap<u32, (u32, u32)>,
    /// By CPU: orders still to give.
    queues: Vec<VecDeque<Order>>,
    inferred: Inferred,
    lru: Lru,
    faults: Faults,
    /// Where nothing is read ahead.
    random: Ranges,
}

impl<'s> Player<'s> {
    fn new(
        script: &'s Script,
        mm: Mm,
        (profile, timing, assumptions): (&'s Profile, Timing, Assumptions),
        world: &mut Big,
    ) -> Player<'s> {
        let mut tasks: FxHashMap<i32, Task> = FxHashMap::default();
        let mut unfinished = BTreeSet::new();
        let fault_ns = profile.ns_from_cycles(profile.kernel.minor_fault_anon_cyc);
        let mut queues = vec![VecDeque::new(); usize::from(world.cpus())];
        let mut last_end = vec![0; queues.len()];
        for (index, item) in script.items.iter().enumerate() {
            let task = *tasks.entry(item.tid).or_insert_with(|| world.add_task(Some(mm)));
            let start = profile.cycles_from_ns(item.time_ns);
            let queue: &mut VecDeque<Order> = &mut queues[usize::from(item.cpu)];
            let last = &mut last_end[usize::from(item.cpu)];
            let (not_before, work) = match timing {
                Timing::Recorded => (start, 0),
                Timing::Model => (0, start.saturating_sub(*last)),
            };
            *last = profile.cycles_from_ns(recorded_end(item, fault_ns)).max(*last);
            queue.push_back(Order { task, what: order_of(&item.action, mm), not_before, work, tag: index as u32 });
            if timing == Timing::Recorded {
                unfinished.insert((recorded_end(item, fault_ns), index as u32, 0));
                let writes = writes_of(&item.action).zip(1..);
                unfinished.extend(writes.map(|(time_ns, nth)| (time_ns, index as u32, nth)));
            }
        }
        Player {
            script,
            profile,
            timing,
            assumptions,
            shootdown_cycles: shootdown_cycles(profile),
            mm,
            progress: FxHashMap::default(),
            fault_ns,
            unfinished,
            queues,
            inferred: script.inferred,
            lru: Lru::default(),
            faults: Faults::new(&script.items),
            random: Ranges::default(),
        }
    }
}

/// The price of one full shootdown of one other CPU, from first to last.
fn shootdown_cycles(profile: &Profile) -> u64 {
    let near = Distance::Socket;
    profile.csd_enqueue_cycles(near)
        + profile.ipi.icr_write_cyc.unwrap_or(0)
        + profile.delivery_cycles(near)
        + profile.ipi.irq_entry_cyc
        + profile.ipi.handler_body_cyc.unwrap_or(0)
        + profile.inval.cr3_flush_cyc.unwrap_or(0)
        + profile.ack_read_cycles(near)
}

/// When an item was over. A fault ends before the next event of its thread, or sooner.
fn recorded_end(item: &Item, fault_ns: u64) -> u64 {
    match item.action {
        Action::Fault { .. } => item.end_ns.min(item.time_ns + fault_ns),
        _ => item.end_ns,
    }
}

/// When folios were written in an item.
fn writes_of(action: &Action) -> impl Iterator<Item = u64> + '_ {
    let lists: &[List] = match action {
        Action::Reclaim(list) => std::slice::from_ref(list),
        Action::Call(_, lists) => lists,
        _ => &[],
    };
    lists.iter().flat_map(|list| list.writes_ns.iter().copied())
}

/// How many pages a list without writes freed.
fn clean_list(action: &Action) -> Option<u64> {
    match action {
        Action::Reclaim(list) if list.writes_ns.is_empty() => Some(u64::from(list.stats.reclaimed)),
        _ => None,
    }
}

fn order_of(action: &Action, mm: Mm) -> What {
    match action {
        Action::Fault { vpn, kind, .. } => What::Op(Op::access(*kind, *vpn)),
        Action::Call(op, _) => What::Op(*op),
        Action::Advice { span, .. } => What::Op(Op::call(OpKind::Other, *span)),
        Action::Reclaim(_) => What::Op(Op::call(OpKind::Reclaim(mm), Span::default())),
        Action::Load => What::Load(Some(mm)),
        Action::Borrow => What::Load(None),
        Action::Unload => What::Unload,
    }
}

impl Source for Player<'_> {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        self.queues[usize::from(cpu.0)].pop_front()
    }

    fn begin(&mut self, cpu: Cpu, order: &Order, world: &mut Big, _now: u64) {
        match &self.script.items[order.tag as usize].action {
            Action::Fault { vpn, kind, present, .. } => self.before_fault(cpu, world, *vpn, *kind, *present),
            Action::Call(op, lists) if op.kind == OpKind::Pageout => self.before_pageout(world, op.span, lists),
            // It moved there, so the place was free.
            Action::Call(op, _) if op.kind == OpKind::Mremap => {
                world.set_vma(self.mm, Span { first: op.to, ..op.span }, Vma::default());
            }
            Action::Advice { span, random } => self.random.set(*span, *random),
            Action::Reclaim(list) => self.choose_victims(world, order.task, list),
            _ => {}
        }
    }

    /// Recorded order: whatever was over before this began must be over.
    fn may_begin(&self, order: &Order) -> bool {
        let start = self.script.items[order.tag as usize].time_ns;
        self.unfinished.first().is_none_or(|&(end, item, _)| end >= start || item == order.tag)
    }

    /// Folios are written when they were written; clean ones of a list go evenly over its time.
    fn pace(&mut self, order: &Order, act: Act, now: u64) -> u64 {
        let item = &self.script.items[order.tag as usize];
        let (writes, frozen) = self.progress.entry(order.tag).or_default();
        let due_ns = if let Act::Write(_) = act {
            *writes += 1;
            writes_of(&item.action).nth(*writes as usize - 1).inspect(|&due| {
                self.unfinished.remove(&(due, order.tag, *writes));
            })
        } else {
            *frozen += 1;
            let frozen = u64::from(*frozen);
            clean_list(&item.action)
                .map(|reclaimed| item.time_ns + (item.end_ns - item.time_ns) * frozen.min(reclaimed) / (reclaimed + 1))
        };
        match due_ns {
            Some(due_ns) if self.timing == Timing::Recorded => now.max(self.profile.cycles_from_ns(due_ns)),
            _ => now,
        }
    }

    fn done(&mut self, _cpu: Cpu, order: &Order, world: &mut Big, now: u64) {
        let item = &self.script.items[order.tag as usize];
        self.unfinished.remove(&(recorded_end(item, self.fault_ns), order.tag, 0));
        // The model may have found fewer pages to write.
        let (written, _) = self.progress.remove(&order.tag).unwrap_or_default();
        for (time_ns, nth) in writes_of(&item.action).zip(1..).skip(written as usize) {
            self.unfinished.remove(&(time_ns, order.tag, nth));
        }
        if let Action::Fault { vpn, next, present, slept, kind } = item.action
            && let Some(page) = world.page(self.mm, vpn)
            && let Some(pte) = world.pte(page).present()
        {
            let folio = world.folio(pte.frame);
            self.lru.touched(page, folio, next, now);
            if !present && !slept && kind != AccessKind::Store && !folio.anon && folio.lru {
                self.fault_around(world, order.tag, vpn, now);
            }
        }
    }
}

impl Player<'_> {
    /// Makes the model agree with what the fault says about the PTE it met.
    fn before_fault(&mut self, cpu: Cpu, world: &mut Big, vpn: u64, kind: AccessKind, present: bool) {
        let vma = world.vma(self.mm, vpn);
        if !vma.mapped {
            self.inferred.mapped_unseen += 1;
            world.set_vma(self.mm, Span::page(vpn), UNSEEN);
        }
        let page = world.populate(self.mm, vpn);
        match (world.pte(page), present) {
            (Pte::Present(_), false) => {
                self.inferred.made_absent += 1;
                world.pte_xchg(page, Pte::None);
            }
            (Pte::None | Pte::Swap, true) => {
                self.inferred.made_present += 1;
                let anon = vma.backing == Backing::Anon && kind != AccessKind::Store;
                put(world, page, anon, false, false);
            }
            _ => {}
        }
        // It faulted, so no translation served it.
        if world.tlb_peek(cpu, page).is_some() {
            world.tlb_forget(cpu, page);
        }
    }

    /// `do_fault_around()`: the page cache had the page, so it had its neighbours, and they are mapped with it. One that
    /// faults later although no list of file pages came between had not been there.
    fn fault_around(&mut self, world: &mut Big, item: u32, vpn: u64, now: u64) {
        let always = match self.assumptions.fault_around {
            FaultAround::InMemory => false,
            FaultAround::Never => return,
            FaultAround::Always => true,
        };
        if self.random.contains(vpn) {
            return;
        }
        let vma = world.vma(self.mm, vpn);
        let first = vpn & !(FAULT_AROUND_PAGES - 1);
        for neighbour in (first..first + FAULT_AROUND_PAGES).filter(|&n| n != vpn) {
            let next = match self.faults.after(neighbour, item) {
                None => NextFault::Never,
                Some((_, true)) => NextFault::Present,
                Some((_, false)) => NextFault::Absent,
            };
            if world.vma(self.mm, neighbour) != vma {
                continue;
            }
            if let Some((later, false)) = self.faults.after(neighbour, item)
                && !always
                && !self.faults.reclaims_between(item, later)
            {
                continue;
            }
            let page = world.populate(self.mm, neighbour);
            if world.pte(page) != Pte::None {
                continue;
            }
            put(world, page, false, false, false);
            self.inferred.faulted_around += 1;
            let pte = world.pte(page).present().expect("just put there");
            self.lru.touched(page, world.folio(pte.frame), next, now);
        }
    }

    /// `MADV_PAGEOUT` found as many pages as its lists say, also those the recording did not show becoming present.
    fn before_pageout(&mut self, world: &mut Big, span: Span, lists: &[List]) {
        let scanned: u32 = lists.iter().map(|l| l.stats.scanned).sum();
        let mut there = 0;
        let mut rest = span;
        while let Some(page) = world.next_page(self.mm, rest) {
            let vpn = world.vpn(page);
            there += u32::from(world.pte(page).present().is_some_and(|pte| world.folio(pte.frame).lru));
            self.soil(world, page);
            rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
        }
        for vpn in span.first..span.end() {
            if there >= scanned {
                break;
            }
            let page = world.populate(self.mm, vpn);
            if world.pte(page).present().is_none() {
                self.inferred.made_present += 1;
                put(world, page, true, true, true);
                there += 1;
            }
        }
    }

    /// A list that was over before even one shootdown could have been made had no mapped page in it.
    fn was_unmapped(&self, list: &List) -> bool {
        match self.assumptions.mapped_lists {
            MappedLists::ByTime => {}
            MappedLists::All => return false,
            MappedLists::None => return list.writes_ns.is_empty(),
        }
        let k = &self.profile.kernel;
        let (Some(fixed), Some(page)) = (k.reclaim_list_cyc, k.reclaim_page_unmapped_cyc) else {
            return false;
        };
        let reclaimed = u64::from(list.stats.reclaimed);
        let limit = fixed + page * reclaimed + self.shootdown_cycles;
        list.writes_ns.is_empty() && self.profile.cycles_from_ns(list.busy_ns) < limit
    }

    /// The pages of a list: the least recently faulted ones of the kind the list is about.
    fn choose_victims(&mut self, world: &mut Big, task: Task, list: &List) {
        let wanted = list.stats.reclaimed.max(list.writes_ns.len() as u32);
        if self.was_unmapped(list) {
            self.inferred.victims_unmapped += u64::from(wanted);
            return;
        }
        for _ in 0..wanted {
            let Some(page) = self.lru.take(world, list.stats.file) else {
                self.inferred.victims_unmapped += 1;
                continue;
            };
            let Pte::Present(pte) = world.pte(page) else { continue };
            let folio = world.folio(pte.frame);
            world.set_folio(pte.frame, Folio { isolated: true, ..folio });
            world.isolate(task, page, pte.frame);
            self.soil(world, page);
        }
    }

    /// A writable page may have been written since it was faulted in for reading.
    fn soil(&self, world: &mut Big, page: Page) {
        if self.assumptions.dirty == Dirty::AllWritable
            && let Pte::Present(pte) = world.pte(page)
            && pte.writable
            && !pte.dirty
        {
            world.pte_xchg(page, Pte::Present(Present { dirty: true, ..pte }));
        }
    }
}

/// Puts a page in place without an event.
fn put(world: &mut Big, page: Page, anon: bool, writable: bool, dirty: bool) {
    let frame: FrameNo = world.alloc_frame().expect("frames are not what limits a replay");
    world.set_folio(frame, Folio { allocated: true, lru: true, anon, dirty: anon, cached: !anon, ..Folio::default() });
    world.pte_xchg(page, Pte::Present(Present { frame, writable, dirty, accessed: true, protnone: false }));
}

/// Disjoint ranges of pages, by their first: where each ends.
#[derive(Clone, Debug, Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a span, or takes it out.
    fn set(&mut self, span: Span, member: bool) {
        let overlapping: Vec<(u64, u64)> =
            self.0.range(..span.end()).rev().take_while(|&(_, &end)| end > span.first).map(|(&a, &b)| (a, b)).collect();
        for (first, end) in overlapping {
            self.0.remove(&first);
            if first < span.first {
                self.0.insert(first, span.first);
            }
            if end > span.end() {
                self.0.insert(span.end(), end);
            }
        }
        if member && span.pages > 0 {
            self.0.insert(span.first, span.end());
        }
    }

    fn contains(&self, vpn: u64) -> bool {
        self.0.range(..=vpn).next_back().is_some_and(|(_, &end)| vpn < end)
    }
}

/// The faults of a recording by page, and its lists of file pages.
#[derive(Clone, Debug, Default)]
struct Faults {
    /// By page: the items of its faults and whether its PTE was present, in order.
    by_page: FxHashMap<u64, Vec<(u32, bool)>>,
    /// The items of lists that freed file pages, in order.
    file_lists: Vec<u32>,
}

impl Faults {
    fn new(items: &[Item]) -> Faults {
        let mut faults = Faults::default();
        for (index, item) in (0..).zip(items) {
            match &item.action {
                Action::Fault { vpn, present, .. } => {
                    faults.by_page.entry(*vpn).or_default().push((index, *present));
                }
                Action::Reclaim(list) if list.stats.file == Some(true) && list.stats.reclaimed > 0 => {
                    faults.file_lists.push(index);
                }
                _ => {}
            }
        }
        faults
    }

    /// The first fault on a page after an item.
    fn after(&self, vpn: u64, item: u32) -> Option<(u32, bool)> {
        let faults = self.by_page.get(&vpn)?;
        faults.get(faults.partition_point(|&(at, _)| at <= item)).copied()
    }

    fn reclaims_between(&self, from: u32, to: u32) -> bool {
        let next = self.file_lists.partition_point(|&at| at <= from);
        self.file_lists.get(next).is_some_and(|&at| at < to)
    }
}

/// The mapped pages reclaim may take, by the time of their last fault.
#[derive(Clone, Debug, Default)]
struct Lru {
    /// By kind (file, anonymous), and whether a later fault proves that the page was taken.
    lists: [[BTreeSet<(u64, Page)>; 2]; 2],
    place: FxHashMap<Page, (usize, usize, u64)>,
}

impl Lru {
    /// A page was faulted in.
    fn touched(&mut self, page: Page, folio: Folio, next: NextFault, now: u64) {
        if let Some((kind, known, stamp)) = self.place.remove(&page) {
            self.lists[kind][known].remove(&(stamp, page));
        }
        if !folio.lru || next == NextFault::Present {
            return;
        }
        let (kind, known) = (usize::from(folio.anon), usize::from(next == NextFault::Absent));
        self.lists[kind][known].insert((now, page));
        self.place.insert(page, (kind, known, now));
    }

    /// The oldest page that is still there, of files or anonymous if `file` says so; first those known to have been taken.
    fn take(&mut self, world: &Big, file: Option<bool>) -> Option<Page> {
        for known in [1, 0] {
            for kind in [0, 1] {
                if file.is_some_and(|file| file != (kind == 0)) {
                    continue;
                }
                while let Some((_, page)) = self.lists[kind][known].pop_first() {
                    self.place.remove(&page);
                    let there = world.pte(page).present().map(|pte| world.folio(pte.frame));
                    if there.is_some_and(|folio| folio.lru && !folio.isolated) {
                        return Some(page);
                    }
                }
            }
        }
        None
    }
}
