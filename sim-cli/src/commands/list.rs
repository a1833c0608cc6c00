//! `mmusim list`: what there is, from the registries.

use comfy_table::{Cell, ContentArrangement};
use sim_core::policy;
use sim_core::step::era::{ERAS, Era, Mechanism};
use workloads::litmus::{LITMUS, Litmus};
use workloads::machines::MACHINES;
use workloads::recorded::EMBEDDED;
use workloads::synthetic::WORKLOADS;

use crate::Verdict;
use crate::cli::{ListArgs, Listing};
use crate::failure::Failure;
use crate::output::{Format, OutputArgs};
use crate::report::plain_table;

/// Where lines of a table are broken; the same on every terminal.
const LINE_COLUMNS: u16 = 120;

/// Column names and rows.
pub(super) struct Rows {
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Vec<String>>,
}

pub(crate) fn run(args: &ListArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let rows = match args.what {
        Listing::Policies => policies(),
        Listing::Eras => eras(),
        Listing::Litmus => litmus(),
        Listing::Workloads => workloads(),
        Listing::Recordings => recordings(),
        Listing::Profiles => profiles(),
    };
    write(&rows, &args.output)?;
    Ok(Verdict::Fine)
}

/// Writes a list as asked.
pub(super) fn write(rows: &Rows, output: &OutputArgs) -> Result<(), Failure> {
    output.write(&match output.format() {
        Format::Table => table(rows),
        Format::Csv => csv(rows),
        Format::Json => json(rows),
    })
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

fn policies() -> Rows {
    let rows = policy::all().map(|p| row([p.name, &p.aliases.join(" "), p.commit, p.kernels, p.summary]));
    Rows { columns: &["name", "aliases", "commit", "kernels", "summary"], rows: rows.collect() }
}

fn recordings() -> Rows {
    Rows { columns: &["name", "summary"], rows: EMBEDDED.iter().map(|r| row([r.name, r.summary])).collect() }
}

fn eras() -> Rows {
    Rows {
        columns: &["name", "mechanism", "mprotect", "free_batch_slots", "lazy_mask"],
        rows: ERAS.iter().map(era).collect(),
    }
}

fn era(era: &Era) -> Vec<String> {
    row([
        era.name,
        match era.mechanism {
            Mechanism::IpiSerial => "local flush, then IPIs",
            Mechanism::IpiConcurrent => "IPIs during the local flush",
            Mechanism::Broadcast => "broadcast",
        },
        if era.mprotect_gathers { "flushes what changed" } else { "flushes the range if a PTE was present" },
        &era.free_batch_slots.to_string(),
        if era.lazy_mask { "yes" } else { "no" },
    ])
}

fn litmus() -> Rows {
    let rows = LITMUS.iter().map(|builtin| {
        let read = Litmus::parse(builtin.name, builtin.text).expect("a built-in file is right");
        row([builtin.name, read.era.name, &read.title])
    });
    Rows { columns: &["name", "era", "title"], rows: rows.collect() }
}

fn workloads() -> Rows {
    let rows = WORKLOADS.iter().map(|builtin| {
        let read = builtin.workload().workload;
        row([builtin.name, read.profile.get_ref(), read.era.get_ref(), &read.cpus().to_string(), &read.summary])
    });
    Rows { columns: &["name", "profile", "era", "cpus", "summary"], rows: rows.collect() }
}

fn profiles() -> Rows {
    let rows = MACHINES.iter().map(|m| row([m.name, &m.profile().cpus().to_string(), m.summary]));
    Rows { columns: &["name", "cpus", "summary"], rows: rows.collect() }
}

fn table(rows: &Rows) -> String {
    let mut table = plain_table();
    table.set_header(rows.columns.iter().map(Cell::new));
    table.add_rows(&rows.rows);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(LINE_COLUMNS);
    table.trim_fmt() + "\n"
}

fn csv(rows: &Rows) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(rows.columns).expect("memory is writable");
    for row in &rows.rows {
        writer.write_record(row).expect("every row has the columns of the header");
    }
    String::from_utf8(writer.into_inner().expect("memory is writable")).expect("names are text")
}

fn json(rows: &Rows) -> String {
    let objects = rows.rows.iter().map(|row| {
        let pairs = rows.columns.iter().zip(row);
        pairs.map(|(column, cell)| ((*column).to_owned(), serde_json::Value::from(cell.as_str()))).collect()
    });
    let list: Vec<serde_json::Map<_, _>> = objects.collect();
    serde_json::to_string_pretty(&list).expect("memory is writable") + "\n"
}
