//! A random workload: accesses, calls and reclaim on a few pages under two tables.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use sim_core::drive::clock::source::{Access, Order, Source, What};
use sim_core::drive::clock::stats::Stats;
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::Backing;
use sim_core::nouns::types::{AccessKind, Cpu, Mm, Rights, Span, Task};
use sim_core::policy::PolicyInfo;
use sim_core::step::era::ERAS;
use sim_core::world::big::Big;
use sim_core::world::{Folio, Vma, World};

pub(crate) const MM: Mm = Mm(0);
/// Pages of the first table; as many again are in a second one.
const PAGES: u64 = 12;
/// More than is ever needed: unmapped page cache stays.
const FRAMES: u32 = 1 << 20;

/// One stream of random numbers a core; no core knows of another.
#[derive(Clone)]
pub(crate) struct Random {
    streams: Vec<ChaCha8Rng>,
    left: Vec<u32>,
    /// Cores go on accessing a few pages for a while, as programs do.
    favourites: Vec<[u64; 3]>,
    /// What takes the last call back, and after how many more orders.
    undo: Vec<Option<(u64, Op)>>,
    reclaim: ChaCha8Rng,
    /// Are accesses handed out as such?
    pub(crate) hands_out: bool,
    /// An order that was not handed out as an access.
    drawn: Vec<Option<Order>>,
}

fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    u64::from(rng.next_u32()) % n
}

fn any_page(rng: &mut ChaCha8Rng) -> u64 {
    let page = below(rng, 2 * PAGES);
    if page < PAGES { page } else { 512 + page - PAGES }
}

impl Random {
    fn new(seed: u64, cpus: u16, orders: u32) -> Random {
        let stream = |n| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(n);
            rng
        };
        Random {
            streams: (0..u64::from(cpus)).map(stream).collect(),
            left: (0..cpus).map(|cpu| if cpu == 0 { orders / 10 } else { orders }).collect(),
            favourites: vec![[0, 1, 2]; usize::from(cpus)],
            undo: vec![None; usize::from(cpus)],
            reclaim: stream(1 << 20),
            hands_out: false,
            drawn: vec![None; usize::from(cpus)],
        }
    }

    /// A call, and the one that takes it back a little later, if it needs one.
    fn call(rng: &mut ChaCha8Rng) -> (Op, Option<Op>) {
        let span = Span { first: any_page(rng), pages: 1 + below(rng, 4) };
        let protect = |rights| (Op::mprotect(span, rights), Some(Op::mprotect(span, Rights::READ_WRITE)));
        let map = Op { rights: Rights::READ_WRITE, ..Op::call(OpKind::Mmap(Backing::SharedFile), span) };
        match below(rng, 8) {
            0..2 => protect(Rights::READ),
            2..4 => protect(Rights::NONE),
            4..6 => (Op::call(OpKind::Munmap, span), Some(map)),
            6 => (Op::call(OpKind::Dontneed, span), None),
            _ => (Op::call(OpKind::Pageout, span), None),
        }
    }
}

impl Random {
    fn draw(&mut self, cpu: Cpu) -> Option<Order> {
        let n = usize::from(cpu.0);
        let cpus = self.left.len() as u64;
        self.left[n] = self.left[n].checked_sub(1)?;
        let rng = &mut self.streams[n];
        let order =
            |op, work| Order { task: Task(cpu.0), what: What::Op(op), not_before: 0, work, tag: 0, cycle: None };
        if n == 0 {
            // kswapd: the pages are chosen when the list begins.
            let op = Op::call(OpKind::Reclaim(MM), Span::default());
            return Some(order(op, below(rng, 1_000)));
        }
        let work = if below(rng, 8) == 0 { below(rng, 700) } else { 0 };
        match &mut self.undo[n] {
            Some((0, op)) => {
                let op = *op;
                self.undo[n] = None;
                return Some(order(op, 0));
            }
            Some((left, _)) => *left -= 1,
            None if below(rng, 20 * cpus) == 0 => {
                let (op, undo) = Random::call(rng);
                self.undo[n] = undo.map(|undo| (below(rng, 10), undo));
                return Some(order(op, work));
            }
            None => {}
        }
        if below(rng, 60) == 0 {
            let new = any_page(rng);
            self.favourites[n][below(rng, 3) as usize] = new;
        }
        let vpn = self.favourites[n][below(rng, 3) as usize];
        let kind = [AccessKind::Load, AccessKind::Store, AccessKind::Load, AccessKind::Fetch][below(rng, 4) as usize];
        Some(order(Op::access(kind, vpn), work))
    }
}

impl Source for Random {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        let drawn = self.drawn[usize::from(cpu.0)].take();
        drawn.or_else(|| self.draw(cpu))
    }

    fn next_access(&mut self, cpu: Cpu, _now: u64) -> Option<Access> {
        if !self.hands_out || self.drawn[usize::from(cpu.0)].is_some() {
            return None;
        }
        let order = self.draw(cpu)?;
        let access = order.access();
        if access.is_none() {
            self.drawn[usize::from(cpu.0)] = Some(order);
        }
        access
    }

    fn begin(&mut self, cpu: Cpu, order: &Order, world: &mut Big, _now: u64) {
        if cpu != Cpu(0) {
            return;
        }
        for _ in 0..12 {
            let vpn = any_page(&mut self.reclaim);
            let Some(page) = world.page(MM, vpn) else { continue };
            let Some(pte) = world.pte(page).present() else { continue };
            let folio = world.folio(pte.frame);
            if !folio.isolated {
                let isolated = Folio { isolated: true, ..folio };
                world.set_folio(pte.frame, isolated);
                world.isolate(order.task, page, pte.frame);
            }
        }
    }
}

/// Everything a run leaves behind.
#[derive(Debug, PartialEq)]
pub(crate) struct Left {
    end_cycles: u64,
    ends_cycles: Vec<u64>,
    pub(crate) stats: Stats,
    pages: Vec<String>,
}

/// The clock of a random workload, with nothing run yet.
pub(crate) fn clock(
    policy: &PolicyInfo,
    seed: u64,
    cpus: u16,
    backing: Backing,
    (run_ahead, hands_out): (RunAhead, bool),
) -> Clock<Random> {
    let mut profile = prime_profile();
    // Some ticks a run, where there are any.
    profile.kernel.tick_hz = Some(50_000);
    let mut world = Big::new(&profile, cpus, FRAMES);
    world.add_mm();
    for cpu in 0..cpus {
        // CPU 0 is kswapd: a kernel thread.
        world.add_task((cpu > 0).then_some(MM));
        if cpu > 0 {
            world.switch_mm(Cpu(cpu), Some(MM), false, &mut |_, _| {});
        }
    }
    for first in [0, 512] {
        let vma = Vma { mapped: true, rights: Rights::READ_WRITE, backing };
        world.map(MM, Span { first, pages: PAGES }, vma);
    }
    let setting = Setting { policy: policy.strategy, era: ERAS[seed as usize % ERAS.len()] };
    let source = Random { hands_out, ..Random::new(seed, cpus, 3_000) };
    let mut clock = Clock::new(world, source, setting, &profile, run_ahead).expect("priced");
    clock.stats.flush_lines = Some(Vec::new());
    clock
}

/// What a run leaves behind when it is over.
pub(crate) fn left(clock: Clock<Random>) -> Left {
    let world = &clock.world;
    let page = |vpn| {
        let page = world.page(MM, vpn)?;
        let held: Vec<_> = (0..world.cpus()).map(|cpu| world.tlb_peek(Cpu(cpu), page)).collect();
        Some(format!("{vpn}: {:?} {:?} {held:?}", world.pte(page), world.promise(page)))
    };
    Left {
        end_cycles: clock.end_cycles().expect("it is over"),
        ends_cycles: clock.ends_cycles(),
        pages: (0..PAGES).chain(512..512 + PAGES).filter_map(page).collect(),
        stats: clock.stats,
    }
}
