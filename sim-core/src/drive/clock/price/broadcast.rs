//! Broadcast invalidations: INVLPGB and TLBSYNC, TLBI and DSB.
//!
//! The invalidations of one CPU go out one after the other, and each has some way to go. A barrier waits until the last one is done
//! everywhere; what was issued long before is done by then.

use crate::drive::clock::price::Prices;
use crate::machine::profile::{InvalCosts, IpiMode, Profile};
use crate::nouns::types::Cpu;
use crate::world::big::Big;
use crate::world::{Cause, Request};

/// What broadcasts cost; all in cycles.
#[derive(Clone, Debug)]
pub(super) struct BroadcastCost {
    /// What issuing one takes its CPU.
    issue: u64,
    /// From when one is out to when every CPU has done it.
    latency: u64,
    /// One invalidation of so many pages (`per_pages`) at most.
    one: u64,
    per_pages: u64,
    /// From this many pages on everything of the address space is invalidated.
    limit_pages: u64,
    whole: u64,
    /// The same for the page of a PTE that is cleared (`ptep_clear_flush()`).
    cleared_latency: u64,
    /// What every other CPU with invalidations under way adds.
    peer: u64,
}

impl BroadcastCost {
    /// The costs of this machine; none if its profile has none.
    pub(super) fn new(profile: &Profile) -> Option<BroadcastCost> {
        let inval = &profile.inval;
        let own = if profile.ipi.mode == IpiMode::NoneForTlb { Self::tlbi(inval) } else { Self::invlpgb(profile) };
        own.map(|cost| BroadcastCost { peer: inval.dsb_contention_cyc_per_peer.unwrap_or(0), ..cost })
    }

    fn tlbi(inval: &InvalCosts) -> Option<BroadcastCost> {
        let (latency, one) = (inval.tlbi_dsb_fixed_cyc?, inval.tlbi_per_page_cyc?);
        Some(BroadcastCost {
            issue: inval.batched_tlbi_nosync_cyc.unwrap_or(0),
            latency,
            one,
            per_pages: 1,
            limit_pages: u64::from(inval.tlbi_range_limit_pages?),
            // Published with its barrier.
            whole: inval.tlbi_asid_all_cyc?.saturating_sub(latency).max(one),
            // Published with its invalidation.
            cleared_latency: inval.single_page_clear_flush_cyc.map_or(latency, |both| both.saturating_sub(one)),
            peer: 0,
        })
    }

    fn invlpgb(profile: &Profile) -> Option<BroadcastCost> {
        let inval = &profile.inval;
        // Published with its TLBSYNC only.
        let one = inval.invlpgb_plus_tlbsync_cyc?;
        Some(BroadcastCost {
            issue: profile.cache.l1_cyc,
            latency: 0,
            one,
            per_pages: u64::from(inval.invlpgb_max_pages?).max(1),
            limit_pages: u64::from(profile.kernel.flush_ceiling_pages) + 1,
            whole: one,
            cleared_latency: 0,
            peer: 0,
        })
    }

    /// How long it keeps the invalidations behind it waiting.
    fn occupies(&self, request: Request) -> u64 {
        let pages = request.span.map_or(u64::MAX, |span| span.pages);
        if pages < self.limit_pages { pages.div_ceil(self.per_pages) * self.one } else { self.whole }
    }

    /// From there to when every CPU has done it.
    fn latency(&self, request: Request) -> u64 {
        let cleared = matches!(request.cause, Cause::Batch | Cause::PerPage | Cause::Cow);
        if cleared && request.span.is_some_and(|span| span.pages == 1) { self.cleared_latency } else { self.latency }
    }
}

impl Prices {
    fn broadcast(&self) -> &BroadcastCost {
        self.broadcasts.as_ref().expect("only a machine that broadcasts issues one")
    }

    /// Issuing an invalidation. Where nobody else is modelled who could have to make it, it is made at once.
    pub(super) fn issue(&mut self, cpu: Cpu, request: Request, world: &Big) -> u64 {
        self.shootdowns[usize::from(cpu.0)].broadcasts = true;
        let cost = self.broadcast();
        if world.cpus() == 1 { cost.occupies(request) + cost.latency(request) } else { cost.issue }
    }

    /// The barrier of a pending check, which finds nothing of its own CPU under way.
    pub(super) fn sync_cycles(&self) -> u64 {
        self.broadcasts.as_ref().map_or(0, |cost| cost.latency)
    }

    /// What a broadcast takes in cycles, while so many other CPUs have some under way: how long it keeps those of its own CPU behind it
    /// waiting, and from there to when every CPU has done it.
    pub fn broadcast_cycles(&self, request: Request, peers: u64) -> (u64, u64) {
        let cost = self.broadcast();
        (cost.occupies(request) + peers * cost.peer, cost.latency(request))
    }

    /// The least that can be, if this machine broadcasts: nobody hears of one sooner.
    pub fn broadcast_cycles_least(&self) -> Option<u64> {
        self.broadcasts.as_ref().map(|cost| cost.one.min(cost.whole))
    }
}
