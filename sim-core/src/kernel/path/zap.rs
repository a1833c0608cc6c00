//! `munmap` and `madvise(MADV_DONTNEED)`: `zap_pte_range()` and the `mmu_gather` around it, steps Z1..Z10.

use crate::kernel::path::hook;
use crate::kernel::path::mprotect::{leave, next_table};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, FrameNo, Lock, Mm, Page, Pte, Rights, Span};
use crate::oracle::{self, ghost};
use crate::policy::Hook;
use crate::step::frame::{Act, Cx, Flow, Frame, Path, Probe, steps};
use crate::world::{Cause, Folio, Gather, Request, Vma, World};

steps! {
    Enter = "Z0" "system call",
    LockMmap = "Z1" "mmap lock",
    Gather = "Z2" "tlb_gather_mmu()",
    NextTable = "Z3" "zap_pmd_range()",
    LockPtl = "Z3" "pte_offset_map_lock()",
    Pending = "Z4" "flush_tlb_batched_pending()",
    Zap = "Z5" "zap_pte_range()",
    UnlockPtl = "Z7" "pte_unmap_unlock()",
    Flush = "Z9" "tlb_finish_mmu(), if a PTE was cleared",
    FreePages = "Z9" "free_pages_and_swap_cache()",
    Return = "Z10" "mmap unlock, system call returns",
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let mm = cx.world.mm(who.task).expect("a zap has an address space");
    let unmap = f.path == Path::Munmap;
    let lock = if unmap { Lock::MmapWrite(mm) } else { Lock::MmapRead(mm) };
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            f.pc = Step::LockMmap as u8;
            Flow::Next
        }
        Step::LockMmap => cx.lock(who, f, lock, Step::Gather as u8),
        Step::Gather => {
            *cx.world.gather(who.task) = Gather::default();
            if unmap {
                cx.world.set_vma(mm, op.span, Vma::default());
                cx.act(who, Act::Vma(mm));
            }
            (f.cursor, f.pc) = (op.span.first, Step::NextTable as u8);
            Flow::Next
        }
        Step::NextTable => {
            f.pc = next_table(cx.world, mm, f, op.span, Step::LockPtl as u8, Step::Flush as u8);
            Flow::Next
        }
        Step::LockPtl => {
            let table = cx.world.table_at(mm, f.cursor).expect("the walk found a table");
            cx.lock(who, f, Lock::Ptl(table), Step::Pending as u8)
        }
        Step::Pending => hook(cx, who, f, mm, Hook::BeforeTrust, Step::Zap as u8),
        Step::Zap => {
            let in_table = cx.world.table_span(f.cursor).clip(op.span);
            let rest = Span { first: f.cursor, pages: in_table.end() - f.cursor };
            let Some(page) = cx.world.next_page(mm, rest) else {
                f.pc = Step::UnlockPtl as u8;
                return Flow::Next;
            };
            zap(cx, who, page, unmap);
            leave(cx.world.vpn(page), in_table, f, Step::UnlockPtl as u8);
            Flow::Next
        }
        Step::UnlockPtl => {
            let table = cx.world.table_at(mm, f.cursor).expect("tables stay while mmap_lock is held");
            f.cursor = cx.world.table_span(f.cursor).end();
            cx.unlock(who, f, Lock::Ptl(table), Step::NextTable as u8)
        }
        Step::Flush => flush(cx, who, f, mm),
        Step::FreePages => {
            if let Some(frame) = cx.world.free_one(who.task) {
                cx.act(who, Act::Free(frame));
            } else {
                f.pc = Step::Return as u8;
            }
            Flow::Next
        }
        Step::Return => {
            cx.unlock(who, f, lock, Step::Return as u8);
            if op.kind == OpKind::Munmap {
                oracle::promise(cx, who, op.span, Rights::NONE, false);
            }
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

/// Z5. `unmap`: the mapping goes too, so what only its pages could find in a cache is freed with them.
fn zap<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, unmap: bool) {
    ghost::inspected(cx.world, page);
    match cx.world.pte(page) {
        Pte::None => cx.act(who, Act::PteRead(page)),
        Pte::Swap => {
            // The slot goes; a folio still in reclaim's hands leaves the swap cache there.
            cx.xchg(who, page, Pte::None);
        }
        Pte::Present(old) => {
            ghost::weakened(cx.world, who.cpu, page);
            cx.xchg(who, page, Pte::None);
            let span = Span::page(cx.world.vpn(page));
            let gather = cx.world.gather(who.task);
            gather.span = gather.span.cover(span);
            let folio = cx.world.folio(old.frame);
            let page_cache = folio.lru && !folio.anon;
            if page_cache && !unmap {
                cx.world.set_cached_frame(page, Some(old.frame));
            } else {
                release(cx, who, old.frame);
            }
        }
    }
    if let Some(frame) = cx.world.cached_frame(page)
        && unmap
        && !cx.world.folio(frame).isolated
    {
        cx.world.set_cached_frame(page, None);
        release(cx, who, frame);
    }
}

/// A folio that reclaim has isolated is freed by reclaim, which holds the last reference.
fn release<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, frame: FrameNo) {
    let folio = cx.world.folio(frame);
    if !folio.isolated {
        cx.world.set_folio(frame, Folio { cached: false, ..folio });
        cx.world.free_later(who.task, frame);
    }
}

/// Z9: flush before the pages are freed.
fn flush<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> Flow {
    f.pc = Step::FreePages as u8;
    let cleared = cx.world.gather(who.task).span;
    if cleared.pages == 0 {
        return Flow::Next;
    }
    let span = (cleared.pages <= cx.era.ceiling_pages).then_some(cleared);
    Flow::Call(Cx::<W, P>::flush(Request { mm: Some(mm), span, cause: Cause::Operation }))
}
