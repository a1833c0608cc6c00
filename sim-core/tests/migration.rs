//! Migration of a page, and what others do between its steps.

mod common;

use common::hand::Hand;
use common::{MM, Machine, load, order, page, pte, span, store};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, FrameNo, Present, Pte, Rights};
use sim_core::step::era;
use sim_core::step::frame::{Act, Wait};
use sim_core::world::{Cause, Folio, World};

fn migrate() -> Op {
    Op::call(OpKind::Migrate(MM), span(0, 1))
}

/// An anonymous page that no CPU has loaded.
fn one_page() -> (Hand, FrameNo) {
    let mut machine = Machine::new(&prime_profile(), &[]);
    machine.fill(span(0, 1), Backing::Anon, true);
    let frame = pte(&machine.world, 0).frame;
    (Hand::new(machine.world, *era::find("v6.18").expect("an era")), frame)
}

#[test]
fn what_a_cpu_may_have_cached_is_flushed_and_nothing_else() {
    for (writable, dirty, protnone, flushes) in [
        (true, true, false, 1),
        (true, false, false, 1),
        (false, false, false, 1),
        (true, true, true, 0),
        (false, false, true, 0),
    ] {
        let mut machine = Machine::new(&prime_profile(), &[0, 1]);
        machine.fill(span(0, 1), Backing::Anon, dirty);
        let before = pte(&machine.world, 0);
        let page = page(&machine.world, 0);
        machine.world.pte_xchg(page, Pte::Present(Present { writable, protnone, ..before }));
        let migrator = machine.world.add_task(None);
        machine.plays(2, [sim_core::drive::clock::source::Order { task: migrator, ..order(2, migrate()) }]);
        let clock = machine.run();
        assert_ne!(pte(&clock.world, 0).frame, before.frame);
        assert_eq!(
            clock.stats.flushes.get(&Cause::Operation).copied().unwrap_or_default(),
            flushes,
            "{writable} {dirty} {protnone}"
        );
        assert_eq!(clock.stats.ipis_sent, 2 * flushes);
    }
}

#[test]
fn whoever_wants_the_page_waits_until_it_has_moved() {
    let (mut hand, old) = one_page();
    hand.begin(2, migrate());
    hand.step_until(2, |act| matches!(act, Act::Copy { .. }));
    hand.begin(0, load(0));
    assert_eq!(hand.waits(0), Some(Wait::Folio(old)));
    hand.finish(2);
    assert_eq!(hand.waits(0), None);
    let new = pte(&hand.world, 0).frame;
    let folio = hand.world.folio(new);
    assert!(folio.lru && !folio.locked && !hand.world.folio(old).allocated, "{folio:?}");
}

#[test]
fn a_pinned_page_that_fork_shares_meanwhile_comes_back_read_only() {
    for forks in [false, true] {
        let (mut hand, old) = one_page();
        let child = hand.world.add_mm();
        hand.world.set_folio(old, Folio { gathered: 1, ..hand.world.folio(old) });
        hand.begin(2, migrate());
        hand.step_until(2, |act| act == Act::Lookup(old));
        if forks {
            hand.begin(0, Op::fork(child));
            hand.finish(0);
        }
        hand.finish(2);
        let back = pte(&hand.world, 0);
        assert_eq!((back.frame, back.writable), (old, !forks));
    }
}

#[test]
fn a_page_that_was_given_up_meanwhile_is_left_alone() {
    let map = Op { rights: Rights::READ_WRITE, ..Op::call(OpKind::Mmap(Backing::Anon), span(0, 1)) };
    let unmap = Op::call(OpKind::Munmap, span(0, 1));
    let pageout = Op::call(OpKind::Pageout, span(0, 1));
    // The last is a swap entry again, and not that of the migration.
    for (ops, left) in [(&[unmap][..], Pte::None), (&[unmap, map, store(0), pageout], Pte::Swap)] {
        let (mut hand, old) = one_page();
        hand.begin(2, migrate());
        hand.step_until(2, |act| matches!(act, Act::Copy { .. }));
        for &op in ops {
            hand.begin(0, op);
            hand.finish(0);
        }
        hand.finish(2);
        assert_eq!(hand.world.pte(page(&hand.world, 0)), left, "{ops:?}");
        assert_eq!(hand.world.cached_frame(page(&hand.world, 0)), None, "{ops:?}");
        assert!(!hand.world.folio(old).allocated, "{ops:?}");
    }
}

#[test]
fn who_has_pinned_a_page_that_goes_while_it_is_moved_frees_it() {
    for pinned in [false, true] {
        let (mut hand, old) = one_page();
        hand.begin(2, migrate());
        hand.step_until(2, |act| matches!(act, Act::Isolate(_)));
        hand.begin(0, Op::call(OpKind::Munmap, span(0, 1)));
        hand.finish(0);
        hand.frees_last(old, pinned);
    }
}
