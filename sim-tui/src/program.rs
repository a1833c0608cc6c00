//! What can be opened: a source under any policy, and the stops of the tour.

use std::sync::Arc;

use sim_core::policy::{self, POLICIES, PolicyInfo};
use workloads::litmus::Litmus;

use crate::engine::Program;
use crate::pair::Pair;
use crate::playback::Playback;
use crate::source::{Machine, Source};
use crate::tour::{STOPS, Stop};

/// States a search for a witness visits at most: a second or two for each policy that is asked.
const STATES: usize = 1_000_000;

/// One source under any policy.
#[derive(Clone, Debug)]
pub struct Repertoire(pub Source);

impl Program for Repertoire {
    fn open(&mut self, left: &'static PolicyInfo, right: Option<&'static PolicyInfo>) -> Result<Pair, String> {
        let run = |policy: &'static PolicyInfo| self.0.run(policy).map_err(|e| format!("{}: {e}", policy.name));
        let left = Playback::new(run(left)?);
        Ok(match right {
            None => Pair::single(left),
            Some(right) => Pair::new(left, Playback::new(run(right)?)),
        })
    }

    fn stop(&mut self, _at: usize) -> Result<Pair, String> {
        Err("this is no tour".to_owned())
    }
}

/// A scenario to be shown under a policy: the moves are those of a violation under it; if there is none, of a violation under
/// the first policy that has one; if none has, each CPU goes on in turn.
pub fn scenario(litmus: Litmus, policy: &'static PolicyInfo, machine: Arc<Machine>) -> Source {
    let others = POLICIES.iter().filter(|other| other.name != policy.name);
    let found = std::iter::once(policy).chain(others).find_map(|of| Some((of, litmus.check(of, STATES).moves?)));
    let (of, moves) = found.unwrap_or((policy, Vec::new()));
    Source::Witness { litmus: Arc::new(litmus), of, moves: moves.into(), machine }
}

/// The tour.
#[derive(Clone, Debug)]
pub struct Tour {
    /// The machine that its prices are of.
    pub machine: Arc<Machine>,
}

impl Tour {
    fn source(&self, stop: &Stop) -> Source {
        let builtin = workloads::litmus::find(stop.file).expect("a stop names a file of the catalogue");
        let litmus = Litmus::parse(builtin.name, builtin.text).expect("the catalogue can be read");
        let find = |name| policy::find(name).expect("a stop names a policy of the registry");
        match stop.order_of {
            Some(of) => scenario(litmus, find(of), Arc::clone(&self.machine)),
            None => Source::Witness {
                litmus: Arc::new(litmus),
                of: find(stop.policy),
                moves: [].into(),
                machine: Arc::clone(&self.machine),
            },
        }
    }
}

impl Program for Tour {
    fn open(&mut self, _: &'static PolicyInfo, _: Option<&'static PolicyInfo>) -> Result<Pair, String> {
        self.stop(0)
    }

    fn stop(&mut self, at: usize) -> Result<Pair, String> {
        let stop = STOPS.get(at).ok_or_else(|| format!("the tour has {} stops", STOPS.len()))?;
        let policy = policy::find(stop.policy).expect("a stop names a policy of the registry");
        let run = self.source(stop).run(policy).map_err(|e| e.to_string())?;
        let mut player = Playback::new(run);
        match stop.at {
            Some(at) => {
                if !player.to_next(&|entry| at(entry), u64::MAX) {
                    return Err(format!("stop {:?} is never reached", stop.title));
                }
            }
            None => _ = player.forward(u64::MAX),
        }
        Ok(Pair::single(player))
    }
}
