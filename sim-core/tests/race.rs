//! The seed's race, found and closed: every interleaving of the walking skeleton under each policy.

#[path = "models/ways.rs"]
mod ways;

use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::{Move, Race};
use sim_core::drive::explore::{Outcome, Verdict, Witness};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Cpu, Mm, Rights, Span};
use sim_core::oracle::Class;
use sim_core::policy;
use sim_core::step::era;
use sim_core::world::small::Scenario;
use ways::search;

const STATES: usize = 20_000_000;

fn store(page: u64) -> Op {
    Op::access(AccessKind::Store, page)
}

fn load(page: u64) -> Op {
    Op::access(AccessKind::Load, page)
}

fn read_only(page: u64) -> Op {
    Op::mprotect(Span::page(page), Rights::READ)
}

fn reclaim(page: u64) -> Op {
    Op::call(OpKind::Reclaim(Mm(0)), Span::page(page))
}

fn setting(policy: &str, era: &str) -> Setting {
    Setting {
        policy: policy::find(policy).expect("a registered policy").strategy,
        era: *era::find(era).expect("an era"),
    }
}

fn explore(scenario: &Scenario, policy: &str, era: &str) -> Outcome<Move> {
    search(&Race { scenario, setting: setting(policy, era) }, STATES)
}

fn assert_never(scenario: &Scenario, policy: &str, era: &str) {
    let outcome = explore(scenario, policy, era);
    assert_eq!(
        outcome.verdict,
        Verdict::Never { vacuous: false },
        "{} under {policy} in {era}: {outcome:?}",
        scenario.name
    );
}

fn witness(scenario: &Scenario, policy: &str, era: &str) -> Witness {
    let race = Race { scenario, setting: setting(policy, era) };
    match search(&race, STATES).verdict {
        Verdict::Sometimes(moves) => Witness::replay(&race, &moves),
        other => panic!("{} under {policy}: {other:?}", scenario.name),
    }
}

/// CPU0 reclaims x, CPU1 uses it, CPU2 takes the right to write away.
fn changelog() -> Scenario {
    Scenario::new("seed", 1, 1, &[&[reclaim(0)], &[store(0), store(0)], &[read_only(0)]])
}

#[test]
fn the_unpatched_kernel_has_the_race_of_the_changelog() {
    for era in ["v4.13", "v6.18"] {
        let witness = witness(&changelog(), "unpatched", era);
        let (t, user, op) = (Cpu(0), Cpu(1), Cpu(2));
        let cached = witness.lines.iter().position(|l| l.cpu == user).expect("the user fills its TLB");
        let clear = witness.position(t, "R4.4a").expect("reclaim clears the PTE");
        let unlock = witness.position(t, "R4.11").expect("reclaim drops the PTL");
        let look = witness.position(op, "M6").expect("mprotect looks at the PTE");
        let last = witness.lines.len() - 1;
        assert!(cached < clear && clear < unlock && unlock < look && look < last, "{witness}");
        assert_eq!(witness.lines[last].cpu, user, "{witness}");
        assert_eq!(witness.position(op, "X3"), None, "mprotect flushes nothing\n{witness}");
        assert_eq!(witness.position(t, "X3"), None, "the reclaim flush comes too late\n{witness}");
        let violation = witness.violation.expect("a witness ends in a violation");
        assert_eq!((violation.class, violation.kind), (Class::Permission, AccessKind::Store));
    }
}

#[test]
fn no_other_policy_has_it_under_one_page_table() {
    for policy in ["immediate", "pending-flag", "pending-generation"] {
        for era in ["v4.13", "v6.18"] {
            assert_never(&changelog(), policy, era);
        }
    }
}

#[test]
fn one_cpu_besides_the_reclaimer_is_enough() {
    let scenario = Scenario::new("one", 1, 1, &[&[reclaim(0)], &[store(0), read_only(0), store(0)]]);
    assert_eq!(witness(&scenario, "unpatched", "v4.13").violation.expect("violation").cpu, Cpu(1));
    assert_never(&scenario, "patched", "v4.13");
}

#[test]
fn munmap_has_the_race_too() {
    let unmap = Op::call(OpKind::Munmap, Span::page(0));
    let scenario = Scenario::new("munmap", 1, 1, &[&[reclaim(0)], &[load(0), load(0)], &[unmap]]);
    let violation = witness(&scenario, "batched", "v6.18").violation.expect("violation");
    assert_eq!((violation.class, violation.kind), (Class::Unmapped, AccessKind::Load));
    for policy in ["immediate", "pending-flag", "pending-generation"] {
        assert_never(&scenario, policy, "v6.18");
    }
}

#[test]
fn a_clean_translation_traps_on_its_first_store() {
    // The promise reclaim batching was built on: a store through a cached clean entry translates again.
    let programs: &[&[Op]] = &[&[reclaim(0)], &[load(0), store(0)], &[read_only(0)]];
    let scenario = Scenario { dirty: false, ..Scenario::new("clean", 1, 1, programs) };
    assert_never(&scenario, "batched", "v4.13");
    let dirty = Scenario { dirty: true, ..scenario.clone() };
    witness(&dirty, "batched", "v4.13");
    let mut weak = setting("batched", "v4.13");
    weak.era.dirty_assist = false;
    let race = Race { scenario: &scenario, setting: weak };
    assert!(
        matches!(search(&race, STATES).verdict, Verdict::Sometimes(_)),
        "without the dirty assist the store goes through"
    );
}

/// B2: one operation flushes and clears the flag under the PTL of table A, while reclaim sets it under that of B.
fn two_tables(tables: u8) -> Scenario {
    let (a, b) = if tables == 2 { (0, 512) } else { (0, 1) };
    Scenario::new("b2", 2, tables, &[&[reclaim(a), reclaim(b)], &[store(b), store(b)], &[read_only(a), read_only(b)]])
}

#[test]
fn the_flag_loses_an_update_between_two_page_tables() {
    let witness = witness(&two_tables(2), "pending-flag", "v4.13");
    assert_eq!(witness.violation.expect("violation").class, Class::Permission);
}

#[test]
fn the_generation_pair_does_not() {
    assert_never(&two_tables(2), "pending-generation", "v4.13");
}

#[test]
fn one_page_table_hides_the_lost_update() {
    assert_never(&two_tables(1), "pending-flag", "v4.13");
}

#[test]
fn a_race_nobody_runs_is_reported_as_vacuous() {
    let scenario = Scenario::new("nobody stores", 1, 1, &[&[reclaim(0)], &[store(0)], &[read_only(0)]]);
    let outcome = explore(
        &Scenario { programs: vec![vec![reclaim(0)], vec![], vec![read_only(0)]], ..scenario },
        "batched",
        "v4.13",
    );
    assert_eq!(outcome.verdict, Verdict::Never { vacuous: true });
}

#[test]
fn mremap_leaves_the_old_address_reachable() {
    // Page 1 is unmapped first, so that page 0 can move there; both share a table.
    let make_room = Op::call(OpKind::Munmap, Span::page(1));
    let moves = Op::mremap(Span::page(0), 1);
    let programs: &[&[Op]] = &[&[reclaim(0)], &[load(0), load(0)], &[make_room, moves]];
    let scenario = Scenario::new("mremap", 2, 1, programs);
    let violation = witness(&scenario, "batched", "v6.18").violation.expect("violation");
    assert_eq!((violation.class, violation.page.0), (Class::Unmapped, 0));
    for policy in ["immediate", "pending-flag", "pending-generation"] {
        assert_never(&scenario, policy, "v6.18");
    }
    // The rule of v4.13 flushes the old place at the end whether it moved anything or not.
    assert_never(&scenario, "batched", "v4.13");
}

/// CPU0 reclaims x, CPU1 uses it, CPU2 gives its content up.
fn given_up(kind: OpKind, user: &[Op]) -> Scenario {
    Scenario::new("given up", 1, 1, &[&[reclaim(0)], user, &[Op::call(kind, Span::page(0))]])
}

#[test]
fn giving_content_up_has_the_race_too() {
    let forms = [(OpKind::Dontneed, [load(0), load(0)]), (OpKind::Free, [store(0), store(0)])];
    for (kind, user) in forms {
        let scenario = given_up(kind, &user);
        let violation = witness(&scenario, "batched", "v6.18").violation.expect("violation");
        assert_eq!((violation.class, violation.page.0), (Class::Data, 0), "{kind:?}");
        for policy in ["immediate", "pending-flag", "pending-generation"] {
            assert_never(&scenario, policy, "v6.18");
        }
    }
}

#[test]
fn state_counts_are_golden() {
    // A change here is a change of the model: which step acts, or what a state holds.
    let seed = explore(&changelog(), "patched", "v4.13");
    let dontneed = explore(&given_up(OpKind::Dontneed, &[load(0), load(0)]), "patched", "v6.18");
    assert_eq!(
        [(seed.states, seed.transitions), (dontneed.states, dontneed.transitions)],
        [(30_189, 73_035), (102_655, 261_517)]
    );
}
