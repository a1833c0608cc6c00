//! Orders that may not begin yet, as replays have them.

mod common;

use std::collections::VecDeque;

use common::{Machine, load, order, span, store};
use sim_core::drive::clock::source::{Order, Source};
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Cpu, Rights};
use sim_core::policy;
use sim_core::step::era;
use sim_core::step::frame::Act;
use sim_core::world::big::Big;

/// Holds the orders of CPU 1 until CPU 0 has done as many as it has.
struct Holding {
    script: VecDeque<Order>,
    held: Option<Order>,
    left: u32,
}

impl Source for Holding {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        if cpu == Cpu(0) { self.script.pop_front() } else { self.held.take().filter(|_| cpu == Cpu(1)) }
    }

    fn may_begin(&self, order: &Order) -> bool {
        order.tag == 0 || self.left == 0
    }

    fn done(&mut self, cpu: Cpu, _order: &Order, _world: &mut Big, _now: u64) {
        self.left -= u32::from(cpu == Cpu(0));
    }
}

#[test]
fn an_interrupt_does_not_make_a_held_core_forget_to_ask() {
    // The last order of CPU 0 shoots CPU 1 down and ends while CPU 1 is still on its way out of the interrupt.
    let profile = prime_profile();
    let mut machine = Machine::new(&profile, &[0, 1]);
    machine.fill(span(0, 1), Backing::Anon, true);
    let script = VecDeque::from([order(0, store(0)), order(0, Op::mprotect(span(0, 1), Rights::READ))]);
    let held = Some(Order { tag: 1, ..order(1, load(0)) });
    let left = script.len() as u32;
    let setting = Setting {
        policy: policy::find("batched").expect("a registered policy").strategy,
        era: *era::find("v5.17").expect("an era"),
    };
    let source = Holding { script, held, left };
    let mut clock = Clock::new(machine.world, source, setting, &profile, RunAhead::Off).expect("priced");
    clock.run();
    assert_eq!((clock.stats.ipis_received, clock.stats.accesses), (1, 2));
}

/// Holds the order of CPU 1 until CPU 0 has written a page.
struct Writing {
    orders: [Option<Order>; 2],
    written_cycles: Option<u64>,
    begun_cycles: Option<u64>,
}

impl Source for Writing {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        self.orders.get_mut(usize::from(cpu.0))?.take()
    }

    fn may_begin(&self, order: &Order) -> bool {
        order.tag == 0 || self.written_cycles.is_some()
    }

    fn pace(&mut self, _order: &Order, act: Act, now: u64) -> u64 {
        if matches!(act, Act::Write(_)) {
            self.written_cycles = Some(now);
        }
        now
    }

    fn begin(&mut self, _cpu: Cpu, order: &Order, _world: &mut Big, now: u64) {
        if order.tag == 1 {
            self.begun_cycles = Some(now);
        }
    }
}

#[test]
fn what_is_held_for_a_write_begins_with_it_and_not_when_the_call_is_done() {
    let profile = prime_profile();
    let mut machine = Machine::new(&profile, &[0, 1]);
    machine.fill(span(0, 1), Backing::Anon, true);
    let orders = [order(0, Op::call(OpKind::Pageout, span(0, 1))), Order { tag: 1, ..order(1, load(30)) }];
    let setting = Setting {
        policy: policy::find("batched").expect("a registered policy").strategy,
        era: *era::find("v5.17").expect("an era"),
    };
    let source = Writing { orders: orders.map(Some), written_cycles: None, begun_cycles: None };
    let mut clock = Clock::new(machine.world, source, setting, &profile, RunAhead::Off).expect("priced");
    clock.run();
    let Writing { written_cycles, begun_cycles, .. } = clock.source;
    assert!(written_cycles.is_some_and(|written| written < clock.ends_cycles()[0]), "{written_cycles:?}");
    assert_eq!(begun_cycles, written_cycles);
}
