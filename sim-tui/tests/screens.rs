//! Screens, driven by keys: every pane at four sizes, and what lies over them.

mod common;

use std::fmt::Write as _;

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;
use ratatui::style::Color;
use sim_core::policy::POLICIES;
use sim_tui::app::{App, Opening};
use sim_tui::engine::{Engine, Program};
use sim_tui::keys::Bindings;
use sim_tui::moment::Want;
use sim_tui::picture;
use sim_tui::program::{Repertoire, Tour};
use sim_tui::script::{self, Script};
use sim_tui::source::Source;
use sim_tui::speed::Speed;
use sim_tui::theme::Palette;
use sim_tui::tour::STOPS;
use sim_tui::ui::{Pane, Ui};

use common::{machine_of_tests, policy, recording, witness, workload};

const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (200, 60)];

/// A view of a source under one policy or two.
fn view(source: Source, policies: &[&str], size: (u16, u16)) -> Script {
    let (left, right) = (policy(policies[0]), policies.get(1).map(|name| policy(name)));
    let mut program = Repertoire(source);
    let pair = program.open(left, right).expect("it can be run");
    let mut engine = Engine::new(pair, Box::new(program));
    let scene = engine.scene(&Want::default());
    let policies = POLICIES.iter().collect();
    let opening = Opening { scene, policies, left, right, speed: Speed::READING, tour: false };
    let app = App::new(Ui::new(Palette::True, Bindings::default()), opening);
    Script::new(app, engine, Rect::new(0, 0, size.0, size.1))
}

fn tour(size: (u16, u16)) -> Script {
    let mut program = Tour { machine: machine_of_tests() };
    let mut engine = Engine::new(program.stop(0).expect("there is a first stop"), Box::new(program));
    let scene = engine.scene(&Want::default());
    let left = policy(STOPS[0].policy);
    let opening = Opening { scene, policies: Vec::new(), left, right: None, speed: Speed::READING, tour: true };
    let app = App::new(Ui::new(Palette::True, Bindings::default()), opening);
    Script::new(app, engine, Rect::new(0, 0, size.0, size.1))
}

fn press(script: &mut Script, keys: &str) {
    script.press(&script::keys(keys).expect("keys"));
}

fn text(script: &Script) -> String {
    picture::text(&script.screen())
}

fn position(script: &Script) -> u64 {
    script.app.view().left.position
}

/// The same keys at every size.
fn at_all_sizes(source: &Source, policies: &[&str], keys: &str) -> String {
    let mut all = String::new();
    for size in SIZES {
        let mut script = view(source.clone(), policies, size);
        press(&mut script, keys);
        let _ = writeln!(all, "{}x{}\n{}", size.0, size.1, text(&script));
    }
    all
}

#[test]
fn the_whole_screen_at_the_race() {
    let race = witness("B01-mprotect-ro", "batched");
    insta::assert_snapshot!(at_all_sizes(&race, &["batched"], "v"));
}

#[test]
fn every_pane_alone_at_the_race() {
    let race = witness("B01-mprotect-ro", "batched");
    for (tabs, pane) in Pane::ALL.into_iter().enumerate() {
        let keys = format!("v l {}z", "tab ".repeat(tabs));
        insta::assert_snapshot!(format!("{pane:?}").to_lowercase(), at_all_sizes(&race, &["batched"], &keys));
    }
}

#[test]
fn two_policies_side_by_side() {
    let race = witness("B01-mprotect-ro", "batched");
    insta::assert_snapshot!(at_all_sizes(&race, &["batched", "pending-flag"], "G"));
}

#[test]
fn a_recording() {
    insta::assert_snapshot!(at_all_sizes(&recording(), &["pending-generation"], "N N N N N N"));
}

#[test]
fn many_cores_are_a_map_and_a_list_if_wanted() {
    let mut script = view(workload(CROWD, 3), &["batched"], (120, 40));
    press(&mut script, "v l l l down");
    insta::assert_snapshot!("crowd_map", text(&script));
    press(&mut script, "m z");
    insta::assert_snapshot!("crowd_list", text(&script));
}

/// More cores than any screen has rows.
const CROWD: &str = r#"
name = "crowd"
summary = "more cores than rows"
profile = "ivb_ex_8s120"
era = "v4.13"
cores = 238
pages = 64
page_tables = 2
duration_cycles = 400_000
backing = "anon"

[user]
pattern = "uniform"
stores_percent = 30
written_percent = 100
gap_cycles = 2_000

[[operations]]
call = "mprotect"
rights = "r"
span_pages = 4
gap_accesses = 40
hold_accesses = 10

[reclaim]
cores = 2
list_pages = 32
lists_per_cycle = 1
pause_cycles = 20_000
"#;

#[test]
fn help_questions_and_messages() {
    let mut script = view(witness("B01-mprotect-ro", "batched"), &["batched"], (80, 24));
    press(&mut script, "?");
    insta::assert_snapshot!("help", text(&script));
    press(&mut script, "esc P x y z");
    assert!(text(&script).contains("policy: xyz_"));
    press(&mut script, "enter");
    assert!(text(&script).contains("no policy `xyz`; expected one of"), "{}", text(&script));
    press(&mut script, "g q enter");
    assert!(text(&script).contains("`q` is no cycle; expected a number"), "{}", text(&script));
    press(&mut script, "G N");
    assert!(text(&script).contains("no interrupt, flush, window or violation from here"), "{}", text(&script));
    press(&mut script, "/ f l u s h enter tab tab tab tab tab tab tab z 0 G");
    let screen = text(&script);
    let log = screen.lines().filter(|line| line.contains("CPU0"));
    assert!(log.clone().count() > 0 && log.clone().all(|line| line.contains("flush")), "{screen}");
}

/// Forward, back, jumps and other policies, by what the title says.
#[test]
fn keys_move_the_run() {
    let mut script = view(witness("B01-mprotect-ro", "batched"), &["batched"], (80, 24));
    press(&mut script, "n n . >");
    assert_eq!(position(&script), 13);
    press(&mut script, "b ,");
    assert_eq!(position(&script), 11);
    press(&mut script, "<");
    assert_eq!(position(&script), 1);
    press(&mut script, "g 6 0 0 enter");
    let now = script.app.view().left.now_cycles;
    assert!((466..=600).contains(&now), "{now}");
    press(&mut script, "v");
    assert!(text(&script).contains("! 1 violations"), "{}", text(&script));
    press(&mut script, "b");
    assert!(!text(&script).contains("violations"), "{}", text(&script));
    press(&mut script, "0");
    assert_eq!(position(&script), 0);
    press(&mut script, "2 space");
    assert!(text(&script).starts_with("END  batched") || text(&script).contains(POLICIES[1].name), "{}", text(&script));
    assert_eq!(script.app.view().left.policy, POLICIES[1].name);
    press(&mut script, "c n");
    assert_eq!(script.app.view().right.map(|right| right.policy), Some(POLICIES[0].name));
    press(&mut script, "c n");
    assert!(script.app.view().right.is_none());
    press(&mut script, "G ctrl-r");
    assert_eq!(position(&script), 0);
    assert!(!script.over);
    press(&mut script, "q");
    assert!(script.over);
}

#[test]
fn a_frozen_picture_stays() {
    let mut script = view(witness("B01-mprotect-ro", "batched"), &["batched"], (80, 24));
    press(&mut script, "n n f n n n");
    assert_eq!(position(&script), 2);
    assert!(text(&script).starts_with("FROZEN"));
    press(&mut script, "f n");
    assert_eq!(position(&script), 6);
}

#[test]
fn the_mouse_selects_and_scrolls() {
    let mut script = view(witness("B01-mprotect-ro", "batched"), &["batched"], (120, 40));
    let mouse = |kind, column, row| Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    script.handle(&mouse(MouseEventKind::Down(MouseButton::Left), 5, 4));
    assert_eq!((script.app.ui.focus, script.app.ui.core), (Pane::Cores, 2));
    script.handle(&mouse(MouseEventKind::ScrollUp, 5, 4));
    assert_eq!(script.app.ui.core, 1);
    script.handle(&mouse(MouseEventKind::Down(MouseButton::Left), 100, 5));
    assert_eq!(script.app.ui.focus, Pane::Steps);
    // Outside of everything.
    script.handle(&mouse(MouseEventKind::Down(MouseButton::Left), 119, 39));
    assert_eq!(script.app.ui.focus, Pane::Steps);
}

#[test]
fn the_mouse_finds_cores_on_the_map() {
    let mut script = view(workload(CROWD, 3), &["batched"], (120, 40));
    let mouse = |kind, column, row| Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    // Inside the frame, behind the numbers: the fourth of the second row of 64.
    script.handle(&mouse(MouseEventKind::Down(MouseButton::Left), 1 + 5 + 3, 3));
    assert_eq!(script.app.ui.core, 64 + 3);
}

#[test]
fn no_size_is_too_small() {
    let race = witness("B01-mprotect-ro", "batched");
    for (width, height) in [(0, 0), (1, 1), (2, 9), (20, 5), (33, 3), (5, 60), (300, 2), (300, 100)] {
        for keys in ["v", "v ?", "v z", "v c n", "v tab tab tab tab tab"] {
            let mut script = view(race.clone(), &["batched"], (width, height));
            press(&mut script, keys);
            assert_eq!(script.screen().area.area(), u32::from(width) * u32::from(height));
            let mut script = tour((width, height));
            press(&mut script, keys);
        }
    }
}

/// What is said by a colour is said by a symbol, too, and without colours there are none.
#[test]
fn without_colours_the_text_is_the_same() {
    let race = witness("B01-mprotect-ro", "batched");
    let of = |palette| {
        let mut script = view(race.clone(), &["batched"], (120, 40));
        script.app.ui.palette = palette;
        press(&mut script, "v");
        (text(&script), script.screen())
    };
    let (coloured, screen) = of(Palette::True);
    assert!(screen.content.iter().any(|cell| cell.fg != Color::Reset));
    let (plain, screen) = of(Palette::Plain);
    assert!(screen.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert_eq!(coloured, plain);
    let (sixteen, screen) = of(Palette::Sixteen);
    assert!(screen.content.iter().all(|cell| !matches!(cell.fg, Color::Rgb(..))));
    assert_eq!(coloured, sixteen);
}
