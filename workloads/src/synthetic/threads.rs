//! What each core of a synthetic workload does next: a stream that depends on the core's own past only.

use std::num::NonZeroU64;
use std::sync::Arc;

use sim_core::drive::clock::source::{Order, What};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::Backing;
use sim_core::nouns::types::{AccessKind, Mm, Rights, Span, Task};
use sim_core::world::big::Big;
use sim_core::world::{Folio, World};

use crate::synthetic::draw::{Draw, Purpose, Zipf};
use crate::synthetic::layout::{Layout, backing_of, mmap, rights_of};
use crate::synthetic::looped::Looped;
use crate::synthetic::schema::{self, Call, Pattern, StepKind, Workload};

/// A workload is one process.
const PROCESS: Mm = Mm(0);

/// One of the operations of a thread: when it comes next, or how long it is still held.
#[derive(Clone, Debug)]
struct Due {
    accesses_left: u64,
    undo: Option<Op>,
}

/// A thread that accesses memory and makes calls in between.
#[derive(Clone)]
pub(super) struct User {
    layout: Layout,
    spec: schema::User,
    zipf: Option<Arc<Zipf>>,
    operations: Arc<[schema::Operation]>,
    core: u16,
    backing: Backing,
    due: Vec<Due>,
    cursor: u64,
    accesses: Draw,
    calls: Draw,
}

impl User {
    pub(super) fn new(workload: &Workload, zipf: Option<Arc<Zipf>>, seed: u64, core: u16) -> User {
        let layout = Layout::new(workload);
        let mut calls = Draw::new(seed, Purpose::Operation, core);
        let cores = u64::from(workload.cores.get_ref().get());
        User {
            layout,
            spec: workload.user.clone().expect("a thread with a pattern has one"),
            zipf,
            operations: workload.operations.clone().into(),
            core,
            backing: backing_of(workload),
            due: workload
                .operations
                .iter()
                .map(|operation| Due { accesses_left: calls.around(1, operation.gap_accesses.get()), undo: None })
                .collect(),
            cursor: layout.pages * u64::from(core) / cores,
            accesses: Draw::new(seed, Purpose::Access, core),
            calls,
        }
    }

    /// The next operation, and the cycles of work before it.
    fn next(&mut self) -> (Op, u64) {
        let work = self.accesses.around(0, self.spec.gap_cycles);
        if let Some(index) = self.due.iter().position(|due| due.accesses_left == 0) {
            return (self.call(index), work);
        }
        self.due.iter_mut().for_each(|due| due.accesses_left -= 1);
        let page = match self.spec.pattern {
            Pattern::Zipf => {
                let zipf = self.zipf.as_ref().expect("a zipf workload has its table");
                self.layout.ranked(zipf.draw(&mut self.accesses))
            }
            Pattern::Uniform => self.accesses.below(self.layout.pages),
            Pattern::Sequential => {
                self.cursor = (self.cursor + 1) % self.layout.pages;
                self.cursor
            }
        };
        let written = self.layout.among_first(page, *self.spec.written_percent.get_ref());
        let store = self.accesses.percent(*self.spec.stores_percent.get_ref()) && written;
        let kind = if store { AccessKind::Store } else { AccessKind::Load };
        (Op::access(kind, self.layout.vpn(page)), work)
    }

    fn call(&mut self, index: usize) -> Op {
        let operation = &self.operations[index];
        let gap = operation.gap_accesses.get();
        if let Some(undo) = self.due[index].undo.take() {
            self.due[index].accesses_left = self.calls.around(1, gap);
            return undo;
        }
        let pages = operation.span_pages.get_ref().get();
        let table = self.calls.below(self.layout.tables);
        let slot = self.calls.below(self.layout.table_pages - pages + 1);
        let span = Span { first: self.layout.vpn(table * self.layout.table_pages + slot), pages };
        let (op, undo) = match operation.call.get_ref() {
            Call::Mprotect => {
                let rights = rights_of(operation.rights);
                let undo = (rights != Rights::READ_WRITE).then(|| Op::mprotect(span, Rights::READ_WRITE));
                (Op::mprotect(span, rights), undo)
            }
            Call::Munmap => (Op::call(OpKind::Munmap, span), Some(mmap(span, self.backing))),
            Call::Mremap => {
                let aside = Span { first: self.layout.aside(self.core), pages };
                (Op::mremap(span, aside.first), Some(Op::mremap(aside, span.first)))
            }
            Call::Free => (Op::call(OpKind::Free, span), None),
            Call::Dontneed => (Op::call(OpKind::Dontneed, span), None),
            Call::Pageout => (Op::call(OpKind::Pageout, span), None),
            Call::Msync => (Op::call(OpKind::Writeback(PROCESS), span), None),
            Call::NumaScan => (Op::call(OpKind::NumaScan, span), None),
        };
        self.due[index] = Due {
            accesses_left: match undo {
                Some(_) => operation.hold_accesses,
                None => self.calls.around(1, gap),
            },
            undo,
        };
        op
    }
}

/// A thread that follows a program.
#[derive(Clone)]
pub(super) struct Programmed {
    /// The operations, and the mean cycles of work before each.
    ops: Arc<[(Op, u64)]>,
    pc: usize,
    draw: Draw,
}

impl Programmed {
    pub(super) fn new(workload: &Workload, program: &schema::Program, seed: u64) -> Programmed {
        let layout = Layout::new(workload);
        let mut ops = Vec::new();
        for step in &program.steps {
            let span = Span {
                first: layout.vpn(step.first),
                pages: step.pages.as_ref().map_or(0, |pages| pages.get_ref().get()),
            };
            let gap = workload.gap_cycles();
            let mut each = |op: fn(u64) -> Op| ops.extend((span.first..span.end()).map(|vpn| (op(vpn), gap)));
            let op = match step.what.get_ref() {
                StepKind::Load => {
                    each(|vpn| Op::access(AccessKind::Load, vpn));
                    continue;
                }
                StepKind::Store => {
                    each(|vpn| Op::access(AccessKind::Store, vpn));
                    continue;
                }
                StepKind::Migrate => {
                    each(|vpn| Op::call(OpKind::Migrate(PROCESS), Span::page(vpn)));
                    continue;
                }
                StepKind::Work => {
                    let cycles = step.cycles.map_or(0, NonZeroU64::get);
                    ops.push((Op::call(OpKind::Other, Span::default()), cycles));
                    continue;
                }
                StepKind::Mprotect => Op::mprotect(span, rights_of(step.rights)),
                StepKind::Munmap => Op::call(OpKind::Munmap, span),
                StepKind::Mmap => mmap(span, backing_of(workload)),
                StepKind::Mremap => Op::mremap(span, layout.vpn(step.to.unwrap_or_default())),
                StepKind::Free => Op::call(OpKind::Free, span),
                StepKind::Dontneed => Op::call(OpKind::Dontneed, span),
                StepKind::Pageout => Op::call(OpKind::Pageout, span),
                StepKind::Msync => Op::call(OpKind::Writeback(PROCESS), span),
                StepKind::NumaScan => Op::call(OpKind::NumaScan, span),
            };
            ops.push((op, gap));
        }
        Programmed { ops: ops.into(), pc: 0, draw: Draw::new(seed, Purpose::Access, *program.core.get_ref()) }
    }

    pub(super) fn next(&mut self) -> (Op, u64) {
        let (op, gap) = self.ops[self.pc];
        self.pc = (self.pc + 1) % self.ops.len();
        (op, self.draw.around(0, gap))
    }
}

/// A user thread.
#[derive(Clone)]
pub(super) enum Thread {
    /// With a pattern.
    User(Box<User>),
    /// With a program.
    Programmed(Box<Programmed>),
    /// In a loop over its own region.
    Looped(Box<Looped>),
}

impl Thread {
    /// May it stop here? A program is run to its end, so that its rounds are alike.
    pub(super) fn between_rounds(&self) -> bool {
        match self {
            Thread::User(_) => true,
            Thread::Programmed(programmed) => programmed.pc == 0,
            Thread::Looped(looped) => looped.between_rounds(),
        }
    }

    /// The next operation, and the cycles of work before it.
    pub(super) fn next(&mut self) -> (Op, u64) {
        match self {
            Thread::User(user) => user.next(),
            Thread::Programmed(programmed) => programmed.next(),
            Thread::Looped(looped) => looped.next(),
        }
    }

    /// Does what it gave last end a round?
    pub(super) fn ends_round(&self) -> bool {
        match self {
            Thread::User(_) => false,
            Thread::Programmed(programmed) => programmed.pc == 0,
            Thread::Looped(looped) => looped.ends_round(),
        }
    }
}

/// The number of the first reclaim cycle of a core: numbers must not depend on what other cores did before.
pub(super) fn first_cycle(core: u16) -> u64 {
    u64::from(core) << 48
}

/// A kernel thread that reclaims.
#[derive(Clone)]
pub(super) struct Reclaimer {
    layout: Layout,
    task: Task,
    mm: Mm,
    list_pages: u32,
    lists_per_cycle: u32,
    lists_done: u32,
    /// The cycle under way; cycles of different cores have different numbers.
    cycle: u64,
    pause_cycles: u64,
    hand: u64,
    draw: Draw,
}

impl Reclaimer {
    pub(super) fn new(workload: &Workload, spec: &schema::Reclaim, seed: u64, core: u16, who: (Task, Mm)) -> Reclaimer {
        Reclaimer {
            layout: Layout::new(workload),
            task: who.0,
            mm: who.1,
            list_pages: spec.list_pages.get(),
            lists_per_cycle: spec.lists_per_cycle.get(),
            lists_done: 0,
            cycle: first_cycle(core),
            pause_cycles: spec.pause_cycles,
            hand: 0,
            draw: Draw::new(seed, Purpose::Reclaim, core),
        }
    }

    /// May it stop here?
    pub(super) fn between_cycles(&self) -> bool {
        self.lists_done == 0
    }

    /// The next shrink list. Its pages are chosen when it begins.
    pub(super) fn next(&mut self) -> Order {
        let work = if self.between_cycles() { self.draw.around(self.pause_cycles / 2, self.pause_cycles) } else { 0 };
        Order {
            task: self.task,
            what: What::Op(Op::call(OpKind::Reclaim(self.mm), Span::default())),
            not_before: 0,
            work,
            tag: 0,
            cycle: Some(self.cycle),
        }
    }

    /// Isolates the next present pages that nobody else has isolated.
    pub(super) fn choose(&mut self, world: &mut Big) {
        let mut chosen = 0;
        for _ in 0..self.layout.pages {
            if chosen == self.list_pages {
                break;
            }
            let vpn = self.layout.vpn(self.hand);
            self.hand = (self.hand + 1) % self.layout.pages;
            let Some(page) = world.page(self.mm, vpn) else { continue };
            let Some(pte) = world.pte(page).present() else { continue };
            let folio = world.folio(pte.frame);
            if folio.isolated || !folio.lru {
                continue;
            }
            let isolated = Folio { isolated: true, ..folio };
            world.set_folio(pte.frame, isolated);
            world.isolate(self.task, page, pte.frame);
            chosen += 1;
        }
    }

    /// A list is done. True if a cycle is, too.
    pub(super) fn done(&mut self) -> bool {
        self.lists_done = (self.lists_done + 1) % self.lists_per_cycle;
        let cycle_done = self.between_cycles();
        self.cycle += u64::from(cycle_done);
        cycle_done
    }
}

/// kswapd, which has an order at all times and begins it when woken.
#[derive(Clone)]
pub(super) struct Kswapd {
    pub(super) task: Task,
    /// It has been woken since it began last.
    pub(super) woken: bool,
}

impl Kswapd {
    pub(super) fn order(&self) -> Order {
        let what = What::Op(Op::call(OpKind::Kswapd, Span::default()));
        Order { task: self.task, what, not_before: 0, work: 0, tag: 0, cycle: None }
    }
}
