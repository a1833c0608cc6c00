//! Events in words, the last one at the bottom.

use ratatui::text::Line;

use super::canvas::Canvas;
use crate::moment::Moment;
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words;

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let started = started(moment);
    let lines = moment.log.iter().zip(started).rev().filter_map(|(logged, at)| {
        let (role, id, text) = words::entry(moment, &logged.entry.what);
        ui.shows(&text).then_some((logged, at, role, id, text))
    });
    let height = canvas.height();
    // Scrolled upwards, from the end; never beyond the first line.
    let mut shown: Vec<_> = lines.take(ui.scrolled(Pane::Log) + height).collect();
    let above = shown.len().saturating_sub(height).min(ui.scrolled(Pane::Log));
    shown.drain(..above);
    for (row, (logged, at, role, id, text)) in shown.into_iter().rev().enumerate() {
        let cpu = format!("CPU{}", logged.entry.cpu.0);
        let mut line = Line::from(canvas.span(Role::Dim, format!("{:>9} {cpu:<6} ", words::thousands(at))));
        line.push_span(canvas.span(role, format!("{id:<6} {text}")));
        // What the event at hand did.
        if logged.position == moment.position && moment.position > 0 {
            line.push_span(canvas.span(Role::Heading, " <"));
        }
        canvas.line(row, &line);
    }
}

/// By entry, when its event started, in cycles. That is when it takes effect, however long its parts take; in this order nothing
/// seems to come before what it follows.
fn started(moment: &Moment) -> Vec<u64> {
    let mut started = Vec::with_capacity(moment.log.len());
    for event in moment.log.chunk_by(|a, b| a.position == b.position) {
        let start = event.iter().map(|logged| logged.entry.at_cycles - logged.entry.length_cycles).min();
        started.extend(event.iter().map(|_| start.unwrap_or(0)));
    }
    started
}
