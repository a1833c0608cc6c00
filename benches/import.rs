//! The import of recordings: text from memory, and the same with decompression.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use workloads::recorded::{Pick, decode, embedded, import, import_text};

fn imports(c: &mut Criterion) {
    let mut group = c.benchmark_group("import");
    group.sample_size(10);
    for name in ["pageout-clean-mprotect", "memcg-file-mprotect-cut"] {
        let source = embedded(name).expect("an embedded recording");
        let (_, text) = decode(source.input()).expect("it is whole");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("{name}/text"), |b| {
            b.iter(|| import_text(name, &text, &Pick::Busiest).expect("it is well-formed"));
        });
        group.bench_function(format!("{name}/compressed"), |b| {
            b.iter(|| import(source.input(), &Pick::Busiest).expect("it is well-formed"));
        });
    }
    group.finish();
}

criterion_group!(benches, imports);
criterion_main!(benches);
