//! The MMU by the book: lists, searched from end to end. The tests hold the real one against it.

use super::{Access, Lookup};
use crate::machine::tlb::{Entry, Found, Key, PageSize};
use std::collections::BTreeMap;

/// The array by the book: each set a list, oldest first; `None` is a ghost.
#[derive(Clone, Debug)]
pub(in crate::machine) struct NaiveArray {
    sets: Vec<Vec<(Key, Option<Entry>)>>,
    ways: usize,
}

impl NaiveArray {
    pub(in crate::machine) fn new(entries: u32, ways: u32) -> Self {
        Self { sets: vec![Vec::new(); (entries / ways) as usize], ways: ways as usize }
    }

    fn set(&mut self, key: Key) -> &mut Vec<(Key, Option<Entry>)> {
        let set = key.vpn % self.sets.len() as u64;
        &mut self.sets[set as usize]
    }

    pub(in crate::machine) fn lookup(&mut self, key: Key) -> Found {
        let set = self.set(key);
        match set.iter().position(|(k, _)| *k == key) {
            None => Found::Absent,
            Some(at) => set[at].1.map_or(Found::Flushed, |entry| {
                let way = set.remove(at);
                set.push(way);
                Found::Hit(entry)
            }),
        }
    }

    pub(in crate::machine) fn insert(&mut self, key: Key, entry: Entry) -> Option<(Key, Entry)> {
        let ways = self.ways;
        let set = self.set(key);
        set.retain(|(k, _)| *k != key);
        let mut evicted = None;
        if set.len() == ways {
            let victim = set.iter().position(|(_, e)| e.is_none()).unwrap_or(0);
            let (key, entry) = set.remove(victim);
            evicted = entry.map(|entry| (key, entry));
        }
        set.push((key, Some(entry)));
        evicted
    }

    pub(in crate::machine) fn change(&mut self, key: Key, f: impl Fn(Entry) -> Option<Entry>) {
        for (k, entry) in self.set(key) {
            if *k == key {
                *entry = entry.and_then(&f);
            }
        }
    }

    pub(in crate::machine) fn remove(&mut self, key: Key) {
        self.set(key).retain(|(k, e)| *k != key || e.is_none());
    }

    pub(in crate::machine) fn live(&self) -> BTreeMap<Key, Entry> {
        let ways = self.sets.iter().flatten();
        ways.filter_map(|(k, e)| e.map(|e| (*k, e))).collect()
    }
}

/// First levels for fetch and data, then the second level, per page size as the rules of the module say.
pub(super) struct NaiveMmu {
    /// Fetch 4 KiB, fetch 2 MiB, data 4 KiB, data 2 MiB.
    pub(super) first: [NaiveArray; 4],
    pub(super) stlb: NaiveArray,
    pub(super) stlb_holds_2m: bool,
}

impl NaiveMmu {
    fn held_below(&self, key: Key) -> bool {
        key.size == PageSize::Size4K || self.stlb_holds_2m
    }

    fn first(key: Key, access: Access) -> usize {
        usize::from(access != Access::Fetch) * 2 + key.size as usize
    }

    pub(super) fn lookup(&mut self, key: Key, access: Access) -> Lookup {
        let at = Self::first(key, access);
        let first = self.first[at].lookup(key);
        let last = match first {
            Found::Flushed | Found::Absent if self.held_below(key) => self.stlb.lookup(key),
            found => found,
        };
        match (first, last) {
            (Found::Hit(entry), _) => Lookup::L1(entry),
            (_, Found::Hit(entry)) => {
                self.first[at].insert(key, entry);
                Lookup::Stlb(entry)
            }
            (_, last) => Lookup::Miss { flushed: last == Found::Flushed },
        }
    }

    pub(super) fn fill(&mut self, key: Key, access: Access, entry: Entry) -> Option<(Key, Entry)> {
        let before = self.live();
        for first in &mut self.first {
            first.change(key, |_| Some(entry));
        }
        self.first[Self::first(key, access)].insert(key, entry);
        if self.held_below(key)
            && let Some((victim, _)) = self.stlb.insert(key, entry)
        {
            for at in [victim.size as usize, 2 + victim.size as usize] {
                self.first[at].remove(victim);
            }
        }
        let after = self.live();
        before.into_iter().find(|(k, _)| !after.contains_key(k))
    }

    pub(super) fn change(
        &mut self,
        wanted: impl Fn(Key) -> bool,
        f: impl Fn(Entry) -> Option<Entry>,
    ) -> BTreeMap<Key, Entry> {
        let changed: BTreeMap<_, _> = self.live().into_iter().filter(|(k, _)| wanted(*k)).collect();
        for key in changed.keys() {
            for array in &mut self.first {
                array.change(*key, &f);
            }
            self.stlb.change(*key, &f);
        }
        changed
    }

    pub(super) fn live(&self) -> BTreeMap<Key, Entry> {
        let arrays = self.first.iter().chain([&self.stlb]);
        arrays.flat_map(NaiveArray::live).collect()
    }
}
