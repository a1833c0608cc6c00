//! One pass over the events of a recording.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::AccessKind;

use super::assume::{Assumptions, Silent};
use super::calls::{self, PAGE_SHIFT, USER_END};
use super::event::{Call, Event, ListStats, Recording, RunState, What};
use super::script::{Action, Context, Inferred, Item, List, NextFault, Operation, Script};

/// `error_code` bits of a page fault (Intel SDM vol. 3, 4.7).
const FAULT_PRESENT: u16 = 1;
const FAULT_WRITE: u16 = 2;
const FAULT_FETCH: u16 = 16;
/// What a runnable thread waits for a CPU at most under [`Silent::Late`]: a slice of the one that runs there, and then some
/// (`sysctl_sched_base_slice` is 2.8 ms with two CPUs).
const SLICE_NS: u64 = 4_000_000;
/// The idle task.
const IDLE: i32 = 0;

/// Reads events one after the other.
struct Builder<'r> {
    recording: &'r Recording,
    silent: Silent,
    items: Vec<Item>,
    operations: Vec<Operation>,
    inferred: Inferred,
    /// By thread: the call under way.
    calls: BTreeMap<i32, UnderWay>,
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
    /// By thread: when it was off the CPU since its last list or call began.
    away_ns: FxHashMap<i32, Vec<(u64, u64)>>,
    /// By thread: time spent off the CPU since then.
    off_ns: FxHashMap<i32, u64>,
    /// The threads of the process: every one that does something in the recording.
    threads: FxHashSet<i32>,
    /// By thread: where it was last seen, and if it is running there.
    seen: BTreeMap<i32, Seen>,
    /// By CPU: does it run the process?
    running: Vec<Option<i32>>,
    /// By CPU: when it was last seen to run something else.
    others_ns: Vec<u64>,
    reclaim_cycles: u64,
    written: u64,
    written_and_freed: u64,
}

/// A call that was entered.
#[derive(Clone, Copy)]
struct UnderWay {
    call: Call,
    /// Its first item, what it unmaps before.
    first: usize,
    /// Its own item.
    item: usize,
    operation: u32,
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
            calls: BTreeMap::new(),
            reclaiming: FxHashMap::default(),
            cycle: FxHashMap::default(),
            cycles_numbered: 0,
            writes: FxHashMap::default(),
            fault: FxHashMap::default(),
            list_since: FxHashMap::default(),
            away_ns: FxHashMap::default(),
            off_ns: FxHashMap::default(),
            seen: BTreeMap::new(),
            running: vec![None; usize::from(cpus)],
            others_ns: vec![0; usize::from(cpus)],
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
            _ if event.pid != self.recording.target.pid => {
                self.others_ns[usize::from(event.cpu)] = event.time_ns;
                return;
            }
            _ => {}
        }
        self.arrive(event.cpu, event.tid, event);
        let now = self.since_start(event.time_ns);
        if let Some(fault) = self.fault.remove(&event.tid) {
            self.items[fault].end_ns = now;
        }
        match event.what {
            // The page of vsyscalls, or a mistake that a signal ends: no page of the process is there.
            What::UserFault { address, .. } if address >= USER_END => {}
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
            What::Exit { ret, .. } => self.exit(event, ret, now),
            What::ReclaimBegin => {
                self.reclaim_cycles += 1;
                let cycle = self.new_cycle();
                self.cycle.insert(event.tid, cycle);
                *self.reclaiming.entry(event.tid).or_default() += 1;
                self.writes.remove(&event.tid);
                self.list_since.insert(event.tid, now);
                self.away_ns.remove(&event.tid);
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
                if let Some(call) = self.calls.get(&event.tid)
                    && let Action::Call(_, lists) = &mut self.items[call.item].action
                {
                    lists.push(list);
                }
            }
            What::Exec | What::TlbFlush { .. } | What::Switch { .. } => {}
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
        List { stats, writes_ns, busy_ns: 0, away_ns: self.away_ns.remove(&tid).unwrap_or_default() }
    }

    fn push(&mut self, event: &Event, start_ns: u64, action: Action, operation: Option<u32>) {
        let inside = self.calls.get(&event.tid).map(|call| call.operation);
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
        // Its exit is not in the recording, nor are the lists of what was written.
        self.lost(event.tid);
        self.writes.remove(&event.tid);
        self.away_ns.remove(&event.tid);
        let operation = self.operations.len() as u32;
        self.operations.push(Operation { name: call.name(), tid: event.tid, time_ns: event.time_ns });
        let now = self.since_start(event.time_ns);
        let first = self.items.len();
        for span in calls::unmapped_first(call) {
            self.push(event, now, Action::Call(Op::call(OpKind::Munmap, span), Vec::new()), Some(operation));
        }
        self.push(event, now, calls::action_of(call), Some(operation));
        let item = self.items.len() - 1;
        self.calls.insert(event.tid, UnderWay { call, first, item, operation });
    }

    /// The return value decides where mmap mapped, and whether a call did anything.
    fn exit(&mut self, event: &Event, ret: u64, now: u64) {
        let Some(UnderWay { call, first, item, operation }) = self.calls.remove(&event.tid) else {
            return;
        };
        self.items[item].end_ns = now;
        if calls::failed(ret) {
            for part in &mut self.items[first..=item] {
                if let Action::Call(op, _) = &mut part.action {
                    op.kind = OpKind::Other;
                }
            }
            return;
        }
        if let Action::Call(op, _) = &mut self.items[item].action {
            calls::returned(op, ret);
        }
        if let Some(action) = calls::aftermath(call, ret) {
            self.push(event, now, action, Some(operation));
        }
    }

    /// A call without an exit.
    fn lost(&mut self, tid: i32) {
        if let Some(call) = self.calls.remove(&tid) {
            self.inferred.unfinished_calls += 1;
            if let Action::Call(op, _) = &mut self.items[call.item].action {
                calls::unfinished(op);
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
            self.came_back(next, event.time_ns);
            self.seen.insert(next, Seen { left_ns: None, state: RunState::Running });
        }
        let was = self.running[cpu];
        self.running[cpu] = to_ours.then_some(next);
        if !to_ours {
            self.others_ns[cpu] = event.time_ns;
        }
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
    /// migrating thread as soon as it had left its last CPU, and nothing else is seen there any more.
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
                Silent::Late if state != RunState::Sleeping => event.time_ns.min(left + SLICE_NS),
                Silent::ByState | Silent::Late => event.time_ns,
            },
            _ => event.time_ns,
        };
        let came_ns = came_ns.max(self.others_ns[cpu]);
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
            let span = (self.since_start(*left), self.since_start(now_ns));
            self.away_ns.entry(tid).or_default().push(span);
        }
    }

    fn finish(mut self, cpus: u16) -> Script {
        let lost: Vec<i32> = self.calls.keys().copied().collect();
        for tid in lost {
            self.lost(tid);
        }
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
            cycles_numbered: self.cycles_numbered + pageout_calls,
            has_faults: self.recording.has_faults(),
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
