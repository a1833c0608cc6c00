//! Who keeps a frame: PTEs, caches, operations that have unmapped it, reclaim and the device. The last to let go frees it.

use crate::nouns::types::{Actor, FrameNo, Page};
use crate::oracle;
use crate::step::frame::{Act, Cx, Probe};
use crate::world::{Folio, World};

impl<W: World, P: Probe> Cx<'_, W, P> {
    /// Drops the reference to one of the frames a task has put by, and with the last one gives it to the allocator; false if
    /// there is none.
    pub fn free_one(&mut self, who: Actor) -> bool {
        let Some(frame) = self.world.next_to_free(who.task) else {
            return false;
        };
        self.put(who, frame);
        true
    }

    /// The same for a frame that was taken off a list.
    pub fn put(&mut self, who: Actor, frame: FrameNo) {
        let folio = self.world.folio(frame);
        let left = folio.gathered.saturating_sub(1);
        let claimed = left > 0 || self.world.mapped(frame) || self.world.next_cached(frame, 0).is_some();
        if self.world.zero_frame() == Some(frame) || (folio.gathered > 0 && (claimed || folio.pinned())) {
            // It has stayed in a cache, or somebody else maps it or has unmapped it too, or whoever has pinned it frees it.
            let dropped = folio.dropped || !claimed;
            self.world.set_folio(frame, Folio { gathered: left, dropped, ..folio });
            self.act(who, Act::Put(frame));
            return;
        }
        self.world.free_frame(frame);
        oracle::freed(self, frame);
        self.act(who, Act::Free(frame));
    }

    /// Takes a frame from the allocator for a page; none if memory is full.
    pub fn alloc_for(&mut self, page: Page) -> Option<FrameNo> {
        let frame = self.world.alloc_frame()?;
        oracle::allocated(self, frame, page);
        Some(frame)
    }
}
