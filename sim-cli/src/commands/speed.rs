//! `mmusim speed`: how fast the simulator is on this machine, beside a bare loop over the same accesses.

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use workloads::speed::measure::{self, EXPLORED, IMPORTED};
use workloads::speed::mix::Mix;
use workloads::speed::{Hits, Shape};

use crate::Verdict;
use crate::cli::SpeedArgs;
use crate::failure::Failure;
use crate::output::Format;
use crate::progress::Progress;
use crate::report::plain_table;

/// The version of rows; it counts up when a column changes its meaning.
const SCHEMA: u32 = 1;

/// Cores that accesses are measured with.
const CORES: [u16; 4] = [2, 64, 256, 1024];

/// One figure.
#[derive(Debug, Default, Serialize)]
struct Row {
    schema: u32,
    version: &'static str,
    measure: &'static str,
    /// What it is measured on.
    input: String,
    cores: Option<u16>,
    run_ahead: Option<bool>,
    value: f64,
    /// The bare loop's.
    bare: Option<f64>,
    /// Median of the quotients of whole and bare, round by round.
    ratio: Option<f64>,
    l1_hits_percent: Option<f64>,
    stlb_hits_percent: Option<f64>,
    walks_percent: Option<f64>,
    rounds: u32,
}

pub(crate) fn run(args: &SpeedArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let rows = rows(args);
    args.output.write(&match args.output.format() {
        Format::Table => table(&rows),
        Format::Csv => csv(&rows),
        Format::Json => serde_json::to_string_pretty(&rows).expect("memory is writable") + "\n",
    })?;
    Ok(Verdict::Fine)
}

fn rows(args: &SpeedArgs) -> Vec<Row> {
    let shapes: Vec<Shape> = Mix::ALL
        .into_iter()
        .flat_map(|mix| CORES.map(|cores| (mix, cores)))
        .flat_map(|(mix, cores)| {
            [true, false].map(|run_ahead| Shape { cores, mix, accesses: args.accesses, run_ahead })
        })
        .collect();
    let progress = Progress::new("speed".to_owned(), shapes.len() as u64 + 3);
    let done = |row| {
        drop(progress.run(1));
        row
    };
    let other = |measure, input: String, value| Row { measure, input, value, ..Row::of(args) };
    let mut rows = Vec::new();
    let mut events = Vec::new();
    for shape in shapes {
        let speed = measure::access(shape, args.rounds);
        let Hits { l1, stlb, walks } = speed.hits;
        let percent = |part: u64| Some(part as f64 * 100.0 / (l1 + stlb + walks) as f64);
        let cores = Row { cores: Some(shape.cores), run_ahead: Some(shape.run_ahead), ..Row::of(args) };
        let input = shape.mix.name();
        if shape.mix == Mix::Mixed && !shape.run_ahead {
            let value = speed.events_per_second;
            events.push(Row { measure: "events_per_second", input: input.to_owned(), value, ..cores });
        }
        rows.push(done(Row {
            measure: "access_ns",
            input: input.to_owned(),
            cores: Some(shape.cores),
            run_ahead: Some(shape.run_ahead),
            value: speed.whole_ns,
            bare: Some(speed.bare_ns),
            ratio: Some(speed.ratio),
            l1_hits_percent: percent(l1),
            stlb_hits_percent: percent(stlb),
            walks_percent: percent(walks),
            ..Row::of(args)
        }));
    }
    rows.extend(events);
    let kernel = measure::kernel(args.rounds);
    rows.push(other("kernel_steps_per_second", "calls".to_owned(), kernel.steps_per_second));
    rows.push(done(other("kernel_acts_per_second", "calls".to_owned(), kernel.acts_per_second)));
    rows.push(done(other("states_per_second", EXPLORED.to_owned(), measure::states_per_second(args.rounds))));
    rows.push(done(other("import_mb_per_second", IMPORTED.to_owned(), measure::import_mb_per_second(args.rounds))));
    rows
}

impl Row {
    fn of(args: &SpeedArgs) -> Row {
        Row { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), rounds: args.rounds, ..Row::default() }
    }

    /// The cells of a CSV, in the order of [`COLUMNS`].
    fn cells(&self) -> [String; COLUMNS.len()] {
        let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.3}"));
        [
            self.schema.to_string(),
            self.version.to_owned(),
            self.measure.to_owned(),
            self.input.clone(),
            self.cores.map_or(String::new(), |cores| cores.to_string()),
            self.run_ahead.map_or("", |ahead| if ahead { "yes" } else { "no" }).to_owned(),
            number(Some(self.value)),
            number(self.bare),
            number(self.ratio),
            number(self.l1_hits_percent),
            number(self.stlb_hits_percent),
            number(self.walks_percent),
            self.rounds.to_string(),
        ]
    }
}

const COLUMNS: [&str; 13] = [
    "schema",
    "version",
    "measure",
    "input",
    "cores",
    "run_ahead",
    "value",
    "bare",
    "ratio",
    "l1_hits_percent",
    "stlb_hits_percent",
    "walks_percent",
    "rounds",
];
/// Columns that every row of a run has the same in: not in tables.
const OF_THE_RUN: [&str; 3] = ["schema", "version", "rounds"];

fn table(rows: &[Row]) -> String {
    let shown = |(column, _): &(&&str, usize)| !OF_THE_RUN.contains(column);
    let columns: Vec<(&&str, usize)> = COLUMNS.iter().zip(0..).filter(shown).collect();
    let mut table = plain_table();
    table.set_header(columns.iter().map(|(column, _)| Cell::new(column)));
    for row in rows {
        let cells = row.cells();
        table.add_row(columns.iter().map(|&(column, at)| {
            let names = matches!(*column, "measure" | "input" | "run_ahead");
            Cell::new(&cells[at]).set_alignment(if names { CellAlignment::Left } else { CellAlignment::Right })
        }));
    }
    table.trim_fmt() + "\n"
}

fn csv(rows: &[Row]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).expect("memory is writable");
    for row in rows {
        writer.write_record(row.cells()).expect("every row has the columns of the header");
    }
    String::from_utf8(writer.into_inner().expect("memory is writable")).expect("names are text")
}
