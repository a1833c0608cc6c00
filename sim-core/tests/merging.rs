//! What KSM makes of two pages: when it takes W, what becomes of their folios, and what it leaves in caches.

mod common;

use common::hand::Hand;
use common::{MM, Machine, page, pte, span, store};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, FrameNo, Present};
use sim_core::step::era;
use sim_core::step::frame::Act;
use sim_core::world::{Folio, World};

/// Page 0 is merged into page 1. Both are anonymous and may be stored to, and no CPU has them loaded.
fn pages(dirty: bool) -> Hand {
    let mut machine = Machine::new(&prime_profile(), &[]);
    machine.fill(span(0, 2), Backing::Anon, dirty);
    Hand::new(machine.world, *era::find("v6.18").expect("an era"))
}

fn change(hand: &mut Hand, frame: FrameNo, change: impl Fn(Folio) -> Folio) {
    let folio = hand.world.folio(frame);
    hand.world.set_folio(frame, change(folio));
}

fn merge(hand: &mut Hand) {
    hand.begin(2, Op::ksm((MM, 0), (MM, 1)));
}

#[test]
fn both_map_the_stable_page_read_only_and_the_other_frame_goes() {
    let mut hand = pages(true);
    let frames = [0, 1].map(|vpn| pte(&hand.world, vpn).frame);
    merge(&mut hand);
    hand.finish(2);
    assert!([0, 1].iter().all(|&vpn| pte(&hand.world, vpn).frame == frames[1] && !pte(&hand.world, vpn).writable));
    assert!(!hand.world.folio(frames[0]).allocated && hand.world.folio(frames[1]).ksm);
}

#[test]
fn the_stable_page_is_not_reclaims_to_drop_from_its_protection_on() {
    let mut hand = pages(false);
    let stable = pte(&hand.world, 1).frame;
    change(&mut hand, stable, |folio| Folio { lazyfree: true, dirty: false, ..folio });
    merge(&mut hand);
    hand.step_until(2, |act| act == Act::Keep(stable));
    let folio = hand.world.folio(stable);
    assert!(folio.ksm && folio.dirty && !folio.lazyfree, "{folio:?}");
}

#[test]
fn the_page_that_goes_keeps_what_its_pte_said_in_case_it_stays() {
    for dirty in [false, true] {
        let mut hand = pages(dirty);
        let goes = pte(&hand.world, 0).frame;
        change(&mut hand, goes, |folio| Folio { lazyfree: true, dirty: false, ..folio });
        merge(&mut hand);
        hand.step_until(2, |act| matches!(act, Act::Compare(..)));
        assert!(!pte(&hand.world, 0).dirty);
        assert_eq!(hand.world.folio(goes).dirty, dirty);
    }
}

#[test]
fn a_page_that_somebody_else_has_a_reference_to_stays_as_it_was() {
    for (references, alone) in [
        (Folio::default(), true),
        (Folio { gathered: 1, ..Folio::default() }, false),
        (Folio { isolated: true, ..Folio::default() }, false),
        (Folio { writeback: true, ..Folio::default() }, false),
    ] {
        let mut hand = pages(true);
        let (before, stable) = (pte(&hand.world, 1), pte(&hand.world, 1).frame);
        let Folio { gathered, isolated, writeback, .. } = references;
        change(&mut hand, stable, |folio| Folio { gathered, isolated, writeback, ..folio });
        merge(&mut hand);
        hand.step_until(2, |act| act == Act::Keep(stable));
        let after = if alone { Present { writable: false, dirty: false, ..before } } else { before };
        assert_eq!((pte(&hand.world, 1), hand.world.folio(stable).ksm), (after, alone), "{references:?}");
    }
}

#[test]
fn a_place_in_the_swap_cache_goes_with_the_frame() {
    let mut hand = pages(true);
    let (goes, merged) = (pte(&hand.world, 0).frame, page(&hand.world, 0));
    change(&mut hand, goes, |folio| Folio { cached: true, ..folio });
    hand.world.set_cached_frame(merged, Some(goes));
    merge(&mut hand);
    hand.finish(2);
    assert_eq!((hand.world.cached_frame(merged), hand.world.folio(goes).allocated), (None, false));
}

#[test]
fn what_the_owner_of_the_stable_page_says_meanwhile_does_not_bind_the_other_one() {
    let mut hand = pages(true);
    let stable = pte(&hand.world, 1).frame;
    merge(&mut hand);
    hand.step_until(2, |act| matches!(act, Act::Compare(..)));
    hand.begin(0, Op::call(OpKind::Free, span(1, 1)));
    hand.finish(0);
    assert!(hand.world.folio(stable).lazyfree);
    hand.finish(2);
    let folio = hand.world.folio(stable);
    assert!(pte(&hand.world, 0).frame == stable && folio.dirty && !folio.lazyfree, "{folio:?}");
}

#[test]
fn a_store_to_a_page_that_is_being_compared_copies_it() {
    let mut hand = pages(true);
    let frames = [0, 1].map(|vpn| pte(&hand.world, vpn).frame);
    merge(&mut hand);
    hand.step_until(2, |act| matches!(act, Act::Compare(..)));
    hand.begin(0, store(0));
    hand.finish(0);
    let copy = pte(&hand.world, 0);
    assert!(copy.writable && !frames.contains(&copy.frame), "{copy:?}");
    hand.finish(2);
    assert_eq!(pte(&hand.world, 0), copy, "KSM finds the PTE changed");
    assert!(!hand.world.folio(frames[0]).allocated);
}
