//! The tour: it goes to its end by the space bar, and what each stop says is so.

mod common;

use crossterm::event::KeyCode;
use ratatui::layout::Rect;
use sim_core::drive::clock::log::Happened;
use sim_core::nouns::types::{Cpu, Lock, Pte};
use sim_core::oracle::Class;
use sim_core::step::frame::{Act, Path};
use sim_core::world::Cause;
use sim_tui::app::{App, Opening};
use sim_tui::engine::{Engine, Program};
use sim_tui::keys::Bindings;
use sim_tui::moment::{Core, Moment, PageRow, Want};
use sim_tui::picture;
use sim_tui::program::Tour;
use sim_tui::script::Script;
use sim_tui::speed::Speed;
use sim_tui::theme::Palette;
use sim_tui::tour::STOPS;
use sim_tui::ui::Ui;

use common::{machine_of_tests, policy};

/// All that a small world has.
const ALL: Want = Want { core: Some(Cpu(1)), tlb_rows: 99, pages: 99, log: 4_096 };

fn script() -> Script {
    let mut program = Tour { machine: machine_of_tests() };
    let mut engine = Engine::new(program.stop(0).expect("there is a first stop"), Box::new(program));
    let scene = engine.scene(&ALL);
    let left = policy(STOPS[0].policy);
    let opening = Opening { scene, policies: Vec::new(), left, right: None, speed: Speed::READING, tour: true };
    Script::new(App::new(Ui::new(Palette::Plain, Bindings::default()), opening), engine, Rect::new(0, 0, 120, 40))
}

fn stop(title: &str) -> Moment {
    let at = STOPS.iter().position(|stop| stop.title == title).expect("a stop of this title");
    let pair = Tour { machine: machine_of_tests() }.stop(at).expect("it can be reached");
    pair.moments(&ALL).0
}

fn page<'m>(moment: &'m Moment, name: &str) -> &'m PageRow {
    moment.pages.iter().find(|row| row.name == name).expect("a page of the scenario")
}

fn is_in(core: &Core, path: Path) -> bool {
    core.steps.iter().any(|step| step.path == path)
}

fn acts(moment: &Moment) -> impl DoubleEndedIterator<Item = (Cpu, Act, Path)> {
    moment.log.iter().filter_map(|logged| match logged.entry.what {
        Happened::Act(act, at) => Some((logged.entry.cpu, act, at.path)),
        _ => None,
    })
}

/// How often this CPU has used a page for the promise to be broken.
fn violations(moment: &Moment) -> u64 {
    moment.totals.violations.iter().map(|(_, count)| count).sum()
}

fn permission_violations(moment: &Moment) -> u64 {
    moment.totals.violations.iter().find(|(class, _)| *class == Class::Permission).map_or(0, |(_, count)| *count)
}

#[test]
fn the_space_bar_alone_goes_to_the_end() {
    let mut script = script();
    for (at, stop) in STOPS.iter().enumerate() {
        let screen = picture::text(&script.screen());
        assert!(screen.contains(&format!("Stop {} of {}: {}", at + 1, STOPS.len(), stop.title)), "{screen}");
        let words: Vec<&str> = screen.split_whitespace().collect();
        let said = words.join(" ").replace("│ │", "").replace("┃ ┃", "");
        let last = stop.sentences[1].rsplit(' ').next().expect("a word");
        assert!(said.contains(last), "the sentences fit: {screen}");
        assert!(!script.over, "stop {at}");
        script.press(&[KeyCode::Char(' ').into()]);
    }
    assert!(script.over);
}

#[test]
fn stops_are_few_and_each_has_a_test() {
    assert!((8..=10).contains(&STOPS.len()));
    let tests = include_str!("tour.rs");
    for stop in STOPS {
        assert_eq!(tests.matches(&format!("stop(\"{}\")", stop.title)).count(), 1, "{}", stop.title);
    }
}

#[test]
fn cpu1_has_stored_and_cpu0_is_about_to_clear() {
    let moment = stop("A store, and a translation that allows it");
    let held = moment.tlb.iter().find(|entry| entry.name == "x").expect("CPU1 holds a translation");
    assert!(held.writable && held.dirty && held.stale.is_none());
    assert!(is_in(&moment.cores[0], Path::Reclaim) && is_in(&moment.cores[0], Path::Unmap));
    let held = moment.locks.iter().find(|lock| matches!(lock.lock, Lock::Ptl(_))).expect("the ptl is held");
    assert_eq!(held.holders, [Cpu(0)]);
    assert!(matches!(page(&moment, "x").pte, Pte::Present(_)));
}

#[test]
fn the_entry_is_gone_and_the_translation_is_not() {
    let moment = stop("Reclaim clears the entry and puts the flush off");
    let x = page(&moment, "x");
    assert_eq!(x.pte, Pte::None);
    assert!(x.pending && x.holders == [Cpu(1)]);
    assert_eq!(moment.totals.ipis_sent, 0);
    assert!(moment.totals.flushes.iter().all(|(_, count)| *count == 0));
}

#[test]
fn mprotect_sees_an_entry_that_is_not_present() {
    let moment = stop("mprotect finds nothing to flush");
    let x = page(&moment, "x");
    assert!(!matches!(x.pte, Pte::Present(_)) && x.pending);
    assert!(is_in(&moment.cores[2], Path::Mprotect));
    let held = moment.locks.iter().find(|lock| matches!(lock.lock, Lock::Ptl(_))).expect("the ptl is held");
    assert_eq!(held.holders, [Cpu(2)]);
    assert!(x.holders == [Cpu(1)] && moment.tlb.iter().any(|entry| entry.name == "x" && entry.writable));
    assert_eq!(moment.totals.ipis_sent, 0);
}

#[test]
fn the_store_goes_through() {
    let moment = stop("The race");
    assert_eq!((permission_violations(&moment), violations(&moment)), (1, 1));
    let x = page(&moment, "x");
    assert_eq!(x.window.map(|(class, _)| class), Some(Class::Permission));
    assert_eq!(x.stale, [Cpu(1)]);
    assert!(!x.promise.rights.write() && x.promise.mapped);
    let returned = acts(&moment).position(|(cpu, act, _)| cpu == Cpu(2) && matches!(act, Act::Return(_)));
    let stored =
        acts(&moment).enumerate().filter(|(_, (cpu, act, _))| *cpu == Cpu(1) && matches!(act, Act::Use { .. }));
    assert!(stored.last().map(|(at, _)| at) > returned && returned.is_some());
}

#[test]
fn the_flag_is_set_under_the_lock() {
    let moment = stop("The patch: reclaim leaves a flag");
    assert_eq!(moment.policy, "pending-flag");
    assert!(moment.spaces[0].flush_batched_pending && moment.spaces[0].batched == "1");
    assert_eq!(page(&moment, "x").pte, Pte::None);
    let held = moment.locks.iter().find(|lock| matches!(lock.lock, Lock::Ptl(_))).expect("the ptl is held");
    assert_eq!(held.holders, [Cpu(0)]);
}

#[test]
fn the_pending_check_flushes_and_is_needed() {
    let moment = stop("The first operation at risk pays");
    assert_eq!(moment.totals.extra, [1, 0, 0]);
    assert!(is_in(&moment.cores[2], Path::Mprotect) && is_in(&moment.cores[2], Path::Flush));
    let held = moment.locks.iter().find(|lock| matches!(lock.lock, Lock::Ptl(_))).expect("the ptl is held");
    assert_eq!(held.holders, [Cpu(2)]);
    assert!(moment.tlb.iter().any(|entry| entry.name == "x" && entry.writable));
    assert!(
        !acts(&moment)
            .any(|(cpu, act, path)| cpu == Cpu(2) && path == Path::Mprotect && matches!(act, Act::PteRead(_)))
    );
}

#[test]
fn the_flag_outlives_the_flush_and_costs_one_for_nothing() {
    let moment = stop("The price: a flush for nothing");
    assert!(moment.finished);
    assert_eq!((moment.totals.extra, violations(&moment)), ([0, 0, 1], 0));
    // Reclaim's own flush was over when mprotect began.
    let begun = acts(&moment).position(|(cpu, act, _)| cpu == Cpu(2) && matches!(act, Act::Enter(_)));
    let flushed = acts(&moment).position(|(cpu, act, _)| cpu == Cpu(0) && matches!(act, Act::FlushEnd(_)));
    assert!(flushed.is_some() && flushed < begun);
}

#[test]
fn the_flag_of_the_other_table_is_cleared() {
    let moment = stop("What the patch has left: two page tables, two locks");
    let cleared = acts(&moment).next_back().map(|(cpu, _, path)| (cpu, path));
    assert_eq!(cleared, Some((Cpu(2), Path::Mprotect)));
    assert!(!moment.spaces[0].flush_batched_pending);
    let (a, b) = (page(&moment, "a"), page(&moment, "b"));
    assert!(!matches!(b.pte, Pte::Present(_)) && b.pending && b.holders == [Cpu(1)]);
    assert_ne!(sim_of(&moment, a), sim_of(&moment, b));
    // CPU2's flush began, then reclaim set the flag again, then it was cleared.
    let flush = acts(&moment).position(|(cpu, act, _)| {
        cpu == Cpu(2) && matches!(act, Act::FlushBegin { request, .. } if request.cause == Cause::PendingCheck)
    });
    let set = acts(&moment)
        .enumerate()
        .filter(|(_, (_, act, path))| *path == Path::Unmap && matches!(act, Act::Words { .. }));
    let set: Vec<usize> = set.map(|(at, _)| at).collect();
    assert!(set.len() == 2 && set[0] < flush.expect("it has flushed") && flush.expect("it has flushed") < set[1]);
}

/// The page table of a page: that of the ptl which reclaim took for it.
fn sim_of(moment: &Moment, row: &PageRow) -> Option<Lock> {
    let mut last = None;
    for (_, act, path) in acts(moment) {
        match act {
            Act::Lock(lock @ Lock::Ptl(_)) if path == Path::Unmap => last = Some(lock),
            Act::PteXchg { page, .. } if page == row.page && path == Path::Unmap => return last,
            _ => {}
        }
    }
    None
}

#[test]
fn with_two_tables_the_race_is_back() {
    let moment = stop("The race is back");
    assert_eq!((permission_violations(&moment), violations(&moment)), (1, 1));
    assert_eq!(page(&moment, "b").stale, [Cpu(1)]);
    let checks: Vec<bool> = acts(&moment)
        .filter_map(|(cpu, act, _)| match act {
            Act::Words { check: Some(found), .. } if cpu == Cpu(2) => Some(found),
            _ => None,
        })
        .collect();
    assert_eq!(checks, [true, false], "for a, and then for b");
    // The other sentence: one table is enough to be safe.
    let one = workloads::litmus::find("B02-one-table").expect("a built-in file");
    let one = workloads::litmus::Litmus::parse(one.name, one.text).expect("it is well-formed");
    let found = one.check(policy("pending-flag"), 1_000_000).found;
    assert_eq!(found, workloads::litmus::check::Found::Never);
}

#[test]
fn generations_tell_the_flush_before_from_the_one_after() {
    let moment = stop("The later fix: count instead of flag");
    assert_eq!((moment.policy, moment.finished, violations(&moment)), ("pending-generation", true, 0));
    let flushes = moment.totals.flushes.iter().find(|(cause, _)| *cause == Cause::PendingCheck);
    assert_eq!(flushes.map(|(_, count)| *count), Some(2), "for a, and for b");
    assert!(moment.pages.iter().all(|row| row.stale.is_empty()));
    assert!(moment.spaces[0].batched.starts_with("pending "), "{}", moment.spaces[0].batched);
}
