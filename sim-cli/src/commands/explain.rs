//! `mmusim explain`: every figure of a machine profile, where it comes from and how far to trust it.

use workloads::machines::{self, Figure, MACHINES};

use crate::Verdict;
use crate::cli::ExplainArgs;
use crate::commands::list::{Rows, write};
use crate::failure::Failure;

pub(crate) fn run(args: &ExplainArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let Some(machine) = machines::machine(&args.profile) else {
        let known: Vec<_> = MACHINES.iter().map(|machine| machine.name).collect();
        let help = format!("expected one of {}", known.join(", "));
        return Err(Failure::new(format!("no machine `{}`", args.profile), help));
    };
    let rows = machine.figures().map(|Figure { key, value, confidence, source }| {
        vec![key, value.to_owned(), confidence.meaning().to_owned(), source.to_owned()]
    });
    write(&Rows { columns: &["key", "value", "confidence", "source"], rows: rows.collect() }, &args.output)?;
    Ok(Verdict::Fine)
}
