//! The explorer: every interleaving of the seed's race under each policy.

use benches::setting;
use criterion::{Criterion, criterion_group, criterion_main};
use sim_core::drive::explore::race::Race;
use sim_core::drive::explore::search;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Mm, Rights, Span};
use sim_core::policy::POLICIES;
use sim_core::world::small::Scenario;

fn seed(c: &mut Criterion) {
    let store = Op::access(AccessKind::Store, 0);
    let reclaim = Op::call(OpKind::Reclaim(Mm(0)), Span::page(0));
    let protect = Op::mprotect(Span::page(0), Rights::READ);
    let scenario = Scenario::new("seed", 1, 1, &[&[reclaim], &[store, store], &[protect]]);
    let mut group = c.benchmark_group("explore-seed");
    group.sample_size(10);
    for policy in POLICIES {
        let race = Race { scenario: &scenario, setting: setting(policy, "v4.13") };
        group.bench_function(policy.name, |b| b.iter(|| search(&race, usize::MAX)));
    }
    group.finish();
}

criterion_group!(benches, seed);
criterion_main!(benches);
