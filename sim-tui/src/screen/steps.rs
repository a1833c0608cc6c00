//! The steps of the path that the selected core is in, and where every core is in it.

use ratatui::text::Line;
use sim_core::drive::clock::log::Happened;
use sim_core::kernel::path::labels;
use sim_core::nouns::types::Cpu;
use sim_core::step::frame::{Path, StepId};

use super::canvas::{Canvas, first_row};
use crate::moment::Moment;
use crate::theme::Role;
use crate::ui::{Pane, Ui};
use crate::words;

pub(super) fn draw(canvas: &mut Canvas<'_>, moment: &Moment, ui: &Ui) {
    let Some((path, at)) = shown(moment, ui) else {
        return canvas.line(0, &Line::from(canvas.span(Role::Dim, "no kernel path yet")));
    };
    let head = format!("CPU{}: {}", ui.core, path.name());
    canvas.line(0, &Line::from(canvas.span(Role::Heading, head)));
    let steps = labels(path);
    let height = canvas.height().saturating_sub(1);
    let centred = at.map_or(0, |pc| usize::from(pc).saturating_sub(height / 2)) + ui.scrolled(Pane::Steps);
    let first = first_row(centred, None, steps.len(), height);
    for (row, (pc, label)) in steps.iter().enumerate().skip(first).take(height).enumerate() {
        let here = StepId { path, pc: pc as u8 };
        let there: Vec<Cpu> = cores_at(moment, here);
        let current = at == Some(pc as u8);
        let mark = if current { '>' } else { ' ' };
        let text = format!("{mark} {:<6} {}", label.id, label.text);
        let role = if there.is_empty() && !current { Role::Dim } else { Role::of_path(path) };
        let mut line = Line::from(canvas.span(role, text));
        if !there.is_empty() {
            line.push_span(canvas.span(Role::Heading, format!("  < CPU {}", words::cpus(&there, &[], 6))));
        }
        canvas.line(row + 1, &line);
    }
}

/// The innermost path of the core and its next step there; between operations, the path it has been in last.
fn shown(moment: &Moment, ui: &Ui) -> Option<(Path, Option<u8>)> {
    let core = moment.cores.get(ui.core)?;
    if let Some(at) = core.steps.last() {
        return Some((at.path, Some(at.pc)));
    }
    let last = moment.log.iter().rev().find_map(|logged| match logged.entry.what {
        Happened::Act(_, at) if usize::from(logged.entry.cpu.0) == ui.core => Some(at.path),
        _ => None,
    })?;
    Some((last, None))
}

fn cores_at(moment: &Moment, here: StepId) -> Vec<Cpu> {
    let cores = (0u16..).map(Cpu).zip(&moment.cores);
    cores.filter(|(_, core)| core.steps.contains(&here)).map(|(cpu, _)| cpu).collect()
}
