//! The TLB of the selected core.

use ratatui::text::Line;
use sim_core::world::TlbLevel;

use super::canvas::{Canvas, first_row};
use crate::moment::Moment;
use crate::theme::Role;
use crate::ui::{Pane, Ui};

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let head = format!("CPU{}: {} translations", moment.core.0, moment.tlb_size);
    canvas.line(0, &Line::from(canvas.span(Role::Dim, head)));
    let rows: Vec<_> = moment.tlb.iter().filter(|entry| ui.shows(&entry.name)).collect();
    let height = canvas.height().saturating_sub(1);
    let first = first_row(ui.scrolled(Pane::Tlb), None, rows.len(), height);
    for (row, entry) in rows.into_iter().skip(first).take(height).enumerate() {
        let level = if entry.level == TlbLevel::L1 { "L1" } else { "L2" };
        let (w, d) = (if entry.writable { 'W' } else { '-' }, if entry.dirty { 'D' } else { '-' });
        let text = format!("{level} {:<14} -> f{:<6} {w}{d} ", entry.name, entry.frame.0);
        let line = match entry.stale {
            Some(class) => Line::from(canvas.span(Role::Stale, format!("{text}* stale: {}", class.name()))),
            None => Line::from(text),
        };
        canvas.line(row + 1, &line);
    }
}
