//! Figures: panels side by side, with one legend, a title above and the provenance below.

use super::axis::Axis;
use super::font;
use super::scene::{Anchor, BLACK, Rgb, Scene, Stroke, WHITE};
use super::style::{Marker, Style};

/// Sizes of print, in pixels.
const TITLE: f64 = 16.0;
const PRINT: f64 = 13.0;
const SMALL: f64 = 11.0;
/// The grid behind the data.
const GRID: Stroke = Stroke::solid(Rgb(221, 221, 221), 1.0);
const FRAME: Stroke = Stroke::solid(Rgb(90, 90, 90), 1.0);
/// Space around everything.
const MARGIN: f64 = 16.0;
/// What is above and below the frame of a panel.
const ABOVE: f64 = 30.0;
const ABOVE_UNTITLED: f64 = 10.0;
const BELOW: f64 = 46.0;
/// So far apart are points of two series with the same value.
const DODGE: f64 = 2.5;
/// With many series they are closer: so far apart are the first and the last at most, which an axis has room for.
const DODGE_ALL: f64 = 18.0;
/// The sample of a line in the legend.
const SAMPLE: f64 = 40.0;

/// A point of a series, and how far its values spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// The least and the most, where there are several values.
    pub(crate) spread: Option<(f64, f64)>,
}

/// Points of one style.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) style: Style,
    pub(crate) points: Vec<Point>,
    pub(crate) lines: Lines,
    /// It is moved aside a little, so that no other series of the panel hides it.
    pub(crate) dodges: bool,
}

/// How the points of a series are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    None,
    Straight,
    /// Level up to the next point.
    Steps,
}

/// What is in the frame of a panel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Series over a horizontal axis.
    Series { x: Axis, y: Axis, series: Vec<Series> },
    /// A bar a row, from 0 to its value.
    Bars { x: Axis, rows: Vec<(String, Option<f64>, String)> },
    /// A row of marked values.
    Ranges { x: Axis, rows: Vec<RangeRow> },
}

/// A row of marked values, or a heading.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RangeRow {
    Heading(String),
    Values { label: String, marks: Vec<(f64, Marker)> },
}

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) content: Content,
}

/// A line of the legend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) style: Style,
    /// The points are joined.
    pub(crate) joined: bool,
}

/// A picture of panels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) title: String,
    /// What the reader has to know about the marks.
    pub(crate) notes: Vec<String>,
    pub(crate) panels: Vec<Panel>,
    pub(crate) legend: Vec<Entry>,
    pub(crate) provenance: String,
}

impl Content {
    /// What has to be left of the frame.
    fn left(&self) -> f64 {
        let widest =
            |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| font::width(text, PRINT)).fold(0.0, f64::max);
        match self {
            Content::Series { y, .. } => widest(&mut y.ticks.iter().map(|(_, text)| text.as_str())) + PRINT + 22.0,
            Content::Bars { rows, .. } => widest(&mut rows.iter().map(|row| row.0.as_str())) + 14.0,
            Content::Ranges { rows, .. } => {
                let labels = rows.iter().map(|row| match row {
                    RangeRow::Heading(text) | RangeRow::Values { label: text, .. } => text.as_str(),
                });
                widest(&mut { labels }) + 14.0
            }
        }
    }

    /// The size of the frame, for one panel of several or the only one.
    fn size(&self, alone: bool) -> (f64, f64) {
        let width = if alone { 560.0 } else { 330.0 };
        let of_rows = |rows: usize| rows as f64 * 22.0 + 10.0;
        match self {
            Content::Series { .. } => (width, if alone { 340.0 } else { 220.0 }),
            Content::Bars { rows, .. } => (width, of_rows(rows.len())),
            Content::Ranges { rows, .. } => (width, of_rows(rows.len())),
        }
    }
}

impl Figure {
    /// Draws it.
    pub(crate) fn scene(&self) -> Scene {
        let alone = self.panels.len() == 1;
        let columns = match self.panels.len() {
            0..=3 => self.panels.len().max(1),
            4 => 2,
            _ => 3,
        };
        let left = self.panels.iter().map(|panel| panel.content.left()).fold(0.0, f64::max);
        let (width, height) = self
            .panels
            .iter()
            .map(|panel| panel.content.size(alone))
            .fold((0.0, 0.0), |a, b| (f64::max(a.0, b.0), f64::max(a.1, b.1)));
        let above = if self.panels.iter().all(|panel| panel.title.is_empty()) { ABOVE_UNTITLED } else { ABOVE };
        let (cell, rows) = (left + width + 26.0, self.panels.len().div_ceil(columns));
        let top = MARGIN + TITLE + self.notes.len() as f64 * (SMALL + 5.0) + 10.0;
        let grid = (columns as f64 * cell, rows as f64 * (above + height + BELOW));
        let legend = self.legend.iter().map(|entry| font::width(&entry.name, PRINT)).fold(0.0, f64::max);
        let legend = if self.legend.is_empty() { 0.0 } else { SAMPLE + 10.0 + legend };
        let texts = self.notes.iter().chain([&self.provenance]).map(|text| font::width(text, SMALL));
        let texts = texts.chain([font::width(&self.title, TITLE)]).fold(0.0, f64::max);
        let inner = f64::max(grid.0 + legend, texts);
        let below = grid.1.max(above + self.legend.len() as f64 * 22.0);
        let mut scene = Scene {
            width: (inner + 2.0 * MARGIN).ceil(),
            height: (top + below + SMALL + 6.0 + MARGIN).ceil(),
            shapes: Vec::new(),
        };
        scene.text((MARGIN, MARGIN + TITLE * 0.8), &self.title, TITLE, Anchor::Start);
        for (n, note) in self.notes.iter().enumerate() {
            let y = MARGIN + TITLE + (n + 1) as f64 * (SMALL + 5.0);
            scene.text((MARGIN, y), note, SMALL, Anchor::Start);
        }
        for (n, panel) in self.panels.iter().enumerate() {
            let (column, row) = ((n % columns) as f64, (n / columns) as f64);
            let at = (MARGIN + column * cell + left, top + row * (above + height + BELOW) + above);
            let own = (width, panel.content.size(alone).1);
            Frame { at, size: own }.panel(&mut scene, panel);
        }
        self.draw_legend(&mut scene, (MARGIN + grid.0, top + above));
        let foot = (MARGIN, scene.height - MARGIN + 2.0);
        scene.text(foot, &self.provenance, SMALL, Anchor::Start);
        scene
    }

    fn draw_legend(&self, scene: &mut Scene, (x, y): (f64, f64)) {
        for (n, entry) in self.legend.iter().enumerate() {
            let y = y + 6.0 + n as f64 * 22.0;
            if entry.joined {
                scene.line(vec![(x, y), (x + SAMPLE, y)], entry.style.stroke);
            }
            scene.marker((x + SAMPLE / 2.0, y), entry.style.marker, entry.style.stroke.color);
            scene.text((x + SAMPLE + 10.0, y + PRINT * 0.36), &entry.name, PRINT, Anchor::Start);
        }
    }
}

/// Where the frame of a panel is.
#[derive(Clone, Copy)]
struct Frame {
    at: (f64, f64),
    size: (f64, f64),
}

impl Frame {
    fn x(&self, axis: &Axis, value: f64) -> Option<f64> {
        axis.place(value).map(|place| self.at.0 + place * self.size.0)
    }

    fn y(&self, axis: &Axis, value: f64) -> Option<f64> {
        axis.place(value).map(|place| self.at.1 + (1.0 - place) * self.size.1)
    }

    fn panel(self, scene: &mut Scene, panel: &Panel) {
        scene.rect(self.at, self.size, WHITE, None);
        if !panel.title.is_empty() {
            scene.text((self.at.0, self.at.1 - 9.0), &panel.title, PRINT, Anchor::Start);
        }
        match &panel.content {
            Content::Series { x, y, series } => {
                self.x_axis(scene, x);
                self.y_axis(scene, y);
                for (n, own) in series.iter().enumerate() {
                    self.series(scene, (x, y), own, if own.dodges { dodge(n, series.len()) } else { 0.0 });
                }
                if series.iter().all(|series| series.points.is_empty()) {
                    let at = (self.at.0 + 6.0, self.at.1 + self.size.1 / 2.0);
                    scene.text(at, "none", SMALL, Anchor::Start);
                }
            }
            Content::Bars { x, rows } => {
                self.x_axis(scene, x);
                self.bars(scene, x, rows);
            }
            Content::Ranges { x, rows } => {
                self.x_axis(scene, x);
                self.ranges(scene, x, rows);
            }
        }
        let ((x, y), (width, height)) = (self.at, self.size);
        scene.line(vec![(x, y), (x, y + height), (x + width, y + height)], FRAME);
    }

    fn x_axis(&self, scene: &mut Scene, axis: &Axis) {
        let (top, bottom) = (self.at.1, self.at.1 + self.size.1);
        let mut free_from = f64::NEG_INFINITY;
        for (value, text) in &axis.ticks {
            let Some(x) = self.x(axis, *value) else { continue };
            scene.line(vec![(x, top), (x, bottom)], GRID);
            scene.line(vec![(x, bottom), (x, bottom + 4.0)], FRAME);
            let half = font::width(text, PRINT) / 2.0;
            if x - half >= free_from {
                scene.text((x, bottom + 6.0 + PRINT), text, PRINT, Anchor::Middle);
                free_from = x + half + 6.0;
            }
        }
        let middle = self.at.0 + self.size.0 / 2.0;
        scene.text((middle, bottom + 12.0 + 2.0 * PRINT), &axis.label, PRINT, Anchor::Middle);
    }

    fn y_axis(&self, scene: &mut Scene, axis: &Axis) {
        let (left, right) = (self.at.0, self.at.0 + self.size.0);
        for (value, text) in &axis.ticks {
            let Some(y) = self.y(axis, *value) else { continue };
            scene.line(vec![(left, y), (right, y)], GRID);
            scene.line(vec![(left - 4.0, y), (left, y)], FRAME);
            scene.text((left - 8.0, y + PRINT * 0.36), text, PRINT, Anchor::End);
        }
        let widest = axis.ticks.iter().map(|(_, text)| font::width(text, PRINT)).fold(0.0, f64::max);
        scene.upright((left - widest - 16.0, self.at.1 + self.size.1 / 2.0), &axis.label, PRINT);
    }

    fn series(&self, scene: &mut Scene, (x, y): (&Axis, &Axis), series: &Series, dodge: f64) {
        let place = |px: f64, py: f64| Some((self.x(x, px)? + dodge, self.y(y, py)?));
        let stroke = series.style.stroke;
        let mut line: Vec<(f64, f64)> = Vec::new();
        for point in &series.points {
            let Some(at) = place(point.x, point.y) else {
                // A logarithmic axis has no place for it: the line breaks.
                finish(scene, &mut line, stroke);
                continue;
            };
            if series.lines == Lines::Steps
                && let Some(&(_, before)) = line.last()
            {
                line.push((at.0, before));
            }
            line.push(at);
        }
        if series.lines == Lines::None {
            line.clear();
        }
        finish(scene, &mut line, stroke);
        for point in &series.points {
            let Some(at) = place(point.x, point.y) else { continue };
            if let Some((least, most)) = point.spread
                && let (Some(low), Some(high)) = (place(point.x, least), place(point.x, most))
            {
                scene.line(vec![low, high], Stroke::solid(stroke.color, 1.2));
                for end in [low, high] {
                    scene.line(vec![(end.0 - 3.0, end.1), (end.0 + 3.0, end.1)], Stroke::solid(stroke.color, 1.2));
                }
            }
            scene.marker(at, series.style.marker, stroke.color);
        }
    }

    /// The height of the middle of a row.
    fn row(&self, n: usize, rows: usize) -> f64 {
        self.at.1 + (n as f64 + 0.5) * self.size.1 / rows as f64
    }

    fn bars(&self, scene: &mut Scene, axis: &Axis, rows: &[(String, Option<f64>, String)]) {
        for (n, (label, value, text)) in rows.iter().enumerate() {
            let y = self.row(n, rows.len());
            scene.text((self.at.0 - 8.0, y + PRINT * 0.36), label, PRINT, Anchor::End);
            let zero = self.x(axis, 0.0).unwrap_or(self.at.0);
            let end = value.and_then(|value| self.x(axis, value)).unwrap_or(zero);
            let (low, high) = (zero.min(end), zero.max(end));
            scene.rect(
                (low, y - 7.0),
                (high - low, 14.0),
                Rgb(170, 195, 215),
                Some(Stroke::solid(Rgb(0, 70, 120), 1.0)),
            );
            let wide = font::width(text, SMALL);
            let inside = high + 6.0 + wide > self.at.0 + self.size.0;
            let (x, anchor) = if inside { (high - 6.0, Anchor::End) } else { (high + 6.0, Anchor::Start) };
            scene.text((x, y + SMALL * 0.36), text, SMALL, anchor);
        }
    }

    fn ranges(&self, scene: &mut Scene, axis: &Axis, rows: &[RangeRow]) {
        for (n, row) in rows.iter().enumerate() {
            let y = self.row(n, rows.len());
            let right = self.at.0 + self.size.0;
            match row {
                RangeRow::Heading(text) => {
                    scene.line(vec![(self.at.0, y - 9.0), (right, y - 9.0)], FRAME);
                    scene.text((self.at.0 + 6.0, y + PRINT * 0.36), text, PRINT, Anchor::Start);
                }
                RangeRow::Values { label, marks } => {
                    scene.text((self.at.0 - 8.0, y + PRINT * 0.36), label, PRINT, Anchor::End);
                    let placed = marks.iter().filter_map(|&(value, marker)| Some((self.x(axis, value)?, marker)));
                    let placed: Vec<_> = placed.collect();
                    let ends = placed.iter().map(|&(x, _)| x);
                    let (low, high) = (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(0.0, f64::max));
                    if low < high {
                        scene.line(vec![(low, y), (high, y)], Stroke::solid(BLACK, 1.4));
                    }
                    if marks.is_empty() {
                        scene.text((self.at.0 + 6.0, y + PRINT * 0.36), "none", SMALL, Anchor::Start);
                    }
                    // The least is on top: where all are one, there is a disc in the circle.
                    for &(x, marker) in placed.iter().rev() {
                        scene.marker((x, y), marker, BLACK);
                    }
                }
            }
        }
    }
}

/// How far the points of a series are moved aside, of so many series.
fn dodge(n: usize, series: usize) -> f64 {
    let gaps = series as f64 - 1.0;
    let all = (gaps * DODGE).min(DODGE_ALL);
    if gaps > 0.0 { (n as f64 / gaps - 0.5) * all } else { 0.0 }
}

/// Draws what has been joined so far.
fn finish(scene: &mut Scene, line: &mut Vec<(f64, f64)>, stroke: Stroke) {
    let points = std::mem::take(line);
    if points.len() > 1 {
        scene.line(points, stroke);
    }
}
