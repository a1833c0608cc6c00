//! The searches in one set: all ways at once and without a branch, since an exit on the way costs more than the rest of it.

use super::stamped::Way;

/// The way whose tag is `live` once these bits are set; there is at most one.
#[expect(
    clippy::inline_always,
    reason = "of two callers, one ignores nothing: half the instructions if that is compiled in"
)]
#[inline(always)]
pub(super) fn find(tags: &[u64], live: u64, ignored: u64) -> Option<usize> {
    // Usual widths get loops of a length the compiler knows.
    match tags.len() {
        4 => find_in::<4>(tags, live, ignored),
        8 => find_in::<8>(tags, live, ignored),
        12 => find_in::<12>(tags, live, ignored),
        16 => find_in::<16>(tags, live, ignored),
        _ => find_wide(tags, live, ignored),
    }
}

#[inline]
pub(super) fn find_in<const W: usize>(tags: &[u64], live: u64, ignored: u64) -> Option<usize> {
    let tags: &[u64; W] = tags.try_into().ok()?;
    let mut found = W;
    for (n, tag) in tags.iter().enumerate().rev() {
        found = if tag | ignored == live { n } else { found };
    }
    (found < W).then_some(found)
}

#[inline(never)]
fn find_wide(tags: &[u64], live: u64, ignored: u64) -> Option<usize> {
    let (chunks, rest) = tags.as_chunks::<8>();
    for (i, chunk) in chunks.iter().enumerate() {
        if let Some(way) = find_in::<8>(chunk, live, ignored) {
            return Some(8 * i + way);
        }
    }
    let way = rest.iter().position(|tag| tag | ignored == live)?;
    Some(tags.len() - rest.len() + way)
}

#[inline]
pub(super) fn least_in<const W: usize>(ways: &[Way]) -> Option<u64> {
    let ways: &[Way; W] = ways.try_into().ok()?;
    Some(least_of(ways))
}

/// The smallest stamp.
#[inline]
pub(super) fn least_of(ways: &[Way]) -> u64 {
    ways.iter().fold(u64::MAX, |least, way| least.min(way.stamp))
}
