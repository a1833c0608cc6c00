//! What the benchmarks share: `cargo bench -p benches`.

use sim_core::drive::engine::Setting;
use sim_core::policy::PolicyInfo;
use sim_core::step::era;

/// A policy in the kernel its row names as the default of recordings.
///
/// # Panics
/// If the era is not registered.
pub fn setting(policy: &PolicyInfo, era: &str) -> Setting {
    Setting::of(policy, *era::find(era).expect("a registered era"))
}
