//! Pages: the entry, the promise, the frame, who holds a translation, and the window.

use ratatui::text::Line;

use super::canvas::{Canvas, first_row};
use crate::moment::{Moment, PageRow};
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words;

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let name_width = moment.pages.iter().map(|row| row.name.len()).max().unwrap_or(0).max(4);
    let shown = moment.pages.len();
    let of = if shown < moment.pages_total { format!(" ({shown} of {})", moment.pages_total) } else { String::new() };
    let heading = format!("{:<name_width$} {:<8} {:<8} TLBs, window, frame{of}", "page", "PTE", "promise");
    canvas.line(0, &Line::from(canvas.span(Role::Heading, heading)));
    let rows: Vec<_> = moment.pages.iter().filter(|row| ui.shows(&row.name)).collect();
    let height = canvas.height().saturating_sub(1);
    let first = first_row(ui.scrolled(Pane::Pages), None, rows.len(), height);
    for (row, page) in rows.into_iter().skip(first).take(height).enumerate() {
        canvas.line(row + 1, &page_line(canvas, moment, page, name_width));
    }
}

fn page_line(canvas: &Canvas<'_>, moment: &Moment, page: &PageRow, name_width: usize) -> Line<'static> {
    let promise = if page.promise.mapped { page.promise.rights.to_string() } else { "unmapped".to_owned() };
    let mut line = Line::from(format!("{:<name_width$} {:<8} {promise:<8} ", page.name, words::pte(page.pte)));
    // What can go wrong comes before the rest of the row is cut.
    let holders = words::cpus(&page.holders, &page.stale, 6);
    let role = if page.stale.is_empty() { Role::User } else { Role::Stale };
    line.push_span(canvas.span(role, format!("[{holders}] ")));
    if let Some((class, since)) = page.window {
        let cycles = words::thousands(moment.now_cycles.saturating_sub(since));
        line.push_span(canvas.span(Role::Stale, format!("* {} for {cycles} cy ", class.name())));
    }
    if page.pending {
        line.push_span(canvas.span(Role::Pending, "~ flush put off"));
        line.push_span(" ");
    }
    if let Some((frame, folio)) = page.folio {
        line.push_span(canvas.span(Role::Dim, format!("f{} {}", frame.0, words::place(folio))));
    }
    line
}
