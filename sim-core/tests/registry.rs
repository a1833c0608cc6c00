//! The registry of policies: names that the command line, files and `mmusim new policy` can rely on.

use std::collections::BTreeSet;

use sim_core::policy::{self, ABLATED, OTHERS, OWN, POLICIES};

#[test]
fn every_name_and_alias_is_somebodys_and_written_alike() {
    let mut seen = BTreeSet::new();
    for policy in policy::all().chain(ABLATED) {
        for name in policy.aliases.iter().chain([&policy.name]) {
            let well_formed = name.split('-').all(|word| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            });
            assert!(well_formed, "{name}: expected words of lower case letters and digits, with `-` in between");
            assert!(policy::find(name).is_some_and(|found| found.name == policy.name), "{name} is somebody else's");
        }
        assert!(seen.insert(policy.name), "{} is there twice", policy.name);
        assert!(!policy.summary.is_empty(), "{} has no summary", policy.name);
    }
    let summaries: BTreeSet<_> = policy::all().chain(ABLATED).map(|policy| policy.summary).collect();
    assert_eq!(summaries.len(), seen.len(), "each says what it is itself");
    assert_eq!(seen.len(), POLICIES.len() + OTHERS.len() + OWN.len() + ABLATED.len());
}

#[test]
fn no_kernel_has_a_policy_with_a_part_less() {
    for mutant in ABLATED {
        assert!(mutant.kernels.starts_with("none") && mutant.aliases.is_empty(), "{mutant:?}");
    }
}
