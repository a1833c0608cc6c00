//! What keys and the mouse do: to the view at once, to the run by orders.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};
use sim_core::nouns::types::Cpu;
use sim_core::policy::{self, PolicyInfo};

use crate::engine::{Order, Scene, Target};
use crate::keys::Command;
use crate::moment::{Moment, Want};
use crate::screen::{self, View};
use crate::speed::Speed;
use crate::tour;
use crate::ui::{Overlay, Pane, Question, Ui};

/// Entries of the log that are shown or drawn, as far as nobody scrolls: some for each column of a wide timeline.
const LOG_ENTRIES: usize = 512;

/// What is to be done beyond the view.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The run has an order.
    Order(Order),
    /// The screen is to be saved.
    Save,
    /// It is over; the last screen stays if this is set.
    Quit {
        /// Leave the screen as it is.
        keep_screen: bool,
    },
}

/// The view, and what it knows of the run.
#[derive(Debug)]
pub struct App {
    /// How the run is looked at.
    pub ui: Ui,
    scene: Scene,
    /// By number: policies that can be chosen.
    policies: Vec<&'static PolicyInfo>,
    left: &'static PolicyInfo,
    right: Option<&'static PolicyInfo>,
    usual_speed: Speed,
    speed: Speed,
    /// On a tour: which stop.
    stop: Option<usize>,
}

/// What an app begins with.
#[derive(Debug)]
pub struct Opening {
    /// The first scene.
    pub scene: Scene,
    /// Policies to choose from, by number.
    pub policies: Vec<&'static PolicyInfo>,
    /// The policy of the run.
    pub left: &'static PolicyInfo,
    /// The policy beside it.
    pub right: Option<&'static PolicyInfo>,
    /// The speed it runs at when told to.
    pub speed: Speed,
    /// Is this the tour?
    pub tour: bool,
}

impl App {
    /// A view of a run.
    pub fn new(ui: Ui, opening: Opening) -> App {
        let Opening { scene, policies, left, right, speed, tour } = opening;
        App { ui, scene, policies, left, right, usual_speed: speed, speed, stop: tour.then_some(0) }
    }

    /// What is drawn.
    pub fn view(&self) -> View<'_> {
        View {
            left: &self.scene.left,
            right: self.scene.right.as_ref(),
            ui: &self.ui,
            position: self.scene.position,
            now_cycles: self.scene.now_cycles,
            finished: self.scene.finished,
            running: self.scene.running,
            seeking: self.scene.seeking,
            stop: self.stop.map(|at| (at, tour::STOPS.len(), &tour::STOPS[at])),
        }
    }

    /// Does the run go on, so that new scenes are worth asking for?
    pub fn is_live(&self) -> bool {
        self.scene.running.is_some() || self.scene.seeking
    }

    /// A new scene has come.
    pub fn show(&mut self, scene: Scene) {
        if let Some(complaint) = &scene.complaint {
            self.ui.message = Some(complaint.clone());
            // What was asked for may be what could not be opened.
            let find = |moment: &Moment| policy::find(moment.policy);
            self.left = find(&scene.left).unwrap_or(self.left);
            self.right = scene.right.as_ref().and_then(find);
        }
        if self.ui.frozen {
            // Whether it runs is no part of the picture.
            (self.scene.running, self.scene.seeking) = (scene.running, scene.seeking);
        } else {
            self.scene = scene;
            self.ui.core = usize::from(self.scene.left.core.0);
        }
    }

    /// What a screen of this size needs to know.
    pub fn want(&self, area: Rect) -> Want {
        let rows = usize::from(area.height);
        let tlb_rows = rows + self.ui.scrolled(Pane::Tlb);
        let pages = 4 * rows + self.ui.scrolled(Pane::Pages);
        Want {
            core: (!self.ui.follow).then_some(Cpu(self.ui.core as u16)),
            tlb_rows,
            pages,
            log: LOG_ENTRIES + self.ui.scrolled(Pane::Log),
        }
    }

    /// Something has happened at the terminal, whose screen has this size.
    pub fn handle(&mut self, event: &Event, area: Rect) -> Vec<Effect> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key, area),
            Event::Mouse(mouse) => {
                self.mouse(*mouse, area);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn key(&mut self, key: KeyEvent, area: Rect) -> Vec<Effect> {
        self.ui.message = None;
        if let Overlay::Ask(question, typed) = &mut self.ui.overlay {
            match key.code {
                KeyCode::Enter => {
                    let (question, typed) = (*question, std::mem::take(typed));
                    self.ui.overlay = Overlay::None;
                    return self.answer(question, typed.trim());
                }
                KeyCode::Backspace => _ = typed.pop(),
                KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => typed.push(c),
                KeyCode::Esc => self.ui.overlay = Overlay::None,
                _ if self.ui.bindings.command(key) == Some(Command::Quit) => {
                    return vec![Effect::Quit { keep_screen: false }];
                }
                _ => {}
            }
            return Vec::new();
        }
        match (self.ui.bindings.command(key), key.code) {
            (Some(command), _) => self.command(command, area),
            (None, KeyCode::Char(digit @ '1'..='9')) => self.policy_number(digit as usize - '1' as usize),
            _ => Vec::new(),
        }
    }

    fn command(&mut self, command: Command, area: Rect) -> Vec<Effect> {
        let order = |order| vec![Effect::Order(order)];
        match command {
            Command::Quit => return vec![Effect::Quit { keep_screen: false }],
            Command::QuitKeepingScreen => return vec![Effect::Quit { keep_screen: true }],
            Command::Save => return vec![Effect::Save],
            Command::Pause => return self.pause(),
            Command::Step => return order(Order::Forward(1)),
            Command::StepTen => return order(Order::Forward(10)),
            Command::Back => return order(Order::Back(1)),
            Command::BackTen => return order(Order::Back(10)),
            Command::PreviousInteresting => return order(Order::SeekBack(Target::Interesting)),
            Command::Rewind => return order(Order::Rewind),
            Command::End => return order(Order::Seek(Target::End)),
            Command::NextInteresting => return order(Order::Seek(Target::Interesting)),
            Command::NextViolation => return order(Order::Seek(Target::Violation)),
            Command::Faster => return self.speed(self.speed.faster()),
            Command::Slower => return self.speed(self.speed.slower()),
            Command::UsualSpeed => return self.speed(self.usual_speed),
            Command::Compare => return self.compare(),
            Command::Restart => return self.open(self.left, self.right),
            Command::Jump => self.ui.overlay = Overlay::Ask(Question::Cycle, String::new()),
            Command::Filter => self.ui.overlay = Overlay::Ask(Question::Filter, String::new()),
            Command::Policy => self.ui.overlay = Overlay::Ask(Question::Policy, String::new()),
            Command::Help => {
                self.ui.overlay = if self.ui.overlay == Overlay::Help { Overlay::None } else { Overlay::Help };
            }
            Command::Escape if self.ui.overlay == Overlay::None => self.ui.filter.clear(),
            Command::Escape => self.ui.overlay = Overlay::None,
            Command::Freeze => self.ui.frozen = !self.ui.frozen,
            Command::Follow => self.ui.follow = !self.ui.follow,
            Command::Zoom => self.ui.zoomed = !self.ui.zoomed,
            Command::Map => {
                let is_map = screen::is_map(area, &self.view());
                self.ui.map = Some(!is_map);
            }
            Command::Wider => self.ui.wider = (self.ui.wider + 1).min(20),
            Command::Narrower => self.ui.wider = (self.ui.wider - 1).max(-20),
            Command::NextPane => self.focus(1),
            Command::PreviousPane => self.focus(Pane::ALL.len() - 1),
            Command::PreviousCore => self.select(self.ui.core.saturating_sub(1)),
            Command::NextCore => self.select(self.ui.core + 1),
            Command::Up => self.scroll(self.ui.focus, -1),
            Command::Down => self.scroll(self.ui.focus, 1),
            Command::PageUp => self.scroll(self.ui.focus, -half_of(area)),
            Command::PageDown => self.scroll(self.ui.focus, half_of(area)),
        }
        Vec::new()
    }

    /// On a tour, the next stop; after the last one it is over.
    fn pause(&mut self) -> Vec<Effect> {
        if let Some(at) = self.stop {
            if at + 1 == tour::STOPS.len() {
                return vec![Effect::Quit { keep_screen: false }];
            }
            self.stop = Some(at + 1);
            return vec![Effect::Order(Order::Stop(at + 1))];
        }
        let order = if self.is_live() { Order::Pause } else { Order::Run(self.speed) };
        vec![Effect::Order(order)]
    }

    fn speed(&mut self, speed: Speed) -> Vec<Effect> {
        self.speed = speed;
        if self.scene.running.is_some() {
            return vec![Effect::Order(Order::Run(speed))];
        }
        self.ui.message = Some(format!("will run {speed}"));
        Vec::new()
    }

    fn open(&mut self, left: &'static PolicyInfo, right: Option<&'static PolicyInfo>) -> Vec<Effect> {
        if self.stop.is_some() {
            self.ui.message = Some("the tour chooses its policies; `mmusim tui` without --tour lets you".to_owned());
            return Vec::new();
        }
        (self.left, self.right) = (left, right);
        vec![Effect::Order(Order::Open(left, right))]
    }

    /// The second of two is the first policy of the list that is not the one at hand.
    fn compare(&mut self) -> Vec<Effect> {
        let other = match self.right {
            Some(_) => None,
            None => self.policies.iter().copied().find(|policy| policy.name != self.left.name),
        };
        self.open(self.left, other)
    }

    fn policy_number(&mut self, number: usize) -> Vec<Effect> {
        if let Some(policy) = self.policies.get(number) {
            return self.open(policy, self.right);
        }
        self.ui.message = Some(format!("there are {} policies", self.policies.len()));
        Vec::new()
    }

    fn answer(&mut self, question: Question, typed: &str) -> Vec<Effect> {
        match question {
            Question::Filter => typed.clone_into(&mut self.ui.filter),
            Question::Cycle => match typed.replace([',', '_'], "").parse() {
                Ok(cycles) => return vec![Effect::Order(Order::ToCycle(cycles))],
                Err(_) => self.ui.message = Some(format!("`{typed}` is no cycle; expected a number")),
            },
            Question::Policy => {
                let by_number = typed.parse::<usize>().ok().and_then(|at| self.policies.get(at.wrapping_sub(1)));
                let by_name = || {
                    let named = |p: &&&'static PolicyInfo| p.name == typed || p.aliases.contains(&typed);
                    self.policies.iter().find(named)
                };
                if let Some(policy) = by_number.or_else(by_name) {
                    return self.open(policy, self.right);
                }
                let names: Vec<_> = self.policies.iter().map(|policy| policy.name).collect();
                self.ui.message = Some(format!("no policy `{typed}`; expected one of {}", names.join(", ")));
            }
        }
        Vec::new()
    }

    fn focus(&mut self, forward: usize) {
        let at = Pane::ALL.iter().position(|pane| *pane == self.ui.focus).expect("one of all panes");
        self.ui.focus = Pane::ALL[(at + forward) % Pane::ALL.len()];
    }

    fn select(&mut self, core: usize) {
        self.ui.core = core.min(self.scene.left.cores.len().saturating_sub(1));
        self.ui.follow = false;
    }

    /// In the list of cores the selection moves, elsewhere the rows do.
    fn scroll(&mut self, pane: Pane, rows: isize) {
        if pane == Pane::Cores {
            return self.select(self.ui.core.saturating_add_signed(rows));
        }
        let moment = &self.scene.left;
        let most = match pane {
            Pane::Log => moment.log.len(),
            Pane::Pages => moment.pages.len(),
            Pane::Tlb => moment.tlb_size,
            Pane::Steps | Pane::Totals | Pane::Locks => FEW_ROWS,
            Pane::Cores | Pane::Timeline => moment.cores.len(),
        };
        // The log is scrolled from its end.
        let rows = if pane == Pane::Log { -rows } else { rows };
        let at = &mut self.ui.scroll[pane as usize];
        *at = at.saturating_add_signed(rows).min(most);
    }

    fn mouse(&mut self, mouse: MouseEvent, area: Rect) {
        let at = Position { x: mouse.column, y: mouse.row };
        let view = self.view();
        let Some(under) = screen::placed(area, &view).into_iter().find(|placed| placed.area.contains(at)) else {
            return;
        };
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                let core = screen::core_under(&view, under, at);
                self.ui.focus = under.pane;
                if let Some(core) = core {
                    self.select(core);
                }
            }
            MouseEventKind::ScrollUp => self.scroll(under.pane, -1),
            MouseEventKind::ScrollDown => self.scroll(under.pane, 1),
            _ => {}
        }
    }
}

/// No path has more steps, and no list more sums.
const FEW_ROWS: usize = 64;

/// Rows of a page up or down.
fn half_of(area: Rect) -> isize {
    isize::try_from(area.height / 2).unwrap_or(isize::MAX)
}
