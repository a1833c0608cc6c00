//! A run that can be taken back: checkpoints, and the same events made once more.

use sim_core::drive::clock::log::Entry;

use crate::follow::{ENTRIES, Follow};
use crate::glance::glance;
use crate::moment::{Logged, Moment, Want};
use crate::run::Run;

/// What all checkpoints together may take, in bytes, as far as there are more than [`LEAST`].
const BYTES_MAX: usize = 512 << 20;
/// Checkpoints at least, and at most.
const LEAST: usize = 4;
const MOST: usize = 32;
/// Bytes of a checkpoint for each event up to the next one. To copy one (with fresh memory under it) takes about 0.4 ns, and an event
/// 100 ns or more: so checkpoints take 2 or 3 percent of the whole at most.
const BYTES_AN_EVENT: usize = 8;
/// Events between two checkpoints at least.
const INTERVAL_LEAST: u64 = 256;
/// How far before the place that a run is taken back to a checkpoint is made: the next step back is near it.
const NEAR: u64 = 1024;

/// A run at some position, with what is kept of it.
struct State {
    run: Box<dyn Run>,
    position: u64,
    follow: Follow,
}

impl Clone for State {
    fn clone(&self) -> State {
        State { run: self.run.boxed_clone(), position: self.position, follow: self.follow.clone() }
    }
}

impl State {
    /// Makes at least one event, if any is left, and at most `most`.
    fn steps(&mut self, most: u64, seen: &mut impl FnMut(&Entry)) -> u64 {
        let made = self.run.steps(most);
        if made > 0 {
            self.position += made;
            self.follow.take(&mut *self.run, self.position, seen);
        }
        made
    }

    /// Makes at most so many events and logs none of them.
    fn unlogged(&mut self, most: u64) -> u64 {
        let made = self.follow.unlogged(&mut *self.run, most);
        self.position += made;
        made
    }

    /// About how much memory a copy takes, in bytes.
    fn bytes(&self) -> usize {
        self.run.world().bytes() + ENTRIES * size_of::<Logged>()
    }
}

/// A run, and the way back. What it shows at a position does not depend on how it came there.
pub struct Playback {
    at: State,
    /// By position, multiples of `interval`; the first is the start.
    saved: Vec<State>,
    /// One more, short of where the run was taken back to.
    near: Option<State>,
    interval: u64,
    most: usize,
}

impl Playback {
    /// A run at its start.
    pub fn new(run: Box<dyn Run>) -> Playback {
        let bytes = run.world().bytes();
        let interval = (bytes / BYTES_AN_EVENT).next_power_of_two() as u64;
        Playback::with_checkpoints(run, interval.max(INTERVAL_LEAST), MOST)
    }

    /// The same with a checkpoint every `interval` events, until there are more than `most`: then it doubles.
    ///
    /// # Panics
    /// If the interval is 0.
    pub fn with_checkpoints(run: Box<dyn Run>, interval: u64, most: usize) -> Playback {
        assert!(interval > 0, "there is no checkpoint every 0 events");
        let start = State { run, position: 0, follow: Follow::new() };
        Playback { at: start.clone(), saved: vec![start], near: None, interval, most: most.max(1) }
    }

    /// Events made since the start.
    pub fn position(&self) -> u64 {
        self.at.position
    }

    /// The time of the last event, in cycles.
    pub fn now_cycles(&self) -> u64 {
        self.at.run.now_cycles()
    }

    /// Is nothing left to do?
    pub fn finished(&self) -> bool {
        self.at.run.finished()
    }

    /// The run, as it is now.
    pub fn run(&self) -> &dyn Run {
        &*self.at.run
    }

    /// What a view wants to see of it.
    pub fn moment(&self, want: &Want) -> Moment {
        glance(&*self.at.run, &self.at.follow, self.at.position, want)
    }

    /// Makes events. Returns how many: fewer than asked for if no more are left.
    pub fn forward(&mut self, events: u64) -> u64 {
        self.mend();
        self.advance(events)
    }

    fn advance(&mut self, events: u64) -> u64 {
        let (from, goal) = (self.position(), self.position().saturating_add(events));
        while self.position() < goal && self.some(goal - self.position(), &mut |_| {}) > 0 {}
        self.position() - from
    }

    /// The same as fast as the run itself: only of the last `logged` events the log has anything, until it is mended.
    pub fn rush(&mut self, events: u64, logged: u64) -> u64 {
        let (from, goal) = (self.position(), self.position().saturating_add(events));
        let unlogged = goal.saturating_sub(logged);
        while self.position() < unlogged {
            let until_checkpoint = self.until_checkpoint();
            let made = self.at.unlogged(until_checkpoint.min(unlogged - self.position()));
            if made == 0 {
                break;
            }
            if made == until_checkpoint {
                self.save();
            }
        }
        self.advance(goal - self.position());
        self.position() - from
    }

    /// Has the log say what it would, had every event been logged. Everything but [`Playback::rush`] does so.
    pub fn mend(&mut self) {
        if !self.at.follow.whole {
            self.return_to(self.position());
        }
    }

    /// Takes events back, as far as the start.
    pub fn back(&mut self, events: u64) {
        self.to_position(self.position().saturating_sub(events));
    }

    /// Goes to a position, or to the end if there is none.
    pub fn to_position(&mut self, position: u64) {
        if position < self.position() {
            self.return_to(position);
        } else {
            self.restore(|state| state.position <= position);
            self.advance(position - self.position());
            self.mend();
        }
    }

    /// Goes to the last position whose time is at most this, in cycles.
    pub fn to_cycle(&mut self, cycles: u64) {
        let goes_back = cycles < self.now_cycles();
        self.restore(|state| state.run.now_cycles() <= cycles);
        let from = self.position();
        while self.at.run.next_cycles().is_some_and(|next| next <= cycles) {
            self.advance(1);
        }
        if goes_back && self.position() - from > NEAR {
            self.return_to(self.position());
        }
        self.mend();
    }

    /// The same forward only, by at most so many events. Is it there?
    pub fn toward_cycle(&mut self, cycles: u64, events_max: u64) -> bool {
        self.restore(|state| state.run.now_cycles() <= cycles);
        let comes = |run: &dyn Run| run.next_cycles().is_some_and(|next| next <= cycles);
        let goal = self.position().saturating_add(events_max);
        while self.position() < goal && comes(&*self.at.run) {
            self.advance(1);
        }
        self.mend();
        !comes(&*self.at.run)
    }

    /// Goes to a position from the last checkpoint before it from where the log comes to be whole, and makes another one near it.
    fn return_to(&mut self, position: u64) {
        let mut before = position + 1;
        loop {
            self.at = self.nearest(&|state| state.position < before).clone();
            before = self.position();
            let left = position - self.position();
            let near = (left > NEAR).then(|| {
                self.advance(left - NEAR);
                self.at.clone()
            });
            self.advance(position - self.position());
            if self.at.follow.whole {
                self.near = near.or(self.near.take());
                return;
            }
        }
    }

    /// Goes on to the next event of which an entry of the log is wanted; at most so many events further. False if there is none.
    pub fn to_next(&mut self, wanted: &dyn Fn(&Entry) -> bool, events_max: u64) -> bool {
        self.mend();
        let goal = self.position().saturating_add(events_max);
        let mut found = false;
        while !found && self.position() < goal {
            let made = self.some(goal - self.position(), &mut |entry| found |= wanted(entry));
            if made == 0 {
                break;
            }
        }
        found
    }

    /// Goes back to the last event before this one of which an entry of the log is wanted. False, and nothing has changed, if there
    /// is none.
    pub fn to_previous(&mut self, wanted: &dyn Fn(&Entry) -> bool) -> bool {
        self.mend();
        let at = self.position();
        let kept = &self.at.follow.log;
        let found = kept.iter().rev().find(|logged| logged.position < at && wanted(&logged.entry));
        if let Some(position) = found.map(|logged| logged.position) {
            self.to_position(position);
            return true;
        }
        // Of the event of the oldest entry some may be gone.
        let mut end = if kept.len() < ENTRIES { 0 } else { kept.front().map_or(0, |l| l.position + 1) }.min(at);
        while let Some(from) = self.saved.iter().rfind(|state| state.position + 1 < end) {
            let mut state = from.clone();
            let begin = state.position;
            let mut last = None;
            while state.position + 1 < end {
                let mut found = false;
                if state.steps(end - 1 - state.position, &mut |entry| found |= wanted(entry)) == 0 {
                    break;
                }
                last = if found { Some(state.position) } else { last };
            }
            if let Some(position) = last {
                self.to_position(position);
                return true;
            }
            end = begin + 1;
        }
        false
    }

    /// Makes at least one event, if any is left, and at most `most`; never goes past a checkpoint without making it.
    fn some(&mut self, most: u64, seen: &mut impl FnMut(&Entry)) -> u64 {
        let until_checkpoint = self.until_checkpoint();
        let made = self.at.steps(most.min(until_checkpoint), seen);
        if made == until_checkpoint {
            self.save();
        }
        made
    }

    fn until_checkpoint(&self) -> u64 {
        self.interval - self.position() % self.interval
    }

    /// Makes a checkpoint, if there is none of this position. Of too many every other one goes.
    fn save(&mut self) {
        let last = self.saved.last().map_or(0, |state| state.position);
        if self.position() <= last {
            return;
        }
        self.saved.push(self.at.clone());
        let most = self.most.min((BYTES_MAX / self.at.bytes()).max(LEAST));
        while self.saved.len() > most {
            self.interval *= 2;
            self.saved.retain(|state| state.position % self.interval == 0);
        }
    }

    /// Goes to the last checkpoint that is far enough back, unless the run is nearer as it is.
    fn restore(&mut self, is_before: impl Fn(&State) -> bool) {
        let nearest = self.nearest(&is_before);
        if !is_before(&self.at) || self.at.position < nearest.position {
            self.at = nearest.clone();
        }
    }

    fn nearest(&self, is_before: &dyn Fn(&State) -> bool) -> &State {
        let kept = self.saved.iter().chain(&self.near).filter(|state| is_before(state));
        kept.max_by_key(|state| state.position).expect("the start is before everything")
    }
}
