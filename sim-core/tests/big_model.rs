//! The big world against a model without cleverness, step by step, under random operations and random interleavings.

mod naive;

use std::cell::RefCell;
use std::collections::BTreeSet;

use naive::{Check, Extent, Heard, Naive, ensure};
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use sim_core::drive::engine::{Progress, Setting, Stack};
use sim_core::machine::testing::prime_profile;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Actor, Backing, Cpu, Mm, Page, Rights, Span, Task};
use sim_core::oracle::{Class, Marks};
use sim_core::policy::{self, POLICIES};
use sim_core::step::era::ERAS;
use sim_core::step::frame::{Act, Frame, Path, Probe, StepId};
use sim_core::world::big::Big;
use sim_core::world::{Vma, World};

/// The page numbers of each address space: both sides of the border of two page tables.
const VPNS: Span = Span { first: 508, pages: 8 };
const USERS: u16 = 3;
/// The last CPU is of the kernel thread that reclaims.
const CPUS: u16 = USERS + 1;
const OPS: usize = 10;
const CHOICES: usize = 700;
/// Two a page and address space: one mapped, one on its way out; and some for copies under way.
const FRAMES: u32 = 2 * 2 * VPNS.pages as u32 + 8;
/// More rounds than any sequence here needs to end.
const ROUNDS: u32 = 20_000;

fn span() -> impl Strategy<Value = Span> {
    (0..VPNS.pages, 1_u64..=4)
        .prop_map(|(at, pages)| Span { first: VPNS.first + at, pages: pages.min(VPNS.pages - at) })
}

fn vpn() -> impl Strategy<Value = u64> {
    VPNS.first..VPNS.end()
}

fn call(kind: OpKind) -> BoxedStrategy<Vec<Op>> {
    span().prop_map(move |span| vec![Op::call(kind, span)]).boxed()
}

fn access(kind: AccessKind) -> BoxedStrategy<Vec<Op>> {
    vpn().prop_map(move |vpn| vec![Op::access(kind, vpn)]).boxed()
}

fn mprotect() -> BoxedStrategy<Vec<Op>> {
    let rights = prop::sample::select(vec![Rights::NONE, Rights::READ, Rights::READ_WRITE]);
    (span(), rights).prop_map(|(span, rights)| vec![Op::mprotect(span, rights)]).boxed()
}

/// Memory is mapped afresh where it was unmapped.
fn replace(backing: Backing) -> BoxedStrategy<Vec<Op>> {
    let both = move |span| {
        let mmap = Op { rights: Rights::READ_WRITE, ..Op::call(OpKind::Mmap(backing), span) };
        vec![Op::call(OpKind::Munmap, span), mmap]
    };
    span().prop_map(both).boxed()
}

/// Room is made first, as `MREMAP_FIXED` does; others may be quicker, and then the call fails.
fn mremap() -> BoxedStrategy<Vec<Op>> {
    (span(), vpn())
        .prop_map(|(span, to)| {
            let pages = span.pages.min(VPNS.end() - to);
            let (from, new) = (Span { pages, ..span }, Span { first: to, pages });
            let apart = from.clip(new).pages == 0;
            if apart { vec![Op::call(OpKind::Munmap, new), Op::mremap(from, to)] } else { vec![] }
        })
        .boxed()
}

fn merge(of: Mm, into: Mm) -> BoxedStrategy<Vec<Op>> {
    (vpn(), vpn()).prop_map(move |(page, stable)| vec![Op::ksm((of, page), (into, stable))]).boxed()
}

/// Two pages are stored to and merged.
fn twins(mm: Mm) -> BoxedStrategy<Vec<Op>> {
    let store = |page| Op::access(AccessKind::Store, page);
    (vpn(), vpn())
        .prop_map(move |(page, stable)| vec![store(page), store(stable), Op::ksm((mm, page), (mm, stable))])
        .boxed()
}

/// What user threads do, each with its weight: a new operation is a row here.
fn user_operations(mm: Mm, backing: Backing) -> Vec<(u32, BoxedStrategy<Vec<Op>>)> {
    vec![
        (8, access(AccessKind::Store)),
        (6, access(AccessKind::Load)),
        (2, mprotect()),
        (1, call(OpKind::Munmap)),
        (2, replace(backing)),
        (2, call(OpKind::Dontneed)),
        (2, call(OpKind::Free)),
        (2, mremap()),
        (2, call(OpKind::Pageout)),
        (1, call(OpKind::Reclaim(mm))),
        (1, call(OpKind::NumaScan)),
        (1, call(OpKind::Writeback(mm))),
        (1, call(OpKind::Migrate(mm))),
        (1, call(OpKind::Truncate(mm))),
        (1, call(OpKind::SoftDirty(mm))),
        (1, call(OpKind::UffdWp)),
        (2, twins(mm)),
    ]
}

/// What the kernel thread does.
fn kernel_operations(mms: u16) -> Vec<(u32, BoxedStrategy<Vec<Op>>)> {
    let reclaim = (0..mms).map(|mm| (3, call(OpKind::Reclaim(Mm(mm)))));
    reclaim.chain([(1, merge(Mm(0), Mm(mms - 1)))]).collect()
}

fn program(operations: Vec<(u32, BoxedStrategy<Vec<Op>>)>) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(Union::new_weighted(operations), 1..OPS).prop_map(|ops| ops.concat())
}

/// A thread of execution and what it is to do; it never leaves its CPU.
#[derive(Clone, Debug)]
struct Thread {
    cpu: Cpu,
    mm: Option<Mm>,
    program: Vec<Op>,
}

/// One choice of a schedule.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Step(u16),
    Interrupt(u16),
    Evict(u16, u64),
    /// The CPU, if between two operations, runs the next of its threads.
    Switch(u16),
    /// The CPU, if between two operations, goes idle and borrows its address space.
    Idle(u16),
}

fn choice() -> impl Strategy<Value = Choice> {
    let cpu = 0..CPUS;
    prop_oneof![
        24 => cpu.clone().prop_map(Choice::Step),
        6 => cpu.clone().prop_map(Choice::Interrupt),
        2 => (cpu.clone(), vpn()).prop_map(|(cpu, vpn)| Choice::Evict(cpu, vpn)),
        1 => cpu.clone().prop_map(Choice::Switch),
        1 => cpu.prop_map(Choice::Idle),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    backings: Vec<Backing>,
    era: usize,
    synchronous_swap: bool,
    threads: Vec<Thread>,
    schedule: Vec<Choice>,
}

fn threads(backings: &[Backing]) -> impl Strategy<Value = Vec<Thread>> + use<> {
    let mut threads = Vec::new();
    for cpu in (0..USERS).map(Cpu) {
        for (n, &backing) in backings.iter().enumerate() {
            let mm = Mm(n as u16);
            let make = move |program| Thread { cpu, mm: Some(mm), program };
            threads.push(program(user_operations(mm, backing)).prop_map(make).boxed());
        }
    }
    let make = |program| Thread { cpu: Cpu(USERS), mm: None, program };
    threads.push(program(kernel_operations(backings.len() as u16)).prop_map(make).boxed());
    threads
}

/// Private mappings of files are left out: a page has one place for a cached frame, which the file's and the swapped copy's
/// would share.
fn cases() -> impl Strategy<Value = Case> {
    let backing = prop::sample::select(vec![Backing::Anon, Backing::Anon, Backing::SharedFile]);
    let backings = prop::collection::vec(backing, 1..=2);
    backings.prop_flat_map(|backings| {
        let schedule = prop::collection::vec(choice(), CHOICES);
        (Just(backings.clone()), 0..ERAS.len(), any::<bool>(), threads(&backings), schedule).prop_map(
            |(backings, era, synchronous_swap, threads, schedule)| Case {
                backings,
                era,
                synchronous_swap,
                threads,
                schedule,
            },
        )
    })
}

/// Hears what one transition does.
#[derive(Default)]
struct Ears {
    acts: Vec<Heard>,
    violation: Option<(Page, Class)>,
}

impl Probe for Ears {
    fn act(&mut self, who: Actor, act: Act, at: StepId) {
        self.acts.push((who, act, at));
    }

    fn marked_use(&mut self, _who: Actor, page: Page, kind: AccessKind, marks: Marks) {
        self.violation = marks.breaks(kind).map(|class| (page, class));
    }

    fn window(&mut self, _cpu: Cpu, _page: Page, _class: Option<Class>) {}
}

/// Both machines, and where each thread is.
struct Run<'c> {
    case: &'c Case,
    setting: Setting,
    world: Big,
    naive: Naive,
    stacks: Vec<Stack>,
    pcs: Vec<usize>,
    /// The thread of each CPU.
    current: Vec<usize>,
    forbids_violations: bool,
    seen: BTreeSet<String>,
}

impl Run<'_> {
    fn new(case: &Case, setting: Setting) -> Run<'_> {
        let mut world = Big::new(&prime_profile(), CPUS, FRAMES);
        for &backing in &case.backings {
            let mm = world.add_mm();
            world.map(mm, VPNS, Vma { mapped: true, rights: Rights::READ_WRITE, backing });
        }
        case.threads.iter().for_each(|thread| _ = world.add_task(thread.mm));
        let (mms, tasks) = (case.backings.len() as u16, case.threads.len() as u16);
        let extent = Extent { mms, vpns: VPNS, cpus: CPUS, tasks, frames: FRAMES };
        let mut run = Run {
            case,
            setting,
            world,
            naive: Naive::new(extent, &case.backings),
            stacks: vec![Stack::default(); case.threads.len()],
            pcs: vec![0; case.threads.len()],
            current: vec![0; usize::from(CPUS)],
            forbids_violations: false,
            seen: BTreeSet::new(),
        };
        (0..CPUS).for_each(|cpu| run.switch(Cpu(cpu)));
        run
    }

    fn loads(&mut self, cpu: Cpu, mm: Option<Mm>) {
        let lazy = self.setting.era.lazy_mask;
        self.world.switch_mm(cpu, mm, lazy, &mut |_, _| {});
        self.naive.switch(cpu, mm, lazy);
    }

    /// The next thread of a CPU gets it, if the one that has it is between two operations.
    fn switch(&mut self, cpu: Cpu) {
        let now = self.current[usize::from(cpu.0)];
        if !self.stacks[now].is_empty() {
            return;
        }
        let all = self.case.threads.len();
        let next = (1..=all).map(|n| (now + n) % all).find(|&n| self.case.threads[n].cpu == cpu).expect("its own");
        self.current[usize::from(cpu.0)] = next;
        self.loads(cpu, self.case.threads[next].mm);
    }

    fn interrupt(&mut self, cpu: Cpu) -> bool {
        let stack = &mut self.stacks[self.current[usize::from(cpu.0)]];
        let taken = self.world.interrupt_pending(cpu) && !stack.in_interrupt();
        if taken {
            stack.push(Frame::new(Path::Irq));
        }
        taken
    }

    /// One transition of a CPU, in both machines; false if there is nothing it can do.
    fn step(&mut self, cpu: Cpu) -> Result<bool, String> {
        let n = self.current[usize::from(cpu.0)];
        let thread = &self.case.threads[n];
        let op = thread.program.get(self.pcs[n]).copied();
        if self.stacks[n].is_empty() {
            let Some(op) = op else { return Ok(false) };
            if self.naive.running.get(&cpu).copied() != thread.mm {
                self.loads(cpu, thread.mm);
            }
            self.world.begin(Task(n as u16), op);
            self.stacks[n].push(Frame::entry(&op));
        }
        let in_operation = self.stacks[n].frames()[0].path != Path::Irq;
        let mut ears = Ears::default();
        let who = Actor { cpu, task: Task(n as u16) };
        let progress = self.setting.advance(&mut self.world, &mut ears, who, &mut self.stacks[n]);
        if let Progress::Blocked(_) = progress {
            ensure!(ears.acts.is_empty(), "a blocked step acted: {:?}", ears.acts);
            return Ok(false);
        }
        if self.stacks[n].is_empty() && in_operation {
            self.pcs[n] += 1;
        }
        let broken = ears.violation.filter(|_| self.forbids_violations);
        ensure!(broken.is_none(), "a promise was broken: {broken:?}");
        self.seen.extend(ears.acts.iter().filter_map(|&(_, act, _)| notable(act)));
        self.naive.replay(&self.world, &ears.acts, op)?;
        self.naive.check(&self.world).map_err(|e| format!("{e}, after {:?}", ears.acts))?;
        Ok(true)
    }

    fn choose(&mut self, choice: Choice) -> Check {
        match choice {
            Choice::Step(cpu) => return self.step(Cpu(cpu)).map(|_| ()),
            Choice::Interrupt(cpu) => {
                if self.interrupt(Cpu(cpu)) {
                    return self.step(Cpu(cpu)).map(|_| ());
                }
            }
            Choice::Evict(cpu, vpn) => {
                let Some(page) = self.world.page(Mm(0), vpn) else { return Ok(()) };
                self.world.tlb_forget(Cpu(cpu), page);
                self.naive.evict(Cpu(cpu), page);
            }
            Choice::Switch(cpu) => self.switch(Cpu(cpu)),
            Choice::Idle(cpu) => {
                if self.stacks[self.current[usize::from(cpu)]].is_empty() {
                    self.loads(Cpu(cpu), None);
                }
            }
        }
        self.naive.check(&self.world)
    }

    /// Plays the schedule, then lets everybody come to an end.
    fn play(&mut self) -> Check {
        let case = self.case;
        for &choice in &case.schedule {
            self.choose(choice)?;
        }
        for _ in 0..ROUNDS {
            let mut moved = false;
            for cpu in (0..CPUS).map(Cpu) {
                self.interrupt(cpu);
                moved |= self.step(cpu)?;
                self.switch(cpu);
            }
            if !moved && self.stacks.iter().all(Stack::is_empty) && (0..CPUS).all(|cpu| self.exhausted(Cpu(cpu))) {
                return self.quiet();
            }
        }
        Err(format!("stuck: {:?}", self.stacks))
    }

    fn exhausted(&self, cpu: Cpu) -> bool {
        let of_cpu = |&n: &usize| self.case.threads[n].cpu == cpu;
        let done = |n: usize| self.pcs[n] == self.case.threads[n].program.len();
        !self.world.interrupt_pending(cpu) && (0..self.case.threads.len()).filter(of_cpu).all(done)
    }

    fn quiet(&mut self) -> Check {
        self.naive.check_quiet(&self.world)?;
        // Whoever missed a flush makes up for it when it comes back.
        for mm in (0..self.case.backings.len() as u16).map(Mm) {
            for cpu in (0..CPUS).map(Cpu) {
                self.loads(cpu, Some(mm));
                self.naive.check_grants(&self.world, cpu)?;
            }
        }
        Ok(())
    }
}

/// What the cases have to bring about, or they show nothing: the name of an act that not every schedule has.
fn notable(act: Act) -> Option<String> {
    match act {
        Act::Return(kind) => Some(format!("{kind:?}")),
        Act::FlushBegin { request, .. } => Some(format!("{:?}", request.cause)),
        Act::FaultExit(_, true) => Some("SIGSEGV".to_owned()),
        Act::Deferred { .. }
        | Act::Skip(_)
        | Act::LeaveLazy(_)
        | Act::MaskClear(_)
        | Act::Freeze(_)
        | Act::Write(_)
        | Act::Put(_)
        | Act::Compare(..)
        | Act::Assist(_) => Some(format!("{act:?}").split(['(', ' ']).next().expect("a name").to_owned()),
        _ => None,
    }
}

/// Under every policy.
const ALWAYS: [&str; 19] = [
    "Mprotect",
    "Munmap",
    "Mmap(Anon)",
    "Mmap(SharedFile)",
    "Dontneed",
    "Free",
    "Mremap",
    "Pageout",
    "Operation",
    "Nested",
    "Cow",
    "PerPage",
    "SIGSEGV",
    "Freeze",
    "Write",
    "Put",
    "Compare",
    "SoftDirty(Mm(0))",
    "UffdWp",
];
/// Only where flushes are deferred.
const DEFERRED: [&str; 2] = ["Deferred", "Batch"];
/// Only with address spaces that CPUs leave and come back to.
const ELSEWHERE: [&str; 3] = ["Skip", "LeaveLazy", "MaskClear"];

/// Runs as many random cases and says what was wrong with the first, smallest, that failed.
fn search(cases_wanted: u32, change: impl Fn(&mut Setting), policy: &str) -> Result<BTreeSet<String>, String> {
    let seen = RefCell::new(BTreeSet::new());
    let default = Config::default();
    // The same cases every time, unless somebody asks for others (PROPTEST_RNG_SEED, PROPTEST_CASES).
    let rng_seed = if default.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { default.rng_seed };
    let scale = default.cases.div_ceil(256);
    let config =
        Config { cases: cases_wanted * scale, rng_seed, failure_persistence: None, max_shrink_iters: 300, ..default };
    let mut runner = TestRunner::new(config);
    let found = runner.run(&cases(), |case| {
        let mut era = ERAS[case.era];
        era.synchronous_swap = case.synchronous_swap;
        let mut setting = Setting { policy: policy::find(policy).expect("a policy").strategy, era };
        change(&mut setting);
        let mut run = Run::new(&case, setting);
        // The flag loses updates between two page tables, and without it anything goes.
        run.forbids_violations = ["immediate", "pending-generation"].contains(&policy);
        run.play().map_err(TestCaseError::fail)?;
        seen.borrow_mut().append(&mut run.seen);
        Ok(())
    });
    found.map(|()| seen.into_inner()).map_err(|error| match error {
        TestError::Fail(reason, case) => {
            let eras = (ERAS[case.era].name, case.synchronous_swap);
            format!("{reason}\nwith {:?} over {:?} in {eras:?}", brief(&case), case.backings)
        }
        TestError::Abort(reason) => reason.to_string(),
    })
}

/// A case without its schedule.
fn brief(case: &Case) -> Vec<(u16, Option<Mm>, &[Op])> {
    case.threads.iter().map(|thread| (thread.cpu.0, thread.mm, thread.program.as_slice())).collect()
}

const CASES: u32 = 96;

#[test]
fn the_big_world_agrees_with_the_naive_one() {
    for policy in POLICIES {
        let seen = search(CASES, |_| (), policy.name).unwrap_or_else(|what| panic!("{}: {what}", policy.name));
        let defers = policy.name != "immediate";
        let before_io = defers && policy.name != "clean-only";
        let checks = !["immediate", "clean-only", "batched", "local-only"].contains(&policy.name);
        let wanted = ALWAYS.iter().chain(&ELSEWHERE).map(|&act| (act, true));
        let wanted =
            wanted.chain(DEFERRED.map(|act| (act, defers))).chain([("PendingCheck", checks), ("BeforeIo", before_io)]);
        for (act, expected) in wanted {
            assert_eq!(seen.contains(act), expected, "{}: {act} in {seen:?}", policy.name);
        }
    }
}

#[test]
fn a_frame_freed_before_the_flush_is_found_free_under_a_translation() {
    let free_first = |setting: &mut Setting| setting.era.protections.flush_before_free = false;
    for policy in ["batched", "pending-flag", "pending-generation"] {
        let what = search(4 * CASES, free_first, policy).expect_err("a batch is freed before its flush");
        assert!(what.contains("a free frame"), "{policy}: {what}");
    }
    // Nothing is deferred, so the order makes no difference.
    assert_eq!(search(CASES, free_first, "immediate").err(), None);
}
