//! What looking at a run costs: the same workload run to its end, stepped with its log, played back, and gone through at full speed by
//! the view's own engine, which is asked for a scene as often as a screen is drawn; then a moment of it.
//!
//! Times are those of the processor. A ratio is the median of rounds, in each of which the plain run comes before and after: machines do
//! not keep their speed. With names of ways only those are timed; `--once WAY` makes one run: for `valgrind --tool=callgrind --toggle-collect='cost::measured*'`, which counts instructions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sim_core::drive::clock::RunAhead;
use sim_core::nouns::types::Cpu;
use sim_core::policy::{self, PolicyInfo};
use sim_core::step::era;
use sim_tui::engine::{Engine, Order};
use sim_tui::moment::Want;
use sim_tui::pair::Pair;
use sim_tui::playback::Playback;
use sim_tui::program::Repertoire;
use sim_tui::source::{Machine, Source};
use sim_tui::speed::Speed;
use workloads::machines::machine;
use workloads::outcome::Input;
use workloads::synthetic::{Conditions, Synthetic};

const ROUNDS: usize = 15;
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

/// The ways to make the same run, in the order of the table.
const WAYS: [&str; 5] = ["run", "by-steps", "logged", "played", "watched"];
/// Time between two frames.
const FRAME: Duration = Duration::from_millis(33);

/// What is timed, or counted.
#[inline(never)]
fn measured<T>(run: impl FnOnce() -> T) -> T {
    run()
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
        let out = measured(run);
        (now_ns(self.start) - before, out)
    }

    fn clock(&self) -> sim_core::drive::clock::Clock<workloads::synthetic::Cores> {
        let era = era::find("v4.13").expect("an era");
        let Machine { input, profile } = &*self.machine;
        let on =
            Conditions { policy: self.policy, era, profile, profile_input: input, seed: 1, run_ahead: RunAhead::Off };
        // A copy, as a view works on: whose memory has been touched before.
        self.workload.clock(&on).expect("it fits").clone()
    }

    /// Makes the run. Returns how long that took in ns, and how many events and entries of the log there were, if it counts them.
    fn way(&self, way: &str) -> (u64, (u64, u64)) {
        if way == "played" {
            let mut playback = self.playback();
            return self.timed(|| (playback.forward(u64::MAX), 0));
        }
        if way == "watched" {
            let mut engine = self.engine();
            return self.timed(|| (watch(&mut engine), 0));
        }
        let mut clock = self.clock();
        match way {
            "run" => self.timed(|| {
                clock.run();
                (clock.turns(), 0)
            }),
            "by-steps" => self.timed(|| {
                while clock.step() {}
                (clock.turns(), 0)
            }),
            "logged" => {
                clock.stats.log = Some(Vec::new());
                self.timed(|| {
                    let mut entries = 0;
                    while clock.steps(u64::MAX) > 0 {
                        let log = clock.stats.log.as_mut().expect("it is kept");
                        entries += log.len() as u64;
                        log.clear();
                    }
                    (clock.turns(), entries)
                })
            }
            other => panic!("expected one of {WAYS:?}, found `{other}`"),
        }
    }

    fn source(&self) -> Source {
        Source::Workload {
            workload: Arc::clone(&self.workload),
            era: *era::find("v4.13").expect("an era"),
            machine: Arc::clone(&self.machine),
            seed: 1,
            run_ahead: RunAhead::Off,
        }
    }

    fn playback(&self) -> Playback {
        Playback::new(self.source().run(self.policy).expect("it fits"))
    }

    fn engine(&self) -> Engine {
        Engine::new(Pair::single(self.playback()), Box::new(Repertoire(self.source())))
    }
}

const WANT: Want = Want { core: Some(Cpu(3)), tlb_rows: 50, pages: 100, log: 100 };

/// Goes to the end at full speed, and makes scenes on the way. Returns how many events there were.
fn watch(engine: &mut Engine) -> u64 {
    engine.obey(Order::Run(Speed::FULL));
    let mut shown = Instant::now();
    while engine.busy() {
        engine.work();
        if shown.elapsed() >= FRAME {
            shown = Instant::now();
            assert!(engine.scene(&WANT).running.is_some() || !engine.busy());
        }
    }
    engine.scene(&WANT).position
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
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [once, way] = &args[..]
        && once == "--once"
    {
        let (_, (events, entries)) = case.way(way);
        println!("{events} events, {entries} entries of the log");
        return;
    }
    let mut events = 0;
    for way in WAYS.iter().filter(|way| args.is_empty() || args.iter().any(|arg| arg == *way)) {
        events = compared(&case, way);
    }
    if args.is_empty() {
        moments(&case, events);
    }
}

/// Prints how long a way takes, and what part of the plain run that is. Returns the events.
fn compared(case: &Case, way: &str) -> u64 {
    let (mut before, (events, _)) = case.way(WAYS[0]);
    let (mut entries, mut least_ns) = (0, u64::MAX);
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (ns, (_, logged)) = case.way(way);
            let (after, _) = case.way(WAYS[0]);
            let ratio = 2.0 * ns as f64 / (before + after) as f64;
            (before, entries, least_ns) = (after, logged, least_ns.min(ns));
            ratio
        })
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let (all, each) = (least_ns as f64 / 1e6, least_ns as f64 / events as f64);
    let [first, .., last] = ratios[..] else { panic!("there are rounds") };
    println!(
        "{way:<9} {all:>8.1} ms {each:>7.1} ns an event {:>6.3} of run ({first:.3} to {last:.3}), {entries} entries of the log",
        ratios[ROUNDS / 2],
    );
    events
}

fn moments(case: &Case, events: u64) {
    let mut playback = case.playback();
    playback.forward(events / 2);
    let (ns, shown) = case.timed(|| (0..MOMENTS).map(|_| playback.moment(&WANT).pages.len()).sum::<usize>());
    println!("moment    {:>8.1} us ({} pages)", ns as f64 / 1e3 / f64::from(MOMENTS), shown / MOMENTS as usize);
    let (ns, _) = case.timed(|| playback.run().boxed_clone());
    println!("copy      {:>8.1} ms, {} MiB", ns as f64 / 1e6, playback.run().world().bytes() >> 20);
    let (ns, ()) = case.timed(|| playback.back(1));
    println!("back 1    {:>8.1} ms", ns as f64 / 1e6);
    let (ns, ()) = case.timed(|| playback.back(1));
    println!("once more {:>8.1} ms", ns as f64 / 1e6);
}
