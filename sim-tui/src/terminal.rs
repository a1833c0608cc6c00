//! The terminal: taken over, drawn to, and given back whatever happens.

use std::fs::File;
use std::io::{self, IsTerminal as _, Stdout, Write as _};
use std::panic;
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select, unbounded};
use crossterm::event::{DisableMouseCapture, EnableMouseCapture, Event, MouseEventKind};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use thiserror::Error;

use crate::app::{App, Effect};
use crate::engine::{Engine, Order, Scene};
use crate::{picture, screen};

/// The least time between two scenes that are asked for: 30 a second. What is typed is drawn at once.
const FRAME: Duration = Duration::from_millis(33);

/// Why there is no view.
#[derive(Debug, Error)]
pub enum NoView {
    /// Input or output is no terminal.
    #[error("the live view needs a terminal; expected one on standard input and output")]
    NoTerminal,
    /// The terminal does not do what it is told.
    #[error("the terminal: {0}")]
    Io(#[from] io::Error),
    /// The run has ended in a panic; its message has been printed.
    #[error("the run has failed")]
    RunFailed,
}

/// How a view ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Quit,
    /// By this signal.
    Signal(i32),
}

/// What a view takes of the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The mouse: without it, text can be marked and copied.
    pub mouse: bool,
}

/// Is there a terminal on both sides?
///
/// # Errors
/// If not.
pub fn check() -> Result<(), NoView> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() { Ok(()) } else { Err(NoView::NoTerminal) }
}

/// Shows a run until told to quit.
///
/// # Errors
/// If there is no terminal, or it fails.
pub fn show(app: App, engine: Engine, manners: Manners) -> Result<Ended, NoView> {
    check()?;
    // Nobody who types waits for the run.
    let (orders, orders_in) = unbounded();
    let (scenes_out, scenes) = bounded(1);
    let run = thread::Builder::new().name("run".to_owned()).spawn(move || engine.serve(&orders_in, &scenes_out))?;
    let (events_out, events) = bounded(64);
    thread::Builder::new().name("input".to_owned()).spawn(move || read_events(&events_out))?;
    let (signals_out, signals) = bounded(4);
    let mut caught = Signals::new([SIGTERM, SIGHUP, SIGINT])?;
    let handle = caught.handle();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        caught.forever().for_each(|signal| _ = signals_out.try_send(signal));
    })?;
    let taken = Taken::over(manners)?;
    let mut view = Live {
        app,
        terminal: Terminal::new(CrosstermBackend::new(io::stdout()))?,
        orders,
        asked: false,
        stale: true,
        drawn: None,
    };
    let ended = view.until_quit(&events, &scenes, &signals);
    handle.close();
    let last = matches!(ended, Ok((_, true))).then(|| view.text()).transpose()?;
    drop(taken);
    drop(view);
    if let Some(text) = last {
        io::stdout().write_all(text.as_bytes())?;
    }
    // One that is still at work on something long need not end before the program does.
    if run.is_finished() && run.join().is_err() {
        return Err(NoView::RunFailed);
    }
    ended.map(|(ended, _)| ended)
}

fn read_events(events: &Sender<Event>) {
    while let Ok(event) = crossterm::event::read() {
        if events.send(event).is_err() {
            return;
        }
    }
}

/// The terminal while it is ours. Given back when dropped, and before the message of a panic on any thread.
struct Taken;

static GIVE_BACK_ON_PANIC: Once = Once::new();

impl Taken {
    fn over(manners: Manners) -> io::Result<Taken> {
        GIVE_BACK_ON_PANIC.call_once(|| {
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                usual(info);
            }));
        });
        enable_raw_mode()?;
        let taken = Taken;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        if manners.mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Nobody could do anything about an error here.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), EndSynchronizedUpdate, DisableMouseCapture, LeaveAlternateScreen, cursor::Show);
}

/// The view on the screen.
struct Live {
    app: App,
    terminal: Terminal<CrosstermBackend<Stdout>>,
    orders: Sender<Order>,
    /// A scene is on its way.
    asked: bool,
    /// The scene at hand is not the latest.
    stale: bool,
    drawn: Option<Instant>,
}

impl Live {
    fn until_quit(
        &mut self,
        events: &Receiver<Event>,
        scenes: &Receiver<Scene>,
        signals: &Receiver<i32>,
    ) -> Result<(Ended, bool), NoView> {
        self.draw()?;
        loop {
            let due = if (self.stale || self.app.is_live()) && !self.asked {
                let since = self.drawn.map_or(FRAME, |at| at.elapsed());
                after(FRAME.saturating_sub(since))
            } else {
                never()
            };
            select! {
                recv(events) -> event => match event {
                    Ok(event) => if let Some(ended) = self.event(&event)? { return Ok(ended); },
                    // Nobody types any more.
                    Err(_) => return Ok((Ended::Quit, false)),
                },
                recv(scenes) -> scene => {
                    self.asked = false;
                    self.app.show(scene.map_err(|_| NoView::RunFailed)?);
                    self.draw()?;
                }
                recv(signals) -> signal => return Ok((Ended::Signal(signal.unwrap_or(SIGTERM)), false)),
                recv(due) -> _ => self.ask()?,
            }
        }
    }

    fn event(&mut self, event: &Event) -> Result<Option<(Ended, bool)>, NoView> {
        if let Event::Mouse(mouse) = event
            && matches!(mouse.kind, MouseEventKind::Moved | MouseEventKind::Drag(_))
        {
            return Ok(None);
        }
        let area = self.area()?;
        for effect in self.app.handle(event, area) {
            match effect {
                Effect::Order(order) => self.order(order)?,
                Effect::Save => self.save(area),
                Effect::Quit { keep_screen } => return Ok(Some((Ended::Quit, keep_screen))),
            }
        }
        // What is looked at may have changed.
        self.stale = true;
        self.draw()?;
        Ok(None)
    }

    fn ask(&mut self) -> Result<(), NoView> {
        let want = self.app.want(self.area()?);
        self.order(Order::Show(want))?;
        (self.asked, self.stale) = (true, false);
        Ok(())
    }

    fn order(&self, order: Order) -> Result<(), NoView> {
        self.orders.send(order).map_err(|_| NoView::RunFailed)
    }

    fn area(&self) -> io::Result<Rect> {
        let size = self.terminal.size()?;
        Ok(Rect::new(0, 0, size.width, size.height))
    }

    /// In one piece for terminals that know how to.
    fn draw(&mut self) -> io::Result<()> {
        queue!(io::stdout(), BeginSynchronizedUpdate)?;
        let view = self.app.view();
        self.terminal.draw(|frame| {
            let area = frame.area();
            screen::draw(frame.buffer_mut(), area, &view);
        })?;
        execute!(io::stdout(), EndSynchronizedUpdate)?;
        self.drawn = Some(Instant::now());
        Ok(())
    }

    fn buffer(&self, area: Rect) -> Buffer {
        let mut buffer = Buffer::empty(area);
        screen::draw(&mut buffer, area, &self.app.view());
        buffer
    }

    /// The last screen as text, for whoever wants it to stay.
    fn text(&self) -> io::Result<String> {
        Ok(picture::text(&self.buffer(self.area()?)))
    }

    fn save(&mut self, area: Rect) {
        let path = format!("mmusim-{}.svg", self.app.view().position);
        let svg = picture::svg(&self.buffer(area));
        let written = File::create_new(&path).and_then(|mut file| file.write_all(svg.as_bytes()));
        self.app.ui.message = Some(match written {
            Ok(()) => format!("written to {path}"),
            Err(e) => format!("cannot write {path}: {e}"),
        });
    }
}
