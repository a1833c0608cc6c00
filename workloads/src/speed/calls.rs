//! The simulator on kernel paths: cores that write pages, protect them, page them out and unmap them, beside a reclaimer.

use sim_core::drive::clock::source::{Order, Source, What};
use sim_core::drive::clock::{Clock, RunAhead};
use sim_core::drive::engine::Setting;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Cpu, Mm, Rights, Span, Task};
use sim_core::policy::PolicyInfo;
use sim_core::step::era::ERAS;
use sim_core::world::Vma;
use sim_core::world::big::Big;

use super::whole::profile;

/// Pages that a call is about.
pub const PAGES: u64 = 32;
/// Pages under one page table; each core works under its own.
const TABLE_PAGES: u64 = 512;
const MM: Mm = Mm(0);

/// Which calls the cores make, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All kinds: mprotect, reclaim by `MADV_PAGEOUT`, munmap and mmap.
    All,
    /// mprotect to read-only and back of pages that every core reads: a shootdown each time.
    Shootdown,
    /// `MADV_PAGEOUT`: unmap and flush, as a reclaim cycle does.
    Reclaim,
    /// mprotect of one page right after reclaim: what the pending check adds to it.
    PendingCheck,
}

impl Calls {
    /// All of them.
    pub const ALL: [Calls; 4] = [Calls::All, Calls::Shootdown, Calls::Reclaim, Calls::PendingCheck];

    /// The name in results.
    pub fn name(self) -> &'static str {
        match self {
            Calls::All => "all",
            Calls::Shootdown => "shootdown",
            Calls::Reclaim => "reclaim",
            Calls::PendingCheck => "pending-check",
        }
    }

    fn round(self, span: Span) -> Vec<Op> {
        let stores = (span.first..span.end()).map(|vpn| Op::access(AccessKind::Store, vpn));
        let protect = |span| [Op::mprotect(span, Rights::READ), Op::mprotect(span, Rights::READ_WRITE)];
        let pageout = Op::call(OpKind::Pageout, span);
        let map = Op { rights: Rights::READ_WRITE, ..Op::call(OpKind::Mmap(Backing::Anon), span) };
        let one = Span { first: span.first, pages: 1 };
        match self {
            Calls::All => {
                let calls = protect(span).into_iter().chain([pageout, Op::call(OpKind::Munmap, span), map]);
                stores.chain(calls).collect()
            }
            Calls::Shootdown => stores.take(1).chain(protect(one)).collect(),
            Calls::Reclaim => stores.chain([pageout]).collect(),
            Calls::PendingCheck => stores.take(2).chain([Op::call(OpKind::Pageout, one)]).chain(protect(one)).collect(),
        }
    }
}

/// Rounds of calls, one list a core.
struct Rounds {
    ops: Vec<Vec<Op>>,
    next: Vec<usize>,
    left: Vec<u32>,
}

impl Source for Rounds {
    fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
        let n = usize::from(cpu.0);
        if self.next[n] == 0 {
            self.left[n] = self.left[n].checked_sub(1)?;
        }
        let op = self.ops[n][self.next[n]];
        self.next[n] = (self.next[n] + 1) % self.ops[n].len();
        Some(Order { task: Task(cpu.0), what: What::Op(op), not_before: 0, work: 0, tag: 0, cycle: None })
    }
}

/// Rounds of calls, ready to run.
pub struct Busy {
    clock: Clock<Rounds>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Steps of kernel paths.
    pub kernel_steps: u64,
    /// Those that acted on something shared.
    pub kernel_acts: u64,
    /// Events taken from the queue.
    pub events: u64,
    /// Flushes made.
    pub flushes: u64,
}

impl Busy {
    /// `active` of the cores make so many rounds of calls each; the others have the address space loaded and are done.
    ///
    /// # Panics
    /// If more cores are active than there are.
    pub fn new(calls: Calls, policy: &PolicyInfo, cores: u16, active: u16, rounds: u32) -> Busy {
        assert!(active <= cores, "{active} of {cores} cores cannot be active");
        let profile = profile(cores);
        let mut world = Big::new(&profile, cores, u32::MAX);
        world.add_mm();
        for cpu in (0..cores).map(Cpu) {
            world.add_task(Some(MM));
            world.switch_mm(cpu, Some(MM), false, &mut |_, _| {});
        }
        let span = |core: u16| Span { first: u64::from(core) * TABLE_PAGES, pages: PAGES };
        for core in 0..cores {
            world.map(MM, span(core), Vma { mapped: true, rights: Rights::READ_WRITE, backing: Backing::Anon });
        }
        let source = Rounds {
            ops: (0..cores).map(|core| calls.round(span(core))).collect(),
            next: vec![0; usize::from(cores)],
            left: (0..cores).map(|core| if core < active { rounds } else { 0 }).collect(),
        };
        let setting = Setting::of(policy, ERAS[0]);
        let clock = Clock::new(world, source, setting, &profile, RunAhead::Upto(u64::MAX));
        Busy { clock: clock.expect("it sends interrupts") }
    }

    /// Does all rounds.
    pub fn run(&mut self) -> Done {
        self.clock.run();
        Done {
            kernel_steps: self.clock.kernel_steps(),
            kernel_acts: self.clock.kernel_acts(),
            events: self.clock.turns(),
            flushes: self.clock.stats.flushes.values().sum(),
        }
    }
}
