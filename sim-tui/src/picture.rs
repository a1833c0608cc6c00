//! A screen as a picture, without a terminal.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// A character cell, in units of the picture.
const CELL: (u32, u32) = (8, 17);
const BACK: &str = "#1b1b1b";
const FRONT: &str = "#d4d4d4";
const DIM: &str = "#8a8a8a";
/// Around the screen.
const MARGIN: u32 = 6;

/// The look of a cell.
#[derive(Clone, PartialEq, Eq)]
struct Look {
    front: String,
    back: String,
    bold: bool,
    underlined: bool,
}

/// A screen as SVG.
pub fn svg(buffer: &Buffer) -> String {
    let area = buffer.area;
    let (width, height) = (u32::from(area.width) * CELL.0 + 2 * MARGIN, u32::from(area.height) * CELL.1 + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"13\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{BACK}\"/>\n"
    );
    for y in area.top()..area.bottom() {
        let cells: Vec<_> = (area.left()..area.right()).map(|x| &buffer[(x, y)]).collect();
        let mut from = 0;
        while from < cells.len() {
            let look = look(cells[from]);
            let same = cells[from..].iter().take_while(|cell| self::look(cell) == look).count();
            let text: String = cells[from..from + same].iter().map(|cell| cell.symbol()).collect();
            run(&mut svg, (from as u32, u32::from(y - area.top()), same as u32), &look, &text);
            from += same;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Neighbours of one look.
fn run(svg: &mut String, (column, row, cells): (u32, u32, u32), look: &Look, text: &str) {
    let (x, y) = (MARGIN + column * CELL.0, MARGIN + row * CELL.1);
    let (width, height) = (cells * CELL.0, CELL.1);
    if look.back != BACK {
        let _ =
            writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{}\"/>", look.back);
    }
    if text.trim().is_empty() {
        return;
    }
    let bold = if look.bold { " font-weight=\"bold\"" } else { "" };
    let underlined = if look.underlined { " text-decoration=\"underline\"" } else { "" };
    // Its length is said, so that no font can move the columns.
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{bold}{underlined}>{}</text>",
        y + 13,
        look.front,
        escaped(text)
    );
}

fn look(cell: &Cell) -> Look {
    let modifier = cell.modifier;
    let dim = modifier.contains(Modifier::DIM);
    let mut front = colour(cell.fg, if dim { DIM } else { FRONT });
    let mut back = colour(cell.bg, BACK);
    if modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut front, &mut back);
    }
    Look { front, back, bold: modifier.contains(Modifier::BOLD), underlined: modifier.contains(Modifier::UNDERLINED) }
}

fn colour(colour: Color, usual: &str) -> String {
    let named = match colour {
        Color::Rgb(r, g, b) => return format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Red => "#cd3131",
        Color::Green => "#0dbc79",
        Color::Yellow => "#e5a510",
        Color::Blue => "#2472c8",
        Color::Magenta => "#bc3fbc",
        Color::Cyan => "#11a8cd",
        Color::LightYellow => "#f5f543",
        _ => usual,
    };
    named.to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A screen as text, without trailing spaces.
pub fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let row = |y| {
        let line: String = (area.left()..area.right()).map(|x| buffer[(x, y)].symbol()).collect();
        format!("{}\n", line.trim_end())
    };
    (area.top()..area.bottom()).map(row).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn cells_of_one_look_are_one_run() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 2));
        buffer.set_string(0, 0, "a<b", Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::BOLD));
        buffer.set_string(3, 1, "&", Style::new().add_modifier(Modifier::REVERSED));
        insta::assert_snapshot!(svg(&buffer));
        assert_eq!(text(&buffer), "a<b\n   &\n");
    }
}
