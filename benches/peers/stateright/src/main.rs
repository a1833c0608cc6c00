//! The reference model (sim-core/tests/models/reference.rs) for stateright: three page-table pages, and a pair of counters that
//! tells mprotect of flushes put off. `breadth|depth N` prints how many states N searches had.

use stateright::{Checker, Model, Property};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAGES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mapping {
    None,
    ReadOnly,
    Writable,
}

/// One page-table page with its one page, and who is at work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Page {
    pte: Mapping,
    translation: Mapping,
    locked: bool,
    returned: bool,
    reclaim: u8,
    owes: bool,
    mprotect: u8,
    changed: bool,
    seen: (u8, u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    pages: [Page; PAGES],
    mmap_lock: bool,
    pending: u8,
    flushed: u8,
    broken: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    Reclaim(usize),
    Mprotect(usize),
    Fill(usize),
    Store(usize),
}

impl State {
    fn forget(&mut self) {
        self.pages.iter_mut().for_each(|page| page.translation = Mapping::None);
    }

    fn reclaim(&mut self, n: usize) {
        let page = &mut self.pages[n];
        page.reclaim = match page.reclaim {
            0 => {
                page.locked = true;
                1
            }
            1 if page.pte == Mapping::None => 3,
            1 => {
                page.pte = Mapping::None;
                2
            }
            2 => {
                page.owes = true;
                self.pending += 1;
                3
            }
            3 => {
                page.locked = false;
                if page.owes { 4 } else { 5 }
            }
            _ => {
                page.reclaim = 5;
                return self.forget();
            }
        };
    }

    fn mprotect(&mut self, n: usize) {
        let now = (self.pending, self.flushed);
        let page = &mut self.pages[n];
        match page.mprotect {
            0 => self.mmap_lock = true,
            1 => page.locked = true,
            2 => {
                page.seen = now;
                page.mprotect = if now.0 == now.1 { 5 } else { 3 };
                return;
            }
            4 if now == page.seen => self.flushed = page.seen.0,
            5 if page.pte == Mapping::Writable => (page.pte, page.changed) = (Mapping::ReadOnly, true),
            6 => {
                page.locked = false;
                page.mprotect = if page.changed { 7 } else { 8 };
                return;
            }
            8 => (page.returned, self.mmap_lock) = (true, false),
            3 | 7 => {
                page.mprotect += 1;
                return self.forget();
            }
            _ => {}
        }
        page.mprotect += 1;
    }
}

struct Race;

impl Model for Race {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let page = Page {
            pte: Mapping::Writable,
            translation: Mapping::Writable,
            locked: false,
            returned: false,
            reclaim: 0,
            owes: false,
            mprotect: 0,
            changed: false,
            seen: (0, 0),
        };
        vec![State { pages: [page; PAGES], mmap_lock: false, pending: 0, flushed: 0, broken: false }]
    }

    fn actions(&self, state: &State, out: &mut Vec<Action>) {
        for (n, page) in state.pages.iter().enumerate() {
            if page.reclaim != 5 && (page.reclaim != 0 || !page.locked) {
                out.push(Action::Reclaim(n));
            }
            let waits = page.mprotect == 0 && state.mmap_lock || page.mprotect == 1 && page.locked;
            if page.mprotect != 9 && !waits {
                out.push(Action::Mprotect(n));
            }
            if page.translation == Mapping::None && page.pte != Mapping::None {
                out.push(Action::Fill(n));
            }
            if page.translation == Mapping::Writable && page.returned {
                out.push(Action::Store(n));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Reclaim(n) => state.reclaim(n),
            Action::Mprotect(n) => state.mprotect(n),
            Action::Fill(n) => state.pages[n].translation = state.pages[n].pte,
            Action::Store(_) => state.broken = true,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("mprotect takes the right away", |_, state: &State| !state.broken)]
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let (order, times) = (words.next().unwrap_or_default(), words.next().and_then(|n| n.parse().ok()).unwrap_or(1));
    let mut states = 0;
    for _ in 0..times {
        let checker = Race.checker().threads(1);
        states += match order.as_str() {
            "depth" => checker.spawn_dfs().join().unique_state_count(),
            _ => checker.spawn_bfs().join().unique_state_count(),
        };
    }
    println!("{states}");
}
