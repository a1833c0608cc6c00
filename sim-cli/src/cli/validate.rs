//! The arguments of `mmusim validate`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use sim_core::policy::PolicyInfo;
use sim_core::step::era::Era;

use super::{eras, policies};
use crate::output::OutputArgs;
use crate::perf::TRACEFS;
use crate::rounds::case::{CASES, Case};

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// On the running kernel: make rounds of MADV_PAGEOUT, record them with perf, and hold the prediction against the recording;
    /// where something is missing for it, say so, and end with exit code 3
    #[arg(long, required = true)]
    pub(crate) host: bool,
    /// Rounds of each case
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// A case; repeat for several [default: all]
    #[arg(long = "case", value_name = "CASE", value_parser = cases())]
    pub(crate) cases: Vec<&'static Case>,
    /// Keep the text of the recordings in DIR, CASE.perf.txt each; files that are there stay as they are
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// The policy to predict with [default: the one of the kernel's release]
    #[arg(long, value_name = "POLICY", value_parser = policies())]
    pub(crate) policy: Option<&'static PolicyInfo>,
    /// The kernel around it [default: the last one that is not younger than the kernel]
    #[arg(long, value_parser = eras())]
    pub(crate) era: Option<&'static Era>,
    /// A machine by name (`mmusim list profiles`), or a TOML file [default: zen5_vm, or one with enough CPUs]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// Where tracefs is mounted
    #[arg(long, value_name = "DIR", default_value = TRACEFS)]
    pub(crate) tracefs: PathBuf,
    /// Where the kernel lists its swap devices
    #[arg(long, value_name = "FILE", default_value = "/proc/swaps", hide = true)]
    pub(crate) swaps: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

fn cases() -> impl TypedValueParser<Value = &'static Case> {
    let values = CASES.iter().map(|case| PossibleValue::new(case.name).help(case.summary));
    let of = |name: String| CASES.iter().find(|case| case.name == name).expect("a value of the table");
    PossibleValuesParser::new(values).map(of)
}
