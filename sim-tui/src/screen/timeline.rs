//! One lane a core: what it was doing when, interrupts as arrows, and windows as bars from promise to last stale translation.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::text::Line;
use sim_core::drive::clock::log::{Entry, Happened};
use sim_core::nouns::types::{Cpu, Page};
use sim_core::step::frame::{Act, Path};

use super::canvas::{Canvas, first_row};
use crate::moment::{Doing, Moment};
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words;

/// Columns of names in front of lanes.
const MARGIN: usize = 9;
/// The least that is shown, in cycles.
const LEAST_CYCLES: u64 = 64;

/// From a time to a column.
struct Scale {
    from: u64,
    to: u64,
    columns: usize,
}

impl Scale {
    /// The end is where the run is, or the end of what it has just done; the start, as far back as the log goes, times a power of two.
    fn new(moment: &Moment, wider: i32, columns: usize) -> Scale {
        let last = moment.log.last().map_or(0, |logged| logged.entry.at_cycles);
        let to = moment.now_cycles.max(last).max(LEAST_CYCLES);
        let oldest = moment.log.first().map_or(0, |logged| logged.entry.at_cycles - logged.entry.length_cycles);
        let all = (to - oldest.min(to)).max(LEAST_CYCLES);
        let shift = wider.unsigned_abs();
        let span = if wider < 0 { all >> shift.min(63) } else { all.checked_shl(shift).unwrap_or(to) };
        Scale { from: to.saturating_sub(span.max(LEAST_CYCLES)), to, columns }
    }

    /// None if it was before the start.
    fn column(&self, at: u64) -> Option<usize> {
        let into = at.checked_sub(self.from)?;
        let last = self.columns.checked_sub(1)?;
        Some((u128::from(into) * self.columns as u128 / u128::from(self.to - self.from)).min(last as u128) as usize)
    }

    /// The columns of a stretch of time, cut at the start.
    fn columns(&self, from: u64, to: u64) -> Option<std::ops::RangeInclusive<usize>> {
        let end = self.column(to)?;
        Some(self.column(from).unwrap_or(0)..=end)
    }
}

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let columns = canvas.width().saturating_sub(MARGIN);
    if columns == 0 || canvas.height() < 2 {
        return;
    }
    let scale = Scale::new(moment, ui.wider, columns);
    let windows = windows(moment);
    let bars = windows.len().min((canvas.height() - 1) / 3);
    let lanes = canvas.height() - 1 - bars;
    let first = first_row(ui.scrolled(Pane::Timeline), Some(ui.core), moment.cores.len(), lanes);
    let lane_of = |cpu: Cpu| usize::from(cpu.0).checked_sub(first).filter(|&row| row < lanes);
    for (row, cpu) in (first..moment.cores.len()).take(lanes).enumerate() {
        let role = if cpu == ui.core { Role::Selected } else { Role::Dim };
        canvas.line(row, &Line::from(canvas.span(role, format!("CPU{cpu}"))));
    }
    let mut ends = BTreeMap::new();
    for logged in &moment.log {
        let entry = &logged.entry;
        if let (Some(row), Happened::Act(act, at)) = (lane_of(entry.cpu), entry.what) {
            let before = ends.insert(entry.cpu, entry.at_cycles);
            lane(canvas, &scale, row, entry, Role::of_path(at.path), waited(act, at.path).then_some(before).flatten());
        }
    }
    for (row, (cpu, core)) in (0u16..).map(Cpu).zip(&moment.cores).skip(first).take(lanes).enumerate() {
        if let (Doing::Waiting(_), Some(&since)) = (core.doing, ends.get(&cpu)) {
            paint(canvas, &scale, row, (since, moment.now_cycles), Role::Waiting);
        }
    }
    moment.log.iter().for_each(|logged| marks(canvas, &scale, &logged.entry, (first, lanes)));
    for (row, window) in windows.iter().rev().take(bars).enumerate() {
        bar(canvas, &scale, lanes + row, moment, window);
    }
    axis(canvas, &scale);
}

/// Was the core in the middle of something before this act, so that a gap in front of it was spent waiting?
fn waited(act: Act, path: Path) -> bool {
    !matches!(act, Act::Enter(_) | Act::IrqEnter { .. } | Act::FaultEnter(_))
        && !matches!(path, Path::Access | Path::User)
}

fn lane(canvas: &mut Canvas<'_>, scale: &Scale, row: usize, entry: &Entry, role: Role, waited_from: Option<u64>) {
    let start = entry.at_cycles - entry.length_cycles;
    if let Some(before) = waited_from.filter(|&before| before < start) {
        paint(canvas, scale, row, (before, start), Role::Waiting);
    }
    paint(canvas, scale, row, (start, entry.at_cycles), role);
}

fn paint(canvas: &mut Canvas<'_>, scale: &Scale, row: usize, (from, to): (u64, u64), role: Role) {
    let Some(columns) = scale.columns(from, to) else { return };
    let style = canvas.style(role);
    for column in columns {
        canvas.cell(MARGIN + column, row, role.symbol(), style);
    }
}

/// Arrows of interrupts, and violations.
fn marks(canvas: &mut Canvas<'_>, scale: &Scale, entry: &Entry, (first, lanes): (usize, usize)) {
    let Some(column) = scale.column(entry.at_cycles) else { return };
    let last = (first + lanes).saturating_sub(1);
    let cpu = usize::from(entry.cpu.0);
    match entry.what {
        Happened::Act(Act::Post { to, sent: true }, _) => {
            let (from, to) = (cpu, usize::from(to.0));
            let style = canvas.style(Role::Flush);
            for between in from.min(to).max(first)..=from.max(to).min(last) {
                let symbol = match between {
                    at if at == to => {
                        if to > from {
                            '▼'
                        } else {
                            '▲'
                        }
                    }
                    at if at == from => 'x',
                    _ => '│',
                };
                canvas.cell(MARGIN + column, between - first, symbol, style);
            }
        }
        Happened::Violation(..) if (first..=last).contains(&cpu) => {
            let style = canvas.style(Role::Violation);
            canvas.cell(MARGIN + column, cpu - first, Role::Violation.symbol(), style);
        }
        _ => {}
    }
}

/// From the promise to the last stale translation; no end while there is one.
struct Window {
    page: Page,
    class: &'static str,
    from: u64,
    to: Option<u64>,
}

/// The windows of the log, in the order in which they opened.
fn windows(moment: &Moment) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    let mut holders: BTreeMap<Page, (usize, BTreeSet<Cpu>)> = BTreeMap::new();
    for logged in &moment.log {
        let entry = &logged.entry;
        match entry.what {
            Happened::Window(page, Some(class)) => {
                let (at, held) = holders.entry(page).or_insert_with(|| {
                    windows.push(Window { page, class: class.name(), from: entry.at_cycles, to: None });
                    (windows.len() - 1, BTreeSet::new())
                });
                windows[*at].class = class.name();
                held.insert(entry.cpu);
            }
            Happened::Window(page, None) => {
                if let Some((at, held)) = holders.get_mut(&page) {
                    held.remove(&entry.cpu);
                    if held.is_empty() {
                        windows[*at].to = Some(entry.at_cycles);
                        holders.remove(&page);
                    }
                }
            }
            _ => {}
        }
    }
    // Those that opened before the log begins are known to be open.
    let older = moment.pages.iter().filter(|row| !holders.contains_key(&row.page));
    let open = older.filter_map(|row| row.window.map(|(class, from)| (row.page, class, from)));
    windows.extend(open.map(|(page, class, from)| Window { page, class: class.name(), from, to: None }));
    windows
}

fn bar(canvas: &mut Canvas<'_>, scale: &Scale, row: usize, moment: &Moment, window: &Window) {
    let Some(columns) = scale.columns(window.from, window.to.unwrap_or(scale.to)) else { return };
    let name = moment.page_name(window.page);
    canvas.line(row, &Line::from(canvas.span(Role::Stale, name.chars().take(MARGIN - 1).collect::<String>())));
    let (first, last) = (*columns.start(), *columns.end());
    let style = canvas.style(Role::Stale);
    for column in columns {
        let symbol = match column {
            at if at == first => '├',
            at if at == last && window.to.is_some() => '┤',
            at if at == last => '▶',
            _ => '─',
        };
        canvas.cell(MARGIN + column, row, symbol, style);
    }
    for (at, letter) in (first + 2..last.saturating_sub(1)).zip(window.class.chars()) {
        canvas.cell(MARGIN + at, row, letter, style);
    }
}

fn axis(canvas: &mut Canvas<'_>, scale: &Scale) {
    let row = canvas.height() - 1;
    let (from, to) = (words::thousands(scale.from), words::thousands(scale.to));
    let room = scale.columns.saturating_sub(from.len() + to.len());
    let text = format!("{:MARGIN$}{from}{:room$}{to}", "cycle", "");
    canvas.line(row, &Line::from(canvas.span(Role::Dim, text)));
}
