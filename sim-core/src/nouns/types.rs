//! The nouns of the kernel model: identifiers, rights, page-table entries, spans, locks.

use std::fmt;

/// A hardware thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu(pub u16);

/// A thread of execution: it owns a stack of kernel frames and a reclaim batch, and runs on one CPU at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task(pub u16);

/// An address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mm(pub u16);

/// A virtual page of one address space, as the world numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Page(pub u32);

/// A last-level page table (a "page-table page"): what one PTL covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub u32);

/// A page frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNo(pub u32);

/// Who takes a step: a task, and the CPU it is running on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The CPU.
    pub cpu: Cpu,
    /// The task; in an interrupt, the interrupted one.
    pub task: Task,
}

/// What user space may do with a page: any of read, write, execute.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights(u8);

impl Rights {
    /// No access (`PROT_NONE`).
    pub const NONE: Rights = Rights(0);
    /// `PROT_READ`.
    pub const READ: Rights = Rights(1);
    /// `PROT_READ | PROT_WRITE`.
    pub const READ_WRITE: Rights = Rights(3);
    /// `PROT_READ | PROT_EXEC`.
    pub const READ_EXEC: Rights = Rights(5);

    /// From the bits of mmap(2): 1 read, 2 write, 4 execute; other bits are dropped. On x86 a page that may be
    /// written or executed may be read.
    pub const fn from_prot(bits: u32) -> Rights {
        let bits = (bits & 7) as u8;
        Rights(if bits == 0 { 0 } else { bits | 1 })
    }

    /// The bits of mmap(2).
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// May user space load?
    pub const fn read(self) -> bool {
        self.0 & 1 != 0
    }

    /// May user space store?
    pub const fn write(self) -> bool {
        self.0 & 2 != 0
    }

    /// The rights of both.
    #[must_use]
    pub const fn union(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "none",
            1 => "r",
            3 => "rw",
            5 => "rx",
            _ => "rwx",
        })
    }
}

/// A last-level page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Pte {
    /// Nothing here.
    #[default]
    None,
    /// The page is in swap.
    Swap,
    /// A translation.
    Present(Present),
}

/// The bits of a present PTE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Present {
    /// The frame it names.
    pub frame: FrameNo,
    /// W: stores allowed.
    pub writable: bool,
    /// D: stored to since it was last cleaned.
    pub dirty: bool,
    /// A: used since it was last cleared.
    pub accessed: bool,
    /// `PROT_NONE`: present to the kernel, a fault to the hardware, so never in a TLB.
    pub protnone: bool,
}

impl Pte {
    /// The present entry the hardware may use, if there is one.
    pub fn usable(self) -> Option<Present> {
        match self {
            Pte::Present(p) if !p.protnone => Some(p),
            _ => None,
        }
    }

    /// The present entry, usable by the hardware or not.
    pub fn present(self) -> Option<Present> {
        match self {
            Pte::Present(p) => Some(p),
            _ => None,
        }
    }
}

/// A range of virtual page numbers, `first .. first + pages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// First virtual page number.
    pub first: u64,
    /// Length in pages.
    pub pages: u64,
}

impl Span {
    /// Every page of an address space of 47 bits.
    pub const ALL: Span = Span { first: 0, pages: 1 << 35 };

    /// The span of one page.
    pub const fn page(vpn: u64) -> Span {
        Span { first: vpn, pages: 1 }
    }

    /// One past the last virtual page number.
    pub const fn end(self) -> u64 {
        self.first + self.pages
    }

    /// Is this page number inside?
    pub const fn contains(self, vpn: u64) -> bool {
        self.first <= vpn && vpn < self.end()
    }

    /// The part that lies inside `other`; empty (0 pages) if they are apart.
    #[must_use]
    pub fn clip(self, other: Span) -> Span {
        let first = self.first.max(other.first);
        let end = self.end().min(other.end());
        Span { first, pages: end.saturating_sub(first) }
    }

    /// The smallest span that covers both; an empty one does not count.
    #[must_use]
    pub fn cover(self, other: Span) -> Span {
        if self.pages == 0 {
            return other;
        }
        if other.pages == 0 {
            return self;
        }
        let first = self.first.min(other.first);
        Span { first, pages: self.end().max(other.end()) - first }
    }
}

/// What fills the pages of a VMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Backing {
    /// Anonymous memory: zeroes at first, swap later.
    #[default]
    Anon,
    /// A private mapping of a file: page cache until the first store, anonymous afterwards.
    PrivateFile,
    /// A shared mapping of a file.
    SharedFile,
    /// Memory of a driver (`VM_PFNMAP`): no count of references or mappings, on no LRU.
    Pfn,
}

impl Backing {
    /// Do stores reach what others have mapped too?
    pub fn shared(self) -> bool {
        matches!(self, Backing::SharedFile | Backing::Pfn)
    }

    /// Are pages that nobody has written those of a file?
    pub fn file(self) -> bool {
        matches!(self, Backing::SharedFile | Backing::PrivateFile)
    }
}

/// What user space has been promised about a page (the oracle's side of a VMA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Promise {
    /// Accesses may reach the mapping that is here now.
    pub mapped: bool,
    /// With these rights.
    pub rights: Rights,
}

/// A lock of the modelled kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lock {
    /// `mmap_lock` held for read.
    MmapRead(Mm),
    /// `mmap_lock` held for write.
    MmapWrite(Mm),
    /// The page-table lock of one page-table page.
    Ptl(Table),
}

impl Lock {
    /// The lock itself, whichever way it is held.
    #[must_use]
    pub fn plain(self) -> Lock {
        match self {
            Lock::MmapRead(mm) => Lock::MmapWrite(mm),
            other => other,
        }
    }
}

/// What a user access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessKind {
    /// Read data.
    Load,
    /// Write data.
    Store,
    /// Fetch an instruction.
    Fetch,
}
