//! Walks of system calls: one VMA after the other, and in each one page table after the other.

use crate::nouns::types::{Mm, Page, Span};
use crate::step::frame::Frame;
use crate::world::{Vma, World};

/// The VMA ends farther from where its span begins than a frame can say (16 TiB): the walk goes to the end of the span at once.
const FAR: u32 = u32::MAX;

/// The part of a span that a walk is in: as far as the VMA that it has come to reaches, or all of it where the walk does not go by VMAs.
/// The frame keeps where that is, since VMAs merge with their neighbours as they change.
pub(super) fn part(f: &Frame, span: Span) -> Span {
    if matches!(f.count, 0 | FAR) { span } else { Span { pages: u64::from(f.count), ..span } }
}

/// `find_vma()`: moves a walk on to the next VMA of its span. It passes over holes, or ends at the first.
pub(super) fn next_vma<W: World>(world: &W, mm: Mm, f: &mut Frame, span: Span, over_holes: bool) -> Option<Vma> {
    if f.count == FAR {
        f.cursor = span.end();
        return None;
    }
    f.cursor = span.first + u64::from(f.count);
    if over_holes && f.cursor < span.end() && !world.vma(mm, f.cursor).mapped {
        f.cursor = world.vma_end(mm, f.cursor).min(span.end());
    }
    if f.cursor >= span.end() {
        return None;
    }
    let end = world.vma_end(mm, f.cursor).min(span.end());
    let vma = Some(world.vma(mm, f.cursor)).filter(|vma| vma.mapped)?;
    f.count = u32::try_from(end - span.first).unwrap_or(FAR);
    Some(vma)
}

/// Moves a walk on to the next page table that exists in a span: `found`, or `done` at the end of it.
pub(super) fn next_table<W: World>(world: &W, mm: Mm, f: &mut Frame, span: Span, found: u8, done: u8) -> u8 {
    let rest = Span { first: f.cursor, pages: span.end().saturating_sub(f.cursor) };
    match world.next_table(mm, rest) {
        Some(vpn) => {
            f.cursor = f.cursor.max(vpn);
            found
        }
        None => done,
    }
}

/// What a walk has before it under the page table that it is in: the next page that was touched, and as far as the table and the part of
/// the span go together.
pub(super) fn next_page<W: World>(world: &W, mm: Mm, f: &Frame, span: Span) -> (Option<Page>, Span) {
    let in_table = world.table_span(f.cursor).clip(part(f, span));
    let rest = Span { first: f.cursor, pages: in_table.end() - f.cursor };
    (world.next_page(mm, rest), in_table)
}

/// Moves a walk inside one table past page number `vpn`; at the end of the table it stays on its last page and goes on
/// with step `done`, so that the table can still be named.
pub(super) fn leave(vpn: u64, in_table: Span, f: &mut Frame, done: u8) {
    if vpn + 1 < in_table.end() {
        f.cursor = vpn + 1;
    } else {
        (f.cursor, f.pc) = (vpn, done);
    }
}
