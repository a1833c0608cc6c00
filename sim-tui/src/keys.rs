//! Commands and their keys: one table, from which the dispatcher, the help and the file of bindings come.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Deserialize;
use thiserror::Error;

/// What a key can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Leave.
    Quit,
    /// Leave, and leave the screen as it is.
    QuitKeepingScreen,
    /// Show or hide the keys.
    Help,
    /// Run or pause; on a tour, the next stop.
    Pause,
    /// One event forward.
    Step,
    /// Ten events forward.
    StepTen,
    /// To the next interrupt, flush, window or violation.
    NextInteresting,
    /// To the next violation.
    NextViolation,
    /// One event back.
    Back,
    /// Ten events back.
    BackTen,
    /// To the interrupt, flush, window or violation before.
    PreviousInteresting,
    /// To the start.
    Rewind,
    /// To the end.
    End,
    /// To a cycle that is asked for.
    Jump,
    /// Faster.
    Faster,
    /// Slower.
    Slower,
    /// The speed it began with.
    UsualSpeed,
    /// Keep the picture while the run goes on.
    Freeze,
    /// The next pane.
    NextPane,
    /// The pane before.
    PreviousPane,
    /// Up.
    Up,
    /// Down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// The core before.
    PreviousCore,
    /// The next core.
    NextCore,
    /// Select the core that acts, or keep the selected one.
    Follow,
    /// The pane alone, or among the others.
    Zoom,
    /// More time in the timeline.
    Wider,
    /// Less.
    Narrower,
    /// Cores as a list or as a map.
    Map,
    /// Only what contains a word.
    Filter,
    /// The same run under another policy.
    Policy,
    /// Two policies side by side, or one.
    Compare,
    /// Start again.
    Restart,
    /// Write the screen to a file.
    Save,
    /// Close what is open, forget the filter.
    Escape,
}

/// A command, what it is called in the file of bindings, its keys, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The command.
    pub command: Command,
    /// Its name.
    pub name: &'static str,
    /// The keys it has unless they are bound otherwise.
    pub keys: &'static [&'static str],
    /// For the help.
    pub help: &'static str,
}

const fn row(command: Command, name: &'static str, keys: &'static [&'static str], help: &'static str) -> Row {
    Row { command, name, keys, help }
}

/// All commands, in the order of the help.
pub const COMMANDS: &[Row] = &[
    row(Command::Pause, "pause", &["space", "p"], "run or pause; on a tour, the next stop"),
    row(Command::Step, "step", &["n", "."], "one event forward"),
    row(Command::StepTen, "step-ten", &[">"], "ten events forward"),
    row(Command::NextInteresting, "next", &["N"], "to the next interrupt, flush, window or violation"),
    row(Command::NextViolation, "next-violation", &["v"], "to the next violation"),
    row(Command::Back, "back", &["b", ","], "one event back"),
    row(Command::BackTen, "back-ten", &["<"], "ten events back"),
    row(Command::PreviousInteresting, "previous", &["B"], "to the interrupt, flush, window or violation before"),
    row(Command::Rewind, "rewind", &["0", "home"], "to the start"),
    row(Command::End, "end", &["G", "end"], "to the end"),
    row(Command::Jump, "jump", &["g"], "to a cycle: type it, then Enter"),
    row(Command::Faster, "faster", &["+"], "faster"),
    row(Command::Slower, "slower", &["-"], "slower"),
    row(Command::UsualSpeed, "usual-speed", &["="], "the speed it began with"),
    row(Command::Freeze, "freeze", &["f"], "keep the picture while the run goes on"),
    row(Command::Policy, "policy", &["P"], "another policy: type its name or number (1 to 9 work at once)"),
    row(Command::Compare, "compare", &["c"], "two policies side by side, or one"),
    row(Command::Restart, "restart", &["ctrl-r"], "start again"),
    row(Command::NextPane, "next-pane", &["tab"], "the next pane"),
    row(Command::PreviousPane, "previous-pane", &["backtab"], "the pane before"),
    row(Command::Up, "up", &["up", "k"], "up"),
    row(Command::Down, "down", &["down", "j"], "down"),
    row(Command::PageUp, "page-up", &["pageup"], "a page up"),
    row(Command::PageDown, "page-down", &["pagedown"], "a page down"),
    row(Command::PreviousCore, "previous-core", &["left", "h"], "the core before"),
    row(Command::NextCore, "next-core", &["right", "l"], "the next core"),
    row(Command::Follow, "follow", &["a"], "select the core that acts, or keep the selected one"),
    row(Command::Zoom, "zoom", &["z"], "the pane alone, or among the others"),
    row(Command::Wider, "wider", &["["], "more time in the timeline"),
    row(Command::Narrower, "narrower", &["]"], "less time in the timeline"),
    row(Command::Map, "map", &["m"], "cores as a list or as a map"),
    row(Command::Filter, "filter", &["/"], "only pages and log lines with a word in them"),
    row(Command::Save, "save", &["s"], "write the screen to an SVG file"),
    row(Command::Escape, "escape", &["esc"], "close what is open, forget the filter"),
    row(Command::Help, "help", &["?", "f1"], "show or hide this"),
    row(Command::Quit, "quit", &["q", "ctrl-c"], "quit"),
    row(Command::QuitKeepingScreen, "quit-keeping-screen", &["Q"], "quit, and leave the last screen"),
];

/// A key with what is held down beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    code: KeyCode,
    ctrl: bool,
}

/// Keys that are not characters, and their names.
const NAMED: &[(&str, KeyCode)] = &[
    ("space", KeyCode::Char(' ')),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("f1", KeyCode::F(1)),
];

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Key, String> {
        let (ctrl, name) = text.strip_prefix("ctrl-").map_or((false, text), |rest| (true, rest));
        let mut characters = name.chars();
        let code = match (characters.next(), characters.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => NAMED.iter().find(|(n, _)| *n == name).map(|&(_, code)| code).ok_or_else(|| {
                let names: Vec<_> = NAMED.iter().map(|(name, _)| *name).collect();
                format!(
                    "unknown key `{text}`; expected a character or one of {}, after `ctrl-` if need be",
                    names.join(", ")
                )
            })?,
        };
        Ok(Key { code, ctrl })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.ctrl { "ctrl-" } else { "" })?;
        match (NAMED.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, code) => write!(f, "{code}"),
        }
    }
}

impl From<Key> for KeyEvent {
    fn from(key: Key) -> KeyEvent {
        KeyEvent::new(key.code, if key.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Key {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        // Some terminals send Tab with Shift instead.
        let code = match event.code {
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        Key { code, ctrl }
    }
}

/// Which key does what.
#[derive(Clone, Debug)]
pub struct Bindings(Vec<(Key, Command)>);

/// Why a file of bindings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadBindings {
    /// It is not the TOML that is expected.
    #[error("{name}{}: {message}; expected `[keys]` with lines such as `step = [\"n\", \".\"]`", at(*line))]
    Toml {
        /// The file.
        name: String,
        /// The line, from 1, if it is known.
        line: Option<usize>,
        /// What the reader says.
        message: String,
    },
    /// A name or a key that is not there.
    #[error("{name}: {message}")]
    Unknown {
        /// The file.
        name: String,
        /// What, and what was expected.
        message: String,
    },
    /// A key for two commands.
    #[error("{name}: key `{key}` is bound to `{first}` and to `{second}`; expected one command a key")]
    Twice {
        /// The file.
        name: String,
        /// The key.
        key: String,
        /// One command.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}

fn at(line: Option<usize>) -> String {
    line.map_or(String::new(), |line| format!(":{line}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    keys: std::collections::BTreeMap<String, Vec<String>>,
}

impl Default for Bindings {
    fn default() -> Bindings {
        let keys = COMMANDS.iter().flat_map(|row| row.keys.iter().map(|key| (key, row.command)));
        Bindings(keys.map(|(key, command)| (key.parse().expect("a key of the table"), command)).collect())
    }
}

impl Bindings {
    /// Reads a file of bindings: the commands it names have the keys it names and no others.
    ///
    /// # Errors
    /// If it is not TOML, names what is not there, or gives a key to two commands.
    pub fn parse(name: &str, text: &str) -> Result<Bindings, BadBindings> {
        let file: File = toml::from_str(text).map_err(|e| BadBindings::Toml {
            name: name.to_owned(),
            line: e.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1),
            message: e.message().to_owned(),
        })?;
        let unknown = |message| BadBindings::Unknown { name: name.to_owned(), message };
        let mut bindings = Bindings::default();
        for (command, keys) in &file.keys {
            let row = COMMANDS.iter().find(|row| row.name == command).ok_or_else(|| {
                let names: Vec<_> = COMMANDS.iter().map(|row| row.name).collect();
                unknown(format!("unknown command `{command}`; expected one of {}", names.join(", ")))
            })?;
            bindings.0.retain(|(_, bound)| *bound != row.command);
            for key in keys {
                bindings.0.push((key.parse().map_err(unknown)?, row.command));
            }
        }
        bindings.check(name)?;
        Ok(bindings)
    }

    fn check(&self, name: &str) -> Result<(), BadBindings> {
        for (at, &(key, first)) in self.0.iter().enumerate() {
            if let Some(&(_, second)) = self.0[at + 1..].iter().find(|&&(other, _)| other == key) {
                let (first, second) = (name_of(first), name_of(second));
                return Err(BadBindings::Twice { name: name.to_owned(), key: key.to_string(), first, second });
            }
        }
        Ok(())
    }

    /// What a key does.
    pub fn command(&self, event: KeyEvent) -> Option<Command> {
        let key = Key::from(event);
        self.0.iter().find(|&&(bound, _)| bound == key).map(|&(_, command)| command)
    }

    /// The keys of a command, for the help.
    pub fn keys(&self, command: Command) -> String {
        let keys: Vec<_> = self.0.iter().filter(|&&(_, c)| c == command).map(|(key, _)| key.to_string()).collect();
        keys.join(" ")
    }

    /// A file with all commands and the keys they have.
    pub fn file(&self) -> String {
        let mut text = String::from("[keys]\n");
        for row in COMMANDS {
            let keys = self.0.iter().filter(|&&(_, c)| c == row.command).map(|(key, _)| key.to_string());
            let keys: toml::Value = keys.collect::<Vec<_>>().into();
            let _ = writeln!(text, "{} = {keys} # {}", row.name, row.help);
        }
        text
    }
}

fn name_of(command: Command) -> &'static str {
    COMMANDS.iter().find(|row| row.command == command).map_or("", |row| row.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_of_the_table_has_two_commands() {
        assert_eq!(Bindings::default().check("the table"), Ok(()));
    }

    #[test]
    fn the_printed_file_reads_as_what_it_was_printed_from() {
        let text = Bindings::default().file();
        assert_eq!(Bindings::parse("printed", &text).expect("it is a file of bindings").file(), text);
    }

    #[test]
    fn keys_that_toml_escapes_are_printed_as_it_does() {
        let text = "[keys]\nstep = [\"\\u0018\", \"\\\"\", \"\\\\\", \"ctrl-'\", \"\\u007f\"]\n";
        let bindings = Bindings::parse("f", text).expect("a file of bindings");
        let again = Bindings::parse("printed", &bindings.file()).expect("what was printed");
        assert_eq!(again.keys(Command::Step), "\u{18} \" \\ ctrl-' \u{7f}");
    }

    #[test]
    fn a_command_has_the_keys_of_the_file_only() {
        let bindings = Bindings::parse("f", "[keys]\nstep = [\"x\"]\n").expect("one command");
        assert_eq!(bindings.command(KeyCode::Char('x').into()), Some(Command::Step));
        assert_eq!(bindings.command(KeyCode::Char('n').into()), None);
        assert_eq!(bindings.command(KeyCode::Char('b').into()), Some(Command::Back));
    }

    #[test]
    fn bad_files_say_what_was_expected() {
        let error = |text: &str| Bindings::parse("keys.toml", text).expect_err("it is wrong").to_string();
        insta::assert_snapshot!(
            [
                error("[keys]\nstep = 3\n"),
                error("[keys]\nstop = [\"x\"]\n"),
                error("[keys]\nstep = [\"hyper\"]\n"),
                error("[keys]\nstep = [\"b\"]\n"),
                error("keys = [\n"),
            ]
            .join("\n")
        );
    }
}
