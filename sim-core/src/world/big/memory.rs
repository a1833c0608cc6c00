//! The big world's memory where it is short: LRU lists, watermarks, the swap device's queue.

use std::collections::{BTreeMap, VecDeque};

use super::{Big, Folio, FrameNo, IoQueue, Lru, Memory, World};

/// The zero page; no memory is counted for it.
pub(super) const ZERO: FrameNo = FrameNo(0);

/// Pages of a KiB, as a shift.
const PAGE_KIB_SHIFT: u32 = 2;

/// When kswapd runs and when allocating tasks reclaim, in free frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// `WMARK_MIN`.
    pub min: u32,
    /// `WMARK_LOW`.
    pub low: u32,
    /// `WMARK_HIGH`.
    pub high: u32,
}

impl Watermarks {
    /// What the kernel sets for a zone of this many frames: `min_free_kbytes` is four times the square root of the memory in
    /// KiB, within 128 and 262,144 (`calculate_min_free_kbytes()`, the upper bound 65,536 before v5.8); low and high are each
    /// further up by a quarter of that, or by `watermark_scale_factor` (10) ten-thousandths of the memory if that is more
    /// (`__setup_per_zone_wmarks()`, both in mm/page_alloc.c).
    pub fn of(frames: u32) -> Watermarks {
        let memory_kib = u64::from(frames) << PAGE_KIB_SHIFT;
        let min_free_kib = (memory_kib * 16).isqrt().clamp(128, 262_144);
        let min = (min_free_kib >> PAGE_KIB_SHIFT) as u32;
        Watermarks::above(min, frames)
    }

    /// Low and high as the kernel sets them above this `min`.
    pub fn above(min: u32, frames: u32) -> Watermarks {
        let step = (min / 4).max((u64::from(frames) * 10 / 10_000) as u32);
        let low = min.saturating_add(step);
        Watermarks { min, low, high: low.saturating_add(step) }
    }
}

/// A zone short of memory.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    watermarks: Watermarks,
    kswapd_awake: bool,
}

impl Zone {
    pub(super) fn memory(&self, free: u32) -> Memory {
        let Watermarks { min, low, high } = self.watermarks;
        Memory { free, min, low, high }
    }

    pub(super) fn wake(&mut self) -> bool {
        !std::mem::replace(&mut self.kswapd_awake, true)
    }

    pub(super) fn sleep(&mut self) {
        self.kswapd_awake = false;
    }
}

/// The four LRU lists: frames by when they were added, and where each frame is.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    by_kind: [BTreeMap<i64, FrameNo>; 4],
    places: Vec<Option<(Lru, i64)>>,
    /// When the latest was added.
    latest: i64,
}

impl Lists {
    /// Takes a frame off its list and adds it to another at its head, or to none.
    pub(super) fn put(&mut self, frame: FrameNo, list: Option<Lru>) {
        self.latest += 1;
        self.place(frame, list.map(|list| (list, self.latest)));
    }

    /// `folio_rotate_reclaimable()`: to the tail of the list it is on.
    fn rotate(&mut self, frame: FrameNo, list: Lru) {
        let tail = self.by_kind[list.index()].first_key_value().map_or(0, |(&at, _)| at - 1);
        self.place(frame, Some((list, tail)));
    }

    fn place(&mut self, frame: FrameNo, place: Option<(Lru, i64)>) {
        let n = frame.0 as usize;
        if self.places.len() <= n {
            self.places.resize(n + 1, None);
        }
        if let Some((list, at)) = std::mem::replace(&mut self.places[n], place) {
            self.by_kind[list.index()].remove(&at);
        }
        if let Some((list, at)) = place {
            self.by_kind[list.index()].insert(at, frame);
        }
    }

    pub(super) fn tail(&self, list: Lru) -> Option<FrameNo> {
        self.by_kind[list.index()].first_key_value().map(|(_, &frame)| frame)
    }

    pub(super) fn len(&self, list: Lru) -> u32 {
        self.by_kind[list.index()].len() as u32
    }
}

/// A swap device that takes a number of requests at a time and completes them in order.
#[derive(Clone, Debug)]
pub(super) struct Device {
    depth: u32,
    in_flight: VecDeque<FrameNo>,
    done: u64,
}

impl Device {
    pub(super) fn queue(&self) -> IoQueue {
        IoQueue { in_flight: self.in_flight.len() as u32, depth: self.depth, done: self.done }
    }

    pub(super) fn begin(&mut self, frame: FrameNo) {
        assert!(self.in_flight.len() < self.depth as usize, "the queue holds {} requests", self.depth);
        self.in_flight.push_back(frame);
    }
}

/// Where the frames are. In a consistent world nothing is in two places, and everything is somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Census {
    /// All frames but the zero page.
    pub frames: u32,
    /// Free.
    pub free: u32,
    /// On the inactive lists.
    pub inactive: u32,
    /// On the active lists.
    pub active: u32,
    /// On the list of some reclaimer.
    pub isolated: u32,
    /// Of those above, how many the swap device has.
    pub in_flight: u32,
}

impl Census {
    /// Frames that are nowhere: neither free nor on a list.
    pub fn lost(&self) -> i64 {
        let found = [self.free, self.inactive, self.active, self.isolated].into_iter().map(i64::from);
        i64::from(self.frames) - found.sum::<i64>()
    }
}

impl Big {
    /// Keeps LRU lists from now on, for what is put into memory from now on.
    pub fn keep_lru(&mut self) {
        self.lru = Some(Lists::default());
    }

    /// Memory is this many frames, and reclaimed by these watermarks.
    ///
    /// # Panics
    /// If some memory is in use already.
    pub fn limit_memory(&mut self, frames: u32, watermarks: Watermarks) {
        assert!(self.folios.is_empty(), "memory is limited before it is used");
        self.frames_limit = 1;
        let zero = self.alloc_frame();
        assert_eq!(zero, Some(ZERO), "the zero page comes first");
        self.frames_limit = frames + 1;
        self.keep_lru();
        self.zone = Some(Zone { watermarks, kswapd_awake: false });
    }

    /// Attaches a swap device that takes at most `depth` requests at a time.
    pub fn attach_swap(&mut self, depth: u32) {
        self.device = Some(Device { depth, in_flight: VecDeque::new(), done: 0 });
    }

    /// Free frames.
    pub(super) fn free_frames(&self) -> u32 {
        self.free.len() as u32 + (self.frames_limit - self.folios.len() as u32)
    }

    /// Where the frames are; none if memory is not limited.
    pub fn census(&self) -> Option<Census> {
        self.zone.as_ref()?;
        let len = |anon, active| self.lru_len(Lru { anon, active });
        Some(Census {
            frames: self.frames_limit - 1,
            free: self.free_frames(),
            inactive: len(true, false) + len(false, false),
            active: len(true, true) + len(false, true),
            isolated: self.folios.iter().filter(|folio| folio.isolated).count() as u32,
            in_flight: self.device.as_ref().map_or(0, |device| device.queue().in_flight),
        })
    }

    /// The device completes its oldest request. A folio that was written is reclaimed next, unless somebody uses it again.
    pub(super) fn complete_oldest(&mut self) -> FrameNo {
        let device = self.device.as_mut().expect("there is a device");
        device.done += 1;
        let frame = device.in_flight.pop_front().expect("a request is in flight");
        let folio = self.folio(frame);
        if folio.writeback {
            self.set_folio(frame, Folio { writeback: false, ..folio });
            let inactive = folio.list().filter(|list| !list.active);
            if let (Some(lists), Some(list)) = (&mut self.lru, inactive) {
                lists.rotate(frame, list);
            }
        } else {
            self.set_folio(frame, Folio { locked: false, ..folio });
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::Watermarks;

    #[test]
    fn watermarks_are_what_linux_sets() {
        // A machine of 4 GiB in one zone: min_free_kbytes 8192 by the formula; the scale factor wins over the quarter.
        assert_eq!(Watermarks::of(1 << 20), Watermarks { min: 2048, low: 3096, high: 4144 });
        // 256 MiB: the quarter wins. 4 MiB: no less than 128 KiB.
        assert_eq!(Watermarks::of(1 << 16), Watermarks { min: 512, low: 640, high: 768 });
        assert_eq!(Watermarks::of(256), Watermarks { min: 32, low: 40, high: 48 });
    }
}
