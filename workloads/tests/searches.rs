//! Ways to search: with reductions and in another order every file of the catalogue has the verdict it expects.

use sim_core::drive::clock::along::along;
use sim_core::drive::explore::race::Recorder;
use sim_core::drive::explore::{Options, Order, System};
use sim_core::nouns::types::Cpu;
use sim_core::policy::PolicyInfo;
use sim_core::step::era::Mechanism;
use workloads::litmus::check::{Checked, Found};
use workloads::litmus::witness::Document;
use workloads::litmus::{Builtin, LITMUS, Litmus};
use workloads::machines::machine;

const PLAIN: Options = Options {
    order: Order::Breadth,
    reduce: false,
    symmetry: false,
    threads: 1,
    max_states: 5_000_000,
    max_bytes: u64::MAX,
};

fn read(row: &Builtin) -> Litmus {
    Litmus::parse(row.name, row.text).unwrap_or_else(|e| panic!("{e}"))
}

fn check(litmus: &Litmus, policy: &PolicyInfo, options: Options) -> Checked {
    litmus.check_with(policy, &options, &mut |_| {})
}

/// Are there CPUs that differ by their numbers only?
fn has_twins(litmus: &Litmus) -> bool {
    let scenario = &litmus.scenario;
    let cached = |cpu: Cpu| {
        let of = scenario.cached.iter().filter(|cached| cached.cpu == cpu);
        let mut all: Vec<_> = of.map(|cached| (cached.page.0, cached.writable, cached.dirty)).collect();
        all.sort_unstable();
        all
    };
    let kind = |n: usize| (&scenario.programs[n], scenario.home(Cpu(n as u16)), cached(Cpu(n as u16)));
    (0..scenario.programs.len()).any(|b| (0..b).any(|a| kind(a) == kind(b)))
}

/// The verdict is the expected one, and its witness can be gone and written down.
fn as_expected(row: &Builtin, litmus: &Litmus, policy: &PolicyInfo, options: Options) -> Checked {
    let checked = check(litmus, policy, options);
    let what = format!("{} under {}, {options:?}", row.name, policy.name);
    assert!(litmus.as_expected(policy, &checked), "{what}: {:?} {:?}", checked.found, checked.class);
    if let Some(moves) = &checked.moves {
        let race = litmus.race(policy);
        let (mut node, mut heard) = (race.initial(), Recorder::default());
        for (n, &mv) in moves.iter().enumerate() {
            assert!(heard.violations.is_empty() && race.make(&mut node, mv, &mut heard), "{what}: move {n}, {mv:?}");
        }
        assert!(!heard.violations.is_empty(), "{what}");
        let json = serde_json::to_string(&Document::new(litmus, row.text, policy, moves)).unwrap();
        assert_eq!(&Document::read("w.json", &json).unwrap().moves, moves, "{what}");
        let broadcasts = race.setting.era.mechanism == Mechanism::Broadcast;
        if broadcasts && policy.strategy.defers_unmap() {
            // Flushes at ticks are for machines that do not broadcast.
            return checked;
        }
        let name = if broadcasts { "milan_36c" } else { "skx_2s" };
        // The clock does what the explorer did, whomever a step turns to.
        let timed = along(&litmus.scenario, race.setting, &machine(name).unwrap().profile(), moves).expect(&what);
        let played: Vec<_> = timed.iter().flat_map(|t| t.acts.iter().map(|(act, _)| *act)).collect();
        assert_eq!(played, heard.acts.iter().map(|(_, act, _)| *act).collect::<Vec<_>>(), "{what}");
    }
    checked
}

#[test]
fn reductions_change_no_verdict_of_the_catalogue() {
    let mut fewer = 0;
    for row in LITMUS {
        let litmus = read(row);
        for expect in &litmus.expects {
            let both = Options { reduce: true, symmetry: true, ..PLAIN };
            let checked = as_expected(row, &litmus, expect.policy, both);
            fewer += usize::from(checked.found == Found::Never);
        }
    }
    assert!(fewer > 100, "{fewer}");
}

#[test]
fn symmetry_alone_changes_no_verdict_and_nothing_at_all_where_no_cpus_are_alike() {
    let symmetric = Options { symmetry: true, ..PLAIN };
    let mut files = 0;
    for row in LITMUS {
        let litmus = read(row);
        if !has_twins(&litmus) {
            let policy = litmus.expects[0].policy;
            let [plain, other] = [PLAIN, symmetric].map(|options| check(&litmus, policy, options));
            let all = |c: &Checked| (c.found, c.class, c.states, c.transitions, c.depth, c.moves.clone());
            assert_eq!(all(&plain), all(&other), "{}", row.name);
            continue;
        }
        files += 1;
        for expect in &litmus.expects {
            let [plain, other] = [PLAIN, symmetric].map(|options| as_expected(row, &litmus, expect.policy, options));
            let fewer = other.states < plain.states;
            assert!(fewer || plain.found != Found::Never, "{}: {} states, {}", row.name, other.states, plain.states);
            for threads in [2, 3] {
                let shared = check(&litmus, expect.policy, Options { threads, ..symmetric });
                assert_eq!((shared.states, shared.transitions), (other.states, other.transitions), "{}", row.name);
                assert_eq!(shared.moves, other.moves, "{}", row.name);
            }
        }
    }
    assert!(files > 2);
}

#[test]
fn depth_first_finds_what_breadth_first_does() {
    let depth = Options { order: Order::Depth, ..PLAIN };
    for row in LITMUS.iter().step_by(4) {
        let litmus = read(row);
        for expect in litmus.expects.iter().take(3) {
            as_expected(row, &litmus, expect.policy, depth);
        }
    }
}

#[test]
fn too_little_memory_ends_a_search() {
    let litmus = read(&LITMUS[0]);
    let never = litmus.expects.iter().find(|expect| expect.class.is_none()).expect("a safe policy");
    for order in [Order::Breadth, Order::Depth] {
        let checked = check(&litmus, never.policy, Options { max_bytes: 100_000, order, ..PLAIN });
        assert_eq!(checked.found, Found::NotExhausted, "{order:?}");
        assert!(checked.states > 1_000, "{order:?}: {}", checked.states);
    }
}
