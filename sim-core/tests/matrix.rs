//! Every policy against every form of the race: one reclaimer, one CPU that makes the call, one other user.
//!
//! The verdicts agree with those of an independent model of the same steps, written for another checker.

#[path = "models/ways.rs"]
mod ways;

use sim_core::drive::engine::Setting;
use sim_core::drive::explore::Verdict;
use sim_core::drive::explore::race::{Only, Race};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Mm, Rights, Span};
use sim_core::oracle::Class;
use sim_core::policy::{self, OTHERS, POLICIES};
use sim_core::step::era::{self, Era};
use sim_core::world::small::Scenario;
use ways::search;

const STATES: usize = 20_000_000;
/// Policies that defer and do not tell anybody, or tell them something that does not help.
const SILENT: [&str; 4] = ["batched", "latr", "local-only", "arm64-dsb"];
/// The first page of a second page table.
const B: u64 = 512;

fn load(page: u64) -> Op {
    Op::access(AccessKind::Load, page)
}

fn store(page: u64) -> Op {
    Op::access(AccessKind::Store, page)
}

fn call(kind: OpKind, page: u64) -> Op {
    Op::call(kind, Span::page(page))
}

fn reclaim(page: u64) -> Op {
    call(OpKind::Reclaim(Mm(0)), page)
}

fn mprotect(page: u64, rights: Rights) -> Op {
    Op::mprotect(Span::page(page), rights)
}

fn mmap(page: u64) -> Op {
    Op { rights: Rights::READ_WRITE, ..call(OpKind::Mmap(Backing::Anon), page) }
}

/// Reclaim of page 0, a user and the calls; PTEs dirty or clean.
fn scenario(dirty: bool, user: &[Op], calls: &[Op]) -> Scenario {
    Scenario { dirty, ..Scenario::new("row", 1, 1, &[&[reclaim(0)], user, calls]) }
}

/// Asserts a row: `class` under the policies of `raced`, and nothing at all under the others.
fn row(scenario: &Scenario, era: Era, class: Class, raced: &[&str]) {
    for info in POLICIES.iter().chain(OTHERS) {
        let race = Race { scenario, setting: Setting::of(info, era) };
        if raced.contains(&info.name) {
            let outcome = search(&Only(race, class), STATES);
            assert!(matches!(outcome.verdict, Verdict::Sometimes(_)), "{}: {:?}", info.name, outcome.verdict);
        } else {
            let outcome = search(&race, STATES);
            assert_eq!(outcome.verdict, Verdict::Never { vacuous: false }, "{}: {outcome:?}", info.name);
        }
    }
    assert!(raced.iter().all(|name| policy::find(name).is_some_and(|info| info.name == *name)));
}

fn v4_13() -> Era {
    *era::find("v4.13").expect("an era")
}

fn modern() -> Era {
    *era::find("v6.18").expect("an era")
}

fn and<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SILENT.iter().chain(more).copied().collect()
}

#[test]
fn mprotect_read_only_and_a_store() {
    let calls = [mprotect(0, Rights::READ)];
    row(&scenario(true, &[store(0), store(0)], &calls), v4_13(), Class::Permission, &SILENT);
}

#[test]
fn mprotect_read_only_and_a_store_through_a_clean_entry() {
    let scenario = scenario(false, &[load(0), store(0)], &[mprotect(0, Rights::READ)]);
    row(&scenario, v4_13(), Class::Permission, &[]);
    let weak = Era { dirty_assist: false, ..v4_13() };
    row(&scenario, weak, Class::Permission, &and(&["clean-only"]));
}

#[test]
fn mprotect_none_and_a_load_of_a_clean_page() {
    let scenario = scenario(false, &[load(0), load(0)], &[mprotect(0, Rights::NONE)]);
    row(&scenario, v4_13(), Class::Permission, &and(&["clean-only"]));
}

#[test]
fn munmap_and_a_load_of_a_dirty_page() {
    let scenario = scenario(true, &[load(0), load(0)], &[call(OpKind::Munmap, 0)]);
    row(&scenario, modern(), Class::Unmapped, &SILENT);
}

#[test]
fn munmap_and_mmap_and_a_store() {
    let scenario = scenario(true, &[store(0), store(0)], &[call(OpKind::Munmap, 0), mmap(0)]);
    row(&scenario, modern(), Class::Data, &SILENT);
}

#[test]
fn mmap_over_what_is_mapped() {
    // A store goes to the old frame, and the load of it to the new one.
    for user in [store(0), load(0)] {
        row(&scenario(true, &[user, user], &[mmap(0)]), modern(), Class::Data, &SILENT);
    }
}

#[test]
fn dontneed_and_a_refault_and_a_load_of_a_clean_page() {
    let scenario = scenario(false, &[load(0), load(0)], &[call(OpKind::Dontneed, 0), load(0)]);
    row(&scenario, modern(), Class::Data, &and(&["clean-only"]));
}

#[test]
fn madvise_free_and_a_store_to_a_dirty_page() {
    let scenario = scenario(true, &[store(0), store(0)], &[call(OpKind::Free, 0)]);
    row(&scenario, modern(), Class::Data, &SILENT);
}

#[test]
fn mremap_of_a_dirty_page_under_both_flush_rules() {
    let programs: &[&[Op]] =
        &[&[reclaim(0)], &[load(0), load(0)], &[call(OpKind::Munmap, 1), Op::mremap(Span::page(0), 1)]];
    let scenario = Scenario { dirty: true, ..Scenario::new("mremap", 2, 1, programs) };
    row(&scenario, v4_13(), Class::Unmapped, &[]);
    row(&scenario, modern(), Class::Unmapped, &SILENT);
}

#[test]
fn fork_that_flushes_always() {
    row(&scenario(true, &[store(0), store(0)], &[Op::fork(Mm(1))]), v4_13(), Class::Copy, &[]);
}

/// One CPU works under table A and then under table B, where reclaim is.
fn two_tables(tables: u8, user: &[Op], calls: &[Op]) -> Scenario {
    let b = if tables == 2 { B } else { 1 };
    Scenario { dirty: true, ..Scenario::new("tables", 2, tables, &[&[reclaim(0), reclaim(b)], user, calls]) }
}

#[test]
fn mprotect_under_two_page_tables() {
    let calls = |b| [mprotect(0, Rights::READ), mprotect(b, Rights::READ)];
    let scenario = two_tables(2, &[store(B), store(B)], &calls(B));
    row(&scenario, v4_13(), Class::Permission, &and(&["pending-flag", "flag-before-clear"]));
    let one = two_tables(1, &[store(1), store(1)], &calls(1));
    row(&one, v4_13(), Class::Permission, &SILENT);
}

#[test]
fn dontneed_under_two_page_tables() {
    let calls = [call(OpKind::Dontneed, 0), call(OpKind::Dontneed, B)];
    let scenario = two_tables(2, &[load(B), load(B)], &calls);
    row(&scenario, v4_13(), Class::Data, &and(&["pending-flag", "flag-before-clear"]));
}

#[test]
fn a_walker_that_retakes_the_ptl_checks_again() {
    // B6: the check came before the PTL was dropped, the clear after it.
    let both = Op::call(OpKind::Free, Span { first: 0, pages: 2 });
    let programs: &[&[Op]] = &[&[reclaim(1)], &[store(1), store(1)], &[both]];
    let scenario = Scenario { dirty: true, ..Scenario::new("split", 2, 1, programs) };
    let splits = Era { free_drops_ptl: true, ..modern() };
    row(&scenario, splits, Class::Data, &SILENT);
    let mut forgets = splits;
    forgets.protections.recheck_after_relock = false;
    let racy =
        and(&["flag-before-clear", "generation-check", "pending-flag", "pending-generation", "arm64-flush", "invlpgb"]);
    row(&scenario, forgets, Class::Data, &racy);
}

#[test]
fn reclaim_that_is_entered_again_does_not_reset_the_batch() {
    // B5, with clean PTEs: R5.2 would have flushed for dirty ones just before.
    let scenario = Scenario::new("nested", 1, 1, &[&[reclaim(0)], &[load(0), load(0)]]);
    let reenters = Era { pageout_reenters: true, ..v4_13() };
    row(&scenario, reenters, Class::FreedFrame, &[]);
    let mut resets = reenters;
    resets.protections.nested_reclaim_keeps_batch = false;
    let all = POLICIES.iter().chain(OTHERS).map(|p| p.name);
    let deferring: Vec<_> = all.filter(|&name| name != "immediate").collect();
    row(&scenario, resets, Class::FreedFrame, &deferring);
}

/// Reclaim has cleared page 0, and the check of an operation there waits for its flush. Meanwhile reclaim clears page x, after
/// `extra` other pages, and x is protected next. Each of these pages has a page table of its own, or all share one.
fn restarted(extra: u64, tables: u8) -> Scenario {
    let apart = if tables == 1 { 1 } else { B };
    let list = Op::call(OpKind::Reclaim(Mm(0)), Span { first: apart, pages: extra.min(2) * apart + 1 });
    let x = extra.min(2) * apart + apart;
    // Four pages are all there are: for one clear more x goes, comes back and goes again. A fault would wait for an mprotect.
    let again = extra - extra.min(2);
    let first = if again == 0 { mprotect(0, Rights::READ) } else { call(OpKind::Dontneed, 0) };
    let lists: Vec<Op> = [reclaim(0), list].into_iter().chain((0..again).map(|_| reclaim(x))).collect();
    let programs: &[&[Op]] = &[&lists, &[load(x), load(x)], &[first, mprotect(x, Rights::NONE)]];
    Scenario { evictions: false, ..Scenario::new("restart", extra.min(2) as u8 + 2, tables, programs) }
}

#[test]
fn the_generation_pair_is_restarted_too_late_to_be_mistaken_for_itself() {
    // The pair read before the flush must not come back during it: with the restart scaled down from 16,383 it does, as soon as
    // that many clears and one more fit into a flush, and not before; under one page table never.
    let verdict = |large, extra: u64, tables| {
        let policy = policy::generation_restarting_after(large).expect("scaled");
        let tables = if tables == 1 { 1 } else { extra.min(2) as u8 + 2 };
        let scenario = restarted(extra, tables);
        search(&Race { scenario: &scenario, setting: Setting { policy, era: v4_13() } }, STATES).verdict
    };
    for (large, extra, tables) in [(1, 0, 2), (2, 1, 2), (3, 2, 2), (1, 1, 1), (2, 2, 1), (3, 3, 1)] {
        assert_eq!(verdict(large, extra, tables), Verdict::Never { vacuous: false }, "{large} {extra} {tables}");
    }
    for (large, extra) in [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)] {
        assert!(matches!(verdict(large, extra, 2), Verdict::Sometimes(_)), "{large} {extra}");
    }
}
