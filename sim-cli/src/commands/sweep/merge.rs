//! `mmusim sweep merge`: the rows of all points, in the order of the plan.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Number;
use workloads::sweep::Plan;
use workloads::sweep::store::State;

use crate::Verdict;
use crate::cli::{MergeFormat, SweepMergeArgs};
use crate::commands::sweep::{left, read, states, summary};
use crate::failure::Failure;
use crate::output::{OutputArgs, ends_in};
use crate::report::{PROVENANCE, record, run_columns};

/// The columns that say which point of which plan a row is of.
const OF_THE_PLAN: [&str; 3] = ["plan", "plan_sha256", "point"];

pub(super) fn run(args: &SweepMergeArgs) -> Result<Verdict, Failure> {
    let output = OutputArgs { format: None, output: args.output.clone() };
    output.check()?;
    let plan = read(&args.plan)?;
    let states = states(&plan, &args.dir)?;
    if states.iter().any(|state| !matches!(state, State::Done(_))) {
        eprintln!("{}; not done: {}", summary(&plan, &states), left(&states));
        if !args.partial {
            eprintln!("`mmusim sweep run` completes them, --partial writes what is there; nothing was written");
            return Ok(Verdict::Incomplete);
        }
    }
    let rows = Rows::of(&plan, &states)?;
    let by_extension = || match args.output.as_ref()? {
        path if ends_in(path, "json") => Some(MergeFormat::Json),
        #[cfg(feature = "parquet")]
        path if ends_in(path, "parquet") => Some(MergeFormat::Parquet),
        _ => None,
    };
    output.write_bytes(&match args.format.or_else(by_extension).unwrap_or(MergeFormat::Csv) {
        MergeFormat::Csv => rows.csv().into_bytes(),
        MergeFormat::Json => rows.json().into_bytes(),
        #[cfg(feature = "parquet")]
        MergeFormat::Parquet => rows.parquet(),
    })?;
    Ok(Verdict::Fine)
}

/// A column, and what its fields are.
#[derive(Clone, Copy)]
struct Column<'a> {
    name: &'a str,
    /// Numbers, or nothing; other columns are text.
    is_number: bool,
}

struct Rows<'a> {
    columns: Vec<Column<'a>>,
    rows: Vec<Vec<String>>,
}

impl<'a> Rows<'a> {
    /// The provenance as `compare` has it, the point and its knobs, then the metrics.
    fn of(plan: &'a Plan, states: &[State]) -> Result<Rows<'a>, Failure> {
        let has_column: Vec<bool> = plan.knobs().map(|(_, knob)| !knob.is_provenance).collect();
        let knobs = plan.knobs().map(|(name, _)| name).zip(&has_column).filter(|(_, has)| **has).map(|(name, _)| name);
        let mut text: Vec<&'a str> = run_columns().take(PROVENANCE.len()).chain(OF_THE_PLAN).collect();
        text.extend(knobs);
        let text = text.into_iter().map(|name| Column { name, is_number: false });
        let metrics = run_columns().skip(PROVENANCE.len()).map(|name| Column { name, is_number: true });
        let mut columns: Vec<_> = text.chain(metrics).collect();
        for column in columns.iter_mut().filter(|column| ["schema", "seed"].contains(&column.name)) {
            column.is_number = true;
        }

        let mut rows = Vec::new();
        for (point, state) in plan.points.iter().zip(states) {
            let State::Done(result) = state else { continue };
            let (provenance, metrics) = fields(result).ok_or_else(|| {
                let message = format!("the file of point {} has other columns than this program writes", point.id);
                Failure::new(message, "expected the files of one build of mmusim: run the point again in another --dir")
            })?;
            let mut row = provenance;
            row.extend([plan.input.name.clone(), plan.input.sha256.clone(), point.id.clone()]);
            row.extend(plan.values(point).zip(&has_column).filter(|(_, has)| **has).map(|(value, _)| value));
            row.extend(metrics);
            rows.push(row);
        }
        // What a knob is set to may be a number or a word.
        let knobs = PROVENANCE.len() + OF_THE_PLAN.len()..columns.len() + PROVENANCE.len() - run_columns().count();
        for index in knobs {
            columns[index].is_number = rows.iter().all(|row| number(&row[index]).is_some());
        }
        Ok(Rows { columns, rows })
    }

    fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        record(&mut writer, self.columns.iter().map(|column| column.name));
        for row in &self.rows {
            record(&mut writer, row.iter());
        }
        String::from_utf8(writer.into_inner().expect("memory is writable")).expect("names are text")
    }

    #[cfg(feature = "parquet")]
    fn parquet(&self) -> Vec<u8> {
        use crate::parquet::{Kind, encode};
        let kind = |column: &Column<'_>| match column.name {
            "schema" | "seed" => Kind::Whole,
            _ if column.is_number => Kind::Number,
            _ => Kind::Text,
        };
        let columns: Vec<_> = self.columns.iter().map(|column| (column.name, kind(column))).collect();
        encode(&columns, &self.rows)
    }

    fn json(&self) -> String {
        let rows: Vec<_> = self.rows.iter().map(|fields| RowJson { columns: &self.columns, fields }).collect();
        let mut text = serde_json::to_string_pretty(&rows).expect("memory is writable");
        text.push('\n');
        text
    }
}

/// The provenance and the metrics in the file of a point; none if it has other columns.
fn fields(result: &str) -> Option<(Vec<String>, Vec<String>)> {
    let mut reader = csv::Reader::from_reader(result.as_bytes());
    if !reader.headers().ok()?.iter().eq(run_columns()) {
        return None;
    }
    let row = reader.records().next()?.ok()?;
    let text = |field: &str| field.to_owned();
    let metrics = row.iter().skip(PROVENANCE.len()).map(text).collect();
    Some((row.iter().take(PROVENANCE.len()).map(text).collect(), metrics))
}

/// A field as a number, if it is one.
fn number(field: &str) -> Option<Number> {
    let whole = field.parse::<u64>().map(Number::from).or_else(|_| field.parse::<i64>().map(Number::from));
    whole.ok().or_else(|| Number::from_f64(field.parse().ok()?))
}

/// A row, its keys in the order of the columns.
struct RowJson<'a> {
    columns: &'a [Column<'a>],
    fields: &'a [String],
}

impl Serialize for RowJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (column, field) in self.columns.iter().zip(self.fields) {
            if column.is_number {
                map.serialize_entry(column.name, &number(field))?;
            } else {
                map.serialize_entry(column.name, field)?;
            }
        }
        map.end()
    }
}
