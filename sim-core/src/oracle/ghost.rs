//! Evidence that a verdict of `never` is not vacuous.
//!
//! Four bits a page follow the story a race needs: (1) a PTE was cleared or weakened while another CPU held its translation,
//! (2) an operation then inspected that PTE, (3) the operation returned, (4) the access it forbids was attempted. An
//! exploration in which no execution reaches (4) proves nothing.

use crate::nouns::types::{Actor, Cpu, Page, Span};
use crate::world::World;

const WEAKENED: u8 = 1;
const INSPECTED: u8 = 2;
const RETURNED: u8 = 4;
const ATTEMPTED: u8 = 8;

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

/// An operation inspected a PTE under its lock.
pub fn inspected<W: World>(world: &mut W, page: Page) {
    advance(world, page, WEAKENED, INSPECTED);
}

/// An operation on a span returned.
pub(super) fn promised<W: World>(world: &mut W, who: Actor, span: Span) {
    let mm = world.mm(who.task).expect("operations belong to an address space");
    let mut rest = span;
    while let Some(page) = world.next_page(mm, rest) {
        advance(world, page, WEAKENED | INSPECTED, RETURNED);
        let vpn = world.vpn(page);
        rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
    }
}

/// A forbidden access was attempted.
pub(super) fn attempted<W: World>(world: &mut W, page: Page) {
    advance(world, page, WEAKENED | INSPECTED | RETURNED, ATTEMPTED);
}

/// Has the whole story happened to a page with these bits?
pub fn complete(bits: u8) -> bool {
    bits & ATTEMPTED != 0
}
