//! The run on a thread of its own: it obeys orders and shows a scene when asked for one, so that drawing never waits for it
//! nor it for drawing.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use sim_core::drive::clock::log::{Entry, Happened};
use sim_core::policy::PolicyInfo;
use sim_core::step::frame::Act;

use crate::moment::{Moment, Want};
use crate::pair::Pair;
use crate::speed::Speed;

/// How long it works before it looks for orders.
const SLICE: Duration = Duration::from_millis(10);
/// Events between two looks at the time.
const BURST: u64 = 256;
/// At full speed so many of them are not logged for each one that is, and the last so many are: more than a screen shows.
const RUSH: u64 = 32;
const SHOWN: u64 = 1024;

/// Whatever can be opened: the same run under other policies, or the stops of a tour.
pub trait Program: Send {
    /// The run from its start, under one policy or under two.
    ///
    /// # Errors
    /// In words, if a policy has no prices on this machine.
    fn open(&mut self, left: &'static PolicyInfo, right: Option<&'static PolicyInfo>) -> Result<Pair, String>;

    /// The run of a stop of the tour, where the stop is.
    ///
    /// # Errors
    /// In words, if there is no such stop.
    fn stop(&mut self, at: usize) -> Result<Pair, String>;
}

/// What the run is to do.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// So many events forward.
    Forward(u64),
    /// So many back.
    Back(u64),
    /// To the start.
    Rewind,
    /// To this cycle.
    ToCycle(u64),
    /// To the next of these.
    Seek(Target),
    /// To the one before.
    SeekBack(Target),
    /// Go on by itself.
    Run(Speed),
    /// Stop that.
    Pause,
    /// From the start, under these policies.
    Open(&'static PolicyInfo, Option<&'static PolicyInfo>),
    /// To a stop of the tour.
    Stop(usize),
    /// Send a scene.
    Show(Want),
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An interrupt is sent, a flush begins, a window opens, a promise is broken.
    Interesting,
    /// A promise is broken.
    Violation,
    /// This cycle.
    Cycle(u64),
    /// The end of the run.
    End,
}

impl Target {
    /// Is this it?
    pub fn is(self, entry: &Entry) -> bool {
        match (self, entry.what) {
            (Target::Cycle(_) | Target::End, _) => false,
            (_, Happened::Violation(..)) | (Target::Interesting, Happened::Window(_, Some(_))) => true,
            (Target::Interesting, Happened::Act(act, _)) => {
                matches!(act, Act::Post { sent: true, .. } | Act::FlushBegin { .. } | Act::Broadcast(_))
            }
            _ => false,
        }
    }

    fn missing(self) -> &'static str {
        match self {
            Target::Interesting => "no interrupt, flush, window or violation from here to the end",
            Target::Violation => "no violation from here to the end",
            Target::Cycle(_) | Target::End => "",
        }
    }
}

/// What the screen is drawn from.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The run, or the first of two.
    pub left: Moment,
    /// The second.
    pub right: Option<Moment>,
    /// Events made since the start: of the first, and where that has ended, of the second beyond it.
    pub position: u64,
    /// The time of the last of them, in cycles.
    pub now_cycles: u64,
    /// Nothing is left to do in either.
    pub finished: bool,
    /// It goes on by itself.
    pub running: Option<Speed>,
    /// It is on its way to something.
    pub seeking: bool,
    /// What could not be done since the last scene.
    pub complaint: Option<String>,
}

/// What it does without being told.
#[derive(Clone, Copy, Debug)]
enum Goal {
    None,
    Run { speed: Speed, since: Instant, made: u64 },
    Seek(Target),
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("position", &self.player.position())
            .field("goal", &self.goal)
            .finish_non_exhaustive()
    }
}

/// The run and what it is to do.
pub struct Engine {
    player: Pair,
    program: Box<dyn Program>,
    goal: Goal,
    /// Events that take about a slice at full speed.
    rush: u64,
    complaint: Option<String>,
}

impl Engine {
    /// An engine at the start of a run.
    pub fn new(player: Pair, program: Box<dyn Program>) -> Engine {
        Engine { player, program, goal: Goal::None, rush: BURST, complaint: None }
    }

    /// Does what it is told, but for [`Order::Show`].
    pub fn obey(&mut self, order: Order) {
        let goal = std::mem::replace(&mut self.goal, Goal::None);
        match order {
            Order::Forward(events) => _ = self.player.forward(events),
            Order::Back(events) => self.player.back(events),
            Order::Rewind => self.player.to_position(0),
            Order::ToCycle(cycles) if cycles < self.player.now_cycles() => self.player.to_cycle(cycles),
            Order::ToCycle(cycles) => self.goal = Goal::Seek(Target::Cycle(cycles)),
            Order::SeekBack(target) => {
                if !self.player.to_previous(&|entry| target.is(entry)) {
                    self.complaint = Some("no interrupt, flush, window or violation before this".to_owned());
                }
            }
            Order::Seek(target) => self.goal = Goal::Seek(target),
            Order::Run(speed) => self.goal = Goal::Run { speed, since: Instant::now(), made: 0 },
            Order::Pause => {}
            Order::Open(left, right) => match self.program.open(left, right) {
                Ok(player) => self.player = player,
                Err(complaint) => self.complaint = Some(complaint),
            },
            Order::Stop(at) => match self.program.stop(at) {
                Ok(player) => self.player = player,
                Err(complaint) => self.complaint = Some(complaint),
            },
            Order::Show(_) => self.goal = goal,
        }
    }

    /// Has it something to do by itself?
    pub fn busy(&self) -> bool {
        !matches!(self.goal, Goal::None)
    }

    /// Works on it for a while.
    pub fn work(&mut self) {
        let until = Instant::now() + SLICE;
        match self.goal {
            Goal::None => {}
            Goal::Run { speed, since, made } => {
                if speed == Speed::FULL {
                    self.rush(until);
                } else {
                    self.goal = Goal::Run { speed, since, made: self.run(speed, since, made, until) };
                }
                if self.player.finished() {
                    self.goal = Goal::None;
                }
            }
            Goal::Seek(target) => self.seek(target, until),
        }
    }

    fn run(&mut self, speed: Speed, since: Instant, mut made: u64, until: Instant) -> u64 {
        while !self.player.finished() {
            let now = Instant::now();
            if now >= until {
                break;
            }
            let due = due(speed, now - since, made);
            if due == 0 {
                std::thread::sleep((until - now).min(SLICE));
                break;
            }
            made += self.player.forward(due);
        }
        made
    }

    /// As fast as it can. Nobody reads along: the log is for the next scene only.
    fn rush(&mut self, until: Instant) {
        let mut now = Instant::now();
        while now < until && !self.player.finished() {
            self.player.rush(self.rush, SHOWN.min(self.rush / RUSH));
            let took = now.elapsed();
            now += took;
            if took < SLICE / 4 {
                self.rush *= 2;
            } else if took > SLICE {
                self.rush = (self.rush / 2).max(BURST);
            }
        }
    }

    fn seek(&mut self, target: Target, until: Instant) {
        while Instant::now() < until {
            if let Target::Cycle(cycles) = target {
                if self.player.toward_cycle(cycles, BURST) {
                    self.goal = Goal::None;
                    return;
                }
                continue;
            }
            if self.player.to_next(&|entry| target.is(entry), BURST) {
                self.goal = Goal::None;
                return;
            }
            if self.player.finished() {
                self.goal = Goal::None;
                self.complaint = Some(target.missing().to_owned()).filter(|text| !text.is_empty());
                return;
            }
        }
    }

    /// Works until there is nothing left to do by itself; what runs does so to its end, without regard to its speed.
    pub fn settle(&mut self) {
        while self.busy() {
            if let Goal::Run { .. } = self.goal {
                self.goal = Goal::Seek(Target::End);
            }
            self.work();
        }
        self.player.mend();
    }

    /// What there is to see.
    pub fn scene(&mut self, want: &Want) -> Scene {
        let (left, right) = self.player.moments(want);
        let running = match self.goal {
            Goal::Run { speed, .. } => Some(speed),
            _ => None,
        };
        Scene {
            left,
            right,
            position: self.player.position(),
            now_cycles: self.player.now_cycles(),
            finished: self.player.finished(),
            running,
            seeking: matches!(self.goal, Goal::Seek(_)),
            complaint: self.complaint.take(),
        }
    }

    /// Works until nobody sends orders any more.
    pub fn serve(mut self, orders: &Receiver<Order>, scenes: &Sender<Scene>) {
        loop {
            if self.busy() {
                self.work();
            }
            let order = match orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) if self.busy() => continue,
                Err(TryRecvError::Empty) => {
                    // Whoever has asked for a scene did not wait for this.
                    self.player.mend();
                    let Ok(order) = orders.recv() else { return };
                    order
                }
            };
            if let Order::Show(want) = order {
                if scenes.send(self.scene(&want)).is_err() {
                    return;
                }
            } else {
                self.obey(order);
            }
        }
    }
}

/// Events that are due now, at most a burst of them.
fn due(speed: Speed, elapsed: Duration, made: u64) -> u64 {
    speed.events_in(elapsed).map_or(BURST, |due| due.saturating_sub(made).min(BURST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_keeps_its_pace_and_catches_up_in_bursts() {
        let second = Duration::from_secs(1);
        let five_a_second = Speed::READING;
        assert_eq!(due(five_a_second, second / 10, 0), 0, "not yet");
        assert_eq!(due(five_a_second, second, 0), 5);
        assert_eq!(due(five_a_second, second, 4), 1);
        assert_eq!(due(five_a_second, second, 9), 0, "it is ahead");
        assert_eq!(due(five_a_second, 1_000 * second, 0), BURST);
        assert_eq!(due(Speed::FULL, Duration::ZERO, 1 << 40), BURST);
    }
}
