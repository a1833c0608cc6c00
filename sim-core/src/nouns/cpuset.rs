//! Sets of CPUs: `mm_cpumask`, the batch's mask, the targets of a shootdown.

use crate::nouns::types::Cpu;

/// The word that a CPU is in, and its bit there.
#[inline]
fn bit(cpu: Cpu) -> (usize, u64) {
    (usize::from(cpu.0 / 64), 1 << (cpu.0 % 64))
}

/// The lowest CPU in these words with a number of at least `from`.
#[inline]
fn next_in(words: &[u64], from: u16) -> Option<Cpu> {
    let mut word = usize::from(from / 64);
    let mut bits = words.get(word)? & (u64::MAX << (from % 64));
    while bits == 0 {
        word += 1;
        bits = *words.get(word)?;
    }
    Some(lowest(word, bits))
}

/// The lowest CPU in a word that has one.
#[inline]
fn lowest(word: usize, bits: u64) -> Cpu {
    Cpu(word as u16 * 64 + bits.trailing_zeros() as u16)
}

/// All CPUs that a search from a number on finds, in ascending order.
fn ascending(next: impl Fn(u16) -> Option<Cpu>) -> impl Iterator<Item = Cpu> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let cpu = next(from)?;
        from = cpu.0 + 1;
        Some(cpu)
    })
}

/// A set of up to `64 * WORDS` CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CpuSet<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for CpuSet<WORDS> {
    fn default() -> Self {
        CpuSet([0; WORDS])
    }
}

impl<const WORDS: usize> CpuSet<WORDS> {
    /// Nobody.
    pub const EMPTY: Self = CpuSet([0; WORDS]);
    /// How many CPUs it can name.
    pub const CAPACITY: u16 = (WORDS * 64) as u16;

    /// Adds a CPU.
    #[inline]
    pub fn insert(&mut self, cpu: Cpu) {
        let (word, bit) = bit(cpu);
        self.0[word] |= bit;
    }

    /// Removes a CPU.
    #[inline]
    pub fn remove(&mut self, cpu: Cpu) {
        let (word, bit) = bit(cpu);
        self.0[word] &= !bit;
    }

    /// Is the CPU in it?
    #[inline]
    pub fn contains(&self, cpu: Cpu) -> bool {
        let (word, bit) = bit(cpu);
        self.0[word] & bit != 0
    }

    /// Adds all of another set.
    pub fn insert_all(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    /// Is nobody in it?
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&w| w == 0)
    }

    /// How many CPUs are in it.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|w| w.count_ones()).sum()
    }

    /// Is anybody but this CPU in it? The question `should_defer_flush` asks of `mm_cpumask`.
    pub fn any_but(&self, cpu: Cpu) -> bool {
        let mut others = *self;
        others.remove(cpu);
        !others.is_empty()
    }

    /// The lowest CPU with a number of at least `from`.
    pub fn next_from(&self, from: u16) -> Option<Cpu> {
        next_in(&self.0, from)
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Cpu> + '_ {
        ascending(|from| self.next_from(from))
    }

    /// The set with these raw words.
    pub fn from_words(words: [u64; WORDS]) -> Self {
        CpuSet(words)
    }

    /// The raw words, for packing a state.
    pub fn words(&self) -> &[u64; WORDS] {
        &self.0
    }
}

/// Words of a [`Crowd`].
const CROWD_WORDS: usize = 16;

/// A set of up to 1,024 CPUs that is asked for its members more often than it is changed: words without any are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crowd {
    cpus: CpuSet<CROWD_WORDS>,
    /// One bit for each word that is not 0.
    used: u32,
}

impl Default for Crowd {
    fn default() -> Self {
        Crowd::EMPTY
    }
}

impl Crowd {
    /// Nobody.
    pub const EMPTY: Self = Crowd { cpus: CpuSet::EMPTY, used: 0 };
    /// How many CPUs it can name.
    pub const CAPACITY: u16 = CpuSet::<CROWD_WORDS>::CAPACITY;

    /// Adds a CPU.
    #[inline]
    pub fn insert(&mut self, cpu: Cpu) {
        self.cpus.insert(cpu);
        self.used |= 1 << (cpu.0 / 64);
    }

    /// Removes a CPU.
    #[inline]
    pub fn remove(&mut self, cpu: Cpu) {
        self.cpus.remove(cpu);
        let (word, _) = bit(cpu);
        self.used &= !(u32::from(self.cpus.0[word] == 0) << word);
    }

    /// Is the CPU in it?
    #[inline]
    pub fn contains(&self, cpu: Cpu) -> bool {
        self.cpus.contains(cpu)
    }

    /// Adds all of another set.
    pub fn insert_all(&mut self, other: &Self) {
        self.cpus.insert_all(&other.cpus);
        self.used |= other.used;
    }

    /// Is nobody in it?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Is anybody but this CPU in it?
    #[inline]
    pub fn any_but(&self, cpu: Cpu) -> bool {
        let (word, bit) = bit(cpu);
        self.used & !(1 << word) != 0 || self.cpus.0[word] & !bit != 0
    }

    /// The lowest CPU with a number of at least `from`.
    #[inline]
    pub fn next_from(&self, from: u16) -> Option<Cpu> {
        let word = usize::from(from / 64);
        let bits = self.cpus.0.get(word)? & (u64::MAX << (from % 64));
        if bits != 0 {
            return Some(lowest(word, bits));
        }
        let later = self.used & (u32::MAX << word << 1);
        let word = later.trailing_zeros() as usize;
        Some(lowest(word, *self.cpus.0.get(word)?))
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Cpu> + '_ {
        ascending(|from| self.next_from(from))
    }
}

/// Any number of sets of the CPUs of one machine, by number; each takes as many words as the machine needs.
#[derive(Clone, Debug)]
pub struct Crowds {
    words: Vec<u64>,
    words_each: usize,
}

impl Crowds {
    /// No set yet.
    pub fn new(cpus: u16) -> Crowds {
        Crowds { words: Vec::new(), words_each: usize::from(cpus.max(1)).div_ceil(64) }
    }

    /// Adds a set with nobody in it.
    pub fn push(&mut self) {
        self.words.resize(self.words.len() + self.words_each, 0);
    }

    /// What one set takes, in bytes.
    pub fn bytes_each(&self) -> usize {
        self.words_each * size_of::<u64>()
    }

    #[inline]
    fn set(&self, set: u32) -> &[u64] {
        let start = set as usize * self.words_each;
        &self.words[start..start + self.words_each]
    }

    #[inline]
    fn set_mut(&mut self, set: u32) -> &mut [u64] {
        let start = set as usize * self.words_each;
        &mut self.words[start..start + self.words_each]
    }

    /// Adds a CPU to a set.
    #[inline]
    pub fn insert(&mut self, set: u32, cpu: Cpu) {
        let (word, bit) = bit(cpu);
        self.set_mut(set)[word] |= bit;
    }

    /// Removes a CPU from a set.
    #[inline]
    pub fn remove(&mut self, set: u32, cpu: Cpu) {
        let (word, bit) = bit(cpu);
        self.set_mut(set)[word] &= !bit;
    }

    /// Removes everybody from a set.
    #[inline]
    pub fn clear(&mut self, set: u32) {
        match self.set_mut(set) {
            // Most machines have one: a store, where `fill` is a call.
            [word] => *word = 0,
            words => words.fill(0),
        }
    }

    /// Is a CPU in a set?
    #[inline]
    pub fn contains(&self, set: u32, cpu: Cpu) -> bool {
        let (word, bit) = bit(cpu);
        self.set(set)[word] & bit != 0
    }

    /// Is nobody in a set?
    #[inline]
    pub fn is_empty(&self, set: u32) -> bool {
        self.set(set).iter().all(|&word| word == 0)
    }

    /// The lowest CPU of a set with a number of at least `from`.
    #[inline]
    pub fn next_from(&self, set: u32, from: u16) -> Option<Cpu> {
        next_in(self.set(set), from)
    }

    /// The CPUs of a set in ascending order.
    pub fn iter(&self, set: u32) -> impl Iterator<Item = Cpu> + '_ {
        ascending(move |from| self.next_from(set, from))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of<const WORDS: usize, const N: usize>(cpus: [u16; N]) -> CpuSet<WORDS> {
        let mut set = CpuSet::EMPTY;
        for cpu in cpus {
            set.insert(Cpu(cpu));
        }
        set
    }

    #[test]
    fn walks_across_words() {
        let set: CpuSet<2> = of([0, 63, 64, 127]);
        assert_eq!(set.iter().map(|c| c.0).collect::<Vec<_>>(), [0, 63, 64, 127]);
        assert_eq!(set.next_from(65), Some(Cpu(127)));
        assert_eq!(set.len(), 4);
    }

    #[test]
    fn any_but_ignores_only_the_named_cpu() {
        let mut set: CpuSet<1> = of([3]);
        assert!(!set.any_but(Cpu(3)));
        assert!(set.any_but(Cpu(2)));
        set.insert(Cpu(9));
        assert!(set.any_but(Cpu(3)));
    }

    proptest! {
        #[test]
        fn a_crowd_is_a_plain_set_of_its_size(ops in prop::collection::vec((0_u8..11, 0_u16..1_024), 1..200)) {
            let (mut crowd, mut plain) = (Crowd::EMPTY, CpuSet::<CROWD_WORDS>::EMPTY);
            for (what, cpu) in ops {
                let cpu = Cpu(cpu);
                match what {
                    0..5 => (crowd.insert(cpu), plain.insert(cpu)),
                    5..10 => {
                        let held = plain.next_from(cpu.0).unwrap_or(cpu);
                        (crowd.remove(held), plain.remove(held))
                    }
                    _ => {
                        let others = crowd;
                        crowd = Crowd::EMPTY;
                        crowd.insert(cpu);
                        (crowd.insert_all(&others), plain.insert(cpu))
                    }
                };
                prop_assert_eq!(crowd.cpus, plain);
                prop_assert_eq!(crowd.is_empty(), plain.is_empty());
                prop_assert_eq!(crowd.any_but(cpu), plain.any_but(cpu));
                prop_assert_eq!(crowd.contains(cpu), plain.contains(cpu));
                for from in [0, cpu.0, cpu.0 + 1, 1_023, 1_024] {
                    prop_assert_eq!(crowd.next_from(from), plain.next_from(from));
                }
                prop_assert!(crowd.iter().eq(plain.iter()));
                prop_assert_eq!(crowd == Crowd::EMPTY, plain.is_empty());
            }
        }
    }

    #[test]
    fn crowds_of_one_machine_are_apart() {
        for (cpus, each) in [(1, 8), (64, 8), (65, 16), (1_024, 128)] {
            let mut crowds = Crowds::new(cpus);
            (0..3).for_each(|_| crowds.push());
            assert_eq!(crowds.bytes_each(), each);
            let last = Cpu(cpus - 1);
            crowds.insert(1, last);
            crowds.insert(1, Cpu(0));
            assert_eq!(crowds.iter(1).last(), Some(last), "{cpus} CPUs");
            assert_eq!(crowds.next_from(1, cpus), None);
            assert!(crowds.is_empty(0) && crowds.is_empty(2) && crowds.contains(1, last));
            crowds.remove(1, last);
            assert_eq!(crowds.contains(1, last), cpus > 1 && last == Cpu(0));
            crowds.insert(1, last);
            crowds.clear(1);
            assert!(crowds.is_empty(1));
        }
    }
}
