//! The simulator on the same accesses as the bare loop: events, dispatch, TLBs, oracle and statistics.

use sim_core::drive::clock::source::{Access, Order, Source};
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::profile::Profile;
use sim_core::nouns::types::{AccessKind, Backing, Cpu, Mm, Present, Pte, Rights, Span, Task};
use sim_core::policy;
use sim_core::step::era::ERAS;
use sim_core::world::big::Big;
use sim_core::world::{Folio, Vma, World};

use super::mix::{Mix, Stream};
use super::{LOOKAHEAD_CYCLES, STLB_CYCLES, Shape, WALK_CYCLES};
use crate::machines::machine;

/// The machine of the bare loop: Skylake's TLBs, the latencies of the loop.
pub fn profile(cores: u16) -> Profile {
    let mut profile = machine("skx_2s").expect("a shipped profile").profile();
    let machine = &mut profile.machine;
    (machine.sockets, machine.cores_per_socket, machine.smt) = (1, u32::from(cores), 1);
    profile.tlb.stlb_hit_cyc = STLB_CYCLES;
    profile.tlb.cached_walk_extra_cyc = STLB_CYCLES + WALK_CYCLES;
    let cache = &mut profile.cache;
    (cache.l1_cyc, cache.dram_local_cyc, cache.c2c_same_cyc) = (1, STLB_CYCLES + WALK_CYCLES, LOOKAHEAD_CYCLES);
    (profile.psc.hit_cyc, cache.l2_cyc) = (0, 0);
    profile
}

/// The streams of all cores as orders.
pub struct Accesses {
    mix: Mix,
    streams: Vec<Stream>,
}

impl Source for Accesses {
    fn next(&mut self, cpu: Cpu, now: u64) -> Option<Order> {
        self.next_access(cpu, now).map(Order::from)
    }

    #[inline]
    fn next_access(&mut self, cpu: Cpu, _now: u64) -> Option<Access> {
        let vpn = self.streams[usize::from(cpu.0)].next(self.mix)?;
        Some(Access { task: Task(cpu.0), kind: AccessKind::Load, vpn, work: 0 })
    }
}

/// The simulator, ready to run.
pub struct Whole {
    clock: Clock<Accesses>,
}

impl Whole {
    /// Every page drawn is in memory, the TLBs are warm.
    ///
    /// # Panics
    /// Never: the profile has prices for interrupts.
    pub fn new(shape: Shape) -> Whole {
        let profile = profile(shape.cores);
        let mut world = Big::new(&profile, shape.cores, u32::MAX);
        let mm = world.add_mm();
        for cpu in (0..shape.cores).map(Cpu) {
            world.add_task(Some(mm));
            world.switch_mm(cpu, Some(mm), false, &mut |_, _| {});
        }
        map(&mut world, mm, shape);
        for vpn in shape.mix.resident() {
            let page = world.page(mm, vpn).expect("it is mapped");
            let pte = world.pte(page).present().expect("it is in memory");
            for cpu in (0..shape.cores).map(Cpu) {
                let entry = sim_core::kernel::path::entry_of(pte);
                world.tlb_fill(cpu, page, AccessKind::Load, entry, &mut |_, _| {});
            }
        }
        let setting = Setting::of(policy::find("pending-generation").expect("a registered policy"), ERAS[0]);
        let source = Accesses { mix: shape.mix, streams: shape.streams().collect() };
        let run_ahead = if shape.run_ahead { RunAhead::Upto(LOOKAHEAD_CYCLES) } else { RunAhead::Off };
        Whole { clock: Clock::new(world, source, setting, &profile, run_ahead).expect("it sends interrupts") }
    }

    /// Does all accesses.
    pub fn run(&mut self) -> u64 {
        self.clock.run();
        self.clock.stats.accesses
    }

    /// Cycles of all accesses together.
    pub fn access_cycles(&self) -> u64 {
        self.clock.stats.access_cycles
    }

    /// Events taken from the queue.
    pub fn events(&self) -> u64 {
        self.clock.turns()
    }
}

/// Maps what the streams will touch, and what is in the TLBs from the start.
fn map(world: &mut Big, mm: Mm, shape: Shape) {
    let mut pages: Vec<u64> = shape.mix.resident().collect();
    for mut stream in shape.streams() {
        while let Some(vpn) = stream.next(shape.mix) {
            if !shape.mix.is_resident(vpn) {
                pages.push(vpn);
            }
        }
    }
    pages.sort_unstable();
    pages.dedup();
    let vma = Vma { mapped: true, rights: Rights::READ_WRITE, backing: Backing::Anon };
    world.map(mm, Span { first: 0, pages: 1 << 24 }, vma);
    for vpn in pages {
        let page = world.populate(mm, vpn);
        let frame = world.alloc_frame().expect("frames are plenty");
        let folio = Folio { lru: true, anon: true, dirty: true, ..world.folio(frame) };
        world.set_folio(frame, folio);
        let pte = Present { frame, writable: true, dirty: true, accessed: true, protnone: false };
        world.pte_xchg(page, Pte::Present(pte));
    }
}
