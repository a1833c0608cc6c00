//! Which panes there is room for, and where.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::ui::Pane;

/// Places the panes. The pane in focus is always there.
pub(super) fn place(area: Rect, focus: Pane, zoomed: bool) -> Vec<(Pane, Rect)> {
    if zoomed || area.width < 30 || area.height < 9 {
        return vec![(focus, area)];
    }
    if area.width < 70 || area.height < 18 {
        return small(area, focus);
    }
    if area.width < 110 || area.height < 34 {
        return medium(area, focus);
    }
    large(area)
}

fn rows<const N: usize>(area: Rect, constraints: [Constraint; N]) -> [Rect; N] {
    Layout::vertical(constraints).areas(area)
}

fn columns<const N: usize>(area: Rect, constraints: [Constraint; N]) -> [Rect; N] {
    Layout::horizontal(constraints).areas(area)
}

/// The cores and one more.
fn small(area: Rect, focus: Pane) -> Vec<(Pane, Rect)> {
    let below = if focus == Pane::Cores { Pane::Log } else { focus };
    let [top, bottom] = rows(area, [Constraint::Ratio(2, 5), Constraint::Fill(1)]);
    vec![(Pane::Cores, top), (below, bottom)]
}

/// Five, one of which makes room for the one in focus.
fn medium(area: Rect, focus: Pane) -> Vec<(Pane, Rect)> {
    let usual = [Pane::Cores, Pane::Locks, Pane::Pages, Pane::Timeline, Pane::Log];
    let middle = if usual.contains(&focus) { Pane::Timeline } else { focus };
    let [top, next, third, last] =
        rows(area, [Constraint::Ratio(3, 11), Constraint::Ratio(3, 11), Constraint::Ratio(3, 11), Constraint::Fill(1)]);
    let [cores, locks] = columns(top, [Constraint::Ratio(3, 5), Constraint::Fill(1)]);
    vec![(Pane::Cores, cores), (Pane::Locks, locks), (Pane::Pages, next), (middle, third), (Pane::Log, last)]
}

/// All of them.
fn large(area: Rect) -> Vec<(Pane, Rect)> {
    let [upper, lower] = rows(area, [Constraint::Ratio(7, 10), Constraint::Fill(1)]);
    let [left, right] = columns(upper, [Constraint::Ratio(3, 5), Constraint::Fill(1)]);
    let [cores, pages, log] = rows(left, [Constraint::Ratio(1, 3), Constraint::Ratio(1, 3), Constraint::Fill(1)]);
    let [steps, tlb, locks] = rows(right, [Constraint::Ratio(2, 5), Constraint::Ratio(3, 10), Constraint::Fill(1)]);
    let [timeline, totals] = columns(lower, [Constraint::Ratio(3, 5), Constraint::Fill(1)]);
    vec![
        (Pane::Cores, cores),
        (Pane::Pages, pages),
        (Pane::Log, log),
        (Pane::Steps, steps),
        (Pane::Tlb, tlb),
        (Pane::Locks, locks),
        (Pane::Timeline, timeline),
        (Pane::Totals, totals),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pane_in_focus_is_there_and_no_pane_overlaps_another() {
        for width in [1, 20, 40, 80, 120, 200] {
            for height in [1, 8, 12, 24, 40, 60] {
                for focus in Pane::ALL {
                    let area = Rect::new(3, 2, width, height);
                    let panes = place(area, focus, false);
                    assert!(panes.iter().any(|(pane, _)| *pane == focus), "{width}x{height}, {focus:?}");
                    let cells: u32 = panes.iter().map(|(_, rect)| rect.area()).sum();
                    assert_eq!(cells, area.area(), "{width}x{height}, {focus:?}");
                    for (at, (_, one)) in panes.iter().enumerate() {
                        assert_eq!(one.intersection(area), *one);
                        assert!(panes[at + 1..].iter().all(|(_, other)| one.intersection(*other).area() == 0));
                    }
                }
            }
        }
    }
}
