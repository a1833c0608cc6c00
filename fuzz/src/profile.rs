//! Machine profiles.

use sim_core::drive::clock::RunAhead;
use sim_core::machine::profile::Profile;
use sim_core::policy::POLICIES;
use sim_core::step::era;
use workloads::outcome::Input;
use workloads::synthetic::{Conditions, Synthetic};

/// Something small to run on a machine: faults, mprotect and reclaim on two CPUs.
const WORKLOAD: &str = r#"
name = "small"
summary = "two threads and reclaim"
profile = "zen5_vm"
era = "v4.13"
cores = 1
pages = 64
page_tables = 2
duration_cycles = 40_000
[user]
pattern = "uniform"
stores_percent = 50
written_percent = 50
gap_cycles = 100
[[operations]]
call = "mprotect"
rights = "r"
span_pages = 4
gap_accesses = 20
hold_accesses = 4
[reclaim]
cores = 1
list_pages = 8
lists_per_cycle = 1
pause_cycles = 4_000
"#;

/// Events of the run at most.
const EVENTS_MAX: u64 = 4000;

/// Reads a profile and runs something on the machine.
pub fn text(bytes: &[u8]) {
    let Some(text) = crate::as_text(bytes) else { return };
    let profile = match Profile::parse("fuzz", text) {
        Ok(profile) => profile,
        Err(error) => return crate::says(&error),
    };
    let cpus = profile.cpus() as u16;
    for cpu in [0, cpus / 2, cpus - 1] {
        profile.distance(0, cpu);
        assert!(profile.siblings(cpu).all(|sibling| sibling < cpus), "a sibling that is not there");
    }
    assert!(profile.lookahead_cycles() > 0);
    let workload = Synthetic::parse("small", WORKLOAD).expect("a workload");
    let on = Conditions {
        policy: &POLICIES[crate::digest(bytes) % POLICIES.len()],
        era: era::find("v4.13").expect("a registered era"),
        profile: &profile,
        profile_input: &Input::new("fuzz", bytes),
        seed: 1,
        run_ahead: RunAhead::Upto(u64::MAX),
    };
    match workload.clock(&on) {
        Ok(mut clock) => {
            clock.steps(EVENTS_MAX);
        }
        Err(unfit) => crate::says(&unfit),
    }
}
