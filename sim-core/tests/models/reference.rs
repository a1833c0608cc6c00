//! A small model of the race, which other checkers have explored too: one reclaimer, one mprotect caller and one user CPU for
//! each of up to three page-table pages, a lock for each of these, and one word for the whole address space.
//!
//! A state is one word, so a search of it measures the explorer rather than the model.

use sim_core::drive::explore::{Effect, Interner, System};

/// How mprotect learns of flushes that reclaim put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It does not.
    Nothing,
    /// By a flag.
    Flag,
    /// By a pair of counters.
    Generation,
}

/// One instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    /// Page-table pages, with one page each: up to 3.
    pub(crate) pages: u32,
    /// The policy.
    pub(crate) told: Told,
}

/// One transition, with its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Reclaim(u32),
    Mprotect(u32),
    Fill(u32),
    Store(u32),
}

/// A field of a state: where, and its bits.
type Field = (u32, u64);

// Of each page. A PTE or a TLB entry: 0 none, 1 read-only, 2 writable.
const PTE: Field = (0, 3);
const TLB: Field = (2, 3);
const PTL: Field = (4, 1);
const DONE: Field = (5, 1);
/// Where reclaim is: 0 before the lock .. 5 done.
const RECLAIM: Field = (6, 7);
const OWES: Field = (9, 1);
/// Where mprotect is: 0 before mmap_lock .. 9 returned.
const MPROTECT: Field = (10, 15);
const CHANGED: Field = (14, 1);
const SEEN_PENDING: Field = (15, 3);
const SEEN_FLUSHED: Field = (17, 3);
const STRIDE: u32 = 19;
// Of the address space, behind three pages.
const MMAP_LOCK: Field = (57, 1);
const FLAG: Field = (58, 1);
const PENDING: Field = (59, 3);
const FLUSHED: Field = (61, 3);

const PAGE: u64 = (1 << STRIDE) - 1;

fn get(state: u64, (at, mask): Field) -> u64 {
    state >> at & mask
}

fn set(state: &mut u64, (at, mask): Field, value: u64) {
    *state = *state & !(mask << at) | value << at;
}

fn of(page: u32, (at, mask): Field) -> Field {
    (at + page * STRIDE, mask)
}

/// Every CPU forgets every translation, in one step.
fn flush(state: &mut u64) {
    (0..3).for_each(|page| set(state, of(page, TLB), 0));
}

impl Reference {
    fn reclaim(self, s: &mut u64, page: u32) {
        let at = of(page, RECLAIM);
        let next = match get(*s, at) {
            0 => {
                set(s, of(page, PTL), 1);
                1
            }
            1 if get(*s, of(page, PTE)) != 0 => {
                set(s, of(page, PTE), 0);
                2
            }
            1 => 3,
            2 => {
                match self.told {
                    Told::Nothing => {}
                    Told::Flag => set(s, FLAG, 1),
                    Told::Generation => set(s, PENDING, get(*s, PENDING) + 1),
                }
                set(s, of(page, OWES), 1);
                3
            }
            3 => {
                set(s, of(page, PTL), 0);
                if get(*s, of(page, OWES)) == 1 { 4 } else { 5 }
            }
            _ => {
                flush(s);
                5
            }
        };
        set(s, at, next);
    }

    fn mprotect(self, s: &mut u64, page: u32) {
        let at = of(page, MPROTECT);
        let next = match get(*s, at) {
            0 => {
                set(s, MMAP_LOCK, 1);
                1
            }
            1 => {
                set(s, of(page, PTL), 1);
                2
            }
            2 if self.asks(s, page) => 3,
            2 => 5,
            3 => {
                flush(s);
                4
            }
            4 => {
                self.settle(s, page);
                5
            }
            5 => {
                if get(*s, of(page, PTE)) == 2 {
                    set(s, of(page, PTE), 1);
                    set(s, of(page, CHANGED), 1);
                }
                6
            }
            6 => {
                set(s, of(page, PTL), 0);
                if get(*s, of(page, CHANGED)) == 1 { 7 } else { 8 }
            }
            7 => {
                flush(s);
                8
            }
            _ => {
                set(s, of(page, DONE), 1);
                set(s, MMAP_LOCK, 0);
                9
            }
        };
        set(s, at, next);
    }

    /// Is a flush pending?
    fn asks(self, s: &mut u64, page: u32) -> bool {
        let (pending, flushed) = (get(*s, PENDING), get(*s, FLUSHED));
        match self.told {
            Told::Nothing => false,
            Told::Flag => get(*s, FLAG) == 1,
            Told::Generation => {
                set(s, of(page, SEEN_PENDING), pending);
                set(s, of(page, SEEN_FLUSHED), flushed);
                pending != flushed
            }
        }
    }

    /// It no longer is.
    fn settle(self, s: &mut u64, page: u32) {
        let seen = (get(*s, of(page, SEEN_PENDING)), get(*s, of(page, SEEN_FLUSHED)));
        match self.told {
            Told::Flag => set(s, FLAG, 0),
            Told::Generation if (get(*s, PENDING), get(*s, FLUSHED)) == seen => set(s, FLUSHED, seen.0),
            Told::Nothing | Told::Generation => {}
        }
    }
}

impl System for Reference {
    type State = u64;
    type Action = Action;
    type Key = u64;
    type Memo = ();

    fn initial(&self) -> u64 {
        let mut state = 0;
        for page in 0..self.pages {
            set(&mut state, of(page, PTE), 2);
            set(&mut state, of(page, TLB), 2);
        }
        state
    }

    fn pack(&self, state: &u64, _parts: &mut Interner<'_>) -> u64 {
        *state
    }

    fn unpack(&self, key: &u64, _parts: &Interner<'_>, state: &mut u64) {
        *state = *key;
    }

    fn actions(&self, state: &u64, out: &mut Vec<Action>) {
        for page in 0..self.pages {
            let field = |field| get(*state, of(page, field));
            let free = field(PTL) == 0;
            match field(RECLAIM) {
                5 => {}
                0 if !free => {}
                _ => out.push(Action::Reclaim(page)),
            }
            match field(MPROTECT) {
                9 => {}
                0 if get(*state, MMAP_LOCK) == 1 => {}
                1 if !free => {}
                _ => out.push(Action::Mprotect(page)),
            }
            if field(TLB) == 0 && field(PTE) != 0 {
                out.push(Action::Fill(page));
            }
            if field(TLB) == 2 && field(DONE) == 1 {
                out.push(Action::Store(page));
            }
        }
    }

    /// Releasing a page-table lock overtakes anything: nobody else can touch that lock before.
    fn apply(&self, state: &mut u64, action: Action) -> Option<Effect> {
        let alone = match action {
            Action::Reclaim(page) => get(*state, of(page, RECLAIM)) == 3,
            Action::Mprotect(page) => get(*state, of(page, MPROTECT)) == 6,
            Action::Fill(_) | Action::Store(_) => false,
        };
        match action {
            Action::Reclaim(page) => self.reclaim(state, page),
            Action::Mprotect(page) => self.mprotect(state, page),
            Action::Fill(page) => {
                let pte = get(*state, of(page, PTE));
                set(state, of(page, TLB), pte);
            }
            Action::Store(_) => return Some(Effect { broken: true, alone }),
        }
        Some(Effect { broken: false, alone })
    }

    /// Pages differ by their names only.
    fn represent(&self, state: &mut u64) {
        let mut pages: [u64; 3] = std::array::from_fn(|page| *state >> (page as u32 * STRIDE) & PAGE);
        pages[..self.pages as usize].sort_unstable();
        let shared = *state >> (3 * STRIDE) << (3 * STRIDE);
        *state = pages.iter().rev().fold(0, |all, page| all << STRIDE | page) | shared;
    }

    fn may_end(&self, state: &u64) -> bool {
        (0..self.pages).all(|page| get(*state, of(page, RECLAIM)) == 5 && get(*state, of(page, MPROTECT)) == 9)
    }

    fn tested(&self, state: &u64) -> bool {
        (0..self.pages).any(|page| get(*state, of(page, DONE)) == 1)
    }
}
