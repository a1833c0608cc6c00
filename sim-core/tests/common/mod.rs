//! A scripted machine on the clock, shared by the clock's tests.
#![allow(dead_code, unreachable_pub)] // Each test program uses its part.

pub mod hand;

use std::collections::VecDeque;

use sim_core::drive::clock::source::{Order, Source, What};
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::profile::Profile;
use sim_core::nouns::op::Op;
use sim_core::nouns::types::Backing;
use sim_core::nouns::types::{AccessKind, Cpu, Mm, Page, Present, Pte, Rights, Span, Task};
use sim_core::policy;
use sim_core::step::era::{self, Era};
use sim_core::world::big::Big;
use sim_core::world::{Folio, Vma, World};

pub const MM: Mm = Mm(0);

/// An operation of the task of the same number as its CPU, as soon as the CPU is free.
pub fn order(cpu: u16, op: Op) -> Order {
    Order { task: Task(cpu), what: What::Op(op), not_before: 0, work: 0, tag: 0, cycle: None }
}

/// The same, not before a time in cycles.
pub fn at(cycles: u64, order: Order) -> Order {
    Order { not_before: cycles, ..order }
}

pub fn load(vpn: u64) -> Op {
    Op::access(AccessKind::Load, vpn)
}

pub fn store(vpn: u64) -> Op {
    Op::access(AccessKind::Store, vpn)
}

pub fn span(first: u64, pages: u64) -> Span {
    Span { first, pages }
}

/// A page of the address space that has been touched.
pub fn page(world: &Big, vpn: u64) -> Page {
    world.page(MM, vpn).expect("a touched page")
}

/// The PTE of a present page.
pub fn pte(world: &Big, vpn: u64) -> Present {
    world.pte(page(world, vpn)).present().unwrap_or_else(|| panic!("page {vpn} is not present"))
}

/// When an order began and ended, in cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    pub begin: u64,
    pub end: u64,
}

impl Ran {
    pub fn cycles(self) -> u64 {
        self.end - self.begin
    }
}

/// Plays a list of orders on each CPU and notes when each ran.
pub struct Script {
    orders: Vec<VecDeque<Order>>,
    pub ran: Vec<Vec<Ran>>,
}

impl Script {
    /// What a CPU does next.
    pub fn peek(&self, cpu: Cpu) -> Option<&Order> {
        self.orders[usize::from(cpu.0)].front()
    }
}

impl Source for Script {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        self.orders[usize::from(cpu.0)].pop_front()
    }

    fn begin(&mut self, cpu: Cpu, _order: &Order, _world: &mut Big, now: u64) {
        self.ran[usize::from(cpu.0)].push(Ran { begin: now, end: 0 });
    }

    fn done(&mut self, cpu: Cpu, _order: &Order, _world: &mut Big, now: u64) {
        self.ran[usize::from(cpu.0)].last_mut().expect("it began").end = now;
    }
}

/// A machine to be scripted: one address space, one task a CPU.
pub struct Machine {
    pub profile: Profile,
    pub world: Big,
    pub policy: &'static str,
    pub era: &'static str,
    pub nested_gathers: bool,
    orders: Vec<VecDeque<Order>>,
}

impl Machine {
    /// 1,024 pages are mapped, none is touched; `users` have the address space loaded.
    pub fn new(profile: &Profile, users: &[u16]) -> Machine {
        let cpus = profile.cpus() as u16;
        let mut world = Big::new(profile, cpus, 1 << 20);
        let mm = world.add_mm();
        (0..cpus).for_each(|_| _ = world.add_task(Some(mm)));
        for &cpu in users {
            world.switch_mm(Cpu(cpu), Some(mm), false, &mut |_, _| {});
        }
        let vma = Vma { mapped: true, rights: Rights::READ_WRITE, backing: Backing::Anon };
        world.map(mm, span(0, 1024), vma);
        Machine {
            profile: profile.clone(),
            world,
            policy: "immediate",
            era: "v5.17",
            nested_gathers: true,
            orders: vec![VecDeque::new(); usize::from(cpus)],
        }
    }

    /// Maps frames in a span, writable; no cache line of the tables has been touched by anybody.
    pub fn fill(&mut self, pages: Span, backing: Backing, dirty: bool) {
        let vma = Vma { mapped: true, rights: Rights::READ_WRITE, backing };
        self.world.map(MM, pages, vma);
        for vpn in pages.first..pages.end() {
            let page = self.world.populate(MM, vpn);
            let frame = self.world.alloc_frame().expect("frames are plenty");
            let anon = backing == Backing::Anon;
            let external = backing == Backing::Pfn;
            let folio = Folio { lru: !external, anon, cached: !anon, dirty: anon, ..self.world.folio(frame) };
            self.world.set_folio(frame, folio);
            self.world.set_cached_frame(page, external.then_some(frame));
            let pte = Present { frame, writable: true, dirty, accessed: true, protnone: false };
            self.world.pte_xchg(page, Pte::Present(pte));
        }
    }

    /// Adds to the script of a CPU.
    pub fn plays(&mut self, cpu: u16, orders: impl IntoIterator<Item = Order>) {
        self.orders[usize::from(cpu)].extend(orders);
    }

    /// Runs the script.
    pub fn run(self) -> Clock<Script> {
        self.run_ahead(RunAhead::Off)
    }

    /// Runs the script with this run-ahead.
    pub fn run_ahead(self, run_ahead: RunAhead) -> Clock<Script> {
        self.run_by(|script| script, run_ahead)
    }

    /// Runs what a source makes of the script.
    pub fn run_by<S: Source>(self, source: impl FnOnce(Script) -> S, run_ahead: RunAhead) -> Clock<S> {
        let mut clock = self.clock(source, run_ahead);
        clock.run();
        clock
    }

    /// The clock with nothing run yet.
    pub fn clock<S: Source>(self, source: impl FnOnce(Script) -> S, run_ahead: RunAhead) -> Clock<S> {
        let setting = Setting {
            policy: policy::find(self.policy).expect("a registered policy").strategy,
            era: Era { nested_gathers: self.nested_gathers, ..*era::find(self.era).expect("an era") },
        };
        let script = Script { ran: vec![Vec::new(); self.orders.len()], orders: self.orders };
        Clock::new(self.world, source(script), setting, &self.profile, run_ahead).expect("priced")
    }
}
