//! The arguments of `mmusim check`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sim_core::drive::explore::{Options, Order};
use sim_core::policy::PolicyInfo;

use super::{STATES, explored_policies};
use crate::output::OutputArgs;

/// MiB that can be counted in bytes.
const MEMORY_MAX: u64 = 1 << 40;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Litmus files (`docs/litmus.md`): built-in ones by name (`mmusim list litmus`), or paths
    #[arg(value_name = "FILE", conflicts_with = "all")]
    pub(crate) files: Vec<String>,
    /// All built-in files
    #[arg(long)]
    pub(crate) all: bool,
    /// A policy; repeat for several [default: those a file expects a verdict of]
    #[arg(long = "policy", value_name = "POLICY", value_parser = explored_policies())]
    pub(crate) policies: Vec<&'static PolicyInfo>,
    /// Write the shortest violating interleaving to FILE (JSON, for `mmusim replay`); takes one file and one policy
    #[arg(long, value_name = "FILE")]
    pub(crate) witness: Option<PathBuf>,
    /// Visit at most so many states a search; what is not exhausted then is no verdict, and the exit code is 3
    #[arg(long, value_name = "N", default_value_t = STATES, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) states: u64,
    /// Take at most so many MiB for the states of a search; what is not exhausted then is no verdict, and the exit code is 3
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=MEMORY_MAX))]
    pub(crate) memory: Option<u64>,
    /// Level by level, so that a witness is a shortest one; or the newest state first, in less memory
    #[arg(long, value_enum, default_value = "breadth")]
    pub(crate) order: OrderArg,
    /// Try interleavings that differ in nothing observable once; witnesses need not be shortest ones then
    #[arg(long)]
    pub(crate) reduce: bool,
    /// Take CPUs that differ by their numbers only for the same; they are told and served in any order then
    #[arg(long)]
    pub(crate) symmetry: bool,
    /// Searches at a time, or threads of a single one [default: one for each CPU]; changes speed, never a result
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Add the seconds each search took, which differ from run to run
    #[arg(long)]
    pub(crate) timings: bool,
    /// Explore nothing: write the files as they should be formatted
    #[arg(long, conflicts_with_all = ["policies", "witness", "timings", "memory", "order", "reduce", "symmetry"])]
    pub(crate) fmt: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// In which order states are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderArg {
    /// Level by level
    Breadth,
    /// The newest state first
    Depth,
}

impl CheckArgs {
    /// How each search is made, on so many threads.
    pub(crate) fn options(&self, threads: usize) -> Options {
        Options {
            order: match self.order {
                OrderArg::Breadth => Order::Breadth,
                OrderArg::Depth => Order::Depth,
            },
            reduce: self.reduce,
            symmetry: self.symmetry,
            threads,
            max_states: usize::try_from(self.states).unwrap_or(usize::MAX),
            max_bytes: self.memory.map_or(u64::MAX, |mib| mib << 20),
        }
    }
}
