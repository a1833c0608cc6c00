//! What things cost, to the cycle: every expected value is a sum of keys of the machine profile.

mod common;

use common::{Machine, at, load, order, span, store};
use sim_core::drive::clock::Clock;
use sim_core::drive::clock::source::Order;
use sim_core::machine::profile::{IpiMode, Profile};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Cpu, Rights, Span};

/// Runs accesses on CPU 0 one after the other and gives the cycles of each.
fn accesses(machine: Machine, ops: &[Op]) -> Vec<u64> {
    let mut machine = machine;
    machine.plays(0, ops.iter().map(|&op| order(0, op)));
    machine.run().source.ran[0].iter().map(|ran| ran.cycles()).collect()
}

fn filled(p: &Profile, users: &[u16], pages: &[Span]) -> Machine {
    let mut machine = Machine::new(p, users);
    for &pages in pages {
        machine.fill(pages, Backing::Anon, false);
    }
    machine
}

/// A user access once translated.
fn hit(p: &Profile) -> u64 {
    p.cache.l1_cyc
}

fn warm_leaf_walk(p: &Profile) -> u64 {
    p.psc.hit_cyc + p.tlb.cached_walk_extra_cyc
}

#[test]
fn hits_and_walks() {
    let p = prime_profile();
    let machine = filled(&p, &[0], &[span(0, 16)]);
    // Pages 0, 3 and 6 share a set of the first level, which has two ways.
    let cycles = accesses(machine, &[load(0), load(0), load(8), load(3), load(6), load(0), load(0)]);
    let dram = p.cache.dram_local_cyc;
    let cold = p.psc.hit_cyc + 4 * dram + hit(&p);
    let cold_leaf = p.psc.hit_cyc + dram + hit(&p);
    let warm_leaf = warm_leaf_walk(&p) + hit(&p);
    let stlb = hit(&p) + p.tlb.stlb_hit_cyc;
    assert_eq!(cycles, [cold, hit(&p), cold_leaf, warm_leaf, warm_leaf, stlb, hit(&p)]);
}

#[test]
fn walks_with_cold_paging_structure_caches_and_warm_lines() {
    let p = prime_profile();
    let tables: Vec<Span> = (0..5).map(|n| span(n * 512, 16)).collect();
    let machine = filled(&p, &[0], &tables);
    // Four other tables push the first one out of the PDE cache; the PDPTE stays.
    let cycles = accesses(machine, &[load(0), load(512), load(1024), load(1536), load(2048), load(1)]);
    assert_eq!(cycles[5], p.psc.hit_cyc + p.cache.l2_cyc + p.tlb.cached_walk_extra_cyc + hit(&p));

    // INVLPG empties all of them.
    let machine = filled(&p, &[0], &[span(0, 16)]);
    let cycles = accesses(machine, &[load(0), Op::mprotect(span(0, 1), Rights::READ), load(1)]);
    let uppers = 3 * p.cache.l2_cyc;
    assert_eq!(cycles[2], p.psc.hit_cyc + uppers + p.tlb.cached_walk_extra_cyc + hit(&p));
}

#[test]
fn a_leaf_that_another_core_wrote_is_transferred() {
    let p = prime_profile();
    for (other, transfer) in [(8, p.cache.c2c_same_cyc), (1, p.cache.c2c_same_cyc)]
        .into_iter()
        .chain([(2, p.cache.c2c_die_cyc.unwrap()), (4, p.cache.c2c_remote_cyc.unwrap())])
    {
        let mut machine = filled(&p, &[0, other], &[span(0, 16)]);
        // The walk of a store sets D: the line is the walker's.
        machine.plays(other, [order(other, store(1))]);
        machine.plays(0, [at(100_000, order(0, load(0)))]);
        let ran = machine.run().source.ran;
        let expected = p.psc.hit_cyc + 3 * p.cache.l2_cyc + transfer + hit(&p);
        assert_eq!(ran[0][0].cycles(), expected, "from CPU {other}");
    }
}

#[test]
fn a_store_through_a_clean_entry_walks_again() {
    let p = prime_profile();
    let machine = filled(&p, &[0], &[span(0, 16)]);
    let cycles = accesses(machine, &[load(0), store(0), store(0)]);
    assert_eq!(cycles[1..], [warm_leaf_walk(&p) + hit(&p), hit(&p)]);
}

#[test]
fn a_first_touch_costs_a_minor_fault() {
    let mut p = prime_profile();
    let (cold_uppers, leaf) = (3 * p.cache.dram_local_cyc, p.tlb.cached_walk_extra_cyc);
    let retried = p.psc.hit_cyc + cold_uppers + leaf + hit(&p);
    let touches = 6 * p.cache.l1_cyc;
    let least = p.kernel.fault_entry_cyc + touches + p.kernel.fault_exit_cyc;
    assert_eq!(accesses(Machine::new(&p, &[0]), &[store(0)]), [least + retried]);
    // A fault that takes longer than its parts takes exactly what the profile says.
    p.kernel.minor_fault_anon_cyc = least + p.kernel.rmap_unmap_one_cyc;
    let whole = p.kernel.minor_fault_anon_cyc;
    assert_eq!(accesses(Machine::new(&p, &[0]), &[store(0)]), [whole + retried]);
}

#[test]
fn a_munmap_takes_what_the_profile_says() {
    let p = prime_profile();
    let lru = 457;
    // The lock of the LRU lists is taken to free the page and, before v6.14, to put it on its list first.
    for (era, downgrades, drains) in [("v4.13", 0, 1), ("v5.17", 1, 1), ("v6.18", 1, 0)] {
        let munmap = |base, call| {
            let mut p = p.clone();
            (p.kernel.munmap_base_cyc, p.kernel.lru_lock_hold_cyc) = (base, Some(lru));
            let mut machine = Machine::new(&p, &[0]);
            machine.era = era;
            accesses(machine, &[store(0), store(1), Op::call(call, span(0, 1))])[2]
        };
        // Locks, VMA, PTE, unlocks, return.
        let least = p.kernel.syscall_cyc + (1 + drains) * lru + invlpg(&p) + (7 + downgrades) * p.cache.l1_cyc;
        for (base, whole) in [(None, least), (Some(least - 1), least), (Some(least + 1_009), least + 1_009)] {
            assert_eq!(munmap(base, OpKind::Munmap), whole, "{era} {base:?}");
        }
        // What mmap replaces is a munmap within it, and madvise leaves the VMAs alone.
        for other in [OpKind::Mmap(Backing::Anon), OpKind::Dontneed] {
            assert_eq!(munmap(Some(least + 1_009), other), munmap(None, other), "{era} {other:?}");
        }
    }
}

#[test]
fn the_vmas_of_a_munmap_are_charged_once() {
    let munmap = |backing, base| {
        let mut p = prime_profile();
        p.kernel.munmap_base_cyc = base;
        let mut machine = Machine::new(&p, &[0]);
        machine.fill(span(0, 1), backing, false);
        accesses(machine, &[load(0), Op::call(OpKind::Munmap, span(0, 1))])[1]
    };
    let of = |backing| munmap(backing, Some(100_003)) - munmap(backing, None);
    // The VMA of a driver's memory is taken off its file as well.
    assert_eq!(of(Backing::Pfn), of(Backing::Anon));
}

/// Interrupt to flush at a target that finds one request: the head of its queue, the request and `tlb_gen` are with CPU 0.
fn to_flush(p: &Profile, cpu: u16, flush: u64) -> u64 {
    irq_entry(p) + 3 * line(p, cpu) + flush
}

fn irq_entry(p: &Profile) -> u64 {
    p.ipi.irq_entry_cyc + p.ipi.pti_extra_cyc.unwrap() + p.ipi.handler_body_cyc.unwrap()
}

/// A line of CPU 0, fetched by another one.
fn line(p: &Profile, cpu: u16) -> u64 {
    match cpu {
        8 | 1 => p.cache.c2c_same_cyc,
        2 | 3 => p.cache.c2c_die_cyc.unwrap(),
        _ => p.cache.c2c_remote_cyc.unwrap(),
    }
}

/// With page-table isolation a page goes from the PCID of the user, too.
fn invlpg(p: &Profile) -> u64 {
    p.inval.invlpg_cyc.unwrap() + p.inval.invpcid_single_cyc.unwrap()
}

fn cr3(p: &Profile) -> u64 {
    p.inval.cr3_flush_cyc.unwrap()
}

fn icr(p: &Profile) -> u64 {
    p.ipi.icr_write_cyc.unwrap()
}

/// Enqueue, delivery and acknowledgement of a target of CPU 0, from the profile's own keys.
fn of_target(p: &Profile, cpu: u16) -> (u64, u64, u64) {
    let (ipi, cache) = (&p.ipi, &p.cache);
    let (enqueue, ack) = (ipi.csd_enqueue_same_cyc.unwrap(), ipi.ack_read_same_cyc.unwrap());
    // The entry; then the head of the queue is read and taken, both from the target.
    let head = 2 * line(p, cpu);
    let farther = cache.c2c_die_cyc.unwrap() - cache.c2c_same_cyc;
    match cpu {
        8 | 1 => (enqueue + head, ipi.delivery_same_cyc, ack),
        // No key: the same die plus what the line travels farther.
        2 | 3 => (enqueue + farther + head, ipi.delivery_die_cyc.unwrap(), ack + farther),
        4..=7 => (
            ipi.csd_enqueue_remote_cyc.unwrap() + head,
            ipi.delivery_remote_cyc.unwrap(),
            ipi.ack_read_remote_cyc.unwrap(),
        ),
        _ => unreachable!("not a target of these tests"),
    }
}

/// The composite formula for CPU 0: cycles of (its own work, its waiting, all receivers).
fn shootdown(p: &Profile, targets: &[u16], flush: u64, concurrent: bool) -> (u64, u64, u64) {
    let enqueues: u64 = targets.iter().map(|&t| of_target(p, t).0).sum();
    let acks: u64 = targets.iter().map(|&t| of_target(p, t).2).sum();
    let writes = targets.len() as u64 * icr(p);
    let acked = |(n, &t): (usize, &u16)| enqueues + (n as u64 + 1) * icr(p) + of_target(p, t).1 + to_flush(p, t, flush);
    let last = targets.iter().enumerate().map(acked).max().unwrap();
    let busy = enqueues + writes + if concurrent { flush } else { 0 };
    let receivers = targets.iter().map(|&t| to_flush(p, t, flush) + p.ipi.irq_exit_cyc).sum();
    (enqueues + writes + flush + acks, last.saturating_sub(busy), receivers)
}

fn protect(p: &Profile, targets: &[u16], pages: Span, era: &'static str) -> Clock<common::Script> {
    let mut users = vec![0];
    users.extend(targets);
    let mut machine = filled(p, &users, &[pages]);
    machine.era = era;
    machine.plays(0, [order(0, Op::mprotect(pages, Rights::READ))]);
    machine.run()
}

#[test]
fn a_shootdown_costs_what_the_composite_formula_says() {
    let p = prime_profile();
    let sets: [&[u16]; 7] = [&[8], &[1], &[2], &[4], &[1, 4], &[4, 8], &[1, 2, 3, 4, 5, 6, 7, 8]];
    for targets in sets {
        for (era, concurrent) in [("v4.13", false), ("v5.17", true)] {
            let full = span(0, u64::from(p.kernel.flush_ceiling_pages) + 1);
            for (pages, flush) in [(span(0, 1), invlpg(&p)), (span(0, 3), 3 * invlpg(&p)), (full, cr3(&p))] {
                let clock = protect(&p, targets, pages, era);
                let (busy, waiting, receivers) = shootdown(&p, targets, flush, concurrent);
                let cycles = clock.stats.cycles;
                let what = format!("{targets:?} {era} {pages:?}");
                assert_eq!((cycles.initiator, cycles.waiting), (busy, waiting), "{what}");
                assert_eq!(cycles.receivers, receivers, "{what}");
                // Around it: the call, two locks and their release, the VMA, a PTE a page, the return.
                let around = p.kernel.syscall_cyc + (6 + pages.pages) * p.cache.l1_cyc;
                assert_eq!(clock.source.ran[0][0].cycles(), around + busy + waiting, "{what}");
                assert_eq!(clock.stats.ipis_sent, targets.len() as u64);
                assert_eq!(clock.stats.ipis_received, targets.len() as u64);
            }
        }
    }
}

/// The interrupts of the others leave all the same, one look at the idle CPU later.
#[test]
fn the_last_target_may_be_idle() {
    let p = prime_profile();
    let run = |idle: &[u16]| {
        let mut machine = filled(&p, &[&[0, 1], idle].concat(), &[span(0, 1)]);
        machine.era = "v6.18";
        for &cpu in idle {
            machine.world.switch_mm(Cpu(cpu), None, true, &mut |_, _| {});
        }
        machine.plays(0, [order(0, Op::mprotect(span(0, 1), Rights::READ))]);
        let clock = machine.run();
        assert_eq!((clock.stats.ipis_sent, clock.stats.ipis_received), (1, 1), "{idle:?}");
        clock.source.ran[0][0].cycles()
    };
    let (without, with) = (run(&[]), run(&[8]));
    assert_eq!(with, without + p.c2c_cycles(p.distance(0, 8)));
}

/// An idle CPU takes its interrupt when it has woken; one that only borrows an address space for work of its own does so at once.
#[test]
fn an_idle_target_has_to_wake_first() {
    let p = prime_profile();
    let run = |borrows: bool, kthread: &[Order]| {
        let mut machine = filled(&p, &[0, 4], &[span(0, 1)]);
        // From before lazy CPUs were passed over.
        machine.era = "v4.13";
        if borrows {
            machine.world.switch_mm(Cpu(4), None, true, &mut |_, _| {});
        }
        machine.plays(0, [order(0, Op::mprotect(span(0, 1), Rights::READ))]);
        machine.plays(4, kthread.iter().copied());
        let stats = machine.run().stats;
        assert_eq!(stats.ipis_received, 1);
        (stats.cycles.waiting, stats.cycles.receivers)
    };
    let (in_user, busy) = run(false, &[]);
    let working = Order { work: 100_000, ..order(4, Op::call(OpKind::Other, span(0, 0))) };
    assert_eq!(run(true, &[working]), (in_user, busy));
    let woken = (in_user + p.ipi.idle_wake_cyc, busy);
    assert_eq!(run(true, &[]), woken, "nothing to do");
    assert_eq!(run(true, &[Order { work: 0, ..at(100_000, working) }]), woken, "nothing to do for now");
}

#[test]
fn alone_only_the_own_tlb_is_flushed() {
    let p = prime_profile();
    let clock = protect(&p, &[], span(0, 1), "v5.17");
    assert_eq!(clock.stats.cycles.initiator, invlpg(&p));
    assert_eq!(clock.stats.cycles.waiting, 0);
}

#[test]
fn a_cluster_is_reached_with_one_write() {
    let mut p = prime_profile();
    p.ipi.mode = IpiMode::X2apicCluster;
    let targets = [1, 2, 3, 4, 5, 6, 7, 8];
    let clock = protect(&p, &targets, span(0, 1), "v5.17");
    let sum = |part: fn((u64, u64, u64)) -> u64| targets.iter().map(|&t| part(of_target(&p, t))).sum::<u64>();
    let busy = sum(|t| t.0) + icr(&p) + invlpg(&p) + sum(|t| t.2);
    assert_eq!(clock.stats.cycles.initiator, busy);
    // The first to ask for `tlb_gen` takes it from the initiator; the others have their copies when that one is there, and no later
    // for being many.
    let asks = |t: u16| of_target(&p, t).1 + irq_entry(&p) + 2 * line(&p, t);
    let first = targets.into_iter().min_by_key(|&t| asks(t)).expect("there are targets");
    let there = asks(first) + line(&p, first);
    let has = |t: u16| if t == first { there } else { asks(t).max(there) + line(&p, t) };
    let slowest = targets.into_iter().map(has).max().expect("there are targets") + invlpg(&p);
    assert_eq!(clock.stats.cycles.waiting, slowest - invlpg(&p));
}

fn dontneed(first: u64, pages: u64) -> Op {
    Op::call(OpKind::Dontneed, span(first, pages))
}

/// Everything of an interrupt but its requests.
fn frame(p: &Profile) -> u64 {
    let ipi = &p.ipi;
    ipi.irq_entry_cyc + ipi.pti_extra_cyc.unwrap() + ipi.handler_body_cyc.unwrap() + ipi.irq_exit_cyc
}

#[test]
fn requests_that_meet_in_a_queue_share_an_interrupt() {
    let p = prime_profile();
    for pages in [1, u64::from(p.kernel.flush_ceiling_pages) + 1] {
        let mut machine = filled(&p, &[0, 1, 4], &[span(0, pages), span(512, pages)]);
        // Each flushes its own.
        machine.nested_gathers = false;
        machine.plays(0, [order(0, dontneed(0, pages))]);
        machine.plays(1, [order(1, dontneed(512, pages))]);
        let stats = machine.run().stats;
        assert_eq!((stats.ipis_sent, stats.ipis_received, stats.requests_served), (3, 3, 4));
        // Of two full requests the generation check drops the second, as it does after a full flush of one's own.
        let flushes = if pages == 1 { 4 * invlpg(&p) } else { cr3(&p) };
        // CPU 4 finds both requests under one head of its queue.
        let (near, far) = (line(&p, 1), line(&p, 4));
        let without_gen = 3 * frame(&p) + (2 * near + far) + (2 * near + 2 * far) + flushes;
        let gen_reads = stats.cycles.receivers - without_gen;
        // Who raised `tlb_gen` last has it; the others fetch it, once at least and at most for each request, in their turn.
        assert!((near + far..=4 * 2 * far).contains(&gen_reads), "{gen_reads}");
    }
}

#[test]
fn a_contended_ptl_is_handed_over() {
    let p = prime_profile();
    let (l1, c2c) = (p.cache.l1_cyc, p.cache.c2c_same_cyc);
    let mut machine = Machine::new(&p, &[0, 1]);
    machine.plays(0, [order(0, store(0))]);
    machine.plays(1, [order(1, store(1))]);
    let clock = machine.run();
    // mmap_lock, PTE, PTL, PTE, unlock; the other fetches the line of mmap_lock first, and has a copy of the line of both PTEs,
    // which has to go.
    let unlocked = p.kernel.fault_entry_cyc + 4 * l1 + c2c;
    let asked = p.kernel.fault_entry_cyc + c2c + l1;
    let got = unlocked + p.kernel.spin_handoff_same_cyc;
    assert_eq!(clock.stats.lock_wait_cycles, got - asked);
    let retried = p.psc.hit_cyc + 3 * p.cache.l2_cyc + p.tlb.cached_walk_extra_cyc + hit(&p);
    // The first has counted itself out of mmap_lock meanwhile.
    let end = got + l1 + c2c + l1 + c2c + p.kernel.fault_exit_cyc + retried;
    assert_eq!(clock.source.ran[1][0].end, end);
}

#[test]
fn a_contended_mmap_lock_is_handed_over() {
    let p = prime_profile();
    let l1 = p.cache.l1_cyc;
    for (other, handoff) in [(1, p.kernel.spin_handoff_same_cyc), (4, p.kernel.spin_handoff_remote_cyc.unwrap())] {
        let mut machine = Machine::new(&p, &[0, other]);
        machine.plays(0, [order(0, Op::mprotect(span(0, 1), Rights::READ))]);
        machine.plays(other, [order(other, Op::mprotect(span(0, 1), Rights::NONE))]);
        let clock = machine.run();
        // Lock, VMA, unlock; then the other the same, and its return.
        assert_eq!(clock.stats.lock_wait_cycles, 3 * l1 + handoff);
        // The count of those who have not flushed is another line of the first.
        let end = p.kernel.syscall_cyc + 3 * l1 + handoff + 4 * l1 + line(&p, other);
        assert_eq!(clock.source.ran[usize::from(other)][0].end, end);
    }
}

#[test]
fn waiters_for_mmap_lock_are_told_in_the_order_in_which_they_came() {
    let p = prime_profile();
    // All go on at once, and the lowest takes the lock; who was told last has its line.
    let locked = |waiters: [u16; 2]| {
        let mut machine = Machine::new(&p, &[0, 1, 2]);
        machine.plays(0, [order(0, Op::mprotect(span(0, 1), Rights::READ))]);
        for (cpu, since) in waiters.into_iter().zip(1..) {
            machine.plays(cpu, [at(since, order(cpu, Op::mprotect(span(0, 1), Rights::NONE)))]);
        }
        machine.run().source.ran[1][0].end
    };
    assert_eq!(locked([1, 2]) - locked([2, 1]), p.cache.c2c_die_cyc.unwrap() - p.cache.l1_cyc);
}

/// A shootdown by CPU 0 at time 0 meets CPU 1 before its order: when does that begin, and when did the interrupt come?
fn interrupted(p: &Profile, waiting: Order) -> (u64, u64) {
    let mut machine = filled(p, &[0, 1], &[span(0, 1)]);
    machine.plays(0, [order(0, dontneed(0, 1))]);
    machine.plays(1, [waiting]);
    let clock = machine.run();
    assert_eq!(clock.stats.ipis_received, 1);
    // The call, mmap_lock, PTL, PTE, unlock; enqueue, write, delivery.
    let (enqueue, delivery, _) = of_target(p, 1);
    let arrival = p.kernel.syscall_cyc + 4 * p.cache.l1_cyc + enqueue + icr(p) + delivery;
    (clock.source.ran[1][0].begin, arrival)
}

fn idle(not_before: u64, work: u64) -> Order {
    Order { not_before, work, ..order(1, Op::call(OpKind::Other, span(0, 0))) }
}

#[test]
fn an_interrupt_delays_work_but_not_the_time_of_an_order() {
    let p = prime_profile();
    let irq = to_flush(&p, 1, invlpg(&p)) + p.ipi.irq_exit_cyc;
    let (begin, arrival) = interrupted(&p, idle(0, 100_000));
    assert!(arrival < 100_000);
    assert_eq!(begin, 100_000 + irq);
    let begins = |order| interrupted(&p, order).0;
    assert_eq!(begins(idle(100_000, 0)), 100_000);
    // The last cycle that fits, and the first that does not.
    assert_eq!(begins(idle(arrival + irq, 0)), arrival + irq);
    assert_eq!(begins(idle(arrival + irq - 1, 0)), arrival + irq);
    assert_eq!(begins(idle(arrival + 1, 0)), arrival + irq);
    // Half work, half waiting: the waiting takes up what it can.
    assert_eq!(begins(idle(arrival + 1 + irq, arrival + 1)), arrival + 1 + irq);
    assert_eq!(begins(idle(arrival + irq, arrival + 1)), arrival + 1 + irq);
    assert_eq!(begins(idle(arrival + irq, arrival)), arrival + irq);
    // In the slack after the work nothing of the work is left.
    assert_eq!(begins(idle(100_000, arrival - 1)), 100_000);
}

#[test]
fn an_interrupt_sent_during_an_interrupt_is_taken_after_it() {
    let p = prime_profile();
    let (near, far) = (line(&p, 1), line(&p, 4));
    let requests = near + far + 2 * invlpg(&p);
    let work = 200_000;
    let mut seen = [0; 3];
    for offset in (0..8_000).step_by(31) {
        let mut machine = filled(&p, &[0, 1, 4], &[span(0, 1), span(512, 1)]);
        machine.nested_gathers = false;
        machine.plays(0, [order(0, dontneed(0, 1))]);
        machine.plays(4, [at(offset, order(4, dontneed(512, 1)))]);
        machine.plays(1, [idle(0, work)]);
        let clock = machine.run();
        let interrupts = clock.stats.ipis_received - 2;
        assert_eq!(clock.stats.requests_served, 4);
        let begin = clock.source.ran[1][0].begin;
        let lines = begin - (work + interrupts * frame(&p) + requests);
        // The head of the queue each time, and `tlb_gen`, which may be on its way to another.
        let least = interrupts * near + near;
        let most = interrupts * far + 2 * 2 * far;
        assert!((least..=most).contains(&lines), "{offset}: {lines}, expected {least} to {most}");
        seen[interrupts as usize] += 1;
    }
    assert!(seen[1] > 0 && seen[2] > 0, "{seen:?}");
}

#[test]
fn a_flag_of_user_space_costs_the_transfer_of_its_line() {
    let p = prime_profile();
    let mut machine = Machine::new(&p, &[0, 1]);
    let flag = |kind| Op::call(kind, Span::default());
    machine.plays(0, [at(1000, order(0, flag(OpKind::Signal(0)))), order(0, flag(OpKind::Await(0)))]);
    machine.plays(1, [order(1, flag(OpKind::Await(0))), order(1, flag(OpKind::Await(0)))]);
    let clock = machine.run();
    let l1 = p.cache.l1_cyc;
    let ends = |cpu: usize| clock.source.ran[cpu].iter().map(|ran| ran.end).collect::<Vec<_>>();
    assert_eq!(ends(0), [1000 + l1, 1000 + 2 * l1]);
    // The waiter goes on when the store is done, and reads the line from there; then it has it.
    let told = 1000 + l1 + p.c2c_cycles(p.distance(0, 1));
    assert_eq!(ends(1), [told, told + l1]);
    assert_eq!(clock.stats.lock_wait_cycles, 0, "user code waits at nobody's cost");
}
