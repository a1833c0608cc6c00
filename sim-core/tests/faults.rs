//! What a page fault finds, brings and leaves, and who may come between its steps.

mod common;

use common::hand::Hand;
use common::{MM, Machine, load, order, page, pte, span, store};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Cpu, FrameNo, Pte, Rights};
use sim_core::step::era::{self, Era};
use sim_core::step::frame::Act;
use sim_core::world::big::{Big, Watermarks};
use sim_core::world::{Folio, Vma, World};

fn vma(backing: Backing) -> Vma {
    Vma { mapped: true, rights: Rights::READ_WRITE, backing }
}

fn folio(world: &Big, vpn: u64) -> (FrameNo, Folio) {
    let frame = pte(world, vpn).frame;
    (frame, world.folio(frame))
}

#[test]
fn a_load_of_a_file_maps_the_neighbours_that_are_in_its_page_cache() {
    let mut machine = Machine::new(&prime_profile(), &[0]);
    machine.world.map(MM, span(0, 8), vma(Backing::PrivateFile));
    machine.world.map(MM, span(6, 1), vma(Backing::Anon));
    // Page 5 was stored to, which copied it, and reclaim has taken the copy.
    let (copied, copy) = (machine.world.populate(MM, 5), machine.world.alloc_frame().expect("frames are plenty"));
    machine.world.set_folio(copy, Folio { anon: true, cached: true, dirty: true, ..machine.world.folio(copy) });
    machine.world.set_cached_frame(copied, Some(copy));
    let mut hand = Hand::new(machine.world, Era { fault_around_pages: 4, ..*era::find("v6.18").expect("an era") });
    hand.begin(0, load(7));
    hand.finish(0);

    let world = &hand.world;
    let (_, around) = folio(world, 4);
    assert!(around.allocated && around.cached && around.lru && !around.anon, "{around:?}");
    assert_eq!(world.cached_frame(page(world, 4)), None, "found through its PTE now");
    assert_eq!((world.pte(copied), world.cached_frame(copied)), (Pte::None, Some(copy)), "not the file's");
    assert!([3, 6].iter().all(|&vpn| world.page(MM, vpn).is_none_or(|page| world.pte(page) == Pte::None)));
}

#[test]
fn what_a_driver_takes_back_during_a_fault_is_not_mapped() {
    // No CPU has it loaded, so that nobody has to answer IPIs.
    let mut machine = Machine::new(&prime_profile(), &[]);
    machine.fill(span(0, 1), Backing::Pfn, false);
    let mut hand = Hand::new(machine.world, *era::find("v6.18").expect("an era"));
    for op in [Op::mprotect(span(0, 1), Rights::READ), Op::mprotect(span(0, 1), Rights::READ_WRITE)] {
        hand.begin(0, op);
        hand.finish(0);
    }
    let (frame, _) = folio(&hand.world, 0);
    // The store finds a PTE without W, and the driver comes before the PTL is taken.
    hand.begin(0, store(0));
    hand.step_until(0, |act| matches!(act, Act::PteRead(_)));
    hand.begin(1, Op::call(OpKind::UnmapMapping(MM), span(0, 1)));
    hand.finish(1);
    assert!(!hand.world.folio(frame).allocated);
    hand.finish(0);
    assert_eq!(hand.world.pte(page(&hand.world, 0)), Pte::None);
    assert!(hand.heard.acts.iter().any(|(_, act, _)| matches!(act, Act::FaultExit(_, true))), "SIGBUS");
}

#[test]
fn a_driver_looks_once_at_a_mapping_that_munmap_has_cleared_and_not_unlinked() {
    let mut machine = Machine::new(&prime_profile(), &[]);
    machine.fill(span(0, 1), Backing::Pfn, false);
    let (frame, _) = folio(&machine.world, 0);
    let mut hand = Hand::new(machine.world, *era::find("v6.18").expect("an era"));
    hand.begin(0, Op::call(OpKind::Munmap, span(0, 1)));
    hand.step_until(0, |act| matches!(act, Act::PteXchg { .. }));
    hand.step_until(0, |act| matches!(act, Act::Unlock(_)));
    assert!(hand.world.next_mapping(frame, 0).is_some(), "the VMA is still there");
    let before = hand.heard.acts.len();
    hand.begin(1, Op::call(OpKind::UnmapMapping(MM), span(0, 1)));
    while hand.step(1) {
        assert!(hand.heard.acts.len() < before + 64, "it goes round for ever");
    }
    assert!(!hand.world.folio(frame).allocated);
    hand.finish(0);
}

#[test]
fn before_5_9_what_a_fault_brings_starts_active() {
    for (era, active) in [("v4.13", true), ("v6.18", false)] {
        let pageout = Op::call(OpKind::Pageout, span(0, 1));
        for ops in [&[store(0)][..], &[store(0), pageout, load(0)]] {
            let mut machine = Machine::new(&prime_profile(), &[]);
            let mut world = Big::new(&prime_profile(), 1, u32::MAX);
            world.limit_memory(1_024, Watermarks { min: 0, low: 0, high: 0 });
            assert_eq!(world.add_mm(), MM);
            world.map(MM, span(0, 1), vma(Backing::Anon));
            world.add_task(Some(MM));
            world.switch_mm(Cpu(0), Some(MM), false, &mut |_, _| {});
            (machine.world, machine.era) = (world, era);
            machine.plays(0, ops.iter().map(|&op| order(0, op)));
            let clock = machine.run();
            assert_eq!(folio(&clock.world, 0).1.active, active, "{era}: {ops:?}");
        }
    }
}

#[test]
fn dontneed_hands_the_dirty_bit_to_the_page_cache() {
    for dirty in [false, true] {
        let mut machine = Machine::new(&prime_profile(), &[0]);
        machine.fill(span(0, 1), Backing::SharedFile, dirty);
        let (frame, _) = folio(&machine.world, 0);
        machine.plays(0, [order(0, Op::call(OpKind::Dontneed, span(0, 1)))]);
        let clock = machine.run();
        let kept = clock.world.folio(frame);
        assert!(kept.allocated && kept.cached && kept.dirty == dirty, "{dirty}: {kept:?}");
    }
}

/// A process on one CPU, whose pages are dirty and its own, makes these operations.
fn after(era: &'static str, ops: &[Op]) -> (u64, bool) {
    let mut machine = Machine::new(&prime_profile(), &[0]);
    machine.era = era;
    machine.fill(span(0, 1), Backing::Anon, true);
    machine.plays(0, ops.iter().map(|&op| order(0, op)));
    let clock = machine.run();
    assert_eq!(clock.stats.segvs, 0);
    (clock.stats.faults, pte(&clock.world, 0).writable)
}

#[test]
fn w_that_mprotect_gives_back_costs_a_fault_before_6_0() {
    let there_and_back = [Op::mprotect(span(0, 1), Rights::READ), Op::mprotect(span(0, 1), Rights::READ_WRITE)];
    let stored = [there_and_back.as_slice(), &[load(0), store(0), store(0)]].concat();
    let none = [Op::mprotect(span(0, 1), Rights::NONE), Op::mprotect(span(0, 1), Rights::READ_WRITE), load(0)];
    for (era, granted) in [("v4.13", false), ("v5.17", false), ("v6.18", true)] {
        assert_eq!(after(era, &there_and_back), (0, granted), "{era}");
        assert_eq!(after(era, &stored), (u64::from(!granted), true), "{era}");
        assert_eq!(after(era, &none), (0, granted), "{era}");
    }
}

#[test]
fn w_that_numa_balancing_left_comes_back_with_the_hint_fault() {
    let scan = Op::call(OpKind::NumaScan, span(0, 1));
    let lost = [Op::mprotect(span(0, 1), Rights::READ), Op::mprotect(span(0, 1), Rights::READ_WRITE), scan, load(0)];
    for (era, granted) in [("v4.13", false), ("v5.17", false), ("v6.18", true)] {
        assert_eq!(after(era, &[scan, load(0)]), (1, true), "{era}");
        assert_eq!(after(era, &lost), (1, granted), "{era}");
        // A store takes it over with a fault of its own, where the first gives it no W.
        let stored = [&lost[..3], &[store(0)]].concat();
        assert_eq!(after(era, &[scan, store(0)]), (1, true), "{era}");
        assert_eq!(after(era, &stored), (1 + u64::from(!granted), true), "{era}");
    }
}

#[test]
fn a_load_that_swaps_a_page_in_gives_w_in_late_kernels_only() {
    for (era, granted) in [("v4.13", false), ("v5.17", false), ("v6.18", true)] {
        let pageout = Op::call(OpKind::Pageout, span(0, 1));
        assert_eq!(after(era, &[pageout, load(0)]), (1, granted), "{era}");
        assert_eq!(after(era, &[pageout, store(0)]), (1, true), "{era}");
    }
}
