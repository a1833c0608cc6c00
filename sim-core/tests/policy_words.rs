//! What each policy keeps in the words of an address space, hook by hook, without a kernel around it.

use sim_core::nouns::marks::Class;
use sim_core::policy::{self, Hook, HookStep, PolicyInfo, Touch, Words};

fn policy(name: &str) -> &'static PolicyInfo {
    policy::find(name).expect(name)
}

/// All steps of a hook, one after the other.
fn steps_of(policy: &dyn policy::Policy, hook: Hook, words: &mut Words) -> Vec<HookStep> {
    let (mut pc, mut local, mut steps) = (0, 0, Vec::new());
    loop {
        let step = policy.hook(hook, pc, words, &mut local);
        match step {
            HookStep::Done => return steps,
            HookStep::Touched(_, next)
            | HookStep::FlushMm(next)
            | HookStep::CatchUp(next)
            | HookStep::FlushLocal(next)
            | HookStep::Broadcast(next)
            | HookStep::Sync(next) => pc = next,
        }
        steps.push(step);
        assert!(steps.len() < 16, "{policy:?}: {hook:?} does not end");
    }
}

/// The steps without where they lead to.
fn kinds(policy: &dyn policy::Policy, hook: Hook, words: &mut Words) -> Vec<&'static str> {
    let kind = |step: &HookStep| match step {
        HookStep::Done => "done",
        HookStep::Touched(Touch::Read, _) => "read",
        HookStep::Touched(Touch::Write, _) => "write",
        HookStep::Touched(Touch::Atomic, _) => "atomic",
        HookStep::FlushMm(_) => "flush mm",
        HookStep::CatchUp(_) => "catch up",
        HookStep::FlushLocal(_) => "flush local",
        HookStep::Broadcast(_) => "broadcast",
        HookStep::Sync(_) => "sync",
    };
    steps_of(policy, hook, words).iter().map(kind).collect()
}

#[test]
fn a_clear_that_is_put_off_is_announced_and_the_next_check_pays_for_it() {
    for (name, announces, pays) in [
        ("pending-flag", &["write"][..], &["read", "flush mm", "write"][..]),
        ("pending-flag-cleared-first", &["write"], &["read", "write", "flush mm"]),
        ("pending-flag-local", &["write"], &["read", "flush local", "write"]),
        ("pending-generation", &["read", "atomic"], &["read", "flush mm", "atomic"]),
        ("invlpgb", &["read", "atomic"], &["read", "flush mm", "atomic"]),
        ("arm64-flush", &["broadcast", "read", "atomic"], &["read", "flush mm", "atomic"]),
    ] {
        let (strategy, mut words) = (policy(name).strategy, Words::default());
        assert!(!strategy.pending(words), "{name}");
        assert_eq!(kinds(strategy, Hook::BeforeTrust, &mut words), ["read"], "{name}: nothing is pending");
        assert_eq!(kinds(strategy, Hook::Deferred, &mut words), announces, "{name}");
        assert!(strategy.pending(words), "{name}");
        assert_eq!(kinds(strategy, Hook::BeforeTrust, &mut words), pays, "{name}");
        assert!(!strategy.pending(words), "{name}");
        assert_eq!(kinds(strategy, Hook::BeforeTrust, &mut words), ["read"], "{name}: it has been paid for");
    }
}

#[test]
fn who_keeps_no_words_touches_none() {
    for (name, hook, steps, pending) in [
        ("immediate", Hook::Deferred, &[][..], false),
        ("batched", Hook::Deferred, &[], false),
        ("batched", Hook::BeforeTrust, &[], false),
        ("pending-flag-unset", Hook::Deferred, &[], false),
        // It does not know, and asks every CPU.
        ("generation-check", Hook::Deferred, &[], true),
        ("generation-check", Hook::BeforeTrust, &["catch up"], true),
    ] {
        let (strategy, mut words) = (policy(name).strategy, Words::default());
        assert_eq!(kinds(strategy, hook, &mut words), steps, "{name}");
        assert_eq!((words, strategy.pending(words)), (Words::default(), pending), "{name}");
    }
    let mut words = Words::default();
    assert_eq!(kinds(policy("flag-before-clear").strategy, Hook::BeforeClear, &mut words), ["write"]);
    assert_eq!(words.batched, 1);
}

#[test]
fn words_are_read_out() {
    let (generation, mut words) = (policy("pending-generation").strategy, Words::default());
    for _ in 0..3 {
        steps_of(generation, Hook::Deferred, &mut words);
    }
    assert_eq!(generation.read_out(words), "pending 3 flushed 0");
    steps_of(generation, Hook::BeforeTrust, &mut words);
    steps_of(generation, Hook::Deferred, &mut words);
    assert_eq!(generation.read_out(words), "pending 4 flushed 3");
    assert_eq!(policy("pending-flag").strategy.read_out(Words { batched: 1 }), "1");
}

#[test]
fn the_pair_restarts_beyond_the_threshold_and_not_at_it() {
    for large in [1, 2, 3] {
        let pair = policy::generation_restarting_after(large).expect("it can be scaled so far");
        let mut words = Words::default();
        for pending in 1..=large + 1 {
            steps_of(pair, Hook::Deferred, &mut words);
            assert_eq!(words.batched, pending, "{large}");
        }
        // Restarted: one is pending, and nothing is said of what was flushed.
        steps_of(pair, Hook::Deferred, &mut words);
        assert_eq!(words.batched, 1, "{large}");
    }
    assert!(policy::generation_restarting_after(4).is_none());
}

#[test]
fn one_flush_pays_for_all_that_was_pending_and_the_pending_half_never_wraps() {
    // The kernel's own threshold, `TLB_FLUSH_BATCH_PENDING_LARGE`: half of a half word of 15 bits.
    let (mask, large) = (0x7fff, 0x3fff);
    let (pair, mut words) = (policy("pending-generation").strategy, Words::default());
    for n in 0..200_000_u32 {
        steps_of(pair, Hook::Deferred, &mut words);
        assert!(words.batched & mask <= large + 1, "after {n} deferrals");
    }
    let flushes =
        |words: &mut Words| kinds(pair, Hook::BeforeTrust, words).iter().filter(|&&k| k == "flush mm").count();
    assert_eq!((flushes(&mut words), flushes(&mut words)), (1, 0));
}

#[test]
fn a_restart_that_somebody_was_faster_at_is_tried_again() {
    let pair = policy::generation_restarting_after(1).expect("it can be scaled so far");
    let (mut words, mut local) = (Words { batched: 2 }, 0);
    assert_eq!(pair.hook(Hook::Deferred, 0, &mut words, &mut local), HookStep::Touched(Touch::Read, 1));
    // Another CPU flushes: both halves are 2 now.
    words.batched = 2 | 2 << 16;
    assert_eq!(pair.hook(Hook::Deferred, 1, &mut words, &mut local), HookStep::Touched(Touch::Atomic, 1));
    assert_eq!(words.batched, 2 | 2 << 16, "what it read is not there any more");
    assert_eq!(pair.hook(Hook::Deferred, 1, &mut words, &mut local), HookStep::Touched(Touch::Atomic, 2));
    assert_eq!(words.batched, 1);
}

#[test]
fn a_check_records_nothing_if_a_clear_came_in_between() {
    let pair = policy("pending-generation").strategy;
    let (mut words, mut local) = (Words { batched: 5 }, 0);
    assert_eq!(pair.hook(Hook::BeforeTrust, 0, &mut words, &mut local), HookStep::Touched(Touch::Read, 1));
    words.batched = 6;
    assert_eq!(pair.hook(Hook::BeforeTrust, 2, &mut words, &mut local), HookStep::Touched(Touch::Atomic, 3));
    assert_eq!(words.batched, 6);
    assert!(pair.pending(words));
}

#[test]
fn contracts() {
    let names = |all: &mut dyn Iterator<Item = &'static PolicyInfo>| all.map(|policy| policy.name).collect::<Vec<_>>();
    assert_eq!(names(&mut policy::all().filter(|policy| policy.is_weaker())), ["latr"]);
    let excused: Vec<_> = Class::ALL.into_iter().filter(|&class| policy("latr").strategy.excuses(class)).collect();
    assert_eq!(excused, [Class::Unmapped]);
    assert!(!policy("batched").strategy.excuses(Class::Unmapped));
}

#[test]
fn a_check_that_stores_what_it_flushed_loses_a_clear_that_came_in_between() {
    let stored = policy("pending-generation-stored").strategy;
    let (mut words, mut local) = (Words { batched: 5 }, 0);
    stored.hook(Hook::BeforeTrust, 0, &mut words, &mut local);
    words.batched = 6;
    stored.hook(Hook::BeforeTrust, 2, &mut words, &mut local);
    assert!(!stored.pending(words));
}
