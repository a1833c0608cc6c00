//! What a core does without the others: accesses that its own TLB serves, one after the other.
//!
//! Such an access touches nothing shared, so it needs no frame and no step: one look into the TLB, one into the marks of the
//! entry found. The text of the kernel paths comes to the same (`access::step`, U1), and the tests hold both against each other.

use std::slice::from_ref;

use prefetch_index::prefetch_index;

use crate::drive::clock::Clock;
use crate::drive::clock::cores::{Core, Looked, State};
use crate::drive::clock::source::{Access, Order, Source, What};
use crate::drive::tournament::Tournament;
use crate::kernel::path::{TRANSLATE, would_hit};
use crate::machine::tlb::Entry;
use crate::nouns::op::OpKind;
use crate::nouns::types::Cpu;
use crate::oracle::Marks;
use crate::world::big::Front;
use crate::world::{TlbLevel, World};

/// How far [`Clock::one_by_one`] may go.
struct Until {
    /// The first time that is too late.
    before_cycles: u64,
    /// Events at most.
    events: u64,
    /// When the next tick comes. A core that comes to it leaves its accesses to that.
    tick_cycles: u64,
}

/// How far it has come.
#[derive(Default)]
struct Taken {
    events: u64,
    /// Those of them that the first level served.
    near: u64,
    /// When the last one was.
    last_cycles: u64,
}

impl<S: Source> Clock<S> {
    /// Up to when a core may retire what it does on its own: nobody can have reached it sooner.
    pub(super) fn horizon(&self, cpu: Cpu, time: u64) -> u64 {
        let core = &self.cores[usize::from(cpu.0)];
        match self.lookahead_cycles {
            Some(lookahead) if core.arrival.is_none() => {
                let others = self.tree.second_min_time_excluding(cpu.0).unwrap_or(u64::MAX);
                // What was broadcast takes translations away when it is done, whatever their core is doing; but cores come first.
                let done = self.fabric.next().unwrap_or(u64::MAX).max(time + 1);
                others.saturating_add(lookahead).min(done).min(core.tick.unwrap_or(u64::MAX))
            }
            // One access an event.
            _ => time + 1,
        }
    }

    /// Asks the host for what the turn after this one looks at, while the accesses of this one are made: with many cores it has gone
    /// out of the nearer caches since its last.
    pub(super) fn prefetch_turn_after(&self, cpu: Cpu) {
        if self.lookahead_cycles.is_none() {
            return;
        }
        let next = self.tree.min_excluding(cpu.0).map(|(_, source)| source);
        if let Some((next, core)) = next.and_then(|source| Some((Cpu(source), self.cores.get(usize::from(source))?))) {
            prefetch_index(from_ref(&core.ready), 0);
            prefetch_index(from_ref(&core.state), 0);
            prefetch_index(from_ref(&core.stack), 0);
            self.world.prefetch(next);
        }
    }

    /// Private moves of a core that begin before the horizon: the next order, the end of a wait, or hits.
    pub(super) fn retires(&mut self, cpu: Cpu, horizon: u64) -> bool {
        let core = &self.cores[usize::from(cpu.0)];
        if core.is_left() || !core.stack.is_empty() || core.arrival.is_some() || core.ready >= horizon {
            return false;
        }
        match (core.state, &core.order) {
            // No interrupt can arrive before the horizon, and no tick comes.
            (State::Idle { .. }, _) => self.core(cpu).state = State::Running,
            (State::Running, None) => {
                let now = core.ready;
                if self.hits(cpu, horizon) > now || self.cores[usize::from(cpu.0)].order.is_some() {
                    return true;
                }
                match self.source.next(cpu, now) {
                    Some(order) => {
                        let core = self.core(cpu);
                        core.wait_for(&order, now);
                        core.order = Some(order);
                        if core.state == State::Running && self.is_local(cpu, &order) {
                            self.start(cpu, &order);
                        }
                    }
                    None => self.core(cpu).state = State::Done,
                }
            }
            (State::Running, Some(order)) if self.is_local(cpu, order) => self.next_order(cpu),
            _ => return false,
        }
        true
    }

    /// Retires accesses of a free core as long as its TLB serves them and they begin before the horizon. The first that does
    /// not becomes the core's order. Returns when the core is free again.
    pub(super) fn hits(&mut self, cpu: Cpu, horizon: u64) -> u64 {
        let n = usize::from(cpu.0);
        let since = self.cores[n].ready;
        if self.hot_victims {
            // Each access of theirs is looked at before it is made.
            return since;
        }
        let assist = self.setting.era.dirty_assist;
        let l1_cycles = self.prices.use_cycles(TlbLevel::L1);
        let all_clean = self.recent.is_empty();
        let (mut now, mut l1_hits) = (since, 0);
        let (mut left, mut looked) = (None, Looked::Nowhere);
        'free: loop {
            let mut front = self.world.front(cpu);
            let mut last: Option<Access> = None;
            let (access, begin, found) = loop {
                let Some(access) = self.source.next_access(cpu, now) else { break 'free };
                let begin = now + access.work;
                if begin >= horizon {
                    left = Some(access);
                    break 'free;
                }
                // The translation just used is the most recently used one: to find it once more changes nothing.
                if !last.is_some_and(|last| access.is_like(&last)) {
                    match near(&mut front, &access, assist) {
                        Some(entry) if all_clean && entry.marks == 0 => last = Some(access),
                        found => break (access, begin, found.copied()),
                    }
                }
                l1_hits += 1;
                now = begin + l1_cycles;
                if now >= horizon {
                    break 'free;
                }
            };
            let cycles = match found {
                Some(entry) => Some(self.used(cpu, access, (entry, TlbLevel::L1), begin)),
                None if self.overlap.is_on && access.work == 0 => {
                    (left, looked) = (Some(access), self.leave_at(cpu, access));
                    break;
                }
                None => self.far(cpu, access, begin),
            };
            let Some(cycles) = cycles else {
                (left, looked) = (Some(access), Looked::in_both(access));
                break;
            };
            now = begin + cycles;
            if now >= horizon {
                break;
            }
        }
        if l1_hits > 0 {
            self.stats.hits(TRANSLATE, l1_hits, l1_cycles);
        }
        let core = &mut self.cores[n];
        core.ready = now;
        if let Some(access) = left {
            let order = Order::from(access);
            core.looked = looked;
            core.wait_for(&order, now);
            core.order = Some(order);
        }
        now
    }

    /// Without run-ahead: takes at most `most` events before a time, for as long as they are accesses that a TLB serves and nothing is
    /// logged of them. The first that is not is left in the tree, as the order of its core. Returns how many events it took.
    #[inline(never)]
    pub(super) fn one_by_one(&mut self, before_cycles: u64, most: u64) -> u64 {
        if self.lookahead_cycles.is_some() || self.hot_victims {
            return 0;
        }
        let tick_cycles = self.ticks.map_or(u64::MAX, |ticks| ticks.after(self.now));
        let until = Until { before_cycles, events: most, tick_cycles };
        let mut taken = Taken { last_cycles: self.now, ..Taken::default() };
        while let Some((time, cpu, access, found)) = self.near_ones(&until, &mut taken) {
            let cycles = match found {
                Some(entry) => Some(self.used(cpu, access, (entry, TlbLevel::L1), time)),
                None if access.work > 0 => None,
                None => self.far(cpu, access, time),
            };
            if cycles.is_some() || access.work > 0 {
                // To have taken an order with work before it is an event of its own.
                (taken.last_cycles, taken.events) = (time, taken.events + 1);
            }
            let Some(cycles) = cycles else {
                let (core, order) = (&mut self.cores[usize::from(cpu.0)], Order::from(access));
                core.looked = Looked::in_both(access);
                core.wait_for(&order, time);
                core.order = Some(order);
                // When it is ready is up to the order.
                self.free[usize::from(cpu.0)] = false;
                self.schedule(cpu);
                break;
            };
            let Clock { cores, free, tree, .. } = self;
            go_on(cpu, time + cycles, until.tick_cycles, (cores, free, tree));
            if self.stats.has_logged() {
                break;
            }
        }
        (self.now, self.turns) = (taken.last_cycles, self.turns + taken.events);
        if taken.near > 0 {
            self.stats.hits(TRANSLATE, taken.near, self.prices.use_cycles(TlbLevel::L1));
        }
        taken.events
    }

    /// The accesses of [`Clock::one_by_one`] that the first level serves by an entry nothing was promised against. By themselves, so
    /// that all they need stays at hand. Returns the first access that is not one of them, its time and the entry, if it has one;
    /// none: the next event is no such access, or not now.
    #[inline]
    fn near_ones(&mut self, until: &Until, taken: &mut Taken) -> Option<(u64, Cpu, Access, Option<Entry>)> {
        let assist = self.setting.era.dirty_assist;
        let cycles = self.prices.use_cycles(TlbLevel::L1);
        let all_clean = self.recent.is_empty();
        let Clock { tree, free, source, world, cores, .. } = self;
        let may_take = until.events - taken.events;
        let mut served = 0;
        let next = loop {
            let Some((time, core)) = tree.min() else { break None };
            let is_free = free.get(usize::from(core)) == Some(&true);
            if served >= may_take || time >= until.before_cycles || !is_free {
                break None;
            }
            let cpu = Cpu(core);
            let Some(access) = source.next_access(cpu, time) else { break None };
            if access.work > 0 {
                break Some((time, cpu, access, None));
            }
            match near(&mut world.front(cpu), &access, assist) {
                Some(entry) if all_clean && entry.marks == 0 => {}
                found => break Some((time, cpu, access, found.copied())),
            }
            served += 1;
            taken.last_cycles = time;
            go_on(cpu, time + cycles, until.tick_cycles, (cores, free, tree));
        };
        (taken.near, taken.events) = (taken.near + served, taken.events + served);
        next
    }

    /// Makes an access at `now` if the TLB of the core serves it. Returns how many cycles it takes.
    pub(super) fn hit(&mut self, cpu: Cpu, access: Access, now: u64) -> Option<u64> {
        match near(&mut self.world.front(cpu), &access, self.setting.era.dirty_assist) {
            Some(&entry) => Some(self.used(cpu, access, (entry, TlbLevel::L1), now)),
            None => self.far(cpu, access, now),
        }
    }

    /// Makes an access that the first level has not served.
    #[inline(never)]
    pub(super) fn far(&mut self, cpu: Cpu, access: Access, now: u64) -> Option<u64> {
        let (mm, kind, assist) = (self.world.mm(access.task)?, access.kind, self.setting.era.dirty_assist);
        let entry = self.world.stlb_hit(cpu, (mm, access.vpn), kind, |entry| would_hit(entry, kind, assist))?;
        Some(self.used(cpu, access, (entry, TlbLevel::Stlb), now))
    }

    /// An access is made through this translation.
    #[inline(never)]
    fn used(&mut self, cpu: Cpu, access: Access, (entry, level): (Entry, TlbLevel), now: u64) -> u64 {
        if entry.marks != 0 || !self.recent.is_empty() {
            self.judge(cpu, &access, entry, now);
        }
        let cycles = self.prices.use_cycles(level);
        self.stats.hits(TRANSLATE, 1, cycles);
        cycles
    }

    /// The oracle's judgement of a use whose translation bears marks, or was marked less than the lookahead ago.
    fn judge(&mut self, cpu: Cpu, access: &Access, entry: Entry, now: u64) {
        let mm = self.world.mm(access.task).expect("user code runs in an address space");
        let page = self.world.page(mm, access.vpn).expect("a translation names a touched page");
        let marks = self.recent.binding(cpu, page, now).unwrap_or(Marks::of(entry));
        if let Some(class) = marks.breaks(access.kind) {
            self.stats.violated(cpu, page, class, now);
        }
    }

    /// Is this an access that touches nothing shared?
    fn is_local(&self, cpu: Cpu, order: &Order) -> bool {
        let What::Op(op) = order.what else { return false };
        let OpKind::Access(kind) = op.kind else { return false };
        let Some(mm) = self.world.mm(order.task) else { return false };
        let held = self.world.tlb_peek_for(cpu, (mm, op.span.first), kind);
        held.is_some_and(|entry| would_hit(entry, kind, self.setting.era.dirty_assist))
    }
}

/// The core whose event was the earliest is free again at this time, which the tree alone knows until it has another event: before the
/// next tick, if it may go on without the others.
#[expect(clippy::inline_always, reason = "a call here costs an access that a TLB serves 9 % of its instructions")]
#[inline(always)]
fn go_on(cpu: Cpu, ready: u64, tick_cycles: u64, (cores, free, tree): (&mut [Core], &mut [bool], &mut Tournament)) {
    if ready >= tick_cycles {
        let n = usize::from(cpu.0);
        (cores[n].ready, free[n]) = (ready, false);
    }
    debug_assert_eq!(tree.min().map(|(_, source)| source), Some(cpu.0), "the event made is the earliest");
    tree.put_off(ready);
}

/// The translation that serves an access, if the first level of the TLB has it.
#[expect(
    clippy::inline_always,
    reason = "a call here makes a hit a third dearer, and two loops are one too many to the compiler"
)]
#[inline(always)]
fn near<'a>(front: &'a mut Front<'_>, access: &Access, assist: bool) -> Option<&'a Entry> {
    front.hit((access.task, access.vpn), access.kind, |entry| would_hit(entry, access.kind, assist))
}
