//! System calls as operations of the model: what a call does first, itself, and once it has returned.

use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Rights, Span};

use super::event::Call;
use super::script::Action;

/// Bytes of a page, log2.
pub(super) const PAGE_SHIFT: u32 = 12;
/// mmap(2) flags.
const MAP_SHARED: u32 = 1;
const MAP_FIXED: u32 = 0x10;
const MAP_ANONYMOUS: u32 = 0x20;
const MAP_LOCKED: u32 = 0x2000;
const MAP_POPULATE: u32 = 0x8000;
/// mremap(2) flags.
const MREMAP_FIXED: u32 = 2;
const MREMAP_DONTUNMAP: u32 = 4;
/// madvise(2) advice.
const MADV_NORMAL: u32 = 0;
const MADV_RANDOM: u32 = 1;
const MADV_SEQUENTIAL: u32 = 2;
const MADV_DONTNEED: u32 = 4;
const MADV_FREE: u32 = 8;
const MADV_PAGEOUT: u32 = 21;
const MADV_POPULATE_READ: u32 = 22;
const MADV_POPULATE_WRITE: u32 = 23;
const MADV_DONTNEED_LOCKED: u32 = 24;
/// Where user space ends: the lower half of 57-bit addresses.
pub(super) const USER_END: u64 = 1 << 56;

/// Did a call that returned this fail? Errors are the last 4,095 numbers (`IS_ERR_VALUE`), and no call returns an address beyond
/// user space.
pub(super) fn failed(ret: u64) -> bool {
    ret >= USER_END
}

/// The pages of a range, as far as it is in user space.
fn span_of(address: u64, length: u64) -> Span {
    let first = address.min(USER_END) >> PAGE_SHIFT;
    let end = address.saturating_add(length).min(USER_END).div_ceil(1 << PAGE_SHIFT);
    Span { first, pages: end.saturating_sub(first) }
}

/// What a call unmaps before it does anything else: what a fixed mapping or a fixed move replaces, and the tail that `mremap`
/// cuts off.
pub(super) fn unmapped_first(call: Call) -> impl Iterator<Item = Span> {
    let spans = match call {
        Call::Mmap { address, length, flags, .. } if flags & MAP_FIXED != 0 => {
            [span_of(address, length), Span::default()]
        }
        Call::Mremap { address, old_length, new_length, flags, new_address } => {
            let (old, new) = (span_of(address, old_length), span_of(address, new_length));
            let tail = Span { first: new.end(), pages: old.pages.saturating_sub(new.pages) };
            let replaced = if flags & MREMAP_FIXED != 0 { span_of(new_address, new_length) } else { Span::default() };
            [replaced, tail]
        }
        _ => [Span::default(); 2],
    };
    spans.into_iter().filter(|span| span.pages > 0)
}

/// What a call does, as far as its arguments tell.
pub(super) fn action_of(call: Call) -> Action {
    let op = match call {
        Call::Mmap { address, length, protection, flags, .. } => {
            let backing = match (flags & MAP_SHARED != 0, flags & MAP_ANONYMOUS != 0) {
                (true, _) => Backing::SharedFile,
                (false, true) => Backing::Anon,
                (false, false) => Backing::PrivateFile,
            };
            let rights = Rights::from_prot(protection);
            Op { rights, ..Op::call(OpKind::Mmap(backing), span_of(address, length)) }
        }
        Call::Munmap { address, length } => Op::call(OpKind::Munmap, span_of(address, length)),
        Call::Mprotect { start, length, protection } => {
            Op::mprotect(span_of(start, length), Rights::from_prot(protection))
        }
        Call::Madvise { start, length, advice } => {
            let span = span_of(start, length);
            match advice {
                MADV_NORMAL | MADV_RANDOM | MADV_SEQUENTIAL => {
                    return Action::Advice { span, random: advice == MADV_RANDOM };
                }
                MADV_DONTNEED | MADV_DONTNEED_LOCKED => Op::call(OpKind::Dontneed, span),
                MADV_FREE => Op::call(OpKind::Free, span),
                MADV_PAGEOUT => Op::call(OpKind::Pageout, span),
                _ => Op::call(OpKind::Other, span),
            }
        }
        Call::Mremap { address, old_length, new_length, .. } => {
            let (old, new) = (span_of(address, old_length), span_of(address, new_length));
            Op::mremap(Span { pages: old.pages.min(new.pages), ..old }, old.first)
        }
    };
    Action::Call(op, Vec::new())
}

/// Only the return value tells where a call mapped; without one it did nothing that is known.
pub(super) fn unfinished(op: &mut Op) {
    if matches!(op.kind, OpKind::Mmap(_) | OpKind::Mremap) {
        op.kind = OpKind::Other;
    }
}

/// A call returned `ret` and had not failed: settles where it mapped.
pub(super) fn returned(op: &mut Op, ret: u64) {
    match op.kind {
        OpKind::Mmap(_) => op.span.first = ret >> PAGE_SHIFT,
        OpKind::Mremap => {
            op.to = ret >> PAGE_SHIFT;
            if op.to == op.span.first || op.span.pages == 0 {
                // Grown or shrunk where it was, or mapped once more: no page moves.
                op.kind = OpKind::Other;
            }
        }
        _ => {}
    }
}

/// What a call that returned `ret` leaves behind, beside what it did: pages mapped without a fault, mappings that grew or stayed.
pub(super) fn aftermath(call: Call, ret: u64) -> Option<Action> {
    match call {
        Call::Mmap { length, protection, flags, .. } if flags & (MAP_POPULATE | MAP_LOCKED) != 0 => {
            let write = flags & MAP_SHARED == 0 && Rights::from_prot(protection).write();
            Some(Action::Populate { span: span_of(ret, length), write })
        }
        Call::Madvise { start, length, advice: advice @ (MADV_POPULATE_READ | MADV_POPULATE_WRITE) } => {
            Some(Action::Populate { span: span_of(start, length), write: advice == MADV_POPULATE_WRITE })
        }
        Call::Mremap { address, old_length, flags, .. } if flags & MREMAP_DONTUNMAP != 0 => {
            Some(Action::Extend { like: ret >> PAGE_SHIFT, span: span_of(address, old_length) })
        }
        Call::Mremap { old_length, new_length, .. } if old_length > 0 => {
            let (old, new) = (span_of(ret, old_length), span_of(ret, new_length));
            let span = Span { first: old.end(), pages: new.pages.saturating_sub(old.pages) };
            (span.pages > 0).then_some(Action::Extend { like: old.first, span })
        }
        _ => None,
    }
}
