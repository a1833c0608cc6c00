//! Events in words, the last one at the bottom.

use ratatui::text::Line;

use super::canvas::Canvas;
use crate::moment::Moment;
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words;

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let lines = moment.log.iter().rev().filter_map(|logged| {
        let (role, id, text) = words::entry(moment, &logged.entry.what);
        ui.shows(&text).then_some((logged, role, id, text))
    });
    let height = canvas.height();
    // Scrolled upwards, from the end.
    let shown: Vec<_> = lines.skip(ui.scrolled(Pane::Log)).take(height).collect();
    for (row, (logged, role, id, text)) in shown.into_iter().rev().enumerate() {
        let entry = logged.entry;
        let mut line = Line::from(
            canvas.span(Role::Dim, format!("{:>11} CPU{:<3} ", words::thousands(entry.at_cycles), entry.cpu.0)),
        );
        line.push_span(canvas.span(role, format!("{id:<6} {text}")));
        // What the event at hand did.
        if logged.position == moment.position && moment.position > 0 {
            line.push_span(canvas.span(Role::Heading, " <"));
        }
        canvas.line(row, &line);
    }
}
