//! Why a reduced search finds what a full one does: what it takes at once commutes with everything it overtakes, in every
//! reachable state. And why packed states will do: they lead to the same states as those that were never packed.

use std::collections::BTreeSet;

use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::{Move, Node, Race, Recorder};
use sim_core::drive::explore::{Bench, Interner, Options, System, search_with};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Cpu, FrameNo, Mm, Page, Rights, Span};
use sim_core::policy::{self, POLICIES};
use sim_core::step::era;
use sim_core::step::frame::Act;
use sim_core::world::World;
use sim_core::world::small::Scenario;

const STORE: Op =
    Op { kind: OpKind::Access(AccessKind::Store), span: Span { first: 0, pages: 1 }, rights: Rights::NONE, to: 0 };

fn call(kind: OpKind) -> Op {
    Op { kind, ..STORE }
}

/// Each kind of operation against reclaim and a user.
fn scenarios() -> Vec<Scenario> {
    let reclaim = call(OpKind::Reclaim(Mm(0)));
    let calls = [
        Op { rights: Rights::READ, ..call(OpKind::Mprotect) },
        call(OpKind::Munmap),
        call(OpKind::Dontneed),
        call(OpKind::Free),
        call(OpKind::Pageout),
        call(OpKind::NumaScan),
        call(OpKind::UffdWp),
        Op::fork(Mm(1)),
    ];
    let mut all: Vec<_> =
        calls.iter().map(|&op| Scenario::new(op.kind.name(), 1, 1, &[&[reclaim], &[STORE], &[op]])).collect();
    let move_it = Op::mremap(Span::page(0), 1);
    all.push(Scenario::new(
        "mremap",
        2,
        1,
        &[&[reclaim], &[STORE], &[Op::call(OpKind::Munmap, Span::page(1)), move_it]],
    ));
    let merge = Op::ksm((Mm(0), 0), (Mm(0), 1));
    all.push(Scenario::new("ksm", 2, 1, &[&[STORE], &[merge]]));
    all.push(Scenario::new("kswapd", 1, 1, &[&[call(OpKind::Kswapd)], &[STORE, STORE], &[]]));
    let writeback: &[&[Op]] = &[&[reclaim], &[STORE], &[call(OpKind::Writeback(Mm(0)))]];
    all.push(Scenario { dirty: true, backing: Backing::SharedFile, ..Scenario::new("writeback", 1, 1, writeback) });
    // A dirty file page stays in the rmap until the zap has flushed.
    let zapped: &[&[Op]] = &[&[call(OpKind::Munmap)], &[STORE], &[call(OpKind::Writeback(Mm(0)))]];
    all.push(Scenario { dirty: true, backing: Backing::SharedFile, ..Scenario::new("zap", 1, 1, zapped) });
    // The words of the policy are shared by page tables whose locks are not.
    let under_b = |op: Op| Op { span: Span::page(512), ..op };
    let tables: &[&[Op]] = &[&[under_b(reclaim)], &[under_b(STORE)], &calls[..1]];
    all.push(Scenario::new("two tables", 2, 2, tables));
    // The store is ordered by user space only.
    let told: &[&[Op]] = &[&[reclaim], &[call(OpKind::Await(0)), STORE], &[calls[0], call(OpKind::Signal(0))]];
    all.push(Scenario::new("signal", 1, 1, told));
    all.push(Scenario::new("mincore", 1, 1, &[&[reclaim], &[STORE], &[call(OpKind::Mincore(true))]]));
    all.push(Scenario::new("gup", 1, 1, &[&[reclaim], &[STORE, call(OpKind::Gup)], &[]]));
    let driver: &[&[Op]] = &[&[call(OpKind::UnmapMapping(Mm(0)))], &[STORE], &[call(OpKind::Munmap)]];
    all.push(Scenario { backing: Backing::Pfn, ..Scenario::new("driver", 1, 1, driver) });
    all.push(Scenario::new("migrate", 1, 1, &[&[call(OpKind::Migrate(Mm(0)))], &[STORE], &calls[..1]]));
    let zaps = [call(OpKind::Dontneed)];
    all.push(Scenario::new("two zaps", 1, 1, &[&zaps, &zaps, &[STORE]]));
    all
}

/// Runs a CPU's interrupt, or its tick, from its entry to its exit.
fn interrupt<'s>(race: &Race<'s>, node: &mut Node<'s>, cpu: Cpu, begins: Move) {
    let mut recorder = Recorder::default();
    assert!(race.make(node, begins, &mut recorder));
    while recorder.acts.last().is_none_or(|(_, act, _)| *act != Act::IrqExit) {
        assert!(race.make(node, Move::Step(cpu), &mut recorder), "an interrupt does not block");
    }
}

/// Makes another move: whole interrupts on the CPU of the step that overtakes it, single moves elsewhere.
fn other<'s>(race: &Race<'s>, node: &mut Node<'s>, cpu: Cpu, mv: Move) -> Option<bool> {
    if [Move::Interrupt(cpu), Move::Tick(cpu)].contains(&mv) {
        interrupt(race, node, cpu, mv);
        return Some(false);
    }
    race.apply(node, mv).map(|effect| effect.broken)
}

/// Every step that is alone, in every reachable state, against every other move there. How many pairs there were.
fn commute(race: &Race<'_>) -> usize {
    let (mut parts, mut moves, mut pairs) = (Interner::default(), Vec::new(), 0);
    let first = race.initial();
    let mut seen = BTreeSet::from([race.pack(&first, &mut parts)]);
    let mut open = vec![first];
    while let Some(node) = open.pop() {
        moves.clear();
        race.actions(&node, &mut moves);
        let mut unpacked = race.initial();
        race.unpack(&race.pack(&node, &mut parts), &parts, &mut unpacked);
        for &mv in &moves {
            let (mut next, mut same) = (node.clone(), unpacked.clone());
            let effect = race.apply(&mut next, mv);
            assert_eq!(race.apply(&mut same, mv), effect, "{mv:?} of an unpacked state");
            let Some(effect) = effect else { continue };
            let key = race.pack(&next, &mut parts);
            assert_eq!(race.pack(&same, &mut parts), key, "{mv:?} of an unpacked state");
            if seen.insert(key) {
                open.push(next.clone());
            }
            let (true, Move::Step(cpu)) = (effect.alone, mv) else { continue };
            assert!(!effect.broken && race.tested(&node) == race.tested(&next), "{mv:?} shows nothing");
            for &second in moves.iter().filter(|&&second| second != mv) {
                let (mut late, mut early) = (node.clone(), next.clone());
                let Some(broken) = other(race, &mut late, cpu, second) else { continue };
                assert_eq!(other(race, &mut early, cpu, second), Some(broken), "{second:?} after {mv:?}");
                assert_eq!(race.apply(&mut late, mv), Some(effect), "{mv:?} after {second:?}");
                let (early, late) = (race.pack(&early, &mut parts), race.pack(&late, &mut parts));
                assert_eq!(early, late, "{}: {mv:?} and {second:?}", race.scenario.name);
                pairs += 1;
            }
        }
    }
    pairs
}

#[test]
fn what_is_taken_at_once_commutes_with_all_that_it_overtakes() {
    for scenario in &scenarios() {
        let lazy = scenario.name == "munmap" || scenario.name == "mremap";
        for policy in ["batched", "pending-flag", "generation-check"].into_iter().chain(lazy.then_some("latr")) {
            for era in ["v4.13", "v6.18"] {
                let policy = policy::find(policy).expect("a policy").strategy;
                let setting = Setting { policy, era: *era::find(era).expect("an era") };
                let pairs = commute(&Race { scenario, setting });
                assert!(pairs > 100, "{}: {pairs} pairs", scenario.name);
            }
        }
    }
}

#[test]
fn it_commutes_where_shootdowns_and_batches_are_weakened() {
    let reclaim = |page| Op::call(OpKind::Reclaim(Mm(0)), Span::page(page));
    let two = Scenario::new("two reclaimers", 2, 1, &[&[reclaim(0)], &[STORE], &[reclaim(1)]]);
    let zaps = [call(OpKind::Dontneed), Op::call(OpKind::Dontneed, Span::page(1))];
    let next = Scenario::new("two requests", 2, 1, &[&zaps, &[STORE]]);
    let policy = policy::find("pending-flag").expect("a policy").strategy;
    for scenario in [&two, &next] {
        for weakened in 0..3 {
            let mut setting = Setting { policy, era: *era::find("v4.13").expect("an era") };
            let protections = &mut setting.era.protections;
            match weakened {
                0 => protections.acks_after_flush = false,
                1 => protections.batch_always_flushes = false,
                _ => protections.batch_per_task = false,
            }
            let pairs = commute(&Race { scenario, setting });
            assert!(pairs > 100, "{}: {pairs} pairs", scenario.name);
        }
    }
}

/// States of one search in which steps are made anew.
const ENOUGH: usize = 4_000;

/// The states that a search finds by what it remembers of earlier steps, each step made anew as well. How many states.
fn remember(race: &Race<'_>, options: &Options) -> usize {
    let [state, next] = std::array::from_fn(|_| race.initial());
    let (parts, memo) = (Interner::default(), <Race<'_> as System>::Memo::default());
    let mut bench = Bench { parts, state, next, choices: Vec::new(), memo };
    let (mut found, mut moves, mut node) = (Vec::new(), Vec::new(), race.initial());
    let mut open = vec![race.pack(&node, &mut bench.parts)];
    let mut seen: BTreeSet<_> = open.iter().copied().collect();
    while let Some(key) = open.pop().filter(|_| seen.len() < ENOUGH) {
        found.clear();
        moves.clear();
        race.successors(&key, options, &mut bench, &mut found);
        race.unpack(&key, &bench.parts, &mut node);
        race.actions_under(options, &node, &mut moves);
        let mut remembered = found.iter();
        for &mv in &moves {
            let mut anew = node.clone();
            let Some(effect) = race.apply(&mut anew, mv) else { continue };
            if options.symmetry {
                race.represent(&mut anew);
            }
            let anew = (race.pack(&anew, &mut bench.parts), effect);
            let remembered = remembered.next().map(|found| (found.key, found.effect));
            assert_eq!(remembered, Some(anew), "{}: {mv:?} in {key:?}", race.scenario.name);
        }
        assert!(remembered.next().is_none(), "{}: a move too many in {key:?}", race.scenario.name);
        open.extend(found.iter().map(|found| found.key).filter(|&key| seen.insert(key)));
    }
    seen.len()
}

#[test]
fn steps_that_are_remembered_are_the_same_when_made_anew() {
    let plain = Options::default();
    let ways = [plain, Options { reduce: true, ..plain }, Options { symmetry: true, ..plain }];
    for scenario in &scenarios() {
        for policy in POLICIES {
            for (era, options) in ["v4.13", "v6.18"].iter().flat_map(|&era| ways.map(|options| (era, options))) {
                let setting = Setting::of(policy, *era::find(era).expect("an era"));
                let states = remember(&Race { scenario, setting }, &options);
                assert!(states > 50, "{}: {states} states", scenario.name);
            }
        }
    }
}

#[test]
fn what_each_worker_remembers_changes_no_outcome() {
    let setting = Setting::of(policy::find("pending-flag").expect("a policy"), *era::find("v6.18").expect("an era"));
    let calls = [call(OpKind::Dontneed)];
    let shared = Scenario::new("shared batches", 1, 1, &[&[call(OpKind::Reclaim(Mm(0)))], &[STORE, STORE], &calls]);
    for symmetry in [false, true] {
        let of = |threads| {
            let options = Options { threads, symmetry, ..Options::default() };
            search_with(&Race { scenario: &shared, setting }, &options, &mut |_| {})
        };
        let alone = of(1);
        assert!(alone.states > 10_000, "{} states: too few to share", alone.states);
        assert_eq!([of(2), of(3)], [alone.clone(), alone]);
    }
}

/// What the page tables and the frames can be in the end, with all evictions or with those that a reduced search tries.
fn ends(race: &Race<'_>, reduced: bool) -> BTreeSet<String> {
    let (mut parts, mut moves, mut ends) = (Interner::default(), Vec::new(), BTreeSet::new());
    let first = race.initial();
    let mut seen = BTreeSet::from([race.pack(&first, &mut parts)]);
    let mut open = vec![first];
    while let Some(node) = open.pop() {
        if race.may_end(&node) {
            let ptes = (0..u32::from(race.scenario.all_pages())).map(|page| node.world.pte(Page(page)));
            let folios = (0..u32::from(race.scenario.all_pages()) * 2).map(|frame| node.world.folio(FrameNo(frame)));
            ends.insert(format!("{:?} {:?}", ptes.collect::<Vec<_>>(), folios.collect::<Vec<_>>()));
        }
        moves.clear();
        if reduced {
            race.reduced_actions(&node, &mut moves);
        } else {
            race.actions(&node, &mut moves);
        }
        for &mv in &moves {
            let mut next = node.clone();
            if race.apply(&mut next, mv).is_some() && seen.insert(race.pack(&next, &mut parts)) {
                open.push(next);
            }
        }
    }
    ends
}

#[test]
fn evictions_that_are_left_out_lead_nowhere_else() {
    let policy = policy::find("pending-flag").expect("a policy").strategy;
    let setting = Setting { policy, era: *era::find("v6.18").expect("an era") };
    let mut matter = 0;
    for mut scenario in scenarios() {
        scenario.programs.iter_mut().filter(|ops| **ops == [STORE]).for_each(|ops| ops.push(STORE));
        let all = ends(&Race { scenario: &scenario, setting }, false);
        assert_eq!(ends(&Race { scenario: &scenario, setting }, true), all, "{}", scenario.name);
        scenario.evictions = false;
        matter += usize::from(ends(&Race { scenario: &scenario, setting }, false) != all);
    }
    assert!(matter > 0, "some end can only be reached by an eviction");
}
