//! The keys, from the table of commands.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Widget};

use super::canvas::Canvas;
use crate::keys::{COMMANDS, Command};
use crate::theme::Role;
use crate::ui::Ui;

/// What the last line reminds of.
const HINTS: &[(Command, &str)] = &[
    (Command::Help, "help"),
    (Command::Pause, "run"),
    (Command::Step, "step"),
    (Command::NextInteresting, "next"),
    (Command::Back, "back"),
    (Command::Jump, "jump"),
    (Command::Compare, "compare"),
    (Command::NextPane, "pane"),
    (Command::Zoom, "zoom"),
    (Command::Quit, "quit"),
];

pub(super) fn hints(ui: &Ui, on_tour: bool) -> Line<'static> {
    let mut line = Line::default();
    for &(command, word) in HINTS {
        let word = if on_tour && command == Command::Pause { "next stop" } else { word };
        let keys = ui.bindings.keys(command);
        let key = keys.split(' ').next().unwrap_or_default().to_owned();
        line.push_span(ratatui::text::Span::styled(key, ui.palette.style(Role::Heading)));
        line.push_span(format!(" {word}  "));
    }
    line
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, ui: &Ui) {
    // As many columns as it takes.
    let height = usize::from(area.height.saturating_sub(2)).max(1);
    Clear.render(area, buffer);
    let block = Block::bordered().title("Keys");
    let inner = block.inner(area);
    block.render(area, buffer);
    let columns = COMMANDS.len().div_ceil(height);
    let width = inner.width / columns.max(1) as u16;
    for (at, row) in COMMANDS.iter().enumerate() {
        let column = (at / height) as u16;
        let area = Rect { x: inner.x + column * width, width, ..inner };
        let mut canvas = Canvas { buffer, area, palette: ui.palette };
        let keys = canvas.span(Role::Heading, format!("{:>13} ", ui.bindings.keys(row.command)));
        canvas.line(at % height, &Line::from(vec![keys, row.help.into()]));
    }
}
