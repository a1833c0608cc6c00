//! Synthetic workloads.

use std::num::NonZeroU64;

use sim_core::drive::clock::RunAhead;
use sim_core::policy::POLICIES;
use sim_core::step::era;
use workloads::machines::machine;
use workloads::outcome::Input;
use workloads::synthetic::{Conditions, Synthetic, Unfit};

/// Pages of all threads at most, and CPUs: larger ones are legitimate, and take their time.
const PAGES_MAX: u64 = 1 << 14;
const CPUS_MAX: u32 = 16;
/// What is run of it, in cycles.
const DURATION_CYCLES_MAX: NonZeroU64 = NonZeroU64::new(20_000).expect("above 0");

/// Reads a workload and runs the beginning of it, twice: how far cores run ahead changes nothing.
pub fn text(bytes: &[u8]) {
    let Some(text) = crate::as_text(bytes) else { return };
    let mut synthetic = match Synthetic::parse("fuzz", text) {
        Ok(synthetic) => synthetic,
        Err(error) => return crate::says(&error),
    };
    let workload = &synthetic.workload;
    let pages = u64::from(workload.pages.get_ref().get()) * u64::from(workload.cores.get_ref().get());
    if pages > PAGES_MAX || workload.cpus() > CPUS_MAX {
        return;
    }
    let machine = machine(workload.profile.get_ref()).expect("a workload is read with its machine");
    let (profile, profile_input) = (machine.profile(), Input::new(machine.name, machine.text.as_bytes()));
    let era = era::find(workload.era.get_ref()).expect("a workload is read with its era");
    let policy = &POLICIES[crate::digest(bytes) % POLICIES.len()];
    let duration = synthetic.workload.duration_cycles.get_mut();
    *duration = DURATION_CYCLES_MAX.min(*duration);
    let run = |run_ahead| {
        let on = Conditions { policy, era, profile: &profile, profile_input: &profile_input, seed: 1, run_ahead };
        let outcome = synthetic.run(&on, &mut |_| {})?;
        Ok::<_, Unfit>((
            outcome.duration_cycles,
            outcome.reclaim_cycles,
            outcome.rounds,
            format!("{:?}", outcome.stats),
        ))
    };
    match (run(RunAhead::Off), run(RunAhead::Upto(u64::MAX))) {
        (Ok(one), Ok(other)) => assert_eq!(one, other, "a result that depends on how far cores run ahead"),
        (Err(unfit), Err(_)) => crate::says(&unfit),
        (one, other) => panic!("one of two runs is none: {one:?}, {other:?}"),
    }
}
