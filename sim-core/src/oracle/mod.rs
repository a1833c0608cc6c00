//! What was promised to user space, and which translations break it.
//!
//! When an operation returns it has promised something about some pages. From then on a *use* of a translation that breaks
//! the promise is a violation; its mere presence is not. The oracle marks such translations when the promise is made, so
//! that the hot path tests one byte of the entry it hit. It does not know why a flush happened.

pub mod ghost;

use crate::machine::tlb::Entry;
pub use crate::nouns::marks::{Class, Marks};
use crate::nouns::marks::{NO_LOAD, NO_STORE, UNMAPPED};
use crate::nouns::types::Promise;
use crate::nouns::types::{AccessKind, Actor, Cpu, Mm, Page, Rights, Span};
use crate::step::frame::{Cx, Probe};
use crate::world::World;

/// The marks of a translation under a promise. A mapping that is gone stays gone: mapping something else at the same
/// address does not make the old translation right, so that mark is only ever added.
fn judge(entry: Entry, promise: Promise) -> u8 {
    let mut marks = entry.marks & UNMAPPED;
    if !promise.mapped {
        marks |= UNMAPPED;
    }
    if !promise.rights.read() {
        marks |= NO_LOAD;
    }
    if entry.writable && !promise.rights.write() {
        marks |= NO_STORE;
    }
    marks
}

/// Re-marks every translation of a page after its promise changed.
fn remark<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, page: Page) {
    let promise = cx.world.promise(page);
    let mut from = 0;
    while let Some(cpu) = cx.world.next_holder(page, from) {
        from = cpu.0 + 1;
        if !cx.world.usable(cpu, page) {
            continue;
        }
        let entry = cx.world.tlb_peek(cpu, page).expect("a holder holds");
        let marks = judge(entry, promise);
        if marks != entry.marks {
            cx.world.tlb_update(cpu, page, Entry { marks, ..entry });
            cx.probe.remarked(cpu, page, Marks::of(entry));
            let class = Marks(marks).class();
            if class != Marks::of(entry).class() {
                cx.probe.window(cpu, page, class);
            }
        }
    }
}

/// Applies `change` to the promise of every touched page of a span.
fn change<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, span: Span, change: impl Fn(Promise) -> Promise) {
    let mm = cx.world.mm(who.task).expect("operations belong to an address space");
    let mut rest = span;
    while let Some(page) = cx.world.next_page(mm, rest) {
        let vpn = cx.world.vpn(page);
        rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
        let (old, new) = (cx.world.promise(page), change(cx.world.promise(page)));
        if old != new {
            cx.world.set_promise(page, new);
            remark(cx, page);
        }
        if rest.pages == 0 {
            break;
        }
    }
}

/// An operation begins: while it runs, user space may see either side of it.
pub fn grant<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, span: Span, rights: Rights, mapped: bool) {
    change(cx, who, span, |p| Promise { mapped: p.mapped || mapped, rights: p.rights.union(rights) });
}

/// An operation returns: only this is allowed from now on.
pub fn promise<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, span: Span, rights: Rights, mapped: bool) {
    change(cx, who, span, |_| Promise { mapped, rights });
    ghost::promised(cx.world, who, span);
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
    if !granted {
        ghost::attempted(world, page);
    }
}

/// A translation is filled. The walker saw a PTE that grants it, so it is clean unless the kernel is broken.
pub fn fill<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, cpu: Cpu, page: Page, kind: AccessKind, entry: Entry) {
    let marks = judge(entry, cx.world.promise(page));
    let probe = &mut *cx.probe;
    if let Some(old) = cx.world.tlb_peek(cpu, page) {
        close(probe, cpu, page, old);
    }
    cx.world.tlb_fill(cpu, page, kind, Entry { marks, ..entry }, &mut |page, gone| close(probe, cpu, page, gone));
    if let Some(class) = Marks(marks).class() {
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
