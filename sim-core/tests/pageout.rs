//! `MADV_PAGEOUT` is a gather: it counts itself among those that change PTEs and have not flushed yet.

mod common;

use common::hand::Hand;
use common::{MM, Machine, pte, span};
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::Race;
use sim_core::drive::explore::{Verdict, search};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Present, Pte};
use sim_core::policy;
use sim_core::step::era::{self, Era};
use sim_core::step::frame::Act;
use sim_core::world::small::Scenario;
use sim_core::world::{Cause, World};

const PAGEOUT: OpKind = OpKind::Pageout;

fn kernel(name: &str) -> Era {
    *era::find(name).expect("an era")
}

/// Why flushes were made by the call, in a kernel in which this page was `accessed`.
fn causes(era: Era, accessed: bool, beside: bool) -> Vec<Cause> {
    let mut machine = Machine::new(&prime_profile(), &[0]);
    machine.fill(span(0, 1), Backing::SharedFile, false);
    let page = common::page(&machine.world, 0);
    let before = pte(&machine.world, 0);
    machine.world.pte_xchg(page, Pte::Present(Present { accessed, ..before }));
    let mut hand = Hand::new(machine.world, era);
    hand.setting.policy = policy::find("immediate").expect("a policy").strategy;
    if beside {
        *hand.world.flush_pending(MM) += 1;
    }
    hand.begin(0, Op::call(PAGEOUT, span(0, 1)));
    hand.finish(0);
    assert_eq!(*hand.world.flush_pending(MM), u32::from(beside), "it counts itself out again");
    let begun = hand.heard.acts.iter().filter_map(|(_, act, _)| match act {
        Act::FlushBegin { request, .. } => Some(request.cause),
        _ => None,
    });
    begun.collect()
}

#[test]
fn before_6_9_its_walker_clears_the_accessed_bit_and_flushes_for_it_in_the_end() {
    for (era, accessed, expected) in [
        ("v5.17", true, &[Cause::PerPage, Cause::Operation][..]),
        ("v5.17", false, &[Cause::PerPage]),
        ("v6.18", true, &[Cause::PerPage]),
    ] {
        assert_eq!(causes(kernel(era), accessed, false), expected, "{era}, accessed {accessed}");
    }
}

#[test]
fn it_flushes_for_those_that_have_not_flushed_yet() {
    assert_eq!(causes(kernel("v6.18"), true, true), [Cause::PerPage, Cause::Nested]);
    let alone = Era { nested_gathers: false, ..kernel("v6.18") };
    assert_eq!(causes(alone, true, true), [Cause::PerPage]);
}

/// Under policies that tell nobody of the flushes they put off.
#[test]
fn what_is_given_up_beside_it_is_flushed_by_whoever_gives_it_up() {
    let load = Op::access(AccessKind::Load, 0);
    let call = |kind| Op::call(kind, span(0, 1));
    let programs: [&[Op]; 3] = [&[call(PAGEOUT)], &[call(OpKind::Dontneed), load], &[load, load]];
    let scenario = Scenario { evictions: false, ..Scenario::new("beside", 1, 1, &programs) };
    for (nested_gathers, safe) in [(true, true), (false, false)] {
        let era = Era { nested_gathers, pageout_checks_pending: false, ..kernel("v6.18") };
        for policy in ["batched", "pending-flag"] {
            let setting = Setting::of(policy::find(policy).expect("a policy"), era);
            let outcome = search(&Race { scenario: &scenario, setting }, 20_000_000);
            let expected = safe || policy == "pending-flag";
            match outcome.verdict {
                Verdict::Never { vacuous } => assert!(expected && !vacuous, "{policy}, nesting {nested_gathers}"),
                verdict => assert!(!expected && matches!(verdict, Verdict::Sometimes(_)), "{policy}: {verdict:?}"),
            }
        }
    }
}
