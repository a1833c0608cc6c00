//! The command line. Values of options come from the registries, never from a list of their own.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use sim_core::drive::clock::RunAhead;
use sim_core::kernel::era::{self, ERAS, Era};
use sim_core::policy::{self, POLICIES, PolicyInfo};

use crate::output::OutputArgs;

/// Is a TLB flush policy safe, and what does it cost?
#[derive(Debug, Parser)]
#[command(name = "mmusim", version, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workload under several policies and compare what they cost and what goes wrong
    Compare(CompareArgs),
    /// List policies, eras, workloads or profiles
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// A workload by name (`mmusim list workloads`), or a TOML file; without one, a tour of the built-in ones
    #[arg(value_name = "TRACE|WORKLOAD")]
    pub(crate) subject: Option<String>,
    /// A policy; repeat to compare several, the first is the baseline [default: unpatched, patched]
    #[arg(long = "policy", value_name = "POLICY", value_parser = policies())]
    pub(crate) policies: Vec<&'static PolicyInfo>,
    #[command(flatten)]
    pub(crate) clock: ClockArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What a simulation in cycles is run under.
#[derive(Debug, Args)]
pub(crate) struct ClockArgs {
    /// The seed of all random streams
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// A machine by name (`mmusim list profiles`), or a TOML file [default: the workload's]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// The kernel around the policy [default: the workload's]
    #[arg(long, value_parser = eras())]
    pub(crate) era: Option<&'static Era>,
    /// Cycles a core may run ahead of the others, at most the profile's own lookahead; changes speed, never a result
    #[arg(long, value_name = "CYCLES", conflicts_with = "no_run_ahead")]
    pub(crate) lookahead: Option<u64>,
    /// Run every access through the event queue; changes speed, never a result
    #[arg(long)]
    pub(crate) no_run_ahead: bool,
}

impl ClockArgs {
    pub(crate) fn run_ahead(&self) -> RunAhead {
        if self.no_run_ahead {
            RunAhead::Off
        } else {
            RunAhead::Upto(self.lookahead.unwrap_or(u64::MAX))
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// What to list
    pub(crate) what: Listing,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Listing {
    /// Flush policies
    Policies,
    /// Kernels around the policy
    Eras,
    /// Synthetic workloads
    Workloads,
    /// Machine profiles
    Profiles,
}

fn policies() -> impl TypedValueParser<Value = &'static PolicyInfo> {
    let values = POLICIES
        .iter()
        .map(|p| PossibleValue::new(p.name).aliases(p.aliases).help(p.summary));
    PossibleValuesParser::new(values).map(|name| policy::find(&name).expect("a value of the registry"))
}

fn eras() -> impl TypedValueParser<Value = &'static Era> {
    let values = ERAS.iter().map(|e| PossibleValue::new(e.name));
    PossibleValuesParser::new(values).map(|name| era::find(&name).expect("a value of the registry"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_policy_answers_to_its_name_and_aliases() {
        for policy in POLICIES {
            for name in policy.aliases.iter().chain([&policy.name]) {
                let cli = Cli::try_parse_from(["mmusim", "compare", "--policy", name]).expect(name);
                let Command::Compare(args) = cli.command else {
                    panic!("it is compare")
                };
                assert_eq!(args.policies[0].name, policy.name);
            }
        }
    }
}
