//! gup-fast takes no reference to a folio that reclaim has frozen, however the two interleave.

use std::collections::BTreeSet;

use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::{Race, Recorder};
use sim_core::drive::explore::{Interner, System};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Mm, Span, Task};
use sim_core::policy;
use sim_core::step::era;
use sim_core::step::frame::Act;
use sim_core::world::World;
use sim_core::world::small::Scenario;

#[test]
fn a_frozen_folio_is_not_pinned() {
    let page = |kind| Op::call(kind, Span::page(0));
    let programs: &[&[Op]] =
        &[&[page(OpKind::Reclaim(Mm(0)))], &[Op::access(AccessKind::Load, 0), page(OpKind::Gup)], &[]];
    let scenario = Scenario { evictions: false, ..Scenario::new("gup", 1, 1, programs) };
    let era = *era::find("v6.18").expect("an era");
    // With interrupts reclaim cannot come so far while gup has them off; a broadcast asks nobody.
    let race = Race { scenario: &scenario, setting: Setting::of(policy::find("arm64-flush").expect("a policy"), era) };
    let (mut parts, mut moves, mut refused, mut pinned) = (Interner::default(), Vec::new(), 0, 0);
    let first = race.initial();
    let mut seen = BTreeSet::from([race.pack(&first, &mut parts)]);
    let mut open = vec![first];
    while let Some(node) = open.pop() {
        moves.clear();
        race.actions(&node, &mut moves);
        for &mv in &moves {
            let (mut next, mut heard) = (node.clone(), Recorder::default());
            if !race.make(&mut next, mv, &mut heard) {
                continue;
            }
            if let Some(&(_, Act::Pin(frame, got), _)) = heard.acts.first() {
                // R6 has put it on the list of what reclaim frees after its flush.
                let frozen = node.world.frees_later(Task(0), frame);
                assert!(!(frozen && got), "frame {} is frozen", frame.0);
                (refused, pinned) = (refused + u32::from(frozen), pinned + u32::from(got));
            }
            if seen.insert(race.pack(&next, &mut parts)) {
                open.push(next);
            }
        }
    }
    assert!(refused > 0 && pinned > 0, "{refused} refused, {pinned} pinned");
}
