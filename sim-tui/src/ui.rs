//! The state of the view itself: what is looked at, and how.

use crate::keys::Bindings;
use crate::theme::Palette;

/// The panes, in the order of Tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pane {
    /// What each core is doing.
    Cores,
    /// The TLB of the selected core.
    Tlb,
    /// PTEs, frames, windows.
    Pages,
    /// Locks and the words of the policy.
    Locks,
    /// The steps of the path that the selected core is in.
    Steps,
    /// One lane a core.
    Timeline,
    /// Sums.
    Totals,
    /// Events in words.
    Log,
}

impl Pane {
    /// All of them.
    pub const ALL: [Pane; 8] =
        [Pane::Cores, Pane::Tlb, Pane::Pages, Pane::Locks, Pane::Steps, Pane::Timeline, Pane::Totals, Pane::Log];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Pane::Cores => "Cores",
            Pane::Tlb => "TLB",
            Pane::Pages => "Pages",
            Pane::Locks => "Locks, flag",
            Pane::Steps => "Steps",
            Pane::Timeline => "Timeline",
            Pane::Totals => "Totals",
            Pane::Log => "Log",
        }
    }
}

/// What lies over the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    None,
    /// The keys.
    Help,
    /// A question, and what was typed so far.
    Ask(Question, String),
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// A cycle to go to.
    Cycle,
    /// A word.
    Filter,
    /// A policy.
    Policy,
}

impl Question {
    /// How it is asked.
    pub fn prompt(self) -> &'static str {
        match self {
            Question::Cycle => "cycle to go to: ",
            Question::Filter => "only what contains: ",
            Question::Policy => "policy: ",
        }
    }
}

/// The state of the view.
#[derive(Clone, Debug)]
pub struct Ui {
    /// Which pane the keys are for.
    pub focus: Pane,
    /// It is alone on the screen.
    pub zoomed: bool,
    /// The selected core.
    pub core: usize,
    /// By pane: how far it is scrolled, in rows.
    pub scroll: [usize; Pane::ALL.len()],
    /// Cores as a map, as opposed to a list; none: as they fit.
    pub map: Option<bool>,
    /// The timeline shows so many cycles, as a power of two more or less than all of the log.
    pub wider: i32,
    /// Only what contains this.
    pub filter: String,
    /// What lies over the panes.
    pub overlay: Overlay,
    /// The picture stays while the run goes on.
    pub frozen: bool,
    /// The colours.
    pub palette: Palette,
    /// The keys.
    pub bindings: Bindings,
    /// The last thing that was done or went wrong.
    pub message: Option<String>,
}

impl Ui {
    /// The view as it begins.
    pub fn new(palette: Palette, bindings: Bindings) -> Ui {
        Ui {
            focus: Pane::Cores,
            zoomed: false,
            core: 0,
            scroll: [0; Pane::ALL.len()],
            map: None,
            wider: 0,
            filter: String::new(),
            overlay: Overlay::None,
            frozen: false,
            palette,
            bindings,
            message: None,
        }
    }

    /// How far a pane is scrolled.
    pub fn scrolled(&self, pane: Pane) -> usize {
        self.scroll[pane as usize]
    }

    /// Does a line contain the word that is looked for?
    pub fn shows(&self, text: &str) -> bool {
        self.filter.is_empty() || text.contains(&self.filter)
    }
}
