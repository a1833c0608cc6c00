//! Evidence that a verdict of `never` is not vacuous.
//!
//! Four bits a page follow the story a race needs: (1) a PTE was cleared or weakened while another CPU held its translation,
//! (2) an operation then inspected that PTE, (3) the operation returned, (4) the access it forbids was attempted. An
//! exploration in which no execution reaches (4) proves nothing. Some operations forbid what they left granted: after
//! `MADV_DONTNEED` the old content, after `MADV_FREE` and fork blind stores. Any such access tests them, so a bit each says
//! that one returned.
//!
//! Where no operation promises anything there are still the frames: their story is (1), then reclaim gives the folio up,
//! then an access is attempted while nothing is mapped.

use crate::nouns::types::{AccessKind, Actor, Cpu, Mm, Page, Pte, Span};
use crate::world::World;

const WEAKENED: u8 = 1;
const INSPECTED: u8 = 2;
const RETURNED: u8 = 4;
const ATTEMPTED: u8 = 8;
const NO_ACCESS: u8 = 16;
const NO_STORE: u8 = 32;
const GIVEN_UP: u8 = 64;
const FRAME_ATTEMPTED: u8 = 128;

/// Which accesses test an operation that returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbids {
    /// Those that the promise does not grant.
    BeyondPromise,
    /// All of them.
    Everything,
    /// All stores.
    Stores,
}

fn advance<W: World>(world: &mut W, page: Page, needs: u8, bit: u8) {
    let bits = world.ghost(page);
    if bits & needs == needs && bits & bit == 0 {
        world.set_ghost(page, bits | bit);
    }
}

/// A PTE was cleared or weakened by this CPU.
pub fn weakened<W: World>(world: &mut W, cpu: Cpu, page: Page) {
    let mut from = 0;
    while let Some(holder) = world.next_holder(page, from) {
        if holder != cpu {
            advance(world, page, 0, WEAKENED);
            return;
        }
        from = holder.0 + 1;
    }
}

/// An operation of this CPU leaves the flush of a span to the others: what some of them hold now is then weakened, and nobody has to
/// look at the PTE once more to rely on that.
pub fn deferred<W: World>(world: &mut W, cpu: Cpu, mm: Mm, span: Span) {
    let mut rest = span;
    while let Some(page) = world.next_page(mm, rest) {
        weakened(world, cpu, page);
        inspected(world, page);
        let vpn = world.vpn(page);
        rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
    }
}

/// An operation inspected a PTE under its lock.
pub fn inspected<W: World>(world: &mut W, page: Page) {
    advance(world, page, WEAKENED, INSPECTED);
}

/// Reclaim gives up the folio of a page.
pub fn given_up<W: World>(world: &mut W, page: Page) {
    advance(world, page, WEAKENED, GIVEN_UP);
}

/// An operation on a span returned.
pub(super) fn promised<W: World>(world: &mut W, who: Actor, span: Span, forbids: Forbids) {
    let mm = world.mm(who.task).expect("operations belong to an address space");
    promised_in(world, mm, span, forbids);
}

/// The same for an operation of no task of the address space.
pub(super) fn promised_in<W: World>(world: &mut W, mm: Mm, span: Span, forbids: Forbids) {
    let mut rest = span;
    while let Some(page) = world.next_page(mm, rest) {
        advance(world, page, WEAKENED | INSPECTED, RETURNED);
        match forbids {
            Forbids::BeyondPromise => {}
            Forbids::Everything => advance(world, page, RETURNED, NO_ACCESS),
            Forbids::Stores => advance(world, page, RETURNED, NO_STORE),
        }
        let vpn = world.vpn(page);
        rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
    }
}

/// An access is attempted; `granted` if the promise of the page allows it.
pub(super) fn attempted<W: World>(world: &mut W, page: Page, kind: AccessKind, granted: bool) {
    let bits = world.ghost(page);
    let forbidden = NO_ACCESS | if kind == AccessKind::Store { NO_STORE } else { 0 };
    if !granted || bits & forbidden != 0 {
        advance(world, page, WEAKENED | INSPECTED | RETURNED, ATTEMPTED);
    }
    if !matches!(world.pte(page), Pte::Present(_)) {
        advance(world, page, GIVEN_UP, FRAME_ATTEMPTED);
    }
}

/// Has the whole story of an operation happened to a page with these bits?
pub fn complete(bits: u8) -> bool {
    bits & ATTEMPTED != 0
}

/// Has the whole story of a frame?
pub fn frame_complete(bits: u8) -> bool {
    bits & FRAME_ATTEMPTED != 0
}
