//! Breadth first, level by level.
//!
//! A state is numbered when it is first reached, and the frontier is a range of numbers. A batch of it is expanded by workers
//! that only read the visited set; then one thread takes in what they found, in the order in which one worker alone would have
//! found it. So numbers, parents and counts do not depend on how many workers there are.

use std::ops::Range;

use super::parts::Parts;
use super::visited::Visited;
use super::{Bench, Interner, Key, Options, Outcome, Progress, System, Verdict, outcome, trail};

/// States expanded between two looks at the bounds.
const BATCH: u32 = 4096;
/// Batches smaller than this are not worth a thread.
const SHARED: u32 = 512;

/// Transitions whose slots are read ahead.
const WARMED: usize = 64;

/// A transition, as a worker hands it on.
struct Found<K> {
    key: K,
    digest: u64,
    parent: u32,
    /// How many transitions the worker had taken by then.
    transitions: u32,
}

/// Why a worker stopped early, and at which state.
#[derive(Clone, Copy, Debug)]
enum End {
    Broken(u32),
    Stuck(u32),
}

/// What a worker found in its share of a batch.
struct Share<K> {
    found: Vec<Found<K>>,
    transitions: u32,
    tested: bool,
    end: Option<End>,
}

struct Search<'a, S: System> {
    system: &'a S,
    options: &'a Options,
    visited: Visited<S::Key>,
    /// From which state each was first reached.
    parents: Vec<u32>,
    parts: Parts,
    memos: Vec<S::Memo>,
    /// States of this level and of those before it have lower numbers.
    level_end: u32,
    reached: Progress,
    tested: bool,
}

pub(super) fn search<S: System>(
    system: &S,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Outcome<S::Action> {
    let mut search = Search::new(system, options);
    let mut level = 0..1;
    let verdict = loop {
        search.level_end = level.end;
        if let Some(verdict) = search.level(level.clone(), progress) {
            break verdict;
        }
        level = level.end..search.visited.len() as u32;
        if level.is_empty() {
            break Verdict::Never { vacuous: !search.tested };
        }
        search.reached.depth += 1;
    };
    outcome(system, options, verdict, search.reached())
}

impl<'a, S: System> Search<'a, S> {
    fn new(system: &'a S, options: &'a Options) -> Self {
        let (mut visited, mut interner) = (Visited::new(), Interner::new(None, Parts::default()));
        let mut first = system.initial();
        if options.symmetry {
            system.represent(&mut first);
        }
        let key = system.pack(&first, &mut interner);
        visited.insert(key, key.digest());
        let (parts, parents) = (interner.own, vec![0]);
        let reached = Progress { states: 1, transitions: 0, depth: 0, bytes: 0 };
        let memos = (0..options.threads.max(1)).map(|_| S::Memo::default()).collect();
        Search { system, options, visited, parents, parts, memos, level_end: 1, reached, tested: false }
    }

    fn reached(&self) -> Progress {
        let bytes = self.visited.bytes() + self.parents.len() as u64 * 4 + self.parts.bytes();
        Progress { states: self.visited.len(), bytes, ..self.reached }
    }

    fn level(&mut self, level: Range<u32>, progress: &mut dyn FnMut(Progress)) -> Option<Verdict<S::Action>> {
        for start in level.clone().step_by(BATCH as usize) {
            let verdict = self.batch(start..level.end.min(start + BATCH));
            let reached = self.reached();
            progress(reached);
            if verdict.is_some() {
                return verdict;
            }
            if reached.bytes > self.options.max_bytes {
                return Some(Verdict::NotExhausted { states: reached.states });
            }
        }
        None
    }

    fn batch(&mut self, batch: Range<u32>) -> Option<Verdict<S::Action>> {
        let workers = (self.memos.len() as u32).min((batch.len() as u32).div_ceil(SHARED));
        if workers > 1 {
            return self.shared_batch(batch, workers);
        }
        let interner = Interner::new(None, std::mem::take(&mut self.parts));
        let mut bench = Bench::new(self.system, interner, std::mem::take(&mut self.memos[0]));
        let share = self.expand(batch, &mut bench, false);
        self.parts = bench.parts.own;
        self.memos[0] = bench.memo;
        self.take_in(&share)
    }

    fn shared_batch(&mut self, batch: Range<u32>, workers: u32) -> Option<Verdict<S::Action>> {
        let each = (batch.len() as u32).div_ceil(workers);
        let mut memos = std::mem::take(&mut self.memos);
        let (this, known) = (&*self, self.parts.len());
        let shares = crossbeam_utils::thread::scope(|scope| {
            let work = |(start, memo): (u32, &mut S::Memo)| {
                let (share, memo) = (start..batch.end.min(start + each), std::mem::take(memo));
                scope.spawn(move |_| {
                    let interner = Interner::new(Some(&this.parts), Parts::default());
                    let mut bench = Bench::new(this.system, interner, memo);
                    (this.expand(share, &mut bench, true), bench.parts.own, bench.memo)
                })
            };
            let starts = batch.clone().step_by(each as usize);
            let workers: Vec<_> = starts.zip(&mut memos).map(work).collect();
            workers.into_iter().map(|worker| worker.join().expect("a worker panicked")).collect::<Vec<_>>()
        })
        .expect("a worker panicked");
        self.memos = memos;
        for (n, (mut share, own, mut memo)) in shares.into_iter().enumerate() {
            let numbers = self.parts.absorb(&own);
            if !numbers.is_empty() {
                let new = |id: u32| id.checked_sub(known).map_or(id, |n| numbers[n as usize]);
                self.system.renumber_memo(&mut memo, new);
                for found in &mut share.found {
                    found.key = self.system.renumber(found.key, new);
                    found.digest = found.key.digest();
                }
            }
            self.memos[n] = memo;
            if let Some(verdict) = self.take_in(&share) {
                return Some(verdict);
            }
        }
        None
    }

    /// Takes every action of some states. `sift`: leave out states that are known already.
    fn expand(&self, states: Range<u32>, bench: &mut Bench<'_, S>, sift: bool) -> Share<S::Key> {
        let mut share = Share { found: Vec::with_capacity(states.len() * 3), transitions: 0, tested: false, end: None };
        let mut successors = Vec::new();
        for id in states {
            successors.clear();
            let key = &self.visited.keys[id as usize];
            let seen = self.system.successors(key, self.options, bench, &mut successors);
            share.tested |= seen.tested;
            if successors.is_empty() && !seen.may_end {
                share.end = Some(End::Stuck(id));
                return share;
            }
            let before = (share.found.len(), share.transitions);
            for successor in &successors {
                share.transitions += 1;
                if successor.effect.broken {
                    share.end = Some(End::Broken(id));
                    return share;
                }
                let (key, digest) = (successor.key, successor.key.digest());
                let alone = self.options.reduce && successor.effect.alone;
                let known = if alone || sift { self.visited.find(&key, digest) } else { None };
                // The proviso: a cycle has a state whose successor was found on its level or before, and that one is
                // expanded in full, so no action is put off for ever.
                let alone = alone && known.is_none_or(|known| known >= self.level_end);
                if alone {
                    share.found.truncate(before.0);
                    share.transitions = before.1 + 1;
                }
                if !sift || known.is_none() {
                    share.found.push(Found { key, digest, parent: id, transitions: share.transitions });
                }
                if alone {
                    break;
                }
            }
        }
        share
    }

    fn take_in(&mut self, share: &Share<S::Key>) -> Option<Verdict<S::Action>> {
        for (n, found) in share.found.iter().enumerate() {
            if n.is_multiple_of(WARMED) {
                let next = &share.found[n..share.found.len().min(n + WARMED)];
                self.visited.warm(next.iter().map(|found| found.digest));
            }
            let full = self.visited.len() >= self.options.max_states;
            if full && self.visited.find(&found.key, found.digest).is_none() {
                self.reached.transitions += found.transitions as usize;
                return Some(Verdict::NotExhausted { states: self.visited.len() });
            }
            if self.visited.insert(found.key, found.digest) {
                self.parents.push(found.parent);
            }
        }
        self.reached.transitions += share.transitions as usize;
        self.tested |= share.tested;
        share.end.map(|end| match end {
            End::Broken(id) => Verdict::Sometimes(self.way_to(id, true)),
            End::Stuck(id) => Verdict::Stuck(self.way_to(id, false)),
        })
    }

    fn way_to(&mut self, mut id: u32, breaks: bool) -> Vec<S::Action> {
        let mut keys = vec![self.visited.keys[id as usize]];
        while id != 0 {
            id = self.parents[id as usize];
            keys.push(self.visited.keys[id as usize]);
        }
        keys.reverse();
        let mut interner = Interner::new(None, std::mem::take(&mut self.parts));
        let path = trail::walk(self.system, self.options, &keys, &mut interner, breaks);
        self.parts = interner.own;
        path
    }
}
