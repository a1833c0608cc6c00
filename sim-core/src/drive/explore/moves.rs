//! What can happen next in the kernel model.

use crate::nouns::types::{Cpu, Page};

/// One transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The CPU goes on with its operation, or starts the next one of its program.
    Step(Cpu),
    /// The CPU takes the call-function interrupt.
    Interrupt(Cpu),
    /// The CPU loses a translation.
    Evict(Cpu, Page),
    /// What the first CPU has broadcast reaches the second.
    Deliver(Cpu, Cpu),
    /// A tick of the CPU lets go of what it has held back for the others.
    Tick(Cpu),
    /// The first CPU goes on with a shootdown, or with the interrupt, and turns to the second: it posts to it, or serves it.
    /// [`Move::Step`] turns to the lowest.
    Toward(Cpu, Cpu),
}

impl Move {
    /// On which CPU it happens.
    pub fn cpu(self) -> Cpu {
        let (Move::Step(cpu)
        | Move::Interrupt(cpu)
        | Move::Evict(cpu, _)
        | Move::Deliver(_, cpu)
        | Move::Tick(cpu)
        | Move::Toward(cpu, _)) = self;
        cpu
    }
}
