//! Extra flushes of a reclaim cycle: which share of the cycles cost at least so many.

use super::axis::Axis;
use super::data::Sheet;
use super::figure::{Content, Entry, Figure, Lines, Panel, Point, Series};
use super::groups::{apart, by_seed_only, panels, seeds, titled};
use super::style::style;
use super::{Choice, Kind, provenance};
use crate::failure::Failure;

const MADE_BY: &str = "the CSV of `mmusim compare --format csv --rows cycles`";

pub(super) const KIND: Kind = Kind {
    name: "extra",
    summary: "Distribution of the extra flushes of a reclaim cycle, a line a policy",
    takes: &["by"],
    fits: is_of_cycles,
    draw,
};

/// `runs` has columns of the same names, which mean something else.
fn is_of_cycles(sheet: &Sheet) -> bool {
    sheet.find("flushes_extra").is_some() && sheet.find("reclaim_cycles").is_some() && sheet.find("faults").is_none()
}

fn draw(sheet: &Sheet, choice: &Choice) -> Result<Figure, Failure> {
    let (extra, cycles) = (sheet.column("flushes_extra", MADE_BY)?, sheet.column("reclaim_cycles", MADE_BY)?);
    if !is_of_cycles(sheet) {
        let message = format!("{}:1: a row is a run, not a number of extra flushes", sheet.path);
        return Err(Failure::new(message, format!("expected {MADE_BY}")));
    }
    let by = sheet.column(choice.by.as_deref().unwrap_or("policy"), MADE_BY)?;
    let (names, seed) = (sheet.values(by), sheet.find("seed"));
    let (mut drawn, mut runs) = (Vec::new(), Vec::new());
    for panel in panels(sheet, &[Some(by)])? {
        let mut series = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let own: Vec<_> = panel.rows.iter().copied().filter(|row| sheet.text(row, by) == *name).collect();
            let mut counts: Vec<(f64, f64)> = Vec::new();
            for group in apart(sheet, &own, &[extra]) {
                let extra = sheet.count(group.rows[0], extra)?;
                let mut sum = 0.0;
                for row in &group.rows {
                    sum += sheet.count(row, cycles)?;
                }
                by_seed_only(sheet, &group.rows)?;
                counts.push((extra, sum));
            }
            if !own.is_empty() {
                runs.push(seed.map_or(1, |seed| apart(sheet, &own, &[seed]).len()));
            }
            counts.sort_by(|a, b| a.0.total_cmp(&b.0));
            series.push(Series { style: style(n), points: at_least(&counts), lines: Lines::Steps, dodges: true });
        }
        drawn.push((panel.title, series));
    }
    let points: Vec<Point> =
        drawn.iter().flat_map(|panel| &panel.1).flat_map(|series| &series.points).copied().collect();
    let x = Axis::at_values("at least so many extra flushes", &points.iter().map(|point| point.x).collect::<Vec<_>>());
    let y = Axis::for_values("reclaim cycles, %", points.iter().map(|point| point.y));
    let panels: Vec<Panel> = drawn
        .into_iter()
        .map(|(title, series)| {
            let content = Content::Series { x: x.clone(), y: y.clone(), series };
            Panel { title, content }
        })
        .collect();
    let legend: Vec<Entry> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let style = style(n);
            Entry { name: titled(sheet.name(by), name), style, joined: true }
        })
        .collect();
    let together = seeds(&runs).map(|seeds| format!("Reclaim cycles of {seeds} together."));
    let notes = together.into_iter().chain(none_note(&legend, &panels)).collect();
    Ok(Figure {
        title: "Extra flushes of a reclaim cycle".to_owned(),
        notes,
        panels,
        legend,
        provenance: provenance(sheet)?,
    })
}

/// Which series have no extra flush anywhere: all of theirs is the one point at 0.
fn none_note(legend: &[Entry], panels: &[Panel]) -> Option<String> {
    let has_extra = |n: usize| {
        panels.iter().any(|panel| match &panel.content {
            Content::Series { series, .. } => series[n].points.iter().any(|point| point.x > 0.0),
            _ => false,
        })
    };
    let none = legend.iter().enumerate().filter(|&(n, _)| !has_extra(n)).map(|(_, entry)| entry.name.as_str());
    let none: Vec<_> = none.collect();
    (!none.is_empty()).then(|| format!("No reclaim cycle has an extra flush under {}.", none.join(", ")))
}

/// The share of cycles, in percent, with at least so many extra flushes: at each number that some cycle has.
fn at_least(counts: &[(f64, f64)]) -> Vec<Point> {
    let all: f64 = counts.iter().map(|count| count.1).sum();
    let mut left = all;
    let mut points = Vec::new();
    for &(extra, cycles) in counts.iter().filter(|_| all > 0.0) {
        points.push(Point { x: extra, y: 100.0 * left / all, spread: None });
        left -= cycles;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_cycles_and_fall() {
        let points = at_least(&[(0.0, 90.0), (2.0, 9.0), (5.0, 1.0)]);
        let points: Vec<_> = points.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(points, [(0.0, 100.0), (2.0, 10.0), (5.0, 1.0)]);
        assert!(at_least(&[(0.0, 0.0)]).is_empty());
    }
}
