//! What a policy starts as (`sim-core/templates/policy.rs`): it compiles, and does what `immediate` does.

mod random;
#[path = "../templates/policy.rs"]
mod template;

use random::Left;

use sim_core::drive::clock::RunAhead;
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::Race;
use sim_core::drive::explore::{Verdict, search};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Mm, Rights, Span};
// The template finds it where a policy does.
use sim_core::policy;
use sim_core::policy::{PolicyInfo, TEMPLATE};
use sim_core::step::era::ERAS;
use sim_core::world::small::Scenario;

const STATES: usize = 1_000_000;

fn immediate() -> &'static PolicyInfo {
    policy::find("immediate").expect("registered")
}

#[test]
fn it_is_explored_like_immediate() {
    let page = Span::page(0);
    let accesses = [AccessKind::Store; 2].map(|kind| Op::access(kind, 0));
    for call in [Op::mprotect(page, Rights::READ), Op::call(OpKind::Munmap, page), Op::call(OpKind::Dontneed, page)] {
        let reclaim = Op::call(OpKind::Reclaim(Mm(0)), page);
        let scenario = Scenario { dirty: true, ..Scenario::new("template", 1, 1, &[&[reclaim], &accesses, &[call]]) };
        for &era in ERAS {
            let outcome = |of| search(&Race { scenario: &scenario, setting: Setting::of(of, era) }, STATES);
            let found = outcome(&template::INFO);
            assert_eq!(found.verdict, Verdict::Never { vacuous: false }, "{call:?}, {}", era.name);
            assert_eq!(found, outcome(immediate()), "{call:?}, {}", era.name);
        }
    }
}

#[test]
fn it_costs_what_immediate_costs() {
    let run = |of: &PolicyInfo, seed| -> Left {
        let mut clock = random::clock(of, seed, 4, Backing::Anon, (RunAhead::Upto(u64::MAX), true));
        clock.run();
        random::left(clock)
    };
    for seed in 0..4 {
        let left = run(&template::INFO, seed);
        assert!(left.stats.flushes.values().sum::<u64>() > 0);
        assert!(left == run(immediate(), seed), "seed {seed}: {:#?}", left.stats);
    }
}

#[test]
fn its_text_is_what_is_compiled_here() {
    assert_eq!(TEMPLATE.matches("\"template\"").count(), 1);
    assert!(TEMPLATE.contains("name: \"template\","));
    assert_eq!(template::INFO.name, "template");
}
