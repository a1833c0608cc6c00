//! The view without a terminal: keys from a list, each obeyed before the next. For pictures and for tests.

use crossterm::event::{Event, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::{App, Effect};
use crate::engine::Engine;
use crate::keys::Key;
use crate::screen;

/// Keys as the file of bindings names them, with spaces between them.
///
/// # Errors
/// If there is no such key; the message says what was expected.
pub fn keys(text: &str) -> Result<Vec<KeyEvent>, String> {
    text.split_whitespace().map(|key| key.parse::<Key>().map(KeyEvent::from)).collect()
}

/// A view and a run on one thread.
#[derive(Debug)]
pub struct Script {
    /// The view.
    pub app: App,
    /// The run.
    pub engine: Engine,
    /// The size of the screen.
    pub area: Rect,
    /// A key has quit.
    pub over: bool,
}

impl Script {
    /// A view of this size.
    pub fn new(app: App, engine: Engine, area: Rect) -> Script {
        let mut script = Script { app, engine, area, over: false };
        script.look();
        script
    }

    /// Presses keys. What runs by itself does so to its end.
    pub fn press(&mut self, keys: &[KeyEvent]) {
        for &key in keys {
            self.handle(&Event::Key(key));
        }
    }

    /// Takes an event of the terminal.
    pub fn handle(&mut self, event: &Event) {
        for effect in self.app.handle(event, self.area) {
            match effect {
                Effect::Order(order) => {
                    self.engine.obey(order);
                    self.engine.settle();
                }
                Effect::Save => {}
                Effect::Quit { .. } => self.over = true,
            }
        }
        self.look();
    }

    fn look(&mut self) {
        let scene = self.engine.scene(&self.app.want(self.area));
        self.app.show(scene);
    }

    /// The screen.
    pub fn screen(&self) -> Buffer {
        let mut buffer = Buffer::empty(self.area);
        screen::draw(&mut buffer, self.area, &self.app.view());
        buffer
    }
}
