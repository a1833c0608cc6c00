//! Migration of one anonymous page to another frame, as a NUMA hint fault asks for it: `try_to_migrate_one()`, `folio_copy()` and
//! `remove_migration_pte()`, steps G1..G6.
//!
//! From the copy on a store to the old frame is lost, so no CPU may store there without asking the PTE. A PTE that is not
//! accessible (`PROT_NONE`) can be in no TLB, unless whoever made it so has not flushed yet: `tlb_flush_pending` says that.

use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, FrameNo, Lock, Mm, Present, Pte};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, steps};
use crate::world::{Cause, Folio, Request, World};

steps! {
    Enter = "G0" "migrate_misplaced_folio()",
    LockFolio = "G1" "folio_lock(), folio_isolate_lru()",
    LockPtl = "G2" "try_to_migrate_one(): lock PTL",
    Clear = "G2" "ptep_get_and_clear()",
    Flush = "G3" "flush_tlb_page(), if pte_accessible()",
    Entry = "G3" "set_pte_at(migration entry)",
    UnlockPtl = "G3" "unlock PTL",
    Copy = "G4" "folio_copy()",
    RelockPtl = "G5" "remove_migration_pte(): lock PTL",
    Map = "G5" "set_pte_at(new)",
    ReunlockPtl = "G5" "unlock PTL",
    UnlockFolio = "G6" "folio_unlock(old)",
    Put = "G6" "folio_put(old)",
    Return = "G6" "migrate_misplaced_folio() returns",
}

/// What is remembered of the PTE: its D and W bits, and whether the hardware could use it.
const DIRTY: u8 = 1;
const WRITABLE: u8 = 2;
const ACCESSIBLE: u8 = 4;

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
        Step::LockPtl => lock(cx, who, f, Step::Clear),
        Step::Clear => clear(cx, who, f, mm),
        Step::Flush => {
            f.pc = Step::Entry as u8;
            if f.flags & ACCESSIBLE == 0 {
                return Flow::Next;
            }
            Flow::Call(Cx::<W, P>::flush(Request::page(mm, op.span.first, Cause::Operation)))
        }
        Step::Entry => {
            cx.world.set_cached_frame(f.page, Some(f.frame));
            cx.xchg(who, f.page, Pte::Swap);
            f.pc = Step::UnlockPtl as u8;
            Flow::Next
        }
        Step::UnlockPtl => unlock(cx, who, f, Step::Copy),
        Step::Copy => {
            oracle::copied_away(cx, f.frame);
            cx.act(who, Act::Copy { from: f.frame, to: FrameNo(f.local) });
            f.pc = Step::RelockPtl as u8;
            Flow::Next
        }
        Step::RelockPtl => lock(cx, who, f, Step::Map),
        Step::Map => map(cx, who, f),
        Step::ReunlockPtl => unlock(cx, who, f, Step::UnlockFolio),
        Step::UnlockFolio => {
            let folio = cx.world.folio(f.frame);
            // Whoever has unmapped it meanwhile has left the last reference here.
            let gathered = folio.gathered + u8::from(folio.dropped);
            let unlocked = Folio { locked: false, isolated: false, dropped: false, gathered, ..folio };
            cx.world.set_folio(f.frame, unlocked);
            if folio.dropped {
                cx.world.free_later(who.task, f.frame);
            }
            cx.act(who, Act::Keep(f.frame));
            f.pc = Step::Put as u8;
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

fn lock<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, next: Step) -> Flow {
    let table = cx.world.table_of(f.page);
    cx.lock(who, f, Lock::Ptl(table), next as u8)
}

fn unlock<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, next: Step) -> Flow {
    let table = cx.world.table_of(f.page);
    cx.unlock(who, f, Lock::Ptl(table), next as u8)
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
    (f.page, f.frame, f.local) = (page, pte.frame, to.0);
    cx.act(who, Act::Isolate(page));
    f.pc = Step::LockPtl as u8;
    Flow::Next
}

/// G2. `pte_accessible()`: usable by the hardware, or still cached because its flush is pending.
fn clear<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame, mm: Mm) -> Flow {
    ghost::inspected(cx.world, f.page);
    let Some(old) = cx.world.pte(f.page).present().filter(|pte| pte.frame == f.frame) else {
        // Somebody else has unmapped it: the empty frame goes back with the old one's reference.
        cx.act(who, Act::PteRead(f.page));
        put_by(cx, who, FrameNo(f.local));
        f.pc = Step::ReunlockPtl as u8;
        return Flow::Next;
    };
    ghost::weakened(cx.world, who.cpu, f.page);
    let pending = cx.era.protections.migration_checks_pending && *cx.world.flush_pending(mm) > 0;
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    f.flags = bit(old.dirty, DIRTY) | bit(old.writable, WRITABLE) | bit(!old.protnone || pending, ACCESSIBLE);
    cx.xchg(who, f.page, Pte::None);
    f.pc = Step::Flush as u8;
    Flow::Next
}

/// G5: the new frame takes the old one's place, unless the page has been given up meanwhile.
fn map<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    f.pc = Step::ReunlockPtl as u8;
    let to = FrameNo(f.local);
    if cx.world.pte(f.page) != Pte::Swap || cx.world.cached_frame(f.page) != Some(f.frame) {
        cx.act(who, Act::PteRead(f.page));
        put_by(cx, who, to);
        return Flow::Next;
    }
    cx.world.set_cached_frame(f.page, None);
    let folio = cx.world.folio(to);
    cx.world.set_folio(to, Folio { lru: true, locked: false, ..folio });
    // mprotect rewrites migration entries: what the VMA does not allow any more stays forbidden.
    let rights = cx.world.vma(cx.world.mm_of(f.page), cx.world.vpn(f.page)).rights;
    let (writable, dirty) = (f.flags & WRITABLE != 0 && rights.write(), f.flags & DIRTY != 0);
    let pte = Present { frame: to, writable, dirty, accessed: true, protnone: !rights.read() };
    cx.xchg(who, f.page, Pte::Present(pte));
    put_by(cx, who, f.frame);
    Flow::Next
}

/// A frame that lost its place is freed at the end, unless somebody else has it.
fn put_by<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, frame: FrameNo) {
    let folio = cx.world.folio(frame);
    let locked = folio.locked && folio.isolated;
    cx.world.set_folio(frame, Folio { gathered: folio.gathered + 1, locked, ..folio });
    cx.world.free_later(who.task, frame);
}
