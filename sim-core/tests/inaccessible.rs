//! What is flushed for a PTE that is `PROT_NONE`: no TLB can hold it, unless whoever took its rights away has not flushed yet.

mod common;

use common::hand::Hand;
use common::{MM, Machine, page, pte, span};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Present, Pte};
use sim_core::policy;
use sim_core::step::era::{self, Era};
use sim_core::step::frame::Act;
use sim_core::world::{Folio, World};

/// Why the rights of two pages are gone, if they are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rightless {
    No,
    /// Somebody took them away, and has flushed.
    Flushed,
    /// And has not.
    Unflushed,
}
use Rightless::{Flushed, No, Unflushed};

/// What becomes of the flush that an operation may owe.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flush {
    Made,
    PutOff,
    Neither,
}
use Flush::{Made, Neither, PutOff};

fn kernel(name: &str) -> Era {
    *era::find(name).expect("an era")
}

/// CPU 1 has the address space loaded; CPU 2 makes the operation, under this policy and in this era.
fn flush_of(op: Op, (backing, dirty): (Backing, bool), rightless: Rightless, policy: &str, era: Era) -> Flush {
    let mut machine = Machine::new(&prime_profile(), &[1]);
    machine.fill(span(0, 2), backing, dirty);
    let mut hand = Hand::new(machine.world, era);
    for frame in [0, 1].map(|vpn| pte(&hand.world, vpn).frame) {
        let folio = hand.world.folio(frame);
        hand.world.set_folio(frame, Folio { dirty: true, ..folio });
    }
    hand.setting.policy = policy::find(policy).expect("a policy").strategy;
    if rightless == Unflushed {
        hand.begin(0, Op::call(OpKind::NumaScan, span(0, 2)));
        hand.step_until(0, |act| matches!(act, Act::FlushBegin { .. }));
        // It has let go of the PTLs.
        hand.heard.acts.clear();
        assert!([0, 1].iter().all(|&vpn| pte(&hand.world, vpn).protnone));
    } else if rightless == Flushed {
        for vpn in [0, 1] {
            let (page, before) = (page(&hand.world, vpn), pte(&hand.world, vpn));
            hand.world.pte_xchg(page, Pte::Present(Present { protnone: true, ..before }));
        }
    }
    hand.begin(2, op);
    loop {
        let more = hand.step(2);
        match hand.heard.acts.last() {
            Some((_, Act::FlushBegin { .. }, _)) => return Made,
            Some((_, Act::Deferred { .. }, _)) => return PutOff,
            _ if more => {}
            _ => return Neither,
        }
    }
}

#[test]
fn reclaim_flushes_or_puts_a_flush_off_for_what_a_tlb_can_hold() {
    let reclaim = Op::call(OpKind::Reclaim(MM), span(0, 1));
    for (policy, era, dirty, expected) in [
        // At once: `ptep_clear_flush()` has always looked.
        ("immediate", "v4.13", false, [Made, Neither, Made]),
        ("immediate", "v6.18", true, [Made, Neither, Made]),
        ("clean-only", "v4.13", true, [Made, Neither, Made]),
        // In a batch: since v6.4.
        ("batched", "v5.17", false, [PutOff, PutOff, PutOff]),
        ("batched", "v6.18", false, [PutOff, Neither, PutOff]),
        ("batched", "v6.18", true, [PutOff, Neither, PutOff]),
        ("flag-before-clear", "v6.18", true, [PutOff, Neither, PutOff]),
    ] {
        let found =
            [No, Flushed, Unflushed].map(|why| flush_of(reclaim, (Backing::Anon, dirty), why, policy, kernel(era)));
        assert_eq!(found, expected, "{policy} {era} dirty {dirty}");
    }
}

#[test]
fn migration_puts_a_flush_off_as_reclaim_does() {
    let migrate = Op::call(OpKind::Migrate(MM), span(0, 1));
    for (policy, skips, expected) in [
        ("batched", true, [PutOff, Neither, PutOff]),
        ("batched", false, [PutOff, PutOff, PutOff]),
        ("immediate", false, [Made, Neither, Made]),
    ] {
        for (rightless, expected) in [No, Flushed, Unflushed].into_iter().zip(expected) {
            let era = Era { batch_skips_inaccessible: skips, ..kernel("v6.18") };
            let found = flush_of(migrate, (Backing::Anon, false), rightless, policy, era);
            assert_eq!(found, expected, "{policy} {skips} {rightless:?}");
        }
    }
}

#[test]
fn writeback_and_ksm_flush_for_what_a_tlb_can_hold() {
    let writeback = Op::call(OpKind::Writeback(MM), span(0, 2));
    let merge = Op::ksm((MM, 0), (MM, 1));
    for (rightless, expected) in [(No, Made), (Flushed, Neither), (Unflushed, Made)] {
        for era in ["v4.13", "v6.18"] {
            for (op, backing) in [(writeback, Backing::SharedFile), (merge, Backing::Anon)] {
                let found = flush_of(op, (backing, true), rightless, "batched", kernel(era));
                assert_eq!(found, expected, "{op:?} {era} {rightless:?}");
            }
        }
    }
}
