//! The arguments of `mmusim tui`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sim_core::policy::PolicyInfo;

use super::{RecordingArgs, SurroundingsArgs, policies};

#[derive(Debug, Args)]
pub(crate) struct TuiArgs {
    /// A workload, recording or litmus file by name (`mmusim list`) or path, or a witness (.json)
    #[arg(value_name = "SOURCE", default_value = "B01-mprotect-ro", conflicts_with = "tour")]
    pub(crate) source: String,
    /// The policy; twice for two side by side, from the same seed [default: unpatched; a witness has its own]
    #[arg(long = "policy", value_name = "POLICY", value_parser = policies(), conflicts_with = "tour")]
    pub(crate) policies: Vec<&'static PolicyInfo>,
    /// The guided tour: the race, the patch, its price, and what it has left; the space bar goes on
    #[arg(long)]
    pub(crate) tour: bool,
    #[command(flatten)]
    pub(crate) surroundings: SurroundingsArgs,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
    /// Make accesses that a TLB serves without an event each; faster, and they cannot be stepped through
    #[arg(long)]
    pub(crate) run_ahead: bool,
    /// Keys of your own, in TOML (see --print-keys)
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
    /// Print all commands with the keys they have, as a file for --keys, and exit
    #[arg(long)]
    pub(crate) print_keys: bool,
    /// Colours; `NO_COLOR` counts as never
    #[arg(long, value_enum, default_value_t = ColourArg::Auto)]
    pub(crate) color: ColourArg,
    /// Leave the mouse to the terminal, so that text can be marked
    #[arg(long)]
    pub(crate) no_mouse: bool,
    /// Take no terminal: press these keys, named as in --print-keys with spaces between, and print the screen
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    pub(crate) press: Option<String>,
    /// The size of that screen, in characters
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "120x40", value_parser = size, requires = "press")]
    pub(crate) size: (u16, u16),
    /// Write that screen to FILE instead, complete or not at all; as a picture if it is called .svg
    #[arg(short, long, value_name = "FILE", requires = "press")]
    pub(crate) output: Option<PathBuf>,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColourArg {
    /// As the terminal can
    Auto,
    /// All of them
    Always,
    /// None
    Never,
}

/// Screens larger than this are a mistake.
const SIZE_MAX: u16 = 1_000;

fn size(text: &str) -> Result<(u16, u16), String> {
    let expected = || format!("expected a width and a height, each from 1 to {SIZE_MAX}, such as 120x40");
    let (width, height) = text.split_once('x').ok_or_else(expected)?;
    let of = |side: &str| side.parse().ok().filter(|side| (1..=SIZE_MAX).contains(side)).ok_or_else(expected);
    Ok((of(width)?, of(height)?))
}
