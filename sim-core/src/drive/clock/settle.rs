//! What a step has done is priced, counted and told to everybody it concerns, act by act.

use crate::drive::clock::cores::State;
use crate::drive::clock::source::Source;
use crate::drive::clock::waiters::WaitKey;
use crate::drive::clock::{Clock, Heard};
use crate::nouns::types::{Actor, Cpu, Lock};
use crate::policy::Touch;
use crate::step::frame::{Act, Wait};
use crate::world::World;

impl<S: Source> Clock<S> {
    /// Prices what a step did, in order, and tells everybody it concerns.
    pub(super) fn settle(&mut self, cpu: Cpu) {
        let mut heard = self.heard.take().expect("nobody is settling");
        let start = self.cores[usize::from(cpu.0)].ready;
        if !heard.windows.is_empty() || !heard.remarks.is_empty() {
            self.note_marks(cpu, &mut heard, start);
        }
        let breaks = heard.breaks.take();
        let (mut now, mut paced) = (start, None);
        let mut touched = Vec::new();
        for &(who, ref act, at) in &heard.acts {
            let cycles = self.prices.price(who, act, at, now, &self.world);
            now += cycles;
            if self.hot_victims {
                touched.extend(self.about_to_change(who, act, at));
            }
            match *act {
                Act::Walk { page, .. } | Act::Assist(page) => self.recent.filled(cpu, page),
                Act::Use { page, kind, .. } => {
                    let bound = self.recent.binding(cpu, page, start);
                    if let Some(class) = bound.map_or(breaks, |marks| marks.breaks(kind)) {
                        self.stats.violated(cpu, page, class, start);
                    }
                }
                Act::Device(page, _) => {
                    if let Some(class) = breaks {
                        self.stats.violated(cpu, page, class, start);
                    }
                }
                Act::FlushBegin { request, .. } => {
                    let op = self.core(cpu).order.map(|o| o.what);
                    self.stats.flush_value(request, op, &mut self.world);
                }
                Act::Write(_) | Act::Freeze(_) => paced = Some(act),
                Act::Lock(_) | Act::Unlock(_) if paced.is_none() => paced = Some(act),
                Act::Submit { .. } => self.io_submitted(now),
                Act::Broadcast(_) if self.ticks.is_some() => self.left_to_others(),
                Act::Broadcast(request) => self.broadcast(cpu, request, now - cycles),
                Act::WakeKswapd { .. } => {
                    self.source.kswapd_woken();
                    self.ask_held(now);
                }
                _ => {}
            }
            self.stats.act(who, act, at, now, cycles, &self.world);
            self.notify(who, act, now);
        }
        let paced = paced.copied();
        heard.acts.clear();
        self.heard = Some(heard);
        self.core(cpu).ready = now;
        for page in touched {
            self.touch_elsewhere(cpu, page, now);
        }
        if let Some(act) = paced
            && let Some(order) = self.core(cpu).order
        {
            let not_before = self.source.pace(&order, act, now);
            self.core(cpu).pause_until(not_before);
            if matches!(act, Act::Write(_) | Act::Freeze(_)) {
                self.ask_held(now);
            }
        }
    }

    /// Takes in what a step has changed about promises.
    fn note_marks(&mut self, cpu: Cpu, heard: &mut Heard, now: u64) {
        for (holder, page, class) in heard.windows.drain(..) {
            self.stats.window(holder, page, class, now);
        }
        for change in heard.remarks.drain(..) {
            self.recent.changed(now, cpu, change);
        }
    }

    /// Wakes those who waited for an act.
    fn notify(&mut self, who: Actor, act: &Act, now: u64) {
        match *act {
            // The interrupts leave when the last target has been turned to, whether it needs one or not.
            Act::Post { to, .. } | Act::Skip(to) if self.world.next_target(who.cpu, to.0 + 1).is_none() => {
                let idle = |cpu: Cpu| self.world.lazy(cpu) && self.cores[usize::from(cpu.0)].rests(now);
                for (to, arrival) in self.prices.arrivals(who.cpu, now, idle) {
                    let core = self.core(to);
                    debug_assert_eq!(core.arrival, None, "one interrupt is under way at a time");
                    core.arrival = Some(arrival);
                    self.schedule(to);
                }
            }
            Act::Unlock(lock) => self.wake(WaitKey::Lock(lock.plain()), Some(lock), who.cpu, now),
            Act::Downgrade(mm) => {
                let lock = Lock::MmapWrite(mm);
                self.wake(WaitKey::Lock(lock), Some(lock), who.cpu, now);
            }
            Act::Freeze(frame)
            | Act::Write(frame)
            | Act::Shrink(frame)
            | Act::Put(frame)
            | Act::Keep(frame)
            | Act::Submit { frame, .. }
                if !self.world.folio(frame).locked =>
            {
                self.wake(WaitKey::Folio(frame), None, who.cpu, now);
            }
            Act::Flag(flag, Touch::Write) => self.wake(WaitKey::Flag(flag), None, who.cpu, now),
            // What one reclaimer puts back is there for another to take.
            Act::Free(_) | Act::ListEnd => self.wake(WaitKey::Memory, None, who.cpu, now),
            Act::Ack(initiator) if !self.world.acks_outstanding(initiator) => {
                let core = self.core(initiator);
                if core.state == State::Parked(Wait::Acks) {
                    self.resume(initiator, now);
                }
            }
            _ => {}
        }
    }
}
