//! The screen: a title, the panes, a line of keys. Drawing is a function of a view; it touches neither run nor terminal.

mod canvas;
mod cores;
mod help;
mod layout;
mod locks;
mod log;
mod pages;
mod steps;
mod timeline;
mod tlb;
mod totals;
mod tour;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use crate::moment::Moment;
use crate::speed::Speed;
use crate::theme::Role;
use crate::tour::Stop;
use crate::ui::{Overlay, Pane, Ui};
use crate::words::thousands;
use canvas::Canvas;

/// Everything that is drawn.
#[derive(Clone, Copy, Debug)]
pub struct View<'v> {
    /// The run, or the first of two.
    pub left: &'v Moment,
    /// The second, under another policy.
    pub right: Option<&'v Moment>,
    /// How it is looked at.
    pub ui: &'v Ui,
    /// Events made since the start.
    pub position: u64,
    /// The time of the last of them, in cycles.
    pub now_cycles: u64,
    /// Nothing is left to do.
    pub finished: bool,
    /// It goes on by itself, so fast.
    pub running: Option<Speed>,
    /// It is on its way to something; if neither, it is paused.
    pub seeking: bool,
    /// On a tour: which stop of how many.
    pub stop: Option<(usize, usize, &'v Stop)>,
}

/// Where a pane is, of the first run or of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which pane.
    pub pane: Pane,
    /// With its frame.
    pub area: Rect,
    /// Of the second run.
    pub right: bool,
}

/// Where everything is on a screen of this size.
pub fn placed(area: Rect, view: &View<'_>) -> Vec<Placed> {
    let body = body(area, view);
    let of = |area: Rect, right| {
        let panes = layout::place(area, view.ui.focus, view.ui.zoomed, view.left.cores.len());
        panes.into_iter().map(move |(pane, area)| Placed { pane, area, right })
    };
    if view.right.is_none() {
        return of(body, false).collect();
    }
    let half = body.width / 2;
    let (left, right) = (Rect { width: half, ..body }, Rect { x: body.x + half, width: body.width - half, ..body });
    of(left, false).chain(of(right, true)).collect()
}

/// What the title and the line of keys leave, and the words of a tour.
fn body(area: Rect, view: &View<'_>) -> Rect {
    let above = 1.min(area.height);
    let words = view.stop.map_or(0, |(_, _, stop)| tour::height(area, stop));
    let below = u16::from(area.height > 2) + words;
    Rect { y: area.y + above, height: area.height.saturating_sub(above + below), ..area }
}

/// Draws all of it.
pub fn draw(buffer: &mut Buffer, area: Rect, view: &View<'_>) {
    if area.area() == 0 {
        return;
    }
    title(buffer, area, view);
    for placed in placed(area, view) {
        let moment = view.right.filter(|_| placed.right).unwrap_or(view.left);
        pane(buffer, placed, moment, view);
    }
    if let Some((at, of, stop)) = view.stop {
        tour::draw(buffer, area, view.ui.palette, (at, of), stop);
    }
    if area.height > 2 {
        status(buffer, area, view);
    }
    if view.ui.overlay == Overlay::Help {
        help::draw(buffer, area, view.ui);
    }
}

fn pane(buffer: &mut Buffer, placed: Placed, moment: &Moment, view: &View<'_>) {
    let (ui, area) = (view.ui, placed.area);
    let focused = placed.pane == ui.focus;
    let heading = match view.right {
        Some(_) => format!("{} · {}", placed.pane.title(), moment.policy),
        None => placed.pane.title().to_owned(),
    };
    // Two rows of frame are too many where there are hardly any.
    let inner = if area.height < 3 || area.width < 4 {
        area
    } else {
        let border = if focused { BorderType::Thick } else { BorderType::Plain };
        let role = if focused { Role::Heading } else { Role::Dim };
        let block = Block::bordered().border_type(border).border_style(ui.palette.style(role)).title(heading);
        let inner = block.inner(area);
        block.render(area, buffer);
        inner
    };
    let mut canvas = Canvas { buffer, area: inner, palette: ui.palette };
    let draw = match placed.pane {
        Pane::Cores => cores::draw,
        Pane::Tlb => tlb::draw,
        Pane::Pages => pages::draw,
        Pane::Locks => locks::draw,
        Pane::Steps => steps::draw,
        Pane::Timeline => timeline::draw,
        Pane::Totals => totals::draw,
        Pane::Log => log::draw,
    };
    draw(&mut canvas, moment, ui);
}

fn title(buffer: &mut Buffer, area: Rect, view: &View<'_>) {
    let moment = view.left;
    let policies = view.right.map_or(moment.policy.to_owned(), |right| format!("{} | {}", moment.policy, right.policy));
    let state = match view.running {
        _ if view.ui.frozen => "FROZEN".to_owned(),
        _ if view.finished => "END".to_owned(),
        Some(speed) => format!("RUNNING {speed}"),
        None if view.seeking => "SEEKING".to_owned(),
        None => "PAUSED".to_owned(),
    };
    let sum = |moment: &Moment| moment.totals.violations.iter().map(|(_, count)| count).sum::<u64>();
    let mut line = Line::from(format!("{state}  "));
    if sum(moment) + view.right.map_or(0, sum) > 0 {
        let of_right = view.right.map_or(String::new(), |right| format!(" | {}", thousands(sum(right))));
        let text = format!("! violations: {}{of_right}", thousands(sum(moment)));
        line.push_span(ratatui::text::Span::styled(text, view.ui.palette.style(Role::Violation)));
        line.push_span("  ");
    }
    let (now, position) = (thousands(view.now_cycles), thousands(view.position));
    line.push_span(format!("{policies}  cycle {now}  event {position}  "));
    line.push_span(moment.title.clone());
    buffer.set_line(area.x, area.y, &line, area.width);
}

fn status(buffer: &mut Buffer, area: Rect, view: &View<'_>) {
    let ui = view.ui;
    let line = match (&ui.overlay, &ui.message) {
        (Overlay::Ask(question, typed), _) => Line::from(format!("{}{typed}_", question.prompt())),
        (_, Some(message)) => Line::from(message.clone()),
        _ => help::hints(ui, view.stop.is_some()),
    };
    let row = Rect { y: area.bottom() - 1, height: 1, ..area };
    Clear.render(row, buffer);
    buffer.set_line(row.x, row.y, &line, row.width);
}

/// Are the cores shown as a map?
pub fn is_map(area: Rect, view: &View<'_>) -> bool {
    let cores = placed(area, view).into_iter().find(|placed| placed.pane == Pane::Cores);
    cores.is_none_or(|placed| cores::is_map(view.left, view.ui, usize::from(placed.area.height.saturating_sub(2))))
}

/// The core in whose row, lane or cell this point of a pane is.
pub fn core_under(view: &View<'_>, placed: Placed, at: Position) -> Option<usize> {
    if placed.pane != Pane::Cores {
        return None;
    }
    let inner = Block::bordered().inner(placed.area);
    if !inner.contains(at) {
        return None;
    }
    let moment = view.right.filter(|_| placed.right).unwrap_or(view.left);
    cores::at(inner, moment, view.ui, at)
}
