//! The words of a stop of the tour.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Widget, Wrap};

use crate::theme::{Palette, Role};
use crate::tour::Stop;

/// Rows that the words take, with their frame: no more than half of the screen.
pub(super) fn height(area: Rect, stop: &Stop) -> u16 {
    let width = usize::from(area.width.saturating_sub(2)).max(1);
    let (mut rows, mut used) = (1, 0);
    for word in stop.sentences.iter().flat_map(|sentence| sentence.split(' ')) {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            (rows, used) = (rows + 1, length);
        } else {
            used += length + usize::from(used > 0);
        }
    }
    (rows + 2).min(area.height / 2)
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, palette: Palette, (at, of): (usize, usize), stop: &Stop) {
    let height = height(area, stop);
    let area = Rect { y: area.bottom().saturating_sub(height + 1), height, ..area };
    Clear.render(area, buffer);
    let title = format!("Stop {} of {of}: {}", at + 1, stop.title);
    let block = Block::bordered().border_style(palette.style(Role::Heading)).title(title);
    let text = Text::from(Line::from(stop.sentences.join(" ")));
    Paragraph::new(text).wrap(Wrap { trim: true }).block(block).render(area, buffer);
}
