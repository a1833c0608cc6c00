//! The policy that `docs/tutorial.md` writes: its code is that of the page, and so are its verdict and its price.

#[path = "own/when_in_doubt.rs"]
mod when_in_doubt;

use std::fs;
use std::path::Path;

use sim_core::drive::clock::RunAhead;
// The file finds it where a policy does.
use sim_core::policy;
use sim_core::policy::{PolicyInfo, TEMPLATE};
use sim_core::step::era;
use workloads::litmus::check::Found;
use workloads::litmus::{Litmus, find};
use workloads::machines::machine;
use workloads::outcome::{Input, METRICS, Outcome};
use workloads::synthetic::{self, Conditions};

const TEXT: &str = include_str!("own/when_in_doubt.rs");

fn tutorial() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tutorial.md");
    fs::read_to_string(path).expect("the tutorial")
}

#[test]
fn what_the_page_writes_is_all_that_differs_from_the_template() {
    let page = tutorial();
    let blocks: Vec<&str> =
        page.split("```rust\n").skip(1).map(|rest| rest.split("```").next().expect("the end")).collect();
    assert_eq!(blocks.len(), 2);
    for block in &blocks {
        assert!(TEXT.contains(block), "the file has no\n{block}");
    }
    let template = TEMPLATE.replace("\"template\"", "\"when-in-doubt\"").replace("Template", "WhenInDoubt");
    let (old, own): (Vec<_>, Vec<_>) = (template.lines().collect(), TEXT.lines().collect());
    for line in own.iter().filter(|line| !old.contains(line)) {
        assert!(blocks.iter().any(|block| block.contains(line)), "the page does not write `{line}`");
    }
    let gone: Vec<_> = old.iter().filter(|line| !own.contains(line)).collect();
    assert_eq!(gone, [&"        let _ = remote_in_mask;"], "nothing else goes");
}

#[test]
fn its_verdict_is_that_of_the_page() {
    let file = find("B01-mprotect-ro").expect("a file");
    let litmus = Litmus::parse(file.name, file.text).expect("it is right");
    let checked = litmus.check(&when_in_doubt::INFO, 1_000_000);
    assert_eq!(checked.found, Found::Never);
    let row = format!("{} when-in-doubt never - {} {}", file.name, checked.states, checked.depth);
    let page = tutorial();
    let mut rows = page.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    assert!(rows.any(|line| line == row), "the page should have the row: {row}");
}

#[test]
fn its_price_is_that_of_the_page() {
    let workload = synthetic::find("overlap").expect("a workload").workload();
    let machine = machine(workload.workload.profile.get_ref()).expect("a machine");
    let run = |policy: &'static PolicyInfo| {
        let on = Conditions {
            policy,
            era: era::find(workload.workload.era.get_ref()).expect("an era"),
            profile: &machine.profile(),
            profile_input: &Input::new(machine.name, machine.text.as_bytes()),
            seed: 1,
            run_ahead: RunAhead::Upto(u64::MAX),
        };
        workload.run(&on, &mut |_| {}).expect("it fits")
    };
    let unpatched = run(policy::find("unpatched").expect("a policy"));
    let metric = |name| METRICS.iter().find(|metric| metric.name == name).expect("a column").value;
    let percent = |of: &Outcome| metric("flush_total_of_baseline_percent")(of, Some(&unpatched)).to_string();
    let own = run(&when_in_doubt::INFO);
    let patched = run(policy::find("patched").expect("a policy"));
    let words = tutorial().split_whitespace().collect::<Vec<_>>().join(" ");
    let says = format!(
        "a reclaim cycle costs {} % of what it costs unpatched, where the flag of the patch costs {} %",
        percent(&own),
        percent(&patched)
    );
    assert!(words.contains(&says), "the page should say: {says}");
    assert_eq!(metric("violations_permission")(&own, None).to_string(), "0");
}
