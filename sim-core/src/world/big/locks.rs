//! The big world's locks: who holds them, and who is next for a page-table lock.

use super::{Actor, Big, Lock};

impl Big {
    /// Takes a lock unless somebody else's hold excludes it.
    pub(super) fn take_lock(&mut self, who: Actor, lock: Lock) -> bool {
        match lock {
            Lock::MmapRead(mm) => {
                let state = &mut self.mms[usize::from(mm.0)];
                if state.mmap_writer.is_some() {
                    return false;
                }
                state.mmap_readers.push(who.task);
            }
            Lock::MmapWrite(mm) => {
                let state = &mut self.mms[usize::from(mm.0)];
                if state.mmap_writer.is_some() || !state.mmap_readers.is_empty() {
                    return false;
                }
                state.mmap_writer = Some(who.task);
            }
            Lock::Ptl(table) => {
                let state = &mut self.tables[table.0 as usize];
                if state.owner.is_some() || state.heir.is_some_and(|heir| heir != who.task) {
                    return false;
                }
                (state.owner, state.heir) = (Some(who.task), None);
            }
        }
        true
    }

    /// Releases a lock the actor holds.
    pub(super) fn release_lock(&mut self, who: Actor, lock: Lock) {
        match lock {
            Lock::MmapRead(mm) => {
                let readers = &mut self.mms[usize::from(mm.0)].mmap_readers;
                let at = readers.iter().position(|&t| t == who.task).expect("only a holder unlocks");
                readers.swap_remove(at);
            }
            Lock::MmapWrite(mm) => assert_eq!(self.mms[usize::from(mm.0)].mmap_writer.take(), Some(who.task)),
            Lock::Ptl(table) => assert_eq!(self.tables[table.0 as usize].owner.take(), Some(who.task)),
        }
    }
}
