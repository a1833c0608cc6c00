//! A metric over a knob, one line a policy; without a knob, a bar a policy.

use super::axis::{Axis, shown};
use super::data::{Column, Sheet};
use super::figure::{Content, Entry, Figure, Lines, Panel, Point, Series};
use super::groups::{Group, apart, by_seed_only, mean, panels, seeds_note};
use super::style::style;
use super::{Choice, Kind, Label, capital, provenance};
use crate::failure::Failure;

/// What is drawn if nothing is said: the first that has a value.
const METRICS: [&str; 2] = ["flush_total_per_reclaim_cycle_cycles", "round_cycles"];
/// What is along the axis if it varies.
const CORES: [&str; 2] = ["cores", "workload.cores"];
const MADE_BY: &str = "the CSV of `mmusim sweep merge`, or of `mmusim compare --format csv --rows runs`";

pub(super) const KIND: Kind = Kind {
    name: "cost",
    summary: "Flush cost of a reclaim cycle (or cycles of a round) over cores or another knob, a line a policy",
    takes: &["metric", "x", "by"],
    fits: |sheet| METRICS.iter().all(|name| sheet.find(name).is_some()),
    draw,
};

fn draw(sheet: &Sheet, choice: &Choice) -> Result<Figure, Failure> {
    let metric = metric(sheet, choice)?;
    let x = match &choice.x {
        Some(name) => Some(sheet.column(name, MADE_BY)?),
        None => default_x(sheet),
    };
    let by = sheet.column(choice.by.as_deref().unwrap_or("policy"), MADE_BY)?;
    let x = x.filter(|&column| column != by);
    let panels = panels(sheet, &[x, Some(by), Some(metric)])?;
    let label = Label::of(sheet.name(metric));
    let (panels, legend, notes) = match x {
        Some(x) if sheet.is_numeric(x) => lines(sheet, (x, by, metric), &panels, &label.axis)?,
        _ => bars(sheet, (x, by, metric), &panels, &label.axis)?,
    };
    let title = match x {
        Some(x) => capital(&format!("{}, by {}", label.title, Label::of(sheet.name(x)).title)),
        None => capital(&label.title),
    };
    Ok(Figure { title, notes, panels, legend, provenance: provenance(sheet)? })
}

fn metric(sheet: &Sheet, choice: &Choice) -> Result<Column, Failure> {
    if let Some(name) = &choice.metric {
        let column = sheet.column(name, "a metric (docs/schema.md)")?;
        for row in &sheet.rows {
            sheet.number(row, column)?;
        }
        if !sheet.is_numeric(column) {
            let message = format!("{}: column `{name}` is empty", sheet.path);
            return Err(Failure::new(message, "expected a metric that has a value in some row"));
        }
        return Ok(column);
    }
    let columns = METRICS.iter().map(|name| sheet.column(name, MADE_BY)).collect::<Result<Vec<_>, _>>()?;
    for &column in &columns {
        for row in &sheet.rows {
            if sheet.number(row, column)?.is_some() {
                return Ok(column);
            }
        }
    }
    let message = format!("{}: {} are empty in all rows", sheet.path, METRICS.join(" and "));
    Err(Failure::new(message, "expected one that has a value: say another with --metric"))
}

/// Cores if they vary, else the first knob with numbers that does.
fn default_x(sheet: &Sheet) -> Option<Column> {
    let knobs = sheet.knobs();
    let cores = knobs.iter().copied().find(|&column| CORES.contains(&sheet.name(column)));
    cores.or_else(|| knobs.iter().copied().find(|&column| sheet.is_numeric(column)))
}

type Drawn = (Vec<Panel>, Vec<Entry>, Vec<String>);

fn lines(
    sheet: &Sheet,
    (x, by, metric): (Column, Column, Column),
    panels: &[Group<'_>],
    label: &str,
) -> Result<Drawn, Failure> {
    let names = sheet.values(by);
    let (mut drawn, mut runs) = (Vec::new(), Vec::new());
    for panel in panels {
        let mut series = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let own: Vec<_> = panel.rows.iter().copied().filter(|row| sheet.text(row, by) == *name).collect();
            let mut points = Vec::new();
            for group in apart(sheet, &own, &[x]) {
                by_seed_only(sheet, &group.rows)?;
                let Some(at) = sheet.number(group.rows[0], x)? else { continue };
                let values = group.rows.iter().map(|row| sheet.number(row, metric));
                let values: Vec<f64> = values.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
                if let Some((y, spread)) = mean(&values) {
                    points.push(Point { x: at, y, spread });
                    runs.push(values.len());
                }
            }
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            series.push(Series { style: style(n), points, lines: Lines::Straight, dodges: true });
        }
        drawn.push((panel.title.clone(), series));
    }
    // The same axes for all panels, so that they can be compared.
    let points: Vec<Point> =
        drawn.iter().flat_map(|panel| &panel.1).flat_map(|series| &series.points).copied().collect();
    let places: Vec<f64> = points.iter().map(|point| point.x).collect();
    let x_axis = Axis::at_values(&Label::of(sheet.name(x)).axis, &places);
    let spread = |point: &Point| point.spread.unwrap_or((point.y, point.y));
    let y_axis = Axis::for_values(label, points.iter().flat_map(|point| [spread(point).0, spread(point).1]));
    let panels = drawn.into_iter().map(|(title, series)| {
        let content = Content::Series { x: x_axis.clone(), y: y_axis.clone(), series };
        Panel { title, content }
    });
    let legend = names.iter().enumerate().map(|(n, name)| {
        let (name, style) = (super::groups::titled(sheet.name(by), name), style(n));
        Entry { name, style, joined: true }
    });
    let notes = seeds_note(&runs, "; bars from the least to the most");
    Ok((panels.collect(), legend.collect(), notes))
}

fn bars(
    sheet: &Sheet,
    (x, by, metric): (Option<Column>, Column, Column),
    panels: &[Group<'_>],
    label: &str,
) -> Result<Drawn, Failure> {
    let columns: Vec<Column> = x.into_iter().chain([by]).collect();
    let (mut drawn, mut runs) = (Vec::new(), Vec::new());
    for panel in panels {
        let mut rows = Vec::new();
        for group in apart(sheet, &panel.rows, &columns) {
            by_seed_only(sheet, &group.rows)?;
            let values = group.rows.iter().map(|row| sheet.number(row, metric));
            let values: Vec<f64> = values.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
            let value = mean(&values).map(|(mean, _)| mean);
            runs.extend(value.map(|_| values.len()));
            rows.push((group.title, value));
        }
        let values: Vec<f64> = rows.iter().filter_map(|row| row.1).chain([0.0]).collect();
        let axis = Axis::for_values(label, values.iter().copied());
        let most = values.iter().fold(0.0, |most, value| f64::max(most, value.abs()));
        let written = |value: Option<f64>| value.map_or("no value".to_owned(), |value| shown(rounded(value), most));
        let rows = rows.into_iter().map(|(name, value)| (name, value, written(value))).collect();
        drawn.push(Panel { title: panel.title.clone(), content: Content::Bars { x: axis, rows } });
    }
    Ok((drawn, Vec::new(), seeds_note(&runs, "")))
}

/// Three digits are as many as a reader takes in.
fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powi(value.abs().log10().floor() as i32 - 2);
    (value / unit).round() * unit
}
