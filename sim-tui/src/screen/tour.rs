//! The words of a stop of the tour.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Widget, Wrap};

use crate::theme::{Palette, Role};
use crate::tour::Stop;

/// Rows that the words take, with their frame.
pub(super) fn height(area: Rect) -> u16 {
    match area.width {
        100.. => 4,
        70.. => 5,
        _ => 6,
    }
    .min(area.height.saturating_sub(4))
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, palette: Palette, (at, of): (usize, usize), stop: &Stop) {
    let height = height(area);
    let area = Rect { y: area.bottom().saturating_sub(height + 1), height, ..area };
    Clear.render(area, buffer);
    let title = format!("Stop {} of {of}: {}", at + 1, stop.title);
    let block = Block::bordered().border_style(palette.style(Role::Heading)).title(title);
    let text = Text::from(Line::from(stop.sentences.join(" ")));
    Paragraph::new(text).wrap(Wrap { trim: true }).block(block).render(area, buffer);
}
