//! Synthetic workloads.

use sim_core::drive::clock::RunAhead;
use sim_core::policy::POLICIES;
use sim_core::step::era;
use workloads::machines::machine;
use workloads::outcome::Input;
use workloads::synthetic::{Conditions, Synthetic};

/// Pages of all threads at most, and CPUs: larger ones are legitimate, and take their time.
const PAGES_MAX: u64 = 1 << 14;
const CPUS_MAX: u32 = 16;
/// Events of a run at most.
const EVENTS_MAX: u64 = 2000;

/// Reads a workload and begins to run it.
pub fn text(bytes: &[u8]) {
    let Some(text) = crate::as_text(bytes) else { return };
    let synthetic = match Synthetic::parse("fuzz", text) {
        Ok(synthetic) => synthetic,
        Err(error) => return crate::says(&error),
    };
    let workload = &synthetic.workload;
    let pages = u64::from(workload.pages.get_ref().get()) * u64::from(workload.cores.get_ref().get());
    if pages > PAGES_MAX || workload.cpus() > CPUS_MAX {
        return;
    }
    let machine = machine(workload.profile.get_ref()).expect("a workload is read with its machine");
    let variant = crate::digest(bytes);
    let on = Conditions {
        policy: &POLICIES[variant % POLICIES.len()],
        era: era::find(workload.era.get_ref()).expect("a workload is read with its era"),
        profile: &machine.profile(),
        profile_input: &Input::new(machine.name, machine.text.as_bytes()),
        seed: 1,
        run_ahead: if variant / POLICIES.len() % 2 == 0 { RunAhead::Off } else { RunAhead::Upto(u64::MAX) },
    };
    match synthetic.clock(&on) {
        Ok(mut clock) => {
            clock.steps(EVENTS_MAX);
        }
        Err(unfit) => crate::says(&unfit),
    }
}
