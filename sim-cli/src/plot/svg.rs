//! A picture as SVG. Text stays text.

use std::fmt::Write as _;

use super::font::FAMILY;
use super::scene::{Anchor, Rgb, Scene, Shape, Stroke, Text, WHITE};

/// The file of a picture.
pub(crate) fn svg(scene: &Scene) -> String {
    let (width, height) = (number(scene.width), number(scene.height));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"{FAMILY}\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n",
        color(WHITE)
    );
    for shape in &scene.shapes {
        match shape {
            Shape::Path { points, closed, fill, stroke } => {
                let places = points.iter().map(|&(x, y)| format!("{},{}", number(x), number(y)));
                let places: Vec<_> = places.collect();
                let name = if *closed { "polygon" } else { "polyline" };
                let fill = fill.map_or("none".to_owned(), color);
                let _ = writeln!(out, "<{name} points=\"{}\" fill=\"{fill}\"{}/>", places.join(" "), outline(*stroke));
            }
            Shape::Circle { at: (x, y), radius, fill, stroke } => {
                let (x, y, radius) = (number(*x), number(*y), number(*radius));
                let (fill, stroke) = (color(*fill), outline(Some(*stroke)));
                let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{fill}\"{stroke}/>");
            }
            Shape::Text(text) => out.push_str(&letters(text)),
        }
    }
    out.push_str("</svg>\n");
    out
}

fn letters(text: &Text) -> String {
    let (x, y) = (number(text.at.0), number(text.at.1));
    let anchor = match text.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let turned = if text.upright { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
    let (size, color) = (number(text.size), color(text.color));
    let printable = text.letters.replace(char::is_control, "?");
    let escaped = printable.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{color}\"{turned}>{escaped}</text>\n"
    )
}

fn outline(stroke: Option<Stroke>) -> String {
    let Some(Stroke { color: of, width, dash }) = stroke else { return String::new() };
    let mut out = format!(" stroke=\"{}\" stroke-width=\"{}\"", color(of), number(width));
    if !dash.is_empty() {
        let lengths: Vec<_> = dash.iter().map(|&length| number(length)).collect();
        let _ = write!(out, " stroke-dasharray=\"{}\"", lengths.join(" "));
    }
    out
}

fn color(Rgb(red, green, blue): Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Hundredths of a pixel are fine enough, and the same on every machine.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
