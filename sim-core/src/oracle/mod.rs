//! What was promised to user space, and which translations break it.
//!
//! When an operation returns it has promised something about some pages. From then on a *use* of a translation that breaks
//! the promise is a violation; its mere presence is not. The oracle marks such translations when the promise is made, so
//! that the hot path tests one byte of the entry it hit. It does not know why a flush happened.

pub mod ghost;

pub use crate::nouns::marks::{Class, Marks};

use crate::machine::tlb::Entry;
use crate::nouns::types::Promise;
use crate::nouns::types::{AccessKind, Actor, Cpu, FrameNo, Mm, Page, Pte, Rights, Span};
use crate::step::frame::{Cx, Probe};
use crate::world::World;

/// Changes the marks of every translation of a page that can still be used.
fn mark<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, page: Page, change: impl Fn(Entry) -> Marks) {
    let mut from = 0;
    while let Some(cpu) = cx.world.next_holder(page, from) {
        from = cpu.0 + 1;
        if !cx.world.usable(cpu, page) {
            continue;
        }
        let entry = cx.world.tlb_peek(cpu, page).expect("a holder holds");
        let (old, new) = (Marks::of(entry), change(entry));
        if old == new {
            continue;
        }
        cx.world.tlb_update(cpu, page, Entry { marks: new.byte(), ..entry });
        if !old.breaks_as(new) {
            cx.probe.remarked(cpu, page, old);
        }
        if old.class() != new.class() {
            cx.probe.window(cpu, page, new.class());
        }
    }
}

/// Does something for every touched page of a span.
fn for_pages<W: World, P: Probe>(
    cx: &mut Cx<'_, W, P>,
    who: Actor,
    span: Span,
    each: impl FnMut(&mut Cx<'_, W, P>, Page),
) {
    let mm = cx.world.mm(who.task).expect("operations belong to an address space");
    for_pages_of(cx, mm, span, each);
}

fn for_pages_of<W: World, P: Probe>(
    cx: &mut Cx<'_, W, P>,
    mm: Mm,
    span: Span,
    mut each: impl FnMut(&mut Cx<'_, W, P>, Page),
) {
    let mut rest = span;
    while let Some(page) = cx.world.next_page(mm, rest) {
        let vpn = cx.world.vpn(page);
        rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
        each(cx, page);
    }
}

/// Applies `change` to the promise of every touched page of a span, and re-marks their translations.
fn change<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, span: Span, change: impl Fn(Promise) -> Promise) {
    for_pages(cx, who, span, |cx, page| {
        let old = cx.world.promise(page);
        let new = change(old);
        if old != new {
            cx.world.set_promise(page, new);
            mark(cx, page, |entry| Marks::judge(entry, new));
        }
    });
}

/// An operation begins: while it runs, user space may see either side of it.
pub fn grant<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, span: Span, rights: Rights, mapped: bool) {
    if mapped {
        for_pages(cx, who, span, |cx, page| mark(cx, page, |entry| Marks::of(entry).remapped()));
    }
    change(cx, who, span, |p| Promise { mapped: p.mapped || mapped, rights: p.rights.union(rights) });
}

/// An operation returns: only this is allowed from now on.
pub fn promise<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, span: Span, rights: Rights, mapped: bool) {
    change(cx, who, span, |_| Promise { mapped, rights });
    ghost::promised(cx.world, who, span, ghost::Forbids::BeyondPromise);
}

/// An operation that changed rights returns: what the VMAs say is allowed from now on. Holes in the span stay holes.
pub fn promise_vmas<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, span: Span) {
    for_pages(cx, who, span, |cx, page| {
        let vma = cx.world.vma(cx.world.mm_of(page), cx.world.vpn(page));
        let new = Promise { mapped: vma.mapped, rights: vma.rights };
        if cx.world.promise(page) != new {
            cx.world.set_promise(page, new);
            mark(cx, page, |entry| Marks::judge(entry, new));
        }
    });
    ghost::promised(cx.world, who, span, ghost::Forbids::BeyondPromise);
}

/// An operation that gives content up, or takes W to see the next store, has come past a PTE, whose PTL it holds: whatever is
/// filled later is new.
pub fn outdate<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page) {
    cx.world.set_emptier(page, Some(who.task));
    mark(cx, page, |entry| Marks::of(entry).outdated());
}

/// That operation returns. Pages that another one has come past since are left to it: what was filled in between would be
/// taken for older than it is.
pub fn renew<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, span: Span, keeps_stores: bool) {
    let mm = cx.world.mm(who.task).expect("operations belong to an address space");
    settle(cx, who, (mm, span), |entry| {
        let marks = Marks::of(entry);
        if keeps_stores { marks.discardable(entry.writable && entry.dirty) } else { marks.replaced() }
    });
    let forbids = if keeps_stores { ghost::Forbids::Stores } else { ghost::Forbids::Everything };
    ghost::promised(cx.world, who, span, forbids);
}

/// An operation that has taken W from PTEs, so that the next store to each page faults, returns.
pub fn write_protected<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, mm: Mm, span: Span) {
    settle(cx, who, (mm, span), |entry| Marks::of(entry).write_protected(entry.writable && entry.dirty));
    ghost::promised_in(cx.world, mm, span, ghost::Forbids::Stores);
}

/// Judges what was filled before an operation came past the PTE, on the pages that no other one has come past since.
fn settle<W: World, P: Probe>(
    cx: &mut Cx<'_, W, P>,
    who: Actor,
    (mm, span): (Mm, Span),
    change: impl Fn(Entry) -> Marks,
) {
    for_pages_of(cx, mm, span, |cx, page| {
        if cx.world.emptier(page) == Some(who.task) {
            cx.world.set_emptier(page, None);
            mark(cx, page, &change);
        }
    });
}

/// fork returns: the frames that the child shares are copied before they are stored to.
pub fn forked<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, span: Span) {
    for_pages(cx, who, span, |cx, page| {
        let shared = match cx.world.pte(page) {
            Pte::Swap => None,
            Pte::Present(pte) if cx.world.shared(pte.frame, page) => Some(pte.frame.0),
            Pte::None | Pte::Present(_) => return,
        };
        mark(cx, page, |entry| {
            let concerned = shared.is_none_or(|frame| frame == entry.frame);
            Marks::of(entry).copied(concerned && entry.writable && entry.dirty)
        });
    });
    ghost::promised(cx.world, who, span, ghost::Forbids::Stores);
}

/// A frame has been copied and is about to be replaced: a store that does not ask the PTE is lost.
pub fn copied_away<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, frame: FrameNo) {
    mark_frame(cx, frame, |_, entry| Marks::of(entry).copied(entry.writable && entry.dirty));
}

/// A frame has been copied for one of its pages, which is about to let go of it: a store through that page is lost.
pub fn copied_from<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, page: Page, frame: FrameNo) {
    mark(cx, page, |entry| Marks::of(entry).copied(entry.frame == frame.0 && entry.writable && entry.dirty));
}

/// A page is marked clean and written: a store that sets no D is lost.
pub fn cleaned<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, frame: FrameNo) {
    mark_frame(cx, frame, |_, entry| Marks::of(entry).cleaned(entry.writable && entry.dirty));
}

/// D is set in a PTE of a page: it will be written again.
pub fn dirtied<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, frame: FrameNo) {
    mark_frame(cx, frame, |_, entry| Marks::of(entry).redirtied());
}

/// Writeback of a span is done: what was stored before is safe.
pub fn synced<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, mm: Mm, span: Span) {
    ghost::promised_in(cx.world, mm, span, ghost::Forbids::Stores);
}

/// A frame goes to the allocator.
pub fn freed<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, frame: FrameNo) {
    mark_frame(cx, frame, |_, entry| Marks::of(entry).freed());
}

/// The allocator hands a frame out, for this page.
pub fn allocated<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, frame: FrameNo, to: Page) {
    mark_frame(cx, frame, |page, entry| Marks::of(entry).reused(page != to));
}

/// Changes the marks of every translation to a frame.
fn mark_frame<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, frame: FrameNo, change: impl Fn(Page, Entry) -> Marks) {
    let mut from = 0;
    while let Some(page) = cx.world.next_page_of(frame, from) {
        from = page.0 + 1;
        mark(cx, page, |entry| if entry.frame == frame.0 { change(page, entry) } else { Marks::of(entry) });
    }
}

/// A translation is used.
pub fn used<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, page: Page, kind: AccessKind, entry: Entry) {
    let marks = Marks::of(entry);
    if marks.breaks(kind).is_some() {
        cx.probe.marked_use(who, page, kind, marks);
    }
}

/// An access is attempted: the forbidden ones are what a verdict of `never` is about.
pub fn attempt<W: World>(world: &mut W, page: Page, kind: AccessKind) {
    let promise = world.promise(page);
    let granted = promise.mapped && promise.rights.read() && (kind != AccessKind::Store || promise.rights.write());
    ghost::attempted(world, page, kind, granted);
}

/// A translation is filled. The walker saw a PTE that grants it, so it is clean unless the kernel is broken.
pub fn fill<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, cpu: Cpu, page: Page, kind: AccessKind, entry: Entry) {
    let mut marks = Marks::judge(entry, cx.world.promise(page));
    if !cx.world.folio(FrameNo(entry.frame)).allocated {
        marks = marks.freed();
    }
    let probe = &mut *cx.probe;
    if let Some(old) = cx.world.tlb_peek(cpu, page) {
        close(probe, cpu, page, old);
    }
    cx.world.tlb_fill(cpu, page, kind, Entry { marks: marks.byte(), ..entry }, &mut |page, gone| {
        close(probe, cpu, page, gone);
    });
    if let Some(class) = marks.class() {
        cx.probe.window(cpu, page, Some(class));
    }
}

/// A CPU drops its translation of one page (a faulting access does).
pub fn forget<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, cpu: Cpu, page: Page) {
    if let Some(old) = cx.world.tlb_forget(cpu, page) {
        close(cx.probe, cpu, page, old);
    }
}

/// A CPU drops translations; the windows they kept open close.
pub fn drop_entries<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, cpu: Cpu, what: (Mm, Span)) {
    let probe = &mut *cx.probe;
    cx.world.tlb_drop(cpu, what, &mut |page, gone| close(probe, cpu, page, gone));
}

fn close<P: Probe>(probe: &mut P, cpu: Cpu, page: Page, gone: Entry) {
    if !Marks::of(gone).is_clean() {
        probe.window(cpu, page, None);
    }
}
