//! What a CPU may try in a state, in four bytes: it is looked up for every CPU of every state.

use super::moves::Move;
use crate::nouns::types::{Cpu, Page};
use crate::world::small::{CPUS, PAGES};

/// What a CPU may try, a bit for each move, and whether it has nothing left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct View(u32);

/// Above the bits of all moves.
const IDLE: u32 = 1 << 31;

impl View {
    pub(super) fn set_idle(&mut self, idle: bool) {
        self.0 |= if idle { IDLE } else { 0 };
    }

    /// Has it nothing left to do?
    pub(super) fn idle(self) -> bool {
        self.0 & IDLE != 0
    }

    /// Its moves, in the order in which they are listed.
    #[inline]
    pub(super) fn codes(self) -> impl Iterator<Item = u32> {
        let mut left = self.0 & (IDLE - 1);
        std::iter::from_fn(move || {
            let code = left.trailing_zeros();
            (left != 0).then(|| {
                left &= left - 1;
                code
            })
        })
    }
}

impl Extend<Move> for View {
    fn extend<I: IntoIterator<Item = Move>>(&mut self, moves: I) {
        for mv in moves {
            let bit = 1 << code(mv);
            assert!(self.0 & (IDLE - 1) < bit, "moves are listed by their codes");
            self.0 |= bit;
        }
    }
}

// Moves are numbered in the order in which they are listed.
const TOWARD: u32 = 1;
const INTERRUPT: u32 = TOWARD + CPUS as u32;
const TICK: u32 = INTERRUPT + 1;
const DELIVER: u32 = TICK + 1;
const EVICT: u32 = DELIVER + CPUS as u32;
const _: () = assert!(EVICT + PAGES as u32 <= IDLE.trailing_zeros());

fn code(mv: Move) -> u32 {
    match mv {
        Move::Step(_) => 0,
        Move::Toward(_, to) => TOWARD + u32::from(to.0),
        Move::Interrupt(_) => INTERRUPT,
        Move::Tick(_) => TICK,
        Move::Deliver(_, to) => DELIVER + u32::from(to.0),
        Move::Evict(_, page) => EVICT + page.0,
    }
}

/// The move of a CPU that has this code.
pub(super) fn a_move(cpu: Cpu, code: u32) -> Move {
    match code {
        0 => Move::Step(cpu),
        TOWARD..INTERRUPT => Move::Toward(cpu, Cpu((code - TOWARD) as u16)),
        INTERRUPT => Move::Interrupt(cpu),
        TICK => Move::Tick(cpu),
        DELIVER..EVICT => Move::Deliver(cpu, Cpu((code - DELIVER) as u16)),
        _ => Move::Evict(cpu, Page(code - EVICT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_of_one_move() {
        for n in 0..EVICT + PAGES as u32 {
            assert_eq!(code(a_move(Cpu(3), n)), n);
            assert_eq!(a_move(Cpu(3), n).cpu() == Cpu(3), !(DELIVER..EVICT).contains(&n) || n == DELIVER + 3);
        }
    }

    #[test]
    fn what_was_listed_is_what_may_be_tried() {
        let listed = [0, INTERRUPT, TICK, DELIVER + 1, EVICT + 2];
        let mut view = View::default();
        view.extend(listed.map(|n| a_move(Cpu(0), n)));
        assert!(!view.idle());
        view.set_idle(true);
        assert!(view.idle() && view.codes().eq(listed));
    }
}
