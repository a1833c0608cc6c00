//! One source of each kind, small enough to be run from the start many times.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::{Arc, LazyLock};

use sim_core::drive::clock::RunAhead;
use sim_core::machine::profile::Profile;
use sim_core::policy::{self, PolicyInfo};
use sim_core::step::era;
use sim_tui::moment::Want;
use sim_tui::playback::Playback;
use sim_tui::source::{Machine, Source};
use workloads::litmus::{self, Litmus};
use workloads::machines::machine;
use workloads::outcome::Input;
use workloads::recorded::assume::Assumptions;
use workloads::recorded::replay::Timing;
use workloads::recorded::script::Script;
use workloads::recorded::{Pick, embedded, import};
use workloads::synthetic::schema::Workload;
use workloads::synthetic::{self, Synthetic};

/// Memory is short, so that kswapd and a swap device have their part.
pub(crate) const PRESSED: &str = r#"
name = "pressed"
summary = "a working set larger than memory"
profile = "skx_2s"
era = "v5.17"
cores = 4
pages = 120
page_tables = 2
duration_cycles = 4_000_000
backing = "anon"

[memory]
frames = 80
min_pages = 8
low_pages = 12
high_pages = 16

[swap]
latency_cycles = 20_000
depth = 4

[user]
pattern = "zipf"
zipf_s = 0.9
stores_percent = 30
written_percent = 20
gap_cycles = 200

[[operations]]
call = "mprotect"
rights = "r"
span_pages = 1
gap_accesses = 40
hold_accesses = 10

[[operations]]
call = "munmap"
span_pages = 2
gap_accesses = 80
hold_accesses = 10
"#;

/// A way to move a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    Forward(u64),
    /// So many events, and of how many of the last there is a log.
    Rush(u64, u64),
    Back(u64),
    ToPosition(u64),
    ToCycle(u64),
}

/// What the tests compare of a moment.
pub(crate) const WANT: Want = Want { core: Some(sim_core::nouns::types::Cpu(1)), tlb_rows: 12, pages: 24, log: 48 };

static MACHINE: LazyLock<Machine> = LazyLock::new(|| find_machine("skx_2s"));
static VM: LazyLock<Machine> = LazyLock::new(|| find_machine("zen5_vm"));
static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    let recording = embedded("pageout-dirty-munmap").expect("an embedded recording");
    Script::new(&import(recording.input(), &Pick::Busiest).expect("it is well-formed"))
});

fn find_machine(name: &str) -> Machine {
    let found = machine(name).expect("a shipped profile");
    Machine { input: Input::new(found.name, found.text.as_bytes()), profile: found.profile() }
}

pub(crate) fn policy(name: &str) -> &'static PolicyInfo {
    policy::find(name).expect("a registered policy")
}

/// A workload by its text.
pub(crate) fn workload(text: &str, seed: u64) -> Source {
    let workload = Synthetic::parse("test.toml", text).expect("it is well-formed");
    of_workload(workload, seed)
}

/// The same with cores that run ahead, so that an event may be many accesses.
pub(crate) fn ahead(source: Source) -> Source {
    let Source::Workload { workload, era, machine, seed, .. } = source else { panic!("only workloads run ahead") };
    Source::Workload { workload, era, machine, seed, run_ahead: RunAhead::Upto(u64::MAX) }
}

/// A built-in workload.
pub(crate) fn builtin(name: &str, seed: u64) -> Source {
    of_workload(synthetic::find(name).expect("a built-in workload").workload(), seed)
}

fn of_workload(workload: Synthetic, seed: u64) -> Source {
    let era = *era::find(workload.workload.era.get_ref()).expect("an era");
    let machine = Arc::new(MACHINE.clone());
    Source::Workload { workload: Arc::new(workload), era, machine, seed, run_ahead: RunAhead::Off }
}

/// 256 cores, on a machine with a socket more than it has.
pub(crate) fn crowd() -> Source {
    let text = machine("spr_8468v_2s").expect("a shipped profile").text.replacen("sockets = 2", "sockets = 3", 1);
    let profile = Profile::parse("three sockets", &text).expect("it is well-formed");
    let machine = Arc::new(Machine { input: Input::new("spr_3s", text.as_bytes()), profile });
    let spec = Workload::parse_for_another_machine("crowd.toml", CROWD).expect("it is well-formed");
    let era = *era::find(spec.era.get_ref()).expect("an era");
    let workload = Arc::new(Synthetic { input: Input::new("crowd", CROWD.as_bytes()), workload: spec });
    Source::Workload { workload, era, machine, seed: 3, run_ahead: RunAhead::Off }
}

/// More cores than any screen has rows.
const CROWD: &str = r#"
name = "crowd"
summary = "more cores than rows"
profile = "spr_8468v_2s"
era = "v4.13"
cores = 254
pages = 64
page_tables = 2
duration_cycles = 400_000
backing = "anon"

[user]
pattern = "uniform"
stores_percent = 30
written_percent = 100
gap_cycles = 2_000

[[operations]]
call = "mprotect"
rights = "r"
span_pages = 4
gap_accesses = 40
hold_accesses = 10

[reclaim]
cores = 2
list_pages = 32
lists_per_cycle = 1
pause_cycles = 20_000
"#;

pub(crate) fn recording() -> Source {
    Source::Recording {
        name: "pageout-dirty-munmap".to_owned(),
        script: &SCRIPT,
        era: *era::find("v6.18").expect("an era"),
        machine: &VM,
        timing: Timing::Recorded,
        assumptions: Assumptions::ESTIMATE,
        processes: 1,
    }
}

/// The witness that a file has under a policy.
pub(crate) fn witness(file: &str, of: &str) -> Source {
    let found = litmus::find(file).expect("a built-in file");
    let litmus = Litmus::parse(found.name, found.text).expect("it is well-formed");
    let moves = litmus.check(policy(of), 1_000_000).moves.expect("it has a witness");
    let machine = Arc::new(MACHINE.clone());
    Source::Witness { litmus: Arc::new(litmus), of: policy(of), moves: moves.into(), machine }
}

/// The machine that workloads and witnesses run on.
pub(crate) fn machine_of_tests() -> Arc<Machine> {
    Arc::new(MACHINE.clone())
}

pub(crate) fn playback(source: &Source, under: &str) -> Playback {
    Playback::new(source.run(policy(under)).expect("it can be run"))
}
