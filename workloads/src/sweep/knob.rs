//! The knobs: what a plan may set, and what an axis may run along.
//!
//! To add one, put a row into [`KNOBS`]; what it sets is a field of [`Draft`], which `resolve.rs` makes a point of.

use sim_core::policy::{self, PolicyInfo};
use sim_core::step::era::{self, ERAS, Era};
use sim_core::world::small::Scenario;
use toml::Value;

use crate::litmus::switches::{self, Kind};

/// Why a knob cannot be set, and what was expected.
#[derive(Debug)]
pub enum Wrong {
    /// There is nothing of this name.
    Name(String),
    /// It takes no such value.
    Value(String),
}

/// A row of the table.
#[derive(Debug)]
pub struct Knob {
    /// Its name; that of a family ends in a point, which the name of a key follows.
    pub name: &'static str,
    /// What it sets.
    pub doc: &'static str,
    /// The provenance of a run says it: the knob needs no column of its own.
    pub is_provenance: bool,
    /// Sets it.
    set: fn(&mut Draft, &str, &Value) -> Result<(), Wrong>,
}

const fn knob(
    name: &'static str,
    is_provenance: bool,
    set: fn(&mut Draft, &str, &Value) -> Result<(), Wrong>,
    doc: &'static str,
) -> Knob {
    Knob { name, doc, is_provenance, set }
}

/// The key that the knob `cores` sets.
const CORES: &str = "cores";

/// Names of a key at most, with points in between. The deepest there is has five.
const PARTS_MAX: usize = 16;

/// All knobs.
pub static KNOBS: &[Knob] = &[
    knob(
        "policy",
        true,
        set_policy,
        "the flush policy, by name or alias (`mmusim list policies`); results have the name: `batched` for `unpatched`",
    ),
    knob(
        "workload",
        true,
        |draft, _, value| set_name(&mut draft.workload, value),
        "the synthetic workload: its name (`mmusim list workloads`), or a file, from the directory of the plan",
    ),
    knob(
        "profile",
        true,
        |draft, _, value| set_name(&mut draft.profile, value),
        "the machine: its name (`mmusim list profiles`), or a file, from the directory of the plan; that of the workload if not said",
    ),
    knob("era", true, set_era, "the kernel around the policy (`mmusim list eras`); that of the workload if not said"),
    knob(
        CORES,
        false,
        |draft, _, value| set_key(&mut draft.workload_keys, CORES, value),
        "user threads: `workload.cores`",
    ),
    knob("seed", true, set_seed, "the seed of all random streams; 1 if not said"),
    knob(
        "workload.",
        false,
        |draft, key, value| set_key(&mut draft.workload_keys, key, value),
        "a key of the workload, such as `workload.user.gap_cycles`",
    ),
    knob(
        "profile.",
        false,
        |draft, key, value| set_key(&mut draft.profile_keys, key, value),
        "a key of the machine, such as `profile.ipi.icr_write_cyc`",
    ),
    knob("era.", false, set_switch, "a switch of the kernel, such as `era.lazy_mask` (docs/litmus.md)"),
];

/// The knob of this name: itself, or one of its family.
pub fn find(name: &str) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.key_of(name).is_some())
}

/// All names, for messages.
pub(super) fn known() -> String {
    let names = KNOBS.iter().map(|knob| match knob.name.strip_suffix('.') {
        Some(family) => format!("{family}.KEY"),
        None => knob.name.to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Do two names set the same, or one a part of the other?
pub(super) fn sets_the_same(one: &str, other: &str) -> bool {
    // What a workload is written for counts only where the plan says nothing.
    let of_workload = |name: &str| [CORES, "profile", "era"].contains(&name);
    let full = |name: &str| if of_workload(name) { format!("workload.{name}") } else { name.to_owned() };
    let (one, other) = (full(one), full(other));
    // The name of a workload and its keys are two things.
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.') && outer.contains('.'))
    };
    one == other || within(&one, &other) || within(&other, &one)
}

impl Knob {
    /// The key that a name of this knob means: nothing for the knob itself; none if the name is another's.
    fn key_of<'n>(&self, name: &'n str) -> Option<&'n str> {
        if self.name.ends_with('.') {
            name.strip_prefix(self.name).filter(|key| !key.is_empty())
        } else {
            (name == self.name).then_some("")
        }
    }

    /// Sets the knob that a plan calls `name`.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn set(&self, draft: &mut Draft, name: &str, value: &Value) -> Result<(), Wrong> {
        let key = self.key_of(name).expect("the knob was found by this name");
        (self.set)(draft, key, value)
    }
}

/// A point being put together.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub(super) policy: Option<&'static PolicyInfo>,
    pub(super) workload: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) era: Option<&'static Era>,
    pub(super) seed: Option<u64>,
    /// Switches of the era, with their values.
    pub(super) switches: Vec<(String, String)>,
    /// Keys of the workload, each a path of names and numbers with points in between.
    pub(super) workload_keys: Vec<(String, Value)>,
    /// Keys of the profile.
    pub(super) profile_keys: Vec<(String, Value)>,
}

impl Draft {
    /// Turns the switches that were set.
    pub(super) fn switched(&self, era: &Era) -> Era {
        let mut era = *era;
        for (name, value) in &self.switches {
            turn(&mut era, name, value).expect("it was tried when it was set");
        }
        era
    }
}

fn text(value: &Value) -> Result<&str, Wrong> {
    value.as_str().filter(|text| !text.is_empty()).ok_or_else(|| Wrong::Value(format!("{value}: expected a name")))
}

fn set_name(name: &mut Option<String>, value: &Value) -> Result<(), Wrong> {
    *name = Some(text(value)?.to_owned());
    Ok(())
}

fn set_policy(draft: &mut Draft, _key: &str, value: &Value) -> Result<(), Wrong> {
    let name = text(value)?;
    // Mutants are explored and not run.
    let run = policy::find(name).filter(|found| policy::all().any(|policy| policy.name == found.name));
    let known = || policy::all().map(|policy| policy.name).collect::<Vec<_>>().join(", ");
    draft.policy =
        Some(run.ok_or_else(|| Wrong::Value(format!("policy: unknown `{name}`, expected one of {}", known())))?);
    Ok(())
}

fn set_era(draft: &mut Draft, _key: &str, value: &Value) -> Result<(), Wrong> {
    let name = text(value)?;
    let known = || ERAS.iter().map(|era| era.name).collect::<Vec<_>>().join(", ");
    draft.era = Some(
        era::find(name).ok_or_else(|| Wrong::Value(format!("era: unknown `{name}`, expected one of {}", known())))?,
    );
    Ok(())
}

fn set_seed(draft: &mut Draft, _key: &str, value: &Value) -> Result<(), Wrong> {
    let seed = value.as_integer().and_then(|seed| u64::try_from(seed).ok());
    draft.seed = Some(seed.ok_or_else(|| Wrong::Value(format!("seed: {value}, expected a whole number, 0 or more")))?);
    Ok(())
}

/// Whether there is such a key, and such a value, the text says that it is set in.
fn set_key(keys: &mut Vec<(String, Value)>, key: &str, value: &Value) -> Result<(), Wrong> {
    if key.split('.').any(str::is_empty) {
        return Err(Wrong::Name(format!("`{key}`: expected names with one point in between")));
    }
    let parts = key.split('.').count();
    if parts > PARTS_MAX {
        return Err(Wrong::Name(format!("a key of {parts} names, expected at most {PARTS_MAX}: no key lies deeper")));
    }
    keys.push((key.to_owned(), value.clone()));
    Ok(())
}

fn set_switch(draft: &mut Draft, key: &str, value: &Value) -> Result<(), Wrong> {
    // A switch is on or off, as in a litmus file, or true or false, as in TOML.
    let word = match value {
        Value::Boolean(true) => "on".to_owned(),
        Value::Boolean(false) => "off".to_owned(),
        Value::String(word) => word.clone(),
        other => other.to_string(),
    };
    turn(&mut ERAS[0].clone(), key, &word)?;
    draft.switches.push((key.to_owned(), word));
    Ok(())
}

/// Turns one switch.
fn turn(era: &mut Era, name: &str, value: &str) -> Result<(), Wrong> {
    let of_the_kernel = |kind: Kind| !matches!(kind, Kind::Scene(_));
    let Some(switch) = switches::find(name).filter(|switch| of_the_kernel(switch.kind)) else {
        let known = switches::SWITCHES.iter().filter(|switch| of_the_kernel(switch.kind));
        let known: Vec<_> = known.map(|switch| switch.name).collect();
        let message = format!("era: unknown switch `{name}`, expected one of {}", known.join(", "));
        return Err(Wrong::Name(message));
    };
    // A switch of the kernel leaves the scenario alone.
    let mut scenario = Scenario::new("", 1, 1, &[]);
    if switch.set(value, era, &mut scenario) {
        Ok(())
    } else {
        Err(Wrong::Value(format!("era.{name}: `{value}`, expected {}", switch.values())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_names_are_told_apart() {
        for (name, knob) in
            [("cores", "cores"), ("workload", "workload"), ("workload.cores", "workload."), ("era.x", "era.")]
        {
            assert_eq!(find(name).map(|found| found.name), Some(knob), "{name}");
        }
        for name in ["", "core", "workload.", "coresx", "seed.from"] {
            assert!(find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn keys_are_no_deeper_than_any_key_is() {
        let set = |parts: usize| {
            let name = format!("workload{}", ".a".repeat(parts));
            find(&name).expect("a key of the workload").set(&mut Draft::default(), &name, &Value::Boolean(true))
        };
        assert!(set(PARTS_MAX).is_ok());
        for parts in [PARTS_MAX + 1, 1_000_000] {
            assert!(matches!(set(parts), Err(Wrong::Name(message)) if message.contains("expected at most 16")));
        }
    }

    #[test]
    fn the_same_knob_under_two_names() {
        for (one, other) in [
            ("cores", "workload.cores"),
            ("profile", "workload.profile"),
            ("era", "workload.era"),
            ("workload.user", "workload.user.gap_cycles"),
            ("seed", "seed"),
        ] {
            assert!(sets_the_same(one, other) && sets_the_same(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("workload", "workload.cores"),
            ("workload.user", "workload.users"),
            ("era", "era.lazy_mask"),
            ("workload.era", "era.lazy_mask"),
            ("profile", "profile.psc.hit_cyc"),
        ] {
            assert!(!sets_the_same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn every_switch_of_the_kernel_is_a_knob_and_no_other() {
        for switch in switches::SWITCHES {
            let value = match switch.kind {
                Kind::Flag(_) | Kind::Scene(_) => Value::Boolean(true),
                Kind::Count(_) => Value::Integer(7),
                Kind::Mechanism => Value::String("ipi-serial".to_owned()),
            };
            let set = set_switch(&mut Draft::default(), switch.name, &value);
            assert_eq!(set.is_ok(), !matches!(switch.kind, Kind::Scene(_)), "{}", switch.name);
            assert!(set_switch(&mut Draft::default(), switch.name, &Value::Float(0.5)).is_err(), "{}", switch.name);
        }
    }
}
