//! Flush strategies on kernel paths: how fast a shootdown, a reclaim cycle and a pending check are simulated under each policy.
//!
//! One core makes the calls; all others run the process, so that every flush goes to them.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sim_core::policy::POLICIES;
use workloads::speed::calls::{Busy, Calls};

/// Rounds of calls in one sample.
const ROUNDS: u32 = 20;

fn strategies(c: &mut Criterion) {
    for calls in [Calls::Shootdown, Calls::Reclaim, Calls::PendingCheck] {
        let mut group = c.benchmark_group(format!("flush_strategies/{}", calls.name()));
        group.sample_size(10).throughput(Throughput::Elements(u64::from(ROUNDS)));
        for policy in POLICIES {
            for cores in [2, 16, 128] {
                let ready = || Busy::new(calls, policy, cores, 1, ROUNDS);
                group.bench_function(format!("{}/{cores}", policy.name), |b| {
                    b.iter_batched_ref(ready, Busy::run, BatchSize::PerIteration);
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, strategies);
criterion_main!(benches);
