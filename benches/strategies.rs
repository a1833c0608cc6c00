//! Flush strategies on an embedded recording: how fast each is simulated.

use criterion::{Criterion, criterion_group, criterion_main};
use sim_core::policy::POLICIES;
use sim_core::step::era;
use workloads::machines::machine;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{Options, report};
use workloads::recorded::{Pick, embedded, import};

fn recorded(c: &mut Criterion) {
    let profile = machine("zen5_vm").expect("a shipped profile").profile();
    let mut group = c.benchmark_group("replay");
    group.sample_size(10);
    for name in ["pageout-clean-mprotect", "memcg-file-mprotect-cut"] {
        let source = embedded(name).expect("an embedded recording");
        let recording = import(source.input(), &Pick::Busiest).expect("it is well-formed");
        for policy in POLICIES {
            let options = Options {
                policy,
                era: era::find("v6.18").expect("a registered era"),
                profile: ("zen5_vm", "", &profile),
                timing: Timing::Recorded,
                processes: 1,
            };
            group.bench_function(format!("{name}/{}", policy.name), |b| {
                b.iter(|| report(&recording, options).expect("zen5_vm has IPI costs"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, recorded);
criterion_main!(benches);
