//! The patch 3ea277194daa taken apart: each part is tried on every scene, and every verdict is the expected one.

use std::collections::BTreeSet;

use sim_core::policy::ABLATED;
use workloads::litmus::ablate::{ABLATIONS, Ablation, SCENES, find};
use workloads::litmus::check::Found;
use workloads::litmus::format;
use workloads::litmus::switches;

const STATES: usize = 5_000_000;

/// The verdicts of these parts.
fn verdicts_of(names: &[&str]) {
    for trial in names.iter().flat_map(|name| find(name).expect(name).trials()) {
        let (name, litmus) = (trial.name(), trial.litmus());
        let checked = litmus.check(trial.policy(), STATES);
        assert!(litmus.as_expected(trial.policy(), &checked), "{name}: {:?} {:?}", checked.found, checked.class);
        assert_ne!(checked.found, Found::Vacuous, "{name}");
        assert_eq!(format(&name, &trial.text()).unwrap(), trial.text(), "{name}");
    }
}

const CALL_SITES: [&str; 4] = ["no-check-in-free", "no-check-in-zap", "no-check-in-mprotect", "no-check-in-mremap"];
const ORDERS: [&str; 3] = ["flag-set-before-clear", "flag-cleared-before-flush", "check-before-ptl"];
const WHOLE: [&str; 3] = ["patch", "flag-never-set", "flush-is-local"];

#[test]
fn verdicts_of_the_call_sites() {
    verdicts_of(&CALL_SITES);
}

#[test]
fn verdicts_of_the_orders() {
    verdicts_of(&ORDERS);
}

#[test]
fn verdicts_of_the_patch_the_flag_and_the_flush() {
    verdicts_of(&WHOLE);
}

#[test]
fn every_part_has_an_expected_verdict_on_every_scene() {
    let scenes: BTreeSet<_> = SCENES.iter().map(|scene| scene.name).collect();
    assert_eq!(scenes.len(), SCENES.len());
    for ablation in ABLATIONS {
        let named: Vec<_> = ablation.trials().map(|trial| trial.scene.name).collect();
        assert_eq!(named.iter().copied().collect::<BTreeSet<_>>(), scenes, "{}", ablation.name);
        assert_eq!(named.len(), scenes.len(), "{} names a scene twice", ablation.name);
    }
    let tested: BTreeSet<_> = CALL_SITES.iter().chain(&ORDERS).chain(&WHOLE).copied().collect();
    assert_eq!(ABLATIONS.iter().map(|ablation| ablation.name).collect::<BTreeSet<_>>(), tested);
}

#[test]
fn every_part_is_missed_in_some_scene_where_the_patch_is_not() {
    let races = |ablation: &'static Ablation| -> BTreeSet<_> {
        ablation.trials().filter(|trial| trial.case.class.is_some()).map(|trial| trial.scene.name).collect()
    };
    let (patch, parts) = ABLATIONS.split_first().unwrap();
    for part in parts {
        assert!(!races(part).is_subset(&races(patch)), "nothing tells {} from the patch", part.name);
        assert!(part.off.is_none_or(|switch| switches::find(switch).is_some()), "{}", part.name);
    }
    for policy in ABLATED.iter().filter(|policy| policy.name.starts_with("pending-flag")) {
        assert!(parts.iter().any(|part| part.policy == policy.name), "{}", policy.name);
    }
}

#[test]
fn the_page_of_the_language_names_every_part() {
    let page = include_str!("../../docs/litmus.md");
    for name in ABLATIONS.iter().map(|part| part.name).chain(ABLATED.iter().map(|policy| policy.name)) {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
