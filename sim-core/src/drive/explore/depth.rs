//! Depth first: the newest state first. The way to a state is the stack, so no parents are kept.

use super::parts::Parts;
use super::visited::{Sought, Visited};
use super::{Bench, Interner, Key, Options, Outcome, Progress, Successor, System, Verdict, outcome, trail};

/// Transitions between two looks at the memory bound.
const BATCH: usize = 16_384;

/// A state on the way.
struct Visit {
    id: u32,
    /// Where in `ahead` the states that it leads to begin.
    from: usize,
}

struct Search<'a, S: System> {
    system: &'a S,
    options: &'a Options,
    visited: Visited<S::Key>,
    bench: Bench<'static, S>,
    way: Vec<Visit>,
    /// States that those on the way lead to, not looked at yet; those of the last one come last.
    ahead: Vec<S::Key>,
    successors: Vec<Successor<S::Key>>,
    sought: Vec<Sought>,
    reached: Progress,
    tested: bool,
}

pub(super) fn search<S: System>(
    system: &S,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Outcome<S::Action> {
    let mut bench = Bench::new(system, Interner::new(None, Parts::default()), S::Memo::default());
    if options.symmetry {
        system.represent(&mut bench.next);
    }
    let key = system.pack(&bench.next, &mut bench.parts);
    let mut search = Search {
        system,
        options,
        visited: Visited::new(),
        bench,
        way: Vec::new(),
        ahead: Vec::new(),
        successors: Vec::new(),
        sought: Vec::new(),
        reached: Progress { states: 0, transitions: 0, depth: 0, bytes: 0 },
        tested: false,
    };
    let mut verdict = search.enter(key, key.digest());
    let mut looked = 0;
    while verdict.is_none() {
        verdict = search.advance();
        if verdict.is_none() && search.reached.transitions >= looked + BATCH {
            looked = search.reached.transitions;
            let reached = search.reached();
            progress(reached);
            verdict = (reached.bytes > options.max_bytes).then_some(Verdict::NotExhausted { states: reached.states });
        }
    }
    let reached = search.reached();
    progress(reached);
    outcome(system, options, verdict.expect("the loop ends with one"), reached)
}

impl<S: System> Search<'_, S> {
    fn reached(&self) -> Progress {
        let bytes = self.visited.bytes() + self.bench.parts.own.bytes();
        Progress { states: self.visited.len(), bytes, ..self.reached }
    }

    /// Goes on to the next state ahead of the last one on the way, or steps back.
    fn advance(&mut self) -> Option<Verdict<S::Action>> {
        let Some(visit) = self.way.last() else {
            return Some(Verdict::Never { vacuous: !self.tested });
        };
        if self.ahead.len() == visit.from {
            self.way.pop();
            return None;
        }
        let key = self.ahead.pop().expect("a state ahead");
        self.enter(key, key.digest())
    }

    /// Visits a state, if it is new.
    fn enter(&mut self, key: S::Key, digest: u64) -> Option<Verdict<S::Action>> {
        self.visited.reserve(1);
        let free = self.visited.probe(&key, digest).err()?;
        if self.visited.len() >= self.options.max_states {
            return Some(Verdict::NotExhausted { states: self.visited.len() });
        }
        self.way.push(Visit { id: self.visited.len() as u32, from: self.ahead.len() });
        self.visited.put(free, key, digest);
        self.reached.depth = self.reached.depth.max(self.way.len() - 1);
        self.successors.clear();
        let seen = self.system.successors(&key, self.options, &mut self.bench, &mut self.successors);
        self.tested |= seen.tested;
        if self.successors.is_empty() && !seen.may_end {
            return Some(Verdict::Stuck(self.path(false)));
        }
        let sought = self.visited.ask_for(&self.successors, &mut self.sought);
        let new = |n: usize| !self.visited.knows(&self.successors[n].key, sought[n]);
        for n in 0..self.successors.len() {
            let effect = self.successors[n].effect;
            if effect.broken {
                self.reached.transitions += n + 1;
                return Some(Verdict::Sometimes(self.path(true)));
            }
            // On a cycle the last state found leads to an old one and is left in full, so no action is put off for ever.
            if self.options.reduce && effect.alone && new(n) {
                self.reached.transitions += 1;
                self.ahead.push(self.successors[n].key);
                return None;
            }
        }
        self.reached.transitions += self.successors.len();
        let ahead = (0..self.successors.len()).rev().filter(|&n| new(n));
        self.ahead.extend(ahead.map(|n| self.successors[n].key));
        None
    }

    fn path(&mut self, breaks: bool) -> Vec<S::Action> {
        let keys: Vec<_> = self.way.iter().map(|visit| self.visited.keys[visit.id as usize]).collect();
        trail::walk(self.system, self.options, &keys, &mut self.bench.parts, breaks)
    }
}
