//! From a recording to what the model is made to do: per CPU, in recorded order.
//!
//! `tlb:tlb_flush` lines are the answer sheet and are not looked at here. What a recording leaves open is settled by rules,
//! each of which counts how often it was needed ([`Inferred`]).

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::Backing;
use sim_core::nouns::types::{AccessKind, Rights, Span};

use super::assume::{Assumptions, Silent};
use super::event::{Call, CallName, Event, ListStats, Recording, RunState, What};

/// Bytes of a page, log2.
pub(super) const PAGE_SHIFT: u32 = 12;
/// `error_code` bits of a page fault (Intel SDM vol. 3, 4.7).
const FAULT_PRESENT: u16 = 1;
const FAULT_WRITE: u16 = 2;
const FAULT_FETCH: u16 = 16;
/// mmap(2) flags.
const MAP_SHARED: u32 = 1;
const MAP_FIXED: u32 = 0x10;
const MAP_ANONYMOUS: u32 = 0x20;
/// madvise(2) advice.
const MADV_NORMAL: u32 = 0;
const MADV_RANDOM: u32 = 1;
const MADV_SEQUENTIAL: u32 = 2;
const MADV_DONTNEED: u32 = 4;
const MADV_PAGEOUT: u32 = 21;
/// A system call that returned one of these failed (`IS_ERR_VALUE`).
const ERRORS_FROM: u64 = 0xffff_ffff_ffff_f001;
/// The idle task.
const IDLE: i32 = 0;

/// Where a flush is made: the first column of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// Between the begin and the end of direct reclaim.
    Reclaim,
    /// In mprotect(2).
    Mprotect,
    /// In munmap(2).
    Munmap,
    /// In madvise(2), `MADV_PAGEOUT`'s own reclaim included.
    Madvise,
    /// In mremap(2).
    Mremap,
    /// In mmap(2).
    Mmap,
    /// Anywhere else: faults, mostly.
    Other,
}

impl Context {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Context::Reclaim => "reclaim",
            Context::Mprotect => "mprotect",
            Context::Munmap => "munmap",
            Context::Madvise => "madvise",
            Context::Mremap => "mremap",
            Context::Mmap => "mmap",
            Context::Other => "other",
        }
    }
}

impl From<CallName> for Context {
    fn from(name: CallName) -> Context {
        match name {
            CallName::Mmap => Context::Mmap,
            CallName::Munmap => Context::Munmap,
            CallName::Mprotect => Context::Mprotect,
            CallName::Madvise => Context::Madvise,
            CallName::Mremap => Context::Mremap,
        }
    }
}

/// One shrink list of a reclaim cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The tracepoint's figures.
    pub stats: ListStats,
    /// When each of its folios was written, in ns since the first event.
    pub writes_ns: Vec<u64>,
    /// How long it took on the CPU.
    pub busy_ns: u64,
}

/// The next fault on a page: what it says about the time until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextFault {
    /// There is none.
    Never,
    /// Its PTE was not present: something took the page meanwhile.
    Absent,
    /// Its PTE was present: the page stayed.
    Present,
}

/// What a CPU of the model does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A user access faults.
    Fault {
        /// Where.
        vpn: u64,
        /// Doing what.
        kind: AccessKind,
        /// On a PTE that was present.
        present: bool,
        /// The thread waited for IO before its next event: what it needed was not in memory.
        slept: bool,
        /// What the recording knows of the page's future.
        next: NextFault,
    },
    /// A system call; the lists are those that `MADV_PAGEOUT` shrank in it.
    Call(Op, Vec<List>),
    /// `madvise`, about how a range will be read: at random, or not.
    Advice {
        /// Where.
        span: Span,
        /// At random: nothing is read ahead.
        random: bool,
    },
    /// One list of direct reclaim.
    Reclaim(List),
    /// The CPU begins to run the process.
    Load,
    /// The idle task borrows the address space.
    Borrow,
    /// Something else runs here.
    Unload,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// When it began, in ns since the first event.
    pub time_ns: u64,
    /// When it was over, as far as the recording tells: nothing that began later may begin before it is over here too.
    pub end_ns: u64,
    /// On which CPU.
    pub cpu: u16,
    /// Which thread.
    pub tid: i32,
    /// What.
    pub action: Action,
    /// Where its flushes are counted.
    pub context: Context,
    /// The system call it belongs to, as an index into [`Script::operations`].
    pub operation: Option<u32>,
    /// The reclaim cycle it is part of; one of its own if it is `MADV_PAGEOUT`.
    pub cycle: Option<u32>,
    /// The line it comes from.
    pub line: u32,
}

/// One system call of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which.
    pub name: CallName,
    /// By which thread.
    pub tid: i32,
    /// When it was entered, in ns as recorded.
    pub time_ns: u64,
}

/// What had to be inferred, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inferred {
    /// A thread arrived on a CPU without a recorded switch: it is taken to have been there since it left its last one.
    pub silent_arrivals: u64,
    /// Pages that had to be present when the recording says so, though nothing recorded put them there.
    pub made_present: u64,
    /// Pages that had gone when the recording says so, though nothing recorded took them away.
    pub made_absent: u64,
    /// Pages used outside every mapping the recording shows (brk, stack, before the first event).
    pub mapped_unseen: u64,
    /// Reclaimed pages for which no mapped page of the process was left: page cache nobody maps.
    pub victims_unmapped: u64,
    /// Neighbours mapped by faults on file pages.
    pub faulted_around: u64,
    /// Calls without an exit in the recording.
    pub unfinished_calls: u64,
}

/// A recording as the model plays it.
#[derive(Clone, Debug)]
pub struct Script {
    /// In order of time.
    pub items: Vec<Item>,
    /// The system calls, in order of entry.
    pub operations: Vec<Operation>,
    /// What was inferred so far; the replay adds to it.
    pub inferred: Inferred,
    /// How many CPUs the recording names.
    pub cpus: u16,
    /// Reclaim cycles: direct ones and `MADV_PAGEOUT` calls.
    pub reclaim_cycles: u64,
    /// Writes completed at once (zram): pages written were also freed by the same list.
    pub synchronous_swap: bool,
}

/// Reads events one after the other.
struct Builder<'r> {
    recording: &'r Recording,
    silent: Silent,
    items: Vec<Item>,
    operations: Vec<Operation>,
    inferred: Inferred,
    /// By thread: the item of the call under way, and its operation.
    calls: FxHashMap<i32, (usize, u32)>,
    /// By thread: inside direct reclaim.
    reclaiming: FxHashMap<i32, u32>,
    /// By thread: its reclaim cycle under way.
    cycle: FxHashMap<i32, u32>,
    /// Cycles with a number, those that began before the recording included.
    cycles_numbered: u32,
    /// By thread: writes since the last list.
    writes: FxHashMap<i32, Vec<u64>>,
    /// By thread: its last fault, whose end is its next event.
    fault: FxHashMap<i32, usize>,
    /// By thread: when its next list began, if it has one.
    list_since: FxHashMap<i32, u64>,
    /// By thread: time spent off the CPU since then.
    off_ns: FxHashMap<i32, u64>,
    /// The threads of the process: every one that does something in the recording.
    threads: FxHashSet<i32>,
    /// By thread: where it was last seen, and if it is running there.
    seen: BTreeMap<i32, Seen>,
    /// By CPU: does it run the process?
    running: Vec<Option<i32>>,
    reclaim_cycles: u64,
    written: u64,
    written_and_freed: u64,
}

#[derive(Clone, Copy)]
struct Seen {
    left_ns: Option<u64>,
    state: RunState,
}

impl Script {
    /// Reads a recording.
    pub fn new(recording: &Recording) -> Script {
        Script::assuming(recording, &Assumptions::ESTIMATE)
    }

    /// Reads a recording, settling silent threads as asked.
    pub fn assuming(recording: &Recording, assumptions: &Assumptions) -> Script {
        let cpus = recording.summary.cpus;
        let pid = recording.target.pid;
        let mut builder = Builder {
            recording,
            silent: assumptions.silent,
            threads: recording.events.iter().filter(|e| e.pid == pid).map(|e| e.tid).collect(),
            items: Vec::new(),
            operations: Vec::new(),
            inferred: Inferred::default(),
            calls: FxHashMap::default(),
            reclaiming: FxHashMap::default(),
            cycle: FxHashMap::default(),
            cycles_numbered: 0,
            writes: FxHashMap::default(),
            fault: FxHashMap::default(),
            list_since: FxHashMap::default(),
            off_ns: FxHashMap::default(),
            seen: BTreeMap::new(),
            running: vec![None; usize::from(cpus)],
            reclaim_cycles: 0,
            written: 0,
            written_and_freed: 0,
        };
        for event in &recording.events {
            builder.event(event);
        }
        builder.finish(cpus)
    }
}

impl Builder<'_> {
    fn event(&mut self, event: &Event) {
        match event.what {
            What::TlbFlush { .. } => return,
            What::Switch { prev, prev_state, next } => {
                self.switch(event, prev, prev_state, next);
                return;
            }
            _ if event.pid != self.recording.target.pid => return,
            _ => {}
        }
        self.arrive(event.cpu, event.tid, event);
        let now = self.since_start(event.time_ns);
        if let Some(fault) = self.fault.remove(&event.tid) {
            self.items[fault].end_ns = now;
        }
        match event.what {
            What::UserFault { address, error_code } => {
                let kind = match error_code {
                    code if code & FAULT_FETCH != 0 => AccessKind::Fetch,
                    code if code & FAULT_WRITE != 0 => AccessKind::Store,
                    _ => AccessKind::Load,
                };
                let present = error_code & FAULT_PRESENT != 0;
                let vpn = address >> PAGE_SHIFT;
                self.push(event, now, Action::Fault { vpn, kind, present, slept: false, next: NextFault::Never }, None);
                self.fault.insert(event.tid, self.items.len() - 1);
            }
            What::Enter(call) => self.enter(event, call),
            What::Exit { ret, .. } => self.exit(event.tid, ret, now),
            What::ReclaimBegin => {
                self.reclaim_cycles += 1;
                let cycle = self.new_cycle();
                self.cycle.insert(event.tid, cycle);
                *self.reclaiming.entry(event.tid).or_default() += 1;
                self.writes.remove(&event.tid);
                self.list_since.insert(event.tid, now);
                self.off_ns.remove(&event.tid);
            }
            What::ReclaimEnd { .. } => {
                if let Some(depth) = self.reclaiming.get_mut(&event.tid) {
                    *depth = depth.saturating_sub(1);
                    if *depth == 0 {
                        self.cycle.remove(&event.tid);
                    }
                }
            }
            What::WriteFolio { .. } => self.writes.entry(event.tid).or_default().push(now),
            What::ShrinkInactive(stats) => self.shrunk(event, stats, now),
            What::ReclaimPages(stats) => {
                let list = self.list(event.tid, stats);
                if let Some(&(item, _)) = self.calls.get(&event.tid)
                    && let Action::Call(_, lists) = &mut self.items[item].action
                {
                    lists.push(list);
                }
            }
            What::TlbFlush { .. } | What::Switch { .. } => {}
        }
    }

    /// A list of direct reclaim; the tracepoint ends it.
    fn shrunk(&mut self, event: &Event, stats: ListStats, now: u64) {
        let mut list = self.list(event.tid, stats);
        let since = self.list_since.insert(event.tid, now).unwrap_or(now);
        let off_ns = self.off_ns.remove(&event.tid).unwrap_or(0);
        list.busy_ns = (now - since).saturating_sub(off_ns);
        self.push(event, since, Action::Reclaim(list), None);
        // It began before the recording, if its begin is not there.
        let cycle = self.cycle.get(&event.tid).copied().unwrap_or_else(|| self.new_cycle());
        self.cycle.insert(event.tid, cycle);
        self.items.last_mut().expect("just pushed").cycle = Some(cycle);
    }

    fn new_cycle(&mut self) -> u32 {
        self.cycles_numbered += 1;
        self.cycles_numbered - 1
    }

    fn list(&mut self, tid: i32, stats: ListStats) -> List {
        let writes_ns = self.writes.remove(&tid).unwrap_or_default();
        let written = writes_ns.len() as u64;
        self.written += written;
        self.written_and_freed += written.min(u64::from(stats.reclaimed));
        List { stats, writes_ns, busy_ns: 0 }
    }

    fn push(&mut self, event: &Event, start_ns: u64, action: Action, operation: Option<u32>) {
        let inside = self.calls.get(&event.tid).map(|&(_, operation)| operation);
        let operation = operation.or(inside);
        let context = if self.reclaiming.get(&event.tid).is_some_and(|&depth| depth > 0) {
            Context::Reclaim
        } else {
            operation.map_or(Context::Other, |o| self.operations[o as usize].name.into())
        };
        self.items.push(Item {
            time_ns: start_ns,
            end_ns: self.since_start(event.time_ns),
            cpu: event.cpu,
            tid: event.tid,
            action,
            context,
            operation,
            cycle: None,
            line: event.line,
        });
    }

    fn since_start(&self, time_ns: u64) -> u64 {
        time_ns - self.recording.summary.first_time_ns
    }

    fn enter(&mut self, event: &Event, call: Call) {
        let operation = self.operations.len() as u32;
        self.operations.push(Operation { name: call.name(), tid: event.tid, time_ns: event.time_ns });
        let now = self.since_start(event.time_ns);
        let action = match call {
            Call::Madvise { start, length, advice: advice @ (MADV_NORMAL | MADV_RANDOM | MADV_SEQUENTIAL) } => {
                Action::Advice { span: span_of(start, length), random: advice == MADV_RANDOM }
            }
            _ => Action::Call(op_of(call), Vec::new()),
        };
        if let Some(span) = unmapped_first(call) {
            self.push(event, now, Action::Call(Op::call(OpKind::Munmap, span), Vec::new()), Some(operation));
        }
        self.push(event, now, action, Some(operation));
        self.calls.insert(event.tid, (self.items.len() - 1, operation));
    }

    /// The return value decides where mmap mapped, and whether a call did anything.
    fn exit(&mut self, tid: i32, ret: u64, now: u64) {
        let Some((item, operation)) = self.calls.remove(&tid) else {
            return;
        };
        self.items[item].end_ns = now;
        if ret >= ERRORS_FROM
            && let Some(Item { action: Action::Call(first, _), operation: of, .. }) =
                item.checked_sub(1).map(|i| &mut self.items[i])
            && *of == Some(operation)
        {
            first.kind = OpKind::Other;
        }
        if let Action::Call(op, _) = &mut self.items[item].action {
            if ret >= ERRORS_FROM {
                op.kind = OpKind::Other;
            } else if let OpKind::Mmap(_) = op.kind {
                op.span.first = ret >> PAGE_SHIFT;
            } else if op.kind == OpKind::Mremap {
                op.to = ret >> PAGE_SHIFT;
                if op.to == op.span.first {
                    // Grown or shrunk where it was: no page moves.
                    op.kind = OpKind::Other;
                }
            }
        }
    }

    fn switch(&mut self, event: &Event, prev: i32, state: RunState, next: i32) {
        let cpu = usize::from(event.cpu);
        if self.threads.contains(&prev) {
            // Leaving a CPU proves having been there.
            self.arrive(event.cpu, prev, event);
            if state == RunState::Blocked
                && let Some(&fault) = self.fault.get(&prev)
                && let Action::Fault { slept, .. } = &mut self.items[fault].action
            {
                *slept = true;
            }
            let left_ns = Some(event.time_ns);
            self.seen.insert(prev, Seen { left_ns, state });
        }
        let to_ours = self.threads.contains(&next);
        if to_ours {
            self.seen.insert(next, Seen { left_ns: None, state: RunState::Running });
        }
        let was = self.running[cpu];
        self.running[cpu] = to_ours.then_some(next);
        let action = match (was, to_ours) {
            (None, true) => Action::Load,
            (Some(_), false) if next == IDLE => Action::Borrow,
            (Some(_), false) => Action::Unload,
            _ => return,
        };
        let time_ns = self.since_start(event.time_ns);
        let item = Item {
            time_ns,
            end_ns: time_ns,
            cpu: event.cpu,
            tid: next,
            action,
            context: Context::Other,
            operation: None,
            cycle: None,
            line: event.line,
        };
        self.items.push(item);
    }

    /// A thread does something on a CPU. If no switch brought it there, it came silently: a sleeper just now, a runnable or
    /// migrating thread as soon as it had left its last CPU.
    fn arrive(&mut self, on: u16, tid: i32, event: &Event) {
        let cpu = usize::from(on);
        self.came_back(tid, event.time_ns);
        let before = self.seen.insert(tid, Seen { left_ns: None, state: RunState::Running });
        if self.running[cpu] == Some(tid) {
            return;
        }
        let came_ns = match before {
            Some(Seen { left_ns: Some(left), state }) => match self.silent {
                Silent::ByState if state != RunState::Sleeping => left,
                Silent::Early => left,
                Silent::ByState | Silent::Late => event.time_ns,
            },
            _ => event.time_ns,
        };
        self.inferred.silent_arrivals += u64::from(before.is_some());
        if self.running[cpu].is_none() {
            self.items.push(Item {
                time_ns: self.since_start(came_ns),
                end_ns: self.since_start(came_ns),
                cpu: on,
                tid,
                action: Action::Load,
                context: Context::Other,
                operation: None,
                cycle: None,
                line: event.line,
            });
        }
        // It no longer runs where it was.
        for (other, running) in self.running.iter_mut().enumerate() {
            if *running == Some(tid) && other != cpu {
                *running = None;
            }
        }
        self.running[cpu] = Some(tid);
    }

    /// A thread is on a CPU again: it was away since it last left one.
    fn came_back(&mut self, tid: i32, now_ns: u64) {
        if let Some(Seen { left_ns: Some(left), .. }) = self.seen.get(&tid) {
            *self.off_ns.entry(tid).or_default() += now_ns - left;
        }
    }

    fn finish(mut self, cpus: u16) -> Script {
        self.inferred.unfinished_calls = self.calls.len() as u64;
        self.items.sort_by_key(|item| item.time_ns);
        look_ahead(&mut self.items);
        let mut pageout_calls = 0;
        for item in &mut self.items {
            if matches!(&item.action, Action::Call(op, _) if op.kind == OpKind::Pageout) {
                item.cycle = Some(self.cycles_numbered + pageout_calls);
                pageout_calls += 1;
            }
        }
        Script {
            items: self.items,
            operations: self.operations,
            inferred: self.inferred,
            cpus,
            reclaim_cycles: self.reclaim_cycles + u64::from(pageout_calls),
            synchronous_swap: self.written_and_freed * 2 >= self.written,
        }
    }
}

/// Tells every fault what the next one on its page is.
fn look_ahead(items: &mut [Item]) {
    let mut seen = FxHashMap::default();
    for item in items.iter_mut().rev() {
        if let Action::Fault { vpn, present, next, .. } = &mut item.action {
            let this = if *present { NextFault::Present } else { NextFault::Absent };
            *next = seen.insert(*vpn, this).unwrap_or(NextFault::Never);
        }
    }
}

fn span_of(address: u64, length: u64) -> Span {
    let first = address >> PAGE_SHIFT;
    let end = address.saturating_add(length).div_ceil(1 << PAGE_SHIFT);
    Span { first, pages: end.saturating_sub(first) }
}

/// What a call unmaps before it does anything else: what a fixed mapping replaces, the tail that `mremap` cuts off.
fn unmapped_first(call: Call) -> Option<Span> {
    let span = match call {
        Call::Mmap { address, length, flags, .. } if flags & MAP_FIXED != 0 => span_of(address, length),
        Call::Mremap { address, old_length, new_length, .. } => {
            let (old, new) = (span_of(address, old_length), span_of(address, new_length));
            Span { first: new.end(), pages: old.pages.saturating_sub(new.pages) }
        }
        _ => return None,
    };
    (span.pages > 0).then_some(span)
}

fn op_of(call: Call) -> Op {
    match call {
        Call::Mmap { address, length, protection, flags, .. } => {
            let backing = match (flags & MAP_SHARED != 0, flags & MAP_ANONYMOUS != 0) {
                (true, _) => Backing::SharedFile,
                (false, true) => Backing::Anon,
                (false, false) => Backing::PrivateFile,
            };
            let rights = Rights::from_prot(protection);
            Op { rights, ..Op::call(OpKind::Mmap(backing), span_of(address, length)) }
        }
        Call::Munmap { address, length } => Op::call(OpKind::Munmap, span_of(address, length)),
        Call::Mprotect { start, length, protection } => {
            Op::mprotect(span_of(start, length), Rights::from_prot(protection))
        }
        Call::Madvise { start, length, advice } => {
            let kind = match advice {
                MADV_DONTNEED => OpKind::Dontneed,
                MADV_PAGEOUT => OpKind::Pageout,
                _ => OpKind::Other,
            };
            Op::call(kind, span_of(start, length))
        }
        Call::Mremap { address, old_length, new_length, .. } => {
            let (old, new) = (span_of(address, old_length), span_of(address, new_length));
            Op::mremap(Span { pages: old.pages.min(new.pages), ..old }, old.first)
        }
    }
}
