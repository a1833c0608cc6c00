//! Depth first: the newest state first. The way to a state is the stack, so no parents are kept.

use super::parts::Parts;
use super::visited::Visited;
use super::{Interner, Key, Options, Outcome, Progress, System, Verdict, actions, outcome, trail};

/// Transitions between two looks at the memory bound.
const BATCH: usize = 16_384;

/// A state on the way, and the first of its actions that has not been tried.
struct Visit {
    id: u32,
    next: u32,
    moved: bool,
}

/// The state was left by an action that was alone: the others are not tried.
const LEFT: u32 = u32::MAX;

struct Search<'a, S: System> {
    system: &'a S,
    options: &'a Options,
    visited: Visited<S::Key>,
    interner: Interner<'static>,
    way: Vec<Visit>,
    reached: Progress,
    full: bool,
    tested: bool,
    state: S::State,
    next: S::State,
    choices: Vec<S::Action>,
}

pub(super) fn search<S: System>(
    system: &S,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Outcome<S::Action> {
    let mut search = Search {
        system,
        options,
        visited: Visited::new(),
        interner: Interner::new(None, Parts::default()),
        way: Vec::new(),
        reached: Progress { states: 0, transitions: 0, depth: 0, bytes: 0 },
        full: false,
        tested: false,
        state: system.initial(),
        next: system.initial(),
        choices: Vec::new(),
    };
    if options.symmetry {
        system.represent(&mut search.next);
    }
    let key = system.pack(&search.next, &mut search.interner);
    search.enter(key, key.digest());
    let mut looked = 0;
    let verdict = loop {
        if let Some(verdict) = search.advance() {
            break verdict;
        }
        if search.reached.transitions >= looked + BATCH {
            looked = search.reached.transitions;
            let reached = search.reached();
            progress(reached);
            if reached.bytes > options.max_bytes {
                break Verdict::NotExhausted { states: reached.states };
            }
        }
    };
    let reached = search.reached();
    progress(reached);
    outcome(system, options, verdict, reached)
}

impl<S: System> Search<'_, S> {
    fn reached(&self) -> Progress {
        let bytes = self.visited.bytes() + self.interner.own.bytes();
        Progress { states: self.visited.len(), bytes, ..self.reached }
    }

    fn enter(&mut self, key: S::Key, digest: u64) {
        self.full = self.visited.len() >= self.options.max_states;
        if self.full {
            return;
        }
        self.way.push(Visit { id: self.visited.len() as u32, next: 0, moved: false });
        self.visited.push(key, digest);
        self.reached.depth = self.reached.depth.max(self.way.len() - 1);
    }

    /// Tries actions of the last state on the way until one leads to a new state, or steps back.
    fn advance(&mut self) -> Option<Verdict<S::Action>> {
        let Some(&Visit { id, next: first, .. }) = self.way.last() else {
            return Some(Verdict::Never { vacuous: !self.tested });
        };
        if first == LEFT {
            self.way.pop();
            return None;
        }
        self.system.unpack(&self.visited.keys[id as usize], &self.interner, &mut self.state);
        self.tested |= self.system.tested(&self.state);
        actions(self.system, self.options, &self.state, &mut self.choices);
        if first == 0 && self.options.reduce && self.go_alone() {
            return self.bound();
        }
        for n in first as usize..self.choices.len() {
            let Some((effect, key, digest)) = self.take(n) else {
                continue;
            };
            self.reached.transitions += 1;
            let visit = self.way.last_mut().expect("the state that is left");
            (visit.next, visit.moved) = (n as u32 + 1, true);
            if effect.broken {
                return Some(Verdict::Sometimes(self.path(true)));
            }
            if self.visited.find(&key, digest).is_none() {
                self.enter(key, digest);
                return self.bound();
            }
        }
        let visit = self.way.last().expect("the state that is left");
        if !visit.moved && !self.system.may_end(&self.state) {
            return Some(Verdict::Stuck(self.path(false)));
        }
        self.way.pop();
        None
    }

    fn take(&mut self, n: usize) -> Option<(super::Effect, S::Key, u64)> {
        self.next.clone_from(&self.state);
        let effect = self.system.apply(&mut self.next, self.choices[n])?;
        if self.options.symmetry {
            self.system.represent(&mut self.next);
        }
        let key = self.system.pack(&self.next, &mut self.interner);
        Some((effect, key, key.digest()))
    }

    /// Takes an action that is alone, if it leads to a new state: on a cycle the last state found leads to an old one, and is
    /// left in full, so no action is put off for ever.
    fn go_alone(&mut self) -> bool {
        for n in 0..self.choices.len() {
            if let Some((effect, key, digest)) = self.take(n)
                && effect.alone
                && !effect.broken
                && self.visited.find(&key, digest).is_none()
            {
                self.reached.transitions += 1;
                let visit = self.way.last_mut().expect("the state that is left");
                (visit.next, visit.moved) = (LEFT, true);
                self.enter(key, digest);
                return true;
            }
        }
        false
    }

    fn bound(&self) -> Option<Verdict<S::Action>> {
        self.full.then(|| Verdict::NotExhausted { states: self.visited.len() })
    }

    fn path(&mut self, breaks: bool) -> Vec<S::Action> {
        let keys: Vec<_> = self.way.iter().map(|visit| self.visited.keys[visit.id as usize]).collect();
        trail::walk(self.system, self.options, &keys, &mut self.interner, breaks)
    }
}
