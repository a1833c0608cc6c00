//! LATR's own measurement on its two machines: a page that all threads have touched is unmapped, under Linux and under LATR.
//!
//! Kumar et al., ASPLOS 2018, on 2 x 8 cores: munmap takes 70.8 % less; a state is saved in 132 ns, a sweep takes 158 ns, a shootdown
//! of Linux 1,594 ns (the last three with Apache). On 8 x 15 cores munmap takes more than 120 us, and less than 40. Their numbers are
//! recalled, so what is held here is their size.

use std::collections::VecDeque;

use sim_core::drive::clock::log::Happened;
use sim_core::drive::clock::source::{Order, Source, What};
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Cpu, Rights, Span, Task};
use sim_core::policy;
use sim_core::step::era;
use sim_core::step::frame::{Act, Path};
use sim_core::world::Vma;
use sim_core::world::big::Big;
use workloads::machines::machine;

/// Pages that are unmapped one after the other.
const ROUNDS: u64 = 400;
/// From one to the next: their loop has a barrier and an mmap in it.
const ROUND_NS: u64 = 25_000;

/// In each round all touch a page, and then CPU 0 unmaps it.
struct Rounds {
    orders: Vec<VecDeque<Order>>,
    /// Accesses and calls that are done.
    done: u64,
    begun: u64,
    munmap_cycles: Vec<u64>,
}

impl Source for Rounds {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        self.orders[usize::from(cpu.0)].pop_front()
    }

    fn may_begin(&self, order: &Order) -> bool {
        self.done >= u64::from(order.tag)
    }

    fn begin(&mut self, _cpu: Cpu, order: &Order, _world: &mut Big, now: u64) {
        if matches!(order.what, What::Op(Op { kind: OpKind::Munmap, .. })) {
            self.begun = now;
        }
    }

    fn done(&mut self, _cpu: Cpu, order: &Order, _world: &mut Big, now: u64) {
        self.done += 1;
        if matches!(order.what, What::Op(Op { kind: OpKind::Munmap, .. })) {
            self.munmap_cycles.push(now - self.begun);
        }
    }
}

/// What one run has measured, in nanoseconds.
#[derive(Debug)]
struct Measured {
    munmap: f64,
    record: f64,
    /// A record, swept by one CPU.
    swept: f64,
    /// A sweep, whatever it has found.
    sweep: f64,
    shootdown: f64,
    recorded: u64,
}

fn measure(name: &str, policy: &str, cpus: u16) -> Measured {
    let profile = machine(name).expect("a machine").profile();
    let mut world = Big::new(&profile, cpus, 1 << 16);
    let mm = world.add_mm();
    let vma = Vma { mapped: true, rights: Rights::READ_WRITE, backing: Backing::Anon };
    world.map(mm, Span { first: 0, pages: 2 * ROUNDS }, vma);
    for cpu in (0..cpus).map(Cpu) {
        world.add_task(Some(mm));
        world.switch_mm(cpu, Some(mm), false, &mut |_, _| {});
    }
    let mut orders = vec![VecDeque::new(); usize::from(cpus)];
    for round in 0..ROUNDS {
        let each = u64::from(cpus) + 1;
        let not_before = profile.cycles_from_ns(round * ROUND_NS);
        let order = |cpu: u16, op, after: u64| Order {
            task: Task(cpu),
            what: What::Op(op),
            not_before,
            work: 0,
            tag: after as u32,
            cycle: None,
        };
        // CPU 0 has it first.
        orders[0].push_back(order(0, Op::access(AccessKind::Store, round), round * each));
        for cpu in 1..cpus {
            orders[usize::from(cpu)].push_back(order(cpu, Op::access(AccessKind::Load, round), round * each + 1));
        }
        let unmap = Op::call(OpKind::Munmap, Span::page(round));
        orders[0].push_back(order(0, unmap, round * each + u64::from(cpus)));
    }
    let setting =
        Setting { policy: policy::find(policy).expect("a policy").strategy, era: *era::find("v4.13").expect("an era") };
    let source = Rounds { orders, done: 0, begun: 0, munmap_cycles: Vec::new() };
    let mut clock = Clock::new(world, source, setting, &profile, RunAhead::Off).expect("priced");
    clock.stats.log = Some(Vec::new());
    clock.run();
    let stats = &clock.stats;
    let log = stats.log.as_deref().expect("it was kept");
    let record = |act: &Act, path| path == Path::Munmap && matches!(act, Act::Broadcast(_));
    let records: u64 = log
        .iter()
        .filter(|entry| matches!(&entry.what, Happened::Act(act, at) if record(act, at.path)))
        .map(|entry| entry.length_cycles)
        .sum();
    let ns = |cycles: u64, of: u64| cycles as f64 / of as f64 * 1e3 / profile.machine.mhz as f64;
    let munmaps = &clock.source.munmap_cycles;
    Measured {
        munmap: ns(munmaps.iter().sum(), munmaps.len() as u64),
        record: ns(records, stats.recorded),
        swept: ns(stats.cycles.receivers, stats.records_swept),
        sweep: ns(stats.cycles.receivers, stats.sweeps),
        shootdown: ns(stats.cycles.initiator + stats.cycles.waiting, munmaps.len() as u64),
        recorded: stats.recorded,
    }
}

#[test]
fn what_munmap_saves_on_two_sockets_grows_to_more_than_was_published() {
    let mut saved_by_fewer = 0.0;
    for cpus in [2, 4, 8, 16] {
        let (linux, latr) = (measure("hsw_ep_2s16", "batched", cpus), measure("hsw_ep_2s16", "latr", cpus));
        let saved = 100.0 * (1.0 - latr.munmap / linux.munmap);
        println!("{cpus} CPUs: {saved:.1} %\n  {linux:?}\n  {latr:?}");
        assert_eq!((linux.recorded, latr.recorded), (0, ROUNDS));
        // The rest of the call is saved by nobody, and is the less of it the more CPUs there are to tell.
        assert!(saved > saved_by_fewer, "{cpus} CPUs: {saved}, with fewer {saved_by_fewer}");
        saved_by_fewer = saved;
        assert!((66.0..265.0).contains(&latr.record) && latr.sweep >= latr.swept, "{latr:?}");
        match cpus {
            2 => assert!((79.0..316.0).contains(&latr.swept), "{latr:?}"),
            // Those who tick at once wait for each other.
            16 => {
                assert!((6_000.0..10_000.0).contains(&linux.munmap) && latr.swept > 500.0, "{linux:?} {latr:?}");
                assert!(linux.shootdown > 0.716 * linux.munmap, "{linux:?}");
                // 70.8 % were published; the call is shorter here by what is not in the model.
                assert!((70.8..90.0).contains(&saved), "{saved}");
            }
            _ => {}
        }
    }
}

#[test]
fn what_munmap_saves_on_eight_sockets_is_what_was_published() {
    let (linux, latr) = (measure("ivb_ex_8s120", "batched", 120), measure("ivb_ex_8s120", "latr", 120));
    println!("{linux:?}\n{latr:?}");
    assert!((100_000.0..150_000.0).contains(&linux.munmap) && latr.munmap < 40_000.0, "{linux:?} {latr:?}");
    // Sweeps of so many take so long that some calls find their ring full, and interrupt.
    assert!(latr.recorded < ROUNDS && latr.sweep > 100_000.0, "{latr:?}");
}
