//! Operations that copy or compare a page: KSM, and stores to what soft-dirty tracking or userfaultfd has write-protected.

mod common;
#[path = "models/ways.rs"]
mod ways;

use std::collections::BTreeSet;

use common::{MM, Machine, load, order, span, store};
use sim_core::drive::clock::Clock;
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::{Move, Only, Race, Recorder};
use sim_core::drive::explore::{self, Interner, System, Verdict};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Cpu, FrameNo, Mm, Page, Present, Pte, Rights, Span};
use sim_core::oracle::Class;
use sim_core::policy;
use sim_core::step::era::{self, Era, Mechanism};
use sim_core::step::frame::Act;
use sim_core::world::small::{Cached, Scenario, Start};
use sim_core::world::{Cause, World};
use ways::search;

const STATES: usize = 20_000_000;
const MERGE: Op = Op { kind: OpKind::Ksm(MM, MM), span: Span { first: 0, pages: 1 }, rights: Rights::NONE, to: 1 };

fn call(kind: OpKind) -> Op {
    Op::call(kind, Span::page(0))
}

fn setting(policy: &str, era: Era) -> Setting {
    Setting { policy: policy::find(policy).expect("a registered policy").strategy, era }
}

fn kernel(name: &str) -> Era {
    *era::find(name).expect("an era")
}

/// One CPU plays its program to the end, with nobody else about.
fn alone(scenario: &Scenario, era: Era) -> (Recorder, Vec<Pte>, Vec<sim_core::world::Folio>) {
    let race = Race { scenario, setting: setting("immediate", era) };
    let (mut node, mut heard) = (race.initial(), Recorder::default());
    while node.world.program_op(Cpu(0)).is_some() {
        assert!(race.make(&mut node, Move::Step(Cpu(0)), &mut heard), "nobody is there to wait for");
    }
    assert!(heard.violations.is_empty(), "{heard:?}");
    let pages = u32::from(scenario.all_pages());
    let ptes = (0..pages).map(|page| node.world.pte(Page(page))).collect();
    (heard, ptes, (0..2 * pages).map(|frame| node.world.folio(FrameNo(frame))).collect())
}

/// Two dirty pages that hold the same.
fn twins(program: &[Op]) -> Scenario {
    Scenario { dirty: true, ..Scenario::new("twins", 2, 1, &[program]) }
}

fn present(pte: Pte) -> Present {
    pte.present().unwrap_or_else(|| panic!("{pte:?} is not present"))
}

fn freed(heard: &Recorder) -> Vec<FrameNo> {
    let free = |act: &Act| if let Act::Free(frame) = act { Some(*frame) } else { None };
    heard.acts.iter().filter_map(|(_, act, _)| free(act)).collect()
}

#[test]
fn a_merged_page_is_shared_and_read_only_and_its_old_frame_is_freed_once() {
    for era in era::ERAS {
        let (heard, ptes, folios) = alone(&twins(&[MERGE]), *era);
        for pte in ptes.into_iter().map(present) {
            assert_eq!((pte.frame, pte.writable, pte.dirty), (FrameNo(1), false, false), "{}", era.name);
        }
        assert_eq!(freed(&heard), [FrameNo(0)]);
        assert!(!folios[0].allocated && folios[1].ksm && folios[1].dirty, "what was stored is not forgotten");
        assert!(!folios[1].locked && folios[1].gathered == 0);
    }
}

#[test]
fn each_store_to_a_merged_page_copies_it_and_the_last_frees_the_frame() {
    let (heard, ptes, folios) = alone(&twins(&[MERGE, store(0), store(0)]), kernel("v6.18"));
    let (x, y) = (present(ptes[0]), present(ptes[1]));
    assert!(x.frame != y.frame && x.writable && x.dirty && !y.writable, "{x:?} {y:?}");
    assert_eq!((y.frame, freed(&heard).len(), folios[1].ksm), (FrameNo(1), 1, true));
    // The page that is left is KSM's still, so it is not written in place.
    let (heard, ptes, _) = alone(&twins(&[MERGE, store(0), store(1)]), kernel("v6.18"));
    assert!(present(ptes[1]).writable && present(ptes[1]).frame != FrameNo(1), "{ptes:?}");
    assert_eq!(freed(&heard), [FrameNo(0), FrameNo(1)]);
}

#[test]
fn whoever_unmaps_both_pages_frees_their_frame_once() {
    for kind in [OpKind::Munmap, OpKind::Dontneed] {
        let (heard, ptes, folios) = alone(&twins(&[MERGE, Op::call(kind, span(0, 2))]), kernel("v6.18"));
        assert_eq!((freed(&heard), ptes), (vec![FrameNo(0), FrameNo(1)], vec![Pte::None; 2]), "{kind:?}");
        assert!(folios.iter().all(|folio| !folio.allocated && folio.gathered == 0), "{kind:?}");
    }
    // Swapped out and in again they are two pages of one frame, and then of two.
    let program = [MERGE, Op::call(OpKind::Pageout, span(0, 2)), load(0), store(1)];
    let (_, ptes, folios) = alone(&twins(&program), kernel("v6.18"));
    assert_ne!(present(ptes[0]).frame, present(ptes[1]).frame);
    assert_eq!(folios.iter().filter(|folio| folio.allocated).count(), 2);
}

#[test]
fn ksm_does_not_bring_back_what_was_given_up_meanwhile() {
    // pte_same(): whatever the order, MADV_DONTNEED has the last word on a page that nobody touches any more.
    let programs: &[&[Op]] = &[&[MERGE], &[call(OpKind::Dontneed)]];
    let scenario = Scenario { evictions: false, ..Scenario::new("given up", 2, 1, programs) };
    let race = Race { scenario: &scenario, setting: setting("immediate", kernel("v6.18")) };
    let (mut parts, mut moves, mut merged) = (Interner::default(), Vec::new(), false);
    let first = race.initial();
    let mut seen = BTreeSet::from([race.pack(&first, &mut parts)]);
    let mut open = vec![first];
    while let Some(node) = open.pop() {
        if race.may_end(&node) {
            assert_eq!(node.world.pte(Page(0)), Pte::None);
        }
        merged |= node.world.pte(Page(0)).present().is_some_and(|pte| pte.frame == FrameNo(1));
        moves.clear();
        race.actions(&node, &mut moves);
        for &mv in &moves {
            let mut next = node.clone();
            if race.apply(&mut next, mv).is_some() && seen.insert(race.pack(&next, &mut parts)) {
                open.push(next);
            }
        }
    }
    assert!(merged, "sometimes KSM comes first");
}

#[test]
fn ksm_leaves_alone_what_it_cannot_merge() {
    // A second time there is nothing to do; a page of a file, one that is not there and one that is locked are not for it.
    let (heard, ..) = alone(&twins(&[MERGE, MERGE]), kernel("v4.13"));
    assert_eq!(heard.acts.iter().filter(|(_, act, _)| matches!(act, Act::Compare(..))).count(), 1);
    let file = Scenario { backing: Backing::SharedFile, ..twins(&[MERGE]) };
    let (heard, ..) = alone(&file, kernel("v4.13"));
    assert!(heard.acts.iter().all(|(_, act, _)| !matches!(act, Act::Compare(..) | Act::PteXchg { .. })));
    let (heard, ..) = alone(&twins(&[call(OpKind::Munmap), MERGE]), kernel("v4.13"));
    assert!(heard.acts.iter().all(|(_, act, _)| !matches!(act, Act::Compare(..))));
}

/// The same on the clock.
fn run(era: &'static str, pages: u64, ops: &[Op]) -> Clock<common::Script> {
    let mut machine = Machine::new(&prime_profile(), &[0, 1]);
    machine.era = era;
    machine.fill(span(0, pages), Backing::Anon, true);
    machine.plays(0, ops.iter().map(|&op| order(0, op)));
    machine.run()
}

fn flushes(clock: &Clock<common::Script>) -> u64 {
    clock.stats.flushes.get(&Cause::Operation).copied().unwrap_or(0)
}

#[test]
fn ksm_flushes_for_what_could_be_stored_to() {
    // Stable page, merged page, replacement; the second time the stable page is read-only and clean.
    assert_eq!(flushes(&run("v4.13", 3, &[MERGE])), 3);
    let third = Op::ksm((MM, 2), (MM, 1));
    let clock = run("v4.13", 3, &[MERGE, third]);
    assert_eq!(flushes(&clock), 5);
    let frame = |vpn| present(clock.world.pte(clock.world.page(MM, vpn).expect("touched"))).frame;
    assert_eq!((frame(0), frame(2)), (frame(1), frame(1)));
    // A page that was swapped in under VMAs without W has nothing to flush for, but it is exclusive.
    let read_only = [Op::mprotect(span(0, 1), Rights::READ), Op::call(OpKind::Pageout, span(0, 1)), load(0), MERGE];
    assert_eq!(flushes(&run("v6.18", 2, &read_only)), flushes(&run("v4.13", 2, &read_only)) + 1);
}

#[test]
fn after_a_pass_that_takes_w_the_next_store_faults_once() {
    for kind in [OpKind::SoftDirty(MM), OpKind::UffdWp] {
        let clock = run("v5.17", 4, &[store(2), Op::call(kind, span(0, 4)), load(2), store(2), store(2)]);
        assert_eq!((clock.stats.faults, clock.stats.segvs, clock.stats.flushes[&Cause::Operation]), (1, 0, 1));
        let pte = |vpn| present(clock.world.pte(clock.world.page(MM, vpn).expect("touched")));
        assert!(pte(2).writable && !pte(3).writable && pte(3).dirty, "{kind:?}");
        assert!(!clock.stats.flushes.contains_key(&Cause::Cow), "its own page is taken over");
    }
    // userfaultfd flushes for what it has changed, soft-dirty tracking in any case.
    let twice = |kind| flushes(&run("v6.18", 4, &[Op::call(kind, span(0, 4)), Op::call(kind, span(0, 4))]));
    assert_eq!((twice(OpKind::UffdWp), twice(OpKind::SoftDirty(MM))), (1, 2));
}

#[test]
fn a_store_that_may_not_take_its_page_over_copies_it() {
    let scenario = twins(&[call(OpKind::UffdWp), store(0)]);
    let (heard, ptes, _) = alone(&scenario, Era { wp_reuses: false, ..kernel("v5.17") });
    assert_eq!((present(ptes[0]).frame, freed(&heard)), (FrameNo(2), vec![FrameNo(0)]));
    let (heard, ptes, _) = alone(&scenario, kernel("v5.17"));
    assert_eq!((present(ptes[0]).frame, freed(&heard)), (FrameNo(0), vec![]));
}

/// CPU `user` holds x writable and dirty at first; y is what KSM merges it into.
fn held(programs: &[&[Op]], user: u16) -> Scenario {
    let start = |page, rights, dirty| Start { mm: MM, page, rights, backing: Backing::Anon, dirty };
    let cached = Cached { cpu: Cpu(user), page: Page(0), writable: true, dirty: true };
    Scenario {
        starts: vec![start(0, Rights::READ_WRITE, true), start(1, Rights::READ, false)],
        cached: vec![cached],
        evictions: false,
        ..Scenario::new("held", 2, 1, programs)
    }
}

/// Is a store lost in some interleaving?
fn loses(scenario: &Scenario, policy: &str, era: Era) -> bool {
    let race = Only(Race { scenario, setting: setting(policy, era) }, Class::Copy);
    let verdict = search(&race, STATES).verdict;
    assert_ne!(verdict, Verdict::Never { vacuous: true }, "it shows nothing");
    matches!(verdict, Verdict::Sometimes(_))
}

#[test]
fn a_store_that_copies_asks_whether_a_flush_is_pending() {
    for kind in [OpKind::UffdWp, OpKind::SoftDirty(MM)] {
        let scenario = held(&[&[call(kind)], &[store(0)], &[store(0)]], 2);
        let copies = Era { wp_reuses: false, ..kernel("v4.13") };
        assert!(!loses(&scenario, "immediate", copies), "{kind:?}");
        let mut asks_not = copies;
        asks_not.protections.wp_fault_checks_pending = false;
        assert!(loses(&scenario, "immediate", asks_not), "{kind:?}");
        let mut counts_not = copies;
        counts_not.protections.soft_dirty_counts = false;
        assert_eq!(loses(&scenario, "immediate", counts_not), kind == OpKind::SoftDirty(MM), "{kind:?}");
        // What is not copied cannot be lost; the second pass finds what the first has done.
        let twice = held(&[&[call(kind), call(kind)], &[store(0)], &[store(0)]], 2);
        asks_not.wp_reuses = true;
        assert!(!loses(&twice, "immediate", asks_not), "{kind:?}");
    }
    // Since v5.11 nobody can even look while a pass of soft-dirty tracking is under way.
    let scenario = held(&[&[call(OpKind::SoftDirty(MM))], &[store(0)], &[store(0)]], 2);
    let mut late = Era { wp_reuses: false, ..kernel("v5.17") };
    late.protections.wp_fault_checks_pending = false;
    let race = Race { scenario: &scenario, setting: setting("immediate", late) };
    assert_eq!(explore::search(&race, STATES).verdict, Verdict::Never { vacuous: true });
}

#[test]
fn ksm_asks_whether_a_flush_is_pending() {
    let merge = Op::ksm((MM, 0), (Mm(1), 0));
    let programs: &[&[Op]] = &[&[store(0)], &[call(OpKind::Free)], &[call(OpKind::SoftDirty(MM))], &[merge]];
    let held = held(programs, 0);
    let stable = Start { mm: Mm(1), page: 0, ..held.starts[1] };
    let (starts, kernel_threads) = (vec![held.starts[0], stable], vec![Cpu(2), Cpu(3)]);
    let scenario = Scenario { pages: 1, processes: 2, pages_per_table: 1, starts, kernel_threads, ..held };
    let mut era = Era { mechanism: Mechanism::Broadcast, ..kernel("v4.13") };
    // Two million states: in one way only.
    let race = Race { scenario: &scenario, setting: setting("immediate", era) };
    assert_eq!(explore::search(&race, STATES).verdict, Verdict::Never { vacuous: false });
    era.protections.ksm_checks_pending = false;
    assert!(loses(&scenario, "immediate", era));
}

/// Reclaim unmaps x, which is dirty in the TLB of CPU 1, and keeps it; CPU 2 maps it again to read.
fn reclaimed(era: &str) -> (Scenario, Era) {
    let scenario = held(&[&[call(OpKind::Reclaim(MM))], &[store(0)], &[load(0), MERGE]], 1);
    let era = Era { reclaim_may_write: false, swapin_grants_write: false, ..kernel(era) };
    (scenario, era)
}

#[test]
fn the_isolate_reference_stops_ksm_only_where_it_is_counted() {
    let (scenario, as_it_is) = reclaimed("v4.13");
    let counts = Era { ksm_counts_read_only: true, ..as_it_is };
    let (mut early, mut blind) = (counts, counts);
    early.protections.isolate_until_flushed = false;
    blind.protections.ksm_checks_references = false;
    for policy in ["batched", "pending-generation"] {
        assert!(loses(&scenario, policy, as_it_is), "{policy}: read-only and clean, nobody counts");
        assert!(!loses(&scenario, policy, counts), "{policy}");
        assert!(loses(&scenario, policy, early), "{policy}");
        assert!(loses(&scenario, policy, blind), "{policy}");
        // Either half of the way there is enough to be safe.
        assert!(!loses(&scenario, policy, Era { swapin_grants_write: true, ..as_it_is }), "{policy}");
        assert!(!loses(&scenario, policy, Era { reclaim_may_write: true, ..as_it_is }), "{policy}");
    }
    let (scenario, since) = reclaimed("v6.18");
    assert!(!loses(&scenario, "pending-generation", since), "the page is exclusive");
}

#[test]
fn what_userfaultfd_watches_is_not_stored_to_unseen() {
    let scenario = Scenario {
        dirty: true,
        ..Scenario::new("c6", 1, 1, &[&[call(OpKind::Reclaim(Mm(0)))], &[store(0), store(0)], &[call(OpKind::UffdWp)]])
    };
    for (policy, unseen) in [("immediate", false), ("batched", true), ("pending-flag", false)] {
        let race = Only(Race { scenario: &scenario, setting: setting(policy, kernel("v5.17")) }, Class::Permission);
        let found = matches!(search(&race, STATES).verdict, Verdict::Sometimes(_));
        assert_eq!(found, unseen, "{policy}");
    }
}
