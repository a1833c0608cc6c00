//! Plans, and the points they make.

use std::collections::BTreeSet;

use sim_core::policy;
use sim_core::step::era;

use super::*;
use crate::machines;
use crate::outcome::Value;
use crate::synthetic;

const FIXED: &str =
    "name = \"p\"\n[fixed]\npolicy = \"patched\"\nworkload = \"overlap\"\n\"workload.duration_cycles\" = 300_000\n";

fn plan(text: &str) -> Plan {
    Plan::parse("p.toml", text, Path::new(".")).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn fixed(more: &str) -> Plan {
    plan(&format!("{FIXED}{more}"))
}

fn message(text: &str) -> String {
    Plan::parse("p.toml", text, Path::new(".")).expect_err(text).to_string()
}

fn values(plan: &Plan) -> Vec<String> {
    let shown = |point| plan.values(point).skip(plan.fixed()).collect::<Vec<_>>().join(" ");
    plan.points.iter().map(shown).collect()
}

#[test]
fn axes_are_multiplied_and_knobs_of_one_change_together() {
    let plan = fixed(
        "[[axis]]\nseed = { from = 3, to = 7, step = 2 }\n\
         [[axis]]\nworkload.user.gap_cycles = [5, 50]\ncores = [2, 3]\nera.lazy_mask = [true, \"off\"]\n",
    );
    let knobs: Vec<_> = plan.knobs().map(|(name, _)| name).collect();
    assert_eq!(knobs[plan.fixed()..], ["seed", "workload.user.gap_cycles", "cores", "era.lazy_mask"]);
    let expected = ["3 5 2 true", "3 50 3 off", "5 5 2 true", "5 50 3 off", "7 5 2 true", "7 50 3 off"];
    assert_eq!(values(&plan), expected);
    let seeds: Vec<_> = plan.points.iter().map(|point| point.seed).collect();
    assert_eq!(seeds, [3, 3, 5, 5, 7, 7]);
    assert!(plan.points[0].era.lazy_mask && !plan.points[1].era.lazy_mask);
    assert_eq!(plan.points[1].workload.synthetic.workload.gap_cycles(), 50);
    assert_eq!(plan.points[1].workload.synthetic.workload.cores.get_ref().get(), 3);
}

#[test]
fn every_point_is_in_one_shard() {
    let plan = fixed("[[axis]]\nseed = { from = 1, to = 10 }\n");
    for of in [1, 2, 3, 7, 10, 11, 100] {
        let mut ids: Vec<_> = (1..=of).flat_map(|shard| plan.shard(shard, of)).map(|point| &point.id).collect();
        ids.sort();
        let mut all: Vec<_> = plan.points.iter().map(|point| &point.id).collect();
        all.sort();
        assert_eq!(ids, all, "{of}");
    }
    assert_eq!((plan.shard(1, 7).count(), plan.shard(7, 7).count(), plan.shard(11, 11).count()), (2, 1, 0));
}

#[test]
fn a_point_is_its_settings_however_a_plan_says_them() {
    let id = |text: &str| plan(text).points[0].id.clone();
    let one = id(FIXED);
    assert_eq!(one, id(&FIXED.replace("\"p\"", "\"other\"\nsummary = \"words\"")));
    assert_eq!(one, id(&FIXED.replace("patched", "pending-flag")));
    assert_eq!(one, id(&format!("{FIXED}seed = 1\ncores = 6\nprofile = \"skx_2s\"\nera = \"v4.13\"\n")));
    assert_eq!(one, id(&format!("{FIXED}\"era.lazy_mask\" = false\n\"workload.user.gap_cycles\" = 400\n")));
    let mut ids = BTreeSet::from([one]);
    for other in [
        FIXED.replace("patched", "unpatched"),
        FIXED.replace("\"overlap\"", "\"alternating\""),
        FIXED.replace("300_000", "300_001"),
        format!("{FIXED}seed = 2\n"),
        format!("{FIXED}cores = 5\n"),
        format!("{FIXED}era = \"v5.17\"\n"),
        format!("{FIXED}\"era.lazy_mask\" = true\n"),
        format!("{FIXED}\"era.check_in_zap\" = false\n"),
        format!("{FIXED}profile = \"icx_8358_2s\"\n"),
        format!("{FIXED}\"profile.ipi.icr_write_cyc\" = 76\n"),
        format!("{FIXED}\"workload.operations.1.span_pages\" = 3\n"),
    ] {
        assert!(ids.insert(id(&other)), "{other}");
    }
}

/// Every metric of a run.
fn measured(outcome: &Outcome) -> Vec<Value> {
    METRICS.iter().map(|metric| (metric.value)(outcome, None)).collect()
}

/// One replacement in a text.
fn edited(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

#[test]
fn knobs_do_what_editing_the_files_does() {
    let plan = fixed(
        "cores = 3\n\"workload.user.gap_cycles\" = 77\n\"workload.operations.0.gap_accesses\" = 40\nseed = 9\n\
         \"profile.ipi.irq_entry_cyc\" = 9_999\nera = \"v5.17\"\n\"era.ceiling_pages\" = 1\n",
    );
    let outcome = plan.points[0].run(&mut |_| {}).expect("it fits");

    let text = synthetic::find("overlap").expect("built in").text;
    let text = edited(text, "duration_cycles = 40_000_000", "duration_cycles = 300_000");
    let text = edited(&text, "cores = 6", "cores = 3");
    let text = edited(&text, "gap_cycles = 400", "gap_cycles = 77");
    let text = edited(
        &text,
        "rights = \"none\"\nspan_pages = 1\ngap_accesses = 800",
        "rights = \"none\"\nspan_pages = 1\ngap_accesses = 40",
    );
    let workload = Synthetic::parse("overlap", &text).expect("a workload");
    let machine = machines::machine("skx_2s").expect("built in").text;
    let line = machine.lines().find(|line| line.starts_with("irq_entry_cyc")).expect("there");
    let profile = Profile::parse("skx_2s", &edited(machine, line, "irq_entry_cyc = 9_999")).expect("a profile");
    let era = Era { ceiling_pages: 1, ..*era::find("v5.17").expect("there") };
    let conditions = Conditions {
        policy: policy::find("patched").expect("there"),
        era: &era,
        profile: &profile,
        profile_input: &workload.input,
        seed: 9,
        run_ahead: RunAhead::Off,
    };
    let expected = workload.run(&conditions, &mut |_| {}).expect("it fits");
    assert_eq!(measured(&outcome), measured(&expected));
    assert_ne!(measured(&outcome), measured(&fixed("").points[0].run(&mut |_| {}).expect("it fits")));
    // In results stand the hashes of the files, beside which stand the knobs.
    assert_eq!(outcome.workload, synthetic::find("overlap").expect("built in").workload().input);
    assert_eq!((outcome.era, outcome.seed), ("v5.17", Some(9)));
}

#[test]
fn a_larger_machine_takes_what_that_of_the_workload_does_not() {
    let plan = fixed("profile = \"ivb_ex_8s120\"\ncores = 200\n");
    assert_eq!(plan.points[0].workload.synthetic.workload.cpus(), 201);
    let text = message(&format!("{FIXED}cores = 200\n"));
    assert!(text.contains("p.toml:6:9: overlap on skx_2s: the workload needs 201 CPUs"), "{text}");
}

#[test]
fn plans_are_bounded() {
    let axis = |name: &str, to: u64| format!("[[axis]]\n{name} = {{ from = 1, to = {to} }}\n");
    let text = message(&format!("{FIXED}{}{}", axis("seed", 1000), axis("workload.user.gap_cycles", 101)));
    assert!(text.contains("101000 points with this axis, expected at most 100000"), "{text}");
    let text = message(&format!("{FIXED}{}", axis("seed", 9_223_372_036_854_775_807)));
    assert!(text.contains("9223372036854775807 values, expected at most 100000"), "{text}");
}

#[test]
fn names_of_columns_differ() {
    for knob in knob::KNOBS.iter().filter(|knob| !knob.name.ends_with('.') && !knob.is_provenance) {
        assert!(METRICS.iter().all(|metric| metric.name != knob.name), "{}", knob.name);
    }
    assert!(METRICS.iter().all(|metric| !metric.name.contains('.')));
}
