//! A user access: the TLB, the walker, the dirty assist, and the fault if none of them can serve it.

use crate::machine::tlb::Entry;
use crate::nouns::op::OpKind;
use crate::nouns::types::{AccessKind, Actor, Page, Present, Pte};
use crate::oracle;
use crate::step::frame::{Act, Cx, Flow, Frame, Path, Probe, StepId, steps};
use crate::world::{TlbLevel, World};

steps! {
    Translate = "U1" "user accesses memory",
    Walk = "U2" "page walk",
    Assist = "U3" "store through a clean entry: translate again",
    Faulted = "U4" "fault handled",
}

/// The step in which the TLB serves an access.
pub(crate) const TRANSLATE: StepId = StepId { path: Path::Access, pc: Step::Translate as u8 };

/// What the TLB says to an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Translation {
    /// It serves the access without looking at the page tables.
    Hit(Entry, TlbLevel),
    /// It holds a clean entry, and this is a store.
    NeedsAssist,
    /// It holds nothing that serves.
    Miss,
}

/// Looks an access up in the TLB of a CPU.
fn translate<W: World>(world: &mut W, who: Actor, page: Page, kind: AccessKind, assist: bool) -> Translation {
    let found = world.tlb_lookup(who.cpu, page, kind);
    classify(found, kind, assist)
}

/// Would a translation that the TLB holds serve an access?
#[inline]
pub fn would_hit(held: Entry, kind: AccessKind, assist: bool) -> bool {
    let found = Some((held, TlbLevel::L1));
    matches!(classify(found, kind, assist), Translation::Hit(..))
}

#[inline]
fn classify(found: Option<(Entry, TlbLevel)>, kind: AccessKind, assist: bool) -> Translation {
    match found {
        Some((entry, level)) => match kind {
            AccessKind::Load | AccessKind::Fetch => Translation::Hit(entry, level),
            AccessKind::Store if entry.writable && (entry.dirty || !assist) => Translation::Hit(entry, level),
            AccessKind::Store if entry.writable => Translation::NeedsAssist,
            AccessKind::Store => Translation::Miss,
        },
        None => Translation::Miss,
    }
}

/// Does a PTE allow this access?
pub(super) fn allows(pte: Present, kind: AccessKind) -> bool {
    !pte.protnone && (kind != AccessKind::Store || pte.writable)
}

/// The translation a walk makes of a PTE.
pub fn entry_of(pte: Present) -> Entry {
    Entry { frame: pte.frame.0, writable: pte.writable, dirty: pte.dirty, executable: true, marks: 0 }
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    let op = cx.world.op(who.task);
    let OpKind::Access(kind) = op.kind else { unreachable!("an access frame belongs to an access") };
    let mm = cx.world.mm(who.task).expect("user code runs in an address space");
    match Step::of(f) {
        Step::Translate => {
            let Some(page) = cx.world.page(mm, op.span.first) else {
                f.page = cx.world.populate(mm, op.span.first);
                return fault(cx, who, f);
            };
            f.page = page;
            oracle::attempt(cx.world, page, kind);
            match translate(cx.world, who, page, kind, cx.era.dirty_assist) {
                Translation::Hit(entry, level) => {
                    finish(cx, who, page, kind, entry, Some(level));
                    return Flow::Return(0);
                }
                Translation::NeedsAssist => f.pc = Step::Assist as u8,
                Translation::Miss => f.pc = Step::Walk as u8,
            }
            Flow::Next
        }
        Step::Walk => match cx.world.pte(f.page) {
            Pte::Present(pte) if allows(pte, kind) => {
                let walked = Present { accessed: true, dirty: pte.dirty || kind == AccessKind::Store, ..pte };
                if walked != pte {
                    cx.world.pte_xchg(f.page, Pte::Present(walked));
                }
                if walked.dirty && !pte.dirty {
                    oracle::dirtied(cx, pte.frame);
                }
                let updated = walked != pte;
                cx.act(who, Act::Walk { page: f.page, updated });
                oracle::fill(cx, who.cpu, f.page, kind, entry_of(walked));
                let entry = cx.world.tlb_peek(who.cpu, f.page).expect("just filled");
                finish(cx, who, f.page, kind, entry, None);
                Flow::Return(0)
            }
            _ => fault(cx, who, f),
        },
        Step::Assist => match cx.world.pte(f.page) {
            // The frame written is the one the PTE names now, not the one the old entry named (reference, N1).
            Pte::Present(pte) if allows(pte, kind) => {
                let walked = Present { accessed: true, dirty: true, ..pte };
                cx.world.pte_xchg(f.page, Pte::Present(walked));
                oracle::dirtied(cx, pte.frame);
                cx.act(who, Act::Assist(f.page));
                oracle::fill(cx, who.cpu, f.page, kind, entry_of(walked));
                let entry = cx.world.tlb_peek(who.cpu, f.page).expect("just filled");
                finish(cx, who, f.page, kind, entry, None);
                Flow::Return(0)
            }
            _ => fault(cx, who, f),
        },
        Step::Faulted => {
            f.pc = Step::Translate as u8;
            if f.ret == 0 { Flow::Next } else { Flow::Return(1) }
        }
    }
}

/// Takes the page fault. The hardware drops the entry of a faulting access.
fn fault<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    oracle::forget(cx, who.cpu, f.page);
    cx.act(who, Act::FaultEnter(f.page));
    f.pc = Step::Faulted as u8;
    Flow::Call(Frame::about(Path::Fault, f.page))
}

fn finish<W: World, P: Probe>(
    cx: &mut Cx<'_, W, P>,
    who: Actor,
    page: Page,
    kind: AccessKind,
    entry: Entry,
    level: Option<TlbLevel>,
) {
    oracle::used(cx, who, page, kind, entry);
    let frame = crate::nouns::types::FrameNo(entry.frame);
    cx.act(who, Act::Use { page, kind, frame, level });
}
