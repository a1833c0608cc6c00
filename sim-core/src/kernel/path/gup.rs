//! Pinning a page for a device: `pin_user_pages_fast()`, steps Q0..Q7.
//!
//! gup-fast reads page tables and takes no lock, with interrupts off from the PTE to the reference, so no shootdown that needs an
//! interrupt on this CPU ends in between. It never looks at a TLB. Where it finds nothing it can use, the fault handler maps the
//! page and it tries again, in place of `__get_user_pages()`, which would follow the PTE under its lock.

use crate::nouns::types::{AccessKind, Actor};
use crate::oracle::{self, ghost};
use crate::step::frame::{Act, Cx, Flow, Frame, Path, Probe, steps};
use crate::world::{Folio, World};

steps! {
    Enter = "Q0" "pin_user_pages_fast()",
    Read = "Q1" "local_irq_save(), ptep_get_lockless()",
    Get = "Q2" "try_grab_folio_fast()",
    Recheck = "Q3" "is the PTE the same? local_irq_restore()",
    Drop = "Q3" "gup_put_folio(): the PTE has changed",
    Device = "Q4" "the device reads the page",
    Unpin = "Q5" "unpin_user_page()",
    Faulted = "Q6" "faultin_page(): try again",
    Return = "Q7" "the page is not pinned any more",
}

pub(super) fn irqs_off(f: &Frame) -> bool {
    matches!(Step::of(f), Step::Get | Step::Recheck | Step::Drop)
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    match Step::of(f) {
        Step::Enter => {
            let mm = cx.world.mm(who.task).expect("a system call has an address space");
            f.page = cx.world.page(mm, op.span.first).unwrap_or_else(|| cx.world.populate(mm, op.span.first));
            cx.act(who, Act::Enter(op.kind));
            f.pc = Step::Read as u8;
            Flow::Next
        }
        Step::Read => match cx.world.pte(f.page).usable() {
            Some(pte) => {
                f.frame = pte.frame;
                oracle::walked(cx.world, who.task, f.page, pte.frame);
                cx.act(who, Act::PteRead(f.page));
                f.pc = Step::Get as u8;
                Flow::Next
            }
            None => fault(f),
        },
        Step::Get => get(cx, who, f),
        Step::Recheck => {
            let same = cx.world.pte(f.page).usable().is_some_and(|pte| pte.frame == f.frame);
            cx.act(who, Act::PteRead(f.page));
            f.pc = if same { Step::Device as u8 } else { Step::Drop as u8 };
            Flow::Next
        }
        Step::Drop => {
            oracle::let_go(cx.world, who.task);
            cx.free_one(who);
            fault(f)
        }
        Step::Device => {
            oracle::reached(cx, who, f.page, AccessKind::Load);
            cx.act(who, Act::Device(f.page, f.frame));
            f.pc = Step::Unpin as u8;
            Flow::Next
        }
        Step::Unpin => {
            oracle::let_go(cx.world, who.task);
            cx.free_one(who);
            f.pc = Step::Return as u8;
            Flow::Next
        }
        Step::Faulted => {
            f.pc = if f.ret == 0 { Step::Read as u8 } else { Step::Return as u8 };
            Flow::Next
        }
        Step::Return => {
            cx.act(who, Act::Return(op.kind));
            Flow::Return(0)
        }
    }
}

/// Q2: not the folio that is free, that reclaim has frozen, or that nobody counts references to.
fn get<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    ghost::grabbed(cx.world, f.page);
    let folio = cx.world.folio(f.frame);
    let got = folio.allocated && !folio.frozen() && !folio.external();
    cx.act(who, Act::Pin(f.frame, got));
    if !got {
        oracle::let_go(cx.world, who.task);
        if folio.external() {
            // pte_special(): there is nothing to count.
            f.pc = Step::Return as u8;
            return Flow::Next;
        }
        return fault(f);
    }
    cx.world.set_folio(f.frame, Folio { gathered: folio.gathered + 1, ..folio });
    cx.world.free_later(who.task, f.frame);
    f.pc = if cx.era.protections.gup_rechecks_pte { Step::Recheck as u8 } else { Step::Device as u8 };
    Flow::Next
}

fn fault(f: &mut Frame) -> Flow {
    f.pc = Step::Faulted as u8;
    Flow::Call(Frame::about(Path::Fault, f.page))
}
