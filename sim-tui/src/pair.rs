//! One run, or two of the same source under two policies, side by side at the same time.

use sim_core::drive::clock::log::Entry;

use crate::moment::{Moment, Want};
use crate::playback::Playback;

/// The left one leads event by event, and the right one follows to the same cycle. Where the left one has come to its end the right
/// one goes on alone. A position is that of the left one, and past its end so many events of the right one more.
pub struct Pair {
    left: Playback,
    right: Option<Playback>,
    /// Events that the right one has made past the end of the left one.
    beyond: u64,
}

impl Pair {
    /// One run alone.
    pub fn single(playback: Playback) -> Pair {
        Pair { left: playback, right: None, beyond: 0 }
    }

    /// Two runs, at the position of the left one.
    pub fn new(left: Playback, right: Playback) -> Pair {
        let mut pair = Pair { left, right: Some(right), beyond: 0 };
        pair.follow();
        pair
    }

    /// Where both are.
    pub fn position(&self) -> u64 {
        self.left.position() + self.beyond
    }

    /// The time of the last event, in cycles.
    pub fn now_cycles(&self) -> u64 {
        match &self.right {
            Some(right) if self.beyond > 0 => right.now_cycles(),
            _ => self.left.now_cycles(),
        }
    }

    /// Is nothing left to do in either?
    pub fn finished(&self) -> bool {
        self.left.finished() && self.right.as_ref().is_none_or(Playback::finished)
    }

    /// What a view wants to see of both.
    pub fn moments(&self, want: &Want) -> (Moment, Option<Moment>) {
        let left = self.left.moment(want);
        // Of the same core, whichever has acted last there.
        let want = Want { core: Some(left.core), ..*want };
        let right = self.right.as_ref().map(|right| right.moment(&want));
        (left, right)
    }

    /// Makes events. Returns how many: fewer than asked for if no more are left.
    pub fn forward(&mut self, events: u64) -> u64 {
        let made = self.left.forward(events);
        self.after(made, events)
    }

    /// The same, as fast as a run alone goes: see [`Playback::rush`].
    pub fn rush(&mut self, events: u64, logged: u64) -> u64 {
        let made = self.left.rush(events, logged);
        self.after(made, events)
    }

    /// See [`Playback::mend`].
    pub fn mend(&mut self) {
        self.left.mend();
    }

    /// Takes events back, as far as the start.
    pub fn back(&mut self, events: u64) {
        self.to_position(self.position().saturating_sub(events));
    }

    /// Goes to a position, or to the end if there is none.
    pub fn to_position(&mut self, position: u64) {
        if let Some(right) = &mut self.right
            && self.left.finished()
            && position >= self.left.position()
        {
            let ended = right.position() - self.beyond;
            right.to_position(ended + (position - self.left.position()));
            self.beyond = right.position() - ended;
            return;
        }
        self.left.to_position(position);
        self.follow();
        self.beyond(position - self.left.position());
    }

    /// Goes to the last position whose time is at most this, in cycles.
    pub fn to_cycle(&mut self, cycles: u64) {
        self.left.to_cycle(cycles);
        self.follow();
        if let Some(right) = &mut self.right
            && self.left.finished()
        {
            let from = right.position();
            right.to_cycle(cycles.max(right.now_cycles()));
            self.beyond = right.position() - from;
        }
    }

    /// The same forward only, by at most so many events of the one that leads. Are both there?
    pub fn toward_cycle(&mut self, cycles: u64, events_max: u64) -> bool {
        let there = self.left.finished() || self.left.toward_cycle(cycles, events_max);
        if there {
            self.to_cycle(cycles);
        } else {
            self.follow();
        }
        there
    }

    /// Goes back to the last event of the one that leads of which an entry of the log is wanted. False, and nothing has changed, if
    /// there is none.
    pub fn to_previous(&mut self, wanted: &dyn Fn(&Entry) -> bool) -> bool {
        let found = self.left.to_previous(wanted);
        if found {
            self.follow();
        }
        found
    }

    /// Goes on to the next event of the one that leads of which an entry of the log is wanted; at most so many events further. False
    /// if there is none.
    pub fn to_next(&mut self, wanted: &dyn Fn(&Entry) -> bool, events_max: u64) -> bool {
        if !self.left.finished() {
            let from = self.left.position();
            let found = self.left.to_next(wanted, events_max);
            self.follow();
            let made = self.left.position() - from;
            return found || (self.left.finished() && self.seek_beyond(wanted, events_max - made));
        }
        self.seek_beyond(wanted, events_max)
    }

    fn seek_beyond(&mut self, wanted: &dyn Fn(&Entry) -> bool, events_max: u64) -> bool {
        let Some(right) = &mut self.right else { return false };
        let from = right.position();
        let found = right.to_next(wanted, events_max);
        self.beyond += right.position() - from;
        found
    }

    /// The left one has made some of the events asked for. Returns how many both have made.
    fn after(&mut self, made: u64, events: u64) -> u64 {
        if made > 0 {
            self.follow();
        }
        made + self.beyond(events - made)
    }

    /// The right one goes where the left one is.
    fn follow(&mut self) {
        self.beyond = 0;
        if let Some(right) = &mut self.right {
            right.to_cycle(self.left.now_cycles());
        }
    }

    /// The right one goes on alone, if the left one has come to its end.
    fn beyond(&mut self, events: u64) -> u64 {
        match &mut self.right {
            Some(right) if self.left.finished() => {
                let made = right.forward(events);
                self.beyond += made;
                made
            }
            _ => 0,
        }
    }
}
