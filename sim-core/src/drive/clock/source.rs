//! Where the clock's work comes from: one stream of orders a core.

use crate::kernel::op::Op;
use crate::kernel::types::{Cpu, Mm, Task};
use crate::world::big::Big;

/// What a core does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who does it.
    pub task: Task,
    /// What.
    pub what: What,
    /// Not before this time, in cycles.
    pub not_before: u64,
    /// Cycles of user work before it that touch nothing the model knows.
    pub work: u64,
    /// Whose it is, in the source's own numbering.
    pub tag: u32,
}

/// Kinds of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An operation.
    Op(Op),
    /// The core loads an address space; none: a kernel thread borrows what is loaded, lazily.
    Load(Option<Mm>),
    /// The core runs a process the model knows nothing of.
    Unload,
}

/// A source of orders. The stream of a core may depend on its own past only, not on when other cores asked: cores run ahead
/// of each other.
pub trait Source {
    /// The next order of a core that is free at `now`, in cycles; none: it is done for good.
    fn next(&mut self, cpu: Cpu, now: u64) -> Option<Order>;

    /// An operation begins; the source may prepare it (choose the pages of a shrink list). For an access it must leave the
    /// world alone and not look at it: accesses run ahead.
    fn begin(&mut self, cpu: Cpu, order: &Order, world: &mut Big, now: u64) {
        let _ = (cpu, order, world, now);
    }

    /// An operation is done.
    fn done(&mut self, cpu: Cpu, order: &Order, now: u64) {
        let _ = (cpu, order, now);
    }
}
