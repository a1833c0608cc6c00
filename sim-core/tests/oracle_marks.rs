//! What the oracle makes of one event, without a kernel around it: which translations break a promise from then on, and which
//! pages have come how far in the story of a race.

mod common;

use common::{MM, Machine, load, order, page, pte, span, store};
use sim_core::drive::explore::race::Recorder;
use sim_core::machine::testing::prime_profile;
use sim_core::machine::tlb::Entry;
use sim_core::nouns::marks::{Class, Marks};
use sim_core::nouns::types::{AccessKind, Actor, Backing, Cpu, FrameNo, Pte, Task};
use sim_core::oracle::{self, ghost};
use sim_core::policy;
use sim_core::step::era;
use sim_core::step::frame::{Cx, Path, StepId};
use sim_core::world::World;
use sim_core::world::big::Big;

const WHO: Actor = Actor { task: Task(0), cpu: Cpu(0) };

/// Something happens in a world.
fn event(world: &mut Big, what: impl FnOnce(&mut Cx<'_, Big, Recorder>)) {
    let mut cx = Cx {
        world,
        policy: policy::find("batched").expect("registered").strategy,
        era: era::find("v6.18").expect("an era"),
        probe: &mut Recorder::default(),
        acted: false,
        at: StepId { path: Path::Other, pc: 0 },
    };
    what(&mut cx);
}

/// Three dirty pages on a machine whose CPUs 0 to 3 run the address space, and nobody holds a translation.
fn machine() -> Machine {
    let mut machine = Machine::new(&prime_profile(), &[0, 1, 2, 3]);
    machine.fill(span(0, 3), Backing::Anon, true);
    machine
}

fn frame(world: &Big, vpn: u64) -> FrameNo {
    pte(world, vpn).frame
}

/// A CPU gets a translation that stores without asking the PTE.
fn holds(world: &mut Big, cpu: u16, vpn: u64, frame: FrameNo) {
    let entry = Entry { frame: frame.0, writable: true, dirty: true, executable: false, marks: 0 };
    let page = page(world, vpn);
    world.tlb_fill(Cpu(cpu), page, AccessKind::Store, entry, &mut |_, _| {});
}

/// What a store through it would be.
fn store_of(world: &Big, cpu: u16, vpn: u64) -> Option<Class> {
    let entry = world.tlb_peek(Cpu(cpu), page(world, vpn)).expect("it holds one");
    Marks::of(entry).breaks(AccessKind::Store)
}

#[test]
fn after_fork_only_stores_to_what_the_child_shares_are_lost() {
    let mut machine = machine();
    let child = machine.world.add_mm();
    let world = &mut machine.world;
    let (shared, own, other) = (frame(world, 0), frame(world, 1), frame(world, 2));
    let copied = world.populate(child, 0);
    let pte = world.pte(page(world, 0));
    world.pte_xchg(copied, pte);
    let swapped = page(world, 2);
    world.pte_xchg(swapped, Pte::Swap);
    // CPU 3 still translates page 0 to the frame of another page: what the child shares is not stored to by that.
    for (cpu, vpn, frame) in [(1, 0, shared), (1, 1, own), (1, 2, other), (3, 0, other)] {
        holds(world, cpu, vpn, frame);
    }
    event(world, |cx| oracle::forked(cx, WHO, span(0, 3)));
    assert_eq!(store_of(world, 1, 0), Some(Class::Copy), "present and shared");
    assert_eq!(store_of(world, 1, 2), Some(Class::Copy), "swapped out: the slot is shared");
    assert_eq!(store_of(world, 1, 1), None, "the parent's alone");
    assert_eq!(store_of(world, 3, 0), None, "of another frame");
}

#[test]
fn a_store_behind_writeback_is_lost_until_the_page_is_dirty_again() {
    let mut machine = machine();
    let world = &mut machine.world;
    let (written, other) = (frame(world, 0), frame(world, 1));
    holds(world, 1, 0, written);
    holds(world, 2, 1, other);
    event(world, |cx| oracle::cleaned(cx, written));
    assert_eq!((store_of(world, 1, 0), store_of(world, 2, 1)), (Some(Class::CleanPage), None));
    event(world, |cx| oracle::dirtied(cx, other));
    assert_eq!(store_of(world, 1, 0), Some(Class::CleanPage), "another page was dirtied");
    event(world, |cx| oracle::dirtied(cx, written));
    assert_eq!(store_of(world, 1, 0), None);
}

#[test]
fn a_walk_makes_a_page_dirty_if_it_is_the_one_that_sets_d() {
    for (dirty, op, lost) in
        [(false, load(0), true), (true, load(0), true), (true, store(0), true), (false, store(0), false)]
    {
        let mut machine = Machine::new(&prime_profile(), &[0, 1, 2]);
        machine.fill(span(0, 1), Backing::SharedFile, dirty);
        let written = frame(&machine.world, 0);
        holds(&mut machine.world, 1, 0, written);
        event(&mut machine.world, |cx| oracle::cleaned(cx, written));
        machine.plays(2, [order(2, op)]);
        let clock = machine.run();
        assert_eq!(clock.stats.faults, 0);
        assert_eq!(store_of(&clock.world, 1, 0), lost.then_some(Class::CleanPage), "dirty {dirty}, {op:?}");
    }
}

/// How far a page has come once its folio is given up and somebody wants the frame.
fn frame_story(world: &mut Big, vpn: u64) -> bool {
    let page = page(world, vpn);
    world.pte_xchg(page, Pte::None);
    ghost::given_up(world, page);
    ghost::grabbed(world, page);
    ghost::frame_complete(world.ghost(page))
}

#[test]
fn a_flush_left_to_others_weakens_the_pages_of_its_span_that_they_hold() {
    let mut machine = machine();
    machine.fill(span(3, 1), Backing::Anon, true);
    let world = &mut machine.world;
    for (cpu, vpn) in [(1, 0), (0, 1), (1, 2), (1, 3)] {
        let frame = frame(world, vpn);
        holds(world, cpu, vpn, frame);
    }
    ghost::deferred(world, Cpu(0), MM, span(0, 3));
    assert!(frame_story(world, 0) && frame_story(world, 2), "CPU 1 holds them");
    assert!(!frame_story(world, 1), "held by who has flushed only");
    assert!(!frame_story(world, 3), "beyond the span");
}

#[test]
fn an_operation_promises_something_about_its_span_alone() {
    let mut machine = machine();
    machine.fill(span(3, 1), Backing::Anon, true);
    let world = &mut machine.world;
    for vpn in 0..4 {
        let (page, frame) = (page(world, vpn), frame(world, vpn));
        holds(world, 1, vpn, frame);
        ghost::weakened(world, Cpu(0), page);
        ghost::inspected(world, page);
    }
    event(world, |cx| oracle::synced(cx, MM, span(1, 2)));
    let complete = |world: &mut Big, vpn, kind| {
        let page = page(world, vpn);
        oracle::attempt(world, page, kind);
        ghost::complete(world.ghost(page))
    };
    for (vpn, stores) in [(0, false), (1, true), (2, true), (3, false)] {
        assert!(!complete(world, vpn, AccessKind::Load), "page {vpn}: loads are not what writeback is about");
        assert_eq!(complete(world, vpn, AccessKind::Store), stores, "page {vpn}");
    }
}

#[test]
fn write_protection_is_judged_where_this_operation_came_past_last() {
    let mut machine = machine();
    let world = &mut machine.world;
    let other = Actor { task: Task(1), cpu: Cpu(1) };
    for vpn in 0..3 {
        let frame = frame(world, vpn);
        holds(world, 2, vpn, frame);
    }
    let clean = Entry { dirty: false, ..world.tlb_peek(Cpu(2), page(world, 1)).expect("held") };
    let one = page(world, 1);
    world.tlb_update(Cpu(2), one, clean);
    let pages = [0, 1, 2].map(|vpn| page(world, vpn));
    event(world, |cx| {
        for page in pages {
            oracle::outdate(cx, WHO, page);
        }
        oracle::outdate(cx, other, pages[2]);
        oracle::write_protected(cx, WHO, MM, span(0, 3));
    });
    assert_eq!(store_of(world, 2, 0), Some(Class::Permission));
    assert_eq!(store_of(world, 2, 1), None, "clean: the store asks the PTE");
    assert_eq!(store_of(world, 2, 2), None, "another operation has come past since");
    event(world, |cx| oracle::renew(cx, other, span(0, 3), true));
    assert_eq!(store_of(world, 2, 2), Some(Class::Data), "and now it returns");
}
