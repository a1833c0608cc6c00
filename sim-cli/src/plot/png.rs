//! A picture as PNG, two pixels for each of the picture's, so that small print stays sharp.

use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke as SkiaStroke, StrokeDash, Transform,
};
use ttf_parser::OutlineBuilder;

use super::font;
use super::scene::{Anchor, Rgb, Scene, Shape, Stroke, Text};

/// Pixels of the file for a pixel of the picture.
const SCALE: f32 = 2.0;

/// The file of a picture.
///
/// # Panics
/// If the picture is larger than memory.
pub(crate) fn png(scene: &Scene) -> Vec<u8> {
    #[allow(clippy::cast_sign_loss, reason = "a picture has a size")]
    let size = |length: f64| ((length.ceil() * f64::from(SCALE)) as u32).max(1);
    let mut pixmap = Pixmap::new(size(scene.width), size(scene.height)).expect("a picture fits into memory");
    pixmap.fill(Color::WHITE);
    let transform = Transform::from_scale(SCALE, SCALE);
    for shape in &scene.shapes {
        match shape {
            Shape::Path { points, closed, fill, stroke } => {
                if let Some(path) = joined(points, *closed) {
                    draw(&mut pixmap, &path, *fill, *stroke, transform);
                }
            }
            Shape::Circle { at: (x, y), radius, fill, stroke } => {
                if let Some(path) = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32) {
                    draw(&mut pixmap, &path, Some(*fill), Some(*stroke), transform);
                }
            }
            Shape::Text(text) => letters(&mut pixmap, text, transform),
        }
    }
    pixmap.encode_png().expect("memory takes every picture")
}

fn joined(points: &[(f64, f64)], closed: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    let (&(x, y), rest) = points.split_first()?;
    builder.move_to(x as f32, y as f32);
    for &(x, y) in rest {
        builder.line_to(x as f32, y as f32);
    }
    if closed {
        builder.close();
    }
    builder.finish()
}

fn draw(pixmap: &mut Pixmap, path: &Path, fill: Option<Rgb>, stroke: Option<Stroke>, transform: Transform) {
    if let Some(color) = fill {
        pixmap.fill_path(path, &paint(color), FillRule::Winding, transform, None);
    }
    if let Some(stroke) = stroke {
        let lengths = stroke.dash.iter().map(|&length| length as f32).collect();
        let pen = SkiaStroke {
            width: stroke.width as f32,
            line_cap: LineCap::Butt,
            line_join: LineJoin::Miter,
            dash: StrokeDash::new(lengths, 0.0),
            ..SkiaStroke::default()
        };
        pixmap.stroke_path(path, &paint(stroke.color), &pen, transform, None);
    }
}

fn paint(Rgb(red, green, blue): Rgb) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

fn letters(pixmap: &mut Pixmap, text: &Text, transform: Transform) {
    let width = font::width(&text.letters, text.size) as f32;
    let start = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -width / 2.0,
        Anchor::End => -width,
    };
    let mut placed = transform.pre_translate(text.at.0 as f32, text.at.1 as f32);
    if text.upright {
        placed = placed.pre_rotate(-90.0);
    }
    let begin = |x: f64, unit: f64| Glyph { builder: PathBuilder::new(), x: start + x as f32, unit: unit as f32 };
    font::outline(&text.letters, text.size, begin, |glyph| {
        if let Some(path) = glyph.builder.finish() {
            draw(pixmap, &path, Some(text.color), None, placed);
        }
    });
}

/// The outline of a letter; in fonts y goes up.
struct Glyph {
    builder: PathBuilder,
    x: f32,
    unit: f32,
}

impl Glyph {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.unit, -y * self.unit)
    }
}

impl OutlineBuilder for Glyph {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.builder.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.builder.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.builder.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.builder.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.builder.close();
    }
}
