//! What a line says of a page.

use std::ops::Range;

use sim_core::nouns::types::{Backing, Mm, Rights};
use sim_core::world::small::Start;

/// A page as its line says.
#[derive(Clone, Debug)]
pub(super) struct PageLine {
    pub(super) name: String,
    pub(super) mm: Mm,
    pub(super) rights: Rights,
    pub(super) dirty: bool,
    pub(super) backing: Backing,
    pub(super) table: u8,
    pub(super) span: Range<usize>,
}

impl PageLine {
    /// How it starts, but for its number.
    pub(super) fn start(&self) -> Start {
        Start { mm: self.mm, page: 0, rights: self.rights, backing: self.backing, dirty: self.dirty }
    }
}
