//! `mincore`: `mincore_pte_range()`, steps I0..I5. It looks at a PTE under its lock, and in the caches for what has none, and promises
//! nothing.
//!
//! Somebody who trusts it takes a page that is not resident for one that nobody can reach any more. That is not what it says: the
//! page is gone when it has left its cache, and the translations are when whoever cleared the PTE has flushed.

use crate::kernel::path::unlock_ptl;
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, Lock, Page, Pte};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, steps};
use crate::world::World;

steps! {
    Enter = "I0" "mincore()",
    LockMmap = "I1" "mmap_read_lock()",
    LockPtl = "I2" "mincore_pte_range(): pte_offset_map_lock()",
    Look = "I3" "ptep_get()",
    UnlockPtl = "I4" "pte_unmap_unlock()",
    Return = "I5" "mmap_read_unlock(), mincore() returns",
}

/// The caller concludes that the page is gone.
const CONCLUDED: u8 = 1;

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let mm = cx.world.mm(who.task).expect("a system call has an address space");
    match Step::of(f) {
        Step::Enter => {
            cx.act(who, Act::Enter(op.kind));
            f.pc = Step::LockMmap as u8;
            Flow::Next
        }
        Step::LockMmap => cx.lock(who, f, Lock::MmapRead(mm), Step::LockPtl as u8),
        Step::LockPtl => {
            let vpn = op.span.first;
            let mapped = cx.world.page(mm, vpn).filter(|_| cx.world.vma(mm, vpn).mapped);
            let (Some(page), Some(table)) = (mapped, cx.world.table_at(mm, vpn)) else {
                f.pc = Step::Return as u8;
                return Flow::Next;
            };
            f.page = page;
            cx.lock(who, f, Lock::Ptl(table), Step::Look as u8)
        }
        Step::Look => {
            let gone = !resident(cx, f.page);
            // An operation that is giving the content up has promised more than the caller can conclude.
            if op.kind == OpKind::Mincore(true) && gone && cx.world.emptier(f.page).is_none() {
                ghost::inspected(cx.world, f.page);
                oracle::outdate(cx, who, f.page);
                f.flags = CONCLUDED;
            }
            cx.act(who, Act::PteRead(f.page));
            f.pc = Step::UnlockPtl as u8;
            Flow::Next
        }
        Step::UnlockPtl => unlock_ptl(cx, who, f, Step::Return as u8),
        Step::Return => {
            cx.unlock(who, f, Lock::MmapRead(mm), Step::Return as u8);
            if f.flags == CONCLUDED {
                oracle::renew(cx, who, op.span, false);
            }
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

/// I3, and `mincore_page()` for what has no PTE: is it in the page cache, or for a swap entry in the swap cache?
fn resident<W: World, P: Probe>(cx: &Cx<'_, W, P>, page: Page) -> bool {
    let pte = cx.world.pte(page);
    let found = || cx.world.cached_frame(page).map(|frame| cx.world.folio(frame));
    match pte {
        Pte::Present(_) => true,
        _ if !cx.era.protections.mincore_asks_caches => false,
        Pte::Swap => found().is_some(),
        Pte::None => found().is_some_and(|folio| !folio.anon && !folio.external()),
    }
}
