//! The explorer's world: a few CPUs and pages, packed into a few words.
//!
//! A TLB here is a *set* of translations that may be dropped at will: no geometry, no replacement. Task n runs on CPU n for
//! ever, in the address space 0, or in address space 1, its child, of which the pages follow those of the parent.

mod broadcasts;
mod locks;
mod pack;
mod primitives;
mod queue;
mod rename;
mod shared;
mod start;
mod vmas;
mod watched;

use crate::machine::tlb::Entry;
use crate::nouns::cpuset::CpuSet;
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::Backing;
use crate::nouns::types::Promise;
use crate::nouns::types::{AccessKind, Actor, Cpu, FrameNo, Lock, Mm, Page, Pte, Rights, Span, Table, Task};
use crate::policy::Words;
use crate::world::{Batch, Folio, Gather, IoQueue, Lockless, Lru, Memory, Request, TlbLevel, Vma, World};
pub(crate) use pack::{Bits, CPU_WORDS, Fields};
use queue::Queue;
pub(crate) use rename::Renaming;
use shared::Shared;
pub use start::{Cached, Start};
use watched::Watched;

/// At most this many CPUs.
pub const CPUS: usize = 5;
/// At most this many pages, of all address spaces.
pub const PAGES: usize = 4;
/// At most this many address spaces.
pub const MMS: usize = 2;
/// At most this many frames.
pub const FRAMES: usize = 8;
/// At most this many flags of user space.
pub const FLAGS: usize = 3;

/// Words of what the CPUs share, at most.
pub(crate) const SHARED_WORDS: usize = PAGES + FRAMES / 4 + MMS + 2;
/// Bits of a page number here, and of a count of pages.
pub(crate) const VPN_BITS: u32 = TABLE_SHIFT + 3;
/// log2 of the pages between two page-table pages.
const TABLE_SHIFT: u32 = 9;

/// The fixed part of an exploration: what each CPU does, over which pages.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// One program a CPU.
    pub programs: Vec<Vec<Op>>,
    /// CPUs that run no user code and have no address space loaded (kswapd).
    pub kernel_threads: Vec<Cpu>,
    /// CPUs that run in the child, where nothing is mapped before a fork.
    pub children: Vec<Cpu>,
    /// How many pages an address space has; in the first all are mapped read-write and present at first.
    pub pages: u8,
    /// Address spaces: 2 if there is a fork, 1 otherwise.
    pub processes: u8,
    /// What fills the pages.
    pub backing: Backing,
    /// Does nothing else live under the page tables, so that munmap of all their pages frees them?
    pub lone_tables: bool,
    /// How many pages share a page-table page.
    pub pages_per_table: u8,
    /// Are the PTEs dirty at first?
    pub dirty: bool,
    /// May a CPU lose any translation at any time?
    pub evictions: bool,
    /// Pages that are mapped at the start; none: all of the first address space, alike, by `backing` and `dirty`.
    pub starts: Vec<Start>,
    /// Translations that are cached at the start.
    pub cached: Vec<Cached>,
    /// What witnesses call the pages of all address spaces; a page without a name is called by a letter.
    pub names: Vec<String>,
    /// Does the order of the LRU count, because kswapd takes from its tail? Otherwise it is a set, and operations name pages.
    pub lru: bool,
}

impl Scenario {
    /// The page number of a page: tables are a real page table's span apart, as in the big world.
    pub fn vpn(&self, page: u8) -> u64 {
        u64::from(page / self.pages_per_table) << TABLE_SHIFT | u64::from(page % self.pages_per_table)
    }

    /// Does some operation of a program promise anything to user space?
    pub fn promises(&self) -> bool {
        self.programs.iter().flatten().any(|op| op.kind.promises())
    }

    /// The pages of all address spaces.
    pub fn all_pages(&self) -> u8 {
        self.pages * self.processes
    }

    /// Frames: as many again as there are pages.
    pub(crate) fn frames(&self) -> usize {
        usize::from(self.all_pages()) * 2
    }

    /// The address space a CPU runs in; none for kswapd.
    pub fn home(&self, cpu: Cpu) -> Option<Mm> {
        match cpu {
            _ if self.kernel_threads.contains(&cpu) => None,
            _ if self.children.contains(&cpu) => Some(Mm(1)),
            _ => Some(Mm(0)),
        }
    }

    /// `pages` pages under as many tables as asked for, and one program a CPU; a CPU whose program is all reclaim is kswapd.
    pub fn new(name: &str, pages: u8, tables: u8, programs: &[&[Op]]) -> Scenario {
        let is_reclaim =
            |p: &&[Op]| !p.is_empty() && p.iter().all(|op| matches!(op.kind, OpKind::Reclaim(_) | OpKind::Kswapd));
        let forks = |op: &Op| matches!(op.kind, OpKind::Fork(_));
        let processes = 1 + u8::from(programs.iter().any(|p| p.iter().any(forks)));
        let all_pages = usize::from(pages * processes);
        assert!(all_pages <= PAGES && programs.len() <= CPUS && all_pages * 2 <= FRAMES);
        Scenario {
            name: name.to_owned(),
            programs: programs.iter().map(|p| p.to_vec()).collect(),
            kernel_threads: (0..programs.len()).filter(|&i| is_reclaim(&programs[i])).map(|i| Cpu(i as u16)).collect(),
            children: Vec::new(),
            pages,
            processes,
            backing: Backing::Anon,
            lone_tables: false,
            pages_per_table: pages.div_ceil(tables),
            dirty: false,
            evictions: true,
            starts: Vec::new(),
            cached: Vec::new(),
            names: Vec::new(),
            lru: programs.iter().any(|p| p.iter().any(|op| op.kind == OpKind::Kswapd)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuState {
    pc: u8,
    tlb: [Option<Entry>; PAGES],
    batch: Batch,
    batch_mask: CpuSet<1>,
    gather: Gather,
    request: Option<Request>,
    targets: CpuSet<1>,
    waiting: CpuSet<1>,
    queued: CpuSet<1>,
    serving: CpuSet<1>,
    /// By target: pages of the broadcasts it has issued that are pending there.
    issued: [u8; CPUS],
    victims: Queue<FRAMES>,
    kept: u8,
    freeing: u8,
    lockless: Option<Lockless>,
    held: u8,
}

const IDLE: CpuState = CpuState {
    pc: 0,
    tlb: [None; PAGES],
    batch: Batch { required: false, writable: false },
    batch_mask: CpuSet::EMPTY,
    gather: Gather { span: Span { first: 0, pages: 0 }, freed_tables: false },
    request: None,
    targets: CpuSet::EMPTY,
    waiting: CpuSet::EMPTY,
    queued: CpuSet::EMPTY,
    serving: CpuSet::EMPTY,
    issued: [0; CPUS],
    victims: Queue::EMPTY,
    kept: 0,
    freeing: 0,
    lockless: None,
    held: 0,
};

/// The small world. Copying it is how the explorer branches.
#[derive(Clone, Debug)]
pub struct Small<'s> {
    scenario: &'s Scenario,
    shared: Shared,
    cpus: [Watched<CpuState>; CPUS],
}

impl<'s> Small<'s> {
    /// The initial state of a scenario.
    pub fn new(scenario: &'s Scenario) -> Small<'s> {
        let cpus = std::array::from_fn(|_| Watched::new(IDLE));
        let mut world = Small { scenario, shared: Shared::new(), cpus };
        for start in scenario.starting_pages() {
            let page = scenario.page(start.mm, start.page);
            let (n, frame) = (page.0 as usize, FrameNo(page.0));
            let shared = &mut world.shared;
            shared.pte.set(n, Pte::Present(start.pte(frame, scenario.cached_somewhere(page))));
            shared.vma.set(n, start.vma());
            shared.promise.set(n, start.promise());
            shared.cached_frame.set(n, start.of_driver(frame));
            shared.last_page.set(n, page.0 as u8);
            world.set_folio(frame, start.folio());
        }
        for cached in &scenario.cached {
            let pte = world.pte(cached.page).present().expect("a cached page is mapped");
            world.cpu(cached.cpu).tlb[cached.page.0 as usize] = Some(cached.entry(pte));
        }
        for n in 0..scenario.programs.len() {
            let cpu = Cpu(n as u16);
            if let Some(mm) = scenario.home(cpu) {
                world.shared.mask.at(usize::from(mm.0)).insert(cpu);
            }
        }
        world
    }

    /// The operation a CPU does next, if its program is not over.
    pub fn program_op(&self, cpu: Cpu) -> Option<Op> {
        let n = usize::from(cpu.0);
        self.scenario.programs[n].get(usize::from(self.cpus[n].pc)).copied()
    }

    /// The operation is done.
    pub fn program_advance(&mut self, cpu: Cpu) {
        self.cpus[usize::from(cpu.0)].pc += 1;
    }

    /// A page of this scenario by its number within an address space.
    fn nth(&self, mm: Mm, n: u8) -> Page {
        self.scenario.page(mm, n)
    }

    fn remember(&mut self, page: Page, frame: FrameNo) {
        if self.scenario.lru {
            self.shared.last_page.set(frame.0 as usize, page.0 as u8);
        }
    }

    fn cpu(&mut self, cpu: Cpu) -> &mut CpuState {
        &mut self.cpus[usize::from(cpu.0)]
    }

    fn task(&mut self, task: Task) -> &mut CpuState {
        &mut self.cpus[usize::from(task.0)]
    }

    fn set_table_freed(&mut self, mm: Mm, vpn: u64, freed: bool) {
        let under = self.table_span(vpn);
        for n in 0..self.scenario.pages {
            if under.contains(self.scenario.vpn(n)) {
                let page = self.nth(mm, n);
                self.shared.table_freed.set(page.0 as usize, freed);
            }
        }
    }
}

fn take_lowest(frames: &mut u8) -> Option<FrameNo> {
    let lowest = frames.trailing_zeros();
    (*frames != 0).then(|| {
        *frames &= *frames - 1;
        FrameNo(lowest)
    })
}
