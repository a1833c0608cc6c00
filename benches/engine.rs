//! The clock's engine: what an access costs by where it finds its translation, beside the bare loop, and what a shootdown costs.

use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use sim_core::machine::mmu::{Access, Mmu};
use sim_core::machine::psc::Psc;
use sim_core::machine::tlb::{Entry, Key, PageSize};
use sim_core::policy;
use workloads::speed::Shape;
use workloads::speed::bare::Bare;
use workloads::speed::calls::{Busy, Calls};
use workloads::speed::mix::Mix;
use workloads::speed::whole::{Whole, profile};

const ACCESSES: u32 = 100_000;

fn key(vpn: u64) -> Key {
    Key::new(vpn, 0, PageSize::Size4K)
}

/// An event, and the access that it is, by core number, mix and run-ahead.
fn accesses(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine-access");
    group.sample_size(10);
    for mix in Mix::ALL {
        for (cores, run_ahead) in [(2, true), (2, false), (64, true), (64, false)] {
            let shape = Shape { cores, mix, accesses: ACCESSES, run_ahead };
            group.throughput(Throughput::Elements(u64::from(ACCESSES)));
            let name = format!("{}/{cores}{}", mix.name(), if run_ahead { "-ahead" } else { "" });
            group.bench_function(format!("{name}/whole"), |b| {
                b.iter_batched_ref(|| Whole::new(shape), Whole::run, BatchSize::PerIteration);
            });
            group.bench_function(format!("{name}/bare"), |b| {
                b.iter_batched_ref(|| Bare::new(shape), Bare::run, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

/// Lookups of pages in turn, all of which end at the same level.
fn lookups(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, held: u64, asked: impl Fn(u64) -> u64) {
    let mut mmu = Mmu::new(&profile(1));
    for vpn in 0..held {
        mmu.fill(key(vpn), Access::Load, Entry::default());
    }
    let mut turn = 0;
    group.bench_function(name, |b| {
        b.iter(|| {
            turn += 1;
            mmu.lookup(key(asked(turn)), Access::Load)
        });
    });
}

fn tlb(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine-tlb");
    group.sample_size(20);
    lookups(&mut group, "l1-hit", 48, |turn| turn % 48);
    // More pages than the first level holds, each asked for when it has long left it.
    lookups(&mut group, "stlb-hit", 1_024, |turn| turn % 1_024);
    lookups(&mut group, "miss", 1_024, |turn| (1 << 20) + turn % 4_096);
    let mut psc = Psc::new(&profile(1).psc);
    let mut turn = 0;
    group.bench_function("walk", |b| {
        b.iter(|| {
            turn += 1;
            psc.walk(key((turn % 64) << 9))
        });
    });
    group.finish();
}

fn shootdowns(c: &mut Criterion) {
    let policy = policy::find("pending-generation").expect("a registered policy");
    let mut group = c.benchmark_group("engine-shootdown");
    group.sample_size(10);
    for cores in [2, 16, 128] {
        let ready = || Busy::new(Calls::Shootdown, policy, cores, 1, 100);
        group.throughput(Throughput::Elements(ready().run().flushes));
        group.bench_function(cores.to_string(), |b| {
            b.iter_batched_ref(ready, Busy::run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, accesses, tlb, shootdowns);
criterion_main!(benches);
