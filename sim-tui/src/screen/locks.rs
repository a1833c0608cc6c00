//! The words of the policy and of the flush, by address space; locks that somebody holds or waits for.

use ratatui::text::Line;

use super::canvas::{Canvas, first_row};
use crate::moment::{Moment, Space};
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words;

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    // One that nobody has used is no news, such as the child of a fork that has not come.
    let used = |space: &&Space| !space.mask.is_empty() || space.flush_batched_pending || space.flush_pending > 0;
    let spaces = moment.spaces.iter().filter(used).flat_map(|space| space_lines(canvas, space));
    let locks = moment.locks.iter().map(|lock| {
        let holders = match &lock.holders[..] {
            [] => "handed over".to_owned(),
            holders => format!("CPU {}", words::cpus(holders, &[], 6)),
        };
        let mut line = Line::from(format!("{}: {holders}", words::lock(lock.lock)));
        if !lock.waiters.is_empty() {
            let waiters = words::cpus(&lock.waiters, &[], 6);
            line.push_span(canvas.span(Role::Waiting, format!(", waited for by {waiters}")));
        }
        line
    });
    let lines: Vec<_> = spaces.chain(locks).collect();
    let first = first_row(ui.scrolled(Pane::Locks), None, lines.len(), canvas.height());
    for (row, line) in lines.iter().skip(first).enumerate() {
        canvas.line(row, line);
    }
}

fn space_lines(canvas: &Canvas<'_>, space: &Space) -> [Line<'static>; 2] {
    let pending = if space.flush_batched_pending {
        canvas.span(Role::Pending, "~ flush pending")
    } else {
        canvas.span(Role::Dim, "nothing pending")
    };
    let mm = space.mm.0;
    [
        Line::from(vec![
            canvas.span(Role::Heading, format!("mm {mm}: ")),
            format!("tlb_flush_batched {}  ", space.batched).into(),
            pending,
        ]),
        Line::from(format!(
            "      tlb_flush_pending {}  mm_cpumask {}",
            space.flush_pending,
            words::cpus(&space.mask, &[], 8)
        )),
    ]
}
