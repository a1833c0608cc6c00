//! Each protection of the kernel, taken away: the explorer must see what it protects from, and nothing while it is there.

#[path = "models/ways.rs"]
mod ways;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::{Move, Only, Race, Recorder};
use sim_core::drive::explore::{Outcome, System, Verdict};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Cpu, FrameNo, Mm, Page, Rights, Span};
use sim_core::oracle::Class;
use sim_core::policy;
use sim_core::step::era;
use sim_core::step::frame::{Act, Path};
use sim_core::world::World;
use sim_core::world::small::Scenario;
use ways::search;

const STATES: usize = 20_000_000;
const BATCHING: [&str; 3] = ["batched", "pending-flag", "pending-generation"];

fn access(kind: AccessKind, page: u64) -> Op {
    Op::access(kind, page)
}

fn load(page: u64) -> Op {
    access(AccessKind::Load, page)
}

fn store(page: u64) -> Op {
    access(AccessKind::Store, page)
}

fn call(kind: OpKind, page: u64) -> Op {
    Op::call(kind, Span::page(page))
}

fn reclaim(page: u64) -> Op {
    call(OpKind::Reclaim(Mm(0)), page)
}

fn setting(policy: &str, era: &str) -> Setting {
    Setting {
        policy: policy::find(policy).expect("a registered policy").strategy,
        era: *era::find(era).expect("an era"),
    }
}

fn verdict(scenario: &Scenario, setting: Setting) -> Verdict<Move> {
    search(&Race { scenario, setting }, STATES).verdict
}

fn sometimes(outcome: &Outcome<Move>) -> bool {
    matches!(outcome.verdict, Verdict::Sometimes(_))
}

/// CPU1 holds a translation of x, which is reclaimed; CPU2 takes a new frame, for y.
fn reclaimed(programs: &[&[Op]]) -> Scenario {
    Scenario::new("reclaimed", 2, 1, programs)
}

#[test]
fn a_frame_freed_before_the_flush_is_used() {
    let scenario = reclaimed(&[&[reclaim(0)], &[load(0), load(0)]]);
    for policy in BATCHING {
        let mut setting = setting(policy, "v4.13");
        assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false }, "{policy}");
        setting.era.protections.flush_before_free = false;
        let outcome = search(&Only(Race { scenario: &scenario, setting }, Class::FreedFrame), STATES);
        assert!(sometimes(&outcome), "{policy}: {outcome:?}");
    }
}

#[test]
fn a_frame_freed_before_the_flush_is_used_after_it_was_handed_out_again() {
    // y goes too and is read in again: into the frame of x, which is the lowest free one.
    let both = Op::call(OpKind::Reclaim(Mm(0)), Span { first: 0, pages: 2 });
    let scenario = reclaimed(&[&[both], &[load(0), load(0)], &[load(1)]]);
    for policy in BATCHING {
        let mut setting = setting(policy, "v4.13");
        assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false }, "{policy}");
        setting.era.protections.flush_before_free = false;
        let outcome = search(&Only(Race { scenario: &scenario, setting }, Class::ReusedFrame), STATES);
        assert!(sometimes(&outcome), "{policy}: {outcome:?}");
    }
}

/// B10: two CPUs give the same page up at once, a third loads from it.
fn parallel(ops: [Op; 2], user: &[Op]) -> Scenario {
    Scenario::new("b10", 1, 1, &[&ops[..1], &ops[1..], user])
}

#[test]
fn nested_gathers_flush_for_each_other() {
    let give_up = call(OpKind::Dontneed, 0);
    let scenario = parallel([give_up, give_up], &[load(0), load(0)]);
    // A generation check brings every CPU up to whatever was cleared, by whomever.
    for policy in policy::POLICIES.iter().map(|p| p.name).filter(|&name| name != "generation-check") {
        let with = setting(policy, "v4.13");
        assert_eq!(verdict(&scenario, with), Verdict::Never { vacuous: false }, "{policy}");
        let mut without = with;
        without.era.nested_gathers = false;
        let outcome = search(&Only(Race { scenario: &scenario, setting: without }, Class::Data), STATES);
        assert!(sometimes(&outcome), "{policy}: {outcome:?}");
        let mut early = with;
        early.era.protections.pending_until_flushed = false;
        let outcome = search(&Only(Race { scenario: &scenario, setting: early }, Class::Data), STATES);
        assert!(sometimes(&outcome), "{policy}: {outcome:?}");
    }
}

#[test]
fn a_dirty_page_hides_that_the_flush_comes_too_late() {
    // R5.2 has just flushed for the sake of the write (reference, N14).
    let scenario = Scenario { dirty: true, ..reclaimed(&[&[reclaim(0)], &[load(0), load(0)]]) };
    let mut setting = setting("batched", "v4.13");
    setting.era.protections.flush_before_free = false;
    assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false });
    setting.era.protections.flush_before_io = false;
    assert!(matches!(verdict(&scenario, setting), Verdict::Sometimes(_)));
    // A store sets D, and the flush with it: what is stored through a late translation is stored nowhere.
    let stores = reclaimed(&[&[reclaim(0)], &[store(0), store(0)]]);
    assert!(matches!(verdict(&stores, setting), Verdict::Sometimes(_)));
}

/// CPU0 reclaims x, which CPU1 has dirty in its TLB; CPU2 forks.
fn forked() -> Scenario {
    Scenario { dirty: true, ..Scenario::new("fork", 1, 1, &[&[reclaim(0)], &[store(0), store(0)], &[Op::fork(Mm(1))]]) }
}

#[test]
fn fork_is_safe_because_it_flushes_whether_it_owes_a_flush_or_not() {
    for policy in policy::POLICIES.iter().map(|p| p.name) {
        let mut setting = setting(policy, "v4.13");
        assert_eq!(verdict(&forked(), setting), Verdict::Never { vacuous: false }, "{policy}");
        setting.era.protections.fork_flushes_always = false;
        let outcome = search(&Only(Race { scenario: &forked(), setting }, Class::Copy), STATES);
        // It makes no pending check either, so the flag of the patch does not help.
        let flushed = ["immediate", "clean-only"].contains(&policy);
        assert_eq!(sometimes(&outcome), !flushed, "{policy}: {outcome:?}");
    }
}

#[test]
fn a_frame_shared_by_fork_is_copied_before_it_is_stored_to() {
    // Parent and child both store; each must end with a frame of its own, and none is freed while the other maps it.
    let programs: &[&[Op]] =
        &[&[Op::fork(Mm(1)), store(0)], &[store(0), load(0)], &[store(0), call(OpKind::Dontneed, 0)]];
    let scenario = Scenario { children: vec![Cpu(2)], ..Scenario::new("cow", 1, 1, programs) };
    for policy in policy::POLICIES.iter().map(|p| p.name) {
        assert!(matches!(verdict(&scenario, setting(policy, "v6.18")), Verdict::Never { .. }), "{policy}");
    }
}

/// Claim C2: CPU0 reclaims a dirty file page, which CPU1 stores to; CPU2 writes it back.
fn written_back(first: Op) -> Scenario {
    let programs: &[&[Op]] = &[&[first], &[store(0), store(0)], &[call(OpKind::Writeback(Mm(0)), 0)]];
    Scenario { dirty: true, backing: Backing::SharedFile, ..Scenario::new("writeback", 1, 1, programs) }
}

#[test]
fn writeback_of_a_page_that_reclaim_keeps_can_lose_a_store() {
    let scenario = written_back(reclaim(0));
    for policy in policy::POLICIES.iter().map(|p| p.name) {
        let plain = setting(policy, "v6.18");
        let batching = !["immediate", "clean-only"].contains(&policy);
        let outcome = search(&Only(Race { scenario: &scenario, setting: plain }, Class::CleanPage), STATES);
        assert_eq!(sometimes(&outcome), batching, "{policy}: {outcome:?}");
        let mut early = plain;
        early.era.flushes_before_keeping = true;
        assert_eq!(verdict(&scenario, early), Verdict::Never { vacuous: false }, "{policy}");
        let mut asks = plain;
        asks.era.mkclean_checks_pending = true;
        let outcome = search(&Race { scenario: &scenario, setting: asks }, STATES);
        let told = !["batched", "local-only"].contains(&policy);
        assert_eq!(sometimes(&outcome), !told, "{policy}: {outcome:?}");
    }
}

#[test]
fn a_dirty_file_page_leaves_the_rmap_after_the_flush_and_the_flush_is_under_the_ptl() {
    // B19. It takes no reclaim, so no policy helps.
    for op in [OpKind::Munmap, OpKind::Dontneed] {
        let scenario = written_back(call(op, 0));
        for policy in policy::POLICIES.iter().map(|p| p.name) {
            let fixed = setting(policy, "v6.18");
            let lost =
                |setting| sometimes(&search(&Only(Race { scenario: &scenario, setting }, Class::CleanPage), STATES));
            assert_eq!(verdict(&scenario, fixed), Verdict::Never { vacuous: false }, "{policy}");
            let (mut early, mut late) = (fixed, fixed);
            early.era.rmap_after_flush = false;
            assert!(lost(early), "{policy} {op:?}");
            // Delaying the rmap alone is not enough (reference, N5): writeback takes the PTL, finds nothing, owes nothing.
            late.era.protections.flush_dirty_under_ptl = false;
            assert!(lost(late), "{policy} {op:?}");
        }
    }
}

#[test]
fn a_page_written_without_a_flush_loses_stores() {
    let scenario = Scenario { dirty: true, ..reclaimed(&[&[reclaim(0)], &[store(0), store(0)]]) };
    for policy in BATCHING {
        let mut setting = setting(policy, "v4.13");
        let lost = |setting| search(&Only(Race { scenario: &scenario, setting }, Class::CleanPage), STATES);
        assert!(!sometimes(&lost(setting)), "{policy}");
        setting.era.protections.flush_before_io = false;
        assert!(sometimes(&lost(setting)), "{policy}");
    }
}

#[test]
fn a_pass_of_numa_balancing_promises_nothing_and_breaks_nothing() {
    // A flush it misses is a hint fault it misses; the next mprotect must still see what reclaim left pending.
    let numa = call(OpKind::NumaScan, 0);
    let read_only = Op::mprotect(Span::page(0), Rights::READ);
    let scenario = Scenario::new("numa", 1, 1, &[&[reclaim(0)], &[store(0), store(0)], &[numa, read_only]]);
    for (policy, safe) in
        [("immediate", true), ("batched", false), ("pending-flag", true), ("pending-generation", true)]
    {
        let verdict = verdict(&scenario, setting(policy, "v4.13"));
        assert_eq!(verdict == Verdict::Never { vacuous: false }, safe, "{policy}: {verdict:?}");
    }
}

/// CPU0 makes x PROT_NONE for NUMA balancing and has not flushed yet; CPU2 migrates it; CPU1 stores.
fn migrated(second: &[Op]) -> Scenario {
    let numa = call(OpKind::NumaScan, 0);
    let programs: &[&[Op]] = &[&[numa], &[store(0), store(0)], second];
    Scenario { dirty: true, ..Scenario::new("migrate", 2, 1, programs) }
}

fn copies(scenario: &Scenario, setting: Setting) -> bool {
    sometimes(&search(&Only(Race { scenario, setting }, Class::Copy), STATES))
}

#[test]
fn migration_flushes_for_an_inaccessible_pte_if_a_flush_is_pending() {
    // B20. There is no reclaim in it, so no policy matters.
    let scenario = migrated(&[call(OpKind::Migrate(Mm(0)), 0)]);
    let mut setting = setting("pending-generation", "v4.13");
    assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false });
    setting.era.protections.accessible_checks_pending = false;
    assert!(copies(&scenario, setting));
}

#[test]
fn a_flag_in_place_of_a_count_is_cleared_by_whoever_is_done_first() {
    // B8: the second pass is about another page.
    let scenario = migrated(&[call(OpKind::NumaScan, 1), call(OpKind::Migrate(Mm(0)), 0)]);
    let mut setting = setting("pending-generation", "v4.13");
    assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false });
    setting.era.protections.flush_pending_counts = false;
    assert!(copies(&scenario, setting));
}

#[test]
fn mremap_flushes_before_the_new_ptl_goes_because_truncation_comes_by_the_rmap() {
    // B12, CVE-2018-18281: a clean PTE moves; truncation finds it at the new place, flushes that, and frees the frame.
    let moves = [call(OpKind::Munmap, 1), Op::mremap(Span::page(0), 1)];
    let truncate = [call(OpKind::Truncate(Mm(0)), 1)];
    let scenario = Scenario {
        backing: Backing::SharedFile,
        ..Scenario::new("b12", 2, 1, &[&truncate, &[load(0), load(0)], &moves])
    };
    // Truncation makes the pending check, which flushes everything under generation-check.
    for policy in policy::POLICIES.iter().map(|p| p.name).filter(|&name| name != "generation-check") {
        let of_freed = |era| {
            let setting = setting(policy, era);
            sometimes(&search(&Only(Race { scenario: &scenario, setting }, Class::FreedFrame), STATES))
        };
        assert!(of_freed("v4.13"), "{policy}");
        assert!(!of_freed("v5.17"), "{policy}");
    }
}

#[test]
fn a_pin_without_a_second_look_can_be_of_another_page() {
    let both = Op::call(OpKind::Reclaim(Mm(0)), Span { first: 0, pages: 2 });
    let scenario = reclaimed(&[&[both], &[load(0), call(OpKind::Gup, 0), load(0)], &[load(1)]]);
    for name in ["batched", "arm64-dsb"] {
        let info = policy::find(name).expect("a registered policy");
        let mut setting = Setting::of(info, *era::find("v6.18").expect("an era"));
        assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false }, "{name}");
        setting.era.protections.gup_rechecks_pte = false;
        let outcome = search(&Only(Race { scenario: &scenario, setting }, Class::ReusedFrame), STATES);
        // With interrupts off no flush by interrupts is over before the reference is there.
        assert_eq!(sometimes(&outcome), info.broadcast, "{name}: {outcome:?}");
    }
}

#[test]
fn what_is_pinned_is_not_moved() {
    let scenario = Scenario::new("pinned", 1, 1, &[&[call(OpKind::Migrate(Mm(0)), 0)], &[call(OpKind::Gup, 0)]]);
    let race = Race { scenario: &scenario, setting: setting("batched", "v6.18") };
    let (mut copies, mut refused) = (0, 0);
    for seed in 0..4000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut node, mut moves) = (race.initial(), Vec::new());
        while !race.may_end(&node) {
            moves.clear();
            race.actions(&node, &mut moves);
            let (mut next, mut heard) = (node.clone(), Recorder::default());
            if !race.make(&mut next, moves[rng.next_u32() as usize % moves.len()], &mut heard) {
                continue;
            }
            node = next;
            for (_, act, at) in heard.acts {
                match act {
                    Act::Copy { from, .. } => {
                        assert_eq!(node.world.folio(from).gathered, 0, "seed {seed}");
                        copies += 1;
                    }
                    Act::Lookup(_) => refused += usize::from(at.path == Path::Migrate),
                    _ => {}
                }
            }
        }
        assert!(node.world.pte(Page(0)).present().is_some(), "seed {seed}");
        assert_eq!((0..2).filter(|&n| node.world.folio(FrameNo(n)).allocated).count(), 1, "seed {seed}");
    }
    assert!(copies > 0 && refused > 0, "{copies} {refused}");
}

#[test]
fn munmap_flushes_for_the_memory_of_a_driver_before_it_unlinks_the_vma() {
    let programs: &[&[Op]] =
        &[&[call(OpKind::UnmapMapping(Mm(0)), 0)], &[load(0), load(0)], &[call(OpKind::Munmap, 0)]];
    let scenario = Scenario { backing: Backing::Pfn, ..Scenario::new("b14", 1, 1, programs) };
    for policy in ["immediate", "pending-flag", "pending-generation"] {
        let with = setting(policy, "v6.18");
        assert_eq!(verdict(&scenario, with), Verdict::Never { vacuous: false }, "{policy}");
        let (mut late, mut alone) = (with, with);
        late.era.protections.pfnmap_flushes_before_unlink = false;
        // The driver that finds the PTE cleared has to know that somebody owes a flush for it.
        alone.era.nested_gathers = false;
        for without in [late, alone] {
            let outcome = search(&Only(Race { scenario: &scenario, setting: without }, Class::FreedFrame), STATES);
            assert!(sometimes(&outcome), "{policy}: {outcome:?}");
        }
    }
}

#[test]
fn migration_flushes_its_batch_before_it_copies() {
    let migrate: &[Op] = &[call(OpKind::Migrate(Mm(0)), 0)];
    let scenario = Scenario { dirty: true, ..Scenario::new("c8", 1, 1, &[migrate, &[store(0), store(0)]]) };
    for policy in BATCHING {
        let mut setting = setting(policy, "v6.18");
        assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false }, "{policy}");
        setting.era.protections.flush_before_copy = false;
        let outcome = search(&Only(Race { scenario: &scenario, setting }, Class::Copy), STATES);
        assert!(sometimes(&outcome), "{policy}: {outcome:?}");
        setting.era.migration_batches = false;
        assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false }, "{policy}: nothing is deferred");
    }
}

#[test]
fn a_cpu_that_acknowledges_before_it_flushes_reads_the_next_request() {
    let file = Scenario { backing: Backing::SharedFile, dirty: true, ..reclaimed(&[]) };
    let shootdowns = [Op::mprotect(Span::page(0), Rights::NONE), call(OpKind::Writeback(Mm(0)), 1)];
    // CPU1 is interrupted once or twice: for x, and for y.
    let scenario = |n: usize| Scenario {
        programs: vec![
            [Op::mprotect(Span::page(0), Rights::READ)].iter().chain(&shootdowns[..n]).copied().collect(),
            vec![load(0), load(0)],
        ],
        ..file.clone()
    };
    for policy in policy::POLICIES.iter().map(|p| p.name) {
        let mut setting = setting(policy, "v4.13");
        assert_eq!(verdict(&scenario(2), setting), Verdict::Never { vacuous: false }, "{policy}");
        setting.era.protections.acks_after_flush = false;
        assert_eq!(verdict(&scenario(1), setting), Verdict::Never { vacuous: false }, "{policy}: x is all it can read");
        let outcome = search(&Only(Race { scenario: &scenario(2), setting }, Class::Permission), STATES);
        assert!(sometimes(&outcome), "{policy}: {outcome:?}");
    }
}

#[test]
fn a_batch_that_names_no_generation_is_flushed_for_all_the_same() {
    let scenario = reclaimed(&[&[reclaim(0)], &[load(0), load(0)]]);
    for policy in BATCHING {
        let mut setting = setting(policy, "v5.17");
        assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false }, "{policy}");
        setting.era.protections.batch_always_flushes = false;
        let outcome = search(&Only(Race { scenario: &scenario, setting }, Class::FreedFrame), STATES);
        assert!(sometimes(&outcome), "{policy}: {outcome:?}");
    }
}

#[test]
fn a_batch_is_its_tasks_own() {
    let scenario = reclaimed(&[&[reclaim(0)], &[load(0), load(0)], &[reclaim(1)]]);
    for policy in BATCHING {
        let mut setting = setting(policy, "v4.13");
        assert_eq!(verdict(&scenario, setting), Verdict::Never { vacuous: false }, "{policy}");
        setting.era.protections.batch_per_task = false;
        let outcome = search(&Only(Race { scenario: &scenario, setting }, Class::FreedFrame), STATES);
        assert!(sometimes(&outcome), "{policy}: {outcome:?}");
    }
}
