//! The font of all pictures: a part of DejaVu Sans, which is in the program (`fonts/LICENSE`). No font of the system is used.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// The name by which an SVG asks for it, and for what is like it.
pub(crate) const FAMILY: &str = "'DejaVu Sans', Verdana, sans-serif";

static FACE: LazyLock<Face<'static>> = LazyLock::new(|| {
    Face::parse(include_bytes!("../../fonts/DejaVuSans-latin.ttf"), 0).expect("the font is in the program")
});

/// What the font does not have is drawn as a question mark.
fn glyph(letter: char) -> GlyphId {
    FACE.glyph_index(letter).or_else(|| FACE.glyph_index('?')).unwrap_or_default()
}

fn scale(size: f64) -> f64 {
    size / f64::from(FACE.units_per_em())
}

fn advance(letter: char, size: f64) -> f64 {
    f64::from(FACE.glyph_hor_advance(glyph(letter)).unwrap_or(0)) * scale(size)
}

/// How wide a text is, in pixels.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|letter| advance(letter, size)).sum()
}

/// Draws the outlines of a text. `begin` is told where each letter begins and how large a unit of its outline is.
pub(crate) fn outline<B: OutlineBuilder>(
    text: &str,
    size: f64,
    mut begin: impl FnMut(f64, f64) -> B,
    mut end: impl FnMut(B),
) {
    let mut x = 0.0;
    for letter in text.chars() {
        let mut builder = begin(x, scale(size));
        if FACE.outline_glyph(glyph(letter), &mut builder).is_some() {
            end(builder);
        }
        x += advance(letter, size);
    }
}
