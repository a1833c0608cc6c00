//! The rows of a CSV, by the names of its columns.

use std::path::Path;

use sim_core::policy;
use workloads::outcome::{Input, METRICS, SCHEMA};

use crate::failure::Failure;
use crate::input::{read_text, stem};
use crate::report::PROVENANCE;

/// Of a list of columns a message shows at most so many.
const SHOWN: usize = 12;

/// No result is larger: 64 bits.
const NUMBER_MAX: f64 = 1e20;

/// A CSV that was read.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// As it was given.
    pub(crate) path: String,
    /// Its name and hash.
    pub(crate) input: Input,
    columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// A row of a CSV.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its line in the file.
    line: u64,
    fields: Vec<String>,
}

/// A column that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column(usize);

impl Sheet {
    /// Reads the CSV at a path.
    pub(crate) fn read(path: &str) -> Result<Sheet, Failure> {
        Sheet::parse(path, &read_text(path, "CSV", &[])?)
    }

    pub(super) fn parse(path: &str, text: &str) -> Result<Sheet, Failure> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns: Vec<String> = match reader.headers() {
            Ok(header) if !header.is_empty() => header.iter().map(str::to_owned).collect(),
            Ok(_) => return Err(Failure::new(format!("{path}:1: the file is empty"), "expected a CSV with a header")),
            Err(e) => return Err(broken(path, &e)),
        };
        if let Some(twice) = columns.iter().enumerate().find(|(n, name)| columns[..*n].contains(name)) {
            let message = format!("{path}:1: two columns are called `{}`", twice.1);
            return Err(Failure::new(message, "expected each column once"));
        }
        if !text.ends_with('\n') {
            let message = format!("{path}:{}: the last line has no end: the file is cut off", text.lines().count());
            return Err(Failure::new(message, "expected a line break after the last row, as mmusim writes it"));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| broken(path, &e))?;
            let line = record.position().map_or(0, csv::Position::line);
            rows.push(Row { line, fields: record.iter().map(str::to_owned).collect() });
        }
        if rows.is_empty() {
            return Err(Failure::new(format!("{path}:2: there is no row"), "expected a row below the header"));
        }
        let sheet = Sheet { path: path.to_owned(), input: Input::new(stem(path), text.as_bytes()), columns, rows };
        sheet.check_schema()?;
        Ok(sheet)
    }

    /// A name may mean something else under another number.
    fn check_schema(&self) -> Result<(), Failure> {
        let Some(schema) = self.find("schema") else { return Ok(()) };
        let known = SCHEMA.to_string();
        match self.rows.iter().find(|row| self.text(row, schema) != known) {
            Some(row) => Err(self.wrong(row, schema, &format!("{known}, the schema of this version of mmusim"))),
            None => Ok(()),
        }
    }

    /// The file's name, without directories.
    pub(crate) fn file_name(&self) -> String {
        Path::new(&self.path).file_name().map_or(self.path.clone(), |name| name.to_string_lossy().into_owned())
    }

    /// A column, if the file has it.
    pub(crate) fn find(&self, name: &str) -> Option<Column> {
        self.columns.iter().position(|column| column == name).map(Column)
    }

    /// A column that has to be there; `made_by` says what makes files that have it.
    pub(crate) fn column(&self, name: &str, made_by: &str) -> Result<Column, Failure> {
        self.find(name).ok_or_else(|| {
            let words = |text: &str| text.split(['_', '.']).map(str::to_owned).collect::<Vec<_>>();
            let asked = words(name);
            let mut near: Vec<&str> = self.columns.iter().map(String::as_str).collect();
            near.sort_by_key(|column| {
                let theirs = words(column);
                std::cmp::Reverse(asked.iter().filter(|&word| theirs.contains(word)).count())
            });
            let more = if near.len() > SHOWN { ", ..." } else { "" };
            near.truncate(SHOWN);
            let help = format!("expected {made_by}; the columns here: {}{more}", near.join(", "));
            Failure::new(format!("{}:1: there is no column `{name}`", self.path), help)
        })
    }

    pub(crate) fn name(&self, Column(column): Column) -> &str {
        &self.columns[column]
    }

    pub(crate) fn text<'s>(&self, row: &'s Row, column: Column) -> &'s str {
        debug_assert!(column.0 < self.columns.len(), "a column is of the sheet it is asked of");
        &row.fields[column.0]
    }

    /// A number; an empty field has none.
    pub(crate) fn number(&self, row: &Row, column: Column) -> Result<Option<f64>, Failure> {
        let field = self.text(row, column);
        match field.parse() {
            _ if field.is_empty() => Ok(None),
            Ok(value) if f64::abs(value) <= NUMBER_MAX => Ok(Some(value)),
            _ => Err(self.wrong(row, column, &format!("a number up to {NUMBER_MAX:e}, or nothing"))),
        }
    }

    /// A number that is not negative; an empty field has none.
    pub(crate) fn amount(&self, row: &Row, column: Column) -> Result<Option<f64>, Failure> {
        match self.number(row, column)? {
            Some(value) if value < 0.0 => {
                Err(self.wrong(row, column, &format!("a number from 0 to {NUMBER_MAX:e}, or nothing")))
            }
            value => Ok(value),
        }
    }

    /// A whole number, which has to be there.
    pub(crate) fn count(&self, row: &Row, column: Column) -> Result<f64, Failure> {
        let field = self.text(row, column);
        let is_whole = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
        match field.parse() {
            Ok(value) if is_whole && value <= NUMBER_MAX => Ok(value),
            _ => Err(self.wrong(row, column, &format!("a whole number from 0 to {NUMBER_MAX:e}"))),
        }
    }

    /// What a field should have been.
    pub(crate) fn wrong(&self, row: &Row, column: Column, expected: &str) -> Failure {
        let has = match self.text(row, column) {
            "" => "is empty".to_owned(),
            field => format!("has `{field}`"),
        };
        let message = format!("{}: column `{}` {has}", self.place(row), self.name(column));
        Failure::new(message, format!("expected {expected}"))
    }

    /// Where a row is, for messages.
    pub(crate) fn place(&self, row: &Row) -> String {
        format!("{}:{}", self.path, row.line)
    }

    /// Is there nothing but numbers in a column, and any?
    pub(crate) fn is_numeric(&self, column: Column) -> bool {
        let numbers = self.rows.iter().map(|row| self.number(row, column).ok());
        numbers.clone().all(|number| number.is_some()) && numbers.flatten().any(|number| number.is_some())
    }

    /// The different values of a column, in their order.
    pub(crate) fn values(&self, column: Column) -> Vec<&str> {
        let mut values: Vec<&str> = Vec::new();
        for row in &self.rows {
            let value = self.text(row, column);
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    /// Columns that say under what a row came about and differ: knobs, and what of the provenance is no seed or hash.
    pub(crate) fn conditions(&self) -> Vec<Column> {
        let is_condition = |name: &str| {
            let of_the_file = ["schema", "version", "seed", "plan", "plan_sha256", "point"];
            let measured =
                ["flushes_extra", "reclaim_cycles"].contains(&name) || METRICS.iter().any(|m| m.name == name);
            !(of_the_file.contains(&name) || name.ends_with("_sha256") || measured)
        };
        let columns = self.columns.iter().enumerate().filter(|(_, name)| is_condition(name));
        columns.map(|(n, _)| Column(n)).filter(|&column| self.values(column).len() > 1).collect()
    }

    /// The knobs: conditions that are not provenance.
    pub(crate) fn knobs(&self) -> Vec<Column> {
        let conditions = self.conditions().into_iter();
        conditions.filter(|&column| PROVENANCE.iter().all(|&(name, _)| name != self.name(column))).collect()
    }

    /// Leaves the rows in which each of these columns has this value.
    pub(crate) fn keep(&mut self, wanted: &[(String, String)]) -> Result<(), Failure> {
        for (name, value) in wanted {
            let column = self.column(name, "--where COLUMN=VALUE with a column of the file")?;
            // Results have the one name of a policy, whatever it was called when it was asked for.
            let alias = if name == "policy" { policy::find(value).map(|policy| policy.name) } else { None };
            let value = alias.unwrap_or(value);
            if !self.values(column).contains(&value) {
                let mut values = self.values(column);
                let more = if values.len() > SHOWN { ", ..." } else { "" };
                values.truncate(SHOWN);
                let message = format!("{}: no row is left with `{name}` = `{value}`", self.path);
                return Err(Failure::new(message, format!("expected one of {}{more}", values.join(", "))));
            }
            self.rows.retain(|row| row.fields[column.0] == value);
        }
        Ok(())
    }
}

fn broken(path: &str, error: &csv::Error) -> Failure {
    let line = error.position().map_or(1, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields; expected {expected_len}, as in the header")
        }
        _ => error.to_string(),
    };
    Failure::new(format!("{path}:{line}: {what}"), "expected a CSV with as many fields in every row")
}
