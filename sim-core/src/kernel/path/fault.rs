//! The page-fault handler: fresh memory, swap-in, write enabling, copy on write.

use crate::kernel::path::access::allows;
use crate::kernel::path::alloc;
use crate::nouns::op::OpKind;
use crate::nouns::types::Backing;
use crate::nouns::types::{AccessKind, Actor, FrameNo, Lock, Present, Pte, Span};
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, steps};
use crate::world::{Cause, Folio, Request, Vma, World};

steps! {
    LockMmap = "FT1" "mmap_read_lock()",
    Look = "FT2" "find_vma(), filemap_get_folio(), swap_cache_get_folio()",
    Alloc = "FT2" "__alloc_pages(): zone_watermark_ok()",
    ReadIn = "FT2" "swap_read_folio()",
    LockPtl = "FT3" "pte_offset_map_lock()",
    Map = "FT4" "set_pte_at()",
    CowFlushed = "FT5" "wp_page_copy(): ptep_clear_flush() done",
    UnlockPtl = "FT6" "pte_unmap_unlock()",
    UnlockMmap = "FT7" "mmap_read_unlock()",
    Exit = "FT8" "return from fault",
}

/// The fault ends in SIGSEGV.
const SEGV: u8 = 1;

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let mm = cx.world.mm_of(f.page);
    let op = cx.world.op(who.task);
    let OpKind::Access(kind) = op.kind else { unreachable!("only user accesses fault") };
    let vma = cx.world.vma(mm, cx.world.vpn(f.page));
    match Step::of(f) {
        // Waiting for memory with locks held would wait for ever: reclaim needs the PTL.
        Step::LockMmap if cx.world.memory().is_none() && !cx.world.memory_left() => Flow::Blocked(Wait::Memory),
        Step::LockMmap => cx.lock(who, f, Lock::MmapRead(mm), Step::Look as u8),
        Step::Look => {
            let allowed = vma.mapped && vma.rights.read() && (kind != AccessKind::Store || vma.rights.write());
            if !allowed {
                f.flags = SEGV;
                f.pc = Step::UnlockMmap as u8;
                return Flow::Next;
            }
            if let Some(frame) = cx.world.cached_frame(f.page)
                && cx.world.folio(frame).locked
            {
                return Flow::Blocked(Wait::Folio(frame));
            }
            cx.act(who, Act::PteRead(f.page));
            f.pc = Step::Alloc as u8;
            Flow::Next
        }
        Step::Alloc => {
            let wanted = alloc::wanted(cx.world, f.page, kind, vma);
            alloc::watermarks(cx, who, f, wanted, Step::ReadIn as u8)
        }
        Step::ReadIn => alloc::read_in(cx, who, f, Step::LockPtl as u8),
        Step::LockPtl => {
            let table = cx.world.table_of(f.page);
            cx.lock(who, f, Lock::Ptl(table), Step::Map as u8)
        }
        Step::Map => map(cx, who, f, kind, vma),
        Step::CowFlushed => {
            let pte = Present { frame: f.frame, writable: true, dirty: true, accessed: true, protnone: false };
            cx.xchg(who, f.page, Pte::Present(pte));
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { lru: true, ..folio });
            cx.act(who, Act::FaultMap { page: f.page, pte, read_in: false });
            f.pc = Step::UnlockPtl as u8;
            Flow::Next
        }
        Step::UnlockPtl => {
            let table = cx.world.table_of(f.page);
            cx.unlock(who, f, Lock::Ptl(table), Step::UnlockMmap as u8)
        }
        Step::UnlockMmap => cx.unlock(who, f, Lock::MmapRead(mm), Step::Exit as u8),
        Step::Exit => {
            cx.act(who, Act::FaultExit(f.page, f.flags == SEGV));
            Flow::Return(f.flags)
        }
    }
}

/// FT4: what the PTE says under its lock decides. Whatever changed since FT2 is seen by the retried access.
fn map<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, kind: AccessKind, vma: Vma) -> Flow {
    let store = kind == AccessKind::Store;
    let next = Step::UnlockPtl as u8;
    if let Some(frame) = cx.world.cached_frame(f.page)
        && cx.world.folio(frame).locked
    {
        // Reclaim has taken it since FT2: the retried access waits for the folio lock.
        f.pc = next;
        return Flow::Next;
    }
    match cx.world.pte(f.page) {
        Pte::Present(old) if allows(old, kind) => {
            cx.act(who, Act::PteRead(f.page));
            f.pc = next;
            Flow::Next
        }
        Pte::Present(old)
            if store && !old.protnone && !cx.world.folio(old.frame).anon && vma.backing != Backing::SharedFile =>
        {
            copy(cx, who, f)
        }
        Pte::Present(old) => {
            let writable = vma.rights.write() && (store || cx.world.folio(old.frame).anon);
            let pte = Present { writable, dirty: old.dirty || store, accessed: true, protnone: false, ..old };
            install(cx, who, f, pte, false)
        }
        Pte::Swap => {
            let (frame, read_in) = match cx.world.cached_frame(f.page) {
                Some(frame) => (frame, false),
                // Reclaim has taken what was read in since.
                None if alloc::reads_ahead(cx) => return no_memory(f),
                None => match cx.alloc_for(f.page) {
                    Some(frame) => (frame, true),
                    None => return no_memory(f),
                },
            };
            // The slot is given up on swap-in, so the folio is the only copy: dirty, whatever the PTE says.
            cx.world.set_cached_frame(f.page, None);
            let folio = cx.world.folio(frame);
            let active = folio.active || (read_in && alloc::starts_active(cx));
            cx.world.set_folio(frame, Folio { lru: true, anon: true, dirty: true, cached: false, active, ..folio });
            let pte = Present { frame, writable: vma.rights.write(), dirty: store, accessed: true, protnone: false };
            install(cx, who, f, pte, read_in)
        }
        Pte::None => {
            // A load of untouched anonymous memory maps the zero page, read-only: the first store copies it.
            let zero = vma.backing == Backing::Anon && !store;
            let anon = store && vma.backing != Backing::SharedFile;
            // The swap cache is found through swap entries only; here it is what an operation dropped and reclaim still holds.
            if let Some(frame) = cx.world.cached_frame(f.page)
                && !anon
                && !cx.world.folio(frame).anon
            {
                cx.world.set_cached_frame(f.page, None);
                let writable = vma.rights.write() && store;
                let pte = Present { frame, writable, dirty: store, accessed: true, protnone: false };
                return install(cx, who, f, pte, false);
            }
            let frame = match cx.world.zero_frame().filter(|_| zero) {
                Some(frame) => frame,
                None => match cx.alloc_for(f.page) {
                    Some(frame) => frame,
                    None => return no_memory(f),
                },
            };
            let (cached, active) = (!anon && !zero, anon && alloc::starts_active(cx));
            let fresh = Folio { allocated: true, lru: !zero, anon, dirty: anon, cached, active, ..Folio::default() };
            cx.world.set_folio(frame, fresh);
            let writable = vma.rights.write() && store;
            let pte = Present { frame, writable, dirty: store, accessed: true, protnone: false };
            install(cx, who, f, pte, false)
        }
    }
}

/// Somebody else took the last frame: let go of the locks, and the retried access waits for one.
fn no_memory(f: &mut Frame) -> Flow {
    f.pc = Step::UnlockPtl as u8;
    Flow::Next
}

fn install<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, pte: Present, read_in: bool) -> Flow {
    cx.xchg(who, f.page, Pte::Present(pte));
    cx.act(who, Act::FaultMap { page: f.page, pte, read_in });
    f.pc = Step::UnlockPtl as u8;
    Flow::Next
}

/// `wp_page_copy`: the old translation must be gone everywhere before the new frame becomes writable.
fn copy<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let Some(frame) = cx.alloc_for(f.page) else {
        return no_memory(f);
    };
    let active = alloc::starts_active(cx);
    cx.world.set_folio(frame, Folio { allocated: true, anon: true, dirty: true, active, ..Folio::default() });
    f.frame = FrameNo(frame.0);
    cx.xchg(who, f.page, Pte::None);
    f.pc = Step::CowFlushed as u8;
    let span = Span::page(cx.world.vpn(f.page));
    let mm = cx.world.mm_of(f.page);
    Flow::Call(Cx::<W, P>::flush(Request { mm: Some(mm), span: Some(span), cause: Cause::Cow }))
}
