//! The promises a translation can break, and the classes of violation.

use crate::machine::tlb::Entry;
use crate::nouns::types::AccessKind;

/// The classes of violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// An access with a right that was taken away (I-PERM).
    Permission,
    /// An access through a mapping that is gone (I-UNMAP).
    Unmapped,
}

impl Class {
    /// All of them, in the order of every report.
    pub const ALL: [Class; 2] = [Class::Permission, Class::Unmapped];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Class::Permission => "permission",
            Class::Unmapped => "unmapped",
        }
    }
}

/// The promises one translation breaks; kept in the translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Marks(pub(crate) u8);

pub(crate) const NO_STORE: u8 = 1;
pub(crate) const NO_LOAD: u8 = 2;
pub(crate) const UNMAPPED: u8 = 4;

impl Marks {
    /// From the byte kept in a translation.
    pub fn of(entry: Entry) -> Marks {
        Marks(entry.marks)
    }

    /// Breaks no promise.
    pub fn is_clean(self) -> bool {
        self.0 == 0
    }

    /// The class of violation an access through it would be, if any.
    pub fn breaks(self, kind: AccessKind) -> Option<Class> {
        if self.0 & UNMAPPED != 0 {
            return Some(Class::Unmapped);
        }
        let forbidden = NO_LOAD | if kind == AccessKind::Store { NO_STORE } else { 0 };
        (self.0 & forbidden != 0).then_some(Class::Permission)
    }

    /// The class of the window it keeps open.
    pub fn class(self) -> Option<Class> {
        match self.0 {
            0 => None,
            m if m & UNMAPPED != 0 => Some(Class::Unmapped),
            _ => Some(Class::Permission),
        }
    }
}
