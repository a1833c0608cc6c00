//! A text in parts, which several threads read at a time and one takes in order.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

/// More threads than that would wait for the one that takes.
const MOST_THREADS: usize = 8;

/// A shorter text, in bytes, is read in a few ms by one thread. So is the one that `.ci/instructions` counts, whose counts would
/// otherwise depend on who reads what.
const WORTH_THREADS: usize = 2 << 20;

/// What is read from a part still fits the second level of caches, in bytes of text.
const USUAL_PART: usize = 128 << 10;

/// Parts a thread that are read, or being read, and not taken: a thread that lost its CPU stops the others only after so many.
const AHEAD: usize = 8;

/// How a text is read in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    /// Threads that read, this one among them.
    pub(super) threads: usize,
    /// A part ends with the line in which it becomes so long, in bytes.
    pub(super) bytes: usize,
    /// Most parts that are read, or being read, and not yet taken.
    pub(super) ahead: usize,
}

impl Parts {
    /// As this machine does best; one thread reads all of it at once.
    pub(super) fn of(text: &str) -> Parts {
        let cpus = if text.len() < WORTH_THREADS { 1 } else { thread::available_parallelism().map_or(1, NonZero::get) };
        let threads = cpus.min(MOST_THREADS);
        let bytes = if threads == 1 { text.len() } else { USUAL_PART };
        Parts { threads, bytes, ahead: AHEAD * threads }
    }

    /// Reads each part of a text on one of the threads, and takes what was read on this one, in the order of the text, until there is
    /// an error.
    pub(super) fn each<'a, T: Send, E>(
        self,
        text: &'a str,
        read: impl Fn(&'a str) -> T + Sync,
        mut take: impl FnMut(&'a str, T) -> Result<(), E>,
    ) -> Result<(), E> {
        let desk = &Desk::new(cut(text, self.bytes), self.ahead);
        let read = &read;
        thread::scope(|scope| {
            for _ in 1..self.threads {
                scope.spawn(move || {
                    let _leaving = Leaving { desk, takes: false };
                    while let Some((at, part)) = desk.fetch() {
                        desk.leave(at, part, read(part));
                    }
                });
            }
            let _leaving = Leaving { desk, takes: true };
            loop {
                match desk.turn() {
                    Some(Turn::Take(part, value)) => take(part, value)?,
                    Some(Turn::Read(at, part)) => desk.leave(at, part, read(part)),
                    None => return Ok(()),
                }
            }
        })
    }
}

/// Whole lines, at least so many bytes a part but for the last.
fn cut(text: &str, bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let least = bytes.clamp(1, rest.len().max(1)) - 1;
        let end = memchr::memchr(b'\n', rest.as_bytes().get(least..)?).map_or(rest.len(), |at| least + at + 1);
        let (part, after) = rest.split_at(end);
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// What the thread that takes does next.
enum Turn<'a, T> {
    Take(&'a str, T),
    Read(usize, &'a str),
}

/// Where parts are fetched, and what was read from them is left.
struct Desk<'a, T, I> {
    state: Mutex<State<'a, T, I>>,
    /// There is room for another part, or there are no more.
    room: Condvar,
    /// Something was left to be taken, or nothing will be.
    left: Condvar,
}

struct State<'a, T, I> {
    parts: I,
    /// Parts that were fetched, and those of them that were taken.
    fetched: usize,
    taken: usize,
    /// By the number of the part, modulo as many as may be under way.
    read: Vec<Option<(&'a str, T)>>,
    /// The last part was fetched, or somebody gave up.
    ended: bool,
    given_up: bool,
}

impl<'a, T, I: Iterator<Item = &'a str>> State<'a, T, I> {
    /// The next part and its number, if there is room for it.
    fn fetch(&mut self) -> Option<(usize, &'a str)> {
        if self.ended || self.fetched - self.taken == self.read.len() {
            return None;
        }
        let part = self.parts.next();
        self.ended = part.is_none();
        let at = self.fetched;
        self.fetched += usize::from(part.is_some());
        part.map(|part| (at, part))
    }

    fn take(&mut self) -> Option<(&'a str, T)> {
        let slot = self.taken % self.read.len();
        let value = self.read[slot].take()?;
        self.taken += 1;
        Some(value)
    }
}

impl<'a, T, I: Iterator<Item = &'a str>> Desk<'a, T, I> {
    fn new(parts: I, ahead: usize) -> Self {
        let read = (0..ahead.max(1)).map(|_| None).collect();
        let state = State { parts, fetched: 0, taken: 0, read, ended: false, given_up: false };
        Desk { state: Mutex::new(state), room: Condvar::new(), left: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<'a, T, I>> {
        self.state.lock().expect("nobody panics at the desk")
    }

    /// A part to read, and its number, once there is room for it; none after the last.
    fn fetch(&self) -> Option<(usize, &'a str)> {
        let mut state = self.state();
        loop {
            let part = state.fetch();
            if part.is_some() || state.ended {
                return part;
            }
            state = self.room.wait(state).expect("nobody panics at the desk");
        }
    }

    /// Leaves what was read from a part.
    fn leave(&self, at: usize, part: &'a str, value: T) {
        let mut state = self.state();
        let slot = at % state.read.len();
        state.read[slot] = Some((part, value));
        drop(state);
        self.left.notify_one();
    }

    /// What to do for the thread that takes: it reads, too, while the next one to be taken is not read yet.
    fn turn(&self) -> Option<Turn<'a, T>> {
        let mut state = self.state();
        loop {
            if state.given_up {
                return None;
            }
            if let Some((part, value)) = state.take() {
                drop(state);
                self.room.notify_one();
                return Some(Turn::Take(part, value));
            }
            if let Some((at, part)) = state.fetch() {
                return Some(Turn::Read(at, part));
            }
            if state.ended && state.taken == state.fetched {
                return None;
            }
            state = self.left.wait(state).expect("nobody panics at the desk");
        }
    }
}

/// Sends everybody away from the desk: whoever takes when it goes, whoever reads when it panics.
struct Leaving<'d, 'a, T, I: Iterator<Item = &'a str>> {
    desk: &'d Desk<'a, T, I>,
    takes: bool,
}

impl<'a, T, I: Iterator<Item = &'a str>> Drop for Leaving<'_, 'a, T, I> {
    fn drop(&mut self) {
        if self.takes || thread::panicking() {
            let mut state = self.desk.state();
            (state.ended, state.given_up) = (true, true);
            drop(state);
            self.desk.room.notify_all();
            self.desk.left.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const TEXT: &str = "a\nbb\r\n\n\nccc\né\nlast";

    fn parts_of(text: &str, bytes: usize) -> Vec<&str> {
        cut(text, bytes).collect()
    }

    #[test]
    fn parts_are_whole_lines() {
        assert_eq!(parts_of(TEXT, 1), ["a\n", "bb\r\n", "\n", "\n", "ccc\n", "é\n", "last"]);
        assert_eq!(parts_of(TEXT, 3), ["a\nbb\r\n", "\n\nccc\n", "é\n", "last"]);
        assert_eq!(parts_of(TEXT, usize::MAX), [TEXT]);
        assert_eq!(parts_of("\n", 1), ["\n"]);
        assert!(parts_of("", 1).is_empty());
        for bytes in 0..=TEXT.len() + 1 {
            assert_eq!(parts_of(TEXT, bytes).concat(), TEXT, "{bytes}");
        }
    }

    #[test]
    fn taken_in_order_though_the_first_is_read_last() {
        let (second_is_read, wait) = mpsc::channel();
        let wait = Mutex::new(wait);
        let read = |part: &str| {
            match part {
                "a\n" => wait.lock().expect("only here").recv().expect("the second is read"),
                "bb\r\n" => second_is_read.send(()).expect("the first waits"),
                _ => {}
            }
            part.len()
        };
        let mut taken = Vec::new();
        let outcome = Parts { threads: 2, bytes: 1, ahead: 3 }.each(TEXT, read, |part, length| {
            taken.push((part, length));
            if part == "ccc\n" { Err("enough") } else { Ok(()) }
        });
        assert_eq!(outcome, Err("enough"));
        assert_eq!(taken, [("a\n", 2), ("bb\r\n", 4), ("\n", 1), ("\n", 1), ("ccc\n", 4)]);
    }

    #[test]
    fn no_more_are_ahead_than_may_be() {
        let text = "line\n".repeat(500);
        for (threads, ahead) in [(2, 1), (2, 2), (3, 4), (4, 16)] {
            let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let read = |part: &str| {
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                part.len()
            };
            let mut taken = 0;
            let take = |_: &str, length: usize| {
                under_way.fetch_sub(1, Ordering::SeqCst);
                taken += length;
                Ok::<(), ()>(())
            };
            assert_eq!(Parts { threads, bytes: 5, ahead }.each(&text, read, take), Ok(()));
            assert_eq!(taken, text.len());
            // Beside those ahead there is the one that is being taken.
            assert!(most.into_inner() <= ahead + 1, "{threads} threads, {ahead} ahead");
        }
    }

    #[test]
    fn a_panic_of_any_thread_ends_all() {
        for at in ["a\n", "ccc\n", "last"] {
            let all = std::panic::catch_unwind(|| {
                let read = |part: &str| assert_ne!(part, at, "as it should");
                Parts { threads: 3, bytes: 1, ahead: 2 }.each(TEXT, read, |_, ()| Ok::<(), ()>(()))
            });
            assert!(all.is_err(), "{at:?}");
        }
    }
}
