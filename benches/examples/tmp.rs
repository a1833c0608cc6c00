use workloads::speed::{Shape, measure, mix::Mix};
fn main() {
    let rounds = 7;
    println!(
        "steps/s {:e} states/s {:e} import {}",
        measure::kernel_steps_per_second(rounds),
        measure::states_per_second(3),
        measure::import_mb_per_second(rounds)
    );
    if std::env::args().nth(1).is_some() {
        return;
    }
    for mix in Mix::ALL {
        for cores in [2, 64, 256, 1024] {
            for run_ahead in [true, false] {
                let s = measure::access(Shape { cores, mix, accesses: 2_000_000, run_ahead }, rounds);
                println!(
                    "{} {cores} {run_ahead}: {:.2} {:.1} {:.1} {:?}",
                    mix.name(),
                    s.ratio,
                    s.bare_ns,
                    s.whole_ns,
                    s.hits
                );
            }
        }
    }
}
