//! A small model of the race, which other checkers have explored too: one reclaimer, one mprotect caller and one user CPU for
//! each of up to three page-table pages, a lock for each of these, and one word for the whole address space.
//!
//! A state is one word, so a search of it measures the explorer rather than the model.

use sim_core::drive::explore::{Effect, Interner, Options, System};

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
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    rules: Rules,
    /// What a step does to a state, by the action, and by the bits that it depends on.
    changes: Vec<Change>,
    /// Which steps can be taken on a page, by the bits that tell, without and with `mmap_lock` being free.
    enabled: Vec<Enabled>,
}

/// Up to four steps on a page: their actions on page 0, a byte each, and how many, in the highest four bits.
#[derive(Clone, Copy, Debug)]
struct Enabled(u32);

/// The model itself.
#[derive(Clone, Copy, Debug)]
struct Rules {
    pages: u32,
    told: Told,
}

/// Most steps set some bits, clear some, and leave all others alone.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    /// No bit at all if the step looks at the word of the address space, too: then it is taken by its rule.
    keep: u64,
    /// With [`ALONE`], which no state has.
    set: u64,
}

/// The mark of a change whose [`Effect::alone`] is set.
const ALONE: u64 = 1 << 63;

/// Who takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Reclaim,
    Mprotect,
    /// The user CPU walks the page table.
    Fill,
    /// The user CPU stores through its translation, after mprotect has returned.
    Store,
}

const WHO: [Who; 4] = [Who::Reclaim, Who::Mprotect, Who::Fill, Who::Store];

/// One transition: who, and above these two bits the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action(u8);

/// A field of a state: where, and its bits.
type Field = (u32, u64);

// Of each page.
/// Where reclaim is: 0 before the lock .. 5 done.
const RECLAIM: Field = (0, 7);
const OWES: Field = (3, 1);
const PTL: Field = (4, 1);
/// A PTE or a TLB entry: 0 none, 1 read-only, 2 writable.
const PTE: Field = (5, 3);
const CHANGED: Field = (7, 1);
/// Where mprotect is: 0 before mmap_lock .. 9 returned.
const MPROTECT: Field = (8, 15);
const DONE: Field = (12, 1);
const TLB: Field = (13, 3);
const SEEN_PENDING: Field = (15, 3);
const SEEN_FLUSHED: Field = (17, 3);
const STRIDE: u32 = 19;
// Of the address space, behind three pages.
const MMAP_LOCK: Field = (57, 1);
const FLAG: Field = (58, 1);
const PENDING: Field = (59, 3);
const FLUSHED: Field = (61, 3);

const PAGE: u64 = (1 << STRIDE) - 1;

/// What the steps of reclaim depend on, of those of mprotect, and of the walker: neighbours all. A byte of the state each, of which
/// reclaim needs seven bits.
const OF_RECLAIM: Field = (RECLAIM.0, 0xff);
const OF_MPROTECT: Field = (PTL.0, 0xff);
/// What tells which steps can be taken: everything of a page but what mprotect has seen of the counters.
const OF_ENABLED: Field = (0, 0x7fff);
/// Changes of each, for each page.
const CHANGES: usize = 0x100;
/// Where what an action depends on begins.
const DEPENDS_ON: [u32; 16] = {
    let mut begins = [0; 16];
    let mut action = 0;
    while action < begins.len() {
        begins[action] = action as u32 / 4 * STRIDE + WHO[action % 4].depends_on().0;
        action += 1;
    }
    begins
};
/// [`DONE`] on any page.
const ANY_DONE: u64 = 1 << DONE.0 | 1 << (DONE.0 + STRIDE) | 1 << (DONE.0 + 2 * STRIDE);

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
    *state &= !(3 << TLB.0 | 3 << (TLB.0 + STRIDE) | 3 << (TLB.0 + 2 * STRIDE));
}

impl Reference {
    /// With so many page-table pages, with one page each: up to 3.
    pub(crate) fn new(pages: u32, told: Told) -> Reference {
        let rules = Rules { pages, told };
        let mut changes = vec![Change::default(); pages as usize * 4 * CHANGES];
        for page in 0..pages {
            for who in WHO {
                let (action, (at, mask)) = (Action::new(who, page), of(page, who.depends_on()));
                for bits in 0..=mask {
                    let all = !ALONE & !(mask << at) | bits << at;
                    changes[action.change(all)] = rules.change(bits << at, all, action);
                }
            }
        }
        let enabled = (0..2 * (OF_ENABLED.1 + 1)).map(|n| Enabled::of(n & OF_ENABLED.1, n > OF_ENABLED.1)).collect();
        Reference { rules, changes, enabled }
    }
}

impl Enabled {
    /// On a page in this state.
    fn of(s: u64, mmap_free: bool) -> Enabled {
        let (pte, tlb, free) = (get(s, PTE), get(s, TLB), get(s, PTL) == 0);
        let (reclaim, mprotect) = (get(s, RECLAIM), get(s, MPROTECT));
        let (mut actions, mut steps) = ([0; 4], 0);
        for (who, enables) in [
            (Who::Reclaim, reclaim != 5 && (reclaim != 0 || free)),
            (Who::Mprotect, mprotect != 9 && (mprotect != 0 || mmap_free) && (mprotect != 1 || free)),
            (Who::Fill, tlb == 0 && pte != 0),
            (Who::Store, tlb == 2 && get(s, DONE) == 1),
        ] {
            if enables {
                actions[steps] = Action::new(who, 0).0;
                steps += 1;
            }
        }
        Enabled(u32::from_le_bytes(actions) | (steps as u32) << 28)
    }

    /// On this page: as many as the number says.
    fn on(self, page: u32) -> ([u8; 4], usize) {
        let actions = (self.0 & 0x0fff_ffff) | (page * 0x0404_0404);
        (actions.to_le_bytes(), (self.0 >> 28) as usize)
    }
}

impl Who {
    const fn depends_on(self) -> Field {
        if matches!(self, Who::Reclaim) { OF_RECLAIM } else { OF_MPROTECT }
    }
}

impl Action {
    fn new(who: Who, page: u32) -> Action {
        Action(who as u8 | (page as u8) << 2)
    }

    fn who(self) -> Who {
        WHO[usize::from(self.0 & 3)]
    }

    fn page(self) -> u32 {
        u32::from(self.0 >> 2)
    }

    /// Where among the changes that of this state is.
    fn change(self, state: u64) -> usize {
        let bits = state.wrapping_shr(DEPENDS_ON[usize::from(self.0 & 15)]) as u8;
        usize::from(self.0) * CHANGES + usize::from(bits)
    }
}

impl Rules {
    /// A step, from two states that have none and all of the bits that it does not depend on.
    fn change(self, none: u64, all: u64, action: Action) -> Change {
        let at = |field| get(none, of(action.page(), field));
        let (looks, alone) = match action.who() {
            Who::Reclaim => (at(RECLAIM) == 2, at(RECLAIM) == 3),
            Who::Mprotect => (matches!(at(MPROTECT), 2 | 4), at(MPROTECT) == 6),
            Who::Fill | Who::Store => (false, false),
        };
        if looks {
            return Change::default();
        }
        let (mut set, mut keep) = (none, all);
        self.step(&mut set, action);
        self.step(&mut keep, action);
        Change { keep, set: if alone { set | ALONE } else { set } }
    }

    fn step(self, state: &mut u64, action: Action) {
        let page = action.page();
        match action.who() {
            Who::Reclaim => self.reclaim(state, page),
            Who::Mprotect => self.mprotect(state, page),
            Who::Fill => {
                let pte = get(*state, of(page, PTE));
                set(state, of(page, TLB), pte);
            }
            Who::Store => {}
        }
    }

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
        for page in 0..self.rules.pages {
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

    // Which of the four can go on is a coin toss to a processor, so it is looked up and not branched on.
    #[inline]
    fn actions(&self, state: &u64, out: &mut Vec<Action>) {
        let with_mmap = if get(*state, MMAP_LOCK) == 0 { OF_ENABLED.1 as usize + 1 } else { 0 };
        for page in 0..self.rules.pages {
            let (actions, steps) = self.enabled[with_mmap + get(*state, of(page, OF_ENABLED)) as usize].on(page);
            let before = out.len();
            out.extend_from_slice(&actions.map(Action));
            out.truncate(before + steps);
        }
    }

    // There is nothing to reduce; and what is called from one place is compiled in there.
    #[inline]
    fn actions_under(&self, _: &Options, state: &u64, out: &mut Vec<Action>) {
        self.actions(state, out);
    }

    // Releasing a page-table lock overtakes anything: nobody else can touch that lock before.
    #[inline]
    fn apply(&self, state: &mut u64, action: Action) -> Option<Effect> {
        let Change { keep, set } = self.changes[action.change(*state)];
        if keep == 0 {
            self.rules.step(state, action);
        } else {
            *state = *state & keep | set & !ALONE;
        }
        Some(Effect { broken: action.who() == Who::Store, alone: set & ALONE != 0 })
    }

    /// Pages differ by their names only.
    fn represent(&self, state: &mut u64) {
        let mut pages: [u64; 3] = std::array::from_fn(|page| *state >> (page as u32 * STRIDE) & PAGE);
        pages[..self.rules.pages as usize].sort_unstable();
        let shared = *state >> (3 * STRIDE) << (3 * STRIDE);
        *state = pages.iter().rev().fold(0, |all, page| all << STRIDE | page) | shared;
    }

    fn may_end(&self, state: &u64) -> bool {
        (0..self.rules.pages).all(|page| get(*state, of(page, RECLAIM)) == 5 && get(*state, of(page, MPROTECT)) == 9)
    }

    fn tested(&self, state: &u64) -> bool {
        *state & ANY_DONE != 0
    }
}
