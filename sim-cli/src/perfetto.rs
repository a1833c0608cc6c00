//! Timelines as files for <https://ui.perfetto.dev>.

use std::path::Path;

use sim_core::drive::clock::timeline::Event;
use workloads::outcome::Outcome;
use workloads::timeline::{Counter, Timeline, of_run, perfetto};

use crate::failure::Failure;
use crate::output::write_bytes;
use crate::report::{PROVENANCE, policy_alias};

/// Writes the timeline of a run on so many CPUs.
pub(crate) fn write_run(events: &[Event], outcome: &Outcome, cpus: u16, path: &Path) -> Result<(), Failure> {
    let (workload, profile) = (&outcome.workload.name, &outcome.profile.name);
    let seed = outcome.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
    let title = format!("{workload} under {}, {}, on {profile}{seed}", policy_alias(outcome.policy), outcome.era);
    let provenance = PROVENANCE.iter().map(|&(name, value)| (name, value(outcome))).collect();
    write(&Timeline { title, provenance, cpus, counters: &Counter::ALL, marks: of_run(events) }, path)
}

/// Writes a timeline.
pub(crate) fn write(timeline: &Timeline, path: &Path) -> Result<(), Failure> {
    let bytes = perfetto::encode(timeline);
    write_bytes(path, &bytes).map_err(|e| Failure::io("cannot write", &path.display().to_string(), &e))
}
