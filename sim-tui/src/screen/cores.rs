//! What each core is doing: a list, or a map of one character a core.

use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::canvas::{Canvas, first_row};
use crate::moment::{Core, Moment};
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words;

/// Columns of a number in front of each row of the map.
const MARGIN: usize = 5;

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    if is_map(moment, ui, canvas.height()) { map(canvas, moment, ui) } else { list(canvas, moment, ui) }
}

/// A map, unless all fit into a list or a list is wanted.
pub(super) fn is_map(moment: &Moment, ui: &Ui, height: usize) -> bool {
    ui.map.unwrap_or(moment.cores.len() > 4 * height.max(1))
}

fn list(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let first = first_row(ui.scrolled(Pane::Cores), Some(ui.core), moment.cores.len(), canvas.height());
    for (row, (cpu, core)) in moment.cores.iter().enumerate().skip(first).take(canvas.height()).enumerate() {
        canvas.line(row, &core_line(canvas, cpu, core));
        if cpu == ui.core {
            canvas.shade(row, canvas.style(Role::Selected));
        }
    }
}

fn core_line(canvas: &Canvas<'_>, cpu: usize, core: &Core) -> Line<'static> {
    let role = Role::of_core(core);
    let mut line = Line::from(vec![
        canvas.span(Role::Dim, format!("{cpu:>3} ")),
        canvas.span(role, format!("{} {:<7} ", role.symbol(), role.word())),
    ]);
    if core.stale > 0 {
        line.push_span(canvas.span(Role::Stale, format!("*{} ", core.stale)));
    }
    if core.interrupt_pending {
        line.push_span(canvas.span(Role::Interrupt, "IPI! "));
    }
    if core.acks_outstanding > 0 {
        line.push_span(canvas.span(Role::Flush, format!("{} acks to come ", core.acks_outstanding)));
    }
    line.push_span(canvas.span(role, words::doing(core)));
    if core.steps.len() > 1 {
        let outer = core.steps[..core.steps.len() - 1].iter().rev().map(|&at| sim_core::kernel::path::label(at).id);
        line.push_span(canvas.span(Role::Dim, format!("  in {}", outer.collect::<Vec<_>>().join(" in "))));
    }
    if core.lazy {
        line.push_span(canvas.span(Role::Dim, "  lazy"));
    }
    line
}

/// The core at a point of the inside of the pane.
pub(super) fn at(inner: Rect, moment: &Moment, ui: &Ui, at: Position) -> Option<usize> {
    let (row, column) = (usize::from(at.y - inner.y), usize::from(at.x - inner.x));
    let height = usize::from(inner.height);
    let core = if is_map(moment, ui, height) {
        let map = Map::new(moment, ui, usize::from(inner.width), height);
        let column = column.checked_sub(MARGIN).filter(|&column| column < map.width)?;
        if row >= map.height {
            return None;
        }
        (map.first + row) * map.width + column
    } else {
        first_row(ui.scrolled(Pane::Cores), Some(ui.core), moment.cores.len(), height) + row
    };
    Some(core).filter(|&core| core < moment.cores.len())
}

/// The size of a map, and its first row.
struct Map {
    width: usize,
    height: usize,
    rows: usize,
    first: usize,
}

impl Map {
    /// As wide as a power of two, so that dies and sockets begin where rows do; below it is the selected core.
    fn new(moment: &Moment, ui: &Ui, width: usize, height: usize) -> Map {
        let width = 1 << width.saturating_sub(MARGIN).max(1).ilog2();
        let height = height - 2.min(height.saturating_sub(1));
        let rows = moment.cores.len().div_ceil(width);
        let first = first_row(ui.scrolled(Pane::Cores), Some(ui.core / width), rows, height);
        Map { width, height, rows, first }
    }
}

fn map(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let Map { width, height, rows, first } = Map::new(moment, ui, canvas.width(), canvas.height());
    for row in 0..height.min(rows - first) {
        let start = (first + row) * width;
        canvas.line(row, &Line::from(canvas.span(Role::Dim, format!("{start:>4}"))));
        for (column, (cpu, core)) in moment.cores.iter().enumerate().skip(start).take(width).enumerate() {
            let (role, symbol) = cell(core);
            let mut style = canvas.style(role);
            if cpu == ui.core {
                style = style.patch(canvas.style(Role::Selected));
            }
            canvas.cell(MARGIN + column, row, symbol, style);
        }
    }
    if let Some(core) = moment.cores.get(ui.core) {
        canvas.line(height, &core_line(canvas, ui.core, core));
        canvas.line(height + 1, &legend(canvas));
    }
}

/// Stale translations come first: their number, up to nine.
fn cell(core: &Core) -> (Role, char) {
    match core.stale {
        0 => {
            let role = Role::of_core(core);
            (role, role.symbol())
        }
        few @ 1..=9 => (Role::Stale, char::from_digit(few, 10).expect("a digit")),
        _ => (Role::Stale, '+'),
    }
}

/// What the symbols mean.
pub(super) fn legend(canvas: &Canvas<'_>) -> Line<'static> {
    let roles = [Role::User, Role::Fault, Role::Call, Role::Reclaim, Role::Flush, Role::Interrupt, Role::Waiting];
    let of = |role: Role| canvas.span(role, format!("{} {}  ", role.symbol(), role.word()));
    let mut line = Line::from(roles.map(of).to_vec());
    line.push_span(canvas.span(Role::Stale, "1-9+ stale"));
    line
}
