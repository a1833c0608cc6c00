//! The visited set: whole keys in the order of their discovery, found through an open-addressing table. Exact: a digest only
//! says where to look.

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
        let mask = self.table.len() - 1;
        let mut at = (digest >> self.shift) as usize;
        loop {
            let slot = self.table[at & mask];
            if slot == 0 {
                return Err(at & mask);
            }
            let id = (slot & !self.tag).wrapping_sub(1);
            if (slot ^ digest as u32) & self.tag == 0 && is_it(id) {
                return Ok(id);
            }
            at += 1;
        }
    }

    #[inline]
    pub(super) fn find(&self, digest: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        self.probe(digest, is_it).ok()
    }

    /// What a search for this reads first: the slot at which it begins. To read many before searching for any hides the time
    /// that memory takes.
    #[inline]
    fn first(&self, digest: u64) -> u32 {
        self.table.get((digest >> self.shift) as usize).map_or(0, |&slot| slot)
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
        // The old ones go first: both at once would be the most memory of a search.
        self.table = Vec::new();
        self.table = vec![0; len];
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

    /// Digests these keys, and brings to the caches what a search for each will read first.
    #[inline]
    pub(super) fn warm<'k>(&self, keys: impl Iterator<Item = &'k K>, digests: &mut Vec<u64>)
    where
        K: 'k,
    {
        digests.clear();
        digests.extend(keys.map(Key::digest));
        std::hint::black_box(digests.iter().fold(0, |all, &digest| all ^ self.slots.first(digest)));
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
    fn growing_loses_nothing() {
        let mut visited = Visited::new();
        for n in 0..10_000_u64 {
            assert!(visited.insert(n * n, (n * n).digest()));
        }
        assert!((0..10_000_u64).all(|n| visited.find(&(n * n), (n * n).digest()) == Some(n as u32)));
        assert_eq!(visited.find(&2, 2_u64.digest()), None);
    }
}
