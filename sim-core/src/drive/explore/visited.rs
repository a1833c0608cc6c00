//! The visited set: whole keys in the order of their discovery, found through an open-addressing table. Exact: a digest only
//! says where to look.

use prefetch_index::prefetch_index;

/// A packed state: a few words of fixed size.
pub trait Key: Copy + Eq + Send + Sync {
    /// Where to look for it; equal keys have equal digests.
    fn digest(&self) -> u64;
}

impl Key for u64 {
    #[inline]
    fn digest(&self) -> u64 {
        finish(mix(0, *self))
    }
}

impl Key for u128 {
    #[inline]
    fn digest(&self) -> u64 {
        finish(mix(mix(0, *self as u64), (*self >> 64) as u64))
    }
}

impl<const N: usize> Key for [u64; N] {
    #[inline]
    fn digest(&self) -> u64 {
        digest(self)
    }
}

impl<const N: usize> Key for [u32; N] {
    #[inline]
    fn digest(&self) -> u64 {
        let pair = |two: &[u32]| two.iter().rev().fold(0, |word, &half| word << 32 | u64::from(half));
        finish(self.chunks(2).fold(0, |digest, two| mix(digest, pair(two))))
    }
}

/// The digest of a row of words.
#[inline]
pub(super) fn digest(row: &[u64]) -> u64 {
    finish(row.iter().fold(row.len() as u64, |digest, &word| mix(digest, word)))
}

/// The same of words of which the first one tells how many there are.
#[inline]
pub(super) fn digest_of(words: impl Iterator<Item = u64>) -> u64 {
    finish(words.fold(0, mix))
}

/// Odd, and without a pattern in its bits (the golden ratio).
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn mix(digest: u64, word: u64) -> u64 {
    (digest.rotate_left(5) ^ word).wrapping_mul(FACTOR)
}

/// Makes every bit count in the high half, which is what tables look at.
#[inline]
fn finish(digest: u64) -> u64 {
    (digest ^ digest >> 29).wrapping_mul(FACTOR)
}

/// Numbers by digest, in open addressing with linear probing. A slot keeps in its upper bits, which no number needs yet, what
/// the digest has there, so that a probe reads a key only if it is most likely the right one.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    /// The number plus one, and above it bits of the digest; 0 if free. A power of two of them, or none.
    table: Vec<u32>,
    used: usize,
    /// The bits of a slot that are of the digest.
    tag: u32,
    /// How far down a digest the bits are that say where to look first.
    shift: u32,
}

/// A number that is looked for: what its digest comes to in a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sought {
    /// The slot where a search for it begins.
    at: usize,
    /// The bits of the digest that its slot has.
    tag: u32,
    /// Of keys that are added together: how many there were once this one was looked for.
    pub(super) known: u32,
}

impl Sought {
    /// Where tags are these bits, and the digest says where to look as far down as `shift`.
    #[inline]
    fn of(digest: u64, tag: u32, shift: u32) -> Sought {
        Sought { at: digest.wrapping_shr(shift) as usize, tag: digest as u32 & tag, known: 0 }
    }
}

/// Where in a table with such tags a number is, or the free slot where it belongs.
#[inline]
fn probe(table: &[u32], tag: u32, sought: Sought, is_it: impl Fn(u32) -> bool) -> Result<u32, usize> {
    let (mut at, mask) = (sought.at, table.len() - 1);
    loop {
        let slot = table[at & mask];
        if slot == 0 {
            return Err(at & mask);
        }
        let id = (slot & !tag).wrapping_sub(1);
        if slot & tag == sought.tag && is_it(id) {
            return Ok(id);
        }
        at = at.wrapping_add(1);
    }
}

/// Slots to begin with, and how many it takes until more room is taken in smaller steps.
const FEW: usize = 64;
const MANY: usize = 1 << 16;

/// How many numbers so many slots hold: a quarter stays free, so that a search ends soon.
fn room(slots: usize) -> usize {
    slots / 4 * 3
}

impl Slots {
    /// Where a number is, or the free slot where it belongs.
    #[inline]
    fn probe(&self, digest: u64, is_it: impl Fn(u32) -> bool) -> Result<u32, usize> {
        probe(&self.table, self.tag, Sought::of(digest, self.tag, self.shift), is_it)
    }

    #[inline]
    pub(super) fn find(&self, digest: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        self.probe(digest, is_it).ok()
    }

    /// Adds a number that is not there.
    pub(super) fn insert(&mut self, digest: u64, id: u32, digest_of: impl Fn(u32) -> u64) {
        self.find_or_insert(digest, id, |_| false, digest_of);
    }

    /// The number that is there, or none after adding this one. Numbers are added in their order.
    #[inline]
    pub(super) fn find_or_insert(
        &mut self,
        digest: u64,
        id: u32,
        is_it: impl Fn(u32) -> bool,
        digest_of: impl Fn(u32) -> u64,
    ) -> Option<u32> {
        self.reserve(1, digest_of);
        match self.probe(digest, is_it) {
            Ok(known) => Some(known),
            Err(free) => {
                self.put(free, digest, id);
                None
            }
        }
    }

    #[inline]
    fn put(&mut self, free: usize, digest: u64, id: u32) {
        assert!(id != u32::MAX, "fewer than 2^32 - 1 numbers");
        self.table[free] = digest as u32 & self.tag | (id + 1);
        self.used += 1;
    }

    /// Makes room for so many more.
    #[inline]
    fn reserve(&mut self, more: usize, digest_of: impl Fn(u32) -> u64) {
        if self.used + more > room(self.table.len()) {
            self.grow(more, digest_of);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize, digest_of: impl Fn(u32) -> u64) {
        let mut len = self.table.len();
        while self.used + more > room(len) {
            len = if len < MANY { (len * 8).max(FEW) } else { len * 2 };
        }
        // In the same memory as far as it goes: what is new has to be mapped page by page, which is slow.
        self.table.fill(0);
        self.table.reserve_exact(len - self.table.len());
        self.table.resize(len, 0);
        self.tag = u32::MAX.checked_shl(len.ilog2()).unwrap_or(0);
        self.shift = u64::BITS - len.ilog2();
        for id in 0..std::mem::take(&mut self.used) as u32 {
            let digest = digest_of(id);
            let free = self.probe(digest, |_| false).expect_err("nothing is it");
            self.put(free, digest, id);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.table.len() as u64 * 4
    }
}

/// Keys in the order of their discovery.
#[derive(Debug)]
pub(super) struct Visited<K> {
    pub(super) keys: Vec<K>,
    slots: Slots,
}

impl<K: Key> Visited<K> {
    pub(super) fn new() -> Self {
        Visited { keys: Vec::new(), slots: Slots::default() }
    }

    #[inline]
    pub(super) fn find(&self, key: &K, digest: u64) -> Option<u32> {
        self.slots.find(digest, |id| self.keys[id as usize] == *key)
    }

    /// Is this key, one of those that were asked for, there?
    #[inline]
    pub(super) fn knows(&self, key: &K, sought: Sought) -> bool {
        let Slots { table, tag, .. } = &self.slots;
        probe(table, *tag, sought, |id| self.keys[id as usize] == *key).is_ok()
    }

    /// Makes room for so many more keys.
    pub(super) fn reserve(&mut self, more: usize) {
        let Visited { keys, slots } = self;
        slots.reserve(more, |id| keys[id as usize].digest());
        // As many as the table has room for, so that they are moved as seldom as it grows.
        keys.reserve_exact(room(slots.table.len()).saturating_sub(keys.len()));
    }

    /// The number of a key, or the free slot where it belongs: there has to be room for it.
    #[inline]
    pub(super) fn probe(&self, key: &K, digest: u64) -> Result<u32, usize> {
        self.slots.probe(digest, |id| self.keys[id as usize] == *key)
    }

    /// Adds a key where a probe has just found that it belongs.
    #[inline]
    pub(super) fn put(&mut self, free: usize, key: K, digest: u64) {
        self.slots.put(free, digest, self.keys.len() as u32);
        self.keys.push(key);
    }

    /// Adds a key; false if it was there.
    pub(super) fn insert(&mut self, key: K, digest: u64) -> bool {
        self.reserve(1);
        let free = self.probe(&key, digest).err();
        if let Some(free) = free {
            self.put(free, key, digest);
        }
        free.is_some()
    }

    /// Asks memory for what searches for these keys will read, in a table that has slots: it takes a hundred times as long to
    /// come as it takes to be looked at, and all of it can come at once.
    #[inline]
    pub(super) fn ask_for<'s>(&self, found: &[impl AsRef<K>], sought: &'s mut Vec<Sought>) -> &'s mut [Sought] {
        let (table, tag, shift) = (self.slots.table.as_slice(), self.slots.tag, self.slots.shift);
        if sought.len() < found.len() {
            sought.resize(found.len(), Sought::default());
        }
        let sought = &mut sought[..found.len()];
        for (found, sought) in found.iter().zip(&mut *sought) {
            *sought = Sought::of(found.as_ref().digest(), tag, shift);
            prefetch_index(table, sought.at);
        }
        // Most are known, and found where their search begins.
        for sought in &*sought {
            let slot = table[sought.at & (table.len() - 1)];
            prefetch_index(&self.keys, (slot & !tag).wrapping_sub(1) as usize);
        }
        sought
    }

    /// Adds what is new among these keys, for which there has to be room, up to `most` keys in all. Returns how many of them
    /// were looked at.
    // By itself, with all that it needs at hand: this is where most of a search's time goes.
    #[inline(never)]
    pub(super) fn add_all(&mut self, found: &[impl AsRef<K>], sought: &mut Vec<Sought>, most: usize) -> usize {
        let sought = self.ask_for(found, sought);
        let (known, Slots { table, used, tag, .. }) = (&mut self.keys, &mut self.slots);
        let (table, tag) = (table.as_mut_slice(), *tag);
        // A slot keeps a number plus one.
        let most = most.min(u32::MAX as usize - 1);
        let mut looked_at = 0;
        while looked_at < found.len() {
            let (key, sought) = (found[looked_at].as_ref(), &mut sought[looked_at]);
            if let Err(free) = probe(table, tag, *sought, |id| known[id as usize] == *key) {
                if known.len() >= most {
                    break;
                }
                known.push(*key);
                table[free] = sought.tag | known.len() as u32;
            }
            sought.known = known.len() as u32;
            looked_at += 1;
        }
        *used = known.len();
        looked_at
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        size_of_val(self.keys.as_slice()) as u64 + self.slots.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key whose digests all collide.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Same(u32);

    impl Key for Same {
        fn digest(&self) -> u64 {
            7 << 32
        }
    }

    impl AsRef<Same> for Same {
        fn as_ref(&self) -> &Same {
            self
        }
    }

    #[test]
    fn keys_are_compared_whole_when_digests_collide() {
        let mut visited = Visited::new();
        for n in 0..500 {
            let key = Same(n);
            assert_eq!(visited.find(&key, key.digest()), None);
            assert!(visited.insert(key, key.digest()));
            assert!(!visited.insert(key, key.digest()));
        }
        assert!((0..500).all(|n| visited.find(&Same(n), Same(n).digest()) == Some(n)));
    }

    #[test]
    fn keys_are_added_together_in_their_order_up_to_a_bound() {
        let found = |keys: &[u32]| keys.iter().map(|&n| Same(n)).collect::<Vec<_>>();
        let (mut visited, mut sought) = (Visited::new(), Vec::new());
        visited.reserve(5);
        let mut add = |visited: &mut Visited<Same>, keys: &[u32], most| {
            let looked_at = visited.add_all(&found(keys), &mut sought, most);
            sought[..looked_at].iter().map(|sought| sought.known).collect::<Vec<_>>()
        };
        assert_eq!(add(&mut visited, &[8, 9, 8, 7, 9], 9), [1, 2, 2, 3, 3]);
        assert_eq!(add(&mut visited, &[7, 6, 9, 5, 4], 5), [3, 4, 4, 5], "4 would be the sixth");
        assert_eq!(visited.keys, [8, 9, 7, 6, 5].map(Same));
        visited.ask_for(&found(&[5, 4]), &mut sought);
        assert!(visited.knows(&Same(5), sought[0]) && !visited.knows(&Same(4), sought[1]));
        assert_eq!(visited.slots.used, 5, "room is taken by those that were added together");
    }

    #[test]
    fn growing_loses_nothing() {
        let mut visited = Visited::new();
        for n in 0..10_000_u64 {
            assert!(visited.insert(n * n, (n * n).digest()));
        }
        assert!((0..10_000_u64).all(|n| visited.find(&(n * n), (n * n).digest()) == Some(n as u32)));
        assert_eq!(visited.find(&2, 2_u64.digest()), None);
    }
}
