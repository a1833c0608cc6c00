use super::key::LIVE;
use super::search::find;
use super::*;
use crate::machine::mmu::naive::NaiveArray;
use proptest::prelude::*;

fn page(vpn: u64) -> Key {
    Key::new(vpn, 1, PageSize::Size4K)
}

fn frame(frame: u32) -> Entry {
    Entry { frame, ..Entry::default() }
}

/// An array of one set that holds the pages 0.. in this order of age.
fn full(ways: u32) -> Tlb {
    let mut tlb = Tlb::new(ways, ways);
    for way in 0..ways {
        assert_eq!(tlb.insert(page(way.into()), frame(way)), None);
    }
    tlb
}

#[test]
fn evicts_the_least_recently_used_way_exactly() {
    for ways in [1, 2, 3, 4, 8, 12, 16, 17, 72, 96] {
        let mut tlb = full(ways);
        // Touch all but one, youngest first: the one left alone is the victim, then the others in the order of the touch.
        let skipped = u64::from(ways / 2);
        for vpn in (0..u64::from(ways)).rev().filter(|vpn| *vpn != skipped) {
            assert!(matches!(tlb.lookup(page(vpn)), Found::Hit(_)));
        }
        let order = std::iter::once(skipped).chain((0..u64::from(ways)).rev().filter(|vpn| *vpn != skipped));
        for (i, victim) in (1000..).zip(order) {
            let evicted = tlb.insert(page(i), frame(9)).expect("the set is full");
            assert_eq!(evicted, (page(victim), frame(victim as u32)), "{ways} ways");
        }
    }
}

/// What was used last is found without a search. In sets of four ways and of others.
#[test]
fn what_was_used_last_is_told_from_what_was_used_before() {
    for ways in [2, 4, 16, 72] {
        let mut tlb = full(ways);
        // The youngest, an older one, the youngest again: of the two the older one has to go first.
        let (older, youngest) = (u64::from(ways) - 2, u64::from(ways) - 1);
        for vpn in [youngest, older, older, youngest] {
            assert_eq!(tlb.lookup(page(vpn)), Found::Hit(frame(vpn as u32)));
        }
        let victims: Vec<u64> =
            (0..u64::from(ways)).filter_map(|n| tlb.insert(page(1000 + n), frame(9))).map(|(key, _)| key.vpn).collect();
        assert_eq!(victims, (0..u64::from(ways)).collect::<Vec<_>>(), "{ways} ways");
        // It is looked at like any other: whether it serves, whether it was changed, whether it is there.
        let last = page(1000 + youngest);
        assert_eq!(tlb.lookup_if(last.live_tag(), |_| false), None);
        assert!(tlb.update(last, |entry| Entry { dirty: true, ..entry }));
        assert_eq!(tlb.lookup(last), Found::Hit(Entry { dirty: true, ..frame(9) }));
        assert!(tlb.invalidate(last).is_some());
        assert_eq!(tlb.lookup(last), Found::Flushed);
    }
}

#[test]
fn peek_and_update_do_not_rejuvenate() {
    let mut tlb = full(4);
    assert_eq!(tlb.peek(page(0)), Some(frame(0)));
    assert!(tlb.update(page(0), |e| Entry { dirty: true, ..e }));
    assert!(!tlb.update(page(7), |_| panic!("not held")));
    let (victim, entry) = tlb.insert(page(4), frame(4)).expect("full");
    assert_eq!((victim, entry.dirty), (page(0), true));
}

#[test]
fn inserting_again_replaces_in_place() {
    let mut tlb = full(2);
    assert_eq!(tlb.insert(page(0), frame(50)), None);
    assert_eq!((tlb.held(), tlb.peek(page(0))), (2, Some(frame(50))));
    assert_eq!(tlb.insert(page(2), frame(2)), Some((page(1), frame(1))));
}

#[test]
fn sets_are_the_page_number_modulo_any_number() {
    for sets in [1, 2, 3, 7, 128, 256] {
        let mut tlb = Tlb::new(sets * 2, 2);
        for vpn in 0..u64::from(sets) * 2 {
            assert_eq!(tlb.insert(page(vpn), frame(0)), None, "{sets} sets");
        }
        let next = u64::from(sets) * 2 + 5;
        let evicted = tlb.insert(page(next), frame(0)).map(|(key, _)| key.vpn);
        assert_eq!(evicted, Some(next % u64::from(sets)), "{sets} sets");
    }
}

#[test]
fn profile_geometries_fill_to_the_last_way() {
    for (entries, ways) in [(1536, 12), (96, 96), (72, 72), (3072, 12), (1280, 5), (1536, 6)] {
        let mut tlb = Tlb::new(entries, ways);
        for vpn in 0..u64::from(entries) {
            assert_eq!(tlb.insert(page(vpn), frame(vpn as u32)), None);
        }
        assert_eq!(tlb.held(), entries as usize);
        assert!((0..u64::from(entries)).all(|vpn| tlb.peek(page(vpn)) == Some(frame(vpn as u32))));
    }
}

#[test]
fn a_tag_is_page_space_and_size_together() {
    let mut tlb = Tlb::new(8, 8);
    let last = (1 << VPN_BITS) - 1;
    let keys = [
        Key::new(0, 0, PageSize::Size4K),
        Key::new(0, 0, PageSize::Size2M),
        Key::new(0, u16::MAX, PageSize::Size4K),
        Key::new(last, 0, PageSize::Size4K),
        Key::of(u64::MAX >> 7, u16::MAX, PageSize::Size2M),
    ];
    // The zero key must not match ways never used.
    assert_eq!(tlb.lookup(keys[0]), Found::Absent);
    for (i, key) in (0..).zip(keys) {
        assert_eq!(tlb.peek(key), None);
        tlb.insert(key, frame(i));
    }
    assert_eq!(tlb.iter().map(|(key, _)| key).collect::<Vec<_>>(), keys);
    assert_eq!(keys[4].vpn, (1 << 36) - 1);
}

#[test]
#[should_panic(expected = "too large")]
fn an_oversized_page_number_is_refused() {
    Tlb::new(1, 1).lookup(page(1 << VPN_BITS));
}

#[test]
fn a_ghost_lasts_until_its_way_is_filled() {
    let mut tlb = full(3);
    assert_eq!(tlb.invalidate(page(1)), Some(frame(1)));
    assert_eq!(tlb.invalidate(page(1)), None);
    assert_eq!((tlb.lookup(page(1)), tlb.peek(page(1))), (Found::Flushed, None));
    assert_eq!(tlb.insert(page(9), frame(9)), None, "a free way needs no victim");
    assert_eq!(tlb.lookup(page(1)), Found::Absent);
    assert_eq!(tlb.remove(page(9)), Some(frame(9)));
    assert_eq!(tlb.lookup(page(9)), Found::Absent, "removal leaves no ghost");
}

#[test]
fn ghosts_are_forgotten_in_the_order_of_eviction() {
    // Sets of four ways are of another kind.
    for ways in [3, 4] {
        let mut tlb = full(ways);
        tlb.lookup(page(0));
        tlb.sweep(None, &mut |_, _| ());
        assert_eq!(tlb.held(), 0);
        tlb.insert(page(7), frame(7));
        let ghosts = [0, 1, 2].map(|vpn| tlb.lookup(page(vpn)));
        assert_eq!(ghosts, [Found::Flushed, Found::Absent, Found::Flushed], "{ways} ways");
        // A page that comes back takes its own way: the other ghosts stay.
        tlb.insert(page(0), frame(0));
        assert_eq!(tlb.lookup(page(2)), Found::Flushed, "{ways} ways");
        tlb.insert(page(8), frame(8));
        assert_eq!(tlb.lookup(page(2)), Found::Absent, "{ways} ways");
    }
}

/// A way without a trace is filled before any ghost is forgotten, and any ghost is before a page has to leave.
#[test]
fn ways_are_filled_in_this_order_never_used_ghosts_live() {
    for ways in [4, 5] {
        let mut tlb = full(ways);
        // The youngest is removed, the one before it and the second-oldest are flushed.
        let (gone, flushed, flushed_too) = (u64::from(ways) - 1, u64::from(ways) - 2, 1);
        tlb.remove(page(gone));
        tlb.invalidate(page(flushed));
        tlb.invalidate(page(flushed_too));
        let mut ghosts = |new| {
            assert_eq!(tlb.insert(page(new), frame(9)), None, "{ways} ways, {new}");
            [flushed, flushed_too].map(|vpn| tlb.lookup(page(vpn)) == Found::Flushed)
        };
        assert_eq!(ghosts(100), [true, true], "{ways} ways");
        assert_eq!(ghosts(101), [true, false], "{ways} ways");
        assert_eq!(ghosts(102), [false, false], "{ways} ways");
        assert_eq!(tlb.insert(page(103), frame(9)), Some((page(0), frame(0))), "{ways} ways");
    }
}

#[test]
fn a_sweep_takes_one_address_space() {
    let mut tlb = Tlb::new(128, 4);
    for vpn in 0..100 {
        tlb.insert(Key::new(vpn, (vpn % 3) as u16, PageSize::Size4K), frame(1));
    }
    let mut swept = Vec::new();
    tlb.sweep(Some(2), &mut |key, _| swept.push(key.vpn));
    swept.sort_unstable();
    assert_eq!(swept, (0..100).filter(|vpn| vpn % 3 == 2).collect::<Vec<_>>());
    assert_eq!(tlb.held(), 67);
    assert!(tlb.iter().all(|(key, _)| key.asid != 2));
}

/// A count too high costs only time, which no other test would notice; one too low hides pages.
#[test]
fn buckets_count_the_tags_that_are_there() {
    let mut tlb = Tlb::new(34, 17);
    for vpn in 0..150 {
        tlb.insert(page(vpn * 7 % 71), frame(0));
        tlb.remove(page(vpn % 5));
        tlb.invalidate(page(vpn % 3));
        let Sets::Stamped(stamped) = &tlb.sets else { panic!("wide sets have stamps") };
        let (tags, counted) = stamped.counted();
        assert_eq!(counted, tags, "after {vpn}");
    }
    assert!(tlb.held() > 0);
}

/// What is done to an array.
#[derive(Clone, Debug)]
enum Op {
    Lookup(Key),
    Insert(Key, u32),
    Flush(Key),
    Remove(Key),
    Sweep(Option<u16>),
}

fn any_op() -> impl Strategy<Value = Op> {
    // Eight page numbers that meet in one set of each array below, in two address spaces, and two neighbours of each.
    let any_page =
        || (0_u64..8, 0_u64..3, 0_u16..2).prop_map(|(n, set, asid)| Key::new(n * 96 + set, asid, PageSize::Size4K));
    prop_oneof![
        8 => any_page().prop_map(Op::Lookup),
        8 => (any_page(), 0_u32..99).prop_map(|(key, frame)| Op::Insert(key, frame)),
        2 => any_page().prop_map(Op::Flush),
        2 => any_page().prop_map(Op::Remove),
        1 => prop::option::of(0_u16..2).prop_map(Op::Sweep),
    ]
}

proptest! {
    /// Of every kind: some sets of four ways, too many of them, a number that is no power of two, narrow and wide sets.
    #[test]
    fn agrees_with_a_list_for_each_set(
        geometry in prop::sample::select(vec![(64, 4), (8, 4), (4, 4), (128, 4), (12, 4), (24, 12), (40, 20)]),
        ops in prop::collection::vec(any_op(), 1..200),
    ) {
        let (mut tlb, mut naive) = (Tlb::new(geometry.0, geometry.1), NaiveArray::new(geometry.0, geometry.1));
        for op in ops {
            match op {
                Op::Lookup(key) => prop_assert_eq!(tlb.lookup(key), naive.lookup(key)),
                Op::Insert(key, n) => prop_assert_eq!(tlb.insert(key, frame(n)), naive.insert(key, frame(n))),
                Op::Flush(key) => {
                    let held = naive.live().get(&key).copied();
                    naive.change(key, |_| None);
                    prop_assert_eq!(tlb.invalidate(key), held);
                }
                Op::Remove(key) => {
                    let held = naive.live().get(&key).copied();
                    naive.remove(key);
                    prop_assert_eq!(tlb.remove(key), held);
                }
                Op::Sweep(asid) => {
                    let held = naive.live().into_iter().filter(|(key, _)| asid.is_none_or(|asid| asid == key.asid));
                    let held: Vec<_> = held.collect();
                    for &(key, _) in &held {
                        naive.change(key, |_| None);
                    }
                    let mut swept = Vec::new();
                    tlb.sweep(asid, &mut |key, entry| swept.push((key, entry)));
                    // Set by set: the pages of one are apart.
                    prop_assert!(swept.is_sorted_by_key(|(key, _)| key.vpn % u64::from(geometry.0 / geometry.1)));
                    swept.sort_by_key(|&(key, _)| key);
                    prop_assert_eq!(swept, held);
                }
            }
            prop_assert_eq!(tlb.iter().collect::<std::collections::BTreeMap<_, _>>(), naive.live());
            prop_assert_eq!(tlb.held(), naive.live().len());
        }
    }

    #[test]
    fn wide_and_narrow_searches_agree(tags in prop::collection::vec(0_u64..6, 1..100), key in 0_u64..2) {
        let live = key << 2 | LIVE;
        let expected = tags.iter().position(|tag| *tag == live || *tag == live & !LIVE_ONLY);
        prop_assert_eq!(find(&tags, live, LIVE_ONLY), expected);
        prop_assert_eq!(find(&tags, live, 0), tags.iter().position(|tag| *tag == live));
    }
}
