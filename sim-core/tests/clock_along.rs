//! A given interleaving in cycles: the acts are the explorer's, the times are sums of profile keys.

use sim_core::drive::clock::along::{Along, Timed, Unplayable, along};
use sim_core::drive::clock::price::{Prices, Unpriced};
use sim_core::drive::engine::Setting;
use sim_core::drive::explore::race::{Move, Race, Recorder};
use sim_core::drive::explore::{System, Verdict, search};
use sim_core::machine::profile::IpiMode;
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Cpu, Mm, Page, Rights, Span};
use sim_core::policy;
use sim_core::step::era;
use sim_core::step::frame::Act;
use sim_core::world::World;
use sim_core::world::small::{Cached, Scenario, Start};

fn setting(policy: &str) -> Setting {
    Setting {
        policy: policy::find(policy).expect("a registered policy").strategy,
        era: *era::find("v6.18").expect("an era"),
    }
}

fn store(page: u64) -> Op {
    Op::access(AccessKind::Store, page)
}

fn load(page: u64) -> Op {
    Op::access(AccessKind::Load, page)
}

fn reclaim(mm: u16, page: u64) -> Op {
    Op::call(OpKind::Reclaim(Mm(mm)), Span::page(page))
}

/// Moves that take each CPU's turn in order, interrupts as soon as they are there, until nothing is left.
fn in_turn(race: &Race<'_>) -> (Vec<Move>, Recorder) {
    let (mut node, mut moves, mut heard) = (race.initial(), Vec::new(), Recorder::default());
    let cpus = race.scenario.programs.len() as u16;
    let mut options = Vec::new();
    while !race.may_end(&node) {
        options.clear();
        race.actions(&node, &mut options);
        options.retain(|mv| !matches!(mv, Move::Evict(..)));
        // Interrupts first, then whoever has waited longest.
        let turn = moves.len() as u16 % cpus;
        options.sort_by_key(|mv| match *mv {
            Move::Interrupt(cpu) => (0, cpu.0),
            _ => (1, (mv.cpu().0 + cpus - turn) % cpus),
        });
        let made = options.iter().find_map(|&mv| {
            let (mut next, mut said) = (node.clone(), Recorder::default());
            race.make(&mut next, mv, &mut said).then_some((mv, next, said))
        });
        let (mv, next, said) = made.expect("somebody can go on");
        (node, heard.acts) = (next, [std::mem::take(&mut heard.acts), said.acts].concat());
        heard.violations.extend(said.violations);
        moves.push(mv);
    }
    (moves, heard)
}

fn played(scenario: &Scenario, policy: &str, moves: &[Move]) -> Vec<Timed> {
    along(scenario, setting(policy), &prime_profile(), moves).expect("it plays")
}

fn acts(timed: &[Timed]) -> Vec<Act> {
    timed.iter().flat_map(|t| t.acts.iter().map(|(act, _)| *act)).collect()
}

/// Starts of every kind: rights, backings, clean and dirty, two page tables, two processes, and cached translations.
fn scenarios() -> Vec<Scenario> {
    let start = |mm, page, rights, backing, dirty| Start { mm: Mm(mm), page, rights, backing, dirty };
    let mut all = Vec::new();
    for backing in [Backing::Anon, Backing::PrivateFile, Backing::SharedFile] {
        for (rights, dirty) in [(Rights::READ_WRITE, false), (Rights::READ_WRITE, true), (Rights::READ, false)] {
            let programs: &[&[Op]] = &[
                &[reclaim(0, 0), reclaim(0, 512)],
                &[load(0), store(0), load(512), store(512)],
                &[Op::mprotect(Span::page(512), Rights::READ)],
            ];
            let mut scenario = Scenario::new("starts", 2, 2, programs);
            scenario.starts = vec![start(0, 0, rights, backing, dirty), start(0, 1, Rights::NONE, backing, dirty)];
            scenario.cached = vec![Cached { cpu: Cpu(1), page: Page(0), writable: dirty && rights.write(), dirty }];
            all.push(scenario);
        }
    }
    let programs: &[&[Op]] = &[&[reclaim(0, 0), reclaim(1, 0)], &[store(0), store(0)], &[store(0), load(0)]];
    let mut two = Scenario::new("two processes", 1, 1, programs);
    (two.processes, two.children) = (2, vec![Cpu(2)]);
    two.starts = [0, 1].map(|mm| start(mm, 0, Rights::READ_WRITE, Backing::Anon, true)).to_vec();
    two.cached = vec![Cached { cpu: Cpu(2), page: Page(1), writable: true, dirty: true }];
    all.push(two);
    all
}

#[test]
fn the_acts_are_those_of_the_explorer_whatever_a_scenario_starts_with() {
    for scenario in scenarios() {
        for policy in ["immediate", "batched", "pending-generation"] {
            let race = Race { scenario: &scenario, setting: setting(policy) };
            let (moves, heard) = in_turn(&race);
            let timed = played(&scenario, policy, &moves);
            let explored: Vec<Act> = heard.acts.iter().map(|(_, act, _)| *act).collect();
            assert_eq!(acts(&timed), explored, "{:?} under {policy}", scenario.starts);
            assert!(explored.iter().any(|act| matches!(act, Act::PteXchg { .. })), "reclaim takes something");
        }
    }
}

#[test]
fn a_translation_that_is_cached_serves_the_first_access() {
    let scenario = &scenarios()[1];
    let race = Race { scenario, setting: setting("batched") };
    let timed = played(scenario, "batched", &[Move::Step(Cpu(1))]);
    let [Act::Use { page: Page(0), level: Some(_), .. }] = acts(&timed)[..] else { panic!("{timed:?}") };
    assert_eq!(timed[0].length_cycles, prime_profile().cache.l1_cyc);
    let mut node = race.initial();
    let mut heard = Recorder::default();
    assert!(race.make(&mut node, Move::Step(Cpu(1)), &mut heard));
    assert!(matches!(heard.acts[0].1, Act::Use { level: Some(_), .. }), "{heard:?}");
}

#[test]
fn a_witness_keeps_its_order_and_ends_in_its_violation() {
    let programs: &[&[Op]] = &[&[reclaim(0, 0)], &[store(0), store(0)], &[Op::mprotect(Span::page(0), Rights::READ)]];
    let scenario = Scenario::new("seed", 1, 1, programs);
    let race = Race { scenario: &scenario, setting: setting("batched") };
    let Verdict::Sometimes(moves) = search(&race, 1_000_000).verdict else { panic!("it races") };
    let timed = played(&scenario, "batched", &moves);
    assert!(timed.is_sorted_by_key(|t| t.start_cycles), "{timed:#?}");
    for cpu in (0..3).map(Cpu) {
        let mine: Vec<_> = timed.iter().filter(|t| t.mv == Move::Step(cpu)).collect();
        assert!(mine.windows(2).all(|w| w[0].start_cycles + w[0].length_cycles <= w[1].start_cycles), "{mine:#?}");
    }
    let broken: Vec<_> = timed.iter().map(|t| t.violations.len()).collect();
    assert_eq!(broken.iter().sum::<usize>(), 1);
    assert_eq!(broken.last(), Some(&1));
}

#[test]
fn an_interrupt_starts_when_it_arrives_and_its_initiator_waits_for_the_ack() {
    let programs: &[&[Op]] = &[&[Op::mprotect(Span::page(0), Rights::READ)], &[]];
    let scenario = Scenario {
        cached: vec![Cached { cpu: Cpu(1), page: Page(0), writable: true, dirty: false }],
        ..Scenario::new("shootdown", 1, 1, programs)
    };
    let race = Race { scenario: &scenario, setting: setting("batched") };
    let (moves, _) = in_turn(&race);
    let (timed, p) = (played(&scenario, "batched", &moves), prime_profile());
    let find =
        |what: &dyn Fn(&Act) -> bool| timed.iter().find(|t| t.acts.iter().any(|(act, _)| what(act))).expect("an act");
    let end = |t: &Timed| t.start_cycles + t.length_cycles;
    let (post, enter) = (find(&|a| matches!(a, Act::Post { .. })), find(&|a| matches!(a, Act::IrqEnter { .. })));
    assert_eq!(enter.start_cycles, end(post) + p.delivery_cycles(p.distance(0, 1)));
    let (ack, flushed) = (find(&|a| matches!(a, Act::Ack(_))), find(&|a| matches!(a, Act::FlushEnd(_))));
    assert_eq!(flushed.start_cycles, end(ack));
}

#[test]
fn a_lock_is_handed_over_when_it_is_released() {
    // Both take mmap_lock for write: the second starts to hold it a hand-over after the first lets go.
    let call = Op::mprotect(Span::page(0), Rights::READ);
    let scenario = Scenario::new("two calls", 1, 1, &[&[call], &[call]]);
    let mut moves = vec![Move::Step(Cpu(1))];
    let first = Scenario { programs: vec![vec![call], vec![]], ..scenario.clone() };
    moves.extend(in_turn(&Race { scenario: &first, setting: setting("batched") }).0);
    let at = moves.len();
    moves.push(Move::Step(Cpu(1)));
    let (timed, p) = (played(&scenario, "batched", &moves), prime_profile());
    let release =
        timed.iter().rfind(|t| t.acts.iter().any(|(act, _)| matches!(act, Act::Unlock(_)))).expect("an unlock");
    assert!(matches!(timed[at].acts[0].0, Act::Lock(_)), "{:?}", timed[at]);
    let handed = p.spin_handoff_cycles(p.distance(0, 1));
    // The acts after the release in the same move belong to the call, not to the lock.
    assert_eq!(timed[at].start_cycles, released_at(release, &p) + handed);
}

#[test]
fn readers_have_mmap_lock_from_where_munmap_lets_them_in() {
    let [unmap, advise] = [OpKind::Munmap, OpKind::Dontneed].map(|kind| Op::call(kind, Span::page(0)));
    let scenario = Scenario::new("two calls", 1, 1, &[&[unmap], &[advise]]);
    let step = |cpu| Move::Step(Cpu(cpu));
    let race = Race { scenario: &scenario, setting: setting("immediate") };
    // The reader has begun its call, and takes the lock as soon as the munmap has given it up for writing.
    let (mut node, mut moves) = (race.initial(), vec![step(1)]);
    assert!(race.make(&mut node, step(1), &mut Recorder::default()));
    let mut heard = Recorder::default();
    while !heard.acts.iter().any(|(_, act, _)| matches!(act, Act::Downgrade(_))) {
        assert!(race.make(&mut node, step(0), &mut heard));
        moves.push(step(0));
    }
    moves.push(step(1));
    let (timed, p) = (played(&scenario, "immediate", &moves), prime_profile());
    let [.., lets_in, takes] = &timed[..] else { panic!("{timed:?}") };
    assert!(matches!(takes.acts[0].0, Act::Lock(_)), "{takes:?}");
    let handed = p.spin_handoff_cycles(p.distance(0, 1));
    assert_eq!(takes.start_cycles, lets_in.start_cycles + lets_in.length_cycles + handed);
}

/// When the unlock of a move that begins with it is done.
fn released_at(timed: &Timed, p: &sim_core::machine::profile::Profile) -> u64 {
    assert!(matches!(timed.acts[0].0, Act::Unlock(_)), "{timed:?}");
    timed.start_cycles + p.cache.l1_cyc
}

#[test]
fn a_move_that_is_not_enabled_is_named() {
    let scenario = Scenario::new("one", 1, 1, &[&[load(0)]]);
    let end = |moves: &[Move]| along(&scenario, setting("batched"), &prime_profile(), moves);
    let step = Move::Step(Cpu(0));
    assert_eq!(end(&[step, step]), Err(Unplayable::Disabled(1)));
    assert_eq!(end(&[Move::Interrupt(Cpu(0))]), Err(Unplayable::Disabled(0)));
    assert_eq!(end(&[Move::Evict(Cpu(0), Page(0))]), Err(Unplayable::Disabled(0)));
    assert_eq!(end(&[Move::Step(Cpu(7))]), Err(Unplayable::Disabled(0)));
    assert!(end(&[step, Move::Evict(Cpu(0), Page(0))]).is_ok());
}

/// Moves that take whoever can go on, lowest first, and sweep and tick once nobody can, until nothing is left.
fn to_the_end(race: &Race<'_>) -> (Vec<Move>, Recorder) {
    let (mut node, mut moves, mut heard, mut options) = (race.initial(), Vec::new(), Recorder::default(), Vec::new());
    loop {
        options.clear();
        race.actions(&node, &mut options);
        options.retain(|mv| !matches!(mv, Move::Evict(..)));
        options.sort_by_key(|mv| match *mv {
            Move::Interrupt(cpu) => (0, cpu.0),
            Move::Deliver(_, cpu) => (2, cpu.0),
            Move::Tick(cpu) => (3, cpu.0),
            _ => (1, mv.cpu().0),
        });
        let made = options.iter().find_map(|&mv| {
            let (mut next, mut said) = (node.clone(), Recorder::default());
            race.make(&mut next, mv, &mut said).then_some((mv, next, said))
        });
        let Some((mv, next, said)) = made else { return (moves, heard) };
        (node, heard.acts) = (next, [std::mem::take(&mut heard.acts), said.acts].concat());
        moves.push(mv);
    }
}

#[test]
fn a_sweep_and_what_is_let_go_come_at_ticks() {
    let mut p = prime_profile();
    p.kernel.tick_hz = Some(50_000);
    let munmap = Op::call(OpKind::Munmap, Span::page(0));
    let programs: &[&[Op]] = &[&[munmap], &[store(0)], &[store(0)]];
    let mut scenario = Scenario::new("sweeps", 1, 1, programs);
    scenario.evictions = false;
    let setting = setting("latr");
    let (moves, heard) = to_the_end(&Race { scenario: &scenario, setting });
    let timed = along(&scenario, setting, &p, &moves).expect("they can be made");
    let played: Vec<_> = timed.iter().flat_map(|t| t.acts.iter().map(|(act, _)| *act)).collect();
    assert_eq!(played, heard.acts.iter().map(|(_, act, _)| *act).collect::<Vec<_>>());
    let of = |wanted: Move| timed.iter().find(|t| t.mv == wanted).expect("it was made");
    let (near, far) = (of(Move::Deliver(Cpu(0), Cpu(1))), of(Move::Deliver(Cpu(0), Cpu(2))));
    // CPUs 1 and 2 are one and two dies' worth away; the second also waits for what the first has written.
    let line = p.cache.c2c_same_cyc;
    let flush = p.inval.invlpg_cyc.unwrap() + p.inval.invpcid_single_cyc.unwrap();
    assert_eq!((near.start_cycles, near.length_cycles), (p.tick_cycles(), 3 * line + flush));
    assert_eq!(far.start_cycles, p.tick_cycles());
    assert!(far.length_cycles > 3 * p.cache.c2c_die_cyc.unwrap() + flush);
    assert_eq!(of(Move::Tick(Cpu(0))).start_cycles, p.tick_cycles());
    // By themselves they come to the same.
    let mut by_themselves = Along::new(&scenario, setting, &p, &[]).expect("priced").and_on();
    let mut acts = 0;
    while let Some(timed) = by_themselves.step().expect("somebody goes on") {
        acts += timed.acts.len();
    }
    assert_eq!(acts, played.len());
    assert!(!by_themselves.world().broadcast_pending(Cpu(0)) && !by_themselves.world().may_let_go(Cpu(0)));
    assert_eq!((by_themselves.stats.recorded, by_themselves.stats.records_swept), (1, 2));
}

#[test]
fn machines_that_broadcast_leave_nothing_to_ticks() {
    let mut p = prime_profile();
    p.ipi.mode = IpiMode::NoneForTlb;
    let scenario = Scenario::new("none", 1, 1, &[&[load(0)], &[load(0)]]);
    let era = Prices::era_on(&p, setting("latr").era);
    let refused = along(&scenario, Setting { era, ..setting("latr") }, &p, &[]);
    assert_eq!(refused.map(|timed| timed.len()), Err(Unplayable::Unpriced(Unpriced::Ticks)));
    assert!(along(&scenario, Setting { era, ..setting("pending-flag") }, &p, &[]).is_ok());
}
