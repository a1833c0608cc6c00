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

/// Numbers by digest, in open addressing with linear probing; each slot keeps half of the digest, so that a probe reads a
/// key only if it is most likely the right one, and the table grows without reading any.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    /// High half: of the digest; low half: the number plus one, 0 if free.
    slots: Vec<u64>,
    used: usize,
}

const HIGH: u64 = u64::MAX << 32;

#[inline]
fn home(digest: u64) -> usize {
    (digest >> 32) as usize
}

impl Slots {
    #[inline]
    pub(super) fn find(&self, digest: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = home(digest) & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if (slot ^ digest) & HIGH == 0 && is_it(slot as u32 - 1) {
                return Some(slot as u32 - 1);
            }
            at = (at + 1) & mask;
        }
    }

    /// The slot at which a search begins. To read many before searching for any hides the time that memory takes.
    #[inline]
    fn first(&self, digest: u64) -> u64 {
        self.slots.len().checked_sub(1).map_or(0, |mask| self.slots[home(digest) & mask])
    }

    /// Adds a number that is not there.
    pub(super) fn insert(&mut self, digest: u64, id: u32) {
        self.find_or_insert(digest, id, |_| false);
    }

    /// The number that is there, or none after adding this one.
    #[inline]
    pub(super) fn find_or_insert(&mut self, digest: u64, id: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        if self.used * 8 >= self.slots.len() * 5 {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = home(digest) & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            if (slot ^ digest) & HIGH == 0 && is_it(slot as u32 - 1) {
                return Some(slot as u32 - 1);
            }
            at = (at + 1) & mask;
        }
        assert!(id != u32::MAX, "fewer than 2^32 - 1 numbers");
        self.used += 1;
        self.slots[at] = digest & HIGH | (u64::from(id) + 1);
        None
    }

    #[cold]
    fn grow(&mut self) {
        let doubled = vec![0; (self.slots.len() * 2).max(64)];
        let old = std::mem::replace(&mut self.slots, doubled);
        old.into_iter().filter(|&slot| slot != 0).for_each(|slot| self.place(slot));
    }

    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = home(slot) & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    pub(super) fn bytes(&self) -> u64 {
        self.slots.len() as u64 * 8
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

    /// Adds a key; false if it was there.
    #[inline]
    pub(super) fn insert(&mut self, key: K, digest: u64) -> bool {
        let (keys, id) = (&self.keys, self.keys.len() as u32);
        let new = self.slots.find_or_insert(digest, id, |id| keys[id as usize] == key).is_none();
        if new {
            self.keys.push(key);
        }
        new
    }

    /// Brings to the caches what a search for each of these will read.
    #[inline]
    pub(super) fn warm(&self, digests: impl Iterator<Item = u64>) {
        std::hint::black_box(digests.fold(0, |all, digest| all ^ self.slots.first(digest)));
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
