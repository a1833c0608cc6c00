//! Migration of a page, and what others do between its steps.

mod common;

use common::hand::Hand;
use common::{MM, Machine, order, span, store};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, FrameNo, Page, Present, Pte, Rights};
use sim_core::step::era;
use sim_core::step::frame::Act;
use sim_core::world::big::Big;
use sim_core::world::{Cause, Folio, World};

fn page(world: &Big) -> Page {
    world.page(MM, 0).expect("a touched page")
}

fn migrate() -> Op {
    Op::call(OpKind::Migrate(MM), span(0, 1))
}

/// An anonymous page that no CPU has loaded.
fn one_page() -> (Hand, FrameNo) {
    let mut machine = Machine::new(&prime_profile(), &[]);
    machine.fill(span(0, 1), Backing::Anon, true);
    let frame = machine.world.pte(page(&machine.world)).present().expect("filled").frame;
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
        let page = page(&machine.world);
        let pte = machine.world.pte(page).present().expect("filled");
        machine.world.pte_xchg(page, Pte::Present(Present { writable, protnone, ..pte }));
        let migrator = machine.world.add_task(None);
        machine.plays(2, [sim_core::drive::clock::source::Order { task: migrator, ..order(2, migrate()) }]);
        let clock = machine.run();
        let moved = clock.world.pte(page).present().expect("moved");
        assert_ne!(moved.frame, pte.frame);
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
    assert!(hand.world.folio(old).locked && hand.world.folio(old).isolated);
    hand.finish(2);
    let new = hand.world.pte(page(&hand.world)).present().expect("moved").frame;
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
        let pte = hand.world.pte(page(&hand.world)).present().expect("mapped again");
        assert_eq!((pte.frame, pte.writable), (old, !forks));
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
        assert_eq!(hand.world.pte(page(&hand.world)), left, "{ops:?}");
        assert_eq!(hand.world.cached_frame(page(&hand.world)), None, "{ops:?}");
        assert!(!hand.world.folio(old).allocated, "{ops:?}");
    }
}
