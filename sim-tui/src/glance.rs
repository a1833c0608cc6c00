//! From a run to a moment of it.

use hdrhistogram::Histogram;
use rustc_hash::{FxHashMap, FxHashSet};
use sim_core::drive::clock::log::Happened;
use sim_core::drive::clock::look::Look;
use sim_core::drive::clock::stats::OpenWindow;
use sim_core::nouns::types::{Cpu, Mm, Page, Task};
use sim_core::oracle::{Class, Marks};
use sim_core::step::frame::Act;
use sim_core::world::World;
use sim_core::world::big::{Big, FlushValue};

use crate::follow::Follow;
use crate::moment::{Core, HeldLock, Moment, PageRow, Space, Totals, Translation, Want, Windows};
use crate::run::Run;

/// What a view wants to see of a run.
pub(crate) fn glance(run: &dyn Run, follow: &Follow, position: u64, want: &Want) -> Moment {
    let (world, open, looks) = (run.world(), run.stats().open_windows(), run.looks());
    let core = want.core.unwrap_or_else(|| follow.log.back().map_or(Cpu(0), |logged| logged.entry.cpu));
    let (tlb, tlb_size) = translations(run, core, want);
    let skipped = follow.log.len().saturating_sub(want.log);
    Moment {
        title: run.title().to_owned(),
        policy: run.policy().name,
        position,
        now_cycles: run.now_cycles(),
        finished: run.finished(),
        cores: cores(world, &looks, &open),
        core,
        tlb,
        tlb_size,
        pages: pages(run, follow, &open, want),
        pages_total: world.pages() as usize,
        spaces: spaces(run),
        locks: locks(run, &looks),
        log: follow.log.range(skipped..).copied().collect(),
        totals: totals(run, follow, &open),
        history: follow.history.until(run.now_cycles()),
    }
}

/// The promise that a translation of a CPU breaks, if it is usable and breaks one.
fn broken(world: &Big, cpu: Cpu, page: Page) -> Option<Class> {
    let entry = world.tlb_peek(cpu, page)?;
    Marks::of(entry).class().filter(|_| world.usable(cpu, page))
}

fn cores(world: &Big, looks: &[Look], open: &[OpenWindow]) -> Vec<Core> {
    let mut stale = vec![0; looks.len()];
    for window in open {
        for &cpu in window.holders.iter().filter(|&&cpu| broken(world, cpu, window.page).is_some()) {
            stale[usize::from(cpu.0)] += 1;
        }
    }
    let core = |((cpu, look), stale): ((Cpu, &Look), u32)| Core {
        doing: look.doing,
        op: look.op,
        steps: look.steps.clone(),
        lazy: world.lazy(cpu),
        interrupt_pending: look.interrupt_under_way || world.interrupt_pending(cpu),
        acks_outstanding: world.acks_left(cpu),
        stale,
    };
    (0..).map(Cpu).zip(looks).zip(stale).map(core).collect()
}

/// The translations of a core, and how many there are.
fn translations(run: &dyn Run, core: Cpu, want: &Want) -> (Vec<Translation>, usize) {
    let world = run.world();
    if core.0 >= world.cpus() {
        return (Vec::new(), 0);
    }
    let mut held = world.translations(core);
    let size = held.len();
    let stale = |page| broken(world, core, page);
    held.sort_by_key(|&(page, entry, _)| entry.marks == 0 || stale(page).is_none());
    let row = |(page, entry, level): (Page, sim_core::machine::tlb::Entry, _)| Translation {
        page,
        name: run.page_name(page),
        frame: sim_core::nouns::types::FrameNo(entry.frame),
        writable: entry.writable,
        dirty: entry.dirty,
        level,
        stale: stale(page),
    };
    (held.into_iter().take(want.tlb_rows).map(row).collect(), size)
}

fn pages(run: &dyn Run, follow: &Follow, open: &[OpenWindow], want: &Want) -> Vec<PageRow> {
    let world = run.world();
    let pending: FxHashSet<Page> = run.stats().pending_pages().collect();
    let mut shown = chosen(run, follow, open, want);
    shown.sort_unstable();
    let row = |page: Page| {
        let window = open.binary_search_by_key(&page, |window| window.page).ok().map(|at| &open[at]);
        let holders = world.holders(page);
        let stale = |window: &OpenWindow| {
            window.holders.iter().copied().filter(|&cpu| broken(world, cpu, page).is_some()).collect()
        };
        let pte = world.pte(page);
        PageRow {
            page,
            name: run.page_name(page),
            pte,
            promise: world.promise(page),
            folio: pte.present().map(|pte| (pte.frame, world.folio(pte.frame))),
            holders,
            stale: window.map_or(Vec::new(), stale),
            pending: pending.contains(&page),
            window: window.map(|window| (window.class, window.since_cycles)),
        }
    };
    shown.into_iter().map(row).collect()
}

/// Which pages to show: all if they are few, else first those with a window, then those pending, then those touched last.
fn chosen(run: &dyn Run, follow: &Follow, open: &[OpenWindow], want: &Want) -> Vec<Page> {
    let world = run.world();
    if world.pages() as usize <= want.pages {
        return (0..world.pages()).map(Page).collect();
    }
    let windows = open.iter().map(|window| window.page);
    let pending = run.stats().pending_pages();
    let touched = follow.log.iter().rev().filter_map(|logged| page_of(&logged.entry.what));
    let (mut seen, mut shown) = (FxHashSet::default(), Vec::new());
    for page in windows.chain(pending).chain(touched) {
        if shown.len() == want.pages {
            break;
        }
        if seen.insert(page) {
            shown.push(page);
        }
    }
    shown
}

/// The page that something is about.
fn page_of(what: &Happened) -> Option<Page> {
    match *what {
        Happened::Window(page, _) | Happened::Violation(page, _) => Some(page),
        Happened::Sweep(_) => None,
        Happened::Act(act, _) => match act {
            Act::PteRead(page)
            | Act::PteXchg { page, .. }
            | Act::Deferred { page, .. }
            | Act::Use { page, .. }
            | Act::Walk { page, .. }
            | Act::Assist(page)
            | Act::Device(page, _)
            | Act::FaultEnter(page)
            | Act::FaultExit(page, _)
            | Act::FaultMap { page, .. }
            | Act::Isolate(page) => Some(page),
            _ => None,
        },
    }
}

fn spaces(run: &dyn Run) -> Vec<Space> {
    let (world, policy) = (run.world(), run.policy().strategy);
    let space = |mm| {
        let words = world.words_of(mm);
        Space {
            mm,
            mask: world.mask(mm),
            batched: policy.read_out(words),
            flush_batched_pending: policy.pending(words),
            flush_pending: world.flush_pending_of(mm),
        }
    };
    (0..world.mms()).map(Mm).map(space).collect()
}

fn locks(run: &dyn Run, looks: &[Look]) -> Vec<HeldLock> {
    let held = run.world().held_locks();
    let mut waiters = run.lock_waiters();
    if held.is_empty() && waiters.is_empty() {
        return Vec::new();
    }
    let tasks: FxHashMap<Task, Cpu> =
        (0..).map(Cpu).zip(looks).filter_map(|(cpu, look)| look.task.map(|task| (task, cpu))).collect();
    let cpus = |tasks_of: &[Task]| tasks_of.iter().filter_map(|task| tasks.get(task).copied()).collect::<Vec<_>>();
    let mut rows = Vec::new();
    for held in held {
        let queue = waiters.iter().position(|&(lock, _)| lock == held.lock.plain()).map(|at| waiters.remove(at).1);
        // Who was handed it and has not taken it yet is before those who wait.
        let heir = cpus(held.heir.as_slice());
        rows.push(HeldLock {
            lock: held.lock,
            holders: cpus(&held.holders),
            waiters: heir.into_iter().chain(queue.into_iter().flatten()).collect(),
        });
    }
    rows
}

fn totals(run: &dyn Run, follow: &Follow, open: &[OpenWindow]) -> Totals {
    let stats = run.stats();
    let extra = |value| stats.extra.get(&value).copied().unwrap_or(0);
    let windows = |class| {
        let closed = follow.closed.get(&class);
        let open = open.iter().filter(|window| window.class == class).count() as u64;
        let p99_cycles = closed.map_or(0, |lengths| lengths.value_at_quantile(0.99));
        (class, Windows { opened: closed.map_or(0, Histogram::len) + open, open, p99_cycles })
    };
    Totals {
        reclaim_cycles: run.reclaim_cycles(),
        flush_cycles: stats.cycles.total(),
        flushes: stats.flushes.iter().map(|(&cause, &flushes)| (cause, flushes)).collect(),
        extra: [FlushValue::Needed, FlushValue::UsefulElsewhere, FlushValue::Needless].map(extra),
        ipis_sent: stats.ipis_sent,
        deferred: stats.deferred,
        windows: Class::ALL.map(windows).to_vec(),
        violations: stats.violations.iter().map(|(&class, &violations)| (class, violations)).collect(),
        accesses: stats.accesses,
        faults: stats.faults,
    }
}
