//! The catalogue: its files are registered, formatted and documented, and every verdict is the expected one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sim_core::drive::clock::along::{Unplayable, along};
use sim_core::drive::clock::price::Unpriced;
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::{Race, Recorder};
use sim_core::drive::explore::{System, search};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Cpu, Mm, Page, Rights, Span};
use sim_core::policy;
use sim_core::step::era::Mechanism;
use sim_core::world::World;
use sim_core::world::small::Scenario;
use workloads::litmus::check::Found;
use workloads::litmus::witness::{Document, Unread};
use workloads::litmus::{LITMUS, Litmus, find, format};
use workloads::machines::machine;

const STATES: usize = 5_000_000;

fn read(name: &str) -> Litmus {
    Litmus::parse(name, find(name).expect(name).text).unwrap_or_else(|e| panic!("{e}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_file_is_registered_under_the_name_it_gives_itself() {
    let files: BTreeSet<String> = std::fs::read_dir(root().join("litmus"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let rows: Vec<_> = LITMUS.iter().map(|row| format!("{}.litmus", row.name)).collect();
    assert_eq!(rows.iter().cloned().collect::<BTreeSet<_>>(), files);
    assert_eq!(rows.len(), files.len());
    for row in LITMUS {
        assert_eq!(read(row.name).name, row.name);
    }
}

#[test]
fn formatting_changes_blanks_only_and_nothing_the_second_time() {
    for row in LITMUS {
        assert_eq!(format(row.name, row.text).unwrap(), row.text, "{}", row.name);
        let spread = row.text.replace(' ', "   ").replace(':', " :").replace(';', "  ;\t").replace('\n', "  \n\n\n");
        let once = format(row.name, &format!("\n# why\n{spread}")).unwrap();
        assert_eq!(format(row.name, &once).unwrap(), once, "{}", row.name);
        let (spread, plain) = (Litmus::parse(row.name, &once).unwrap(), read(row.name));
        let same = |litmus: &Litmus| format!("{:?} {:?} {}", litmus.scenario, litmus.era, litmus.expects.len());
        assert_eq!(same(&spread), same(&plain), "{}", row.name);
    }
    let commented = "\n\nlitmus a # the name\ntitle  t\n\n\n\nsource s\nera v4.13\npage x rw  anon clean#x\n";
    let rest = "cpu 0 :read x ;write x;\nexpect never  immediate:a : b\n";
    let formatted = format("a", &[commented, rest].concat()).unwrap();
    let expected = "litmus a  # the name\ntitle  t\n\nsource s\nera    v4.13\npage   x rw anon clean  #x\n\
        cpu    0: read x; write x;\nexpect never immediate: a : b\n";
    assert_eq!(formatted, expected);
}

/// The verdicts of the files whose names begin so.
fn verdicts_of(prefixes: &[&str]) {
    let mine = || LITMUS.iter().filter(|row| prefixes.iter().any(|prefix| row.name.starts_with(prefix)));
    assert!(mine().count() > 2, "{prefixes:?}");
    let [profile, broadcasting] = ["skx_2s", "milan_36c"].map(|name| machine(name).unwrap().profile());
    for row in mine() {
        let litmus = read(row.name);
        for expect in &litmus.expects {
            let checked = litmus.check(expect.policy, STATES);
            let what = format!("{} under {}", row.name, expect.policy.name);
            assert!(litmus.as_expected(expect.policy, &checked), "{what}: {:?} {:?}", checked.found, checked.class);
            if let Some(checked) = litmus.check_declared(expect.policy, STATES) {
                assert!(
                    litmus.as_declared(expect.policy, &checked),
                    "{what}, declared: {:?} {:?}",
                    checked.found,
                    checked.class
                );
            }
            let Some(moves) = checked.moves else { continue };
            // The document is enough to play it, and the clock does what the explorer did.
            let json = serde_json::to_string(&Document::new(&litmus, row.text, expect.policy, &moves)).unwrap();
            let read = Document::read("w.json", &json).unwrap();
            assert_eq!(read.moves, moves, "{what}");
            let race = litmus.race(expect.policy);
            let (mut node, mut heard) = (race.initial(), Recorder::default());
            assert!(moves.iter().all(|&mv| race.make(&mut node, mv, &mut heard)), "{what}");
            let broadcasts = race.setting.era.mechanism == Mechanism::Broadcast;
            let profile = if broadcasts { &broadcasting } else { &profile };
            let timed = along(&read.litmus.scenario, race.setting, profile, &read.moves);
            if broadcasts && expect.policy.strategy.defers_unmap() {
                // Flushes at ticks are for machines that do not broadcast.
                assert_eq!(timed, Err(Unplayable::Unpriced(Unpriced::Ticks)), "{what}");
                continue;
            }
            let timed = timed.expect(&what);
            let played: Vec<_> = timed.iter().flat_map(|t| t.acts.iter().map(|(act, _)| *act)).collect();
            assert_eq!(played, heard.acts.iter().map(|(_, act, _)| *act).collect::<Vec<_>>(), "{what}");
            let broken: Vec<_> = timed.iter().flat_map(|t| t.violations.clone()).collect();
            assert_eq!(broken, heard.violations, "{what}");
            assert_eq!(broken.last().map(|v| v.class), checked.class, "{what}");
        }
    }
}

#[test]
fn verdicts_of_the_first_race() {
    verdicts_of(&["B01"]);
}

#[test]
fn verdicts_of_the_policies_on_the_way_to_it() {
    verdicts_of(&["B02", "B03", "B04"]);
}

#[test]
fn verdicts_of_what_operations_owe_each_other() {
    verdicts_of(&["B10", "B19"]);
}

#[test]
fn verdicts_of_reclaim_entered_again_and_of_walkers() {
    verdicts_of(&["B05", "B06", "B07"]);
}

#[test]
fn verdicts_of_whoever_comes_by_the_rmap() {
    verdicts_of(&["B08", "B12", "B14", "B20"]);
}

#[test]
fn verdicts_of_whoever_copies_or_compares_a_page() {
    verdicts_of(&["B11", "B15", "B16"]);
}

#[test]
fn verdicts_of_claims_and_mutations() {
    verdicts_of(&["C", "M", "N"]);
}

#[test]
fn verdicts_of_flushes_that_are_left_to_others() {
    verdicts_of(&["P14"]);
}

#[test]
fn every_file_of_the_catalogue_has_been_checked_by_one_of_these() {
    let covered = ["B0", "B10", "B11", "B12", "B14", "B15", "B16", "B19", "B20", "C", "M", "N", "P14"];
    let left: Vec<_> = LITMUS.iter().filter(|row| !covered.iter().any(|prefix| row.name.starts_with(prefix))).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn text(lines: &str) -> String {
    format!("litmus t\ntitle t\nsource s\nera v4.13\n{lines}\nexpect never immediate: r\n")
}

#[test]
fn a_file_is_the_scenario_that_was_written_in_code() {
    let store = || Op::access(AccessKind::Store, 0);
    let programs: &[&[Op]] = &[
        &[Op::call(OpKind::Reclaim(Mm(0)), Span::page(0))],
        &[store(), store()],
        &[Op::mprotect(Span::page(0), Rights::READ)],
    ];
    let coded = Scenario::new("coded", 1, 1, programs);
    let lines = "page x rw anon clean\ncpu 0 kthread: reclaim x\ncpu 1: write x; write x\ncpu 2: mprotect x r";
    let read = Litmus::parse("t", &text(lines)).unwrap();
    let strategy = policy::find("patched").unwrap().strategy;
    let explored = |scenario| search(&Race { scenario, setting: Setting { policy: strategy, era: read.era } }, STATES);
    assert_eq!(explored(&read.scenario), explored(&coded));
}

#[test]
fn pages_tables_processes_and_spans_are_where_they_are_said_to_be() {
    let lines = "page a r file dirty\npage b rw anon clean table 1\npage c none private dirty process 1\n\
        cached 1 a D\ncpu 0 kthread: reclaim c; reclaim a b\ncpu 1: madvise a..b dontneed\ncpu 2 process 1: mmap c rw file; exit";
    let litmus = Litmus::parse("t", &text(lines)).unwrap();
    let (scenario, at) = (&litmus.scenario, |cpu: usize, n: usize| litmus.scenario.programs[cpu][n]);
    assert_eq!(at(0, 0), Op::call(OpKind::Reclaim(Mm(1)), Span::page(0)));
    assert_eq!(at(0, 1), Op::call(OpKind::Reclaim(Mm(0)), Span { first: 0, pages: 513 }));
    assert_eq!(at(1, 0), Op::call(OpKind::Dontneed, Span { first: 0, pages: 513 }));
    assert_eq!(at(2, 1), Op::exit(Mm(1)));
    assert_eq!((&scenario.kernel_threads[..], &scenario.children[..]), (&[Cpu(0)][..], &[Cpu(2)][..]));
    let names: Vec<_> = (0..4).map(|page| scenario.page_name(Page(page))).collect();
    assert_eq!(names, ["a", "b", "c", "b'"]);
    let world = litmus.race(litmus.expects[0].policy).initial().world;
    let pte = |page| world.pte(Page(page)).present();
    let bits = |page| pte(page).map(|p| (p.writable, p.dirty, p.accessed, p.protnone));
    assert_eq!(bits(0), Some((false, true, true, false)));
    assert_eq!(bits(1), Some((true, false, false, false)));
    // A private page that is dirty has been copied; without rights it is present and cannot be used.
    assert_eq!(bits(2), Some((false, true, false, true)));
    assert!(world.folio(pte(2).unwrap().frame).anon && !world.folio(pte(0).unwrap().frame).anon);
    assert_eq!(bits(3), None);
    // A clean page of a file faults on its first store.
    let clean = "page f rw file clean\npage p rw private clean\npage g rw file dirty\ncpu 0: read f";
    let litmus = Litmus::parse("t", &text(clean)).unwrap();
    let files = litmus.race(litmus.expects[0].policy).initial().world;
    let writable: Vec<_> = (0..3).map(|page| files.pte(Page(page)).present().unwrap().writable).collect();
    assert_eq!(writable, [false, false, true]);
    let entry = world.tlb_peek(Cpu(1), Page(0)).expect("cached");
    assert_eq!((entry.writable, entry.dirty, entry.frame), (false, true, pte(0).unwrap().frame.0));
    assert_eq!(world.tlb_peek(Cpu(1), Page(1)), None);
}

#[test]
fn switches_reach_the_era_and_the_scenario() {
    let lines =
        "set evictions off\nset mechanism ipi-concurrent\nset free_batch_slots 2\npage x rw anon clean\ncpu 0: read x";
    let litmus = Litmus::parse("t", &text(lines)).unwrap();
    assert!(!litmus.scenario.evictions);
    assert_eq!(litmus.era.free_batch_slots, 2);
    let checked = litmus.check(litmus.expects[0].policy, STATES);
    assert_eq!(checked.found, Found::Vacuous, "nobody takes anything away");
    assert!(!litmus.as_expected(litmus.expects[0].policy, &checked));
    assert_eq!(litmus.check(litmus.expects[0].policy, 1).found, Found::NotExhausted);
}

#[test]
fn an_expected_class_is_found_behind_another_one() {
    // The load is a permission violation sooner than the store; the store is what the file asks for.
    let lines = "page x rw anon clean\nset flush_before_free off\ncpu 0 kthread: reclaim x\ncpu 1: read x; read x\ncpu 2: mprotect x none";
    let wanted = |class: &str| {
        let text = text(lines).replace("expect never immediate", &format!("expect sometimes {class} batched"));
        let litmus = Litmus::parse("t", &text).unwrap();
        let batched = litmus.expects[0].policy;
        let checked = litmus.check(batched, STATES);
        (checked.class.unwrap().name(), litmus.as_expected(batched, &checked))
    };
    assert_eq!(wanted("permission"), ("permission", true));
    assert_eq!(wanted("freed-frame"), ("freed-frame", true));
    assert!(!wanted("copy").1, "there is no such violation, and another one does not do");
}

#[test]
fn documents_that_are_no_witness_say_why() {
    let litmus = read("B01-mprotect-ro");
    let batched = policy::find("batched").unwrap();
    let moves = litmus.check(batched, STATES).moves.unwrap();
    let document = Document::new(&litmus, find("B01-mprotect-ro").unwrap().text, batched, &moves);
    let broken = |change: &dyn Fn(&mut Document)| {
        let mut changed = document.clone();
        change(&mut changed);
        Document::read("w.json", &serde_json::to_string(&changed).unwrap()).unwrap_err()
    };
    let message = |change: &dyn Fn(&mut Document)| broken(change).to_string();
    assert_eq!(message(&|d| d.schema = 2), "w.json: its schema is 2; expected 1");
    assert!(message(&|d| d.policy = "none".into()).contains("unknown policy `none`; expected"));
    assert!(message(&|d| d.moves[3].cpu = 3).contains("move 3: there is no CPU 3; expected 0 to 2"));
    let evict = |d: &mut Document| d.moves[0].what = workloads::litmus::witness::What::Evict;
    assert!(message(&evict).contains("move 0: there is no page ``; expected"));
    assert!(matches!(broken(&|d| d.litmus = "litmus\n".into()), Unread::Litmus(e) if e.line == 1));
    let json = Document::read("w.json", "{\n  \"schema\": x").unwrap_err().to_string();
    assert!(json.starts_with("w.json:2:13: expected value; expected a witness"), "{json}");
}
