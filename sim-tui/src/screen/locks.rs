//! The words of the policy and of the flush, by address space; locks that somebody holds or waits for.

use ratatui::text::Line;

use super::canvas::{Canvas, first_row};
use crate::moment::{Moment, Space};
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words;

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let spaces = moment.spaces.iter().flat_map(|space| space_lines(canvas, moment, space));
    let locks = moment.locks.iter().map(|lock| {
        let holders = words::cpus(&lock.holders, &[], 6);
        let mut line = Line::from(format!("{}: CPU {holders}", lock.name));
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

fn space_lines(canvas: &Canvas<'_>, moment: &Moment, space: &Space) -> [Line<'static>; 2] {
    let pending = if space.flush_batched_pending {
        canvas.span(Role::Pending, "~ flush pending")
    } else {
        canvas.span(Role::Dim, "nothing pending")
    };
    // The two halves of the word mean something under the generation pair only (v5.17).
    let word = match moment.policy {
        "pending-generation" => format!("pending {} flushed {}", space.batched & 0x7fff, space.batched >> 16),
        _ => space.batched.to_string(),
    };
    let mm = space.mm.0;
    [
        Line::from(vec![
            canvas.span(Role::Heading, format!("mm {mm}: ")),
            format!("tlb_flush_batched {word}  ").into(),
            pending,
        ]),
        Line::from(format!(
            "      tlb_flush_pending {}  mm_cpumask {}",
            space.flush_pending,
            words::cpus(&space.mask, &[], 8)
        )),
    ]
}
