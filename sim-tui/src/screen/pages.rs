//! Pages: the entry, the promise, the frame, who holds a translation, and the window.

use ratatui::text::Line;

use super::canvas::{Canvas, first_row};
use crate::moment::{Moment, PageRow};
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words;

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let heading = format!("{:<14} {:<11} {:<9} {:<22} TLBs", "page", "PTE", "promise", "frame is");
    canvas.line(0, &Line::from(canvas.span(Role::Heading, heading)));
    let rows: Vec<_> = moment.pages.iter().filter(|row| ui.shows(&row.name)).collect();
    let height = canvas.height().saturating_sub(1);
    let first = first_row(ui.scrolled(Pane::Pages), None, rows.len(), height);
    for (row, page) in rows.into_iter().skip(first).take(height).enumerate() {
        canvas.line(row + 1, &page_line(canvas, moment, page));
    }
}

fn page_line(canvas: &Canvas<'_>, moment: &Moment, page: &PageRow) -> Line<'static> {
    let promise = if page.promise.mapped { page.promise.rights.to_string() } else { "unmapped".to_owned() };
    let place = page.folio.map_or(String::new(), |(_, folio)| words::place(folio));
    let mut line = Line::from(format!("{:<14} {:<11} {promise:<9} {place:<22} ", page.name, words::pte(page.pte)));
    // What went wrong comes before the rest of the row is cut.
    if let Some((class, since)) = page.window {
        let cycles = words::thousands(moment.now_cycles.saturating_sub(since));
        line.push_span(canvas.span(Role::Stale, format!("* {} for {cycles} cy ", class.name())));
    }
    if page.pending {
        line.push_span(canvas.span(Role::Pending, "~ flush put off "));
    }
    line.push_span(canvas.span(Role::Dim, words::cpus(&page.holders, &page.stale, 8)));
    line
}
