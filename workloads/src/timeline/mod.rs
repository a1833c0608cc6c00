//! Timelines of runs, for viewers: slices of cores, arrows for interrupts, counters.
//!
//! A run or a witness becomes a [`Timeline`]; [`perfetto`] writes it down. One cycle is drawn as one nanosecond, the
//! unit of the viewers: fractions of one would be lost.

pub mod perfetto;
mod run;
mod witness;

use std::borrow::Cow;

pub use run::of_run;
pub use witness::of_witness;

/// What a viewer shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// What it is of, on one line.
    pub title: String,
    /// Where it comes from: names and values.
    pub provenance: Vec<(&'static str, String)>,
    /// Cores: one track each.
    pub cpus: u16,
    /// What is counted, from 0 on: one track each.
    pub counters: &'static [Counter],
    /// In the order of time.
    pub marks: Vec<Mark>,
}

/// Something at a time, in cycles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, in cycles.
    pub at_cycles: u64,
    /// What.
    pub what: What,
}

/// What can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A slice of a core begins, within those that have begun and not ended.
    Begin {
        /// The core.
        cpu: u16,
        /// What it is called.
        name: Cow<'static, str>,
        /// A number that it is about, and what that is.
        about: Option<(&'static str, u64)>,
        /// The end of an arrow.
        arrow: Option<Arrow>,
    },
    /// The slice of a core that has begun last ends.
    End(u16),
    /// A point on a core.
    Instant(u16, Cow<'static, str>),
    /// A counter has this value from here on.
    Count(Counter, i64),
}

/// An end of an arrow; its two ends have the same number, which no other arrow of the timeline has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrow {
    /// Where it starts.
    From(u64),
    /// Where it ends.
    To(u64),
}

/// Things that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Usable translations that break a promise.
    Stale,
    /// Clears of PTEs whose flush reclaim has put off.
    Pending,
}

impl Counter {
    /// All of them, in the order of the tracks.
    pub const ALL: [Counter; 2] = [Counter::Stale, Counter::Pending];

    /// The name of its track.
    pub fn name(self) -> &'static str {
        match self {
            Counter::Stale => "stale TLB entries (marked)",
            Counter::Pending => "pending flushes (deferred)",
        }
    }
}
