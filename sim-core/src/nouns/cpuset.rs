//! Sets of CPUs: `mm_cpumask`, the batch's mask, the targets of a shootdown.

use crate::nouns::types::Cpu;

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
    pub fn insert(&mut self, cpu: Cpu) {
        self.0[usize::from(cpu.0 / 64)] |= 1 << (cpu.0 % 64);
    }

    /// Removes a CPU.
    pub fn remove(&mut self, cpu: Cpu) {
        self.0[usize::from(cpu.0 / 64)] &= !(1 << (cpu.0 % 64));
    }

    /// Is the CPU in it?
    pub fn contains(&self, cpu: Cpu) -> bool {
        self.0[usize::from(cpu.0 / 64)] & (1 << (cpu.0 % 64)) != 0
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
        let mut word = usize::from(from / 64);
        let mut bits = self.0.get(word)? & (u64::MAX << (from % 64));
        loop {
            if bits != 0 {
                return Some(Cpu(word as u16 * 64 + bits.trailing_zeros() as u16));
            }
            word += 1;
            bits = *self.0.get(word)?;
        }
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Cpu> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let cpu = self.next_from(from)?;
            from = cpu.0 + 1;
            Some(cpu)
        })
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

impl<const WORDS: usize> FromIterator<Cpu> for CpuSet<WORDS> {
    fn from_iter<I: IntoIterator<Item = Cpu>>(cpus: I) -> Self {
        let mut set = Self::default();
        for cpu in cpus {
            set.insert(cpu);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_across_words() {
        let set: CpuSet<2> = [Cpu(0), Cpu(63), Cpu(64), Cpu(127)].into_iter().collect();
        assert_eq!(set.iter().map(|c| c.0).collect::<Vec<_>>(), [0, 63, 64, 127]);
        assert_eq!(set.next_from(65), Some(Cpu(127)));
        assert_eq!(set.len(), 4);
    }

    #[test]
    fn any_but_ignores_only_the_named_cpu() {
        let mut set: CpuSet<1> = [Cpu(3)].into_iter().collect();
        assert!(!set.any_but(Cpu(3)));
        assert!(set.any_but(Cpu(2)));
        set.insert(Cpu(9));
        assert!(set.any_but(Cpu(3)));
    }
}
