//! The isolate reference, page aging and the swap device's queue, on the clock.

mod common;

use common::hand::Hand;
use common::{MM, Machine, at, load, order, pte, span, store};
use sim_core::drive::clock::source::{Order, Source};
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Cpu, FrameNo, Present, Pte, Span};
use sim_core::policy;
use sim_core::step::era::{self, Era};
use sim_core::step::frame::{Act, Frame, Path, Wait};
use sim_core::world::big::{Big, Watermarks};
use sim_core::world::{Cause, Folio, World};

fn machine(users: &[u16]) -> Machine {
    Machine::new(&prime_profile(), users)
}

fn reclaim(pages: Span) -> Op {
    Op::call(OpKind::Reclaim(MM), pages)
}

fn frame_of(world: &Big, vpn: u64) -> FrameNo {
    pte(world, vpn).frame
}

/// Page 0 is isolated, `op` comes first, then reclaim looks at its list.
fn overtaken(backing: Backing, op: Op) -> (Hand, FrameNo) {
    let mut machine = machine(&[0]);
    machine.fill(span(0, 1), backing, false);
    let frame = frame_of(&machine.world, 0);
    let mut hand = Hand::new(machine.world, *era::find("v4.13").expect("an era"));
    hand.begin(2, reclaim(span(0, 1)));
    hand.step_until(2, |act| matches!(act, Act::Isolate(_)));
    assert!(hand.world.folio(frame).isolated);
    hand.begin(0, op);
    hand.finish(0);
    (hand, frame)
}

#[test]
fn whoever_overtakes_reclaim_the_isolate_reference_is_dropped() {
    // What the operation leaves of the folio: a mapping elsewhere, a place in the page cache, or nothing.
    let one = span(0, 1);
    let moved = Op::mremap(one, 2000);
    for (backing, op, freed) in [
        (Backing::Anon, moved, false),
        (Backing::SharedFile, moved, false),
        (Backing::SharedFile, Op::call(OpKind::Dontneed, one), false),
        (Backing::Anon, Op::call(OpKind::Dontneed, one), true),
        (Backing::Anon, Op::call(OpKind::Munmap, one), true),
        (Backing::SharedFile, Op::call(OpKind::Munmap, one), true),
    ] {
        let (mut hand, frame) = overtaken(backing, op);
        let folio = hand.world.folio(frame);
        assert!(folio.allocated && folio.isolated, "{op:?}: reclaim still holds it: {folio:?}");
        hand.finish(2);
        let folio = hand.world.folio(frame);
        assert_eq!((folio.allocated, folio.isolated), (!freed, false), "{op:?}, {backing:?}: {folio:?}");
    }
}

#[test]
fn a_folio_written_later_is_held_until_the_batch_is_flushed() {
    let mut machine = machine(&[0, 1]);
    machine.fill(span(0, 1), Backing::Anon, false);
    let frame = frame_of(&machine.world, 0);
    let era = Era { synchronous_swap: false, ..*era::find("v4.13").expect("an era") };
    let mut hand = Hand::new(machine.world, era);
    hand.begin(2, reclaim(span(0, 1)));
    hand.step_until(2, |act| matches!(act, Act::Write(_)));
    assert!(hand.world.folio(frame).isolated, "written, not yet flushed");
    let flush = |act| matches!(act, Act::FlushBegin { request, .. } if request.cause == Cause::Batch);
    hand.step_until(2, flush);
    assert!(hand.world.folio(frame).isolated, "the flush has begun");
    while !(hand.world.interrupt_pending(Cpu(0)) && hand.world.interrupt_pending(Cpu(1))) {
        assert!(hand.step(2));
    }
    for target in [0, 1] {
        hand.stacks[usize::from(target)].push(Frame::new(Path::Irq));
        hand.finish(target);
    }
    assert!(hand.world.folio(frame).isolated, "acknowledged, and R9 is still to come");
    hand.finish(2);
    let folio = hand.world.folio(frame);
    assert!(folio.allocated && !folio.isolated && !folio.dirty, "clean in the swap cache: {folio:?}");
}

/// One task that reclaims for itself in so many frames: its faults, and what is mapped at the end.
fn thrash(era: &'static str, frames: u32, pages: u64, orders: Vec<Order>, vpns: &[u64]) -> (u64, Vec<bool>) {
    let profile = prime_profile();
    let mut world = Big::new(&profile, 3, u32::MAX);
    world.limit_memory(frames, Watermarks { min: 0, low: 0, high: 0 });
    let mm = world.add_mm();
    let vma = sim_core::world::Vma {
        mapped: true,
        rights: sim_core::nouns::types::Rights::READ_WRITE,
        backing: Backing::Anon,
    };
    world.map(mm, span(0, pages), vma);
    world.add_task(Some(mm));
    world.add_task(None);
    world.switch_mm(Cpu(0), Some(mm), false, &mut |_, _| {});
    let setting = Setting {
        policy: policy::find("immediate").expect("a policy").strategy,
        era: *era::find(era).expect("an era"),
    };
    let mut clock = Clock::new(world, InTurn(orders), setting, &profile, RunAhead::Off).expect("priced");
    clock.run();
    let census = clock.world.census().expect("memory is limited");
    assert_eq!(census.lost(), 0, "{census:?}");
    let world = &clock.world;
    let mapped = |&vpn: &u64| matches!(world.pte(world.page(mm, vpn).expect("touched")), Pte::Present(_));
    (clock.stats.faults, vpns.iter().map(mapped).collect())
}

/// All on CPU 0.
struct InTurn(Vec<Order>);

impl Source for InTurn {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        (cpu == Cpu(0) && !self.0.is_empty()).then(|| self.0.remove(0))
    }
}

#[test]
fn what_the_device_still_writes_is_not_freed() {
    let mut machine = machine(&[0]);
    machine.fill(span(0, 1), Backing::Anon, false);
    machine.world.attach_swap(1);
    let frame = frame_of(&machine.world, 0);
    let era = Era { synchronous_swap: false, ..*era::find("v4.13").expect("an era") };
    let mut hand = Hand::new(machine.world, era);
    hand.begin(0, reclaim(span(0, 1)));
    hand.finish(0);
    assert!(hand.world.folio(frame).writeback);
    hand.begin(0, Op::call(OpKind::Dontneed, span(0, 1)));
    hand.finish(0);
    let folio = hand.world.folio(frame);
    assert!(folio.allocated && folio.writeback, "{folio:?}");
    assert_eq!(hand.world.io_complete(), frame);
    assert!(!hand.world.folio(frame).writeback);
}

#[test]
fn referenced_pages_outlive_the_others() {
    // 256 frames: page 0 is used again after each 50 others, which are stored to once. Its translation is evicted in
    // between, so that the walker sets A again.
    let era = "v4.13";
    let mut orders = Vec::new();
    for n in 1..=1200 {
        orders.push(order(0, store(n)));
        if n % 50 == 0 {
            orders.push(order(0, store(0)));
            // Nobody uses page 1201 but once.
            orders.extend((n == 50).then(|| order(0, store(1201))));
        }
    }
    let (faults, mapped) = thrash(era, 256, 1202, orders, &[0, 1201, 1200, 1]);
    assert_eq!(mapped, [true, false, true, false], "{era}");
    // Each page comes in once, and the one in use at most once more, while the inactive list is young; without R2 it
    // goes round like the others and is taken four times.
    assert!((1202..=1203).contains(&faults), "{era}: {faults}");
}

#[test]
fn on_trial_a_page_stays_when_used_again_and_goes_when_not() {
    let mut machine = machine(&[0]);
    machine.world.keep_lru();
    machine.fill(span(0, 4), Backing::Anon, false);
    machine.era = "v6.18";
    let kswapd = order(2, Op::call(OpKind::Kswapd, Span::default()));
    // All four are referenced when first looked at; page 1 is used between that and the second time.
    machine.plays(2, [kswapd, at(200_000, kswapd)]);
    machine.plays(0, [at(100_000, order(0, load(1)))]);
    let clock = machine.run();
    let pte = |vpn| clock.world.pte(clock.world.page(MM, vpn).expect("touched"));
    assert_eq!([0, 2, 3].map(pte), [Pte::Swap; 3]);
    assert!(clock.world.folio(pte(1).present().expect("used again").frame).active);
}

#[test]
fn clearing_the_accessed_bit_flushes_nothing() {
    let mut machine = machine(&[0, 1]);
    machine.world.keep_lru();
    machine.fill(span(0, 4), Backing::Anon, false);
    machine.era = "v6.18";
    machine.plays(0, [order(0, load(1))]);
    machine.plays(2, [at(10_000, order(2, Op::call(OpKind::Kswapd, Span::default())))]);
    machine.plays(0, [at(100_000, order(0, load(1)))]);
    let clock = machine.run();
    let page = clock.world.page(MM, 1).expect("touched");
    let pte = clock.world.pte(page).present().expect("referenced once: it stays");
    assert!(!pte.accessed, "reclaim has cleared A, and the cached translation does not set it again");
    assert!(clock.world.tlb_peek(Cpu(0), page).is_some());
    assert_eq!((clock.stats.ipis_sent, clock.stats.faults), (0, 0));
    let folio = clock.world.folio(pte.frame);
    assert!(folio.referenced && !folio.isolated, "{folio:?}");
}

#[test]
fn writes_complete_in_order_and_never_more_than_the_queue_holds() {
    let mut world = Big::new(&prime_profile(), 1, 16);
    world.attach_swap(2);
    let frames: Vec<FrameNo> = (0..2).map(|_| world.alloc_frame().expect("a frame")).collect();
    for &frame in &frames {
        world.set_folio(frame, Folio { writeback: true, ..world.folio(frame) });
        world.io_begin(frame);
    }
    let queue = world.io_queue().expect("a device");
    assert_eq!((queue.in_flight, queue.depth), (2, 2));
    assert_eq!(world.io_complete(), frames[0]);
    assert_eq!(frames.iter().map(|&f| world.folio(f).writeback).collect::<Vec<_>>(), [false, true]);
    assert_eq!(world.io_complete(), frames[1]);
    assert_eq!(world.io_queue().map(|queue| (queue.in_flight, queue.done)), Some((0, 2)));
}

#[test]
fn a_round_that_has_freed_something_does_not_wait_for_the_device() {
    let mut machine = machine(&[]);
    machine.world.keep_lru();
    machine.world.attach_swap(1);
    machine.fill(span(0, 2), Backing::SharedFile, false);
    machine.fill(span(2, 1), Backing::Anon, false);
    let files = [0, 1].map(|vpn| frame_of(&machine.world, vpn));
    for vpn in 0..2 {
        let page = machine.world.page(MM, vpn).expect("touched");
        let pte = machine.world.pte(page).present().expect("filled");
        machine.world.pte_xchg(page, Pte::Present(Present { accessed: false, ..pte }));
    }
    let written = frame_of(&machine.world, 2);
    machine.world.io_begin(written);
    let mut hand = Hand::new(machine.world, Era { synchronous_swap: false, ..*era::find("v6.18").expect("an era") });
    hand.begin(2, Op::call(OpKind::Kswapd, Span::default()));
    hand.finish(2);
    assert!(files.iter().all(|&frame| !hand.world.folio(frame).allocated));
    assert_eq!(hand.world.io_queue().expect("a device").in_flight, 1);
}

/// So many folios on the inactive and the active list of anonymous memory, then of files: which kind, and is it active, goes first in
/// a round of kswapd?
fn first_list(anon: (u64, u64), file: (u64, u64)) -> (Backing, bool) {
    let mut machine = machine(&[0]);
    machine.world.keep_lru();
    let mut first = 0;
    let mut lists = Vec::new();
    for (backing, (inactive, active)) in [(Backing::Anon, anon), (Backing::SharedFile, file)] {
        machine.fill(span(first, inactive + active), backing, false);
        for vpn in first + inactive..first + inactive + active {
            let frame = frame_of(&machine.world, vpn);
            let folio = machine.world.folio(frame);
            machine.world.set_folio(frame, Folio { lru: false, ..folio });
            machine.world.set_folio(frame, Folio { active: true, ..folio });
        }
        lists.extend([(first + inactive, (backing, false)), (first + inactive + active, (backing, true))]);
        first += inactive + active;
    }
    let mut hand = Hand::new(machine.world, *era::find("v6.18").expect("an era"));
    hand.begin(2, Op::call(OpKind::Kswapd, Span::default()));
    hand.step_until(2, |act| matches!(act, Act::Isolate(_)));
    let Some(&(_, Act::Isolate(page), _)) = hand.heard.acts.last() else { unreachable!("it has just been isolated") };
    let vpn = hand.world.vpn(page);
    lists.into_iter().find(|&(end, _)| vpn < end).expect("a page of some list").1
}

#[test]
fn the_active_list_is_refilled_from_if_the_inactive_one_is_shorter_or_far_shorter_in_large_memory() {
    use Backing::{Anon, SharedFile};
    let none = (0, 0);
    assert_eq!(first_list((3, 4), none), (Anon, true));
    assert_eq!(first_list((4, 4), none), (Anon, false));
    assert_eq!(first_list((4, 4), (3, 4)), (SharedFile, true));
    assert_eq!(first_list((600, 700), none), (Anon, true));
    // 2 GiB: the square root of 20 is 4.
    assert_eq!(first_list((110_000, 420_000), none), (Anon, false));
}

#[test]
fn the_longer_list_by_weight_is_scanned_and_files_if_they_weigh_the_same() {
    // 60 to 140.
    assert_eq!(first_list((7, 0), (3, 0)), (Backing::SharedFile, false));
    assert_eq!(first_list((8, 0), (3, 0)), (Backing::Anon, false));
    assert_eq!(first_list((6, 0), (3, 0)), (Backing::SharedFile, false));
}

#[test]
fn kswapd_that_finds_nothing_on_any_list_waits_for_memory() {
    // 4 frames, all free and still too few: somebody else would have to give some back.
    for (high, blocked) in [(4, true), (3, false)] {
        let mut world = Big::new(&prime_profile(), 3, u32::MAX);
        world.limit_memory(4, Watermarks { min: 0, low: 0, high });
        let mm = world.add_mm();
        world.add_task(Some(mm));
        let mut hand = Hand::new(world, *era::find("v6.18").expect("an era"));
        hand.begin(0, Op::call(OpKind::Kswapd, Span::default()));
        assert_eq!(hand.waits(0), blocked.then_some(Wait::Memory), "high {high}");
    }
}

/// kswapd has looked at page 0 for references when `op` overtakes it and is done; then DONTNEED comes by once more and has not freed
/// what it found.
#[test]
fn what_was_given_up_under_reclaim_is_found_by_nobody_and_freed_once() {
    let mut machine = machine(&[]);
    machine.world.keep_lru();
    machine.fill(span(0, 1), Backing::Anon, false);
    let frame = frame_of(&machine.world, 0);
    let page = machine.world.page(MM, 0).expect("touched");
    let pte = machine.world.pte(page).present().expect("filled");
    machine.world.pte_xchg(page, Pte::Present(Present { accessed: false, ..pte }));
    let mut hand = Hand::new(machine.world, *era::find("v6.18").expect("an era"));
    let dontneed = Op::call(OpKind::Dontneed, span(0, 1));
    hand.begin(2, Op::call(OpKind::Kswapd, Span::default()));
    hand.step_until(2, |act| matches!(act, Act::Isolate(_)));
    hand.step_until(2, |act| matches!(act, Act::PteRead(_)));
    hand.begin(0, dontneed);
    hand.finish(0);
    assert!(hand.world.folio(frame).dropped, "reclaim has the last reference");
    hand.step_until(2, |act| matches!(act, Act::Shrink(_)));
    assert_eq!(hand.world.cached_frame(page), None);
    hand.begin(0, dontneed);
    hand.step_until(0, |act| matches!(act, Act::Unlock(_)));
    hand.finish(2);
    assert!(!hand.world.folio(frame).allocated);
    // The frame is somebody else's when the second call comes to what it has to free.
    hand.begin(1, store(1));
    hand.finish(1);
    assert_eq!(frame_of(&hand.world, 1), frame);
    hand.finish(0);
    assert!(hand.world.folio(frame).allocated);
}

#[test]
fn a_reference_that_comes_after_the_last_one_went_is_waited_for() {
    // A lockless walker has read the PTE before it went, and gets the frame while reclaim holds it.
    let (mut hand, frame) = overtaken(Backing::Anon, Op::call(OpKind::Dontneed, span(0, 1)));
    assert!(hand.world.folio(frame).dropped);
    hand.pins(frame);
    hand.finish(2);
    let folio = hand.world.folio(frame);
    assert!(folio.allocated && !folio.isolated && !folio.dropped && folio.gathered == 1, "{folio:?}");
}

#[test]
fn a_dirty_page_with_a_reference_is_flushed_for_and_not_written() {
    let mut machine = machine(&[0]);
    machine.policy = "batched";
    machine.era = "v4.13";
    machine.fill(span(0, 1), Backing::Anon, true);
    let frame = frame_of(&machine.world, 0);
    machine.world.set_folio(frame, Folio { gathered: 1, ..machine.world.folio(frame) });
    let reclaimer = machine.world.add_task(None);
    machine.plays(2, [Order { task: reclaimer, ..order(2, reclaim(span(0, 1))) }]);
    let clock = machine.run();
    assert_eq!(clock.stats.flushes[&Cause::BeforeIo], 1);
    let folio = clock.world.folio(frame);
    assert!(folio.allocated && folio.dirty && !folio.locked && clock.stats.writes == 0, "{folio:?}");
}

/// A page under a reclaim that is over, and what the folio of its frame is then.
fn reclaimed(backing: Backing, dirty: bool, lazyfree: bool) -> (Pte, Folio, u64) {
    let mut machine = machine(&[0]);
    machine.fill(span(0, 1), backing, dirty);
    let frame = frame_of(&machine.world, 0);
    machine.world.set_folio(frame, Folio { dirty: false, lazyfree, ..machine.world.folio(frame) });
    let reclaimer = machine.world.add_task(None);
    machine.plays(2, [Order { task: reclaimer, ..order(2, reclaim(span(0, 1))) }]);
    let clock = machine.run();
    (clock.world.pte(clock.world.page(MM, 0).expect("touched")), clock.world.folio(frame), clock.stats.writes)
}

#[test]
fn what_swap_has_no_copy_of_is_written_whatever_its_pte_says() {
    let (pte, folio, writes) = reclaimed(Backing::Anon, false, false);
    assert_eq!((pte, folio.allocated, writes), (Pte::Swap, false, 1));
}

#[test]
fn the_dirty_bit_of_a_pte_comes_to_the_folio() {
    let (pte, folio, writes) = reclaimed(Backing::SharedFile, true, false);
    assert_eq!((pte, folio.dirty || writes == 1), (Pte::None, true), "{folio:?}");
    let (pte, folio, writes) = reclaimed(Backing::SharedFile, false, false);
    assert_eq!((pte, folio.allocated, writes), (Pte::None, false, 0), "dropped");
}

#[test]
fn a_page_that_was_stored_to_since_madv_free_is_swap_backed_again() {
    let (pte, folio, writes) = reclaimed(Backing::Anon, true, true);
    assert!(
        pte.present().is_some_and(|pte| pte.dirty) && folio.dirty && !folio.lazyfree && writes == 0,
        "{pte:?} {folio:?} {writes}"
    );
    let (pte, folio, writes) = reclaimed(Backing::Anon, false, true);
    assert_eq!((pte, folio.allocated, writes), (Pte::None, false, 0), "dropped");
    // KSM has moved D from the PTE to the folio, and then given up.
    let mut machine = machine(&[]);
    machine.fill(span(0, 1), Backing::Anon, false);
    let frame = frame_of(&machine.world, 0);
    machine.world.set_folio(frame, Folio { lazyfree: true, dirty: true, ..machine.world.folio(frame) });
    let mut hand = Hand::new(machine.world, *era::find("v4.13").expect("an era"));
    hand.begin(2, reclaim(span(0, 1)));
    hand.finish(2);
    assert_eq!(frame_of(&hand.world, 0), frame, "mapped again");
    let folio = hand.world.folio(frame);
    assert!(folio.dirty && !folio.lazyfree, "{folio:?}");
}
