//! The classes of violation, and the marks a translation bears.

use crate::machine::tlb::Entry;
use crate::nouns::types::AccessKind;
use crate::nouns::types::Promise;

/// The classes of violation, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// An access with a right that was taken away (I-PERM).
    Permission,
    /// An access through a mapping that is gone (I-UNMAP).
    Unmapped,
    /// An access to content that was given up: old bytes are read, or a store is lost (I-DATA).
    Data,
    /// A store to a frame that is shared with a child since fork, or that has been copied and is about to be replaced (I-COPY).
    Copy,
    /// A store to a page that was marked clean for writing, so that nothing will write it again (I-CLEAN).
    CleanPage,
    /// An access to a frame that the allocator holds (I-FREE).
    FreedFrame,
    /// An access to a frame that was handed out again to another page (I-REUSE).
    ReusedFrame,
}

impl Class {
    /// All of them, in the order of every report.
    pub const ALL: [Class; 7] = [
        Class::Permission,
        Class::Unmapped,
        Class::Data,
        Class::Copy,
        Class::CleanPage,
        Class::FreedFrame,
        Class::ReusedFrame,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Class::Permission => "permission",
            Class::Unmapped => "unmapped",
            Class::Data => "data",
            Class::Copy => "copy",
            Class::CleanPage => "clean-page",
            Class::FreedFrame => "freed-frame",
            Class::ReusedFrame => "reused-frame",
        }
    }
}

/// The promises one translation breaks; kept in the translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Marks(u8);

/// Bits of a mark byte.
pub(crate) const MARK_BITS: u32 = 8;

const NO_STORE: u8 = 1;
const NO_LOAD: u8 = 2;
const UNMAPPED: u8 = 4;
const DATA: u8 = 8;
/// Alone: filled before an operation that gives the content up and has not returned. With `DATA`: only stores are lost.
const OLD: u8 = 16;
const COPY: u8 = 32;
/// What became of the frame since, one of three.
const FRAME: u8 = 192;
const FREED: u8 = 64;
const REUSED: u8 = 128;
const CLEANED: u8 = 192;

/// What a promise about rights does not take back: a mapping, a content or a frame that is gone stays gone, whatever is
/// put in its place.
const STICKY: u8 = UNMAPPED | DATA | OLD | COPY | FRAME;

impl Marks {
    /// From the byte kept in a translation.
    pub fn of(entry: Entry) -> Marks {
        Marks(entry.marks)
    }

    /// The byte to keep.
    pub(crate) fn byte(self) -> u8 {
        self.0
    }

    /// Breaks no promise.
    pub fn is_clean(self) -> bool {
        self.class().is_none()
    }

    /// The class of violation an access through it would be, if any: the gravest.
    pub fn breaks(self, kind: AccessKind) -> Option<Class> {
        let store = kind == AccessKind::Store;
        let data = self.0 & DATA != 0 && (store || self.0 & OLD == 0);
        let forbidden = NO_LOAD | if store { NO_STORE } else { 0 };
        match self.0 {
            m if m & FRAME == REUSED => Some(Class::ReusedFrame),
            m if m & FRAME == FREED => Some(Class::FreedFrame),
            m if m & FRAME == CLEANED && store => Some(Class::CleanPage),
            m if m & COPY != 0 && store => Some(Class::Copy),
            _ if data => Some(Class::Data),
            m if m & UNMAPPED != 0 => Some(Class::Unmapped),
            m => (m & forbidden != 0).then_some(Class::Permission),
        }
    }

    /// The class of the window it keeps open.
    pub fn class(self) -> Option<Class> {
        self.breaks(AccessKind::Store).or(self.breaks(AccessKind::Load))
    }

    /// Does it break the same promises, for every access?
    pub(crate) fn breaks_as(self, other: Marks) -> bool {
        [AccessKind::Load, AccessKind::Store].iter().all(|&kind| self.breaks(kind) == other.breaks(kind))
    }

    /// The marks of a translation under a promise.
    pub(crate) fn judge(entry: Entry, promise: Promise) -> Marks {
        let mut marks = entry.marks & STICKY;
        // Mapping something else at the same address does not make the old translation right.
        if !promise.mapped {
            marks |= UNMAPPED;
        }
        if !promise.rights.read() {
            marks |= NO_LOAD;
        }
        if entry.writable && !promise.rights.write() {
            marks |= NO_STORE;
        }
        Marks(marks)
    }

    /// Something else is mapped here now: what could be reached though it was unmapped is now old content.
    pub(crate) fn remapped(self) -> Marks {
        if self.0 & UNMAPPED == 0 { self } else { Marks(self.0 & !(UNMAPPED | OLD) | DATA) }
    }

    /// An operation that gives the content up has come past its PTE.
    pub(crate) fn outdated(self) -> Marks {
        if self.0 & DATA == 0 { Marks(self.0 | OLD) } else { self }
    }

    /// That operation returns: what was there before is old content.
    pub(crate) fn replaced(self) -> Marks {
        if self.0 & OLD == 0 { self } else { Marks(self.0 & !OLD | DATA) }
    }

    /// The same if either content is right, but a store has to survive.
    pub(crate) fn discardable(self, stores_blindly: bool) -> Marks {
        match self.0 {
            m if m & OLD == 0 || m & DATA != 0 => self,
            m if stores_blindly => Marks(m | DATA),
            m => Marks(m & !OLD),
        }
    }

    /// Stores have to fault from now on; what was filled since may serve them.
    pub(crate) fn write_protected(self, stores_blindly: bool) -> Marks {
        match self.0 {
            m if m & OLD == 0 || m & DATA != 0 => self,
            m if stores_blindly => Marks(m & !OLD | NO_STORE),
            m => Marks(m & !OLD),
        }
    }

    /// The allocator has the frame.
    pub(crate) fn freed(self) -> Marks {
        Marks(self.0 & !FRAME | FREED)
    }

    /// The allocator hands the frame out again, to this page or to another.
    pub(crate) fn reused(self, by_other: bool) -> Marks {
        if self.0 & FRAME == FREED { Marks(self.0 & !FRAME | if by_other { REUSED } else { 0 }) } else { self }
    }

    /// The frame is shared with a child since a fork that has returned; stores have to fault.
    pub(crate) fn copied(self, stores_blindly: bool) -> Marks {
        if stores_blindly { Marks(self.0 | COPY) } else { self }
    }

    /// The page was marked clean and is being written: what is stored without setting D is stored nowhere.
    pub(crate) fn cleaned(self, stores_blindly: bool) -> Marks {
        if stores_blindly && self.0 & FRAME == 0 { Marks(self.0 | CLEANED) } else { self }
    }

    /// The page is dirty again, so it will be written once more.
    pub(crate) fn redirtied(self) -> Marks {
        if self.0 & FRAME == CLEANED { Marks(self.0 & !FRAME) } else { self }
    }
}
