//! Migration of one anonymous page to another frame, as a NUMA hint fault asks for it: `try_to_migrate_one()`, `folio_copy()` and
//! `remove_migration_pte()`, steps G1..G6.
//!
//! From the copy on a store to the old frame is lost, so no CPU may store there without asking the PTE. A PTE that is not
//! accessible (`PROT_NONE`) can be in no TLB, unless whoever made it so has not flushed yet: `tlb_flush_pending` says that.

use crate::kernel::path::{accessible, batch, hook, lock_ptl, put_off, unlock_ptl};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, FrameNo, Mm, Present, Pte};
use crate::oracle::{self, ghost};
use crate::policy::Hook;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, steps};
use crate::world::{Cause, Folio, Request, World};

steps! {
    Enter = "G0" "migrate_misplaced_folio()",
    LockFolio = "G1" "folio_lock(), folio_isolate_lru()",
    LockPtl = "G2" "try_to_migrate_one(): lock PTL",
    Decide = "G2" "should_defer_flush()",
    Announce = "G2" "set_tlb_ubc_flush_pending(), before the clear",
    Clear = "G2" "ptep_get_and_clear()",
    AddMask = "G3" "arch_tlbbatch_add_mm()",
    SetPending = "G3" "set_tlb_ubc_flush_pending()",
    Flush = "G3" "flush_tlb_page(), if pte_accessible()",
    Entry = "G3" "set_pte_at(migration entry)",
    UnlockPtl = "G3" "unlock PTL",
    FlushBatch = "G3" "try_to_unmap_flush(), if a flush was deferred",
    Copy = "G4" "folio_migrate_mapping(): no other references, folio_copy()",
    RelockPtl = "G5" "remove_migration_pte(): lock PTL",
    Map = "G5" "set_pte_at(new)",
    ReunlockPtl = "G5" "unlock PTL",
    UnlockFolio = "G6" "folio_unlock(old)",
    FlushLate = "G6" "try_to_unmap_flush() too late",
    Put = "G6" "folio_put(old)",
    Return = "G6" "migrate_misplaced_folio() returns",
}

/// What is remembered of the PTE: its D and W bits, and whether the hardware could use it.
const DIRTY: u8 = 1;
const WRITABLE: u8 = 2;
const ACCESSIBLE: u8 = 4;
/// The cursor of the frame has the new page. In its count: somebody has a reference, so the old frame is mapped again.
const PINNED: u32 = 1;
/// There, too, as long as the PTE is not cleared: the policy defers flushes.
const DEFERS: u32 = 2;

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let OpKind::Migrate(mm) = op.kind else { unreachable!("only migration migrates") };
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            f.pc = Step::LockFolio as u8;
            Flow::Next
        }
        Step::LockFolio => lock_folio(cx, who, f, mm, op.span.first),
        Step::LockPtl => {
            lock_ptl(cx, who, f, if cx.era.migration_batches { Step::Decide as u8 } else { Step::Clear as u8 })
        }
        Step::Decide => {
            cx.act(who, Act::MaskRead(mm));
            let defer = cx.policy.defer(cx.world.mask_any_but(mm, who.cpu));
            (f.count, f.pc) = if defer { (DEFERS, Step::Announce as u8) } else { (0, Step::Clear as u8) };
            Flow::Next
        }
        Step::Announce => hook(cx, who, f, mm, Hook::BeforeClear, Step::Clear as u8),
        Step::Clear => clear(cx, who, f, mm),
        Step::AddMask => {
            put_off(cx, who, f.page, f.flags & DIRTY != 0);
            f.pc = Step::SetPending as u8;
            Flow::Next
        }
        Step::SetPending => hook(cx, who, f, mm, Hook::Deferred, Step::Entry as u8),
        Step::Flush => {
            f.pc = Step::Entry as u8;
            if f.flags & ACCESSIBLE == 0 {
                return Flow::Next;
            }
            Flow::Call(Cx::<W, P>::flush(Request::page(mm, op.span.first, Cause::Operation)))
        }
        Step::Entry => {
            cx.world.set_cached_frame(f.page, Some(f.frame));
            cx.world.keep_rmap(f.page, None);
            cx.xchg(who, f.page, Pte::Swap);
            f.pc = Step::UnlockPtl as u8;
            Flow::Next
        }
        Step::UnlockPtl => {
            let first = cx.era.protections.flush_before_copy;
            unlock_ptl(cx, who, f, if first { Step::FlushBatch as u8 } else { Step::Copy as u8 })
        }
        Step::FlushBatch => flush_batch(cx, who, f, Step::Copy),
        Step::FlushLate => flush_batch(cx, who, f, Step::Put),
        Step::Copy => copy(cx, who, f),
        Step::RelockPtl => lock_ptl(cx, who, f, Step::Map as u8),
        Step::Map => map(cx, who, f),
        Step::ReunlockPtl => unlock_ptl(cx, who, f, Step::UnlockFolio as u8),
        Step::UnlockFolio => {
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { isolated: false, ..folio.unlocked() });
            if folio.dropped {
                cx.world.free_later(who.task, f.frame);
            }
            cx.act(who, Act::Keep(f.frame));
            f.pc = Step::FlushLate as u8;
            Flow::Next
        }
        Step::Put => {
            if !cx.free_one(who) {
                f.pc = Step::Return as u8;
            }
            Flow::Next
        }
        Step::Return => {
            oracle::synced(cx, mm, op.span);
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

/// G1: an anonymous page that only this address space maps, and a frame to move it to; otherwise it stays where it is.
fn lock_folio<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, vpn: u64) -> Flow {
    f.pc = Step::Return as u8;
    let Some(page) = cx.world.page(mm, vpn) else { return Flow::Next };
    let Some(pte) = cx.world.pte(page).present() else { return Flow::Next };
    let folio = cx.world.folio(pte.frame);
    if folio.locked {
        f.pc = Step::LockFolio as u8;
        return Flow::Blocked(Wait::Folio(pte.frame));
    }
    let movable = folio.anon && folio.lru && !folio.isolated && !folio.lazyfree && !cx.world.shared(pte.frame, page);
    if !movable {
        return Flow::Next;
    }
    let Some(to) = cx.alloc_for(page) else { return Flow::Next };
    cx.world.set_folio(to, Folio { allocated: true, anon: true, dirty: true, locked: true, ..Folio::default() });
    cx.world.set_folio(pte.frame, Folio { locked: true, isolated: true, ..folio });
    (f.page, f.frame, f.cursor) = (page, pte.frame, u64::from(to.0));
    cx.act(who, Act::Isolate(page));
    f.pc = Step::LockPtl as u8;
    Flow::Next
}

/// G2.
fn clear<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> Flow {
    ghost::inspected(cx.world, f.page);
    let Some(old) = cx.world.pte(f.page).present().filter(|pte| pte.frame == f.frame) else {
        // Somebody else has unmapped it: the empty frame goes back with the old one's reference.
        cx.act(who, Act::PteRead(f.page));
        put_by(cx, who, FrameNo(f.cursor as u32));
        f.pc = Step::ReunlockPtl as u8;
        return Flow::Next;
    };
    ghost::weakened(cx.world, who.cpu, f.page);
    let accessible = accessible(cx, mm, old);
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    f.flags = bit(old.dirty, DIRTY) | bit(old.writable, WRITABLE) | bit(accessible, ACCESSIBLE);
    cx.xchg(who, f.page, Pte::None);
    // Until there is an entry, the mapping keeps its reference.
    cx.world.keep_rmap(f.page, Some(f.frame));
    let defers = f.count == DEFERS && (!old.dirty || cx.policy.defers_dirty());
    let queued = accessible || !cx.era.batch_skips_inaccessible;
    (f.count, f.pc) = (0, if defers && queued { Step::AddMask } else { Step::Flush } as u8);
    Flow::Next
}

/// G4, unless somebody has pinned the page, who would be left with the old frame.
fn copy<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    f.pc = Step::RelockPtl as u8;
    if cx.world.folio(f.frame).gathered > 0 {
        f.count = PINNED;
        cx.act(who, Act::Lookup(f.frame));
        return Flow::Next;
    }
    // The copy relies on the flush, whoever has made it.
    ghost::inspected(cx.world, f.page);
    oracle::copied_away(cx, f.frame);
    cx.act(who, Act::Copy { from: f.frame, to: FrameNo(f.cursor as u32) });
    Flow::Next
}

/// `try_to_unmap_flush()`, if this migration has put a flush off that nobody has made since.
fn flush_batch<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, next: Step) -> Flow {
    f.pc = next as u8;
    if batch(cx, who).required { Flow::Call(Cx::<W, P>::flush(Request::batch(Cause::Batch))) } else { Flow::Next }
}

/// G5: the new frame takes the old one's place, unless the page has been given up meanwhile.
fn map<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    f.pc = Step::ReunlockPtl as u8;
    let (to, pinned) = (FrameNo(f.cursor as u32), f.count == PINNED);
    if cx.world.pte(f.page) != Pte::Swap || cx.world.cached_frame(f.page) != Some(f.frame) {
        cx.act(who, Act::PteRead(f.page));
        put_by(cx, who, to);
        return Flow::Next;
    }
    cx.world.set_cached_frame(f.page, None);
    let (stays, goes) = if pinned { (f.frame, to) } else { (to, f.frame) };
    let folio = cx.world.folio(stays);
    cx.world.set_folio(stays, Folio { lru: true, locked: pinned, ..folio });
    // mprotect and fork rewrite migration entries: what the VMA does not allow any more stays forbidden, and what a child shares
    // is copied first.
    let shared = cx.world.shared(stays, f.page);
    let rights = cx.world.vma(cx.world.mm_of(f.page), cx.world.vpn(f.page)).rights;
    let (writable, dirty) = (f.flags & WRITABLE != 0 && rights.write() && !shared, f.flags & DIRTY != 0);
    let pte = Present { frame: stays, writable, dirty, accessed: true, protnone: !rights.read() };
    cx.xchg(who, f.page, Pte::Present(pte));
    put_by(cx, who, goes);
    Flow::Next
}

/// A frame that lost its place is freed at the end, unless somebody else has it.
fn put_by<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, frame: FrameNo) {
    let folio = cx.world.folio(frame);
    let locked = folio.locked && folio.isolated;
    cx.world.set_folio(frame, Folio { gathered: folio.gathered + 1, locked, ..folio });
    cx.world.free_later(who.task, frame);
}
