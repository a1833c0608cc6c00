use super::naive::{NaiveArray, NaiveMmu};
use super::*;
use crate::machine::psc::Level;
use crate::machine::testing::prime_profile;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn page(vpn: u64) -> Key {
    Key::new(vpn, 1, PageSize::Size4K)
}

fn huge(vpn: u64) -> Key {
    Key::new(vpn, 1, PageSize::Size2M)
}

fn frame(frame: u32) -> Entry {
    Entry { frame, ..Entry::default() }
}

const MISS: Lookup = Lookup::Miss { flushed: false };
const FLUSHED: Lookup = Lookup::Miss { flushed: true };

/// Data: 3 sets of 2; second level: 7 sets of 3.
fn mmu() -> Mmu {
    Mmu::new(&prime_profile())
}

/// The same with 2 MiB pages in the first level only.
fn mmu_without_huge_stlb() -> Mmu {
    let mut profile = prime_profile();
    profile.tlb.stlb_holds_2m = false;
    Mmu::new(&profile)
}

/// Of one page.
fn invlpg(mmu: &mut Mmu, key: Key, sink: &mut impl FnMut(Key, Entry)) {
    mmu.invalidate_translation(key, sink);
    mmu.invalidate_psc(key.asid);
}

fn invalidated(flush: impl FnOnce(&mut dyn FnMut(Key, Entry))) -> Vec<(Key, Entry)> {
    let mut removed = Vec::new();
    flush(&mut |key, entry| removed.push((key, entry)));
    removed.sort_unstable_by_key(|(key, _)| *key);
    removed
}

#[test]
fn the_second_level_refills_the_first() {
    let mut mmu = mmu();
    assert_eq!(mmu.lookup(page(0), Access::Load), MISS);
    // 0, 3 and 6 share one of the 3 data sets of 2 ways, and no set of the second level.
    for vpn in [0, 3, 6] {
        assert_eq!(mmu.fill(page(vpn), Access::Load, frame(9)), None);
    }
    assert_eq!(mmu.lookup(page(0), Access::Store), Lookup::Stlb(frame(9)));
    assert_eq!(mmu.lookup(page(0), Access::Load), Lookup::L1(frame(9)));
    assert_eq!(mmu.lookup(page(0), Access::Fetch), Lookup::Stlb(frame(9)));
    assert_eq!(mmu.lookup(page(0), Access::Fetch), Lookup::L1(frame(9)));
}

#[test]
fn the_second_level_is_inclusive() {
    let mut mmu = mmu();
    for access in [Access::Fetch, Access::Load] {
        mmu.fill(page(0), access, frame(1));
    }
    for vpn in [7, 14] {
        assert_eq!(mmu.fill(page(vpn), Access::Load, frame(2)), None);
    }
    // First-level hits do not make it younger in the second level.
    assert_eq!(mmu.lookup(page(0), Access::Load), Lookup::L1(frame(1)));
    let evicted = mmu.fill(page(21), Access::Load, frame(3));
    assert_eq!(evicted, Some((page(0), frame(1))));
    assert_eq!(mmu.lookup(page(0), Access::Load), MISS);
    assert_eq!(mmu.lookup(page(0), Access::Fetch), MISS);
}

#[test]
fn a_huge_page_of_the_first_level_alone_goes_with_its_last_copy() {
    let mut mmu = mmu_without_huge_stlb();
    mmu.fill(huge(0), Access::Load, frame(1));
    mmu.fill(huge(0), Access::Fetch, frame(1));
    mmu.fill(huge(1), Access::Load, frame(2));
    assert_eq!(mmu.fill(huge(2), Access::Load, frame(3)), None, "one is left");
    assert_eq!(mmu.peek(huge(0)), Some(frame(1)));
    assert_eq!(mmu.lookup(huge(0), Access::Load), MISS, "data side only");
    mmu.fill(huge(1), Access::Fetch, frame(2));
    let evicted = mmu.fill(huge(2), Access::Fetch, frame(3));
    assert_eq!(evicted, Some((huge(0), frame(1))));
}

#[test]
fn a_flush_reports_each_translation_once() {
    for mut mmu in [mmu(), mmu_without_huge_stlb()] {
        for (key, entry) in [(page(5), frame(5)), (huge(5), frame(6))] {
            mmu.fill(key, Access::Load, entry);
            mmu.fill(key, Access::Fetch, entry);
            let removed = invalidated(|mut sink| invlpg(&mut mmu, key, &mut sink));
            assert_eq!(removed, [(key, entry)]);
            let again = invalidated(|mut sink| invlpg(&mut mmu, key, &mut sink));
            assert_eq!(again, []);
            mmu.fill(key, Access::Load, entry);
            mmu.fill(key, Access::Fetch, entry);
        }
        let other = Key::new(5, 2, PageSize::Size2M);
        mmu.fill(other, Access::Fetch, frame(7));
        let removed = invalidated(|mut sink| mmu.invalidate_asid(1, &mut sink));
        assert_eq!(removed, [(page(5), frame(5)), (huge(5), frame(6))]);
        let removed = invalidated(|mut sink| mmu.invalidate_all(&mut sink));
        assert_eq!(removed, [(other, frame(7))]);
    }
}

#[test]
fn a_miss_says_whether_a_flush_caused_it() {
    let mut mmu = mmu();
    mmu.fill(page(0), Access::Load, frame(0));
    mmu.invalidate_asid(1, &mut |_, _| ());
    assert_eq!(mmu.lookup(page(0), Access::Load), FLUSHED);
    assert_eq!(mmu.lookup(page(0), Access::Fetch), FLUSHED, "it was in the second level");
    assert_eq!(mmu.lookup(page(1), Access::Load), MISS);
    for vpn in [7, 14, 21] {
        mmu.fill(page(vpn), Access::Load, frame(1));
    }
    assert_eq!(mmu.lookup(page(0), Access::Load), MISS, "its way was filled");

    mmu.fill(page(0), Access::Load, frame(0));
    invlpg(&mut mmu, page(0), &mut |_, _| ());
    mmu.fill(page(0), Access::Load, frame(1));
    assert_eq!(mmu.lookup(page(0), Access::Load), Lookup::L1(frame(1)));
}

#[test]
fn a_huge_miss_is_decided_by_the_array_that_held_it() {
    let mut mmu = mmu_without_huge_stlb();
    mmu.fill(huge(0), Access::Load, frame(0));
    mmu.invalidate_all(&mut |_, _| ());
    assert_eq!(mmu.lookup(huge(0), Access::Load), FLUSHED);
    assert_eq!(mmu.lookup(huge(0), Access::Fetch), MISS);
    mmu.fill(huge(1), Access::Load, frame(1));
    mmu.fill(huge(2), Access::Load, frame(1));
    assert_eq!(mmu.lookup(huge(0), Access::Load), MISS);
}

#[test]
fn update_reaches_all_copies() {
    let mut mmu = mmu();
    mmu.fill(page(0), Access::Load, frame(1));
    mmu.fill(page(0), Access::Fetch, frame(1));
    assert!(mmu.update(page(0), |e| Entry { marks: 5, ..e }));
    assert!(!mmu.update(page(1), |e| e));
    for access in [Access::Load, Access::Fetch] {
        assert!(matches!(mmu.lookup(page(0), access), Lookup::L1(e) if e.marks == 5));
    }
    assert_eq!(mmu.peek(page(0)).map(|e| e.marks), Some(5));
    // A walk that finds something new replaces the copy of the other side.
    mmu.fill(page(0), Access::Load, frame(2));
    assert_eq!(mmu.lookup(page(0), Access::Fetch), Lookup::L1(frame(2)));
}

#[test]
fn flushes_reach_the_paging_structure_caches() {
    let mut profile = prime_profile();
    for (by_page, by_asid) in [(true, true), (false, true), (true, false)] {
        profile.psc.flushed_by_invlpg = by_page;
        profile.psc.flushed_by_cr3 = by_asid;
        let mut mmu = Mmu::new(&profile);
        let count = |full| if full { 4 } else { 1 };
        mmu.walk_levels(page(0));
        assert_eq!(mmu.walk_levels(page(1)).first(), Level::Pte);
        invlpg(&mut mmu, page(99), &mut |_, _| ());
        assert_eq!(mmu.walk_levels(page(0)).count(), count(by_page));
        mmu.invalidate_asid(1, &mut |_, _| ());
        assert_eq!(mmu.walk_levels(page(0)).count(), count(by_asid));
        mmu.invalidate_asid(2, &mut |_, _| ());
        assert_eq!(mmu.walk_levels(page(0)).count(), 1, "another space");
        mmu.invalidate_all(&mut |_, _| ());
        assert_eq!(mmu.walk_levels(page(0)).count(), 4);
    }
}

#[test]
fn a_core_without_second_level_walks_at_once() {
    let mut profile = prime_profile();
    profile.tlb.stlb_entries = 0;
    let mut mmu = Mmu::new(&profile);
    mmu.fill(page(0), Access::Load, frame(0));
    mmu.fill(page(3), Access::Load, frame(3));
    assert_eq!(mmu.fill(page(6), Access::Load, frame(6)), Some((page(0), frame(0))));
    assert_eq!(mmu.lookup(page(0), Access::Load), MISS);
    assert_eq!(mmu.iter().count(), 2);
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Look up, and fill on a miss.
    Touch(Key, Access, u32),
    Fill(Key, Access, u32),
    Mark(Key, u8),
    Page(Key),
    Asid(u16),
    All,
}

fn any_key() -> impl Strategy<Value = Key> {
    (0_u64..40, 0_u16..3, prop::bool::weighted(0.3)).prop_map(|(vpn, asid, huge)| {
        let size = if huge { PageSize::Size2M } else { PageSize::Size4K };
        Key::new(vpn, asid, size)
    })
}

fn any_op() -> impl Strategy<Value = Op> {
    let access = prop::sample::select(vec![Access::Load, Access::Store, Access::Fetch]);
    prop_oneof![
        20 => (any_key(), access.clone(), 0_u32..99).prop_map(|(k, a, f)| Op::Touch(k, a, f)),
        4 => (any_key(), access, 0_u32..99).prop_map(|(k, a, f)| Op::Fill(k, a, f)),
        2 => (any_key(), any::<u8>()).prop_map(|(k, m)| Op::Mark(k, m)),
        4 => any_key().prop_map(Op::Page),
        1 => (0_u16..3).prop_map(Op::Asid),
        1 => Just(Op::All),
    ]
}

/// Sets and ways of fetch, data and second level: any small numbers. The widest second levels are searched by guesses and counts.
fn any_geometry() -> impl Strategy<Value = [(u32, u32); 4]> {
    let first = || (1_u32..4, 1_u32..5);
    (first(), first(), first(), (1_u32..6, 1_u32..20)).prop_map(|(a, b, c, d)| [a, b, c, d])
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(
        geometry in any_geometry(),
        stlb_holds_2m in any::<bool>(),
        ops in prop::collection::vec(any_op(), 1..300),
    ) {
        let [fetch, data, data2m, stlb] = geometry;
        let mut profile = prime_profile();
        let tlb = &mut profile.tlb;
        (tlb.itlb4k_entries, tlb.itlb4k_ways) = (fetch.0 * fetch.1, fetch.1);
        (tlb.dtlb4k_entries, tlb.dtlb4k_ways) = (data.0 * data.1, data.1);
        (tlb.dtlb2m_entries, tlb.dtlb2m_ways) = (data2m.0 * data2m.1, data2m.1);
        (tlb.stlb_entries, tlb.stlb_ways) = (stlb.0 * stlb.1, stlb.1);
        tlb.stlb_holds_2m = stlb_holds_2m;
        let mut mmu = Mmu::new(&profile);
        let tlb = &profile.tlb;
        let mut naive = NaiveMmu {
            first: [
                NaiveArray::new(tlb.itlb4k_entries, tlb.itlb4k_ways),
                NaiveArray::new(tlb.itlb2m_entries, tlb.itlb2m_entries),
                NaiveArray::new(tlb.dtlb4k_entries, tlb.dtlb4k_ways),
                NaiveArray::new(tlb.dtlb2m_entries, tlb.dtlb2m_ways),
            ],
            stlb: NaiveArray::new(tlb.stlb_entries, tlb.stlb_ways),
            stlb_holds_2m,
        };
        for op in ops {
            let flush = |model: BTreeMap<Key, Entry>, removed: Vec<(Key, Entry)>| {
                prop_assert_eq!(removed, model.into_iter().collect::<Vec<_>>());
                Ok(())
            };
            match op {
                Op::Touch(key, access, f) => {
                    let found = mmu.lookup(key, access);
                    prop_assert_eq!(found, naive.lookup(key, access));
                    if matches!(found, Lookup::Miss { .. }) {
                        prop_assert_eq!(mmu.fill(key, access, frame(f)), naive.fill(key, access, frame(f)));
                    }
                }
                Op::Fill(key, access, f) => {
                    prop_assert_eq!(mmu.fill(key, access, frame(f)), naive.fill(key, access, frame(f)));
                }
                Op::Mark(key, marks) => {
                    let mark = |e| Entry { marks, ..e };
                    let changed = naive.change(|k| k == key, |e| Some(mark(e)));
                    prop_assert_eq!(mmu.update(key, mark), !changed.is_empty());
                }
                Op::Page(key) => {
                    let removed = invalidated(|mut sink| invlpg(&mut mmu, key, &mut sink));
                    flush(naive.change(|k| k == key, |_| None), removed)?;
                }
                Op::Asid(asid) => {
                    let removed = invalidated(|mut sink| mmu.invalidate_asid(asid, &mut sink));
                    flush(naive.change(|k| k.asid == asid, |_| None), removed)?;
                }
                Op::All => {
                    let removed = invalidated(|mut sink| mmu.invalidate_all(&mut sink));
                    flush(naive.change(|_| true, |_| None), removed)?;
                }
            }
            let live = naive.live();
            let mut held: Vec<_> = mmu.iter().collect();
            held.sort_unstable_by_key(|(key, _)| *key);
            prop_assert_eq!(&held, &live.iter().map(|(k, e)| (*k, *e)).collect::<Vec<_>>());
            prop_assert!(held.iter().all(|(key, entry)| mmu.peek(*key) == Some(*entry)));
            prop_assert_eq!(mmu.is_empty(), held.is_empty());
        }
    }
}
