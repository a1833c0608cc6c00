//! The event queue: a tournament tree with one leaf per event source.
//!
//! A source (a core, a timer, an interrupt inbox) has at most one next event, so the queue needs no insertion or removal, only
//! a change of key. A leaf holds `time << 12 | source`; an inner node holds the smallest of its four children, and a change walks
//! one fixed path of `min` operations to the root. Equal times are ordered by source number, which makes every run repeatable.

/// Bits of a key that hold the source number.
const SOURCE_BITS: u32 = 12;

/// The largest number of event sources a tree can have.
pub const SOURCES_MAX: u16 = 1 << SOURCE_BITS;

/// The first time, in cycles, that does not fit: 52 bits, less one value so that no event looks like "never".
pub const TIME_LIMIT_CYCLES: u64 = (1 << (64 - SOURCE_BITS)) - 1;

const NEVER: u64 = u64::MAX;

const SIBLINGS: usize = 4;

/// A winner tree over the next event time of each source.
///
/// ```
/// use sim_core::drive::tournament::Tournament;
///
/// let mut queue = Tournament::new(4);
/// queue.set(2, 100);
/// queue.set(1, 100);
/// assert_eq!(queue.min(), Some((100, 1)), "ties go to the lower source");
/// queue.clear(1);
/// assert_eq!(queue.min(), Some((100, 2)));
/// assert_eq!(queue.second_min_time_excluding(2), None);
/// ```
#[derive(Clone, Debug)]
pub struct Tournament {
    /// By groups of siblings, so that a step to the root looks at one place, and no comparison in it waits for another. Node `n` is
    /// in group `n / 4`, whose parent is node `leaves + n / 4`: the leaves come first, the root would come last and has no group. Which
    /// source is next is known only once the last change has reached the root, and where its path begins only then. As each operation
    /// from there to the next root waits for the one before, they are to be few.
    groups: Box<[[u64; SIBLINGS]]>,
    /// The smallest of the last group.
    root: u64,
    /// Leaves of the whole tree.
    leaves: usize,
    sources: u16,
}

impl Tournament {
    /// A tree of `sources` sources, none of which has an event yet.
    ///
    /// # Panics
    /// If there is no source or more than [`SOURCES_MAX`].
    pub fn new(sources: u16) -> Self {
        assert!(
            (1..=SOURCES_MAX).contains(&sources),
            "a tournament tree takes 1 to {SOURCES_MAX} sources, got {sources}"
        );
        let (mut leaves, mut groups) = (SIBLINGS, 1);
        while leaves < usize::from(sources) {
            groups += leaves;
            leaves *= SIBLINGS;
        }
        Self { groups: vec![[NEVER; SIBLINGS]; groups].into(), root: NEVER, leaves, sources }
    }

    /// How many sources the tree was made for.
    pub fn sources(&self) -> u16 {
        self.sources
    }

    /// Makes `time` (cycles) the next event of `source`, replacing whatever it had. O(log sources).
    ///
    /// # Panics
    /// If the source does not exist or the time is not below [`TIME_LIMIT_CYCLES`].
    #[expect(clippy::inline_always, reason = "a call here costs an access that a TLB serves 3 % of its instructions")]
    #[inline(always)]
    pub fn set(&mut self, source: u16, time: u64) {
        self.replace(source, key_of(source, time));
    }

    /// Makes `time` (cycles) the next event of the source whose event is the earliest of all. O(log sources).
    ///
    /// Where another event lies is known only once the earliest is. In a single group that is not waited for: what is left without the
    /// earliest is the smallest but one, wherever it lies.
    ///
    /// # Panics
    /// If there is no event, or as [`Tournament::set`].
    #[expect(clippy::inline_always, reason = "as for `set`")]
    #[inline(always)]
    pub fn put_off(&mut self, time: u64) {
        let (_, source) = self.min().expect("there is an event to put off");
        let [group] = &mut *self.groups else { return self.set(source, time) };
        let key = key_of(source, time);
        let second = second_of(*group);
        group[usize::from(source) % SIBLINGS] = key;
        self.root = key.min(second);
    }

    /// Takes the event of `source` away: it happens never. O(log sources).
    ///
    /// # Panics
    /// If the source does not exist.
    #[inline]
    pub fn clear(&mut self, source: u16) {
        self.replace(source, NEVER);
    }

    /// The time of the event of `source`, if it has one.
    ///
    /// # Panics
    /// If the source does not exist.
    pub fn time_of(&self, source: u16) -> Option<u64> {
        let leaf = self.leaf(source);
        split(self.groups[leaf / SIBLINGS][leaf % SIBLINGS]).map(|(time, _)| time)
    }

    /// The earliest event of all, as (time in cycles, source). O(1).
    #[inline]
    pub fn min(&self) -> Option<(u64, u16)> {
        split(self.root)
    }

    /// The earliest event of any *other* source: how far `source` may run ahead. O(log sources).
    ///
    /// # Panics
    /// If the source does not exist.
    #[inline]
    pub fn min_excluding(&self, source: u16) -> Option<(u64, u16)> {
        let mut node = self.leaf(source);
        let mut least = NEVER;
        while let Some(group) = self.groups.get(node / SIBLINGS) {
            least = least.min(least_of_others(group, node));
            node = self.leaves + node / SIBLINGS;
        }
        split(least)
    }

    /// The time alone of [`Tournament::min_excluding`].
    ///
    /// # Panics
    /// If the source does not exist.
    #[inline]
    pub fn second_min_time_excluding(&self, source: u16) -> Option<u64> {
        self.min_excluding(source).map(|(time, _)| time)
    }

    #[inline]
    fn leaf(&self, source: u16) -> usize {
        if source >= self.sources {
            no_source(source);
        }
        usize::from(source)
    }

    #[expect(clippy::inline_always, reason = "as for `set`")]
    #[inline(always)]
    fn replace(&mut self, source: u16, key: u64) {
        let mut node = self.leaf(source);
        let mut least = key;
        while let Some(group) = self.groups.get_mut(node / SIBLINGS) {
            group[node % SIBLINGS] = least;
            least = least.min(least_of_others(group, node));
            node = self.leaves + node / SIBLINGS;
        }
        self.root = least;
    }
}

// By themselves and by value: a message that borrows what it names keeps that in memory on every change.
#[cold]
#[inline(never)]
fn too_late(time: u64) -> ! {
    panic!("time {time} does not fit into 52 bits");
}

#[cold]
#[inline(never)]
fn no_source(source: u16) -> ! {
    panic!("no event source {source}");
}

#[expect(clippy::inline_always, reason = "as for `set`")]
#[inline(always)]
fn key_of(source: u16, time: u64) -> u64 {
    if time >= TIME_LIMIT_CYCLES {
        too_late(time);
    }
    time << SOURCE_BITS | u64::from(source)
}

/// The smallest of the siblings of a node.
#[inline]
fn least_of_others(group: &[u64; SIBLINGS], node: usize) -> u64 {
    let [a, b, c] = [1, 2, 3].map(|other| group[(node ^ other) % SIBLINGS]);
    a.min(b).min(c)
}

/// The smallest but one.
#[inline]
fn second_of([a, b, c, d]: [u64; SIBLINGS]) -> u64 {
    let (first, second) = (a.min(b), c.min(d));
    first.max(second).min(a.max(b)).min(c.max(d))
}

#[inline]
fn split(key: u64) -> Option<(u64, u16)> {
    let source = (key & u64::from(SOURCES_MAX - 1)) as u16;
    (key != NEVER).then_some((key >> SOURCE_BITS, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn holds_the_last_time_of_the_last_source() {
        let mut tree = Tournament::new(SOURCES_MAX);
        tree.set(SOURCES_MAX - 1, TIME_LIMIT_CYCLES - 1);
        assert_eq!(tree.min(), Some((TIME_LIMIT_CYCLES - 1, SOURCES_MAX - 1)));
    }

    #[test]
    #[should_panic(expected = "does not fit into 52 bits")]
    fn refuses_a_time_beyond_the_limit() {
        Tournament::new(1).set(0, TIME_LIMIT_CYCLES);
    }

    #[test]
    #[should_panic(expected = "does not fit into 52 bits")]
    fn refuses_to_put_an_event_off_beyond_the_limit() {
        let mut tree = Tournament::new(2);
        tree.set(1, 0);
        tree.put_off(TIME_LIMIT_CYCLES);
    }

    #[test]
    #[should_panic(expected = "there is an event to put off")]
    fn refuses_to_put_off_what_is_not_there() {
        Tournament::new(1).put_off(7);
    }

    #[test]
    #[should_panic(expected = "no event source 3")]
    fn refuses_a_source_that_is_only_padding() {
        Tournament::new(3).set(3, 1);
    }

    #[test]
    fn one_source_has_nobody_to_wait_for() {
        let mut tree = Tournament::new(1);
        tree.set(0, 7);
        assert_eq!(tree.min(), Some((7, 0)));
        assert_eq!(tree.min_excluding(0), None);
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map(
            // Up to four are one group.
            sources in prop_oneof![1_u16..=4, 5_u16..=70],
            ops in prop::collection::vec((any::<u16>(), prop::option::weighted(0.8, 0_u64..40), any::<bool>()), 1..200),
        ) {
            let mut tree = Tournament::new(sources);
            let mut model = BTreeMap::new();
            for (source, time, first) in ops {
                let source = source % sources;
                let earliest = tree.min().map(|(_, source)| source);
                if let (Some(time), true, Some(source)) = (time, first, earliest) {
                    tree.put_off(time);
                    model.insert(source, time);
                } else if let Some(time) = time {
                    tree.set(source, time);
                    model.insert(source, time);
                } else {
                    tree.clear(source);
                    model.remove(&source);
                }
                let earliest = |skip: Option<u16>| {
                    model.iter().filter(|(s, _)| Some(**s) != skip).map(|(s, t)| (*t, *s)).min()
                };
                prop_assert_eq!(tree.min(), earliest(None));
                for other in 0..sources {
                    prop_assert_eq!(tree.min_excluding(other), earliest(Some(other)));
                    prop_assert_eq!(tree.time_of(other), model.get(&other).copied());
                }
            }
        }
    }
}
