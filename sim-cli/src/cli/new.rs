//! The arguments of `mmusim new`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    #[command(subcommand)]
    pub(crate) what: NewCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// Write a policy that does what `immediate` does, to be changed: its file, and its row in the registry
    Policy(NewPolicyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewPolicyArgs {
    /// Its name on the command line: words of lower case letters and digits, with `-` in between
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The checkout of mmusim [default: the one that the working directory is in]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}
