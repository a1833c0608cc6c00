//! Every state of some scenarios under every other numbering: it is reached too, leads to the same, and the symmetric search
//! visits one of each class.

use std::collections::{BTreeMap, BTreeSet};

use super::super::race::{Move, Node, Parts, Race};
use super::super::{Interner, Options, System, Verdict, search_with};
use super::{Memo, Twins};
use crate::drive::engine::Setting;
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{AccessKind, Mm, Rights, Span};
use crate::policy;
use crate::step::era::{self, Era};
use crate::world::small::{Renaming, Scenario};

const SYMMETRIC: Options = Options {
    order: super::super::Order::Breadth,
    reduce: false,
    symmetry: true,
    threads: 1,
    max_states: usize::MAX,
    max_bytes: u64::MAX,
};

fn store() -> Op {
    Op::access(AccessKind::Store, 0)
}

fn protect() -> Op {
    Op::mprotect(Span::page(0), Rights::READ)
}

/// CPUs that are alike as targets, as initiators, and as both; and one whose number lies between.
fn scenarios() -> Vec<Scenario> {
    let reclaim = Op::call(OpKind::Reclaim(Mm(0)), Span::page(0));
    let dontneed = Op::call(OpKind::Dontneed, Span::page(0));
    let calm = |scenario: Scenario| Scenario { evictions: false, ..scenario };
    vec![
        Scenario::new("targets", 1, 1, &[&[reclaim], &[store()], &[store()]]),
        calm(Scenario::new("initiators", 1, 1, &[&[dontneed], &[dontneed], &[store()]])),
        calm(Scenario::new("both", 1, 1, &[&[protect()], &[protect()]])),
        calm(Scenario::new("between", 1, 1, &[&[store()], &[protect()], &[store()]])),
        calm(Scenario::new("three", 1, 1, &[&[], &[dontneed], &[], &[]])),
    ]
}

struct Renamer<'r, 's> {
    race: &'r Race<'s>,
    twins: Twins,
    scratch: Node<'s>,
}

impl Renamer<'_, '_> {
    fn image(&mut self, key: &Parts, to: Renaming, parts: &mut Interner<'_>) -> Parts {
        let mut image = *key;
        image[0] = Race::renamed(key[0], None, to, &mut self.scratch, parts);
        for n in 0..self.race.scenario.programs.len() {
            image[1 + usize::from(to[n])] = Race::renamed(key[1 + n], Some(n), to, &mut self.scratch, parts);
        }
        image
    }

    /// As it is, without what no step can tell any more.
    fn plain(&mut self, key: &Parts, parts: &mut Interner<'_>) -> Parts {
        let same = self.twins.renamings[0];
        self.image(key, same, parts)
    }
}

/// Where a state leads, and whether a promise is broken on the way.
type Edges = BTreeSet<(Parts, bool)>;

/// Every state with its successors, by a plain search that names whom a step turns to.
fn states<'s>(race: &Race<'s>, renamer: &mut Renamer<'_, 's>, parts: &mut Interner<'_>) -> BTreeMap<Parts, Edges> {
    let first = race.pack(&race.initial(), parts);
    let (mut all, mut open) = (BTreeMap::new(), vec![renamer.plain(&first, parts)]);
    let (mut node, mut moves) = (race.initial(), Vec::<Move>::new());
    while let Some(key) = open.pop() {
        if all.contains_key(&key) {
            continue;
        }
        race.unpack(&key, parts, &mut node);
        moves.clear();
        race.actions_under(&SYMMETRIC, &node, &mut moves);
        let mut edges = Edges::new();
        for &mv in &moves {
            let mut next = node.clone();
            if let Some(effect) = race.apply(&mut next, mv) {
                let next = race.pack(&next, parts);
                let next = renamer.plain(&next, parts);
                edges.insert((next, effect.broken));
                open.extend((!effect.broken).then_some(next));
            }
        }
        all.insert(key, edges);
    }
    all
}

fn agrees(scenario: &Scenario, policy: &str, era: Era) {
    let what = format!("{} under {policy}, {:?}", scenario.name, era.mechanism);
    let setting = Setting::of(policy::find(policy).expect("a policy"), era);
    let race = Race { scenario, setting };
    let twins = race.twins();
    assert!(twins.any(), "{what}");
    let mut parts = Interner::default();
    let mut renamer = Renamer { race: &race, twins: twins.clone(), scratch: race.initial() };
    let all = states(&race, &mut renamer, &mut parts);
    let (mut classes, mut seen) = (0, BTreeSet::new());
    for (key, edges) in &all {
        classes += usize::from(!seen.contains(key));
        for &to in &twins.renamings {
            let image = renamer.image(key, to, &mut parts);
            let other = all.get(&image).unwrap_or_else(|| panic!("{what}: a renamed state is not reached"));
            let moved: Edges =
                edges.iter().map(|(next, broken)| (renamer.image(next, to, &mut parts), *broken)).collect();
            assert_eq!(&moved, other, "{what}: {to:?}");
            seen.insert(image);
        }
        let mut least = |key: &Parts| race.least(key, &twins, &mut Memo::default(), &mut renamer.scratch, &mut parts);
        let stands = least(key);
        assert_eq!(least(&stands), stands, "{what}");
    }
    assert!(classes < all.len(), "{what}: {classes} classes of {}", all.len());
    let outcome = search_with(&race, &SYMMETRIC, &mut |_| {});
    if let Verdict::Never { .. } = outcome.verdict {
        assert_eq!(outcome.states, classes, "{what}: {} states", all.len());
        assert!(all.values().flatten().all(|(_, broken)| !broken), "{what}");
    } else {
        assert!(all.values().flatten().any(|(_, broken)| *broken), "{what}");
    }
}

#[test]
fn states_under_other_numbers_lead_to_the_same_and_one_of_each_class_is_visited() {
    let modern = *era::find("v6.18").expect("an era");
    let old = *era::find("v4.13").expect("an era");
    let mut early = old;
    early.protections.acks_after_flush = false;
    for scenario in scenarios() {
        agrees(&scenario, "batched", old);
        agrees(&scenario, "batched", early);
        agrees(&scenario, "pending-generation", modern);
        agrees(&scenario, "invlpgb", modern);
    }
}
