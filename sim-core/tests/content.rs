//! Which translations reach old content once an operation has given a page up, and what `mincore` takes for given up.

mod common;

use common::hand::Hand;
use common::{Machine, page, pte, span};
use sim_core::machine::testing::prime_profile;
use sim_core::machine::tlb::Entry;
use sim_core::nouns::marks::{Class, Marks};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Cpu, Pte};
use sim_core::step::era;
use sim_core::world::{Folio, World};

/// What page 0 is when the operation begins.
#[derive(Clone, Copy, Debug)]
struct Before {
    backing: Backing,
    /// A store has made a page of a private mapping one's own.
    copied: bool,
    /// What reclaim has left of its PTE, which is the present one if nothing.
    unmapped: Option<Pte>,
    /// The frame is in the page cache or the swap cache, which only matters to a page that is unmapped.
    cached: bool,
}

const MAPPED: Before = Before { backing: Backing::Anon, copied: false, unmapped: None, cached: false };
const SWAPPED: Before = Before { unmapped: Some(Pte::Swap), ..MAPPED };
const DROPPED: Before = Before { unmapped: Some(Pte::None), ..MAPPED };

/// What a store through a translation from before is, after the operation. Its flush leaves out the CPU that holds the translation.
fn store_after(kind: OpKind, before: Before) -> Option<Class> {
    let mut machine = Machine::new(&prime_profile(), &[1]);
    machine.fill(span(0, 1), before.backing, true);
    let (page, old) = (page(&machine.world, 0), pte(&machine.world, 0));
    let world = &mut machine.world;
    if before.copied {
        world.set_folio(old.frame, Folio { anon: true, cached: false, ..world.folio(old.frame) });
    }
    let entry = Entry { frame: old.frame.0, writable: true, dirty: true, executable: false, marks: 0 };
    world.tlb_fill(Cpu(1), page, AccessKind::Store, entry, &mut |_, _| {});
    if let Some(pte) = before.unmapped {
        world.pte_xchg(page, pte);
        world.set_cached_frame(page, before.cached.then_some(old.frame));
    }
    let mut hand = Hand::new(machine.world, *era::find("v6.18").expect("an era"));
    hand.setting.era.protections.mask_complete = false;
    // Else what is given up is freed, too.
    hand.pins(old.frame);
    hand.begin(2, Op::call(kind, span(0, 1)));
    hand.finish(2);
    let held = hand.world.tlb_peek(Cpu(1), page).expect("nobody has flushed");
    Marks::of(held).breaks(AccessKind::Store)
}

#[test]
fn dontneed_gives_up_what_is_not_the_files() {
    let of = |backing| Before { backing, ..MAPPED };
    for (before, expected) in [
        (MAPPED, Some(Class::Data)),
        (SWAPPED, Some(Class::Data)),
        (DROPPED, Some(Class::Data)),
        (of(Backing::SharedFile), None),
        (of(Backing::PrivateFile), None),
        (Before { copied: true, ..of(Backing::PrivateFile) }, Some(Class::Data)),
        (Before { copied: true, unmapped: Some(Pte::Swap), ..of(Backing::PrivateFile) }, Some(Class::Data)),
        (Before { unmapped: Some(Pte::None), cached: true, ..of(Backing::PrivateFile) }, None),
    ] {
        assert_eq!(store_after(OpKind::Dontneed, before), expected, "{before:?}");
    }
}

#[test]
fn free_is_refused_for_files() {
    for backing in [Backing::SharedFile, Backing::PrivateFile] {
        for before in [MAPPED, SWAPPED, DROPPED].map(|before| Before { backing, ..before }) {
            assert_eq!(store_after(OpKind::Free, before), None, "{before:?}");
        }
    }
    assert_eq!(store_after(OpKind::Free, DROPPED), Some(Class::Data));
}

#[test]
fn mincore_finds_in_a_cache_what_has_no_pte() {
    let file = |before| Before { backing: Backing::SharedFile, ..before };
    let trusted = OpKind::Mincore(true);
    for (before, gone) in [
        (MAPPED, false),
        (SWAPPED, true),
        (Before { cached: true, ..SWAPPED }, false),
        (DROPPED, true),
        // In the swap cache, but there is no swap entry that leads to it.
        (Before { cached: true, ..DROPPED }, true),
        (file(DROPPED), true),
        (file(Before { cached: true, ..DROPPED }), false),
    ] {
        assert_eq!(store_after(trusted, before).is_some(), gone, "{before:?}");
        assert_eq!(store_after(OpKind::Mincore(false), before), None, "it promises nothing");
    }
}
