//! Published curves beside the model's.

use super::axis::Axis;
use super::data::{Column, Row, Sheet};
use super::figure::{Content, Entry, Figure, Lines, Panel, Point, Series};
use super::groups::apart;
use super::scene::{BLACK, Rgb, Stroke};
use super::style::{Marker, Style};
use super::{Choice, Kind, provenance};
use crate::failure::Failure;

const MADE_BY: &str = "the CSV of `mmusim calibrate PROFILE --format csv`";

const PUBLISHED: Style = Style { stroke: Stroke::solid(BLACK, 1.8), marker: Marker::Disc };
const COMPARED: Style = Style { stroke: Stroke::solid(BLACK, 1.8), marker: Marker::Circle };
const MODEL: Style =
    Style { stroke: Stroke { color: Rgb(213, 94, 0), width: 1.8, dash: &[7.0, 3.0] }, marker: Marker::Triangle };
const LEFT_OUT: Style = Style { stroke: Stroke::solid(Rgb(0, 114, 178), 1.8), marker: Marker::Cross };

pub(super) const KIND: Kind = Kind {
    name: "curve",
    summary: "Published curves of a machine beside those of the model",
    takes: &[],
    fits: |sheet| ["curve", "published_ns", "model_ns"].iter().all(|name| sheet.find(name).is_some()),
    draw,
};

fn draw(sheet: &Sheet, _choice: &Choice) -> Result<Figure, Failure> {
    let column = |name| sheet.column(name, MADE_BY);
    let (curve, at, axis) = (column("curve")?, column("at")?, column("axis")?);
    let (published, model, left_out) = (column("published_ns")?, column("model_ns")?, column("left_out_ns")?);
    let (fit, profile) = (column("fit")?, column("profile")?);
    let rows: Vec<_> = sheet.rows.iter().collect();
    let mut panels = Vec::new();
    let mut any_left_out = false;
    for group in apart(sheet, &rows, &[profile, curve]) {
        let mut series: [Vec<Point>; 4] = std::array::from_fn(|_| Vec::new());
        check(sheet, &group.rows, at, published)?;
        for row in &group.rows {
            let x = sheet.count(row, at)?;
            let fitted = match sheet.text(row, fit) {
                "true" => true,
                "false" => false,
                _ => return Err(sheet.wrong(row, fit, "true or false")),
            };
            for (n, column) in [published, model, left_out].into_iter().enumerate() {
                if let Some(y) = sheet.amount(row, column)? {
                    series[n].push(Point { x, y, spread: None });
                    if n == 0 && !fitted {
                        series[3].push(Point { x, y, spread: None });
                    }
                }
            }
        }
        for points in &mut series {
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
        }
        any_left_out |= !series[2].is_empty();
        let all: Vec<Point> = series.iter().flatten().copied().collect();
        let places: Vec<f64> = all.iter().map(|point| point.x).collect();
        let x = Axis::at_values(&sheet.text(group.rows[0], axis).replace('_', " "), &places);
        let y = Axis::for_values("time, ns", all.iter().map(|point| point.y));
        let styles =
            [(PUBLISHED, Lines::Straight), (MODEL, Lines::Straight), (LEFT_OUT, Lines::None), (COMPARED, Lines::None)];
        let series = series.into_iter().zip(styles).map(|(points, (style, lines))| Series {
            style,
            points,
            lines,
            dodges: false,
        });
        let title = sheet.text(group.rows[0], curve).to_owned();
        panels.push(Panel { title, content: Content::Series { x, y, series: series.collect() } });
    }
    let entry = |name: &str, style: Style, joined: bool| Entry { name: name.to_owned(), style, joined };
    let mut legend = vec![
        entry("published, fitted to", PUBLISHED, true),
        entry("published, not fitted to", COMPARED, true),
        entry("model", MODEL, true),
    ];
    if any_left_out {
        legend.push(entry("model, fitted without it", LEFT_OUT, false));
    }
    let profiles = sheet.values(profile).join(", ");
    Ok(Figure {
        title: format!("Published curves and the model's, {profiles}"),
        notes: Vec::new(),
        panels,
        legend,
        provenance: provenance(sheet)?,
    })
}

/// A curve has a point once, and what was measured took time.
fn check(sheet: &Sheet, rows: &[&Row], at: Column, published: Column) -> Result<(), Failure> {
    for (n, row) in rows.iter().enumerate() {
        if sheet.number(row, published)?.is_some_and(|ns| ns <= 0.0) {
            return Err(sheet.wrong(row, published, "a number above 0, or nothing"));
        }
        let x = sheet.count(row, at)?;
        for other in &rows[..n] {
            if sheet.count(other, at)?.total_cmp(&x).is_eq() {
                let message = format!("{} and {} are for the same point", sheet.place(other), sheet.place(row));
                return Err(Failure::new(message, "expected each value of `at` once in a curve"));
            }
        }
    }
    Ok(())
}
