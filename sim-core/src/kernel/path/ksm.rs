//! KSM merges one page into another of the same content: `try_to_merge_one_page()`, `write_protect_page()` and `replace_page()`,
//! steps S0..S9. The stable page goes through S1 to S5 first, then the page that gives its frame up.
//!
//! From the comparison on a store to the old frame is lost, so no CPU may store there without asking the PTE. A PTE that is
//! read-only and clean owes no flush, unless whoever made it so has not flushed yet: `tlb_flush_pending` says that of
//! operations, and of reclaim nothing does. Contents are taken to be equal.

use crate::kernel::path::alloc::owned;
use crate::kernel::path::{flush_cleared, lock_ptl, unlock_ptl};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, FrameNo, Lock, Mm, Present, Pte};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::{Folio, World};

steps! {
    Enter = "S0" "cmp_and_merge_page()",
    LockMmap = "S1" "mmap_read_lock()",
    LockFolio = "S1" "folio_trylock()",
    LockPtl = "S2" "write_protect_page(): lock PTL",
    ClearFlush = "S3" "ptep_clear_flush(), if writable, dirty or pending",
    Protect = "S4" "folio_ref_count(), set_pte_at()",
    UnlockPtl = "S5" "unlock PTL",
    Compare = "S6" "memcmp_pages()",
    RelockPtl = "S7" "replace_page(): lock PTL",
    Replace = "S7" "ptep_clear_flush(), if pte_same()",
    Map = "S8" "set_pte_at(stable page)",
    ReunlockPtl = "S8" "unlock PTL",
    UnlockFolio = "S9" "folio_unlock()",
    UnlockMmap = "S9" "mmap_read_unlock()",
    Put = "S9" "folio_put()",
    Return = "S9" "cmp_and_merge_page() returns",
}

/// The page to be merged is at hand, no longer the stable one.
const SECOND: u8 = 1;
/// The PTE at hand is read-only and clean, and nobody else has a reference.
const PROTECTED: u8 = 2;

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let OpKind::Ksm(own, stable) = op.kind else { unreachable!("only KSM merges") };
    let (mm, vpn) = if f.flags & SECOND == 0 { (stable, op.to) } else { (own, op.span.first) };
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            f.pc = Step::LockMmap as u8;
            Flow::Next
        }
        Step::LockMmap => cx.lock(who, f, Lock::MmapRead(mm), Step::LockFolio as u8),
        Step::LockFolio => {
            f.pc = if lock_folio(cx, who, f, mm, vpn) { Step::LockPtl as u8 } else { Step::UnlockMmap as u8 };
            Flow::Next
        }
        Step::LockPtl => lock_ptl(cx, who, f, Step::ClearFlush as u8),
        Step::ClearFlush => clear_flush(cx, who, f, mm),
        Step::Protect => protect(cx, who, f),
        Step::UnlockPtl => {
            let goes_on = f.flags == SECOND | PROTECTED;
            unlock_ptl(cx, who, f, if goes_on { Step::Compare as u8 } else { Step::UnlockFolio as u8 })
        }
        Step::Compare => {
            // It may still find the PTE changed and give up; then a store is not lost, but it was not to know.
            oracle::copied_away(cx, f.frame);
            cx.act(who, Act::Compare(f.frame, FrameNo(f.local)));
            f.pc = Step::RelockPtl as u8;
            Flow::Next
        }
        Step::RelockPtl => lock_ptl(cx, who, f, Step::Replace as u8),
        Step::Replace => replace(cx, who, f),
        Step::Map => map(cx, who, f, mm),
        Step::ReunlockPtl => unlock_ptl(cx, who, f, Step::UnlockFolio as u8),
        Step::UnlockFolio => {
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { locked: false, ..folio });
            cx.act(who, Act::Keep(f.frame));
            f.pc = Step::UnlockMmap as u8;
            Flow::Next
        }
        Step::UnlockMmap => {
            let goes_on = f.flags == PROTECTED;
            if goes_on {
                (f.flags, f.local) = (SECOND, f.frame.0);
            }
            cx.unlock(who, f, Lock::MmapRead(mm), if goes_on { Step::LockMmap } else { Step::Put } as u8)
        }
        Step::Put => {
            if !cx.free_one(who) {
                f.pc = Step::Return as u8;
            }
            Flow::Next
        }
        Step::Return => {
            oracle::synced(cx, own, op.span);
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

/// S1: an anonymous page that is in a VMA (`find_mergeable_vma()`) and present, its folio lock and a reference; false if it cannot have
/// them at once.
fn lock_folio<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, vpn: u64) -> bool {
    let Some(page) = cx.world.page(mm, vpn).filter(|_| cx.world.vma(mm, vpn).mapped) else { return false };
    let Some(pte) = cx.world.pte(page).present() else { return false };
    let folio = cx.world.folio(pte.frame);
    let merged = f.flags & SECOND != 0 && pte.frame == FrameNo(f.local);
    if !folio.anon || folio.locked || merged {
        cx.act(who, Act::PteRead(page));
        return false;
    }
    cx.world.set_folio(pte.frame, Folio { locked: true, gathered: folio.gathered + 1, ..folio });
    cx.world.free_later(who.task, pte.frame);
    (f.page, f.frame) = (page, pte.frame);
    cx.act(who, Act::Lookup(pte.frame));
    true
}

/// S3. Where no flush is owed nobody asks for references either.
fn clear_flush<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> Flow {
    f.pc = Step::UnlockPtl as u8;
    ghost::inspected(cx.world, f.page);
    let Some(old) = cx.world.pte(f.page).present().filter(|pte| pte.frame == f.frame) else {
        cx.act(who, Act::PteRead(f.page));
        return Flow::Next;
    };
    let exclusive = cx.era.ksm_flushes_exclusive && owned(cx.world, f.frame, f.page);
    let pending = cx.era.protections.ksm_checks_pending && *cx.world.flush_pending(mm) > 0;
    if !(old.writable || old.dirty || old.protnone || exclusive || pending) {
        cx.act(who, Act::PteRead(f.page));
        remember(f, old);
        if !cx.era.ksm_counts_read_only || alone(cx, f.frame) {
            protected(cx, f);
        }
        return Flow::Next;
    }
    ghost::weakened(cx.world, who.cpu, f.page);
    cx.xchg(who, f.page, Pte::None);
    // For the moment there is no PTE, but the mapping stays.
    cx.world.keep_rmap(f.page, Some(f.frame));
    remember(f, old);
    flush_cleared(cx, f, old, Step::Protect as u8)
}

/// S4: read-only and clean, or as it was if somebody else has a reference.
fn protect<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    f.pc = Step::UnlockPtl as u8;
    cx.world.keep_rmap(f.page, None);
    let mut pte = remembered(f);
    if alone(cx, f.frame) {
        let folio = cx.world.folio(f.frame);
        cx.world.set_folio(f.frame, Folio { dirty: folio.dirty || pte.dirty, ..folio });
        pte = Present { writable: false, dirty: false, ..pte };
        remember(f, pte);
        protected(cx, f);
    }
    cx.xchg(who, f.page, Pte::Present(pte));
    Flow::Next
}

/// `folio_ref_count()`: nobody but PTEs, caches and KSM itself has a reference, if that is asked for.
fn alone<W: World, P: Probe>(cx: &Cx<'_, W, P>, frame: FrameNo) -> bool {
    let folio = cx.world.folio(frame);
    !cx.era.protections.ksm_checks_references || !(folio.isolated || folio.writeback || folio.gathered > 1)
}

/// The stable page becomes KSM's: it is copied by whoever stores to it from now on. A store that found it read-only a moment ago
/// waits for the folio lock before it takes it over.
fn protected<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, f: &mut Frame) {
    if f.flags & SECOND == 0 {
        let folio = cx.world.folio(f.frame);
        cx.world.set_folio(f.frame, Folio { ksm: true, dirty: true, lazyfree: false, ..folio });
    }
    f.flags |= PROTECTED;
}

/// S7: if the PTE is what it was at the comparison, its translations go.
fn replace<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    if cx.world.pte(f.page) != Pte::Present(remembered(f)) {
        cx.act(who, Act::PteRead(f.page));
        f.pc = Step::ReunlockPtl as u8;
        return Flow::Next;
    }
    ghost::weakened(cx.world, who.cpu, f.page);
    cx.xchg(who, f.page, Pte::None);
    cx.world.keep_rmap(f.page, Some(f.frame));
    flush_cleared(cx, f, remembered(f), Step::Map as u8)
}

/// S8: the stable page takes its place, and a folio that reclaim may drop needs both owners' word for that.
fn map<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> Flow {
    cx.world.keep_rmap(f.page, None);
    if cx.world.cached_frame(f.page) == Some(f.frame) {
        cx.world.set_cached_frame(f.page, None);
    }
    let stable = FrameNo(f.local);
    let folio = cx.world.folio(stable);
    cx.world.set_folio(stable, Folio { lazyfree: false, dirty: true, ..folio });
    let rights = cx.world.vma(mm, cx.world.vpn(f.page)).rights;
    let pte = Present { frame: stable, writable: false, dirty: false, accessed: true, protnone: !rights.read() };
    cx.xchg(who, f.page, Pte::Present(pte));
    f.pc = Step::ReunlockPtl as u8;
    Flow::Next
}

const WRITABLE: u32 = 1;
const DIRTY: u32 = 2;
const ACCESSED: u32 = 4;
const PROTNONE: u32 = 8;

/// Keeps the PTE at hand, `orig_pte`.
fn remember(f: &mut Frame, pte: Present) {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    f.count =
        bit(pte.writable, WRITABLE) | bit(pte.dirty, DIRTY) | bit(pte.accessed, ACCESSED) | bit(pte.protnone, PROTNONE);
}

fn remembered(f: &Frame) -> Present {
    let set = |bit: u32| f.count & bit != 0;
    Present {
        frame: f.frame,
        writable: set(WRITABLE),
        dirty: set(DIRTY),
        accessed: set(ACCESSED),
        protnone: set(PROTNONE),
    }
}
