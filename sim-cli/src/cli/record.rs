//! The arguments of `mmusim record`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::perf::TRACEFS;

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
    /// The text of the recording; a file that is there stays as it is [default: PROGRAM.perf.txt]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only print what would be run, and say what is missing for it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Where tracefs is mounted
    #[arg(long, value_name = "DIR", default_value = TRACEFS)]
    pub(crate) tracefs: PathBuf,
}
