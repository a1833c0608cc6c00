//! The smallest scenario that tells two policies apart: it is found, it is a litmus file, and it is the first in order.

use sim_core::oracle::Class;
use sim_core::policy;
use sim_core::step::era::ERAS;
use workloads::litmus::check::Found;
use workloads::litmus::distinguish::{Bounds, Candidate, Compared, Question, Size, classes};
use workloads::litmus::{Litmus, format};

const BOUNDS: Bounds = Bounds { cpus: 3, pages: 2, tables: 2, operations: 2, total: 4 };

fn question(one: &str, other: &str) -> Question {
    let policies = [one, other].map(|name| policy::find(name).expect(name));
    Question { policies, era: &ERAS[0], by_class: false, states: 1_000_000 }
}

/// The first of these on which they differ, and how many were tried.
fn first(question: &Question, candidates: &[Candidate]) -> Option<(Candidate, usize)> {
    let found = candidates.iter().position(|candidate| question.compare(candidate) == Compared::Differ)?;
    Some((candidates[found].clone(), found + 1))
}

fn of_size(size: Size) -> Vec<Candidate> {
    classes(&BOUNDS).find(|(of, _)| *of == size).expect("it is within the bounds").1
}

#[test]
fn batching_is_told_from_the_patch_by_one_page_and_four_operations() {
    let question = question("batched", "pending-flag");
    let smaller: Vec<_> =
        classes(&BOUNDS).take_while(|(size, _)| size.operations < 4).flat_map(|(_, all)| all).collect();
    assert!(!smaller.is_empty() && first(&question, &smaller).is_none());
    let (candidate, tried) = first(&question, &of_size(Size { operations: 4, pages: 1, tables: 1, cpus: 3 })).unwrap();
    let difference = question.difference(&candidate, tried);
    let read = Litmus::parse("again", &difference.text).unwrap();
    assert_eq!(format("again", &difference.text).unwrap(), difference.text);
    let found = question.policies.map(|policy| {
        let checked = read.check(policy, 1_000_000);
        assert!(read.as_expected(policy, &checked), "{}", difference.text);
        (checked.found, checked.class)
    });
    assert_eq!(found, [(Found::Sometimes, Some(Class::Permission)), (Found::Never, None)]);
}

#[test]
fn the_flag_is_told_from_the_generation_by_two_page_tables() {
    // One operation over both: it loses under the first PTL what it would have to find under the second.
    let question = question("pending-flag", "pending-generation");
    let (candidate, _) = first(&question, &of_size(Size { operations: 4, pages: 2, tables: 2, cpus: 3 })).unwrap();
    let [flag, generation] = question.difference(&candidate, 1).checked;
    assert_eq!((flag.found, generation.found), (Found::Sometimes, Found::Never));
    assert!(first(&question, &of_size(Size { operations: 4, pages: 1, tables: 1, cpus: 3 })).is_none());
}

#[test]
fn what_is_not_exhausted_tells_nothing_and_classes_count_if_asked_for() {
    let candidates = of_size(Size { operations: 4, pages: 1, tables: 1, cpus: 3 });
    let short = Question { states: 100, ..question("pending-flag", "pending-generation") };
    assert!(candidates.iter().all(|candidate| short.compare(candidate) == Compared::NotExhausted));
    let same = question("batched", "local-only");
    let by_class = Question { by_class: true, ..same };
    for candidate in &candidates {
        assert_eq!(same.compare(candidate), by_class.compare(candidate), "one operation, one class");
    }
}
