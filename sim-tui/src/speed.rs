//! How fast a run goes on by itself.

use std::fmt;
use std::time::Duration;

/// Events a second, in steps; beyond the last one there is no limit.
const EVENTS_PER_SECOND: [u32; 13] = [1, 2, 5, 10, 20, 50, 100, 300, 1_000, 3_000, 10_000, 100_000, 1_000_000];

/// A speed: a step of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed(usize);

impl Speed {
    /// As fast as it can.
    pub const FULL: Speed = Speed(EVENTS_PER_SECOND.len());

    /// The speed a short run begins with: slow enough to read along.
    pub const READING: Speed = Speed(2);

    /// The speed a long run begins with.
    pub const WATCHING: Speed = Speed(8);

    /// The next step up.
    #[must_use]
    pub fn faster(self) -> Speed {
        Speed((self.0 + 1).min(Speed::FULL.0))
    }

    /// The next step down.
    #[must_use]
    pub fn slower(self) -> Speed {
        Speed(self.0.saturating_sub(1))
    }

    /// Events due after this time; none: as many as it can.
    pub fn events_in(self, time: Duration) -> Option<u64> {
        EVENTS_PER_SECOND.get(self.0).map(|&each| (time.as_micros() * u128::from(each) / 1_000_000) as u64)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match EVENTS_PER_SECOND.get(self.0) {
            Some(&each) => write!(f, "{} events/s", crate::words::thousands(u64::from(each))),
            None => f.write_str("at full speed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_both_sides() {
        let slowest = Speed::READING.slower().slower().slower();
        assert_eq!((slowest, slowest.events_in(Duration::from_secs(3))), (Speed(0), Some(3)));
        let fastest = (0..99).fold(Speed::WATCHING, |speed, _| speed.faster());
        assert_eq!((fastest, fastest.events_in(Duration::from_secs(1))), (Speed::FULL, None));
    }
}
