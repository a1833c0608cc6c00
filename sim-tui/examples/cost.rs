//! What looking at a run costs: the same workload run to its end, stepped with its log, and played back; then a moment of it.
//!
//! Times are those of the processor, medians of rounds in which everything runs once.

use std::sync::Arc;
use std::time::Instant;

use sim_core::drive::clock::RunAhead;
use sim_core::nouns::types::Cpu;
use sim_core::policy::{self, PolicyInfo};
use sim_core::step::era;
use sim_tui::moment::Want;
use sim_tui::playback::Playback;
use sim_tui::source::{Machine, Source};
use workloads::machines::machine;
use workloads::outcome::Input;
use workloads::synthetic::{Conditions, Synthetic};

const ROUNDS: usize = 7;
const MOMENTS: u32 = 500;
const CORES: u16 = 255;
/// As `overlap`, with as many cores as a large machine has.
const TEXT: &str = r#"
name = "overlap-large"
summary = "overlap on many cores"
profile = "skx_2s"
era = "v4.13"
cores = 100                 # set to CORES: no shipped machine has as many
pages = 2_048
page_tables = 4
duration_cycles = 10_000_000

[user]
pattern = "zipf"
zipf_s = 0.6
stores_percent = 20
written_percent = 10
gap_cycles = 400

[[operations]]
call = "mprotect"
rights = "none"
span_pages = 1
gap_accesses = 8_000
hold_accesses = 20

[reclaim]
cores = 1
list_pages = 32
lists_per_cycle = 1
pause_cycles = 100_000
"#;

/// Time on the processor in ns, or on the clock where the kernel does not say.
fn now_ns(start: Instant) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let on_cpu = text.split_whitespace().next().and_then(|ns| ns.parse().ok());
    on_cpu.unwrap_or_else(|| start.elapsed().as_nanos() as u64)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

struct Case {
    workload: Arc<Synthetic>,
    machine: Arc<Machine>,
    policy: &'static PolicyInfo,
    start: Instant,
}

impl Case {
    fn timed<T>(&self, run: impl FnOnce() -> T) -> (u64, T) {
        let before = now_ns(self.start);
        let out = run();
        (now_ns(self.start) - before, out)
    }

    fn clock(&self) -> sim_core::drive::clock::Clock<workloads::synthetic::Cores> {
        let era = era::find("v4.13").expect("an era");
        let Machine { input, profile } = &*self.machine;
        let on =
            Conditions { policy: self.policy, era, profile, profile_input: input, seed: 1, run_ahead: RunAhead::Off };
        self.workload.clock(&on).expect("it fits")
    }

    fn playback(&self) -> Playback {
        let source = Source::Workload {
            workload: Arc::clone(&self.workload),
            era: *era::find("v4.13").expect("an era"),
            machine: Arc::clone(&self.machine),
            seed: 1,
            run_ahead: RunAhead::Off,
        };
        Playback::new(source.run(self.policy).expect("it fits"))
    }
}

fn main() {
    let mut profile = machine("skx_2s").expect("a shipped profile").profile();
    (profile.machine.cores_per_socket, profile.machine.smt) = (u32::from(CORES + 1) / 4, 2);
    let mut workload = Synthetic::parse("overlap-large", TEXT).expect("it is well-formed");
    *workload.workload.cores.get_mut() = CORES.try_into().expect("it is not 0");
    let case = Case {
        workload: Arc::new(workload),
        machine: Arc::new(Machine { input: Input::new("large", b""), profile }),
        policy: policy::find("patched").expect("a registered policy"),
        start: Instant::now(),
    };
    let (mut whole, mut stepped, mut logged, mut played) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut events, mut entries) = (0, 0);
    for _ in 0..ROUNDS {
        let mut clock = case.clock();
        whole.push(case.timed(|| clock.run()).0);
        let mut clock = case.clock();
        stepped.push(case.timed(|| while clock.step() {}).0);
        let mut clock = case.clock();
        clock.stats.log = Some(Vec::new());
        let (ns, made) = case.timed(|| {
            let (mut events, mut entries) = (0, 0);
            loop {
                let made = clock.steps(u64::MAX);
                let log = clock.stats.log.as_mut().expect("it is kept");
                entries += log.len();
                log.clear();
                events += made;
                if made == 0 {
                    return (events, entries);
                }
            }
        });
        logged.push(ns);
        (events, entries) = made;
        let mut playback = case.playback();
        played.push(case.timed(|| playback.forward(u64::MAX)).0);
    }
    let whole = median(whole);
    println!("{events} events, {entries} entries of the log");
    for (name, ns) in
        [("run", whole), ("by steps", median(stepped)), ("logged", median(logged)), ("played", median(played))]
    {
        println!(
            "{name:<9} {:>8.1} ms {:>7.1} ns an event {:>6.3} of run",
            ns as f64 / 1e6,
            ns as f64 / events as f64,
            ns as f64 / whole as f64
        );
    }
    moments(&case, events);
}

fn moments(case: &Case, events: u64) {
    let mut playback = case.playback();
    playback.forward(events / 2);
    let want = Want { core: Cpu(3), tlb_rows: 50, pages: 100, log: 100 };
    let (ns, shown) = case.timed(|| (0..MOMENTS).map(|_| playback.moment(&want).pages.len()).sum::<usize>());
    println!("moment    {:>8.1} us ({} pages)", ns as f64 / 1e3 / f64::from(MOMENTS), shown / MOMENTS as usize);
    let (ns, _) = case.timed(|| playback.run().boxed_clone());
    println!("copy      {:>8.1} ms, {} MiB", ns as f64 / 1e6, playback.run().world().bytes() >> 20);
    let (ns, ()) = case.timed(|| playback.back(1));
    println!("back 1    {:>8.1} ms", ns as f64 / 1e6);
    let (ns, ()) = case.timed(|| playback.back(1));
    println!("once more {:>8.1} ms", ns as f64 / 1e6);
}
