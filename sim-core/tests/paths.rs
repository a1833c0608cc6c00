//! What fork, the end of an address space, NUMA balancing, writeback and freed page tables leave behind, on the clock.

mod common;

use common::hand::Hand;
use common::{MM, Machine, load, order, span, store};
use sim_core::drive::clock::log::Happened;
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::kernel::path::{labels, would_hit};
use sim_core::machine::testing::prime_profile;
use sim_core::machine::tlb::Entry;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Cpu, Lock, Mm, Present, Pte, Rights, Span};
use sim_core::step::era;
use sim_core::step::frame::{Act, Path};
use sim_core::world::big::Big;
use sim_core::world::{Cause, Folio, World};

const CHILD: Mm = Mm(1);
/// Tasks 0 to 15 are the CPUs' own; this one runs in the child, on CPU 2.
const CHILDS_CPU: u16 = 2;

fn pte(world: &Big, mm: Mm, vpn: u64) -> Present {
    let page = world.page(mm, vpn).expect("a touched page");
    world.pte(page).present().unwrap_or_else(|| panic!("page {vpn} of {mm:?} is not present"))
}

/// A machine with a child to be, on CPU 2.
fn family() -> Machine {
    let mut machine = Machine::new(&prime_profile(), &[0, 1]);
    assert_eq!(machine.world.add_mm(), CHILD);
    machine
}

fn childs(machine: &mut Machine, op: Op) -> sim_core::drive::clock::source::Order {
    let task = machine.world.add_task(Some(CHILD));
    sim_core::drive::clock::source::Order { task, not_before: 1_000_000, ..order(CHILDS_CPU, op) }
}

fn run<const N: usize>(mut machine: Machine, plays: [(u16, Op); N]) -> Clock<common::Script> {
    for (cpu, op) in plays {
        machine.plays(cpu, [order(cpu, op)]);
    }
    machine.run()
}

/// Runs it and notes something of its acts, in order.
fn run_noting<T>(machine: Machine, note: impl Fn(Act, Path) -> Option<T>) -> (Clock<common::Script>, Vec<T>) {
    let mut clock = machine.clock(|script| script, RunAhead::Off);
    clock.stats.log = Some(Vec::new());
    clock.run();
    let log = clock.stats.log.take().expect("it was kept");
    let noted = log.iter().filter_map(|entry| match entry.what {
        Happened::Act(act, step) => note(act, step.path),
        _ => None,
    });
    let noted = noted.collect();
    (clock, noted)
}

#[test]
fn fork_shares_every_private_page_and_a_store_copies_one() {
    let mut machine = family();
    machine.fill(span(0, 3), Backing::Anon, true);
    machine.plays(0, [store(0), Op::fork(CHILD), store(1)].map(|op| order(0, op)));
    let clock = machine.run();
    let world = &clock.world;
    for vpn in [0, 2] {
        let (parent, child) = (pte(world, MM, vpn), pte(world, CHILD, vpn));
        assert_eq!(parent.frame, child.frame);
        assert!(!parent.writable && !child.writable, "{parent:?} {child:?}");
    }
    let (parent, child) = (pte(world, MM, 1), pte(world, CHILD, 1));
    assert_ne!(parent.frame, child.frame);
    assert!(parent.writable && parent.dirty && !child.writable);
    assert_eq!(clock.stats.flushes[&Cause::Operation], 1, "the flush of the parent");
    assert_eq!(clock.stats.flushes[&Cause::Cow], 1);
    // The last user of a frame takes it over as it is.
    assert!(world.shared(child.frame, world.page(MM, 1).expect("touched")) && world.folio(child.frame).allocated);
}

#[test]
fn the_last_to_let_go_of_a_shared_frame_frees_it() {
    for (ops, left) in [(vec![Op::fork(CHILD)], 2), (vec![Op::fork(CHILD), Op::exit(CHILD)], 2)] {
        let mut machine = family();
        machine.fill(span(0, 2), Backing::Anon, true);
        machine.plays(0, ops.into_iter().map(|op| order(0, op)));
        let clock = machine.run();
        let allocated = (0..2).filter(|&vpn| clock.world.folio(pte(&clock.world, MM, vpn).frame).allocated).count();
        assert_eq!(allocated, left);
    }
    let mut machine = family();
    machine.fill(span(0, 2), Backing::Anon, true);
    let frames = [0, 1].map(|vpn| pte(&machine.world, MM, vpn).frame);
    let ops = [Op::fork(CHILD), Op::call(OpKind::Munmap, span(0, 2)), Op::exit(CHILD)];
    machine.plays(0, ops.map(|op| order(0, op)));
    let clock = machine.run();
    assert!(frames.iter().all(|&frame| !clock.world.folio(frame).allocated));
    assert_eq!(clock.world.page(CHILD, 0).map(|page| clock.world.pte(page)), Some(Pte::None));
}

#[test]
fn a_child_reads_the_shared_frame_and_copies_it_to_write() {
    let mut machine = family();
    machine.fill(span(0, 1), Backing::Anon, true);
    let frame = pte(&machine.world, MM, 0).frame;
    machine.plays(0, [order(0, Op::fork(CHILD))]);
    let (reads, writes) = (childs(&mut machine, load(0)), childs(&mut machine, store(0)));
    machine.plays(CHILDS_CPU, [reads, writes]);
    let clock = machine.run();
    assert_eq!(pte(&clock.world, MM, 0).frame, frame);
    let child = pte(&clock.world, CHILD, 0);
    assert!(child.frame != frame && child.writable);
    assert_eq!((clock.stats.faults, clock.stats.segvs), (1, 0), "the load needs no fault");
}

#[test]
fn reclaim_unmaps_a_shared_frame_from_both() {
    let mut machine = family();
    machine.policy = "batched";
    machine.fill(span(0, 1), Backing::Anon, true);
    let frame = pte(&machine.world, MM, 0).frame;
    let reclaimer = machine.world.add_task(None);
    machine.plays(0, [order(0, Op::fork(CHILD)), order(0, Op::call(OpKind::Other, Span::default()))]);
    let reclaim = Op::call(OpKind::Reclaim(MM), Span::page(0));
    machine.plays(
        3,
        [common::at(1_000_000, sim_core::drive::clock::source::Order { task: reclaimer, ..order(3, reclaim) })],
    );
    let clock = machine.run();
    for mm in [MM, CHILD] {
        let page = clock.world.page(mm, 0).expect("touched");
        assert_eq!(clock.world.pte(page), Pte::Swap, "{mm:?}");
    }
    assert!(!clock.world.folio(frame).allocated);
    assert_eq!(clock.stats.deferred, 1, "the child has run nowhere: its mask holds no CPU to defer for");
}

#[test]
fn after_a_pass_of_numa_balancing_the_next_access_faults_once() {
    let mut machine = Machine::new(&prime_profile(), &[0]);
    machine.fill(span(0, 4), Backing::Anon, true);
    let before = pte(&machine.world, MM, 2);
    let ops = [load(2), Op::call(OpKind::NumaScan, span(0, 4)), load(2), load(2), store(2)];
    machine.plays(0, ops.map(|op| order(0, op)));
    let clock = machine.run();
    assert_eq!((clock.stats.faults, clock.stats.segvs), (1, 0));
    assert_eq!(pte(&clock.world, MM, 2), Present { accessed: true, ..before });
    assert!(pte(&clock.world, MM, 3).protnone, "nobody has come by yet");
}

#[test]
fn writeback_cleans_every_pte_and_the_next_store_makes_the_page_dirty_again() {
    let stats = |ops: &[Op]| {
        let mut machine = Machine::new(&prime_profile(), &[0]);
        machine.fill(span(0, 2), Backing::SharedFile, false);
        machine.plays(0, ops.iter().map(|&op| order(0, op)));
        let clock = machine.run();
        let folio = clock.world.folio(pte(&clock.world, MM, 0).frame);
        (clock.stats.writes, clock.stats.faults, pte(&clock.world, MM, 0), folio.dirty)
    };
    let sync = Op::call(OpKind::Writeback(MM), span(0, 2));
    // `fill` leaves writable PTEs, as an earlier store would.
    let (writes, _, _, dirty) = stats(&[sync]);
    assert_eq!((writes, dirty), (0, false), "nothing is dirty");
    let protected = [Op::mprotect(span(0, 2), Rights::READ), Op::mprotect(span(0, 2), Rights::READ_WRITE)];
    let (writes, faults, pte, dirty) = stats(&[protected[0], protected[1], store(0)]);
    assert_eq!((writes, faults, pte.dirty, dirty), (0, 1, true, true));
    let (writes, _, pte, dirty) = stats(&[protected[0], protected[1], store(0), sync, sync]);
    assert_eq!((writes, pte.writable, pte.dirty, dirty), (1, false, false, false));
    let (writes, faults, pte, dirty) = stats(&[protected[0], protected[1], store(0), sync, store(0), sync, store(0)]);
    assert_eq!((writes, faults, pte.writable, dirty), (2, 3, true, true));
}

/// munmap of a page that was never touched, under a table that other pages have made; CPU 1 has been left idle.
fn unmap_untouched(neighbour: bool) -> Clock<common::Script> {
    let mut machine = Machine::new(&prime_profile(), &[0, 1]);
    // Machine maps 1,024 pages; this is the third table.
    machine.fill(span(1024, 1), Backing::Anon, false);
    if neighbour {
        machine.fill(span(1030, 1), Backing::Anon, false);
    }
    machine.era = "v6.18";
    machine.world.switch_mm(Cpu(1), None, true, &mut |_, _| {});
    // The page goes first; a page that was mapped later and never touched then has only its table.
    let vma = sim_core::world::Vma { mapped: true, rights: Rights::READ_WRITE, backing: Backing::Anon };
    machine.world.map(MM, span(1025, 1), vma);
    run(machine, [(0, Op::call(OpKind::Dontneed, span(1024, 1))), (0, Op::call(OpKind::Munmap, span(1024, 2)))])
}

#[test]
fn munmap_that_frees_a_table_flushes_and_tells_lazy_cpus() {
    let kept = unmap_untouched(true);
    assert_eq!(kept.stats.flushes[&Cause::Operation], 1, "DONTNEED only: munmap finds nothing to flush");
    assert_eq!(kept.stats.ipis_received, 0, "the lazy CPU is passed over");
    let freed = unmap_untouched(false);
    assert_eq!(freed.stats.flushes[&Cause::Operation], 2, "munmap flushes for the table");
    assert_eq!(freed.stats.ipis_received, 1, "walks through a freed table must end everywhere");
    assert_eq!(freed.world.next_table(MM, span(1024, 512)), None);
    assert!(kept.world.next_table(MM, span(1024, 512)).is_some());
}

#[test]
fn a_freed_table_is_allocated_again_by_the_next_fault() {
    let mut machine = Machine::new(&prime_profile(), &[0]);
    machine.fill(span(1024, 1), Backing::Anon, false);
    let map = Op { rights: Rights::READ_WRITE, ..Op::call(OpKind::Mmap(Backing::Anon), span(1024, 1)) };
    let ops = [Op::call(OpKind::Munmap, span(1024, 1)), map, store(1024)];
    let clock = run(machine, ops.map(|op| (0, op)));
    assert!(pte(&clock.world, MM, 1024).writable);
    assert!(clock.world.next_table(MM, span(1024, 512)).is_some());
}

#[test]
fn every_step_of_every_path_has_a_number_and_a_text() {
    for path in Path::ALL {
        let labels = labels(path);
        assert!(!labels.is_empty(), "{path:?}");
        assert!(labels.iter().all(|label| !label.id.is_empty() && !label.text.is_empty()), "{path:?}");
    }
}

#[test]
fn a_translation_serves_what_it_allows_and_a_clean_one_no_store_where_the_walker_sets_d() {
    use AccessKind::{Fetch, Load, Store};
    let held = |writable, dirty| Entry { frame: 1, writable, dirty, executable: true, marks: 0 };
    for (writable, dirty, assist, served) in [
        (true, true, true, &[Load, Fetch, Store][..]),
        (true, false, true, &[Load, Fetch]),
        (true, false, false, &[Load, Fetch, Store]),
        (false, true, false, &[Load, Fetch]),
        (false, false, true, &[Load, Fetch]),
    ] {
        for kind in [Load, Fetch, Store] {
            let what = format!("{kind:?}, writable {writable}, dirty {dirty}, assist {assist}");
            assert_eq!(would_hit(held(writable, dirty), kind, assist), served.contains(&kind), "{what}");
        }
    }
}

#[test]
fn a_move_goes_as_far_at_a_time_as_one_pair_of_page_tables_reaches() {
    // The old place crosses into the next table after 2 pages, the new one after 3: 2, 1 and 1 pages. Of the one page both places are under the second table.
    let (old, new) = (span(510, 4), 1021);
    let mut machine = Machine::new(&prime_profile(), &[0]);
    machine.fill(old, Backing::Anon, true);
    let frames: Vec<_> = (0..4).map(|n| pte(&machine.world, MM, old.first + n).frame).collect();
    // MREMAP_FIXED unmaps the new place first.
    machine.plays(0, [order(0, Op::call(OpKind::Munmap, span(new, 4))), order(0, Op::mremap(old, new))]);
    let (mut clock, under) = run_noting(machine, |act, path| match act {
        Act::Lock(Lock::Ptl(table)) if path == Path::Mremap => Some(table),
        _ => None,
    });
    let [first, second, third] = [510, 512, 1024].map(|vpn| {
        let page = clock.world.populate(MM, vpn);
        clock.world.table_of(page)
    });
    assert_eq!(under, [first, second, second, second, third]);
    assert_eq!((0..4).map(|n| pte(&clock.world, MM, new + n).frame).collect::<Vec<_>>(), frames);
    let gone = |vpn| clock.world.page(MM, vpn).map(|page| clock.world.pte(page));
    assert!((0..4).all(|n| gone(old.first + n) == Some(Pte::None)));
}

#[test]
fn truncation_unmaps_once_more_under_the_folio_lock_what_was_mapped_since() {
    let mut machine = Machine::new(&prime_profile(), &[]);
    machine.fill(span(0, 1), Backing::SharedFile, true);
    let frame = pte(&machine.world, MM, 0).frame;
    let mut hand = Hand::new(machine.world, *era::find("v6.18").expect("an era"));
    hand.begin(2, Op::call(OpKind::Truncate(MM), span(0, 1)));
    hand.step_until(2, |act| matches!(act, Act::FlushEnd { .. }));
    // The page is found in the page cache still.
    hand.begin(0, load(0));
    hand.finish(0);
    assert_eq!(pte(&hand.world, MM, 0).frame, frame);
    hand.finish(2);
    let page = hand.world.page(MM, 0).expect("touched");
    assert_eq!((hand.world.pte(page), hand.world.folio(frame).allocated), (Pte::None, false));
    let flushes = hand.heard.acts.iter().filter(|(_, act, _)| matches!(act, Act::FlushBegin { .. })).count();
    assert_eq!(flushes, 2);
}

#[test]
fn a_load_of_a_private_file_page_and_a_store_to_it_leave_no_frame_behind() {
    let mut machine = Machine::new(&prime_profile(), &[0]);
    let vma = sim_core::world::Vma { mapped: true, rights: Rights::READ_WRITE, backing: Backing::PrivateFile };
    machine.world.map(MM, span(0, 1), vma);
    machine.plays(0, [order(0, load(0)), order(0, store(0))]);
    let (clock, copies) = run_noting(machine, |act, _| match act {
        Act::Copy { from, to } => Some((from, to)),
        _ => None,
    });
    let [(from, to)] = copies[..] else { panic!("one copy") };
    assert_eq!(pte(&clock.world, MM, 0).frame, to);
    assert!(!clock.world.folio(from).allocated && clock.world.folio(to).allocated);
}

#[test]
fn a_page_stays_in_the_rmap_until_who_unmaps_it_has_flushed_whatever_happens_beside_it() {
    // The last page of a table and the first of the next: each has its PTL.
    let mut machine = Machine::new(&prime_profile(), &[]);
    machine.fill(span(511, 2), Backing::SharedFile, true);
    let frame = pte(&machine.world, MM, 512).frame;
    let mut hand = Hand::new(machine.world, *era::find("v6.18").expect("an era"));
    hand.begin(1, Op::call(OpKind::Dontneed, span(512, 1)));
    hand.step_until(1, |act| matches!(act, Act::PteXchg { .. }));
    hand.begin(0, Op::call(OpKind::Dontneed, span(511, 1)));
    hand.finish(0);
    assert_eq!(hand.world.next_mapping(frame, 0), hand.world.page(MM, 512), "its flush is not made yet");
    hand.finish(1);
    assert_eq!(hand.world.next_mapping(frame, 0), None);
}

#[test]
fn a_page_that_is_unmapped_while_it_is_written_is_freed_by_writeback_or_by_who_has_it_pinned() {
    for pinned in [false, true] {
        let mut machine = Machine::new(&prime_profile(), &[]);
        machine.fill(span(0, 1), Backing::SharedFile, true);
        let frame = pte(&machine.world, MM, 0).frame;
        machine.world.set_folio(frame, Folio { dirty: true, ..machine.world.folio(frame) });
        let mut hand = Hand::new(machine.world, *era::find("v6.18").expect("an era"));
        hand.begin(2, Op::call(OpKind::Writeback(MM), span(0, 1)));
        hand.step_until(2, |act| matches!(act, Act::PteRead(_)));
        hand.begin(0, Op::call(OpKind::Munmap, span(0, 1)));
        hand.finish(0);
        hand.frees_last(frame, pinned);
    }
}

#[test]
fn pageout_leaves_what_a_child_shares() {
    for forks in [false, true] {
        let mut machine = family();
        machine.fill(span(0, 1), Backing::Anon, true);
        machine.plays(0, forks.then_some(order(0, Op::fork(CHILD))));
        machine.plays(0, [order(0, Op::call(OpKind::Pageout, span(0, 1)))]);
        let clock = machine.run();
        let page = clock.world.page(MM, 0).expect("touched");
        assert_eq!(clock.world.pte(page) == Pte::Swap, !forks);
    }
}

#[test]
fn mmap_unmaps_what_is_there_first() {
    let mut machine = Machine::new(&prime_profile(), &[0]);
    machine.fill(span(0, 1), Backing::SharedFile, true);
    let frame = pte(&machine.world, MM, 0).frame;
    let mut hand = Hand::new(machine.world, *era::find("v6.18").expect("an era"));
    // The first one finds a page to unmap, the second one only the VMA of the first.
    for flushes in [1, 0] {
        hand.heard.acts.clear();
        hand.begin(0, Op::call(OpKind::Mmap(Backing::Anon), span(0, 1)));
        hand.finish(0);
        let begun = hand.heard.acts.iter().filter(|(_, act, _)| matches!(act, Act::FlushBegin { .. }));
        assert_eq!(begun.count(), flushes);
        assert_eq!(hand.world.pte(common::page(&hand.world, 0)), Pte::None);
        assert_eq!(hand.world.vma(MM, 0).backing, Backing::Anon);
        assert!(!hand.world.folio(frame).allocated);
    }
}
