//! The inside of a pane: lines of text, cut to its size.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::theme::{Palette, Role};

/// Where a pane draws.
pub(super) struct Canvas<'b> {
    pub(super) buffer: &'b mut Buffer,
    /// The inside of its frame.
    pub(super) area: Rect,
    pub(super) palette: Palette,
}

impl Canvas<'_> {
    pub(super) fn height(&self) -> usize {
        usize::from(self.area.height)
    }

    pub(super) fn width(&self) -> usize {
        usize::from(self.area.width)
    }

    pub(super) fn style(&self, role: Role) -> Style {
        self.palette.style(role)
    }

    /// A span in the look of a role.
    pub(super) fn span<'t>(&self, role: Role, text: impl Into<std::borrow::Cow<'t, str>>) -> Span<'t> {
        Span::styled(text, self.style(role))
    }

    /// Puts a line into a row; nothing below the last one.
    pub(super) fn line(&mut self, row: usize, line: &Line<'_>) {
        if row < self.height() {
            self.buffer.set_line(self.area.x, self.area.y + row as u16, line, self.area.width);
        }
    }

    /// A row as a whole in a look.
    pub(super) fn shade(&mut self, row: usize, style: Style) {
        if row < self.height() {
            let area = Rect { y: self.area.y + row as u16, height: 1, ..self.area };
            self.buffer.set_style(area, style);
        }
    }

    /// One character.
    pub(super) fn cell(&mut self, column: usize, row: usize, symbol: char, style: Style) {
        if column < self.width() && row < self.height() {
            let at = (self.area.x + column as u16, self.area.y + row as u16);
            self.buffer[at].set_char(symbol).set_style(style);
        }
    }
}

/// The first row to show, so that as many as possible are and, if one is selected, that one is.
pub(super) fn first_row(wanted: usize, selected: Option<usize>, rows: usize, height: usize) -> usize {
    let first = wanted.min(rows.saturating_sub(height));
    match selected {
        Some(at) if at < first => at,
        Some(at) if height > 0 && at >= first + height => at + 1 - height,
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_shown() {
        assert_eq!(first_row(0, Some(9), 20, 5), 5);
        assert_eq!(first_row(8, Some(2), 20, 5), 2);
        assert_eq!(first_row(99, None, 20, 5), 15);
        assert_eq!(first_row(3, None, 2, 5), 0);
    }
}
