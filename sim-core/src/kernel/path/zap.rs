//! `munmap`, `madvise(MADV_DONTNEED)` and `madvise(MADV_FREE)`: the walk and the `mmu_gather` around it, steps Z1..Z10; A1..A5
//! are the same but for A3, which makes PTEs old and clean where Z5 clears them. The end of an address space is a munmap of all
//! of it.
//!
//! munmap takes the VMAs away first and lets readers of `mmap_lock` in; whoever walks after that goes by VMAs and finds none there.
//! madvise goes from VMA to VMA and passes over holes.

mod external;

use external::{flush_pfn, is_external, unlink, zap_external};

use crate::kernel::path::pending::{self, NESTED};
use crate::kernel::path::walk::{leave, next_page, next_table, next_vma, part};
use crate::kernel::path::{CheckOrder, check_pending, hook, tlb_remove_tlb_entry};
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{Actor, Backing, FrameNo, Lock, Mm, Page, Present, Pte, Rights, Span};
use crate::oracle::{self, ghost};
use crate::policy::Hook;
use crate::step::era::Protections;
use crate::step::frame::{Act, Cx, Flow, Frame, Path, Probe, StepId, steps};
use crate::world::{Cause, Folio, Gather, Request, Vma, World};

steps! {
    Enter = "Z0" "system call",
    LockMmap = "Z1" "mmap lock",
    FindVma = "Z1" "madvise_walk_vmas()",
    Detach = "Z1" "unlink the VMAs, mmap_write_downgrade()",
    Gather = "Z2" "tlb_gather_mmu()",
    Count = "Z2" "inc_tlb_flush_pending()",
    NextTable = "Z3" "zap_pmd_range()",
    LockPtl = "Z3" "pte_offset_map_lock()",
    Pending = "Z4" "flush_tlb_batched_pending()",
    Zap = "Z5" "zap_pte_range()",
    DropPtl = "A4" "split_folio(): pte_unmap_unlock()",
    RetakePtl = "A4" "split_folio(): pte_offset_map_lock()",
    ForceFlush = "Z6" "tlb_flush_mmu_tlbonly(), if a dirty file page was unmapped",
    DropRmap = "Z6" "tlb_flush_rmaps()",
    UnlockPtl = "Z7" "pte_unmap_unlock()",
    FlushPfn = "Z8" "tlb_end_vma(): flush, if a PTE of a driver's memory was cleared",
    Unlink = "Z8" "unlink_file_vma()",
    FreeTables = "Z8" "free_pgtables()",
    CountEarly = "Z9" "dec_tlb_flush_pending() too early",
    Nested = "Z9" "mm_tlb_flush_nested()",
    Flush = "Z9" "tlb_finish_mmu(), if a PTE was cleared",
    Record = "LZ1" "latr_record(): a state for every CPU of mm_cpumask, and this one's own flush",
    NothingOwed = "Z9" "no PTE was cleared",
    FreePages = "Z9" "free_pages_and_swap_cache()",
    Uncount = "Z9" "dec_tlb_flush_pending()",
    Return = "Z10" "mmap unlock, system call returns",
}

/// The step of a munmap in which its VMAs go; an mmap where something is mapped goes through it, too.
pub(crate) const UNLINK_VMAS: StepId = StepId { path: Path::Munmap, pc: Step::Detach as u8 };

/// What mmap does to what is mapped where it maps: a munmap from Z1 to Z9.
pub(super) fn within_mmap() -> Frame {
    Frame { pc: Step::Detach as u8, ..Frame::new(Path::Munmap) }
}

/// The address space an operation is about: its own, or one that nobody is left in.
fn mm_of<W: World, P: Probe>(cx: &Cx<'_, W, P>, who: Actor, op: Op) -> Mm {
    match op.kind {
        OpKind::Exit(mm) => mm,
        _ => cx.world.mm(who.task).expect("a zap has an address space"),
    }
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let mm = mm_of(cx, who, op);
    let unmap = f.path == Path::Munmap;
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            (f.cursor, f.pc) = (op.span.first, Step::LockMmap as u8);
            Flow::Next
        }
        Step::LockMmap if unmap => cx.lock(who, f, Lock::MmapWrite(mm), Step::Detach as u8),
        Step::LockMmap => {
            let next = if cx.era.madvise_gathers { Step::Gather } else { Step::FindVma };
            cx.lock(who, f, Lock::MmapRead(mm), next as u8)
        }
        Step::FindVma => find_vma(cx, f, mm, op),
        Step::Detach => {
            cx.world.set_vma(mm, op.span, Vma::default());
            cx.act(who, Act::Vma(mm));
            if downgrades(cx, op) {
                cx.downgrade(who, mm);
            }
            (f.cursor, f.pc) = (op.span.first, Step::Gather as u8);
            Flow::Next
        }
        Step::Gather => {
            *cx.world.gather(who.task) = Gather::default();
            (f.flags, f.pc) = (0, Step::Count as u8);
            Flow::Next
        }
        Step::Count => {
            let next = if !unmap && cx.era.madvise_gathers { Step::FindVma } else { Step::NextTable };
            pending::count(cx, who, f, mm, next as u8)
        }
        Step::FlushPfn => flush_pfn(cx, who, f, mm),
        Step::Unlink => unlink(cx, who, f, (mm, op.span)),
        Step::FreeTables => {
            if !free_table(cx, who, f, (mm, op.span)) {
                f.pc = walked(cx);
            }
            Flow::Next
        }
        Step::CountEarly => pending::uncount(cx, who, f, mm, Step::Nested as u8),
        Step::Nested => pending::nested(cx, who, f, mm, Step::Flush as u8),
        Step::Flush => flush(cx, who, f, mm),
        Step::Record => record(cx, who, f, mm),
        Step::NothingOwed => hook(cx, who, f, mm, Hook::NothingOwed, Step::FreePages as u8),
        Step::FreePages => {
            if !cx.free_one(who) {
                f.pc = freed(cx, f);
            }
            Flow::Next
        }
        Step::Uncount => {
            let next = flushed(cx, f);
            pending::uncount(cx, who, f, mm, next)
        }
        // mmap goes on.
        Step::Return if matches!(op.kind, OpKind::Mmap(_)) => Flow::Return(0),
        Step::Return => {
            let read = !unmap || downgrades(cx, op);
            let lock = if read { Lock::MmapRead(mm) } else { Lock::MmapWrite(mm) };
            cx.unlock(who, f, lock, Step::Return as u8);
            match op.kind {
                // Nobody is left to be promised anything.
                OpKind::Exit(_) => {}
                OpKind::Munmap => oracle::promise(cx, who, op.span, Rights::NONE, false),
                _ => oracle::renew(cx, who, op.span, f.path == Path::Free),
            }
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
        in_table => table_step(cx, who, f, (mm, op), in_table),
    }
}

/// `__do_munmap()`: is `mmap_lock` held for reading only once the VMAs are gone? mmap goes on to change VMAs.
fn downgrades<W: World, P: Probe>(cx: &Cx<'_, W, P>, op: Op) -> bool {
    op.kind == OpKind::Munmap && cx.era.munmap_downgrades
}

/// The next VMA of a madvise, which ends at the first that it is refused for.
fn find_vma<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, f: &mut Frame, mm: Mm, op: Op) -> Flow {
    let vma = next_vma(cx.world, mm, f, op.span, true);
    let accepted = vma.is_some_and(|vma| match f.path {
        // `madvise_free_single_vma()`.
        Path::Free => vma.backing == Backing::Anon,
        // `can_madv_lru_vma()`.
        _ => vma.backing != Backing::Pfn,
    });
    f.pc = match (accepted, cx.era.madvise_gathers) {
        (true, true) => Step::NextTable as u8,
        (true, false) => Step::Gather as u8,
        (false, true) => walked(cx),
        (false, false) => Step::Return as u8,
    };
    Flow::Next
}

/// The steps under one PTL, Z3 to Z7.
fn table_step<W: World, P: Probe>(
    cx: &mut Cx<'_, W, P>,
    who: Actor,
    f: &mut Frame,
    (mm, op): (Mm, Op),
    step: Step,
) -> Flow {
    if step == Step::NextTable {
        let done = match f.path {
            Path::Munmap => Step::FlushPfn as u8,
            _ if cx.era.madvise_gathers => Step::FindVma as u8,
            _ => walked(cx),
        };
        f.pc = next_table(cx.world, mm, f, part(f, op.span), order(cx).begin, done);
        if f.pc == Step::FlushPfn as u8 {
            f.cursor = op.span.first;
        }
        return Flow::Next;
    }
    let ptl = Lock::Ptl(cx.world.table_at(mm, f.cursor).expect("tables stay while mmap_lock is held"));
    match step {
        Step::LockPtl => {
            let next = order(cx).locked;
            cx.lock(who, f, ptl, next)
        }
        Step::Pending => {
            let Protections { check_in_free, check_in_zap, .. } = cx.era.protections;
            let called = if f.path == Path::Free { check_in_free } else { check_in_zap };
            let call = (called, order(cx).checked);
            check_pending(cx, who, f, mm, call)
        }
        Step::Zap => walk(cx, who, f, mm, op),
        Step::DropPtl => {
            let Protections { recheck_after_relock, check_under_ptl, .. } = cx.era.protections;
            let before = recheck_after_relock && !check_under_ptl;
            cx.unlock(who, f, ptl, if before { Step::Pending as u8 } else { Step::RetakePtl as u8 })
        }
        Step::RetakePtl => {
            let recheck = cx.era.protections.recheck_after_relock;
            let next = if recheck { order(cx).locked } else { Step::Zap as u8 };
            cx.lock(who, f, ptl, next)
        }
        Step::ForceFlush => {
            f.pc = Step::DropRmap as u8;
            let force = f.flags & FORCE != 0 && cx.era.protections.flush_dirty_under_ptl;
            f.flags &= if f.path == Path::Free { !(FORCE | SPLIT) } else { !FORCE };
            if !force {
                return Flow::Next;
            }
            let cleared = std::mem::take(&mut cx.world.gather(who.task).span);
            Flow::Call(Cx::<W, P>::flush(Request::range(mm, cleared, cx.era.ceiling_pages, Cause::Operation)))
        }
        Step::DropRmap => {
            drop_rmap(cx.world, mm, cx.world.table_span(f.cursor).clip(part(f, op.span)));
            f.pc = Step::UnlockPtl as u8;
            Flow::Next
        }
        Step::UnlockPtl => {
            f.cursor = cx.world.table_span(f.cursor).end();
            cx.unlock(who, f, ptl, Step::NextTable as u8)
        }
        other => unreachable!("{other:?} is not under a PTL"),
    }
}

fn order<W: World, P: Probe>(cx: &Cx<'_, W, P>) -> CheckOrder {
    CheckOrder::of(cx.era, [Step::LockPtl as u8, Step::Pending as u8, Step::Zap as u8])
}

/// What comes after the last table.
fn walked<W: World, P: Probe>(cx: &Cx<'_, W, P>) -> u8 {
    if cx.era.protections.pending_until_flushed { Step::Nested as u8 } else { Step::CountEarly as u8 }
}

/// Flags of the frame: a dirty file page was unmapped; the PTL was dropped once under this table.
const FORCE: u8 = 2;
const SPLIT: u8 = 4;
/// munmap only, which has no use for the one before: a PTE of a driver's memory was cleared.
const EXTERNAL: u8 = 4;

/// Z8, one table that nothing needs any more; false if there is none left. It is freed after the flush, as the pages are.
fn free_table<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, (mm, span): (Mm, Span)) -> bool {
    while let Some(vpn) = cx.world.next_table(mm, Span { first: f.cursor, pages: span.end().saturating_sub(f.cursor) })
    {
        let table = cx.world.table_at(mm, vpn).expect("the walk found a table");
        f.cursor = cx.world.table_span(vpn).end();
        if cx.world.free_table(mm, vpn) {
            let gather = cx.world.gather(who.task);
            gather.span = gather.span.cover(Span::page(vpn.max(span.first)));
            gather.freed_tables = true;
            cx.act(who, Act::FreeTable(table));
            return true;
        }
    }
    false
}

/// Z5 or A3, one PTE.
fn walk<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm, op: Op) -> Flow {
    let unmap = f.path == Path::Munmap;
    let (page, in_table) = next_page(cx.world, mm, f, op.span);
    let Some(page) = page else {
        f.pc = Step::ForceFlush as u8;
        return Flow::Next;
    };
    if f.path == Path::Free {
        if age(cx, who, page) {
            oracle::outdate(cx, who, page);
        }
        leave(cx.world.vpn(page), in_table, f, Step::ForceFlush as u8);
        if cx.era.free_drops_ptl && f.pc == Step::Zap as u8 && f.flags & SPLIT == 0 {
            f.flags |= SPLIT;
            f.pc = Step::DropPtl as u8;
        }
        return Flow::Next;
    }
    // A page of a file comes back as it was, but for a copy of one's own.
    let backing = cx.world.vma(mm, cx.world.vpn(page)).backing;
    let lost = backing == Backing::Anon || (backing == Backing::PrivateFile && is_copy(cx.world, page));
    f.flags |= zap(cx, who, page, unmap);
    if matches!(op.kind, OpKind::Mmap(_)) || !unmap && lost {
        oracle::outdate(cx, who, page);
    }
    leave(cx.world.vpn(page), in_table, f, Step::ForceFlush as u8);
    Flow::Next
}

/// Z5. `unmap`: the mapping goes too, so what only its pages could find in a cache is freed with them.
/// `FORCE` if a dirty file page was unmapped: nobody could find the translations that store to it through the rmap any more, so they
/// have to go before the PTL does.
fn zap<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, unmap: bool) -> u8 {
    let mut force = false;
    ghost::inspected(cx.world, page);
    match cx.world.pte(page) {
        Pte::None => cx.act(who, Act::PteRead(page)),
        Pte::Swap => {
            // The slot goes; a folio still in reclaim's hands leaves the swap cache there.
            cx.xchg(who, page, Pte::None);
        }
        Pte::Present(old) if cx.world.folio(old.frame).external() => {
            return zap_external(cx, who, page, old.frame);
        }
        Pte::Present(old) => {
            ghost::weakened(cx.world, who.cpu, page);
            cx.xchg(who, page, Pte::None);
            tlb_remove_tlb_entry(cx.world, who, page);
            let folio = cx.world.folio(old.frame);
            let page_cache = folio.lru && !folio.anon;
            force = page_cache && old.dirty;
            if force && cx.era.rmap_after_flush {
                cx.world.keep_rmap(page, Some(old.frame));
            }
            cx.world.set_folio(old.frame, Folio { dirty: folio.dirty || force, ..folio });
            if page_cache && !unmap {
                // It stays in the page cache, and the gather has its reference until it has flushed.
                cx.world.set_cached_frame(page, Some(old.frame));
                let folio = cx.world.folio(old.frame);
                cx.world.set_folio(old.frame, Folio { gathered: folio.gathered + 1, ..folio });
                cx.world.free_later(who.task, old.frame);
            } else {
                // Reclaim may have put it into a cache already.
                if cx.world.cached_frame(page) == Some(old.frame) {
                    cx.world.set_cached_frame(page, None);
                }
                release(cx, who, old.frame);
            }
        }
    }
    if let Some(frame) = cx.world.cached_frame(page)
        && !cx.world.folio(frame).external()
        && (unmap || cx.world.folio(frame).anon)
    {
        drop_cached(cx, who, page, frame);
    }
    if force { FORCE } else { 0 }
}

/// Z6: what left its PTE leaves the rmap, under the same PTL.
fn drop_rmap<W: World>(world: &mut W, mm: Mm, span: Span) {
    for_pages(world, mm, span, |world, page| {
        if !is_external(world, page) {
            world.keep_rmap(page, None);
        }
    });
}

/// Has a store made this page of a private mapping one's own?
fn is_copy<W: World>(world: &W, page: Page) -> bool {
    match world.pte(page) {
        Pte::None => false,
        Pte::Swap => true,
        Pte::Present(pte) => world.folio(pte.frame).anon,
    }
}

fn for_pages<W: World>(world: &mut W, mm: Mm, span: Span, mut each: impl FnMut(&mut W, Page)) {
    let mut rest = span;
    while let Some(page) = world.next_page(mm, rest) {
        let vpn = world.vpn(page);
        rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
        each(world, page);
    }
}

/// What a page could find in a cache goes with it; what a relative of its process finds too stays for that one.
fn drop_cached<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, frame: FrameNo) {
    cx.world.set_cached_frame(page, None);
    release(cx, who, frame);
}

/// A3, `madvise_free_pte_range()`: from now on only a store that sets D again keeps the content. False if it is kept anyway.
fn age<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page) -> bool {
    ghost::inspected(cx.world, page);
    match cx.world.pte(page) {
        Pte::None => cx.act(who, Act::PteRead(page)),
        Pte::Swap => {
            cx.xchg(who, page, Pte::None);
            drop_swap_cache(cx, who, page);
        }
        Pte::Present(old) => {
            let folio = cx.world.folio(old.frame);
            // A page with another user is left alone, as one that reclaim has locked.
            if !folio.anon || folio.locked || cx.world.shared(old.frame, page) {
                cx.act(who, Act::PteRead(page));
                return false;
            }
            cx.world.set_folio(old.frame, Folio { lazyfree: true, dirty: false, ..folio });
            if old.accessed || old.dirty {
                ghost::weakened(cx.world, who.cpu, page);
                cx.xchg(who, page, Pte::Present(Present { accessed: false, dirty: false, ..old }));
                tlb_remove_tlb_entry(cx.world, who, page);
            } else {
                cx.act(who, Act::PteRead(page));
            }
        }
    }
    true
}

/// What only a swap entry could find goes with it; reclaim frees what it holds itself.
fn drop_swap_cache<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page) {
    if let Some(frame) = cx.world.cached_frame(page) {
        drop_cached(cx, who, page, frame);
    }
}

/// The gather takes over the reference of the mapping.
fn release<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, frame: FrameNo) {
    let folio = cx.world.folio(frame);
    let cached = folio.cached && cx.world.next_cached(frame, 0).is_some();
    // One reference will do for all pages that KSM has put under it.
    let held = folio.gathered > 0 && cx.world.frees_later(who.task, frame);
    cx.world.set_folio(frame, Folio { cached, gathered: folio.gathered + u8::from(!held), ..folio });
    if !held {
        cx.world.free_later(who.task, frame);
    }
}

/// Z9: flush before the pages are freed.
fn flush<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> Flow {
    f.pc = Step::FreePages as u8;
    if f.flags == NESTED {
        return Flow::Call(Cx::<W, P>::flush(Request::whole(mm, Cause::Nested)));
    }
    let Gather { span, freed_tables } = *cx.world.gather(who.task);
    if span.pages == 0 {
        f.pc = Step::NothingOwed as u8;
        return Flow::Next;
    }
    let request = Request::range(mm, span, cx.era.ceiling_pages, Cause::Operation);
    let unmaps = cx.world.op(who.task).kind == OpKind::Munmap;
    if unmaps && !freed_tables && cx.policy.defers_unmap() && cx.world.may_record(who.cpu) {
        f.pc = Step::Record as u8;
        return Flow::Next;
    }
    Flow::Call(Cx::<W, P>::flush(Request { freed_tables, ..request }))
}

/// What comes after the pages are freed, or held back.
fn freed<W: World, P: Probe>(cx: &Cx<'_, W, P>, f: &Frame) -> u8 {
    if cx.era.protections.pending_until_flushed { Step::Uncount as u8 } else { flushed(cx, f) }
}

/// What comes when the flush and the count are done: the next VMA, for which there may be another.
fn flushed<W: World, P: Probe>(cx: &Cx<'_, W, P>, f: &Frame) -> u8 {
    if f.path == Path::Munmap || cx.era.madvise_gathers { Step::Return as u8 } else { Step::FindVma as u8 }
}

/// LZ1: the others flush at their next tick; until then what was unmapped is held back.
fn record<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> Flow {
    let span = cx.world.gather(who.task).span;
    ghost::deferred(cx.world, who.cpu, mm, span);
    cx.world.record(who.cpu, mm, span);
    if cx.world.loaded(who.cpu) == Some(mm) {
        oracle::drop_entries(cx, who.cpu, (mm, span));
    }
    cx.act(who, Act::Broadcast(Request::range(mm, span, u64::MAX, Cause::Operation)));
    f.pc = if cx.era.protections.frames_held_until_swept {
        cx.world.hold_back(who);
        freed(cx, f)
    } else {
        Step::FreePages as u8
    };
    Flow::Next
}
