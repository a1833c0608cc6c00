//! Shipped workloads, with keys replaced if need be, run under what a test names.
#![allow(dead_code, reason = "each test uses a part of it")]

use sim_core::drive::clock::RunAhead;
use sim_core::policy;
use sim_core::step::era::{self, Era};
use workloads::machines::machine;
use workloads::outcome::{Input, Outcome};
use workloads::synthetic::{Conditions, Synthetic, find};

/// A built-in workload with the lines of some keys replaced, the first of each.
pub(crate) fn variant(name: &str, keys: &[(&str, &str)]) -> Synthetic {
    let mut text = find(name).expect(name).text.to_owned();
    for (key, value) in keys {
        let line = text.lines().find(|line| line.starts_with(key)).expect("a key of the file").to_owned();
        text = text.replacen(&line, &format!("{key} = {value}"), 1);
    }
    Synthetic::parse(name, &text).unwrap_or_else(|error| panic!("{error}"))
}

/// How a workload is run: on the machine and in the era of its file, if no other is named.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) profile: Option<&'static str>,
    pub(crate) era: Option<&'static Era>,
    pub(crate) seed: u64,
    pub(crate) run_ahead: RunAhead,
}

impl Default for Way {
    fn default() -> Way {
        Way { profile: None, era: None, seed: 1, run_ahead: RunAhead::Upto(u64::MAX) }
    }
}

pub(crate) fn run(workload: &Synthetic, policy: &str, way: Way) -> Outcome {
    let file = &workload.workload;
    let machine = machine(way.profile.unwrap_or(file.profile.get_ref())).expect("a machine of the registry");
    let on = Conditions {
        policy: policy::find(policy).expect("a policy of the registry"),
        era: way.era.unwrap_or_else(|| era::find(file.era.get_ref()).expect("an era of the registry")),
        profile: &machine.profile(),
        profile_input: &Input::new(machine.name, machine.text.as_bytes()),
        seed: way.seed,
        run_ahead: way.run_ahead,
    };
    workload.run(&on, &mut |_| {}).expect("it fits its machine")
}
