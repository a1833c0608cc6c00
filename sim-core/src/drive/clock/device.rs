//! The swap device on the clock: an event source beside the cores.

use std::collections::VecDeque;

use crate::drive::clock::Clock;
use crate::drive::clock::source::Source;
use crate::drive::clock::waiters::WaitKey;
use crate::drive::tournament::Tournament;
use crate::nouns::types::Cpu;
use crate::world::World;

/// When the requests it has are done, in cycles; the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Device {
    latency_cycles: u64,
    done_at: VecDeque<u64>,
    /// No request is done before one that came earlier.
    last_done: u64,
}

impl<S: Source> Clock<S> {
    /// Attaches a swap device: `depth` requests at a time, each done `latency_cycles` after it is queued, in order.
    ///
    /// # Panics
    /// If the simulation has begun.
    pub fn attach_swap(&mut self, depth: u32, latency_cycles: u64) {
        assert_eq!(self.turns, 0, "a device is attached before anything runs");
        let cpus = self.world.cpus();
        self.world.attach_swap(depth);
        self.device = Some(Device { latency_cycles, done_at: VecDeque::new(), last_done: 0 });
        self.tree = Tournament::new(self.tree.sources().max(cpus + 1));
        (0..cpus).for_each(|cpu| self.tree.set(cpu, 0));
    }

    /// A request has been queued at this time.
    pub(super) fn io_submitted(&mut self, now: u64) {
        let device = self.device.as_mut().expect("a request goes to a device");
        device.last_done = device.last_done.max(now + device.latency_cycles);
        device.done_at.push_back(device.last_done);
        let in_flight = device.done_at.len() as u32;
        let most = &mut self.stats.pressure.io_in_flight_max;
        *most = (*most).max(in_flight);
        self.schedule_device();
    }

    /// The oldest request is done. Those who wait for a free place, for its folio or for something to reclaim go on.
    pub(super) fn io_completes(&mut self, now: u64) {
        let device = self.device.as_mut().expect("only a device completes");
        let done = device.done_at.pop_front();
        debug_assert_eq!(done, Some(now), "requests are done in order");
        self.schedule_device();
        let frame = self.world.io_complete();
        // No core wakes them, so nothing is handed over.
        let from = Cpu(0);
        self.wake(WaitKey::Io, None, from, now);
        self.wake(WaitKey::Folio(frame), None, from, now);
    }

    fn schedule_device(&mut self) {
        let source = self.world.cpus();
        let next = self.device.as_ref().and_then(|device| device.done_at.front());
        match next {
            Some(&time) => self.tree.set(source, time),
            None => self.tree.clear(source),
        }
    }
}
