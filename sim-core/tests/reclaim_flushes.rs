//! How many flushes reclaim makes, and of which kind: exact, from the rules of the batch.

mod common;

use common::{MM, Machine, order, span};
use sim_core::drive::clock::stats::Stats;
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Span};
use sim_core::world::Cause;

const BATCHING: [&str; 3] = ["batched", "pending-flag", "pending-generation"];
/// `SWAP_CLUSTER_MAX`: the pages of a shrink list.
const LIST: u64 = 32;
/// Freed folios that the kernel of v6.18 collects before it flushes and frees them.
const SLOTS: u64 = 31;
/// CPUs that run the process; another one reclaims, unless a test says otherwise.
const USERS: [u16; 2] = [0, 1];
const KSWAPD: u16 = 4;

/// Reclaims these pages in lists of so many; those of `dirty` have D set in their PTEs.
struct Reclaim {
    policy: &'static str,
    era: &'static str,
    users: Vec<u16>,
    by: u16,
    backing: Backing,
    pages: u64,
    dirty: Span,
    list_pages: u64,
}

impl Reclaim {
    fn clean(policy: &'static str, era: &'static str, pages: u64) -> Reclaim {
        let (users, backing) = (USERS.to_vec(), Backing::Anon);
        Reclaim { policy, era, users, by: KSWAPD, backing, pages, dirty: span(0, 0), list_pages: pages }
    }

    fn run(&self) -> Stats {
        let mut machine = Machine::new(&prime_profile(), &self.users);
        (machine.policy, machine.era) = (self.policy, self.era);
        let list = |first| span(first, self.list_pages.min(self.pages - first));
        for vpn in 0..self.pages {
            machine.fill(span(vpn, 1), self.backing, self.dirty.contains(vpn));
        }
        let lists = (0..self.pages).step_by(self.list_pages as usize).map(list);
        machine.plays(self.by, lists.map(|list| order(self.by, Op::call(OpKind::Reclaim(MM), list))));
        let stats = machine.run().stats;
        assert_eq!(stats.pages_dirty, self.dirty.pages);
        assert_eq!(stats.pages_dirty + stats.pages_clean, self.pages, "all are unmapped");
        stats
    }
}

/// Flushes of reclaim: before IO, at the end of a batch, a page; there are no others.
fn flushes(stats: &Stats) -> [u64; 3] {
    let of = |cause| stats.flushes.get(&cause).copied().unwrap_or(0);
    let ours = [Cause::BeforeIo, Cause::Batch, Cause::PerPage].map(of);
    assert_eq!(ours.iter().sum::<u64>(), stats.flushes.values().sum::<u64>());
    ours
}

/// Every flush interrupts both users, and nobody else.
fn assert_told(stats: &Stats) {
    let all: u64 = stats.flushes.values().sum();
    assert_eq!((stats.ipis_sent, stats.ipis_received), (2 * all, 2 * all));
}

#[test]
fn a_dirty_pte_costs_a_flush_of_its_own() {
    for policy in BATCHING {
        for era in ["v4.13", "v5.17", "v6.18"] {
            for pages in [1, 31, 32, 70] {
                let stats = Reclaim { dirty: span(0, pages), ..Reclaim::clean(policy, era, pages) }.run();
                assert_eq!(flushes(&stats), [pages, 0, 0], "{policy} {era} {pages}");
                assert_eq!((stats.deferred, stats.writes), (pages, pages), "{policy} {era}");
                assert_told(&stats);
            }
        }
    }
}

#[test]
fn clean_ptes_share_a_flush_a_list_in_old_kernels() {
    for policy in BATCHING {
        for era in ["v4.13", "v5.17"] {
            for lists in [1, 2, 5] {
                let stats = Reclaim { list_pages: LIST, ..Reclaim::clean(policy, era, lists * LIST) }.run();
                assert_eq!(flushes(&stats), [0, lists, 0], "{policy} {era}");
                // A dirty folio is written without a flush of its own as long as its PTE was clean.
                assert_eq!((stats.deferred, stats.writes), (lists * LIST, lists * LIST), "{policy} {era}");
                assert_told(&stats);
            }
        }
    }
}

#[test]
fn clean_ptes_share_a_flush_for_as_many_folios_as_are_freed_together_in_new_kernels() {
    for policy in BATCHING {
        for pages in [1, SLOTS - 1, SLOTS, SLOTS + 1, 2 * SLOTS, 2 * SLOTS + 1, 100] {
            let stats = Reclaim::clean(policy, "v6.18", pages).run();
            assert_eq!(flushes(&stats), [0, pages.div_ceil(SLOTS), 0], "{policy} {pages}");
            assert_eq!(stats.deferred, pages);
            assert_told(&stats);
        }
        // A list of 32 is one too long: the last of it is a batch of its own.
        let stats = Reclaim { list_pages: LIST, ..Reclaim::clean(policy, "v6.18", 3 * LIST) }.run();
        assert_eq!(flushes(&stats), [0, 6, 0], "{policy}");
    }
}

#[test]
fn clean_pages_of_a_file_are_dropped_with_the_flush_of_their_batch() {
    for (era, expected) in [("v4.13", 1), ("v6.18", 2)] {
        let of_file = Reclaim { backing: Backing::SharedFile, ..Reclaim::clean("pending-flag", era, LIST) };
        let stats = of_file.run();
        assert_eq!((flushes(&stats), stats.writes), ([0, expected, 0], 0), "{era}");
    }
}

#[test]
fn one_dirty_pte_pays_for_what_was_deferred_before_it() {
    for policy in BATCHING {
        for at in [0, 1, 15, LIST - 2, LIST - 1] {
            let stats = Reclaim { dirty: span(at, 1), ..Reclaim::clean(policy, "v4.13", LIST) }.run();
            // Nothing is left for the end of the list if it was the last.
            let rest = u64::from(at + 1 < LIST);
            assert_eq!(flushes(&stats), [1, rest, 0], "{policy}, page {at}");
            assert_told(&stats);
        }
    }
}

#[test]
fn nothing_is_deferred_while_no_other_cpu_is_in_the_mask() {
    // With page-table isolation a page goes from the PCID of the user, too.
    let inval = prime_profile().inval;
    let invlpg = inval.invlpg_cyc.expect("it has one") + inval.invpcid_single_cyc.expect("it has one");
    for policy in BATCHING.into_iter().chain(["immediate"]) {
        for era in ["v4.13", "v6.18"] {
            for dirty in [span(0, 0), span(0, LIST)] {
                // The only user reclaims, or the process runs nowhere: then there is nothing to flush on this CPU either.
                for (users, by, local_pages) in [(vec![0], 0, LIST), (vec![], KSWAPD, 0)] {
                    let stats = Reclaim { users, by, dirty, ..Reclaim::clean(policy, era, LIST) }.run();
                    assert_eq!(flushes(&stats), [0, 0, LIST], "{policy} {era} {dirty:?}");
                    assert_eq!((stats.deferred, stats.ipis_sent, stats.ipis_received), (0, 0, 0), "{policy} {era}");
                    assert_eq!(stats.cycles.initiator, local_pages * invlpg, "one page each: {policy} {era}");
                }
            }
        }
    }
}

#[test]
fn immediate_tells_everybody_of_every_page() {
    for era in ["v4.13", "v6.18"] {
        let stats = Reclaim::clean("immediate", era, LIST).run();
        assert_eq!((flushes(&stats), stats.deferred), ([0, 0, LIST], 0), "{era}");
        assert_told(&stats);
    }
}
