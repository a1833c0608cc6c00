//! The locks of the small world: who holds `mmap_lock`, and each PTL.

use super::Small;
use crate::nouns::types::{Actor, Lock, Mm};

impl Small<'_> {
    /// Takes a lock unless somebody else's hold excludes it.
    pub(super) fn take(&mut self, who: Actor, lock: Lock) -> bool {
        let shared = &mut self.shared;
        match lock {
            Lock::MmapRead(Mm(n)) => {
                if shared.mmap_writer.get(usize::from(n)).is_some() {
                    return false;
                }
                shared.mmap_readers.at(usize::from(n)).insert(who.cpu);
            }
            Lock::MmapWrite(Mm(n)) => {
                let n = usize::from(n);
                if shared.mmap_writer.get(n).is_some() || !shared.mmap_readers.get(n).is_empty() {
                    return false;
                }
                shared.mmap_writer.set(n, Some(who.cpu));
            }
            Lock::Ptl(table) => {
                if shared.ptl.get(table.0 as usize).is_some() {
                    return false;
                }
                shared.ptl.set(table.0 as usize, Some(who.cpu));
            }
        }
        true
    }

    /// Releases a lock that this CPU holds.
    pub(super) fn release(&mut self, who: Actor, lock: Lock) {
        let shared = &mut self.shared;
        match lock {
            Lock::MmapRead(Mm(n)) => {
                let readers = shared.mmap_readers.at(usize::from(n));
                assert!(readers.contains(who.cpu));
                readers.remove(who.cpu);
            }
            Lock::MmapWrite(Mm(n)) => {
                assert_eq!(shared.mmap_writer.replace(usize::from(n), None), Some(who.cpu));
            }
            Lock::Ptl(table) => assert_eq!(shared.ptl.replace(table.0 as usize, None), Some(who.cpu)),
        }
    }
}
