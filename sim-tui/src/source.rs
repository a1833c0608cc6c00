//! What can be run, with everything that it takes: so that another policy runs the same.

use std::sync::Arc;

use sim_core::drive::clock::RunAhead;
use sim_core::drive::clock::along::{Along, Unplayable};
use sim_core::drive::clock::price::Unpriced;
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::Move;
use sim_core::machine::profile::Profile;
use sim_core::policy::PolicyInfo;
use sim_core::step::era::Era;
use thiserror::Error;
use workloads::litmus::Litmus;
use workloads::outcome::Input;
use workloads::recorded::assume::Assumptions;
use workloads::recorded::replay::{Stage, Timing, replay_clock};
use workloads::recorded::script::Script;
use workloads::synthetic::{Conditions, Synthetic, Unfit};

use crate::run::{ClockRun, Run, WitnessRun};

/// A machine and its name.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The name and the hash of its text.
    pub input: Input,
    /// The profile.
    pub profile: Profile,
}

/// What can be run.
#[derive(Clone, Debug)]
pub enum Source {
    /// A synthetic workload.
    Workload {
        /// The workload.
        workload: Arc<Synthetic>,
        /// The surrounding kernel.
        era: Era,
        /// The machine.
        machine: Arc<Machine>,
        /// The seed of all streams.
        seed: u64,
        /// How far cores may run ahead; [`RunAhead::Off`] makes each access an event.
        run_ahead: RunAhead,
    },
    /// A recording.
    Recording {
        /// Its name.
        name: String,
        /// What the model is made to do. There is one for the whole of a program, which may leak it.
        script: &'static Script,
        /// The surrounding kernel.
        era: Era,
        /// The machine, for the whole of a program, too.
        machine: &'static Machine,
        /// When things happen.
        timing: Timing,
        /// What settles the undecided.
        assumptions: Assumptions,
        /// How many copies of the process.
        processes: u16,
    },
    /// A witness.
    Witness {
        /// The scenario, and the kernel around it.
        litmus: Arc<Litmus>,
        /// Whose witness it is.
        of: &'static PolicyInfo,
        /// Its moves. Under another policy CPUs go on, the lowest that can first, where these cannot be made or end; if there
        /// are none, from the start.
        moves: Arc<[Move]>,
        /// The machine.
        machine: Arc<Machine>,
    },
}

/// A source cannot be run under a policy.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unrunnable {
    /// The workload does not fit the machine, or the machine has no prices for the policy.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The machine has no prices for the policy.
    #[error(transparent)]
    Unpriced(#[from] Unpriced),
    /// The moves cannot be made.
    #[error(transparent)]
    Unplayable(#[from] Unplayable),
    /// The machine is too small.
    #[error("{name} has {there} CPUs, {needed} are needed; expected a larger machine")]
    Cpus {
        /// The machine.
        name: String,
        /// Its CPUs.
        there: u32,
        /// How many it takes.
        needed: u32,
    },
}

impl Source {
    /// The run under a policy, at its start.
    ///
    /// # Errors
    /// If the machine is too small or has no prices for the policy, or a move of a witness cannot be made.
    pub fn run(&self, policy: &'static PolicyInfo) -> Result<Box<dyn Run>, Unrunnable> {
        match self {
            Source::Workload { workload, era, machine, seed, run_ahead } => {
                let Machine { input: profile_input, profile } = &**machine;
                let on = Conditions { policy, era, profile, profile_input, seed: *seed, run_ahead: *run_ahead };
                let title = format!("{}, seed {seed}, on {}", workload.input.name, profile_input.name);
                Ok(Box::new(ClockRun::new(workload.clock(&on)?, &title, policy)))
            }
            Source::Recording { name, script, era, machine, timing, assumptions, processes } => {
                fits(machine, u32::from(script.cpus.max(1)) * u32::from(*processes))?;
                let (setting, profile) = (Setting::of(policy, *era), &machine.profile);
                let (timing, assumptions, processes) = (*timing, *assumptions, *processes);
                let stage = Stage { setting, profile, timing, assumptions, processes };
                let title = format!("{name}, on {}", machine.input.name);
                Ok(Box::new(ClockRun::new(replay_clock(script, &stage)?, &title, policy)))
            }
            Source::Witness { litmus, of, moves, machine } => {
                fits(machine, litmus.scenario.programs.len() as u32)?;
                let setting = litmus.race(policy).setting;
                let along = Along::new(&litmus.scenario, setting, &machine.profile, moves)?;
                let own = of.name == policy.name && !moves.is_empty();
                let order = match (moves.is_empty(), own) {
                    (true, _) => "CPUs in turn".to_owned(),
                    (_, true) => format!("witness of {}", of.name),
                    (_, false) => format!("order of a witness of {}", of.name),
                };
                let along = if own { along } else { along.and_on() };
                let title = format!("{}, {order}, on {}", litmus.name, machine.input.name);
                Ok(Box::new(WitnessRun::new(along, &title, policy)?))
            }
        }
    }
}

fn fits(machine: &Machine, needed: u32) -> Result<(), Unrunnable> {
    let there = machine.profile.cpus();
    if needed > there {
        return Err(Unrunnable::Cpus { name: machine.input.name.clone(), there, needed });
    }
    Ok(())
}
