//! Where the clock's work comes from: one stream of orders a core.

use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{AccessKind, Cpu, Mm, Task};
use crate::step::frame::Act;
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
    /// The reclaim cycle it is part of, if any: a number of the source's own, the same for all orders of one cycle.
    pub cycle: Option<u64>,
}

impl Order {
    /// The access that it is, if it is no more than that.
    pub fn access(&self) -> Option<Access> {
        match self.what {
            What::Op(Op { kind: OpKind::Access(kind), span, .. })
                if (self.not_before, self.tag, self.cycle) == (0, 0, None) =>
            {
                Some(Access { task: self.task, kind, vpn: span.first, work: self.work })
            }
            _ => None,
        }
    }
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

/// A user access that a core makes as soon as it is free: an order whose begin and end its source need not hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who makes it.
    pub task: Task,
    /// What it does with the page.
    pub kind: AccessKind,
    /// The page number.
    pub vpn: u64,
    /// Cycles of user work before it that touch nothing the model knows.
    pub work: u64,
}

impl Access {
    /// Is it served alike, by the same translation?
    #[inline]
    pub(super) fn is_like(&self, other: &Access) -> bool {
        (self.vpn, self.task, self.kind) == (other.vpn, other.task, other.kind)
    }
}

impl From<Access> for Order {
    fn from(access: Access) -> Order {
        let what = What::Op(Op::access(access.kind, access.vpn));
        Order { task: access.task, what, not_before: 0, work: access.work, tag: 0, cycle: None }
    }
}

/// A source of orders. The stream of a core may depend on its own past only, not on when other cores asked: cores run ahead
/// of each other.
pub trait Source {
    /// The next order of a core that is free at `now`, in cycles; none: it is done for good.
    fn next(&mut self, cpu: Cpu, now: u64) -> Option<Order>;

    /// The same, asked first, if it is a plain access: [`Source::may_begin`], [`Source::begin`] and [`Source::done`] are not called
    /// where a TLB serves it, and must do nothing where none does.
    #[inline]
    fn next_access(&mut self, cpu: Cpu, now: u64) -> Option<Access> {
        let _ = (cpu, now);
        None
    }

    /// May this order begin, once its time has come? If not, it is asked again whenever some order is done, a page is written or kswapd is woken,
    /// but not after accesses that were handed out as such: whether it may is not to depend on those.
    fn may_begin(&self, order: &Order) -> bool {
        let _ = order;
        true
    }

    /// An operation begins; the source may prepare it (choose the pages of a shrink list). Where accesses run ahead it must
    /// leave the world alone for them, and not look at it.
    fn begin(&mut self, cpu: Cpu, order: &Order, world: &mut Big, now: u64) {
        let _ = (cpu, order, world, now);
    }

    /// A step of the order has written or frozen a folio, or else taken a lock or let go of one; it goes on no earlier than the time
    /// returned, in cycles. Orders that may not begin yet are asked again after a folio.
    fn pace(&mut self, order: &Order, act: Act, now: u64) -> u64 {
        let _ = (order, act);
        now
    }

    /// An allocation has woken kswapd. Orders that may not begin yet are asked again.
    fn kswapd_woken(&mut self) {}

    /// An order is done.
    fn done(&mut self, cpu: Cpu, order: &Order, world: &mut Big, now: u64) {
        let _ = (cpu, order, world, now);
    }

    /// How many reclaim cycles of its orders are done.
    fn reclaim_cycles(&self) -> u64 {
        0
    }
}
