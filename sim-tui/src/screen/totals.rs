//! Sums since the start, and what they looked like over time.

use std::fmt::Write as _;

use ratatui::text::Line;

use super::canvas::{Canvas, first_row};
use crate::moment::{Moment, Totals};
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words::thousands;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of the names and numbers in front of a row of bars.
const HEAD: usize = 27;

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let (totals, history) = (&moment.totals, &moment.history);
    let opened = totals.windows.iter().map(|(_, windows)| windows.opened).sum();
    let violations = totals.violations.iter().map(|(_, count)| count).sum();
    let over_time = [
        (Role::Flush, "IPIs sent", totals.ipis_sent, &history.ipis),
        (Role::Flush, "flush cycles", totals.flush_cycles, &history.flush_cycles),
        (Role::Pending, "flushes put off", totals.deferred, &history.deferred),
        (Role::Stale, "windows opened", opened, &history.windows),
        (Role::Violation, "violations", violations, &history.violations),
    ];
    let mut lines = vec![cost(canvas, totals)];
    let room = canvas.width().saturating_sub(HEAD);
    for (role, name, sum, slots) in over_time {
        let looks = if sum == 0 { Role::Dim } else { role };
        let head = format!("{name:<15} {:>10} ", thousands(sum));
        lines.push(Line::from(vec![canvas.span(looks, head), canvas.span(Role::Dim, bars(slots, room))]));
    }
    lines.extend(by_kind(canvas, totals));
    let first = first_row(ui.scrolled(Pane::Totals), None, lines.len(), canvas.height());
    for (row, line) in lines.iter().skip(first).enumerate() {
        canvas.line(row, line);
    }
}

/// What the user asked for first: flush cost per reclaim cycle.
fn cost(canvas: &Canvas<'_>, totals: &Totals) -> Line<'static> {
    let text = match totals.reclaim_cycles {
        0 => format!("{} flush cycles, no reclaim cycle has ended", thousands(totals.flush_cycles)),
        cycles => {
            let each = thousands(totals.flush_cycles / cycles);
            format!("{each} flush cycles a reclaim cycle ({} of them)", thousands(cycles))
        }
    };
    Line::from(canvas.span(Role::Heading, text))
}

fn by_kind(canvas: &Canvas<'_>, totals: &Totals) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (class, count) in totals.violations.iter().filter(|(_, count)| *count > 0) {
        lines.push(Line::from(
            canvas.span(Role::Violation, format!("! {} violations: {}", class.name(), thousands(*count))),
        ));
    }
    for (class, windows) in totals.windows.iter().filter(|(_, windows)| windows.opened > 0) {
        let mut text = format!("* {} windows: {} ({} open", class.name(), thousands(windows.opened), windows.open);
        if windows.opened > windows.open {
            let _ = write!(text, ", 99 % under {} cy", thousands(windows.p99_cycles));
        }
        text.push(')');
        lines.push(Line::from(canvas.span(Role::Stale, text)));
    }
    for (cause, count) in totals.flushes.iter().filter(|(_, count)| *count > 0) {
        lines.push(Line::from(format!("x flushes, {}: {}", cause.name(), thousands(*count))));
    }
    let [needed, elsewhere, needless] = totals.extra;
    if needed + elsewhere + needless > 0 {
        lines.push(Line::from(format!(
            "  of the pending check: {needed} needed, {elsewhere} useful elsewhere, {needless} needless"
        )));
    }
    lines.push(Line::from(
        canvas.span(Role::Dim, format!("{} accesses, {} faults", thousands(totals.accesses), thousands(totals.faults))),
    ));
    lines
}

/// A row of bars of the last slots, each as high as its share of the highest.
fn bars(slots: &[u64], room: usize) -> String {
    let shown = &slots[slots.len().saturating_sub(room)..];
    let highest = shown.iter().copied().max().unwrap_or(0).max(1);
    let bar = |&slot: &u64| match slot {
        0 => ' ',
        slot => BARS[((u128::from(slot) * 8).div_ceil(u128::from(highest)) as usize).clamp(1, 8) - 1],
    };
    shown.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_is_full_and_something_is_never_nothing() {
        assert_eq!(bars(&[0, 1, 4, 1_000, u64::MAX], 4), "▁▁▁█");
        assert_eq!(bars(&[0, 0], 9), "  ");
    }
}
