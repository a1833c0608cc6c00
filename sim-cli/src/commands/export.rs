//! `mmusim export`: a litmus file under a policy as a model for another checker.

use workloads::litmus::{Litmus, promela};

use crate::Verdict;
use crate::cli::ExportArgs;
use crate::failure::Failure;
use crate::input;
use crate::output::OutputArgs;

/// The policy if nothing else is said: the one that the races are named after.
const POLICY: &str = "batched";

pub(crate) fn run(args: &ExportArgs) -> Result<Verdict, Failure> {
    let output = OutputArgs { format: None, output: args.output.clone() };
    output.check()?;
    let text = input::litmus(&args.promela)?;
    let litmus = Litmus::parse(&args.promela, &text).map_err(|e| Failure::text(e, &text))?;
    let policy = args.policy.unwrap_or_else(|| sim_core::policy::find(POLICY).expect("it is registered"));
    let model = promela::export(&litmus, policy).map_err(|e| {
        Failure::new(format!("{}: {e}", args.promela), "docs/promela.md lists the words that cannot be exported")
    })?;
    output.write(&model)?;
    Ok(Verdict::Fine)
}
