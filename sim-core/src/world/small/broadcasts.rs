//! Flushes that a CPU has asked others for and that are pending there: broadcasts, and what munmap leaves to them.

use super::Small;
use crate::machine::tlb::Entry;
use crate::nouns::cpuset::CpuSet;
use crate::nouns::types::{Cpu, Mm, Page, Span};
use crate::world::World;

impl Small<'_> {
    /// Is something that `from` has issued pending at `to`?
    pub(crate) fn is_issued(&self, from: Cpu, to: Cpu) -> bool {
        self.cpus[usize::from(from.0)].issued[usize::from(to.0)] != 0
    }

    /// Is a flush of some of these pages pending anywhere?
    pub(super) fn is_pending(&self, pages: u8) -> bool {
        let cpus = &self.cpus[..self.scenario.programs.len()];
        cpus.iter().any(|cpu| cpu.issued.iter().any(|&pending| pending & pages != 0))
    }

    /// The pages of a span, of every address space if none is named, a bit each.
    pub(super) fn pages_in(&self, mm: Option<Mm>, span: Span) -> u8 {
        let concerned = |n: &u8| {
            let page = Page(u32::from(*n));
            mm.is_none_or(|mm| mm == self.mm_of(page)) && span.contains(self.vpn(page))
        };
        (0..self.scenario.all_pages()).filter(concerned).fold(0, |pages, n| pages | 1 << n)
    }

    /// Asks those of a set that there are, but for the CPU itself, for a flush of these pages.
    pub(super) fn issue(&mut self, from: Cpu, to: CpuSet<1>, pages: u8) {
        let cpus = self.scenario.programs.len();
        for (n, pending) in self.cpu(from).issued[..cpus].iter_mut().enumerate() {
            let other = Cpu(n as u16);
            *pending |= if other != from && to.contains(other) { pages } else { 0 };
        }
    }

    /// Makes the flushes that one CPU has asked another for; false if there are none.
    pub(super) fn deliver_to(&mut self, from: Cpu, to: Cpu, gone: &mut dyn FnMut(Page, Entry)) -> bool {
        let pages = std::mem::take(&mut self.cpu(from).issued[usize::from(to.0)]);
        for n in (0..u32::from(self.scenario.all_pages())).filter(|n| pages & 1 << n != 0) {
            if let Some(entry) = self.cpu(to).tlb[n as usize].take() {
                gone(Page(n), entry);
            }
        }
        pages != 0
    }
}
