//! The page-fault handler: fresh memory, swap-in, write enabling, copy on write.

use crate::kernel::path::access::allows;
use crate::kernel::path::alloc::{self, copies, owned};
use crate::kernel::path::{lock_ptl, unlock_ptl};
use crate::nouns::op::OpKind;
use crate::nouns::types::Backing;
use crate::nouns::types::{AccessKind, Actor, FrameNo, Lock, Page, Present, Pte, Span};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, steps};
use crate::world::{Cause, Folio, Request, Vma, World};

steps! {
    LockMmap = "FT1" "mmap_read_lock()",
    Look = "FT2" "find_vma(), filemap_get_folio(), swap_cache_get_folio()",
    Alloc = "FT2" "__alloc_pages(): zone_watermark_ok()",
    ReadIn = "FT2" "swap_read_folio()",
    LockPtl = "FT3" "pte_offset_map_lock()",
    Map = "FT4" "set_pte_at()",
    Copy = "FT5" "wp_page_copy(): copy_user_highpage()",
    Clear = "FT5" "wp_page_copy(): ptep_clear_flush()",
    CowFlushed = "FT5" "wp_page_copy(): ptep_clear_flush() done",
    UnlockPtl = "FT6" "pte_unmap_unlock()",
    PutOld = "FT6" "wp_page_copy(): folio_put(old)",
    UnlockMmap = "FT7" "mmap_read_unlock()",
    Exit = "FT8" "return from fault",
    Around = "FT4" "filemap_map_pages(): set_pte_at() of a neighbour",
}

/// The fault ends in SIGSEGV.
const SEGV: u8 = 1;

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let mm = cx.world.mm_of(f.page);
    let op = cx.world.op(who.task);
    let kind = match op.kind {
        OpKind::Access(kind) => kind,
        OpKind::Gup => AccessKind::Load,
        other => unreachable!("{other:?} does not fault"),
    };
    let vma = cx.world.vma(mm, cx.world.vpn(f.page));
    match Step::of(f) {
        // Waiting for memory with locks held would wait for ever: reclaim needs the PTL.
        Step::LockMmap if cx.world.memory().is_none() && !cx.world.memory_left() => Flow::Blocked(Wait::Memory),
        Step::LockMmap => cx.lock(who, f, Lock::MmapRead(mm), Step::Look as u8),
        Step::Look => {
            // A driver maps its memory beforehand: where it has taken it back there is SIGBUS.
            let taken = vma.backing == Backing::Pfn && cx.world.pte(f.page) == Pte::None;
            let allowed =
                vma.mapped && !taken && vma.rights.read() && (kind != AccessKind::Store || vma.rights.write());
            if !allowed {
                f.flags = SEGV;
                f.pc = Step::UnlockMmap as u8;
                return Flow::Next;
            }
            if let Some(frame) = locked(cx.world, f.page, kind, vma) {
                return Flow::Blocked(Wait::Folio(frame));
            }
            // pte_alloc(): munmap may have freed the table.
            cx.world.populate(mm, cx.world.vpn(f.page));
            cx.act(who, Act::PteRead(f.page));
            f.pc = Step::Alloc as u8;
            Flow::Next
        }
        Step::Alloc => {
            let wanted = alloc::wanted(cx.world, cx.era, f.page, kind, vma);
            alloc::watermarks(cx, who, f, wanted, Step::ReadIn as u8)
        }
        Step::ReadIn => alloc::read_in(cx, who, f, Step::LockPtl as u8),
        Step::LockPtl => lock_ptl(cx, who, f, Step::Map as u8),
        Step::Map => map(cx, who, f, kind, vma),
        Step::Copy => copy(cx, who, f),
        Step::Clear => clear(cx, who, f),
        Step::CowFlushed => {
            cx.world.keep_rmap(f.page, None);
            let pte = Present { frame: f.frame, writable: true, dirty: true, accessed: true, protnone: false };
            cx.xchg(who, f.page, Pte::Present(pte));
            let folio = cx.world.folio(f.frame);
            cx.world.set_folio(f.frame, Folio { lru: true, ..folio });
            cx.act(who, Act::FaultMap { page: f.page, pte, read_in: false, around: false });
            f.pc = Step::UnlockPtl as u8;
            Flow::Next
        }
        Step::UnlockPtl => unlock_ptl(cx, who, f, Step::PutOld as u8),
        Step::PutOld => {
            // Flushed for since FT5.
            cx.free_one(who);
            f.pc = Step::UnlockMmap as u8;
            Flow::Next
        }
        Step::UnlockMmap => cx.unlock(who, f, Lock::MmapRead(mm), Step::Exit as u8),
        Step::Around => map_around(cx, who, f, vma),
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
    if locked(cx.world, f.page, kind, vma).is_some() {
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
        Pte::Present(old) if old.protnone => hint(cx, who, f, old, vma),
        Pte::Present(old) if store && !vma.backing.shared() && copies(cx.world, cx.era, old.frame, f.page) => {
            before_copy(cx, f, old.frame)
        }
        Pte::Present(old) => {
            // do_wp_page(): a page of its own, or one of a shared file that is to be noted.
            let own = vma.backing.shared() || owned(cx.world, old.frame, f.page);
            let writable = vma.rights.write() && own;
            let pte = Present { writable, dirty: old.dirty || writable, accessed: true, ..old };
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
            let shared = cx.world.shared(frame, f.page);
            let active = folio.active || (read_in && alloc::starts_active(cx));
            let mapped = Folio { lru: true, anon: true, dirty: true, cached: shared, active, ..folio };
            cx.world.set_folio(frame, mapped);
            let writable = vma.rights.write() && !shared && !folio.ksm && (store || cx.era.swapin_grants_write);
            let dirty = store && writable;
            let pte = Present { frame, writable, dirty, accessed: true, protnone: false };
            install(cx, who, f, pte, read_in)
        }
        Pte::None if vma.backing == Backing::Pfn => no_memory(f),
        Pte::None => {
            // A load of untouched anonymous memory maps the zero page, read-only: the first store copies it.
            let zero = vma.backing == Backing::Anon && !store;
            let anon = store && !vma.backing.shared();
            // The swap cache is found through swap entries only; here it is what an operation dropped and reclaim still holds.
            if let Some(frame) = cx.world.cached_frame(f.page)
                && !anon
                && !cx.world.folio(frame).anon
                && !cx.world.folio(frame).external()
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
            let flow = install(cx, who, f, pte, false);
            if cx.era.fault_around_pages > 1 && !store && vma.backing.file() {
                (f.count, f.pc) = (0, Step::Around as u8);
            }
            flow
        }
    }
}

/// FT4, `do_numa_page()`: what NUMA balancing made inaccessible gets back what it had. A store to what had no W faults again, unless the
/// kernel makes pages of one's own writable here.
fn hint<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, old: Present, vma: Vma) -> Flow {
    let granted = cx.era.mprotect_grants_write && !vma.backing.shared() && owned(cx.world, old.frame, f.page);
    let writable = vma.rights.write() && (old.writable || granted);
    install(cx, who, f, Present { writable, accessed: true, protnone: false, ..old }, false)
}

/// FT4, `do_fault_around()`: a load of a file page maps its neighbours in an aligned window, too, if nothing is mapped there. The
/// whole file is taken to be in the page cache.
fn map_around<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, vma: Vma) -> Flow {
    let (mm, vpn) = (cx.world.mm_of(f.page), cx.world.vpn(f.page));
    let pages = u64::from(cx.era.fault_around_pages);
    let window = Span { first: vpn - vpn % pages, pages }.clip(cx.world.table_span(vpn));
    while let neighbour = window.first + u64::from(f.count)
        && neighbour < window.end()
    {
        f.count += 1;
        if cx.world.vma(mm, neighbour) != vma {
            continue;
        }
        let page = cx.world.populate(mm, neighbour);
        if cx.world.pte(page) != Pte::None
            || cx.world.cached_frame(page).is_some_and(|frame| !in_cache(cx.world, frame))
        {
            continue;
        }
        let frame = match cx.world.cached_frame(page) {
            Some(frame) => frame,
            None if cx.world.memory().is_some() => continue,
            None => match cx.alloc_for(page) {
                Some(frame) => frame,
                None => break,
            },
        };
        let folio = cx.world.folio(frame);
        if cx.world.cached_frame(page).is_none() {
            cx.world.set_folio(frame, Folio { allocated: true, lru: true, cached: true, ..Folio::default() });
        } else if folio.locked {
            continue;
        }
        cx.world.set_cached_frame(page, None);
        let pte = Present { frame, writable: false, dirty: false, accessed: true, protnone: false };
        cx.xchg(who, page, Pte::Present(pte));
        cx.act(who, Act::FaultMap { page, pte, read_in: false, around: true });
        return Flow::Next;
    }
    f.pc = Step::UnlockPtl as u8;
    Flow::Next
}

/// Is a frame that a page finds in a cache one of the page cache, which any fault may map?
fn in_cache<W: World>(world: &W, frame: FrameNo) -> bool {
    let folio = world.folio(frame);
    !folio.anon && !folio.external()
}

/// Somebody else took the last frame, or what was there: let go of the locks, and the retried access waits for one.
fn no_memory(f: &mut Frame) -> Flow {
    f.pc = Step::UnlockPtl as u8;
    Flow::Next
}

fn install<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, pte: Present, read_in: bool) -> Flow {
    let folio = cx.world.folio(pte.frame);
    if pte.dirty && !folio.anon {
        // fault_dirty_shared_page(): a file page that may be stored to is due for writeback from here on.
        cx.world.set_folio(pte.frame, Folio { dirty: true, ..folio });
    }
    if pte.dirty {
        oracle::dirtied(cx, pte.frame);
    }
    cx.xchg(who, f.page, Pte::Present(pte));
    cx.act(who, Act::FaultMap { page: f.page, pte, read_in, around: false });
    f.pc = Step::UnlockPtl as u8;
    Flow::Next
}

/// The folio whose lock a fault needs, if somebody holds it: one found in a cache, and a shared file page that is stored to
/// (`page_mkwrite()`), since writeback must not clear PG_dirty behind a new writable PTE.
fn locked<W: World>(world: &W, page: Page, kind: AccessKind, vma: Vma) -> Option<FrameNo> {
    let mkwrite = kind == AccessKind::Store && vma.backing == Backing::SharedFile;
    // A hint fault makes nothing writable that was not.
    let mapped = world.pte(page).present().filter(|pte| mkwrite && !pte.protnone).map(|pte| pte.frame);
    world.cached_frame(page).or(mapped).filter(|&frame| world.folio(frame).locked)
}

/// FT4, still under the PTL. A page of one's own may have lost W a moment ago to somebody who has not flushed yet, so that others
/// would store to it while it is copied.
fn before_copy<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, f: &mut Frame, old: FrameNo) -> Flow {
    f.pc = Step::Copy as u8;
    if !owned(cx.world, old, f.page) {
        return Flow::Next;
    }
    ghost::inspected(cx.world, f.page);
    let (mm, vpn) = (cx.world.mm_of(f.page), cx.world.vpn(f.page));
    if !cx.era.protections.wp_fault_checks_pending || *cx.world.flush_pending(mm) == 0 {
        return Flow::Next;
    }
    Flow::Call(Cx::<W, P>::flush(Request::page(mm, vpn, Cause::Nested)))
}

/// FT5, the copy: what is stored to the old frame from now on without asking the PTE is lost. The model holds the PTL over it,
/// where the kernel lets go of it and looks afterwards whether the PTE is the same.
fn copy<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let Some(to) = cx.alloc_for(f.page) else {
        return no_memory(f);
    };
    let active = alloc::starts_active(cx);
    cx.world.set_folio(to, Folio { allocated: true, anon: true, dirty: true, active, ..Folio::default() });
    let from = cx.world.pte(f.page).present().expect("its PTL is held").frame;
    oracle::copied_from(cx, f.page, from);
    cx.act(who, Act::Copy { from, to });
    (f.frame, f.pc) = (to, Step::Clear as u8);
    Flow::Next
}

/// FT5: the old translation must be gone everywhere before the new frame becomes writable, and until then nobody may take the old
/// frame for his own. It, a zero page, the file's or one that a relative maps too, is put by and freed like those of a zap.
fn clear<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let old = cx.xchg(who, f.page, Pte::None).present().expect("its PTL is held").frame;
    cx.world.keep_rmap(f.page, Some(old));
    let folio = cx.world.folio(old);
    cx.world.set_folio(old, Folio { cached: folio.cached && folio.anon, gathered: folio.gathered + 1, ..folio });
    cx.world.free_later(who.task, old);
    f.pc = Step::CowFlushed as u8;
    let mm = cx.world.mm_of(f.page);
    Flow::Call(Cx::<W, P>::flush(Request::page(mm, cx.world.vpn(f.page), Cause::Cow)))
}
