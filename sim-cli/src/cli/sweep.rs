//! The arguments of `mmusim sweep`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

use crate::output::OutputArgs;

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    #[command(subcommand)]
    pub(crate) what: SweepCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SweepCommand {
    /// Check a plan and list its points; runs nothing
    Plan(SweepPlanArgs),
    /// Run the points of a shard that are not done yet, each into a file of its own
    Run(SweepRunArgs),
    /// What is done and what is missing, judged by the files; the exit code is 3 if a point is missing
    Status(SweepStatusArgs),
    /// Put the results together, in the order of the plan; the exit code is 3 if a point is missing
    Merge(SweepMergeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SweepPlanArgs {
    /// The plan, TOML
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SweepRunArgs {
    /// The plan, TOML
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// Where the files of points go; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Which part: the I-th of N, counted from 1; the parts may run at the same time, anywhere that sees DIR
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub(crate) shard: Shard,
    /// Points at a time [default: one for each CPU]; changes speed, never a result
    #[arg(short = 'j', long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
pub(crate) struct SweepStatusArgs {
    /// The plan, TOML
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// Where the files of points are
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SweepMergeArgs {
    /// The plan, TOML
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// Where the files of points are
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Write the points that are done, whatever is missing
    #[arg(long)]
    pub(crate) partial: bool,
    /// How to write the rows [default: by the extension of FILE, else csv]
    #[arg(long, value_enum)]
    pub(crate) format: Option<MergeFormat>,
    /// Write the rows to FILE, complete or not at all, instead of to stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// How rows of a sweep are written; there are too many columns for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MergeFormat {
    /// Rows for a data frame, with their provenance
    Csv,
    /// One document
    Json,
    /// Columns, for programs that read it
    #[cfg(feature = "parquet")]
    Parquet,
}

/// A part of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Which, from 1 to `of`.
    pub(crate) index: usize,
    /// How many there are.
    pub(crate) of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Shard { index, of }),
            _ => Err("expected I/N with I from 1 to N, such as 3/8".to_owned()),
        }
    }
}
