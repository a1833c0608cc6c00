//! Unmapping one page for reclaim: `try_to_unmap_one()`, steps R4.1..R4.11.

use crate::kernel::path::{accessible, hook, lock_ptl, put_off};
use crate::nouns::types::{Actor, Lock, Mm, Present, Pte};
use crate::oracle::ghost;
use crate::policy::Hook;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::{Cause, Folio, Request, World};

steps! {
    LockPtl = "R4.1" "page_vma_mapped_walk(): lock PTL",
    ReadPte = "R4.2" "pte still maps the page?",
    Decide = "R4.3" "should_defer_flush()",
    Announce = "R4.3" "set_tlb_ubc_flush_pending(), before the clear",
    Clear = "R4.4a" "ptep_get_and_clear()",
    AddMask = "R4.5a" "arch_tlbbatch_add_mm()",
    SetPending = "R4.6a" "set_tlb_ubc_flush_pending()",
    ClearFlush = "R4.4b" "ptep_clear_flush(): clear",
    FlushPage = "R4.4b" "ptep_clear_flush(): flush_tlb_page()",
    SwapEntry = "R4.9" "set_pte_at(swap entry)",
    UnlockPtl = "R4.11" "page_vma_mapped_walk_done(): unlock PTL",
}

/// What is remembered of the cleared PTE: its D and W bits, and whether it was `PROT_NONE`.
const DIRTY: u8 = 1;
const WRITABLE: u8 = 2;
const PROTNONE: u8 = 4;
/// The frame's count where the page is mapped again, and what is returned then: the walk of the rmap ends.
const ABORTED: u32 = 1;

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let mm = cx.world.mm_of(f.page);
    match Step::of(f) {
        Step::LockPtl => lock_ptl(cx, who, f, Step::ReadPte as u8),
        Step::ReadPte => {
            cx.act(who, Act::PteRead(f.page));
            f.pc = if cx.world.maps(f.page, f.frame) { Step::Decide as u8 } else { Step::UnlockPtl as u8 };
            Flow::Next
        }
        Step::Decide => {
            cx.act(who, Act::MaskRead(mm));
            let defer = cx.policy.defer(cx.world.mask_any_but(mm, who.cpu));
            f.pc = if defer { Step::Announce as u8 } else { Step::ClearFlush as u8 };
            Flow::Next
        }
        Step::Announce => hook(cx, who, f, mm, Hook::BeforeClear, Step::Clear as u8),
        Step::Clear => {
            let accessible = clear(cx, who, f, mm);
            let defer = f.flags & DIRTY == 0 || cx.policy.defers_dirty();
            f.pc = match defer {
                true if accessible || !cx.era.batch_skips_inaccessible => Step::AddMask as u8,
                false if accessible => Step::FlushPage as u8,
                _ => Step::SwapEntry as u8,
            };
            Flow::Next
        }
        Step::AddMask => {
            put_off(cx, who, f.page, f.flags & DIRTY != 0);
            f.pc = Step::SetPending as u8;
            Flow::Next
        }
        Step::SetPending => hook(cx, who, f, mm, Hook::Deferred, Step::SwapEntry as u8),
        Step::ClearFlush => {
            f.pc = if clear(cx, who, f, mm) { Step::FlushPage as u8 } else { Step::SwapEntry as u8 };
            Flow::Next
        }
        Step::FlushPage => {
            f.pc = Step::SwapEntry as u8;
            Flow::Call(Cx::<W, P>::flush(Request::page(mm, cx.world.vpn(f.page), Cause::PerPage)))
        }
        Step::SwapEntry => {
            let folio = cx.world.folio(f.frame);
            let dirty = f.flags & DIRTY != 0;
            if folio.lazyfree && (dirty || folio.dirty) {
                // Stored to since MADV_FREE, by what the PTE or the folio says: mapped again, and swap-backed again.
                cx.world.set_folio(f.frame, Folio { lazyfree: false, dirty: true, ..folio });
                let (writable, protnone) = (f.flags & WRITABLE != 0, f.flags & PROTNONE != 0);
                let pte = Present { frame: f.frame, writable, dirty, accessed: true, protnone };
                cx.xchg(who, f.page, Pte::Present(pte));
                (f.count, f.pc) = (ABORTED, Step::UnlockPtl as u8);
                return Flow::Next;
            }
            // R4.8: the PTE's D moves to the folio. File pages leave an empty PTE.
            cx.world.set_folio(f.frame, Folio { dirty: folio.dirty || dirty, ..folio });
            if folio.anon && !folio.lazyfree {
                cx.world.set_cached_frame(f.page, Some(f.frame));
                cx.xchg(who, f.page, Pte::Swap);
            }
            f.pc = Step::UnlockPtl as u8;
            Flow::Next
        }
        Step::UnlockPtl => {
            let table = cx.world.table_of(f.page);
            cx.world.unlock(who, Lock::Ptl(table));
            cx.act(who, Act::Unlock(Lock::Ptl(table)));
            Flow::Return(u8::from(f.count == ABORTED))
        }
    }
}

/// Returns whether a TLB can hold what was there.
fn clear<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> bool {
    ghost::weakened(cx.world, who.cpu, f.page);
    let Pte::Present(old) = cx.xchg(who, f.page, Pte::None) else { unreachable!("under its PTL the page is mapped") };
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    f.flags = bit(old.dirty, DIRTY) | bit(old.writable, WRITABLE) | bit(old.protnone, PROTNONE);
    accessible(cx, mm, old)
}
