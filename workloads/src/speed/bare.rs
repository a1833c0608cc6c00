//! The bare loop: cores, each with a first and a second level of plain tag arrays, and an event queue, and nothing else.
//!
//! It is the measure of what the simulator adds: no address spaces, no rights, no kernel,
//! no oracle, no statistics but counts.

use super::mix::{Mix, Stream};
use super::{Hits, LOOKAHEAD_CYCLES, STLB_CYCLES, Shape, WALK_CYCLES};

const L1_SETS: u64 = 16;
const L1_WAYS: usize = 4;
const STLB_SETS: u64 = 128;
const STLB_WAYS: usize = 12;
/// Bits of a queue key that hold the core.
const CORE_BITS: u32 = 12;

struct Core {
    l1_tags: [[u64; L1_WAYS]; L1_SETS as usize],
    l1_used: [[u32; L1_WAYS]; L1_SETS as usize],
    stlb_tags: Vec<[u64; STLB_WAYS]>,
    stlb_used: Vec<[u32; STLB_WAYS]>,
    now: u32,
    hits: Hits,
    stream: Stream,
}

impl Core {
    fn new(mix: Mix, stream: Stream) -> Core {
        let sets = STLB_SETS as usize;
        let mut core = Core {
            l1_tags: [[0; L1_WAYS]; L1_SETS as usize],
            l1_used: [[0; L1_WAYS]; L1_SETS as usize],
            stlb_tags: vec![[0; STLB_WAYS]; sets],
            stlb_used: vec![[0; STLB_WAYS]; sets],
            now: 0,
            hits: Hits::default(),
            stream,
        };
        mix.resident().for_each(|vpn| _ = core.access(vpn));
        core.hits = Hits::default();
        core
    }

    /// The cycles of the next access; none: there is none left.
    #[inline]
    fn step(&mut self, mix: Mix) -> Option<u64> {
        self.stream.next(mix).map(|vpn| self.access(vpn))
    }

    #[inline]
    fn access(&mut self, vpn: u64) -> u64 {
        self.now += 1;
        let tag = vpn << 12 | 1;
        let set = (vpn % L1_SETS) as usize;
        let found = find(&self.l1_tags[set], tag);
        if found != 0 {
            self.l1_used[set][found.trailing_zeros() as usize] = self.now;
            self.hits.l1 += 1;
            return 1;
        }
        fill(&mut self.l1_tags[set], &mut self.l1_used[set], tag, self.now);
        let set = (vpn % STLB_SETS) as usize;
        let found = find(&self.stlb_tags[set], tag);
        if found != 0 {
            self.stlb_used[set][found.trailing_zeros() as usize] = self.now;
            self.hits.stlb += 1;
            return 1 + STLB_CYCLES;
        }
        fill(&mut self.stlb_tags[set], &mut self.stlb_used[set], tag, self.now);
        self.hits.walks += 1;
        1 + STLB_CYCLES + WALK_CYCLES
    }
}

/// One bit for each way that holds the tag.
#[inline]
fn find<const W: usize>(tags: &[u64; W], tag: u64) -> u32 {
    let mut found = 0;
    for (way, &held) in tags.iter().enumerate() {
        found |= u32::from(held == tag) << way;
    }
    found
}

#[inline]
fn fill<const W: usize>(tags: &mut [u64; W], used: &mut [u32; W], tag: u64, now: u32) {
    let mut oldest = 0;
    for way in 1..W {
        if used[way] < used[oldest] {
            oldest = way;
        }
    }
    (tags[oldest], used[oldest]) = (tag, now);
}

/// The bare loop, ready to run.
pub struct Bare {
    shape: Shape,
    cores: Vec<Core>,
    /// A tournament tree: node 1 is the root.
    nodes: Vec<u64>,
}

impl Bare {
    /// Cores whose TLBs are warm.
    pub fn new(shape: Shape) -> Bare {
        let leaves = usize::from(shape.cores).next_power_of_two();
        let mut nodes = vec![u64::MAX; 2 * leaves];
        for core in 0..usize::from(shape.cores) {
            nodes[leaves + core] = core as u64;
        }
        for node in (1..leaves).rev() {
            nodes[node] = nodes[2 * node].min(nodes[2 * node + 1]);
        }
        let streams = shape.streams();
        Bare { shape, cores: streams.map(|stream| Core::new(shape.mix, stream)).collect(), nodes }
    }

    /// Does all accesses.
    pub fn run(&mut self) -> Hits {
        if self.shape.run_ahead {
            self.run_ahead();
        } else {
            self.one_by_one();
        }
        let of_cores = self.cores.iter().map(|core| core.hits);
        of_cores.fold(Hits::default(), Hits::plus)
    }

    fn one_by_one(&mut self) {
        let mix = self.shape.mix;
        while self.nodes[1] != u64::MAX {
            let key = self.nodes[1];
            let core = (key & ((1 << CORE_BITS) - 1)) as usize;
            let next = self.cores[core].step(mix).map_or(u64::MAX, |cycles| key + (cycles << CORE_BITS));
            self.set(core, next);
        }
    }

    fn run_ahead(&mut self) {
        let mix = self.shape.mix;
        while self.nodes[1] != u64::MAX {
            let key = self.nodes[1];
            let core = (key & ((1 << CORE_BITS) - 1)) as usize;
            let mut time = key >> CORE_BITS;
            let limit = time + LOOKAHEAD_CYCLES;
            let mut next = u64::MAX;
            while let Some(cycles) = self.cores[core].step(mix) {
                time += cycles;
                if time >= limit {
                    next = time << CORE_BITS | core as u64;
                    break;
                }
            }
            self.set(core, next);
        }
    }

    #[inline]
    fn set(&mut self, core: usize, key: u64) {
        let mut node = self.nodes.len() / 2 + core;
        let mut least = key;
        self.nodes[node] = least;
        while node > 1 {
            least = least.min(self.nodes[node ^ 1]);
            node >>= 1;
            self.nodes[node] = least;
        }
    }
}
