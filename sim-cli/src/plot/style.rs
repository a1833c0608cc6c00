//! How series are told apart: by colour, by marker and by dashes, so that each of the three is enough.

use super::scene::{BLACK, Rgb, Scene, Shape, Stroke, WHITE};

/// Colours that the colour-blind tell apart (Okabe and Ito, "Color Universal Design", 2008), but for yellow, which white hides.
const COLORS: [Rgb; 7] = [
    BLACK,
    Rgb(213, 94, 0),
    Rgb(0, 114, 178),
    Rgb(0, 158, 115),
    Rgb(204, 121, 167),
    Rgb(86, 180, 233),
    Rgb(230, 159, 0),
];

/// Lengths drawn and left out.
const DASHES: [&[f64]; 5] = [&[], &[7.0, 3.0], &[2.0, 2.5], &[8.0, 3.0, 2.0, 3.0], &[14.0, 4.0]];

/// What a point is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Disc,
    Square,
    Triangle,
    Diamond,
    Circle,
    Frame,
    Down,
    Cross,
    Bar,
}

const MARKERS: [Marker; 8] = [
    Marker::Disc,
    Marker::Frame,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Cross,
    Marker::Circle,
    Marker::Square,
    Marker::Down,
];

/// How one series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    pub(crate) stroke: Stroke,
    pub(crate) marker: Marker,
}

/// The style of the n-th series; the first 280 differ.
pub(crate) fn style(n: usize) -> Style {
    let stroke = Stroke { color: COLORS[n % COLORS.len()], width: 1.8, dash: DASHES[n % DASHES.len()] };
    Style { stroke, marker: MARKERS[n % MARKERS.len()] }
}

impl Scene {
    /// A marker at a point.
    pub(crate) fn marker(&mut self, (x, y): (f64, f64), marker: Marker, color: Rgb) {
        let outline = Stroke::solid(color, 1.6);
        let r = 4.0;
        let around = |offsets: &[(f64, f64)]| offsets.iter().map(|(dx, dy)| (x + dx * r, y + dy * r)).collect();
        let closed = |offsets: &[(f64, f64)], fill| {
            let points = around(offsets);
            Shape::Path { points, closed: true, fill: Some(fill), stroke: Some(outline) }
        };
        let square = [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)];
        let shape = match marker {
            Marker::Disc => Shape::Circle { at: (x, y), radius: r - 0.5, fill: color, stroke: outline },
            Marker::Circle => Shape::Circle { at: (x, y), radius: r - 0.2, fill: WHITE, stroke: outline },
            Marker::Square => closed(&square, color),
            Marker::Frame => closed(&square, WHITE),
            Marker::Triangle => closed(&[(0.0, -1.1), (1.0, 0.8), (-1.0, 0.8)], color),
            Marker::Down => closed(&[(0.0, 1.1), (1.0, -0.8), (-1.0, -0.8)], WHITE),
            Marker::Diamond => closed(&[(0.0, -1.2), (1.0, 0.0), (0.0, 1.2), (-1.0, 0.0)], color),
            Marker::Bar => {
                let points = around(&[(0.0, -1.3), (0.0, 1.3)]);
                return self.line(points, Stroke::solid(color, 2.4));
            }
            Marker::Cross => {
                self.line(around(&[(-1.0, -1.0), (1.0, 1.0)]), outline);
                return self.line(around(&[(-1.0, 1.0), (1.0, -1.0)]), outline);
            }
        };
        self.shapes.push(shape);
    }
}
