//! The locks of the small world: who holds `mmap_lock`, and each PTL.

use super::Small;
use crate::nouns::types::{Actor, Lock};

impl Small<'_> {
    /// Takes a lock unless somebody else's hold excludes it.
    pub(super) fn take(&mut self, who: Actor, lock: Lock) -> bool {
        match lock {
            Lock::MmapRead(mm) => {
                let state = self.mm_mut(mm);
                if state.mmap_writer.is_some() {
                    return false;
                }
                state.mmap_readers.insert(who.cpu);
            }
            Lock::MmapWrite(mm) => {
                let state = self.mm_mut(mm);
                if state.mmap_writer.is_some() || !state.mmap_readers.is_empty() {
                    return false;
                }
                state.mmap_writer = Some(who.cpu);
            }
            Lock::Ptl(table) => {
                let owner = &mut self.ptl[table.0 as usize];
                if owner.is_some() {
                    return false;
                }
                *owner = Some(who.cpu);
            }
        }
        true
    }

    /// Releases a lock that this CPU holds.
    pub(super) fn release(&mut self, who: Actor, lock: Lock) {
        match lock {
            Lock::MmapRead(mm) => {
                let readers = &mut self.mm_mut(mm).mmap_readers;
                assert!(readers.contains(who.cpu));
                readers.remove(who.cpu);
            }
            Lock::MmapWrite(mm) => assert_eq!(self.mm_mut(mm).mmap_writer.take(), Some(who.cpu)),
            Lock::Ptl(table) => assert_eq!(self.ptl[table.0 as usize].take(), Some(who.cpu)),
        }
    }
}
