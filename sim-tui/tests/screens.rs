//! Screens, driven by keys: every pane at four sizes, and what lies over them.

mod common;

use std::fmt::Write as _;

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use sim_core::policy::POLICIES;
use sim_tui::app::{App, Opening};
use sim_tui::engine::{Engine, Order, Program};
use sim_tui::keys::Bindings;
use sim_tui::moment::Want;
use sim_tui::picture;
use sim_tui::program::{Repertoire, Tour};
use sim_tui::screen::{self, View};
use sim_tui::script::{self, Script};
use sim_tui::source::Source;
use sim_tui::speed::Speed;
use sim_tui::theme::Palette;
use sim_tui::tour::STOPS;
use sim_tui::ui::{Pane, Ui};

use common::{builtin, crowd, machine_of_tests, policy, recording, witness};

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
    let mut script = view(crowd(), &["batched"], (120, 40));
    press(&mut script, "g 3 0 0 0 0 0 enter l l l down");
    insta::assert_snapshot!("crowd_map", text(&script));
    press(&mut script, "m z");
    insta::assert_snapshot!("crowd_list", text(&script));
}

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
    assert!(text(&script).contains("! violations: 1"), "{}", text(&script));
    press(&mut script, "b");
    assert!(!text(&script).contains("violations"), "{}", text(&script));
    press(&mut script, "0");
    assert_eq!(position(&script), 0);
    press(&mut script, "2 space");
    assert!(text(&script).starts_with("END"), "{}", text(&script));
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
fn one_goes_back_to_what_was_interesting() {
    let mut script = view(witness("B01-mprotect-ro", "batched"), &["batched"], (80, 24));
    press(&mut script, "v B");
    assert_eq!(position(&script), 19, "the window has opened");
    press(&mut script, "B");
    assert!(text(&script).contains("no interrupt, flush, window or violation before this"), "{}", text(&script));
    assert_eq!(position(&script), 19);
}

/// Where the first has ended the title is of the second, and its TLB is that of the same core.
#[test]
fn the_title_and_the_tlb_beside_another_run() {
    let mut script = view(witness("B01-mprotect-ro", "batched"), &["batched", "pending-flag"], (240, 60));
    let shown = |script: &Script| {
        let screen = text(script);
        let cores: Vec<String> = screen
            .split("CPU")
            .filter(|rest| rest.contains(" translations"))
            .filter_map(|rest| rest.split_once(':').map(|(core, _)| core.to_owned()))
            .collect();
        (screen, cores)
    };
    for _ in 0..19 {
        press(&mut script, "n");
        let (screen, cores) = shown(&script);
        assert!(cores.len() == 2 && cores[0] == cores[1], "{cores:?}\n{screen}");
    }
    press(&mut script, "v");
    let (screen, _) = shown(&script);
    assert!(screen.contains("! violations: 1 | 0") && screen.contains("event 20 "), "{screen}");
    press(&mut script, "n n");
    let (screen, _) = shown(&script);
    assert!(screen.starts_with("PAUSED") && screen.contains("event 22 "), "{screen}");
    press(&mut script, "b");
    assert!(shown(&script).0.contains("event 21 "));
    press(&mut script, "G");
    assert!(shown(&script).0.starts_with("END"));
}

#[test]
fn the_log_is_not_scrolled_beyond_its_first_line() {
    let mut script = view(witness("B01-mprotect-ro", "batched"), &["batched"], (80, 24));
    press(&mut script, "v tab tab tab tab tab tab tab z pageup pageup pageup pageup pageup pageup");
    let top = text(&script);
    assert!(top.contains("isolate_lru_folios") && top.contains("folio_trylock"), "{top}");
    press(&mut script, "pagedown pagedown pagedown");
    assert!(text(&script).contains("! VIOLATION"), "{}", text(&script));
}

/// The bar of a window does not go with the entry that opened it.
#[test]
fn a_window_that_opened_before_the_log_begins_has_a_bar() {
    let mut script = view(witness("B01-mprotect-ro", "batched"), &["batched"], (80, 24));
    press(&mut script, "v tab tab tab tab tab z");
    let mut forgotten = script.app.view().left.clone();
    forgotten.log.clear();
    let view = View { left: &forgotten, ..script.app.view() };
    let mut buffer = Buffer::empty(script.area);
    screen::draw(&mut buffer, script.area, &view);
    let drawn = picture::text(&buffer);
    assert!(drawn.lines().any(|line| line.contains("x ") && line.contains('▶') || line.contains('├')), "{drawn}");
}

#[test]
fn a_run_goes_on_by_itself_until_it_is_paused() {
    let mut program = Repertoire(builtin("overlap", 1));
    let pair = program.open(policy("batched"), None).expect("it can be run");
    let mut engine = Engine::new(pair, Box::new(program));
    let at = |engine: &mut Engine| engine.scene(&Want::default()).position;
    engine.obey(Order::Run(Speed::FULL));
    engine.work();
    let gone = at(&mut engine);
    assert!(gone > 0 && engine.busy());
    engine.obey(Order::Pause);
    assert!(!engine.busy());
    engine.work();
    assert_eq!(at(&mut engine), gone);
    // It looks for orders long before it is there.
    engine.obey(Order::ToCycle(u64::MAX));
    engine.work();
    let scene = engine.scene(&Want::default());
    assert!(scene.seeking && !scene.finished && scene.position > gone);
    engine.obey(Order::Back(scene.position - gone));
    assert_eq!(at(&mut engine), gone);
}

/// At full speed little is logged; the thread of the run makes up for that as soon as nobody asks for anything.
#[test]
fn what_was_gone_through_at_full_speed_can_be_read_afterwards() {
    let source = || builtin("overlap", 1);
    let want = Want { log: usize::MAX, ..Want::default() };
    let mut program = Repertoire(source());
    let pair = program.open(policy("batched"), None).expect("it can be run");
    let engine = Engine::new(pair, Box::new(program));
    let (orders, taken) = crossbeam_channel::unbounded();
    let (given, scenes) = crossbeam_channel::unbounded();
    let thread = std::thread::spawn(move || engine.serve(&taken, &given));
    let show = || {
        orders.send(Order::Show(want)).expect("it listens");
        scenes.recv().expect("it answers")
    };
    orders.send(Order::Run(Speed::FULL)).expect("it listens");
    while !show().finished {}
    let mut alone = Repertoire(source()).open(policy("batched"), None).expect("it can be run");
    alone.forward(u64::MAX);
    let expected = alone.moments(&want).0;
    assert!(expected.log.len() > 1000, "{}", expected.log.len());
    // It may be asked before it has begun to.
    let patience = 1000;
    let found = (0..patience).map(|_| show().left).find(|moment| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        moment.log.len() == expected.log.len()
    });
    assert!(found.expect("the log is made whole") == expected);
    drop(orders);
    thread.join().expect("it ends");
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
    let mut script = view(crowd(), &["batched"], (120, 40));
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
    // A stale translation, a flush that was put off, a violation.
    for symbol in ["[1*]", "~ flush put off", "! VIOLATION", "* stale"] {
        assert!(coloured.contains(symbol), "no {symbol} in\n{coloured}");
    }
    let (plain, screen) = of(Palette::Plain);
    assert!(screen.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert_eq!(coloured, plain);
    let (sixteen, screen) = of(Palette::Sixteen);
    assert!(screen.content.iter().all(|cell| !matches!(cell.fg, Color::Rgb(..))));
    assert_eq!(coloured, sixteen);
}
