//! Every class of window: which policies open it, and what it takes to open those that no policy does.

use sim_core::drive::clock::RunAhead;
use sim_core::oracle::Class;
use sim_core::policy::{self, POLICIES};
use sim_core::step::era::{self, Era, Protections};
use workloads::machines;
use workloads::outcome::{Input, Outcome};
use workloads::synthetic::{self, Conditions, Synthetic};

const GIVE_UP: &str = include_str!("data/give-up.toml");

/// What batching policies must never do, whatever they let happen to promises.
const OF_FRAMES: [Class; 2] = [Class::FreedFrame, Class::ReusedFrame];

fn workloads() -> Vec<Synthetic> {
    let shipped = synthetic::find("overlap").expect("a known workload").workload();
    vec![shipped, Synthetic::parse("give-up.toml", GIVE_UP).expect("a workload")]
}

fn run(workload: &Synthetic, policy: &str, change: impl Fn(&mut Era)) -> Outcome {
    let machine = machines::machine(workload.workload.profile.get_ref()).expect("a known machine");
    let mut era = *era::find(workload.workload.era.get_ref()).expect("a known era");
    change(&mut era);
    let on = Conditions {
        policy: policy::find(policy).expect("a known policy"),
        era: Box::leak(Box::new(era)),
        profile: &machine.profile(),
        profile_input: &Input::new(machine.name, machine.text.as_bytes()),
        seed: 1,
        run_ahead: RunAhead::Upto(u64::MAX),
    };
    workload.run(&on, &mut |_| ()).expect("it fits its machine")
}

/// Windows opened, windows used, and uses.
fn windows(outcome: &Outcome, class: Class) -> (usize, u64, u64) {
    let windows = &outcome.stats.windows[&class];
    (windows.lengths_cycles.len(), windows.used, outcome.stats.violations[&class])
}

#[test]
fn unpatched_opens_permission_unmapped_and_data_windows_and_they_are_used() {
    // The programs of give-up one at a time: what mmap leaves of munmap's windows is old content too.
    let parts: Vec<&str> = GIVE_UP.split("[[program]]").collect();
    let [head, munmap, dontneed] = parts[..] else { panic!("two programs") };
    let only = |program| Synthetic::parse("part.toml", &format!("{head}[[program]]{program}")).expect("a workload");
    let overlap = synthetic::find("overlap").expect("a known workload").workload();
    for (workload, class) in
        [(overlap, Class::Permission), (only(munmap), Class::Unmapped), (only(dontneed), Class::Data)]
    {
        let outcome = run(&workload, "unpatched", |_| ());
        let (opened, used, times) = windows(&outcome, class);
        println!("{}: {opened} windows, {used} used, {times} times", class.name());
        assert!(opened >= 10 && used >= 5, "{}: {opened} windows, {used} used", class.name());
        assert!(times >= used, "{}: {times} uses of {used} windows", class.name());
    }
}

#[test]
fn with_one_page_table_the_other_policies_open_no_window_of_any_class() {
    for workload in workloads() {
        for policy in ["patched", "pending-generation", "immediate"] {
            let outcome = run(&workload, policy, |_| ());
            assert!(outcome.reclaim_cycles > 20, "{} {policy}", workload.input.name);
            for class in Class::ALL {
                assert_eq!(windows(&outcome, class), (0, 0, 0), "{} {policy} {}", workload.input.name, class.name());
            }
        }
    }
}

#[test]
fn writeback_of_pages_that_reclaim_keeps_opens_clean_page_windows_whatever_the_check() {
    let workload = Synthetic::parse("write-back.toml", include_str!("data/write-back.toml")).expect("a workload");
    for policy in ["unpatched", "patched", "pending-generation"] {
        let (opened, used, _) = windows(&run(&workload, policy, |_| ()), Class::CleanPage);
        println!("{policy}: {opened} windows, {used} used");
        assert!(opened >= 10 && used >= 5, "{policy}: {opened} windows, {used} used");
        let remedied = run(&workload, policy, |era| era.flushes_before_keeping = true);
        assert_eq!(windows(&remedied, Class::CleanPage), (0, 0, 0), "{policy}");
    }
    assert_eq!(windows(&run(&workload, "immediate", |_| ()), Class::CleanPage), (0, 0, 0));
}

#[test]
fn frames_are_freed_and_reused_under_a_translation_only_if_they_are_freed_before_the_flush() {
    let free_first = |era: &mut Era| era.protections = Protections { flush_before_free: false, ..Protections::ALL };
    for workload in workloads() {
        for policy in POLICIES {
            let (right, mutant) = (run(&workload, policy.name, |_| ()), run(&workload, policy.name, free_first));
            // What is never deferred has been flushed when its frame is freed.
            let defers = policy.name != "immediate";
            assert_eq!(right.stats.deferred > 0, defers, "{} {}", workload.input.name, policy.name);
            let mut used = 0;
            for class in OF_FRAMES {
                let what = format!("{} {} {}", workload.input.name, policy.name, class.name());
                assert_eq!(windows(&right, class), (0, 0, 0), "{what}");
                let (opened, _, times) = windows(&mutant, class);
                println!("{what}: {opened} windows, {times} uses");
                assert_eq!(opened > 0, defers, "{what}: {opened} windows");
                used += times;
            }
            // Few frames are handed out again in the short time between the two, and fewer of them are used.
            assert_eq!(used > 0, defers, "{} {}: {used} uses", workload.input.name, policy.name);
        }
    }
}
