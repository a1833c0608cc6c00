//! Lengths of windows by class and policy: p50, p99 and the longest.

use workloads::outcome;

use super::axis::Axis;
use super::data::{Column, Row, Sheet};
use super::figure::{Content, Entry, Figure, Panel, RangeRow};
use super::groups::{Group, apart, by_seed_only, mean, panels, seeds_note, titled};
use super::scene::{BLACK, Stroke};
use super::style::{Marker, Style};
use super::{Choice, Kind, provenance};
use crate::failure::Failure;

const MADE_BY: &str = "the CSV of `mmusim sweep merge`, or of `mmusim compare --format csv --rows runs`";

/// Which of the metrics of a class, and how they are marked.
const MARKS: [(&str, &str, Marker); 3] = [
    ("p50", "half are no longer (p50)", Marker::Disc),
    ("p99", "99 of 100 are no longer (p99)", Marker::Bar),
    ("max", "the longest", Marker::Circle),
];

pub(super) const KIND: Kind = Kind {
    name: "windows",
    summary: "Lengths of windows (p50, p99, longest) by class and policy",
    takes: &["by"],
    fits: |sheet| classes().iter().any(|class| sheet.find(&name(class, "p50")).is_some()),
    draw,
};

/// The classes of window that there are metrics of: `permission`, and so on.
fn classes() -> Vec<&'static str> {
    let names = outcome::METRICS.iter().map(|metric| metric.name);
    names.filter_map(|name| name.strip_prefix("windows_")?.strip_suffix("_p50_cycles")).collect()
}

fn name(class: &str, which: &str) -> String {
    format!("windows_{class}_{which}_cycles")
}

fn draw(sheet: &Sheet, choice: &Choice) -> Result<Figure, Failure> {
    let by = sheet.column(choice.by.as_deref().unwrap_or("policy"), MADE_BY)?;
    let (mut drawn, mut runs) = (Vec::new(), Vec::new());
    // The same rows in all panels, so that they can be compared.
    let mut shown = Vec::new();
    for class in classes() {
        check(sheet, class)?;
        let p50 = sheet.column(&name(class, "p50"), MADE_BY)?;
        if sheet.is_numeric(p50) {
            shown.push(class);
        }
    }
    for panel in panels(sheet, &[Some(by)])? {
        let series = apart(sheet, &panel.rows, &[by]);
        let rows = rows(sheet, &shown, &series, by, &mut runs)?;
        drawn.push((panel.title, rows));
    }
    let values: Vec<f64> = drawn
        .iter()
        .flat_map(|panel| &panel.1)
        .filter_map(|row| match row {
            RangeRow::Heading(_) => None,
            RangeRow::Values { marks, .. } => Some(marks.iter().map(|mark| mark.0)),
        })
        .flatten()
        .collect();
    if values.is_empty() {
        let message = format!("{}: no run has a window of any class", sheet.path);
        return Err(Failure::new(message, "expected a row with a window, such as of `unpatched` on `overlap`"));
    }
    let axis = Axis::for_values("length, cycles", values.iter().copied());
    let panels =
        drawn.into_iter().map(|(title, rows)| Panel { title, content: Content::Ranges { x: axis.clone(), rows } });
    let legend = MARKS.iter().map(|&(_, name, marker)| {
        let style = Style { stroke: Stroke::solid(BLACK, 1.4), marker };
        Entry { name: name.to_owned(), style, joined: true }
    });
    Ok(Figure {
        title: "Lengths of windows by class".to_owned(),
        notes: seeds_note(&runs, ", each of the three by itself"),
        panels: panels.collect(),
        legend: legend.collect(),
        provenance: provenance(sheet)?,
    })
}

/// Lengths are not negative, none is longer than the next, and a run has all of them or, without a window of the class, none.
fn check(sheet: &Sheet, class: &str) -> Result<(), Failure> {
    let columns = MARKS.map(|(which, ..)| sheet.column(&name(class, which), MADE_BY));
    let columns = columns.into_iter().collect::<Result<Vec<_>, _>>()?;
    for row in &sheet.rows {
        let values = columns.iter().map(|&column| sheet.amount(row, column)).collect::<Result<Vec<_>, _>>()?;
        let empty = values.iter().position(Option::is_none);
        let full = values.iter().position(Option::is_some);
        if let (Some(empty), Some(full)) = (empty, full) {
            let expected = format!("a number, as in column `{}`", sheet.name(columns[full]));
            return Err(sheet.wrong(row, columns[empty], &expected));
        }
        if let Some(shorter) = (1..values.len()).find(|&n| values[n] < values[n - 1]) {
            let expected = format!("no less than column `{}`", sheet.name(columns[shorter - 1]));
            return Err(sheet.wrong(row, columns[shorter], &expected));
        }
    }
    Ok(())
}

/// A heading for each class, and below it a row for each series; `runs` gets how many are behind each mark.
fn rows(
    sheet: &Sheet,
    classes: &[&str],
    series: &[Group<'_>],
    by: Column,
    runs: &mut Vec<usize>,
) -> Result<Vec<RangeRow>, Failure> {
    let mut out = Vec::new();
    for class in classes {
        out.push(RangeRow::Heading(class.replace('_', " ")));
        for group in series {
            by_seed_only(sheet, &group.rows)?;
            let mut marks = Vec::new();
            for (which, _, marker) in MARKS {
                let lengths = lengths(sheet, &group.rows, &name(class, which))?;
                if let Some((value, _)) = mean(&lengths) {
                    marks.push((value, marker));
                    runs.push(lengths.len());
                }
            }
            let label = titled(sheet.name(by), sheet.text(group.rows[0], by));
            out.push(RangeRow::Values { label, marks });
        }
    }
    Ok(out)
}

/// Of the runs that have windows.
fn lengths(sheet: &Sheet, rows: &[&Row], metric: &str) -> Result<Vec<f64>, Failure> {
    let column = sheet.column(metric, MADE_BY)?;
    let values = rows.iter().map(|row| sheet.number(row, column)).collect::<Result<Vec<_>, _>>()?;
    Ok(values.into_iter().flatten().collect())
}
