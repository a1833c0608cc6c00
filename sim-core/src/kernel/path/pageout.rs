//! `madvise(MADV_PAGEOUT)`: `madvise_cold_or_pageout_pte_range()`, one page table at a time, within an `mmu_gather` for each VMA: the
//! call counts itself in `tlb_flush_pending` until all that it unmapped there is flushed.

use crate::kernel::path::pending::{self, NESTED};
use crate::kernel::path::walk::{leave, next_page, next_table, next_vma, part};
use crate::kernel::path::{hook, reclaim, tlb_remove_tlb_entry};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, Backing, Lock, Mm, Page, Present, Pte};
use crate::oracle::ghost;
use crate::policy::Hook;
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::{Cause, Folio, Gather, Request, World};

steps! {
    Enter = "P0" "madvise(MADV_PAGEOUT)",
    LockMmap = "P1" "mmap_read_lock()",
    FindVma = "P1" "madvise_walk_vmas()",
    Count = "P1" "tlb_gather_mmu(): inc_tlb_flush_pending()",
    NextTable = "P2" "walk_page_range()",
    LockPtl = "P2" "pte_offset_map_lock()",
    Pending = "P3" "flush_tlb_batched_pending()",
    Isolate = "P4" "folio_isolate_lru()",
    UnlockPtl = "P5" "pte_unmap_unlock()",
    Reclaim = "P6" "reclaim_pages()",
    Nested = "P7" "tlb_finish_mmu(): mm_tlb_flush_nested()",
    Flush = "P7" "tlb_finish_mmu(): flush, if A was cleared or others are at work",
    Uncount = "P7" "tlb_finish_mmu(): dec_tlb_flush_pending()",
    UnlockMmap = "P7" "mmap_read_unlock()",
    Return = "P8" "madvise() returns",
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let mm = cx.world.mm(who.task).expect("madvise has an address space");
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(OpKind::Pageout));
            f.pc = Step::LockMmap as u8;
            Flow::Next
        }
        Step::LockMmap => {
            f.cursor = op.span.first;
            cx.lock(who, f, Lock::MmapRead(mm), Step::FindVma as u8)
        }
        Step::FindVma => {
            let vma = next_vma(cx.world, mm, f, op.span, true);
            // `can_madv_lru_vma()`; the call ends at the first VMA that it is refused for.
            let accepted = vma.is_some_and(|vma| vma.backing != Backing::Pfn);
            f.pc = if accepted { Step::Count as u8 } else { Step::UnlockMmap as u8 };
            Flow::Next
        }
        Step::Count => {
            *cx.world.gather(who.task) = Gather::default();
            f.flags = 0;
            pending::count(cx, who, f, mm, Step::NextTable as u8)
        }
        Step::NextTable => {
            f.pc = next_table(cx.world, mm, f, part(f, op.span), Step::LockPtl as u8, Step::Nested as u8);
            Flow::Next
        }
        Step::LockPtl => {
            let table = cx.world.table_at(mm, f.cursor).expect("the walk found a table");
            let next = if cx.era.pageout_checks_pending { Step::Pending } else { Step::Isolate };
            cx.lock(who, f, Lock::Ptl(table), next as u8)
        }
        Step::Pending => hook(cx, who, f, mm, Hook::BeforeTrust, Step::Isolate as u8),
        Step::Isolate => {
            let (page, in_table) = next_page(cx.world, mm, f, op.span);
            let Some(page) = page else {
                f.pc = Step::UnlockPtl as u8;
                return Flow::Next;
            };
            isolate(cx, who, page);
            leave(cx.world.vpn(page), in_table, f, Step::UnlockPtl as u8);
            Flow::Next
        }
        Step::UnlockPtl => {
            let table = cx.world.table_at(mm, f.cursor).expect("tables stay while mmap_lock is held");
            cx.unlock(who, f, Lock::Ptl(table), Step::Reclaim as u8)
        }
        Step::Reclaim => {
            (f.cursor, f.pc) = (cx.world.table_span(f.cursor).end(), Step::NextTable as u8);
            Flow::Call(reclaim::shrink_isolated())
        }
        Step::Nested => pending::nested(cx, who, f, mm, Step::Flush as u8),
        Step::Flush => flush(cx, who, f, mm),
        Step::Uncount => pending::uncount(cx, who, f, mm, Step::FindVma as u8),
        Step::UnlockMmap => cx.unlock(who, f, Lock::MmapRead(mm), Step::Return as u8),
        Step::Return => {
            cx.act(who, Act::Return(OpKind::Pageout));
            Flow::Return(0)
        }
    }
}

fn isolate<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page) {
    ghost::inspected(cx.world, page);
    let Some(pte) = cx.world.pte(page).present() else { return cx.act(who, Act::PteRead(page)) };
    let (frame, folio) = (pte.frame, cx.world.folio(pte.frame));
    // It passes over a folio whose mapcount is not 1.
    if !folio.lru || folio.isolated || cx.world.shared(frame, page) {
        return cx.act(who, Act::PteRead(page));
    }
    if cx.era.pageout_clears_accessed && pte.accessed {
        cx.xchg(who, page, Pte::Present(Present { accessed: false, ..pte }));
        tlb_remove_tlb_entry(cx.world, who, page);
    }
    cx.world.set_folio(frame, Folio { isolated: true, ..folio });
    cx.world.isolate(who.task, page, frame);
    cx.act(who, Act::Isolate(page));
}

/// P7: what is gathered here is A at most, but others may have changed PTEs and not flushed yet.
fn flush<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> Flow {
    f.pc = Step::Uncount as u8;
    let span = cx.world.gather(who.task).span;
    if f.flags == NESTED {
        return Flow::Call(Cx::<W, P>::flush(Request::whole(mm, Cause::Nested)));
    }
    if span.pages == 0 {
        return Flow::Next;
    }
    Flow::Call(Cx::<W, P>::flush(Request::range(mm, span, cx.era.ceiling_pages, Cause::Operation)))
}
