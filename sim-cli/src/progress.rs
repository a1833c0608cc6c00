//! A progress bar on stderr, for runs of more than a second, on a terminal only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter runs show nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// The progress of one run, or of several at a time.
pub(crate) struct Progress {
    bar: ProgressBar,
    since: Instant,
    shown: AtomicBool,
}

impl Progress {
    /// So many cycles, all runs together.
    pub(crate) fn new(what: String, cycles: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(cycles), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent:>3}% {eta} left");
        bar.set_style(style.expect("the template is right").progress_chars("=> "));
        bar.set_message(what);
        Progress { bar, since: Instant::now(), shown: AtomicBool::new(false) }
    }

    /// A run of so many cycles begins; what it returns hears how many are done.
    pub(crate) fn run(&self, cycles: u64) -> Part<'_> {
        Part { whole: self, done: 0, cycles }
    }

    /// Nobody knows how many there will be: counts them, and how many a second.
    pub(crate) fn counting(what: &str, noun: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} {human_pos} {prefix} in {elapsed}, {per_sec}");
        bar.set_style(style.expect("the template is right"));
        bar.set_message(what.to_owned());
        bar.set_prefix(noun.to_owned());
        Progress { bar, since: Instant::now(), shown: AtomicBool::new(false) }
    }

    /// So many were counted so far.
    pub(crate) fn counted(&self, so_far: u64) {
        self.show();
        self.bar.set_position(so_far);
    }

    fn show(&self) {
        if self.since.elapsed() > PATIENCE && !self.shown.swap(true, Ordering::Relaxed) {
            // Draws nothing where stderr is not a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn advance(&self, cycles: u64) {
        self.show();
        self.bar.inc(cycles);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// One of the runs.
pub(crate) struct Part<'p> {
    whole: &'p Progress,
    done: u64,
    cycles: u64,
}

impl Part<'_> {
    /// So many cycles of it are done. What runs over its time does not count for more.
    pub(crate) fn at(&mut self, cycles: u64) {
        let done = cycles.min(self.cycles).max(self.done);
        self.whole.advance(done - self.done);
        self.done = done;
    }
}

impl Drop for Part<'_> {
    /// It is over, at whatever time it was last heard of.
    fn drop(&mut self) {
        self.at(self.cycles);
    }
}
