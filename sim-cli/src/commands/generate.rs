//! `mmusim generate`: what an installation puts beside the program, from the definition of the command line.

use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::Verdict;
use crate::cli::{Cli, GenerateArgs, GenerateCommand};
use crate::failure::Failure;
use crate::output::{OutputArgs, write_file};

pub(crate) fn run(args: &GenerateArgs) -> Result<Verdict, Failure> {
    match &args.command {
        GenerateCommand::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "mmusim", &mut text);
            OutputArgs { format: None, output: None }.write_bytes(&text)?;
        }
        GenerateCommand::Man { directory } => man(directory)?,
    }
    Ok(Verdict::Fine)
}

/// A page for the program and one for each subcommand, subcommands of these included.
fn man(directory: &Path) -> Result<(), Failure> {
    if !directory.is_dir() {
        let message = format!("{} is no directory", directory.display());
        return Err(Failure::new(message, "expected a directory that exists"));
    }
    let mut command = Cli::command();
    // So that all of them know their full names.
    command.build();
    page(directory, &command)
}

fn page(directory: &Path, command: &clap::Command) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let path = directory.join(format!("{name}.1"));
    let failed = |e| Failure::io("cannot write", &path.display().to_string(), &e);
    let mut text = Vec::new();
    // A page with a date would be another one every day.
    Man::new(command.clone()).date("").render(&mut text).map_err(failed)?;
    write_file(&path, &String::from_utf8_lossy(&text)).map_err(failed)?;
    command.get_subcommands().filter(|sub| sub.get_name() != "help").try_for_each(|sub| page(directory, sub))
}
