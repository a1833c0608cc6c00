//! What a thread asks of the machine or of the kernel: accesses and calls.

use crate::nouns::types::{AccessKind, Mm, Rights, Span};

/// One thing a task does, start to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    /// What.
    pub kind: OpKind,
    /// On which pages; one page for an access.
    pub span: Span,
    /// The new rights, for `mprotect` and `mmap`.
    pub rights: Rights,
    /// The first page number of the new place, for `mremap`; the stable page, for KSM.
    pub to: u64,
}

/// The kinds of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// A user access.
    Access(AccessKind),
    /// `mprotect(2)`.
    Mprotect,
    /// `munmap(2)`.
    Munmap,
    /// `mremap(2)` to another address.
    Mremap,
    /// `mmap(2)` of fresh memory at a fixed place.
    Mmap(crate::nouns::types::Backing),
    /// `madvise(MADV_DONTNEED)`.
    Dontneed,
    /// `madvise(MADV_FREE)`.
    Free,
    /// `madvise(MADV_PAGEOUT)`.
    Pageout,
    /// `fork(2)`; the child is this address space, which nobody has used before.
    Fork(Mm),
    /// The last user of an address space is gone (`exit_mmap()`): all of it is unmapped.
    Exit(Mm),
    /// One pass of NUMA balancing over a span (`task_numa_work()`): the next access of each page faults.
    NumaScan,
    /// Writeback of the dirty file pages of a span, by `msync(2)` or by the flusher: clean in every PTE, then written.
    Writeback(Mm),
    /// Migration of a page to another frame, as NUMA balancing does it.
    Migrate(Mm),
    /// KSM puts a page of the first address space under the frame of a page of the second, which holds the same.
    Ksm(Mm, Mm),
    /// `CLEAR_REFS_SOFT_DIRTY` for a span of this address space, by one of its tasks or by another process: the next store to
    /// each page faults, to be noted.
    SoftDirty(Mm),
    /// `UFFDIO_WRITEPROTECT` of a span: the next store to each page faults, and the monitor lets it through at once.
    UffdWp,
    /// `ftruncate(2)` of what a span of this address space maps.
    Truncate(Mm),
    /// A call that changes nothing the model knows (`MADV_NOHUGEPAGE`, a failed call).
    Other,
    /// One shrink list, by kswapd or by direct reclaim: the pages of the span in this address space, and whatever the driver
    /// has isolated beforehand.
    Reclaim(Mm),
    /// `mincore(2)`. If it is said, the caller takes "not resident" for "nobody can reach it", which the kernel does not promise.
    Mincore(bool),
    /// `pin_user_pages()` of one page for a device that reads it.
    Gup,
    /// `unmap_mapping_range()` by a driver, which then gives the memory that it had mapped in this address space away.
    UnmapMapping(Mm),
    /// User code sets a flag that other threads wait for; the kernel does not see it.
    Signal(u8),
    /// User code waits until a flag is set.
    Await(u8),
    /// kswapd, woken: shrink lists from the LRU until enough memory is free, or one list in a world without watermarks.
    Kswapd,
}

impl OpKind {
    /// Does it promise anything to user space when it returns?
    pub fn promises(self) -> bool {
        !matches!(
            self,
            OpKind::Access(_)
                | OpKind::Pageout
                | OpKind::Other
                | OpKind::Reclaim(_)
                | OpKind::Kswapd
                | OpKind::Exit(_)
                | OpKind::NumaScan
                | OpKind::Mincore(false)
                | OpKind::Gup
                | OpKind::UnmapMapping(_)
                | OpKind::Signal(_)
                | OpKind::Await(_)
        )
    }

    /// The name of the system call or of the kernel's own activity.
    pub fn name(self) -> &'static str {
        match self {
            OpKind::Access(AccessKind::Load) => "load",
            OpKind::Access(AccessKind::Store) => "store",
            OpKind::Access(AccessKind::Fetch) => "fetch",
            OpKind::Mprotect => "mprotect",
            OpKind::Munmap => "munmap",
            OpKind::Mremap => "mremap",
            OpKind::Mmap(_) => "mmap",
            OpKind::Dontneed | OpKind::Free | OpKind::Pageout => "madvise",
            OpKind::Fork(_) => "fork",
            OpKind::Exit(_) => "exit",
            OpKind::NumaScan => "numa-scan",
            OpKind::Migrate(_) => "migrate",
            OpKind::Ksm(..) => "ksm",
            OpKind::SoftDirty(_) => "soft-dirty",
            OpKind::UffdWp => "uffd-wp",
            OpKind::Truncate(_) => "ftruncate",
            OpKind::Writeback(_) => "writeback",
            OpKind::Mincore(_) => "mincore",
            OpKind::Gup => "gup",
            OpKind::UnmapMapping(_) => "unmap-mapping",
            OpKind::Signal(_) => "signal",
            OpKind::Await(_) => "await",
            OpKind::Other => "other",
            OpKind::Reclaim(_) => "reclaim",
            OpKind::Kswapd => "kswapd",
        }
    }

    /// The same with the advice that `madvise` is given.
    pub fn call(self) -> &'static str {
        match self {
            OpKind::Dontneed => "madvise(MADV_DONTNEED)",
            OpKind::Free => "madvise(MADV_FREE)",
            OpKind::Pageout => "madvise(MADV_PAGEOUT)",
            kind => kind.name(),
        }
    }
}

impl Op {
    /// A user access to one page.
    pub fn access(kind: AccessKind, vpn: u64) -> Op {
        Op { kind: OpKind::Access(kind), span: Span::page(vpn), rights: Rights::NONE, to: 0 }
    }

    /// A call on a span.
    pub fn call(kind: OpKind, span: Span) -> Op {
        Op { kind, span, rights: Rights::NONE, to: 0 }
    }

    /// `mprotect(2)`.
    pub fn mprotect(span: Span, rights: Rights) -> Op {
        Op { kind: OpKind::Mprotect, span, rights, to: 0 }
    }

    /// `fork(2)` into a fresh address space.
    pub fn fork(child: Mm) -> Op {
        Op::call(OpKind::Fork(child), Span::ALL)
    }

    /// The end of an address space.
    pub fn exit(mm: Mm) -> Op {
        Op::call(OpKind::Exit(mm), Span::ALL)
    }

    /// KSM merges a page into the frame of another one.
    pub fn ksm(page: (Mm, u64), stable: (Mm, u64)) -> Op {
        Op { to: stable.1, ..Op::call(OpKind::Ksm(page.0, stable.0), Span::page(page.1)) }
    }

    /// `mremap(2)` of a span to another address.
    pub fn mremap(span: Span, to: u64) -> Op {
        Op { to, ..Op::call(OpKind::Mremap, span) }
    }
}
