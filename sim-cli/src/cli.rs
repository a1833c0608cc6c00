//! The command line. Values of options come from the registries, never from a list of their own.

mod check;
mod generate;
mod new;
mod plot;
mod record;
mod sweep;
mod tlb;
mod tui;
mod validate;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use sim_core::drive::clock::RunAhead;
use sim_core::policy::{self, ABLATED, PolicyInfo};
use sim_core::step::era::{self, ERAS, Era};
use workloads::litmus::ablate::{self, ABLATIONS, Ablation, SCENES, Scene};

use crate::output::OutputArgs;

pub(crate) use check::{CheckArgs, OrderArg};
pub(crate) use generate::{GenerateArgs, GenerateCommand};
pub(crate) use new::{NewArgs, NewCommand, NewPolicyArgs};
pub(crate) use plot::PlotArgs;
pub(crate) use record::RecordArgs;
pub(crate) use sweep::{
    MergeFormat, SweepArgs, SweepCommand, SweepMergeArgs, SweepPlanArgs, SweepRunArgs, SweepStatusArgs,
};
pub(crate) use tlb::TlbArgs;
pub(crate) use tui::{ColourArg, TuiArgs};
pub(crate) use validate::ValidateArgs;

/// More seeds than this only take time: the interval shrinks with the root of their number.
const SEEDS_MAX: i64 = 10_000;

/// States a search may visit if nothing else is said: some gigabytes.
const STATES: u64 = 10_000_000;

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
    /// Replay a recording of a live kernel under a policy, and hold it against what the kernel did
    Replay(ReplayArgs),
    /// Record a program with perf for `replay` and `compare` (docs/replay.md)
    Record(RecordArgs),
    /// Hold the model against the running kernel (docs/replay.md)
    Validate(ValidateArgs),
    /// Explore every interleaving of litmus files, and hold the verdicts against those the files expect
    Check(CheckArgs),
    /// Take the patch 3ea277194daa apart: without each of its lines, the race that comes back
    Ablate(AblateArgs),
    /// Find the smallest scenario on which the verdicts of two policies differ
    Distinguish(DistinguishArgs),
    /// Look at a run while it goes on: step, go back, jump, compare two policies side by side (docs/tui.md)
    Tui(TuiArgs),
    /// Write a litmus file under a policy as a model for another checker (docs/promela.md)
    Export(ExportArgs),
    /// Run a synthetic workload under many settings, in shards that can be killed and resumed (docs/sweeps.md)
    Sweep(SweepArgs),
    /// Draw the CSV of a sweep, a comparison or a calibration (docs/plot.md)
    Plot(PlotArgs),
    /// Fit the free rows of a machine profile to published curves, and predict the rest of them
    Calibrate(CalibrateArgs),
    /// Every figure of a machine profile, where it comes from and how far to trust it
    Explain(ExplainArgs),
    /// Count what of a program's accesses misses the TLBs, from a trace by valgrind's lackey (docs/tlb.md)
    Tlb(TlbArgs),
    /// List policies, eras, litmus files, workloads, recordings or profiles
    List(ListArgs),
    /// Measure how fast the simulator is here, beside a bare loop over the same accesses
    Speed(SpeedArgs),
    /// Start a policy of your own, in a checkout of mmusim (docs/add-a-policy.md)
    New(NewArgs),
    /// Manual pages and shell completions
    Generate(GenerateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// A recording or workload by name (`mmusim list recordings`, `list workloads`), text of perf script, ftrace or
    /// strace, or a TOML file;
    /// without one, a tour of the built-in ones
    #[arg(value_name = "TRACE|WORKLOAD")]
    pub(crate) subject: Option<String>,
    /// A policy; repeat to compare several, the first is the baseline [default: unpatched, patched]
    #[arg(long = "policy", value_name = "POLICY", value_parser = policies())]
    pub(crate) policies: Vec<&'static PolicyInfo>,
    /// Run a synthetic workload with N seeds, --seed and those after it, the same ones under each policy, and show the mean
    /// of the paired differences to the first policy with its 95 % interval; a recording has no seed and is run once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=SEEDS_MAX))]
    pub(crate) seeds: Option<u32>,
    /// What the rows of a CSV are [default: differences if --seeds is given, else runs]
    #[arg(long, value_enum)]
    pub(crate) rows: Option<RowsArg>,
    /// Runs of synthetic workloads at a time [default: one for each CPU]; changes speed, never a result
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Write what happens when to FILE, for <https://ui.perfetto.dev>; takes one run: a workload or recording and one policy
    #[arg(long, value_name = "FILE", conflicts_with = "seeds", requires = "subject")]
    pub(crate) perfetto: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
    #[command(flatten)]
    pub(crate) clock: ClockArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl CompareArgs {
    pub(crate) fn rows(&self) -> RowsArg {
        self.rows.unwrap_or(if self.seeds.is_some() { RowsArg::Differences } else { RowsArg::Runs })
    }
}

/// What a row of a CSV is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowsArg {
    /// A run of one policy: its metrics, one a column
    Runs,
    /// A number of extra flushes in a run: how many reclaim cycles cost that many
    Cycles,
    /// A metric of one policy: its paired difference to the first policy
    Differences,
}

/// What a policy is run in.
#[derive(Debug, Args)]
pub(crate) struct SurroundingsArgs {
    /// The seed of all random streams
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// A machine by name (`mmusim list profiles`), or a TOML file [default: the source's]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// The kernel around the policy [default: the source's]
    #[arg(long, value_parser = eras())]
    pub(crate) era: Option<&'static Era>,
}

/// How a simulation in cycles is run.
#[derive(Debug, Args)]
pub(crate) struct ClockArgs {
    #[command(flatten)]
    pub(crate) surroundings: SurroundingsArgs,
    /// Cycles a core may run ahead of the others, at most the profile's own lookahead; changes speed, never a result
    #[arg(long, value_name = "CYCLES", conflicts_with = "no_run_ahead")]
    pub(crate) lookahead: Option<u64>,
    /// Run every access through the event queue; changes speed, never a result
    #[arg(long)]
    pub(crate) no_run_ahead: bool,
}

impl ClockArgs {
    pub(crate) fn run_ahead(&self) -> RunAhead {
        if self.no_run_ahead { RunAhead::Off } else { RunAhead::Upto(self.lookahead.unwrap_or(u64::MAX)) }
    }
}

/// Which process of a recording.
#[derive(Debug, Args)]
pub(crate) struct RecordingArgs {
    /// The process of a recording by its id [default: the busiest one]
    #[arg(long, value_name = "PID", conflicts_with = "comm")]
    pub(crate) pid: Option<i32>,
    /// The process of a recording by its name
    #[arg(long, value_name = "NAME")]
    pub(crate) comm: Option<String>,
}

impl RecordingArgs {
    /// Is a process asked for?
    pub(crate) fn is_said(&self) -> bool {
        self.pid.is_some() || self.comm.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A recording by name (`mmusim list recordings`), text of perf script, ftrace or strace (docs/replay.md; plain or .zst), - for
    /// standard input, or a witness
    /// (`mmusim check --witness`, .json), of which only --profile and the output can be chosen
    #[arg(value_name = "TRACE|WITNESS")]
    pub(crate) trace: String,
    /// The policy; the kernel around it stays the recording's [default: pending-generation]
    #[arg(long, value_name = "POLICY", value_parser = policies())]
    pub(crate) policy: Option<&'static PolicyInfo>,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
    /// When things happen
    #[arg(long, value_enum, default_value_t = TimingArg::Recorded)]
    pub(crate) timing: TimingArg,
    /// What-if: copies of the recorded process, each with its own address space, threads and reclaim, on its own CPUs (as many
    /// as recorded); they share the machine and nothing else
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) processes: u16,
    /// A machine by name (`mmusim list profiles`), or a TOML file [default: zen5_vm; skx_2s for a witness]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// The kernel of the recording [default: v6.18]
    #[arg(long, value_parser = eras())]
    pub(crate) era: Option<&'static Era>,
    /// Write what happens when to FILE, for <https://ui.perfetto.dev>
    #[arg(long, value_name = "FILE")]
    pub(crate) perfetto: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// When the events of a recording happen in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimingArg {
    /// At recorded times, in recorded order
    Recorded,
    /// In program order, with the recorded gaps of user time; what-if
    Model,
}

#[derive(Debug, Args)]
pub(crate) struct AblateArgs {
    /// Ablations by name; of one the first witness is printed, too [default: all]
    #[arg(value_name = "ABLATION", value_parser = ablations())]
    pub(crate) ablations: Vec<&'static Ablation>,
    /// A scenario; repeat for several [default: all]
    #[arg(long = "scenario", value_name = "SCENARIO", value_parser = scenes())]
    pub(crate) scenes: Vec<&'static Scene>,
    /// Write the shortest violating interleaving of each race to a file in DIR (JSON, for `mmusim replay`)
    #[arg(long, value_name = "DIR")]
    pub(crate) witness: Option<PathBuf>,
    /// Explore nothing: write the litmus files to DIR, for `mmusim check`
    #[arg(long, value_name = "DIR", conflicts_with_all = ["witness", "states", "threads"])]
    pub(crate) files: Option<PathBuf>,
    /// Visit at most so many states a search; what is not exhausted then is no verdict, and the exit code is 3
    #[arg(long, value_name = "N", default_value_t = STATES, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) states: u64,
    /// Searches at a time [default: one for each CPU]; changes speed, never a result
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DistinguishArgs {
    /// A policy
    #[arg(value_name = "POLICY", value_parser = explored_policies())]
    pub(crate) first: &'static PolicyInfo,
    /// Another one
    #[arg(value_name = "POLICY", value_parser = explored_policies())]
    pub(crate) second: &'static PolicyInfo,
    /// CPUs at most; one of them reclaims
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=5))]
    pub(crate) cpus: u8,
    /// Pages at most
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) pages: u8,
    /// Page tables at most [default: as many as pages]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) tables: Option<u8>,
    /// Operations of one CPU at most
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) operations: u8,
    /// Operations of all CPUs at most [default: 4; each more takes some twenty times as long]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=15))]
    pub(crate) total: Option<u8>,
    /// Races of different classes are a difference, too
    #[arg(long)]
    pub(crate) class: bool,
    /// The kernel around the policies
    #[arg(long, value_parser = eras(), default_value = ERAS[0].name)]
    pub(crate) era: &'static Era,
    /// Visit at most so many states a search; a scenario that is not exhausted then is passed over and counted
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) states: u64,
    /// Scenarios at a time [default: one for each CPU]; changes speed, never a result
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// As a model for SPIN: a litmus file, a built-in one by name (`mmusim list litmus`) or a path
    #[arg(long, value_name = "FILE")]
    pub(crate) promela: String,
    /// The policy [default: batched]
    #[arg(long, value_name = "POLICY", value_parser = explored_policies())]
    pub(crate) policy: Option<&'static PolicyInfo>,
    /// Write the model to FILE, complete or not at all, instead of to stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// A machine of which curves are known
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: String,
    /// Take the profile as it is, and only hold it against the curves
    #[arg(long)]
    pub(crate) no_fit: bool,
    /// Runs at a time [default: one for each CPU]; changes speed, never a result
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A machine by name (`mmusim list profiles`)
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// What to list
    pub(crate) what: Listing,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SpeedArgs {
    /// How often each figure is measured; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Accesses of all cores together in a round
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_024..=100_000_000))]
    pub(crate) accesses: u32,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Listing {
    /// Flush policies
    Policies,
    /// Kernels around the policy
    Eras,
    /// Litmus files
    Litmus,
    /// Synthetic workloads
    Workloads,
    /// Recordings of a live kernel
    Recordings,
    /// Machine profiles
    Profiles,
}

/// Those that are not mutants.
fn policies() -> impl TypedValueParser<Value = &'static PolicyInfo> {
    one_of(policy::all())
}

/// All of them.
fn explored_policies() -> impl TypedValueParser<Value = &'static PolicyInfo> {
    one_of(policy::all().chain(ABLATED))
}

fn one_of(policies: impl Iterator<Item = &'static PolicyInfo>) -> impl TypedValueParser<Value = &'static PolicyInfo> {
    let values = policies.map(|p| PossibleValue::new(p.name).aliases(p.aliases).help(p.summary));
    PossibleValuesParser::new(values).map(|name| policy::find(&name).expect("a value of the registry"))
}

fn ablations() -> impl TypedValueParser<Value = &'static Ablation> {
    let values = ABLATIONS.iter().map(|a| PossibleValue::new(a.name).help(a.removes));
    PossibleValuesParser::new(values).map(|name| ablate::find(&name).expect("a value of the table"))
}

fn scenes() -> impl TypedValueParser<Value = &'static Scene> {
    let values = SCENES.iter().map(|s| PossibleValue::new(s.name).help(s.title));
    let of = |name: String| SCENES.iter().find(|scene| scene.name == name).expect("a value of the table");
    PossibleValuesParser::new(values).map(of)
}

fn eras() -> impl TypedValueParser<Value = &'static Era> {
    let values = ERAS.iter().map(|e| PossibleValue::new(e.name));
    PossibleValuesParser::new(values).map(|name| era::find(&name).expect("a value of the registry"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use sim_core::policy::OTHERS;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn mutants_are_for_explorations() {
        for (policy, runs) in
            OTHERS.iter().map(|policy| (policy, true)).chain(ABLATED.iter().map(|policy| (policy, false)))
        {
            let parse = |command, rest| Cli::try_parse_from(["mmusim", command, rest, "--policy", policy.name]);
            let cli = parse("check", "--all").expect(policy.name);
            let Command::Check(args) = cli.command else { panic!("it is check") };
            assert_eq!(args.policies[0].name, policy.name);
            assert_eq!(parse("compare", "overlap").is_ok(), runs, "{}", policy.name);
        }
    }

    #[test]
    fn every_policy_answers_to_its_name_and_aliases() {
        for policy in policy::all() {
            for name in policy.aliases.iter().chain([&policy.name]) {
                let cli = Cli::try_parse_from(["mmusim", "compare", "--policy", name]).expect(name);
                let Command::Compare(args) = cli.command else { panic!("it is compare") };
                assert_eq!(args.policies[0].name, policy.name);
            }
        }
    }
}
