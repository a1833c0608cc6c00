//! The figures: medians over rounds, each of which times what is compared one right after the other.

use std::time::Instant;

use sim_core::drive::explore::{Options, search_with};
use sim_core::policy;

use super::bare::Bare;
use super::calls::{Busy, Calls, Done};
use super::whole::Whole;
use super::{Hits, Shape};
use crate::litmus::{self, Litmus};
use crate::recorded::{Pick, decode, embedded, import_text};

/// The scenario that states are counted on: every interleaving is explored, since none breaks a promise.
pub const EXPLORED: &str = "B01-mprotect-ro-two-cpus";
/// And the policy it is explored under.
pub const EXPLORED_POLICY: &str = "pending-generation";
/// The recording that is imported.
pub const IMPORTED: &str = "memcg-file-mprotect-cut";
/// Cores of the kernel paths, and rounds of calls of each.
const BUSY: (u16, u32) = (4, 200);

/// An access, whole and bare.
#[derive(Clone, Copy, Debug)]
pub struct AccessSpeed {
    /// In the simulator, in ns.
    pub whole_ns: f64,
    /// In the bare loop, in ns.
    pub bare_ns: f64,
    /// Median of the quotients, round by round.
    pub ratio: f64,
    /// Where the accesses found their translations.
    pub hits: Hits,
    /// Events that the simulator takes a second.
    pub events_per_second: f64,
}

fn seconds(run: impl FnOnce()) -> f64 {
    let began = Instant::now();
    run();
    began.elapsed().as_secs_f64()
}

/// The median of so many values of a measurement.
fn median(rounds: u32, mut value: impl FnMut() -> f64) -> f64 {
    middle(&(0..rounds).map(|_| value()).collect::<Vec<_>>())
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// An access of this shape.
///
/// # Panics
/// If there is no round.
pub fn access(shape: Shape, rounds: u32) -> AccessSpeed {
    let (mut whole, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut hits, mut events) = (Hits::default(), 0);
    let ns = |seconds: f64, accesses: u64| seconds * 1e9 / accesses as f64;
    for _ in 0..rounds {
        let (mut loops, mut simulator) = (Bare::new(shape), Whole::new(shape));
        let bare_ns = seconds(|| hits = loops.run());
        let accesses = hits.l1 + hits.stlb + hits.walks;
        let mut served = 0;
        let whole_ns = seconds(|| served = simulator.run());
        assert_eq!(served, accesses, "both make the same accesses");
        events = simulator.events();
        bare.push(ns(bare_ns, accesses));
        whole.push(ns(whole_ns, accesses));
        ratios.push(whole_ns / bare_ns);
    }
    let accesses = (hits.l1 + hits.stlb + hits.walks) as f64;
    let whole_ns = middle(&whole);
    AccessSpeed {
        whole_ns,
        bare_ns: middle(&bare),
        ratio: middle(&ratios),
        hits,
        events_per_second: events as f64 / (whole_ns * accesses / 1e9),
    }
}

/// Kernel paths.
#[derive(Clone, Copy, Debug)]
pub struct KernelSpeed {
    /// Steps of their text, a second.
    pub steps_per_second: f64,
    /// Those that acted on something shared, a second: the others are made along with the next one that does.
    pub acts_per_second: f64,
}

/// Kernel paths under the clock.
///
/// # Panics
/// If there is no round.
pub fn kernel(rounds: u32) -> KernelSpeed {
    let policy = policy::find("pending-generation").expect("a registered policy");
    let mut acts_each = 0.0;
    let steps_per_second = median(rounds, || {
        let mut busy = Busy::new(Calls::All, policy, BUSY.0, BUSY.0, BUSY.1);
        let mut made = Done::default();
        let took = seconds(|| made = busy.run());
        // The same in every round.
        acts_each = made.kernel_acts as f64 / made.kernel_steps as f64;
        made.kernel_steps as f64 / took
    });
    KernelSpeed { steps_per_second, acts_per_second: steps_per_second * acts_each }
}

/// States of the explorer a second, on [`EXPLORED`], one thread.
///
/// # Panics
/// If there is no round.
pub fn states_per_second(rounds: u32) -> f64 {
    let file = litmus::find(EXPLORED).expect("an embedded file");
    let read = Litmus::parse(file.name, file.text).expect("a built-in file is right");
    let race = read.race(policy::find(EXPLORED_POLICY).expect("a registered policy"));
    median(rounds, || {
        let mut states = 0;
        let took = seconds(|| states = search_with(&race, &Options::default(), &mut |_| {}).states);
        states as f64 / took
    })
}

/// MB (10^6 bytes) of text imported a second, from memory, decompressed before.
///
/// # Panics
/// If there is no round.
pub fn import_mb_per_second(rounds: u32) -> f64 {
    let source = embedded(IMPORTED).expect("an embedded recording");
    let (name, text) = decode(source.input()).expect("it is whole");
    median(rounds, || {
        let took = seconds(|| {
            import_text(&name, &text, &Pick::Busiest).expect("it is well-formed");
        });
        text.len() as f64 / 1e6 / took
    })
}
