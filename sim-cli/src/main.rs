//! `mmusim`: is a TLB flush policy safe, and what does it cost?

mod cli;
mod commands;
mod compared;
mod differences;
mod distribution;
mod failure;
mod input;
mod jobs;
mod output;
#[cfg(feature = "parquet")]
mod parquet;
mod perf;
mod perfetto;
mod plot;
mod progress;
mod report;
mod rounds;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use workloads::litmus::check::Found;

use crate::cli::{Cli, Command};

/// Memory that a search gives back is used by the next one: to give it to the system and ask for it again takes a sixth of the
/// time of the searches in `benches/against-peers`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended that did not fail; the values are the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Everything asked for is there.
    Fine = 0,
    /// A verdict is not the expected one, or a prediction is not what was recorded.
    Unexpected = 1,
    /// A search ended before every state was visited, points of a sweep are missing, or what a validation needs.
    Incomplete = 3,
}

impl Verdict {
    /// Of searches, each with what it found and whether that was expected. An unexpected verdict is graver than none.
    fn of(searches: impl Iterator<Item = (Found, bool)>) -> Verdict {
        searches.fold(Verdict::Fine, |verdict, search| match (verdict, search) {
            (Verdict::Unexpected, _) => Verdict::Unexpected,
            (_, (Found::NotExhausted, _)) => Verdict::Incomplete,
            (_, (_, false)) => Verdict::Unexpected,
            (verdict, _) => verdict,
        })
    }
}

/// Usage or input errors; what clap exits with, too.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // Messages are not wrapped: places in files stay greppable, and every terminal wraps on its own.
    let hook = miette::set_hook(Box::new(|_| {
        let options = miette::MietteHandlerOpts::new().terminal_links(false).width(400).wrap_lines(false);
        Box::new(options.context_lines(1).build())
    }));
    debug_assert!(hook.is_ok(), "it is set once");
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    let result = output::check_apart(&matches).and_then(|()| run(cli.command));
    match result {
        Ok(verdict) => ExitCode::from(verdict as u8),
        Err(failure) => {
            eprintln!("{:?}", miette::Report::new(failure));
            ExitCode::from(USAGE)
        }
    }
}

fn run(command: Command) -> Result<Verdict, failure::Failure> {
    match command {
        Command::Compare(args) => commands::compare::run(&args),
        Command::Replay(args) => commands::replay::run(&args),
        Command::Record(args) => commands::record::run(&args),
        Command::Validate(args) => commands::validate::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Ablate(args) => commands::ablate::run(&args),
        Command::Distinguish(args) => commands::distinguish::run(&args),
        Command::Calibrate(args) => commands::calibrate::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Tui(args) => commands::tui::run(&args),
        Command::Sweep(args) => commands::sweep::run(&args),
        Command::Plot(args) => commands::plot::run(&args),
        Command::Tlb(args) => commands::tlb::run(&args),
        Command::List(args) => commands::list::run(&args),
        Command::New(args) => commands::new::run(&args),
        Command::Generate(args) => commands::generate::run(&args),
        Command::Speed(args) => commands::speed::run(&args),
    }
}
