//! The explorer: every interleaving of the seed's race under each policy, and of a small model that other checkers know.
//!
//! Criterion prints states a second as its throughput. What a state costs in memory, and how many states there are in all, is
//! printed first.

#[path = "../sim-core/tests/models/reference.rs"]
mod reference;

use benches::setting;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use reference::{Reference, Told};
use sim_core::drive::explore::race::Race;
use sim_core::drive::explore::{Options, Order, System, search_with};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Mm, Rights, Span};
use sim_core::policy::POLICIES;
use sim_core::world::small::Scenario;

fn bench<S: System>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, system: &S, options: &Options) {
    let run = || search_with(system, options, &mut |_| {});
    let outcome = run();
    let (states, transitions) = (outcome.states, outcome.transitions);
    println!("{name}: {states} states, {transitions} transitions, {:.1} bytes per state", outcome.bytes_per_state());
    group.throughput(Throughput::Elements(states as u64));
    group.bench_function(name, |b| b.iter(run));
}

fn seed(c: &mut Criterion) {
    let store = Op::access(AccessKind::Store, 0);
    let reclaim = Op::call(OpKind::Reclaim(Mm(0)), Span::page(0));
    let protect = Op::mprotect(Span::page(0), Rights::READ);
    let scenario = Scenario::new("seed", 1, 1, &[&[reclaim], &[store, store], &[protect]]);
    let mut group = c.benchmark_group("explore-seed");
    group.sample_size(10);
    for policy in POLICIES {
        let race = Race { scenario: &scenario, setting: setting(policy, "v4.13") };
        bench(&mut group, policy.name, &race, &Options::default());
    }
    group.finish();
}

fn ways(c: &mut Criterion) {
    let model = Reference::new(3, Told::Generation);
    let mut group = c.benchmark_group("explore-reference");
    group.sample_size(10);
    let plain = Options::default();
    bench(&mut group, "breadth-first", &model, &plain);
    bench(&mut group, "two-threads", &model, &Options { threads: 2, ..plain });
    bench(&mut group, "depth-first", &model, &Options { order: Order::Depth, ..plain });
    bench(&mut group, "reduced", &model, &Options { reduce: true, ..plain });
    bench(&mut group, "symmetric", &model, &Options { symmetry: true, ..plain });
    group.finish();
    for told in [Told::Nothing, Told::Flag] {
        let outcome = search_with(&Reference::new(3, told), &plain, &mut |_| {});
        println!("{told:?}: {} states until the race", outcome.states);
    }
}

criterion_group!(benches, seed, ways);
criterion_main!(benches);
