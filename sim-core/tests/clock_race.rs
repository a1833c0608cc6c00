//! The seed's race on the clock: who gets away with a store after mprotect has returned, and for how long.

mod common;

use common::{MM, Machine, at, load, order, span, store};
use sim_core::drive::clock::source::Order;
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::Backing;
use sim_core::nouns::types::{Rights, Span};
use sim_core::oracle::Class;
use sim_core::policy::POLICIES;

/// Behind page x in the list of kswapd: the pages that make the flush of the batch late.
const LIST_PAGES: u64 = 20;
/// Everything has settled, and the reclaim begins.
const RECLAIM: u64 = 100_000;

/// What the race does in detail.
#[derive(Clone, Copy)]
struct Form {
    /// The first access of CPU 1, and the one that comes after the call.
    access: fn(u64) -> Op,
    /// The call of CPU 2.
    call: Op,
    class: Class,
    backing: Backing,
}

/// CPU 0 reclaims a list that starts with page 0; CPU 1 uses the page, and again at `again`; CPU 2 calls at `call`. All
/// CPUs are in the mask: a flush takes its time.
fn race(policy: &'static str, form: Form, call: u64, again: Option<u64>) -> Clock<common::Script> {
    let p = prime_profile();
    let users: Vec<u16> = (1..p.cpus() as u16).collect();
    let mut machine = Machine::new(&p, &users);
    machine.policy = policy;
    machine.era = "v6.18";
    machine.fill(span(0, LIST_PAGES), form.backing, false);
    let list = Op::call(OpKind::Reclaim(MM), span(0, LIST_PAGES));
    machine.plays(0, [at(RECLAIM, order(0, list))]);
    machine.plays(1, [order(1, (form.access)(0))]);
    machine.plays(1, again.map(|again| at(again, order(1, (form.access)(0)))));
    machine.plays(2, [at(call, order(2, form.call))]);
    machine.run()
}

/// Lets the call begin at one time after the other, and the access come as soon as the promise binds CPU 1. Returns how
/// often the access broke it.
fn sweep(policy: &'static str, form: Form) -> u32 {
    let lookahead = prime_profile().lookahead_cycles();
    let mut raced = 0;
    for call in (RECLAIM..RECLAIM + 30_000).step_by(199) {
        let returned = race(policy, form, call, None).source.ran[2][0].end;
        let clock = race(policy, form, call, Some(returned + lookahead));
        let stats = &clock.stats;
        let windows = &stats.windows[&form.class];
        let broken = stats.violations[&form.class];
        assert_eq!(stats.violations.values().sum::<u64>(), broken);
        assert_eq!(windows.used, broken, "one access, one window");
        // The access either goes through the stale entry or is refused.
        assert_eq!(stats.segvs, 1 - broken, "{policy}, call at {call}");
        if broken == 1 {
            assert_eq!(stats.accesses, 2);
            assert!(windows.max_cycles() > lookahead, "{windows:?}");
            raced += 1;
        }
        if !SILENT.contains(&policy) {
            assert_eq!(windows.lengths_cycles, [] as [u64; 0], "{policy}, call at {call}");
        }
    }
    raced
}

/// Policies that defer and tell nobody else.
const SILENT: [&str; 3] = ["clean-only", "batched", "local-only"];

fn check(form: Form) {
    for policy in POLICIES {
        let raced = sweep(policy.name, form);
        println!("{}: {raced} calls raced", policy.name);
        // The page is dirty under mprotect only: clean-only then defers nothing.
        let silent =
            SILENT.contains(&policy.name) && (policy.name != "clean-only" || form.backing == Backing::SharedFile);
        assert_eq!(raced > 0, silent, "{}: {raced}", policy.name);
    }
}

#[test]
fn a_store_after_mprotect_goes_through_the_stale_entry_if_nobody_is_told() {
    check(Form {
        access: store,
        call: Op::mprotect(Span::page(0), Rights::READ),
        class: Class::Permission,
        backing: Backing::Anon,
    });
}

#[test]
fn a_load_after_munmap_goes_through_the_stale_entry_if_nobody_is_told() {
    check(Form {
        access: load,
        call: Op::call(OpKind::Munmap, Span::page(0)),
        class: Class::Unmapped,
        backing: Backing::SharedFile,
    });
}

#[test]
fn a_clean_list_keeps_the_window_open_until_its_end() {
    let form = Form {
        access: load,
        call: Op::mprotect(Span::page(0), Rights::NONE),
        class: Class::Permission,
        backing: Backing::SharedFile,
    };
    let clock = race("batched", form, RECLAIM + 5_000, None);
    let (reclaim, call) = (clock.source.ran[0][0], clock.source.ran[2][0]);
    let window = clock.stats.windows[&Class::Permission].max_cycles();
    // From the return of the call to somewhere in the flush that ends the list.
    assert!(window > 0 && call.end + window < reclaim.end, "{window}");
    let p = prime_profile();
    assert!(window > (LIST_PAGES - 3) * p.kernel.rmap_unmap_one_cyc, "{window}");
    assert_eq!(clock.stats.potential.lengths_cycles.len() as u64, LIST_PAGES);
    assert!(clock.stats.potential.max_cycles() > window);
    // An access one cycle before the promise binds CPU 1 breaks nothing; at that cycle it does.
    let bound = promised(&clock) + p.lookahead_cycles();
    for (again, broken) in [(bound - 1, 0), (bound, 1)] {
        let clock = race("batched", form, RECLAIM + 5_000, Some(again));
        assert_eq!(clock.stats.violations[&Class::Permission], broken);
        assert_eq!(clock.stats.windows[&Class::Permission].used, broken);
    }
}

/// When the promise of the call was made: its last step began, which releases the lock and returns.
fn promised(clock: &Clock<common::Script>) -> u64 {
    clock.source.ran[2][0].end - 2 * prime_profile().cache.l1_cyc
}

#[test]
fn a_right_given_back_binds_others_as_late_as_one_taken_away() {
    let p = prime_profile();
    let run = |again: Option<u64>, run_ahead| {
        let mut machine = Machine::new(&p, &[1, 2, 3]);
        machine.policy = "batched";
        machine.fill(span(0, LIST_PAGES), Backing::SharedFile, false);
        let list = Op::call(OpKind::Reclaim(MM), span(0, LIST_PAGES));
        machine.plays(0, [at(RECLAIM, order(0, list))]);
        machine.plays(1, [order(1, load(0))]);
        machine.plays(1, again.map(|again| at(again, order(1, load(0)))));
        let protect = |rights| order(2, Op::mprotect(Span::page(0), rights));
        machine.plays(2, [at(RECLAIM + 5_000, protect(Rights::NONE)), protect(Rights::READ_WRITE)]);
        machine.run_ahead(run_ahead)
    };
    // mprotect gives when it has the lock: the window closes, and CPU 1 does not know yet.
    let given = run(None, RunAhead::Off).source.ran[2][1].begin + p.kernel.syscall_cyc + p.cache.l1_cyc;
    for run_ahead in [RunAhead::Off, RunAhead::Upto(u64::MAX)] {
        for (again, broken) in [(given - 1, 1), (given, 1), (given + p.lookahead_cycles() - 1, 1)]
            .into_iter()
            .chain([(given + p.lookahead_cycles(), 0)])
        {
            let stats = run(Some(again), run_ahead).stats;
            let windows = &stats.windows[&Class::Permission];
            assert_eq!(windows.lengths_cycles.len(), 1);
            assert_eq!((stats.violations[&Class::Permission], windows.used), (broken, broken), "{again}");
        }
    }
}

/// B2: CPU 2 flushes for page `a` of one table while CPU 0 puts off the flush of page `b` of another, and forgets it. The
/// last CPU keeps loading `b`, and so has it again after that flush; the flush of the batch reaches it last. `between` pages
/// come after `a` in the list, so that the clear of `b` falls between that flush at the last CPU and its end at CPU 2.
fn two_tables(policy: &'static str, call: u64, between: u64) -> Clock<common::Script> {
    let (a, b) = (511, 512 + between);
    let pages = span(a, between + 2);
    let p = prime_profile();
    let users: Vec<u16> = (1..p.cpus() as u16).collect();
    let mut machine = Machine::new(&p, &users);
    machine.policy = policy;
    machine.fill(pages, Backing::SharedFile, false);
    let list = Op::call(OpKind::Reclaim(MM), pages);
    machine.plays(0, [at(RECLAIM, order(0, list))]);
    let user = p.cpus() as u16 - 1;
    let loads: Vec<Order> = (0..150).map(|n| at(RECLAIM + n * 400, order(user, load(b)))).collect();
    machine.plays(user, loads);
    let protect = |page| order(2, Op::mprotect(Span::page(page), Rights::NONE));
    machine.plays(2, [at(call, protect(a)), protect(b)]);
    machine.run()
}

#[test]
fn the_flag_loses_an_update_between_two_page_tables_on_the_clock() {
    for policy in ["pending-flag", "pending-generation", "immediate"] {
        let (mut windows, mut used, mut violations) = (0, 0, 0);
        let calls = (RECLAIM..RECLAIM + 4_000).step_by(397);
        for (call, between) in calls.flat_map(|call| (4..20).map(move |between| (call, between))) {
            let stats = two_tables(policy, call, between).stats;
            let permission = &stats.windows[&Class::Permission];
            windows += permission.lengths_cycles.iter().filter(|&&cycles| cycles > 0).count();
            used += permission.used;
            violations += stats.violations[&Class::Permission];
        }
        println!("{policy}: {windows} windows, {used} used, {violations} violations");
        let lost = policy == "pending-flag";
        assert_eq!((windows > 0, used > 0, violations > 0), (lost, lost, lost), "{policy}");
    }
}
