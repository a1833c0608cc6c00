//! Each protection of the kernel, taken away: the explorer must see what it protects from, and nothing while it is there.

use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::{Move, Node, Race, Recorder, Violation};
use sim_core::drive::explore::{Next, Outcome, System, Verdict, search};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Mm, Span};
use sim_core::oracle::Class;
use sim_core::policy;
use sim_core::step::era;
use sim_core::world::small::Scenario;

const STATES: usize = 20_000_000;
const BATCHING: [&str; 3] = ["batched", "pending-flag", "pending-generation"];

/// A race in which only violations of one class count.
struct Only<'s>(Race<'s>, Class);

impl<'s> System for Only<'s> {
    type State = Node<'s>;
    type Action = Move;
    type Key = Box<[u64]>;

    fn initial(&self) -> Node<'s> {
        self.0.initial()
    }
    fn key(&self, state: &Node<'s>) -> Box<[u64]> {
        self.0.key(state)
    }
    fn actions(&self, state: &Node<'s>, out: &mut Vec<Move>) {
        self.0.actions(state, out);
    }
    fn apply(&self, state: &Node<'s>, action: Move) -> Option<Next<Node<'s>>> {
        let (mut state, mut heard) = (state.clone(), Recorder::default());
        let broken = |v: &Violation| v.class == self.1;
        self.0.make(&mut state, action, &mut heard).then(|| Next { state, broken: heard.violations.iter().any(broken) })
    }
    fn may_end(&self, state: &Node<'s>) -> bool {
        self.0.may_end(state)
    }
    fn tested(&self, state: &Node<'s>) -> bool {
        self.0.tested(state)
    }
}

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
    for policy in policy::POLICIES.iter().map(|p| p.name) {
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
