//! `mmusim distinguish`: the smallest scenario on which the verdicts of two policies differ.

use std::fmt::Write as _;

use serde::Serialize;
use sim_core::drive::explore::Witness;
use sim_core::oracle::Class;
use sim_core::policy::PolicyInfo;
use workloads::litmus::check::Checked;
use workloads::litmus::distinguish::{Bounds, Compared, Difference, Question, classes};

use crate::Verdict;
use crate::cli::DistinguishArgs;
use crate::failure::Failure;
use crate::jobs;
use crate::output::Format;
use crate::progress::Progress;

/// The version of the report; it counts up when a key changes its meaning.
const SCHEMA: u32 = 1;

/// Scenarios that are handed out at a time; the first of them that differs is the one.
const HAND: usize = 64;

/// What the enumeration came to.
struct Enumerated {
    difference: Option<Difference>,
    tried: usize,
    not_exhausted: usize,
}

#[derive(Debug, Serialize)]
struct Report<'r> {
    schema: u32,
    version: &'static str,
    policies: [&'static str; 2],
    era: &'static str,
    bounds: BoundsJson,
    /// Scenarios, with the one that was found.
    tried: usize,
    /// Those of them of which a search came to its bound.
    not_exhausted: usize,
    litmus: Option<&'r str>,
    verdicts: Option<[VerdictJson; 2]>,
    /// In columns, as `check` prints it.
    witness: Option<String>,
}

#[derive(Debug, Serialize)]
struct BoundsJson {
    cpus: usize,
    pages: u8,
    page_tables: u8,
    operations_each: usize,
    operations_in_all: usize,
    states_max: u64,
    by_class: bool,
}

#[derive(Debug, Serialize)]
struct VerdictJson {
    policy: &'static str,
    verdict: &'static str,
    class: Option<&'static str>,
    states: usize,
}

pub(crate) fn run(args: &DistinguishArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    if args.first.name == args.second.name {
        let message = format!("{} is one policy", args.first.name);
        return Err(Failure::new(message, "expected two of `mmusim list policies`"));
    }
    if args.output.format() == Format::Csv {
        return Err(Failure::new("a scenario has no rows", "expected --format table or json"));
    }
    let question = question(args);
    let found = enumerate(args, &question);
    args.output.write(&match args.output.format() {
        Format::Json => json(args, &question, &found),
        _ => text(args, &question, &found),
    })?;
    let none = found.difference.is_none();
    Ok(if none && found.not_exhausted > 0 { Verdict::Incomplete } else { Verdict::Fine })
}

fn question(args: &DistinguishArgs) -> Question {
    Question {
        policies: [args.first, args.second],
        era: args.era,
        by_class: args.class,
        states: usize::try_from(args.states).unwrap_or(usize::MAX),
    }
}

fn bounds(args: &DistinguishArgs) -> Bounds {
    let (cpus, operations) = (usize::from(args.cpus), usize::from(args.operations));
    let total = args.total.map_or(DEFAULT_TOTAL, usize::from).min(cpus * operations);
    Bounds { cpus, pages: args.pages, tables: args.tables.unwrap_or(args.pages), operations, total }
}

/// With more operations in all it takes long where nothing differs.
const DEFAULT_TOTAL: usize = 4;

/// Scenarios are compared a hand at a time, and taken in order: nothing depends on the threads.
fn enumerate(args: &DistinguishArgs, question: &Question) -> Enumerated {
    let threads = args.threads.unwrap_or_else(jobs::default_threads);
    let mut found = Enumerated { difference: None, tried: 0, not_exhausted: 0 };
    for (size, candidates) in classes(&bounds(args)) {
        let what =
            format!("{} operations, {} pages, {} tables, {} CPUs", size.operations, size.pages, size.tables, size.cpus);
        let progress = Progress::new(what, candidates.len() as u64);
        for hand in candidates.chunks(HAND) {
            let compared = jobs::all(hand.len(), threads, |n| {
                let _part = progress.run(1);
                question.compare(&hand[n])
            });
            for (candidate, compared) in hand.iter().zip(compared) {
                found.tried += 1;
                match compared {
                    Compared::Same => {}
                    Compared::NotExhausted => found.not_exhausted += 1,
                    Compared::Differ => {
                        found.difference = Some(question.difference(candidate, found.tried));
                        return found;
                    }
                }
            }
        }
    }
    found
}

fn within(args: &DistinguishArgs) -> String {
    let Bounds { cpus, pages, tables, operations, total } = bounds(args);
    format!(
        "{cpus} CPUs, {pages} pages, {tables} page tables, {operations} operations each and {total} in all, {} states a search",
        args.states
    )
}

fn verdict(policy: &PolicyInfo, checked: &Checked) -> String {
    let class = checked.class.map_or(String::new(), |class| format!(" {}", class.name()));
    format!("{}: {}{class}, {} states", policy.name, checked.found.name(), checked.states)
}

/// The witness, under the first policy that has one.
fn witness(question: &Question, difference: &Difference) -> Option<String> {
    let both = question.policies.iter().zip(&difference.checked);
    both.into_iter().find_map(|(policy, checked)| {
        let moves = checked.moves.as_ref()?;
        Some(format!(
            "{}, the shortest way:\n\n{:#}",
            policy.name,
            Witness::replay(&difference.litmus.race(policy), moves)
        ))
    })
}

/// A litmus file; whatever else there is to say is in its comments.
fn text(args: &DistinguishArgs, question: &Question, found: &Enumerated) -> String {
    let count = format!("{} scenarios tried, {} of them not exhausted", found.tried, found.not_exhausted);
    let Some(difference) = &found.difference else {
        let [one, other] = question.policies.map(|policy| policy.name);
        return format!("{one} and {other} do not differ in {} within {}\n{count}\n", question.era.name, within(args));
    };
    let mut out = difference.text.clone();
    let mut comment = |text: &str| {
        out.push('\n');
        text.trim_end().lines().for_each(|line| _ = writeln!(out, "{}", format!("# {line}").trim_end()));
    };
    let both = question.policies.iter().zip(&difference.checked).map(|(policy, checked)| verdict(policy, checked));
    comment(&both.chain([count, format!("within {}", within(args))]).collect::<Vec<_>>().join("\n"));
    if let Some(witness) = witness(question, difference) {
        comment(&witness);
    }
    out
}

fn json(args: &DistinguishArgs, question: &Question, found: &Enumerated) -> String {
    let Bounds { cpus, pages, tables, operations, total } = bounds(args);
    let verdicts = found.difference.as_ref().map(|difference| {
        let of = |n: usize| VerdictJson {
            policy: question.policies[n].name,
            verdict: difference.checked[n].found.name(),
            class: difference.checked[n].class.map(Class::name),
            states: difference.checked[n].states,
        };
        [of(0), of(1)]
    });
    let report = Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        policies: question.policies.map(|policy| policy.name),
        era: question.era.name,
        bounds: BoundsJson {
            cpus,
            pages,
            page_tables: tables,
            operations_each: operations,
            operations_in_all: total,
            states_max: args.states,
            by_class: args.class,
        },
        tried: found.tried,
        not_exhausted: found.not_exhausted,
        litmus: found.difference.as_ref().map(|difference| difference.text.as_str()),
        verdicts,
        witness: found.difference.as_ref().and_then(|difference| witness(question, difference)),
    };
    serde_json::to_string_pretty(&report).expect("memory is writable") + "\n"
}
