//! Plans of sweeps.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};
use workloads::sweep::Plan;

/// Points at most: 100,000 are legitimate, and take their time.
const POINTS_MAX: i128 = 64;
/// Where no file is that a plan could name.
const NOWHERE: &str = "/nonexistent/mmusim-fuzz";

/// Reads a plan and makes its points.
pub fn text(bytes: &[u8]) {
    let Some(text) = crate::as_text(bytes) else { return };
    // A plan may name files, among them some that never end.
    if text.contains("/dev") || text.contains("/proc") || !is_small(text) {
        return;
    }
    let plan = match Plan::parse("fuzz", text, Path::new(NOWHERE)) {
        Ok(plan) => plan,
        Err(error) => return crate::says(&error),
    };
    let ids: BTreeSet<_> = plan.points.iter().map(|point| &point.id).collect();
    assert_eq!(ids.len(), plan.points.len(), "a run that is there twice");
    let knobs = plan.knobs().count();
    assert!(plan.points.iter().all(|point| plan.values(point).count() == knobs), "a point without a value");
    let in_shards: usize = (1..=3).map(|shard| plan.shard(shard, 3).count()).sum();
    assert_eq!(in_shards, plan.points.len(), "every point is in one shard");
}

/// Does the plan have few points, or none since it cannot be read?
fn is_small(text: &str) -> bool {
    let Ok(plan) = text.parse::<Table>() else { return true };
    let Some(Value::Array(axes)) = plan.get("axis") else { return true };
    let mut points: i128 = 1;
    for axis in axes {
        points = points.saturating_mul(longest(axis).max(1));
    }
    points <= POINTS_MAX
}

/// The most values that a knob has anywhere below this.
fn longest(value: &Value) -> i128 {
    match value {
        Value::Array(values) => values.len() as i128,
        Value::Table(table) => {
            let bound = |key| table.get(key).and_then(Value::as_integer).map(i128::from);
            let range = match (bound("from"), bound("to")) {
                (Some(from), Some(to)) => (to - from) / bound("step").filter(|&step| step > 0).unwrap_or(1) + 1,
                _ => 1,
            };
            table.values().map(longest).fold(range, i128::max)
        }
        _ => 1,
    }
}
