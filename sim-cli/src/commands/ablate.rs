//! `mmusim ablate`: the patch 3ea277194daa without one of its parts, and the race that comes back.

use std::path::Path;

use comfy_table::{Cell, CellAlignment, ContentArrangement};
use serde::Serialize;
use sim_core::drive::explore::Witness;
use sim_core::oracle::Class;
use workloads::litmus::ablate::{ABLATIONS, Ablation, MremapRule, Trial};
use workloads::litmus::check::{Checked, Found};
use workloads::litmus::witness::Document;

use crate::Verdict;
use crate::cli::AblateArgs;
use crate::failure::Failure;
use crate::jobs;
use crate::output::{Format, write_file};
use crate::progress::Progress;
use crate::report::{plain_table, record};

/// The version of rows; it counts up when a column changes its meaning.
const SCHEMA: u32 = 1;

/// Where lines of a table are broken; the same on every terminal.
const LINE_COLUMNS: u16 = 140;

/// One ablation on one scenario.
#[derive(Debug, Serialize)]
struct Row {
    schema: u32,
    version: &'static str,
    ablation: &'static str,
    /// The line of the patch.
    line: &'static str,
    removes: &'static str,
    policy: &'static str,
    /// The switch of the kernel that is off.
    switch_off: Option<&'static str>,
    scenario: &'static str,
    page_tables: u8,
    /// The release whose rule mremap flushes by.
    mremap_rule: Option<&'static str>,
    expected: &'static str,
    expected_class: Option<&'static str>,
    verdict: &'static str,
    class: Option<&'static str>,
    as_expected: bool,
    states: usize,
    /// Moves of the shortest way to the violation; without one, of the longest shortest way to a state.
    depth: usize,
    why: &'static str,
    states_max: u64,
}

pub(crate) fn run(args: &AblateArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let trials = trials(args);
    if trials.is_empty() {
        return Err(Failure::new("nothing to explore", "expected a scenario that the ablation is tried on"));
    }
    if let Some(directory) = &args.files {
        return files(directory, &trials);
    }
    let found = search(args, &trials);
    let rows: Vec<Row> = trials.iter().zip(&found).map(|(trial, checked)| row(args, trial, checked)).collect();
    args.output.write(&match args.output.format() {
        Format::Table => table(&chosen(args), &rows) + &first_witness(args, &trials, &found),
        Format::Csv => csv(&rows),
        Format::Json => serde_json::to_string_pretty(&rows).expect("memory is writable") + "\n",
    })?;
    if let Some(directory) = &args.witness {
        witnesses(directory, &trials, &found)?;
    }
    let met =
        |(trial, checked): (&Trial, &Checked)| (checked.found, trial.litmus().as_expected(trial.policy(), checked));
    Ok(Verdict::of(trials.iter().zip(&found).map(met)))
}

fn chosen(args: &AblateArgs) -> Vec<&'static Ablation> {
    if args.ablations.is_empty() { ABLATIONS.iter().collect() } else { args.ablations.clone() }
}

fn trials(args: &AblateArgs) -> Vec<Trial> {
    let wanted = |trial: &Trial| args.scenes.is_empty() || args.scenes.iter().any(|s| s.name == trial.scene.name);
    chosen(args).into_iter().flat_map(Ablation::trials).filter(wanted).collect()
}

fn search(args: &AblateArgs, trials: &[Trial]) -> Vec<Checked> {
    let threads = args.threads.unwrap_or_else(jobs::default_threads);
    let progress = Progress::new("exploring".to_owned(), trials.len() as u64);
    let bound = usize::try_from(args.states).unwrap_or(usize::MAX);
    jobs::all(trials.len(), threads, |index| {
        let _part = progress.run(1);
        trials[index].litmus().check(trials[index].policy(), bound)
    })
}

fn row(args: &AblateArgs, trial: &Trial, checked: &Checked) -> Row {
    let Trial { ablation, scene, case } = *trial;
    Row {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        ablation: ablation.name,
        line: ablation.line,
        removes: ablation.removes,
        policy: ablation.policy,
        switch_off: ablation.off,
        scenario: scene.name,
        page_tables: scene.tables,
        mremap_rule: scene.mremap.map(MremapRule::name),
        expected: if case.class.is_some() { "sometimes" } else { "never" },
        expected_class: case.class.map(Class::name),
        verdict: checked.found.name(),
        class: checked.class.map(Class::name),
        as_expected: trial.litmus().as_expected(trial.policy(), checked),
        states: checked.states,
        depth: checked.moves.as_ref().map_or(checked.depth, Vec::len),
        why: case.why,
        states_max: args.states,
    }
}

/// Rows that say the same stand together.
fn table(ablations: &[&'static Ablation], rows: &[Row]) -> String {
    let mut parts = plain_table();
    parts.set_content_arrangement(ContentArrangement::Dynamic).set_width(LINE_COLUMNS);
    parts.set_header(["ablation", "what becomes of the patch", "its line"].map(Cell::new));
    for ablation in ablations {
        parts.add_row([ablation.name, ablation.removes, ablation.line].map(Cell::new));
    }
    let mut table = plain_table();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(LINE_COLUMNS);
    let head = ["ablation", "scenarios", "tables", "mremap", "verdict", "states", "why"];
    table.set_header(head.map(Cell::new));
    let same = |a: &Row, b: &Row| {
        (a.ablation, a.why, a.page_tables, a.mremap_rule, a.verdict, a.class, a.as_expected)
            == (b.ablation, b.why, b.page_tables, b.mremap_rule, b.verdict, b.class, b.as_expected)
    };
    for group in rows.chunk_by(same) {
        let first = &group[0];
        let names: Vec<_> = group.iter().map(|row| row.scenario).collect();
        let found = match (first.verdict, first.class) {
            ("never", _) => "none within these bounds".to_owned(),
            (verdict, class) => class.map_or(verdict, |class| class).to_owned(),
        };
        let mark = if first.as_expected { "" } else { "  <- not so" };
        let states = group.iter().map(|row| row.states).sum::<usize>();
        table.add_row([
            Cell::new(first.ablation),
            Cell::new(names.join(" ")),
            Cell::new(first.page_tables).set_alignment(CellAlignment::Right),
            Cell::new(first.mremap_rule.unwrap_or("-")),
            Cell::new(found + mark),
            Cell::new(states).set_alignment(CellAlignment::Right),
            Cell::new(first.why),
        ]);
    }
    let wrong = rows.iter().filter(|row| !row.as_expected).count();
    let races = rows.iter().filter(|row| row.class.is_some()).count();
    let summary = format!("{} searches, {races} races, {wrong} not as expected", rows.len());
    parts.trim_fmt() + "\n\n" + &table.trim_fmt() + "\n\n" + &summary + "\n"
}

/// The shortest way to the first race, if one ablation was asked for.
fn first_witness(args: &AblateArgs, trials: &[Trial], found: &[Checked]) -> String {
    let first = trials.iter().zip(found).find_map(|(trial, checked)| Some((trial, checked.moves.as_ref()?)));
    match first {
        Some((trial, moves)) if args.ablations.len() == 1 => {
            let litmus = trial.litmus();
            let race = litmus.race(trial.policy());
            format!("\n{}, the shortest way:\n\n{:#}", trial.scene.name, Witness::replay(&race, moves))
        }
        _ => String::new(),
    }
}

fn witnesses(directory: &Path, trials: &[Trial], found: &[Checked]) -> Result<(), Failure> {
    for (trial, checked) in trials.iter().zip(found) {
        if let (Some(moves), Found::Sometimes) = (&checked.moves, checked.found) {
            let document = Document::new(&trial.litmus(), &trial.text(), trial.policy(), moves);
            let json = serde_json::to_string_pretty(&document).expect("memory is writable") + "\n";
            put(directory, &format!("{}.json", trial.name()), &json)?;
        }
    }
    Ok(())
}

/// The litmus files, for `mmusim check`.
fn files(directory: &Path, trials: &[Trial]) -> Result<Verdict, Failure> {
    for trial in trials {
        put(directory, &format!("{}.litmus", trial.name()), &trial.text())?;
    }
    Ok(Verdict::Fine)
}

fn put(directory: &Path, name: &str, content: &str) -> Result<(), Failure> {
    let path = directory.join(name);
    let failed = |e| Failure::io("cannot write", &path.display().to_string(), &e);
    std::fs::create_dir_all(directory).map_err(failed)?;
    write_file(&path, content).map_err(failed)
}

fn csv(rows: &[Row]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [
        "schema",
        "version",
        "ablation",
        "line",
        "removes",
        "policy",
        "switch_off",
        "scenario",
        "page_tables",
        "mremap_rule",
        "expected",
        "expected_class",
        "verdict",
        "class",
        "as_expected",
        "states",
        "depth",
        "why",
        "states_max",
    ];
    record(&mut writer, head.into_iter());
    for row in rows {
        let text = |value: Option<&'static str>| value.unwrap_or_default().to_owned();
        let whose = [row.ablation, row.line, row.removes, row.policy].map(str::to_owned);
        let mut cells = vec![row.schema.to_string(), row.version.to_owned()];
        cells.extend(whose);
        cells.extend([text(row.switch_off), row.scenario.to_owned(), row.page_tables.to_string()]);
        cells.extend([text(row.mremap_rule), row.expected.to_owned(), text(row.expected_class)]);
        cells.extend([row.verdict.to_owned(), text(row.class), row.as_expected.to_string()]);
        cells.extend([row.states.to_string(), row.depth.to_string(), row.why.to_owned(), row.states_max.to_string()]);
        record(&mut writer, cells.into_iter());
    }
    String::from_utf8(writer.into_inner().expect("memory is writable")).expect("names are text")
}
