//! A view of a run whose thread panics when another policy is asked for (`c`). `.ci/terminal` looks at what becomes of the terminal.

use std::process::ExitCode;
use std::sync::Arc;

use sim_core::policy::{POLICIES, PolicyInfo};
use sim_tui::app::{App, Opening};
use sim_tui::engine::{Engine, Program};
use sim_tui::keys::Bindings;
use sim_tui::moment::Want;
use sim_tui::pair::Pair;
use sim_tui::program::Tour;
use sim_tui::source::Machine;
use sim_tui::speed::Speed;
use sim_tui::terminal::{self, Manners};
use sim_tui::theme::Palette;
use sim_tui::ui::Ui;
use workloads::machines::machine;
use workloads::outcome::Input;

struct Panics;

impl Program for Panics {
    fn open(&mut self, _: &'static PolicyInfo, _: Option<&'static PolicyInfo>) -> Result<Pair, String> {
        panic!("on purpose");
    }

    fn stop(&mut self, _: usize) -> Result<Pair, String> {
        panic!("on purpose");
    }
}

fn main() -> ExitCode {
    let found = machine("skx_2s").expect("a shipped profile");
    let machine = Machine { input: Input::new(found.name, found.text.as_bytes()), profile: found.profile() };
    let pair = Tour { machine: Arc::new(machine) }.stop(0).expect("there is a first stop");
    let mut engine = Engine::new(pair, Box::new(Panics));
    let opening = Opening {
        scene: engine.scene(&Want::default()),
        policies: POLICIES.iter().collect(),
        left: &POLICIES[0],
        right: None,
        speed: Speed::READING,
        tour: false,
    };
    let app = App::new(Ui::new(Palette::Plain, Bindings::default()), opening);
    match terminal::show(app, engine, Manners { mouse: true }) {
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(2)
        }
    }
}
