//! Breadth first, level by level.
//!
//! A state is numbered when it is first reached, and the frontier is a range of numbers. A batch of it is expanded by workers
//! that only read the visited set; then one thread takes in what they found, in the order in which one worker alone would have
//! found it. So numbers, parents and counts do not depend on how many workers there are.

use std::ops::Range;

use super::parts::Parts;
use super::visited::{Sought, Visited};
use super::{Bench, Interner, Key, Options, Outcome, Progress, Successor, System, Verdict, outcome, trail};

/// States expanded between two looks at the bounds.
const BATCH: u32 = 4096;
/// Batches smaller than this are not worth a thread.
const SHARED: u32 = 512;
/// States whose successors are taken in together: few enough that these stay in the nearest cache.
const TOGETHER: usize = 64;

/// A state, as the worker that has expanded it hands it on.
#[derive(Clone, Copy, Debug)]
struct Expanded {
    /// Where in the share's `found` its successors end.
    end: u32,
    transitions: u32,
}

/// Why a search ends early, and at which state.
#[derive(Clone, Copy, Debug)]
enum End {
    Broken(u32),
    Stuck(u32),
    Full,
}

/// What a worker found in its share of a batch.
#[derive(Debug)]
struct Share<K> {
    found: Vec<Successor<K>>,
    expanded: Vec<Expanded>,
    tested: bool,
    end: Option<End>,
}

impl<K> Default for Share<K> {
    fn default() -> Self {
        Share { found: Vec::new(), expanded: Vec::new(), tested: false, end: None }
    }
}

struct Search<'a, S: System> {
    system: &'a S,
    options: &'a Options,
    visited: Visited<S::Key>,
    /// How many states were first reached from each that has been expanded: these are numbered in a row.
    children: Vec<u16>,
    /// What is taken in together.
    sought: Vec<Sought>,
    parts: Parts,
    /// Bytes of the parts before this batch.
    parts_before: u64,
    /// There was no room for one more state.
    full: bool,
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
        let parts = interner.own;
        let reached = Progress { states: 1, transitions: 0, depth: 0, bytes: 0 };
        let memos = (0..options.threads.max(1)).map(|_| S::Memo::default()).collect();
        Search {
            system,
            options,
            visited,
            children: Vec::new(),
            sought: Vec::new(),
            parts,
            parts_before: 0,
            full: false,
            memos,
            level_end: 1,
            reached,
            tested: false,
        }
    }

    fn reached(&self) -> Progress {
        // Where a search ends for room, how many parts were found by then is a matter of how many workers looked.
        let parts = if self.full { self.parts_before } else { self.parts.bytes() };
        let bytes = self.visited.bytes() + self.children.len() as u64 * 2 + parts;
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
        self.parts_before = self.parts.bytes();
        let workers = (self.memos.len() as u32).min((batch.len() as u32).div_ceil(SHARED));
        if workers > 1 {
            return self.shared_batch(batch, workers);
        }
        let interner = Interner::new(None, std::mem::take(&mut self.parts));
        let mut bench = Bench::new(self.system, interner, std::mem::take(&mut self.memos[0]));
        let mut share = Share::default();
        let starts = batch.clone().step_by(TOGETHER);
        let end = starts.map(|start| start..batch.end.min(start + TOGETHER as u32)).find_map(|few| {
            self.expand(few, &mut bench, false, &mut share);
            self.take_in(&mut share)
        });
        self.parts = bench.parts.own;
        self.memos[0] = bench.memo;
        end.map(|end| self.verdict(end))
    }

    fn shared_batch(&mut self, batch: Range<u32>, workers: u32) -> Option<Verdict<S::Action>> {
        let each = (batch.len() as u32).div_ceil(workers).next_multiple_of(TOGETHER as u32);
        let mut memos = std::mem::take(&mut self.memos);
        let (this, known) = (&*self, self.parts.len());
        let shares = crossbeam_utils::thread::scope(|scope| {
            let work = |(start, memo): (u32, &mut S::Memo)| {
                let (share, memo) = (start..batch.end.min(start + each), std::mem::take(memo));
                scope.spawn(move |_| {
                    let interner = Interner::new(Some(&this.parts), Parts::default());
                    let mut bench = Bench::new(this.system, interner, memo);
                    let mut found = Share::default();
                    this.expand(share, &mut bench, true, &mut found);
                    (found, bench.parts.own, bench.memo)
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
                }
            }
            self.memos[n] = memo;
            if let Some(end) = self.take_in(&mut share) {
                return Some(self.verdict(end));
            }
        }
        None
    }

    /// Takes every action of some states. `sift`: leave out states that are known already.
    fn expand(&self, states: Range<u32>, bench: &mut Bench<'_, S>, sift: bool, share: &mut Share<S::Key>) {
        for id in states {
            let (key, start) = (&self.visited.keys[id as usize], share.found.len());
            let seen = self.system.successors(key, self.options, bench, &mut share.found);
            share.tested |= seen.tested;
            if share.found.len() == start && !seen.may_end {
                share.end = Some(End::Stuck(id));
                return;
            }
            let mut transitions = share.found.len() - start;
            if seen.breaks || self.options.reduce {
                transitions = self.cut(id, start, share);
            }
            if sift {
                self.sift(start, &mut share.found);
            }
            let end = share.found.len() as u32;
            share.expanded.push(Expanded { end, transitions: transitions as u32 });
            if share.end.is_some() {
                return;
            }
        }
    }

    /// Leaves out the transitions behind one that breaks the property, and those that another one overtakes. Returns how many
    /// have been taken.
    fn cut(&self, id: u32, start: usize, share: &mut Share<S::Key>) -> usize {
        let stop =
            |s: &Successor<_>| s.effect.broken || self.options.reduce && s.effect.alone && self.overtakes(&s.key);
        match share.found[start..].iter().position(stop) {
            Some(n) if share.found[start + n].effect.broken => {
                share.end = Some(End::Broken(id));
                share.found.truncate(start + n);
                n + 1
            }
            Some(n) => {
                share.found.swap(start, start + n);
                share.found.truncate(start + 1);
                1
            }
            None => share.found.len() - start,
        }
    }

    /// The proviso of a step that overtakes the others: a cycle has a state whose successor was found on its level or before,
    /// and that one is expanded in full, so no action is put off for ever.
    fn overtakes(&self, key: &S::Key) -> bool {
        self.visited.find(key, key.digest()).is_none_or(|known| known >= self.level_end)
    }

    /// Leaves out what is known.
    fn sift(&self, start: usize, found: &mut Vec<Successor<S::Key>>) {
        let mut kept = start;
        for n in start..found.len() {
            if self.visited.find(&found[n].key, found[n].key.digest()).is_none() {
                found[kept] = found[n];
                kept += 1;
            }
        }
        found.truncate(kept);
    }

    /// Takes in what a worker found, and leaves its share empty.
    fn take_in(&mut self, share: &mut Share<S::Key>) -> Option<End> {
        let mut start = 0;
        for expanded in share.expanded.chunks(TOGETHER) {
            let found = &share.found[start..expanded.last().map_or(start, |last| last.end as usize)];
            // Counted before sifting, for the room to be the same with any number of workers.
            self.visited.reserve(expanded.iter().map(|state| state.transitions as usize).sum());
            let mut before = self.visited.len() as u32;
            let looked_at = self.visited.add_all(found, &mut self.sought, self.options.max_states);
            for state in expanded {
                let end = state.end as usize - start;
                if end > looked_at {
                    return Some(End::Full);
                }
                let len = end.checked_sub(1).map_or(before, |last| self.sought[last].known);
                let children = u16::try_from(len - before);
                self.children.push(children.expect("fewer than 65,536 steps lead from a state"));
                self.reached.transitions += state.transitions as usize;
                before = len;
            }
            start += found.len();
        }
        self.tested |= share.tested;
        share.found.clear();
        share.expanded.clear();
        share.tested = false;
        share.end.take()
    }

    fn verdict(&mut self, end: End) -> Verdict<S::Action> {
        match end {
            End::Broken(id) => Verdict::Sometimes(self.way_to(id, true)),
            End::Stuck(id) => Verdict::Stuck(self.way_to(id, false)),
            End::Full => {
                self.full = true;
                Verdict::NotExhausted { states: self.visited.len() }
            }
        }
    }

    fn way_to(&mut self, mut id: u32, breaks: bool) -> Vec<S::Action> {
        let mut keys = vec![self.visited.keys[id as usize]];
        let mut first_child = 1 + self.children.iter().map(|&n| u32::from(n)).sum::<u32>();
        for (parent, &children) in self.children.iter().enumerate().rev() {
            first_child -= u32::from(children);
            if id >= first_child {
                id = parent as u32;
                keys.push(self.visited.keys[parent]);
            }
        }
        keys.reverse();
        let mut interner = Interner::new(None, std::mem::take(&mut self.parts));
        let path = trail::walk(self.system, self.options, &keys, &mut interner, breaks);
        self.parts = interner.own;
        path
    }
}
