//! Hot victims: CPUs that are taken to hold every translation their page tables grant.
//!
//! What such a CPU holds matters only when a PTE is about to grant less, so that is when its TLB is filled: under the PTL, and
//! again after a flush that was made under it.

use crate::drive::clock::Clock;
use crate::drive::clock::source::{Source, What};
use crate::kernel::path::entry_of;
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{AccessKind, Actor, Cpu, Lock, Page, Span, Task};
use crate::oracle::{self, Marks};
use crate::step::frame::{Act, Cx, Path, StepId};
use crate::world::{Cause, World};

impl<S: Source> Clock<S> {
    /// A step is over: every victim reads the pages that its acts announce a change of.
    #[inline(never)]
    pub(super) fn touch_announced(&mut self, cpu: Cpu, now: u64) {
        let pages = |&(who, ref act, at): &(Actor, Act, StepId)| self.about_to_change(who, act, at);
        let announced: Vec<Page> = self.heard.acts.iter().flat_map(pages).collect();
        for page in announced {
            self.touch_elsewhere(cpu, page, now);
        }
    }

    /// The pages that an act announces a change of.
    fn about_to_change(&self, who: Actor, act: &Act, at: StepId) -> Vec<Page> {
        match *act {
            Act::PteRead(page) if at.path == Path::Unmap => return vec![page],
            Act::Lock(Lock::Ptl(_)) => {}
            Act::FlushEnd(request) if request.cause == Cause::PendingCheck => {}
            _ => return Vec::new(),
        }
        let Some(What::Op(op)) = self.cores[usize::from(who.cpu.0)].order.map(|o| o.what) else {
            return Vec::new();
        };
        if !matches!(op.kind, OpKind::Mprotect | OpKind::Munmap | OpKind::Dontneed | OpKind::Mremap) {
            return Vec::new();
        }
        let Some(mm) = self.world.mm(who.task) else { return Vec::new() };
        let mut pages = Vec::new();
        let mut rest = op.span;
        while let Some(page) = self.world.next_page(mm, rest) {
            let vpn = self.world.vpn(page);
            pages.push(page);
            rest = Span { first: vpn + 1, pages: op.span.end() - vpn - 1 };
        }
        pages
    }

    /// Every other CPU that runs the page's process reads it, if its PTE lets it.
    fn touch_elsewhere(&mut self, cpu: Cpu, page: Page, now: u64) {
        let Some(pte) = self.world.pte(page).usable() else { return };
        let mm = self.world.mm_of(page);
        for other in (0..self.world.cpus()).map(Cpu) {
            let runs = self.world.loaded(other) == Some(mm) && !self.world.lazy(other);
            if other == cpu || !runs || self.world.tlb_peek(other, page) == Some(entry_of(pte)) {
                continue;
            }
            let heard = &mut self.heard;
            let at = StepId { path: Path::Other, pc: 0 };
            let (policy, era) = (self.setting.policy, &self.setting.era);
            let mut cx = Cx { world: &mut self.world, policy, era, probe: heard, acted: false, at };
            oracle::fill(&mut cx, other, page, AccessKind::Load, entry_of(pte));
            self.recent.filled(other, page);
            for (holder, page, class) in heard.windows.drain(..) {
                self.stats.window(holder, page, class, now);
            }
        }
    }

    /// The source makes a CPU forget what its recorded fault proves it did not hold: a window ends there.
    pub(super) fn about_to_access(&mut self, cpu: Cpu, task: Task, op: Op, now: u64) {
        if let OpKind::Access(_) = op.kind
            && let Some(mm) = self.world.mm(task)
            && let Some(page) = self.world.page(mm, op.span.first)
            && let Some(held) = self.world.tlb_peek(cpu, page)
            && !Marks::of(held).is_clean()
        {
            self.stats.window(cpu, page, None, now);
            self.world.tlb_forget(cpu, page);
        }
    }
}
