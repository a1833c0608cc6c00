//! A progress bar on stderr, for runs of more than a second, on a terminal only.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter runs show nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// The progress of one run.
pub(crate) struct Progress {
    bar: ProgressBar,
    since: Instant,
    shown: bool,
}

impl Progress {
    /// A run of so many cycles.
    pub(crate) fn new(what: String, cycles: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(cycles), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent:>3}% {eta} left");
        bar.set_style(style.expect("the template is right").progress_chars("=> "));
        bar.set_message(what);
        Progress { bar, since: Instant::now(), shown: false }
    }

    /// So many cycles are done.
    pub(crate) fn at(&mut self, cycles: u64) {
        if !self.shown && self.since.elapsed() > PATIENCE {
            self.shown = true;
            // Draws nothing where stderr is not a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(cycles);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
