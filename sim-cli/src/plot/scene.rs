//! What a picture is made of, before it is SVG or PNG. Lengths are pixels at 100 %, y goes down.

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rgb(pub(crate) u8, pub(crate) u8, pub(crate) u8);

pub(crate) const BLACK: Rgb = Rgb(0, 0, 0);
pub(crate) const WHITE: Rgb = Rgb(255, 255, 255);

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) color: Rgb,
    pub(crate) width: f64,
    /// Lengths drawn and left out, in turn; nothing is a solid line.
    pub(crate) dash: &'static [f64],
}

impl Stroke {
    pub(crate) const fn solid(color: Rgb, width: f64) -> Stroke {
        Stroke { color, width, dash: &[] }
    }
}

/// Which part of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A word or a line of text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text {
    pub(crate) at: (f64, f64),
    pub(crate) letters: String,
    pub(crate) size: f64,
    pub(crate) anchor: Anchor,
    /// Read from below.
    pub(crate) upright: bool,
    pub(crate) color: Rgb,
}

/// One thing to draw; later ones are on top.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Points that are joined.
    Path { points: Vec<(f64, f64)>, closed: bool, fill: Option<Rgb>, stroke: Option<Stroke> },
    /// A circle around a point.
    Circle { at: (f64, f64), radius: f64, fill: Rgb, stroke: Stroke },
    /// Text.
    Text(Text),
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

impl Scene {
    pub(crate) fn line(&mut self, points: Vec<(f64, f64)>, stroke: Stroke) {
        self.shapes.push(Shape::Path { points, closed: false, fill: None, stroke: Some(stroke) });
    }

    pub(crate) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: Rgb, stroke: Option<Stroke>) {
        let points = vec![(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
        self.shapes.push(Shape::Path { points, closed: true, fill: Some(fill), stroke });
    }

    pub(crate) fn text(&mut self, at: (f64, f64), text: impl Into<String>, size: f64, anchor: Anchor) {
        self.shapes.push(Shape::Text(Text { at, letters: text.into(), size, anchor, upright: false, color: BLACK }));
    }

    pub(crate) fn upright(&mut self, at: (f64, f64), text: impl Into<String>, size: f64) {
        let anchor = Anchor::Middle;
        self.shapes.push(Shape::Text(Text { at, letters: text.into(), size, anchor, upright: true, color: BLACK }));
    }
}
