//! Calls go from VMA to VMA: what they pass over, where they end, how often they flush, and who may run beside them.

mod common;

use common::hand::Hand;
use common::{MM, Machine, at, order, page, pte, span, store};
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::Race;
use sim_core::drive::explore::{Verdict, search};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Lock, Present, Pte, Rights, Span};
use sim_core::policy;
use sim_core::step::era::{self, Era};
use sim_core::step::frame::{Act, Wait};
use sim_core::world::small::Scenario;
use sim_core::world::{Cause, Vma, World};

fn kernel(name: &str) -> Era {
    *era::find(name).expect("an era")
}

/// Pages 0 and 1 are one VMA, 2 and 3 another of these rights, 4 and 5 a third, which is as the first.
fn three(era: Era, middle: Rights) -> Hand {
    let mut machine = Machine::new(&prime_profile(), &[0]);
    machine.fill(span(0, 6), Backing::Anon, true);
    machine.world.protect_vma(MM, span(2, 2), middle);
    for vpn in [2, 3] {
        let (page, before) = (page(&machine.world, vpn), pte(&machine.world, vpn));
        let after = Present { writable: middle.write(), protnone: !middle.read(), ..before };
        machine.world.pte_xchg(page, Pte::Present(after));
    }
    Hand::new(machine.world, era)
}

/// The call of task 0, to its end: what it flushed, and how often it counted itself among those that have not flushed yet.
fn flushes(hand: &mut Hand, op: Op) -> (Vec<Option<Span>>, usize) {
    hand.begin(0, op);
    hand.finish(0);
    let acts = || hand.heard.acts.iter().map(|&(_, act, _)| act);
    let begun = acts().filter_map(|act| match act {
        Act::FlushBegin { request, .. } if request.cause == Cause::Operation => Some(request.span),
        _ => None,
    });
    // In, a look at the others where it gathers, and out.
    let counted = acts().filter(|act| matches!(act, Act::FlushPending(_, sim_core::policy::Touch::Atomic))).count();
    assert_eq!(*hand.world.flush_pending(MM), 0);
    (begun.collect(), counted / 2)
}

#[test]
fn mprotect_flushes_each_vma_or_gathers_over_all() {
    let op = Op::mprotect(span(1, 4), Rights::READ);
    let by_vma = [span(1, 1), span(2, 2), span(4, 1)].map(Some);
    for (era, expected, counted) in [
        ("v4.13", &by_vma[..], 3),
        ("v5.17", &by_vma, 3),
        // The middle had no W to lose.
        ("v6.18", &[Some(span(1, 4))], 1),
    ] {
        let mut hand = three(kernel(era), Rights::NONE);
        assert_eq!(flushes(&mut hand, op), (expected.to_vec(), counted), "{era}");
        for vpn in 1..5 {
            assert_eq!(hand.world.vma(MM, vpn).rights, Rights::READ);
            assert!(!pte(&hand.world, vpn).writable && !pte(&hand.world, vpn).protnone, "{era}, page {vpn}");
        }
        for vpn in [0, 5] {
            assert_eq!(hand.world.vma(MM, vpn).rights, Rights::READ_WRITE);
            assert!(pte(&hand.world, vpn).writable);
        }
    }
}

#[test]
fn mprotect_passes_over_what_has_the_rights_already() {
    for (era, expected) in [("v5.17", vec![Some(span(0, 2)), Some(span(4, 2))]), ("v6.18", vec![Some(span(0, 6))])] {
        let mut hand = three(kernel(era), Rights::READ);
        assert_eq!(flushes(&mut hand, Op::mprotect(span(0, 6), Rights::READ)).0, expected, "{era}");
        let (passed, changed) = (page(&hand.world, 2), page(&hand.world, 4));
        let touched = |which| {
            let of = |act| matches!(act, Act::PteRead(page) | Act::PteXchg { page, .. } if page == which);
            hand.heard.acts.iter().any(|&(_, act, _)| of(act))
        };
        assert!(!touched(passed) && touched(changed), "{era}");
    }
    // And then there is nothing to flush for in an old kernel either, though PTEs are present.
    let mut hand = three(kernel("v5.17"), Rights::READ);
    assert_eq!(flushes(&mut hand, Op::mprotect(span(2, 2), Rights::READ)), (vec![], 0));
}

#[test]
fn mprotect_ends_at_a_hole() {
    for era in ["v5.17", "v6.18"] {
        let mut hand = three(kernel(era), Rights::READ_WRITE);
        hand.world.set_vma(MM, span(2, 1), Vma::default());
        assert_eq!(flushes(&mut hand, Op::mprotect(span(0, 6), Rights::READ)).0, [Some(span(0, 2))], "{era}");
        let writable: Vec<u64> = (0..6).filter(|&vpn| hand.world.vma(MM, vpn).rights.write()).collect();
        assert_eq!(writable, [3, 4, 5], "{era}");
        assert!(pte(&hand.world, 3).writable && !pte(&hand.world, 1).writable);
        // What it did not come to it has promised nothing about.
        assert!(hand.world.promise(page(&hand.world, 3)).rights.write());
        assert_eq!(hand.world.promise(page(&hand.world, 1)).rights, Rights::READ);
        // Nor granted anything on the way.
        flushes(&mut hand, Op::mprotect(span(3, 3), Rights::READ));
        flushes(&mut hand, Op::mprotect(span(0, 6), Rights::READ_WRITE));
        let promised = [1, 3].map(|vpn| hand.world.promise(page(&hand.world, vpn)).rights);
        assert_eq!(promised, [Rights::READ_WRITE, Rights::READ], "{era}");
    }
}

#[test]
fn madvise_passes_over_holes_and_flushes_each_vma_or_once() {
    let of_two = [Some(span(0, 2)), Some(span(3, 3))];
    for (era, expected) in [("v4.13", &of_two[..]), ("v5.17", &of_two), ("v6.18", &[Some(span(0, 6))])] {
        for kind in [OpKind::Dontneed, OpKind::Free] {
            let mut hand = three(kernel(era), Rights::READ_WRITE);
            hand.world.set_vma(MM, span(2, 1), Vma::default());
            let counted = expected.len();
            assert_eq!(flushes(&mut hand, Op::call(kind, span(0, 6))), (expected.to_vec(), counted), "{era}, {kind:?}");
            let given_up = |vpn| hand.world.pte(page(&hand.world, vpn)).present().is_none_or(|pte| !pte.dirty);
            assert_eq!([0, 1, 2, 3, 4, 5].map(given_up), [true, true, false, true, true, true], "{era}, {kind:?}");
        }
    }
}

#[test]
fn madvise_ends_at_the_first_vma_that_it_is_refused_for() {
    for (kind, refused) in [(OpKind::Free, Backing::SharedFile), (OpKind::Dontneed, Backing::Pfn)] {
        for era in ["v5.17", "v6.18"] {
            let mut machine = Machine::new(&prime_profile(), &[0]);
            machine.fill(span(0, 6), Backing::Anon, true);
            machine.fill(span(2, 2), refused, true);
            let mut hand = Hand::new(machine.world, kernel(era));
            assert_eq!(flushes(&mut hand, Op::call(kind, span(0, 6))).0, [Some(span(0, 2))], "{era}, {kind:?}");
            assert!((2..6).all(|vpn| pte(&hand.world, vpn).dirty), "{era}, {kind:?}");
        }
    }
}

#[test]
fn a_pageout_counts_itself_for_each_vma() {
    let mut hand = three(kernel("v6.18"), Rights::READ);
    hand.world.set_vma(MM, span(2, 1), Vma::default());
    assert_eq!(flushes(&mut hand, Op::call(OpKind::Pageout, span(0, 6))).1, 3);
    let out = |hand: &Hand, vpn| hand.world.pte(page(&hand.world, vpn)).present().is_none();
    assert_eq!([0, 1, 2, 3, 4, 5].map(|vpn| out(&hand, vpn)), [true, true, false, true, true, true]);
    // Of a driver's memory it is refused.
    let mut machine = Machine::new(&prime_profile(), &[0]);
    machine.fill(span(0, 6), Backing::Anon, true);
    machine.fill(span(2, 2), Backing::Pfn, true);
    let mut hand = Hand::new(machine.world, kernel("v6.18"));
    assert_eq!(flushes(&mut hand, Op::call(OpKind::Pageout, span(0, 6))).1, 1);
    assert_eq!([0, 1, 2, 3, 4, 5].map(|vpn| out(&hand, vpn)), [true, true, false, false, false, false]);
}

#[test]
fn who_has_flushed_for_others_in_one_vma_does_not_in_the_next_for_that_reason() {
    for kind in [OpKind::Dontneed, OpKind::Free] {
        let mut hand = three(kernel("v5.17"), Rights::READ);
        *hand.world.flush_pending(MM) += 1;
        hand.begin(0, Op::call(kind, span(0, 4)));
        hand.step_until(0, |act| matches!(act, Act::FlushBegin { .. }));
        *hand.world.flush_pending(MM) -= 1;
        hand.finish(0);
        let causes = hand.heard.acts.iter().filter_map(|(_, act, _)| match act {
            Act::FlushBegin { request, .. } => Some(request.cause),
            _ => None,
        });
        assert_eq!(causes.collect::<Vec<_>>(), [Cause::Nested, Cause::Operation], "{kind:?}");
    }
}

#[test]
fn a_vma_of_more_than_16_tib_is_walked_to_its_end_and_no_farther() {
    let all = span(0, 1 << 33);
    for era in ["v5.17", "v6.18"] {
        let mut hand = three(kernel(era), Rights::READ_WRITE);
        hand.world.set_vma(MM, all, hand.world.vma(MM, 0));
        for op in [Op::call(OpKind::NumaScan, all), Op::mprotect(all, Rights::READ)] {
            flushes(&mut hand, op);
        }
        assert_eq!((hand.world.vma(MM, 0).rights, hand.world.vma_end(MM, 0)), (Rights::READ, all.end()));
        assert!((0..6).all(|vpn| !pte(&hand.world, vpn).writable), "{era}");
    }
}

/// What task 1 waits for, if anything, while the munmap of page 0 by task 0 has come no farther than to the count of those who have not
/// flushed yet.
fn beside_munmap(era: Era, op: Op) -> (Option<Wait>, Hand) {
    let mut machine = Machine::new(&prime_profile(), &[0, 1]);
    machine.fill(span(0, 3), Backing::Anon, true);
    let mut hand = Hand::new(machine.world, era);
    hand.begin(0, Op::call(OpKind::Munmap, span(0, 1)));
    hand.step_until(0, |act| matches!(act, Act::FlushPending(..)));
    hand.begin(1, op);
    let waits = hand.waits(1);
    (waits, hand)
}

#[test]
fn since_4_20_readers_of_mmap_lock_run_beside_the_walk_of_munmap() {
    let read = Op::call(OpKind::NumaScan, span(1, 2));
    assert_eq!(beside_munmap(kernel("v4.13"), read).0, Some(Wait::Lock(Lock::MmapRead(MM))));
    for era in ["v5.17", "v6.18"] {
        // As far as its flush.
        assert_eq!(beside_munmap(kernel(era), read).0, Some(Wait::Acks), "{era}");
        for op in [Op::mprotect(span(1, 1), Rights::READ), Op::call(OpKind::Munmap, span(1, 1))] {
            assert_eq!(beside_munmap(kernel(era), op).0, Some(Wait::Lock(Lock::MmapWrite(MM))), "{era}");
        }
    }
}

#[test]
fn on_the_clock_a_fault_waits_for_munmap_only_until_its_vmas_are_gone() {
    // A fault under another page table that begins at this time: how long it waits, and whether it is over before the munmap.
    let waits = |era, begins| {
        let mut machine = Machine::new(&prime_profile(), &[0, 1]);
        machine.era = era;
        machine.fill(span(0, 64), Backing::Anon, true);
        machine.plays(0, [order(0, Op::call(OpKind::Munmap, span(0, 64)))]);
        machine.plays(1, [at(begins, order(1, store(600)))]);
        let clock = machine.run();
        assert_eq!(clock.stats.faults, 1);
        (clock.stats.lock_wait_cycles, clock.source.ran[1][0].end < clock.source.ran[0][0].end)
    };
    let syscall_cycles = prime_profile().kernel.syscall_cyc;
    let (until_the_end, _) = waits("v4.13", syscall_cycles / 2);
    // Wherever it begins, so also where it finds the lock held for writing.
    let all: Vec<_> = (0..2 * syscall_cycles).map(|begins| waits("v5.17", begins)).collect();
    assert!(all.iter().any(|&(waited, _)| waited > 0));
    assert!(all.iter().all(|&(waited, before)| before && waited * 4 < until_the_end), "{until_the_end}: {all:?}");
}

#[test]
fn what_mmap_replaces_it_unmaps_with_mmap_lock_held_for_writing() {
    let mut hand = three(kernel("v6.18"), Rights::READ);
    hand.begin(0, Op::call(OpKind::Mmap(Backing::Anon), span(1, 1)));
    hand.step_until(0, |act| matches!(act, Act::FlushPending(..)));
    hand.begin(1, Op::call(OpKind::NumaScan, span(4, 1)));
    assert_eq!(hand.waits(1), Some(Wait::Lock(Lock::MmapRead(MM))));
}

#[test]
fn who_comes_beside_munmap_finds_none_of_its_vmas() {
    let merge = Op { to: 0, ..Op::call(OpKind::Ksm(MM, MM), span(1, 1)) };
    let call = |kind| Op::call(kind, span(0, 1));
    for op in [OpKind::Dontneed, OpKind::Free, OpKind::Pageout, OpKind::NumaScan, OpKind::UffdWp, OpKind::Mincore(true)]
        .map(call)
        .into_iter()
        .chain([merge])
    {
        let (waits, hand) = beside_munmap(kernel("v5.17"), op);
        assert_eq!(waits, None, "{op:?}");
        let looks = |act| matches!(act, Act::PteRead(_) | Act::PteXchg { .. } | Act::Lookup(_) | Act::Isolate(_));
        assert!(!hand.heard.acts.iter().any(|&(cpu, act, _)| cpu.0 == 1 && looks(act)), "{op:?}");
    }
}

/// The page table that munmap frees is nobody's who walks beside it, in all interleavings.
#[test]
fn a_walk_beside_munmap_does_not_meet_the_table_that_it_frees() {
    let load = Op::access(AccessKind::Load, 512);
    let both = span(0, 513);
    for kind in [OpKind::Dontneed, OpKind::Free, OpKind::NumaScan] {
        let programs: [&[Op]; 3] = [&[Op::call(OpKind::Munmap, span(0, 1))], &[Op::call(kind, both)], &[load]];
        let scenario = Scenario { evictions: false, lone_tables: true, ..Scenario::new("beside", 2, 2, &programs) };
        for era in ["v5.17", "v6.18"] {
            let setting = Setting::of(policy::find("pending-generation").expect("a policy"), kernel(era));
            let outcome = search(&Race { scenario: &scenario, setting }, 20_000_000);
            assert!(matches!(outcome.verdict, Verdict::Never { .. }), "{era}, {kind:?}: {:?}", outcome.verdict);
        }
    }
}
