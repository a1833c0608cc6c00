//! What a core does without the others: accesses that its own TLB serves, one after the other.
//!
//! Such an access touches nothing shared, so it needs no frame and no step: one look into the TLB, one into the marks of the
//! entry found. The text of the kernel paths comes to the same (`access::step`, U1), and the tests hold both against each other.

use crate::drive::clock::Clock;
use crate::drive::clock::cores::State;
use crate::drive::clock::source::{Access, Order, Source, What};
use crate::kernel::path::{TRANSLATE, would_hit};
use crate::machine::tlb::Entry;
use crate::nouns::op::OpKind;
use crate::nouns::types::{AccessKind, Cpu, Task};
use crate::oracle::Marks;
use crate::world::World;

impl<S: Source> Clock<S> {
    /// Retires what a core does on its own, as long as nobody could have reached it meanwhile.
    pub(super) fn run_ahead(&mut self, cpu: Cpu, lookahead: u64) {
        let others = self.tree.second_min_time_excluding(cpu.0).unwrap_or(u64::MAX);
        let horizon = others.saturating_add(lookahead);
        while self.retires(cpu, horizon) {}
    }

    /// Private moves of a core that begin before the horizon: the next order, the end of a wait, or hits.
    fn retires(&mut self, cpu: Cpu, horizon: u64) -> bool {
        let core = &self.cores[usize::from(cpu.0)];
        if !core.stack.is_empty() || core.arrival.is_some() || core.ready >= horizon {
            return false;
        }
        match (core.state, &core.order) {
            // No interrupt can arrive before the horizon.
            (State::Idle { .. }, _) => self.core(cpu).state = State::Running,
            (State::Running, None) => {
                let now = self.hits(cpu, horizon);
                let core = &self.cores[usize::from(cpu.0)];
                if core.order.is_some() || now >= horizon {
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

    /// Retires accesses of a free core as long as its TLB serves them. The first that must wait, for its time or for the tree,
    /// becomes the core's order. Returns when the core is free again.
    fn hits(&mut self, cpu: Cpu, horizon: u64) -> u64 {
        let mut now = self.cores[usize::from(cpu.0)].ready;
        while let Some(access) = self.next_access(cpu, now) {
            let begin = now + access.work;
            let served = (begin < horizon).then(|| self.hit(cpu, access.task, access.vpn, access.kind, begin)).flatten();
            let Some(cycles) = served else {
                let core = self.core(cpu);
                let order = Order::from(access);
                core.ready = now;
                core.wait_for(&order, now);
                core.order = Some(order);
                return now;
            };
            now = begin + cycles;
            self.ask_held(now);
            if now >= horizon {
                break;
            }
        }
        self.core(cpu).ready = now;
        now
    }

    /// The next access of a core, if its source hands it out as such.
    #[inline]
    pub(super) fn next_access(&mut self, cpu: Cpu, now: u64) -> Option<Access> {
        // A hot victim's access is looked at before it is made.
        if self.hot_victims { None } else { self.source.next_access(cpu, now) }
    }

    /// Makes an access at `now` if the TLB of the core serves it. Returns how many cycles it takes.
    #[inline]
    pub(super) fn hit(&mut self, cpu: Cpu, task: Task, vpn: u64, kind: AccessKind, now: u64) -> Option<u64> {
        let mm = self.world.mm(task)?;
        let assist = self.setting.era.dirty_assist;
        let (entry, level) = self.world.tlb_hit(cpu, mm, vpn, kind, |entry| would_hit(entry, kind, assist))?;
        if entry.marks != 0 || !self.recent.is_empty() {
            let page = self.world.page(mm, vpn).expect("a translation names a touched page");
            self.used(cpu, page, kind, entry, now);
        }
        let cycles = self.prices.use_cycles(Some(level));
        self.stats.hit(TRANSLATE, cycles);
        Some(cycles)
    }

    /// The oracle's judgement of a use whose translation bears marks, or was marked less than the lookahead ago.
    #[inline(never)]
    fn used(&mut self, cpu: Cpu, page: crate::nouns::types::Page, kind: AccessKind, entry: Entry, now: u64) {
        let marks = self.recent.binding(cpu, page, now).unwrap_or(Marks::of(entry));
        if let Some(class) = marks.breaks(kind) {
            self.stats.violated(page, class);
        }
    }

    /// Is this an access that touches nothing shared?
    fn is_local(&self, cpu: Cpu, order: &Order) -> bool {
        let What::Op(op) = order.what else { return false };
        let OpKind::Access(kind) = op.kind else { return false };
        let Some(mm) = self.world.mm(order.task) else {
            return false;
        };
        let assist = self.setting.era.dirty_assist;
        let held = self.world.tlb_peek_for(cpu, mm, op.span.first, kind);
        held.is_some_and(|entry| would_hit(entry, kind, assist))
    }
}
