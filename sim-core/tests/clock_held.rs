//! Orders that may not begin yet, as replays have them.

mod common;

use std::collections::VecDeque;

use common::{Machine, load, order, span, store};
use sim_core::drive::clock::source::{Order, Source};
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::Op;
use sim_core::nouns::types::{Backing, Cpu, Rights};
use sim_core::policy;
use sim_core::step::era;
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
