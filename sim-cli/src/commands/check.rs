//! `mmusim check`: every interleaving of litmus files, and whether the verdicts are those they expect.

use std::num::NonZeroUsize;
use std::time::Instant;

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use sim_core::drive::explore::{Progress as Reached, Witness};
use sim_core::oracle::Class;
use sim_core::policy::PolicyInfo;
use workloads::litmus::check::{Checked, Found};
use workloads::litmus::witness::Document;
use workloads::litmus::{Expect, LITMUS, Litmus, format};
use workloads::outcome::Input;

use crate::Verdict;
use crate::cli::{CheckArgs, OrderArg};
use crate::failure::Failure;
use crate::output::{Format, OutputArgs, write_file};
use crate::progress::Progress;
use crate::report::plain_table;
use crate::{input, jobs};

/// The version of rows; it counts up when a column changes its meaning.
const SCHEMA: u32 = 1;

/// A file that is to be checked.
struct File {
    text: String,
    litmus: Litmus,
}

/// A search.
struct Job<'f> {
    file: &'f File,
    policy: &'static PolicyInfo,
}

/// What is reported of a search.
#[derive(Debug, Serialize)]
struct Row<'f> {
    schema: u32,
    version: &'static str,
    file: &'f str,
    sha256: String,
    era: &'static str,
    policy: &'static str,
    /// never, sometimes, or nothing if the file does not say.
    expected: Option<&'static str>,
    expected_class: Option<&'static str>,
    verdict: &'static str,
    class: Option<&'static str>,
    /// The same under the contract that the policy declares, if it is weaker than that of the system calls.
    declared: Option<Declared>,
    as_expected: bool,
    states: usize,
    transitions: usize,
    /// Moves of the shortest way to the violation; without one, of the longest shortest way to a state.
    depth: usize,
    bounds: Bounds,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

/// A verdict under the declared contract.
#[derive(Debug, Serialize)]
struct Declared {
    expected: Option<&'static str>,
    expected_class: Option<&'static str>,
    verdict: &'static str,
    class: Option<&'static str>,
}

/// What a search found, under the contract of the system calls and under the declared one, and in how many seconds.
struct Searched {
    checked: Checked,
    declared: Option<Checked>,
    seconds: f64,
}

/// What a verdict holds within.
#[derive(Debug, Serialize)]
struct Bounds {
    cpus: usize,
    pages: u8,
    page_tables: u8,
    processes: u8,
    evictions: bool,
    states_max: u64,
    /// None if nothing bounds it.
    memory_max_mib: Option<u64>,
    order: &'static str,
    reduce: bool,
    symmetry: bool,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    if args.fmt {
        return formatted(args);
    }
    let files = files(args)?;
    let jobs = jobs(args, &files);
    if let Some(path) = &args.witness {
        if jobs.len() != 1 {
            let message = format!("--witness is of one search, these are {}", jobs.len());
            return Err(Failure::new(message, "expected one file and one --policy"));
        }
        OutputArgs { format: None, output: Some(path.clone()) }.check()?;
    }
    let results = search(args, &jobs);
    let rows: Vec<Row<'_>> = jobs.iter().zip(&results).map(|(job, result)| row(args, job, result)).collect();
    args.output.write(&match args.output.format() {
        Format::Table => table(&rows) + &witness_text(&jobs, &results),
        Format::Csv => csv(&rows),
        Format::Json => serde_json::to_string_pretty(&rows).expect("memory is writable") + "\n",
    })?;
    if let Some(path) = &args.witness {
        write_witness(path, &jobs[0], &results[0].checked)?;
    }
    Ok(verdict(&jobs, &results))
}

fn formatted(args: &CheckArgs) -> Result<Verdict, Failure> {
    let mut out = String::new();
    for name in names(args)? {
        let text = input::litmus(name)?;
        if !out.is_empty() {
            out.push('\n');
        }
        out += &format(name, &text).map_err(|e| Failure::text(e, &text))?;
    }
    args.output.write(&out)?;
    Ok(Verdict::Fine)
}

/// The files asked for.
fn names(args: &CheckArgs) -> Result<Vec<&str>, Failure> {
    if args.all {
        return Ok(LITMUS.iter().map(|builtin| builtin.name).collect());
    }
    if args.files.is_empty() {
        return Err(Failure::new("nothing to check", "expected litmus files (mmusim list litmus), or --all"));
    }
    Ok(args.files.iter().map(String::as_str).collect())
}

fn files(args: &CheckArgs) -> Result<Vec<File>, Failure> {
    let read = |name: &str| {
        let text = input::litmus(name)?;
        let litmus = Litmus::parse(name, &text).map_err(|e| Failure::text(e, &text))?;
        Ok(File { text, litmus })
    };
    names(args)?.into_iter().map(read).collect()
}

fn jobs<'f>(args: &CheckArgs, files: &'f [File]) -> Vec<Job<'f>> {
    let policies = |file: &'f File| -> Vec<&'static PolicyInfo> {
        if args.policies.is_empty() {
            return file.litmus.expects.iter().map(|expect| expect.policy).collect();
        }
        args.policies.clone()
    };
    files.iter().flat_map(|file| policies(file).into_iter().map(move |policy| Job { file, policy })).collect()
}

/// Each search with the seconds it took.
fn search(args: &CheckArgs, jobs: &[Job<'_>]) -> Vec<Searched> {
    let threads: NonZeroUsize = args.threads.unwrap_or_else(jobs::default_threads);
    let check = |job: &Job<'_>, threads: usize, heard: &mut dyn FnMut(Reached)| {
        let since = Instant::now();
        let (litmus, options) = (&job.file.litmus, args.options(threads));
        let checked = litmus.check_with(job.policy, &options, heard);
        let declared = litmus.check_declared_with(job.policy, &options);
        Searched { checked, declared, seconds: since.elapsed().as_secs_f64() }
    };
    if let [job] = jobs {
        let progress = Progress::counting("exploring", "states");
        return vec![check(job, threads.get(), &mut |reached| progress.counted(reached.states as u64))];
    }
    let progress = Progress::new("exploring".to_owned(), jobs.len() as u64);
    jobs::all(jobs.len(), threads, |index| {
        let _part = progress.run(1);
        check(&jobs[index], 1, &mut |_| {})
    })
}

fn row<'f>(args: &CheckArgs, job: &Job<'f>, searched: &Searched) -> Row<'f> {
    let Searched { checked, declared, seconds } = searched;
    let litmus = &job.file.litmus;
    let expect = litmus.expected(job.policy);
    let scenario = &litmus.scenario;
    Row {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        file: &litmus.name,
        sha256: Input::new(&litmus.name, job.file.text.as_bytes()).sha256,
        era: litmus.era.name,
        policy: job.policy.name,
        expected: expect.map(verdict_name),
        expected_class: expect.and_then(|expect| expect.class).map(Class::name),
        verdict: checked.found.name(),
        class: checked.class.map(Class::name),
        declared: declared.as_ref().map(|checked| {
            let expect = litmus.expected_declared(job.policy);
            Declared {
                expected: expect.map(verdict_name),
                expected_class: expect.and_then(|expect| expect.class).map(Class::name),
                verdict: checked.found.name(),
                class: checked.class.map(Class::name),
            }
        }),
        as_expected: litmus.as_expected(job.policy, checked)
            && declared.as_ref().is_none_or(|checked| litmus.as_declared(job.policy, checked)),
        states: checked.states,
        transitions: checked.transitions,
        depth: checked.moves.as_ref().map_or(checked.depth, Vec::len),
        bounds: Bounds {
            cpus: scenario.programs.len(),
            pages: scenario.pages,
            page_tables: scenario.pages.div_ceil(scenario.pages_per_table),
            processes: scenario.processes,
            evictions: scenario.evictions,
            states_max: args.states,
            memory_max_mib: args.memory,
            order: match args.order {
                OrderArg::Breadth => "breadth",
                OrderArg::Depth => "depth",
            },
            reduce: args.reduce,
            symmetry: args.symmetry,
        },
        seconds: args.timings.then_some(*seconds),
    }
}

fn verdict_name(expect: &Expect) -> &'static str {
    if expect.class.is_some() { "sometimes" } else { "never" }
}

/// Both verdicts of a search, that of the declared contract too, count for themselves.
fn verdict(jobs: &[Job<'_>], results: &[Searched]) -> Verdict {
    Verdict::of(jobs.iter().zip(results).flat_map(|(job, searched)| {
        let litmus = &job.file.litmus;
        let strict = (searched.checked.found, litmus.as_expected(job.policy, &searched.checked));
        let declared = searched.declared.as_ref().map(|of| (of.found, litmus.as_declared(job.policy, of)));
        [strict].into_iter().chain(declared)
    }))
}

fn and_class(verdict: &str, class: Option<&str>) -> String {
    class.map_or(verdict.to_owned(), |class| format!("{verdict} {class}"))
}

fn table(rows: &[Row<'_>]) -> String {
    let mut table = plain_table();
    let timed = rows.iter().any(|row| row.seconds.is_some());
    let mut head = vec!["file", "policy", "verdict", "expected", "states", "depth"];
    head.extend(timed.then_some("seconds"));
    table.set_header(head.iter().map(Cell::new));
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for row in rows {
        let mut found = and_class(row.verdict, row.class);
        let mut expected = row.expected.map_or("-".to_owned(), |expected| and_class(expected, row.expected_class));
        if let Some(of) = &row.declared {
            found = format!("{found}; declared: {}", and_class(of.verdict, of.class));
            if let Some(name) = of.expected {
                expected = format!("{expected}; {}", and_class(name, of.expected_class));
            }
        }
        let mut cells = vec![
            Cell::new(row.file),
            Cell::new(row.policy),
            Cell::new(found),
            Cell::new(if row.as_expected { expected } else { format!("{expected}  <- not so") }),
            right(row.states.to_string()),
            right(row.depth.to_string()),
        ];
        cells.extend(row.seconds.map(|seconds| right(format!("{seconds:.3}"))));
        table.add_row(cells);
    }
    let wrong = rows.iter().filter(|row| !row.as_expected).count();
    let expected = rows.iter().filter(|row| row.expected.is_some()).count();
    let summary = format!("{} searches, {expected} with an expected verdict, {wrong} not as expected", rows.len());
    table.trim_fmt() + "\n\n" + &summary + "\n"
}

/// The witness, if there was one search only.
fn witness_text(jobs: &[Job<'_>], results: &[Searched]) -> String {
    match (jobs, results) {
        ([job], [Searched { checked: Checked { moves: Some(moves), .. }, .. }]) => {
            format!("\n{:#}", Witness::replay(&job.file.litmus.race(job.policy), moves))
        }
        _ => String::new(),
    }
}

fn csv(rows: &[Row<'_>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut head =
        vec!["schema", "version", "file", "sha256", "era", "policy", "expected", "expected_class", "verdict"];
    head.extend(["class", "as_expected", "states", "transitions", "depth", "states_max"]);
    head.extend(["declared_expected", "declared_expected_class", "declared_verdict", "declared_class"]);
    head.extend(["memory_max_mib", "order", "reduce", "symmetry"]);
    let timed = rows.iter().any(|row| row.seconds.is_some());
    head.extend(timed.then_some("seconds"));
    writer.write_record(&head).expect("memory is writable");
    let text = |value: Option<&'static str>| value.unwrap_or_default().to_owned();
    for row in rows {
        let mut record = vec![row.schema.to_string(), row.version.to_owned(), row.file.to_owned(), row.sha256.clone()];
        record.extend([row.era.to_owned(), row.policy.to_owned(), text(row.expected), text(row.expected_class)]);
        record.extend([row.verdict.to_owned(), text(row.class)]);
        record.push(row.as_expected.to_string());
        record.extend([row.states.to_string(), row.transitions.to_string()]);
        let Bounds { states_max, memory_max_mib, order, reduce, symmetry, .. } = &row.bounds;
        record.extend([row.depth.to_string(), states_max.to_string()]);
        let of = row.declared.as_ref();
        record.extend([text(of.and_then(|of| of.expected)), text(of.and_then(|of| of.expected_class))]);
        record.extend([text(of.map(|of| of.verdict)), text(of.and_then(|of| of.class))]);
        record.push(memory_max_mib.map_or(String::new(), |mib| mib.to_string()));
        record.extend([(*order).to_owned(), reduce.to_string(), symmetry.to_string()]);
        record.extend(row.seconds.map(|seconds| seconds.to_string()));
        writer.write_record(&record).expect("every row has the columns of the header");
    }
    String::from_utf8(writer.into_inner().expect("memory is writable")).expect("names are text")
}

fn write_witness(path: &std::path::Path, job: &Job<'_>, checked: &Checked) -> Result<(), Failure> {
    let (Some(moves), Found::Sometimes) = (&checked.moves, checked.found) else {
        eprintln!("no witness: {} under {} is {}", job.file.litmus.name, job.policy.name, checked.found.name());
        return Ok(());
    };
    let document = Document::new(&job.file.litmus, &job.file.text, job.policy, moves);
    let json = serde_json::to_string_pretty(&document).expect("memory is writable") + "\n";
    write_file(path, &json).map_err(|e| Failure::io("cannot write", &path.display().to_string(), &e))
}
