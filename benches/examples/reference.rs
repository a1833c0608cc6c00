//! One search, over and over, for `against-peers`: `reference breadth|depth|kernel N` prints how many states all of them had.

#[path = "../../sim-core/tests/models/reference.rs"]
#[allow(dead_code, reason = "only one of its policies is timed")]
mod reference;

use benches::setting;
use reference::{Reference, Told};
use sim_core::drive::explore::race::Race;
use sim_core::drive::explore::{Options, Order, System, search_with};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Mm, Rights, Span};
use sim_core::policy;
use sim_core::world::small::Scenario;

/// The one of `mmusim`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn run<S: System>(system: &S, order: Order, times: usize) {
    let options = Options { order, ..Options::default() };
    let outcomes = (0..times).map(|_| search_with(system, &options, &mut |_| {}));
    let (states, bytes) = outcomes.fold((0, 0.0), |(states, _), outcome| {
        (states + outcome.states, outcome.bytes_per_state()) //
    });
    println!("{states} {bytes:.1}");
}

/// The seed's race over two pages of a page table.
fn kernel(times: usize) {
    let store = Op::access(AccessKind::Store, 0);
    let reclaim = Op::call(OpKind::Reclaim(Mm(0)), Span { first: 0, pages: 2 });
    let protect = Op::mprotect(Span { first: 0, pages: 2 }, Rights::READ);
    let scenario = Scenario::new("two pages", 2, 1, &[&[reclaim], &[store, store], &[protect]]);
    let policy = policy::find("pending-generation").expect("a policy of the registry");
    run(&Race { scenario: &scenario, setting: setting(policy, "v6.18") }, Order::Breadth, times);
}

fn main() {
    let mut words = std::env::args().skip(1);
    let (what, times) = (words.next().unwrap_or_default(), words.next().and_then(|n| n.parse().ok()).unwrap_or(1));
    let model = Reference::new(3, Told::Generation);
    match what.as_str() {
        "depth" => run(&model, Order::Depth, times),
        "kernel" => kernel(times),
        _ => run(&model, Order::Breadth, times),
    }
}
