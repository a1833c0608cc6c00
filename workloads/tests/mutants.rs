//! For each invariant and each policy a mutant that breaks it, caught by a litmus file: the file as it is with one switch turned
//! off, or under a policy that is weakened in one place. What is not broken anywhere is listed with its reason.
//!
//! A new policy needs no row if every row for [`ALL`], [`INTERRUPTING`] or [`BATCHING`] holds for it; otherwise a row, or a reason
//! in [`LEFT_OUT`].

use std::collections::BTreeSet;

use sim_core::oracle::Class;
use sim_core::policy::{self, ABLATED, OTHERS, POLICIES, PolicyInfo};
use workloads::litmus::check::Found;
use workloads::litmus::{Expect, Litmus, find, switches};

const STATES: usize = 5_000_000;

/// The invariants of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Invariant {
    /// No access beyond the rights of an operation that returned.
    Perm,
    /// None that reaches what was unmapped.
    Unmap,
    /// None to a free frame.
    Free,
    /// None to a frame that has another page.
    Reuse,
    /// No store to a page that is clean without making it dirty.
    Clean,
    /// No store to a frame that has been copied away.
    Copied,
    /// No load of content that was given up, no store that is lost.
    Data,
    /// Whatever is cleared and not flushed is announced.
    Batch,
    /// A CPU that takes itself for up to date has flushed.
    Gen,
    /// Who has waited has been flushed by everybody.
    Ack,
    /// Every shootdown ends.
    Live,
}

use Invariant::{Ack, Batch, Clean, Copied, Data, Free, Gen, Live, Perm, Reuse, Unmap};

const INVARIANTS: [Invariant; 11] = [Perm, Unmap, Free, Reuse, Clean, Copied, Data, Batch, Gen, Ack, Live];

/// What is weakened.
#[derive(Clone, Copy, Debug)]
enum Mutant {
    /// This switch is on, and then off.
    Off(&'static str),
    /// The policy is replaced by this one.
    Policy(&'static str),
}

use Mutant::{Off, Policy};

/// What is found of a mutant.
#[derive(Clone, Copy, Debug)]
enum Caught {
    /// A violation.
    By(Class),
    /// A state in which nobody can go on.
    Stuck,
}

use Caught::{By, Stuck};

/// Which policies a row is about.
type Policies = fn(&PolicyInfo) -> bool;

const ALL: Policies = |_| true;
const INTERRUPTING: Policies = |policy| !policy.broadcast;
const WITH_BROADCASTS: Policies = |policy| policy.broadcast;
/// They put flushes off.
const BATCHING: Policies = |policy| policy.name != "immediate";
/// They put those of dirty PTEs off, too.
const BATCHING_DIRTY: Policies = |policy| !["immediate", "clean-only"].contains(&policy.name);
/// They flush for batches by interrupts, and a request names a generation or none.
const BATCHING_BY_INTERRUPTS: Policies = |policy| BATCHING(policy) && INTERRUPTING(policy);
/// Operations ask them what is pending, and they answer with a flush.
const CHECKING: Policies = |policy| {
    let checking =
        ["flag-before-clear", "generation-check", "pending-flag", "pending-generation", "arm64-flush", "invlpgb"];
    checking.contains(&policy.name)
};
/// Their end of a batch is a shootdown that flushes the own CPU, too.
const FLUSHING: Policies = |policy| !policy.strategy.issues_when_deferring();

/// Invariant, file, mutant, what catches it, policies.
static MUTANTS: &[(Invariant, &str, Mutant, Caught, Policies)] = &[
    (Perm, "M04-own-cpu-left-out", Off("flushes_own_cpu"), By(Class::Permission), ALL),
    (Perm, "B01-mprotect-ro-cached", Off("check_in_mprotect"), By(Class::Permission), CHECKING),
    (Perm, "B01-mprotect-ro", Off("check_under_ptl"), By(Class::Permission), CHECKING),
    (Unmap, "M04-own-cpu-left-out-mremap", Off("flushes_own_cpu"), By(Class::Unmapped), ALL),
    (Unmap, "B01-munmap", Off("check_in_zap"), By(Class::Unmapped), CHECKING),
    (Unmap, "B01-mremap", Off("check_in_mremap"), By(Class::Unmapped), CHECKING),
    (Data, "M04-own-cpu-left-out-dontneed", Off("flushes_own_cpu"), By(Class::Data), ALL),
    (Data, "B01-dontneed", Off("check_in_zap"), By(Class::Data), CHECKING),
    (Data, "C5-mincore-trusted-dirty", Off("mincore_asks_caches"), By(Class::Data), BATCHING_DIRTY),
    (Data, "B01-free", Off("check_in_free"), By(Class::Data), CHECKING),
    (Data, "B06-walker-rechecks", Off("recheck_after_relock"), By(Class::Data), CHECKING),
    (Free, "M01-flush-before-free", Off("flush_before_free"), By(Class::FreedFrame), BATCHING),
    (Free, "M04-own-cpu-left-out-reclaim", Off("flushes_own_cpu"), By(Class::FreedFrame), FLUSHING),
    (Free, "B05-nested-reclaim-fixed", Off("nested_reclaim_keeps_batch"), By(Class::FreedFrame), BATCHING),
    (Reuse, "M02-reused-before-flush", Off("flush_before_free"), By(Class::ReusedFrame), BATCHING),
    (Reuse, "M04-own-cpu-left-out-reused", Off("flushes_own_cpu"), By(Class::ReusedFrame), FLUSHING),
    (Clean, "M03-flush-before-write", Off("flush_before_io"), By(Class::CleanPage), BATCHING_DIRTY),
    (Clean, "B19-munmap", Off("flush_dirty_under_ptl"), By(Class::CleanPage), ALL),
    (Free, "B20-reclaim-checks", Off("accessible_checks_pending"), By(Class::FreedFrame), CHECKING),
    (Copied, "B20-numa-migration-checks", Off("accessible_checks_pending"), By(Class::Copy), ALL),
    (Copied, "C7-fork", Off("fork_flushes_always"), By(Class::Copy), BATCHING_DIRTY),
    (Batch, "B01-mprotect-ro-cached", Policy("pending-flag-unset"), By(Class::Permission), PENDING_FLAG),
    (Batch, "B01-mprotect-ro-cached", Policy("pending-flag-local"), By(Class::Permission), PENDING_FLAG),
    (Batch, "B02-flag-lost-mprotect", Policy("pending-generation-stored"), By(Class::Permission), PENDING_GENERATION),
    (Gen, "M01-flush-before-free", Off("batch_always_flushes"), By(Class::FreedFrame), BATCHING_BY_INTERRUPTS),
    (Free, "M09-batch-per-task", Off("batch_per_task"), By(Class::FreedFrame), BATCHING),
    (Clean, "M09-batch-shared-written", Off("batch_per_task"), By(Class::CleanPage), BATCHING_DIRTY),
    (Ack, "M08-ack-after-flush", Off("acks_after_flush"), By(Class::Permission), INTERRUPTING),
    (Free, "M08-ack-before-flush-freed", Off("acks_after_flush"), By(Class::FreedFrame), INTERRUPTING),
    (Ack, "M05-cpu-left-out", Off("mask_complete"), By(Class::Permission), INTERRUPTING),
    (Ack, "M06-broadcast-not-awaited", Off("waits_for_broadcasts"), By(Class::Permission), WITH_BROADCASTS),
    (Live, "M07-irqs-on-while-waiting", Off("irqs_on_while_waiting"), Stuck, INTERRUPTING),
];

const PENDING_FLAG: Policies = |policy| policy.name == "pending-flag";
const PENDING_GENERATION: Policies = |policy| policy.name == "pending-generation";

/// What no mutant breaks, and why.
static LEFT_OUT: &[(Invariant, &[&str], &str)] = &[
    (Batch, &["immediate"], "it has no batch"),
    (Batch, &["clean-only", "batched", "local-only", "arm64-dsb", "latr"], "it announces nothing: that is its race"),
    (Batch, &["flag-before-clear"], "it is the mutant itself: B3"),
    (Batch, &["generation-check"], "it keeps no word; every operation asks every CPU"),
    (Batch, &["arm64-flush", "invlpgb"], "it has the pair of pending-generation, of which the mutant is caught"),
    (Gen, &["immediate"], "each of its flushes names a generation, and the explorer's world counts none to get wrong"),
    (Gen, &["arm64-dsb", "arm64-flush", "invlpgb"], "a broadcast names no generation, and nobody compares"),
    (Live, &["arm64-dsb", "arm64-flush", "invlpgb"], "nobody takes an interrupt for a broadcast"),
];

fn policies() -> impl Iterator<Item = &'static PolicyInfo> {
    POLICIES.iter().chain(OTHERS)
}

/// The file with one switch as given, where this class is looked for.
fn read(file: &str, switch: Option<(&str, &str)>, policy: &'static PolicyInfo, class: Option<Class>) -> Litmus {
    let mut litmus = Litmus::parse(file, find(file).expect(file).text).expect(file);
    if let Some((name, value)) = switch {
        let switch = switches::find(name).expect(name);
        assert!(switch.set(value, &mut litmus.era, &mut litmus.scenario), "{name} {value}");
    }
    litmus.expects = vec![Expect { policy, class, reason: String::new() }];
    litmus
}

fn caught(invariants: &[Invariant]) {
    for &(invariant, file, mutant, caught, of) in MUTANTS.iter().filter(|row| invariants.contains(&row.0)) {
        for policy in policies().filter(|policy| of(policy)) {
            let what = format!("{invariant:?}, {file}, {mutant:?}, {}", policy.name);
            let class = match caught {
                By(class) => Some(class),
                Stuck => None,
            };
            let (right, wrong) = match mutant {
                Off(name) => {
                    (read(file, Some((name, "on")), policy, None), read(file, Some((name, "off")), policy, class))
                }
                Policy(name) => {
                    (read(file, None, policy, None), read(file, None, policy::find(name).expect(name), class))
                }
            };
            let found = right.check(policy, STATES).found;
            assert_eq!(found, Found::Never, "{what}: not mutated");
            let weakened = wrong.expects[0].policy;
            let checked = wrong.check(weakened, STATES);
            match caught {
                By(_) => assert!(wrong.as_expected(weakened, &checked), "{what} survives: {:?}", checked.found),
                Stuck => assert_eq!(checked.found, Found::Stuck, "{what} survives"),
            }
        }
    }
}

#[test]
fn rights_and_mappings() {
    caught(&[Perm, Unmap]);
}

#[test]
fn content() {
    caught(&[Data]);
}

#[test]
fn frames() {
    caught(&[Free, Reuse]);
}

#[test]
fn pages_written_and_copied() {
    caught(&[Clean, Copied]);
}

#[test]
fn mechanisms() {
    caught(&[Batch, Gen, Ack, Live]);
}

#[test]
fn every_invariant_is_broken_under_every_policy_or_there_is_a_reason() {
    let broken = |invariant, policy: &PolicyInfo| MUTANTS.iter().any(|row| row.0 == invariant && (row.4)(policy));
    let left_out = |invariant, policy: &PolicyInfo| {
        LEFT_OUT.iter().filter(|row| row.0 == invariant && row.1.contains(&policy.name)).count()
    };
    for invariant in INVARIANTS {
        for policy in policies() {
            let reasons = left_out(invariant, policy);
            let what = format!("{invariant:?} under {}", policy.name);
            assert_eq!(usize::from(broken(invariant, policy)) + reasons, 1, "{what}: a mutant or a reason, not both");
        }
    }
    let names: BTreeSet<_> = policies().map(|policy| policy.name).collect();
    assert!(LEFT_OUT.iter().flat_map(|row| row.1).all(|name| names.contains(name)));
    // Each class of violation is what catches some mutant; each weakened policy is caught here or by `ablate`.
    let classes = |class| MUTANTS.iter().any(|row| matches!(row.3, By(by) if by == class));
    assert!(Class::ALL.into_iter().all(classes));
    let here = |name| MUTANTS.iter().any(|row| matches!(row.2, Policy(other) if other == name));
    let ablated = |name| workloads::litmus::ablate::ABLATIONS.iter().any(|part| part.policy == name);
    assert!(ABLATED.iter().all(|policy| here(policy.name) || ablated(policy.name)));
}
