//! What the big world does to TLBs: lookups, fills, flushes and broadcasts, and the generations that go with them.

use super::tables::page_at;
use super::{
    AccessKind, Big, Cpu, Entry, Key, Lookup, Mm, Mmu, Page, PageSize, Span, Task, TlbLevel, World, access as side,
};

/// The first level of the TLB of a CPU, and whose address space an access is in: at hand for many accesses.
pub(crate) struct Front<'a> {
    task_mms: &'a [Option<Mm>],
    mmu: &'a mut Mmu,
}

impl Front<'_> {
    /// A lookup that counts only if what it finds `serves`: else nothing moves.
    #[expect(clippy::inline_always, reason = "a call here makes a hit a third dearer")]
    #[inline(always)]
    pub(crate) fn hit(
        &mut self,
        (task, vpn): (Task, u64),
        kind: AccessKind,
        serves: impl Fn(Entry) -> bool,
    ) -> Option<&Entry> {
        let mm = self.task_mms[usize::from(task.0)]?;
        self.mmu.first_if(key_at(mm, vpn), side(kind), serves)
    }
}

impl Big {
    /// The translation that a lookup of a CPU would find; nothing moves.
    pub(crate) fn tlb_peek_for(&self, cpu: Cpu, (mm, vpn): (Mm, u64), kind: AccessKind) -> Option<Entry> {
        self.cpus[usize::from(cpu.0)].mmu.peek_for(key_at(mm, vpn), side(kind))
    }

    /// Asks the host for what the accesses of a CPU are looked up in first, if there is such a CPU.
    #[inline]
    pub(crate) fn prefetch(&self, cpu: Cpu) {
        if let Some(state) = self.cpus.get(usize::from(cpu.0)) {
            state.mmu.prefetch();
        }
    }

    /// Asks the host for what a lookup of a CPU in the second level of its TLB looks at.
    #[inline]
    pub(crate) fn prefetch_second(&self, cpu: Cpu, (task, vpn): (Task, u64)) {
        if let Some(mm) = self.task_mms[usize::from(task.0)] {
            self.cpus[usize::from(cpu.0)].mmu.prefetch_second(key_at(mm, vpn));
        }
    }

    /// What the accesses of a CPU are looked up in first.
    #[inline]
    pub(crate) fn front(&mut self, cpu: Cpu) -> Front<'_> {
        Front { task_mms: &self.task_mms, mmu: &mut self.cpus[usize::from(cpu.0)].mmu }
    }

    /// A lookup of a CPU in the second level of its TLB, when the first has missed. It counts only if what it finds `serves`: else
    /// nothing moves.
    pub(crate) fn stlb_hit(
        &mut self,
        cpu: Cpu,
        (mm, vpn): (Mm, u64),
        kind: AccessKind,
        serves: impl Fn(Entry) -> bool,
    ) -> Option<Entry> {
        self.cpus[usize::from(cpu.0)].mmu.second_if(key_at(mm, vpn), side(kind), serves)
    }

    /// Puts an initiator in front of the others that a CPU serves; false if it is not among them.
    pub(crate) fn serve_first(&mut self, cpu: Cpu, initiator: Cpu) -> bool {
        let serving = &mut self.cpus[usize::from(cpu.0)].serving;
        let at = serving.iter().position(|&other| other == initiator);
        if let Some(at) = at {
            serving.remove(at);
            serving.push_front(initiator);
        }
        at.is_some()
    }

    /// Takes a target off those that a CPU has yet to tell.
    pub(crate) fn told(&mut self, cpu: Cpu, to: Cpu) {
        self.cpus[usize::from(cpu.0)].targets.remove(to);
    }

    /// Is nobody left to be told after this one? It is taken off where the order is not that of numbers.
    pub(crate) fn is_last_target(&self, cpu: Cpu, to: Cpu) -> bool {
        let targets = &self.cpus[usize::from(cpu.0)].targets;
        targets.next_from(if targets.contains(to) { to.0 + 1 } else { 0 }).is_none()
    }

    pub(super) fn deliver_to(&mut self, from: Cpu, to: Cpu, gone: &mut dyn FnMut(Page, Entry)) -> bool {
        let swept = self.sweep(from, to, gone);
        let issued = &mut self.cpus[usize::from(from.0)].issued;
        let arriving: Vec<_> = issued.extract_if(.., |&mut (cpu, ..)| cpu == to).collect();
        for &(_, mm, span) in &arriving {
            let mms = mm.map_or(0..self.mms.len() as u16, |mm| mm.0..mm.0 + 1);
            for mm in mms {
                self.tlb_drop(to, (Mm(mm), span), gone);
            }
        }
        swept || !arriving.is_empty()
    }

    pub(super) fn look_up(&mut self, cpu: Cpu, page: Page, kind: AccessKind) -> Option<(Entry, TlbLevel)> {
        let key = self.key(page);
        let state = &mut self.cpus[usize::from(cpu.0)];
        match state.mmu.lookup(key, side(kind)) {
            Lookup::L1(entry) => Some((entry, TlbLevel::L1)),
            Lookup::Stlb(entry) => Some((entry, TlbLevel::Stlb)),
            Lookup::Miss { flushed } => {
                state.last_miss_flushed = flushed;
                None
            }
        }
    }

    pub(super) fn fill_tlb(
        &mut self,
        cpu: Cpu,
        page: Page,
        kind: AccessKind,
        entry: Entry,
        gone: &mut dyn FnMut(Page, Entry),
    ) {
        if let Some(state) = self.frames.get_mut(entry.frame as usize) {
            state.filled.insert(page);
        }
        let key = self.key(page);
        let state = &mut self.cpus[usize::from(cpu.0)];
        state.last_walk = Some(state.mmu.walk_levels(key));
        let evicted = state.mmu.fill(key, side(kind), entry);
        self.holders.insert(page.0, cpu);
        if let Some((key, entry)) = evicted {
            let page = self.page_of_entry(key, entry);
            self.forget_holder(cpu, page);
            gone(page, entry);
        }
    }

    pub(super) fn drop_translations(&mut self, cpu: Cpu, (mm, span): (Mm, Span), gone: &mut dyn FnMut(Page, Entry)) {
        let Big { cpus, mms, slots, holders, .. } = self;
        let state = &mut cpus[usize::from(cpu.0)];
        if span.pages == u64::MAX {
            state.mmu.invalidate_asid(mm.0, &mut |key: Key, entry| {
                let page = page_at(mms, slots, Mm(key.asid), key.vpn).expect("a translation names a touched page");
                holders.remove(page.0, cpu);
                gone(page, entry);
            });
        } else if span.pages > 0 {
            let end = if state.mmu.is_empty() { span.first } else { span.end() };
            for vpn in span.first..end {
                // Most targets have touched few of the pages, and to look for what is not there takes longest.
                let page = page_at(mms, slots, mm, vpn).filter(|page| holders.contains(page.0, cpu));
                debug_assert!(
                    page.is_some() || state.mmu.peek(key_at(mm, vpn)).is_none(),
                    "{cpu:?} is no holder of {vpn:#x}"
                );
                if let Some(page) = page {
                    state.mmu.invalidate_translation(key_at(mm, vpn), &mut |_, entry| {
                        holders.remove(page.0, cpu);
                        gone(page, entry);
                    });
                }
            }
            state.mmu.invalidate_psc(mm.0);
        }
        if state.loaded == Some(mm) {
            let current = self.mms[usize::from(mm.0)].tlb_gen;
            let initiator = state.serving.front().copied().unwrap_or(cpu);
            let of_request = self.cpus[usize::from(initiator.0)].request_gen;
            let state = &mut self.cpus[usize::from(cpu.0)];
            let seen = state.gens.entry(mm.0).or_insert(0);
            // Who takes itself for current drops nothing at all.
            state.last_drop_current =
                *seen == current || span.pages == 0 || of_request.is_some_and(|asked| asked <= *seen);
            // A range makes up for its own change only; deferred clears may be among those still missing.
            if span.pages == u64::MAX {
                *seen = current;
            } else if of_request == Some(*seen + 1) {
                *seen += 1;
            }
        }
    }
}

#[inline]
fn key_at(mm: Mm, vpn: u64) -> Key {
    Key::new(vpn, mm.0, PageSize::Size4K)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::prime_profile;

    #[test]
    fn a_flush_of_any_page_and_of_no_page_differ_in_the_paging_structure_caches() {
        let mut world = Big::new(&prime_profile(), 1, 100);
        let mm = world.add_mm();
        let levels_walked = |world: &mut Big, vpn| {
            let page = world.populate(mm, vpn);
            world.tlb_fill(Cpu(0), page, AccessKind::Load, Entry::default(), &mut |_, _| ());
            world.last_walk(Cpu(0)).expect("it was walked").iter().count()
        };
        let flush = |world: &mut Big, first, pages| world.tlb_drop(Cpu(0), (mm, Span { first, pages }), &mut |_, _| ());
        assert_eq!((levels_walked(&mut world, 0), levels_walked(&mut world, 1)), (4, 1));
        flush(&mut world, 0, 0);
        assert_eq!(levels_walked(&mut world, 2), 1);
        // Nobody has touched this one.
        flush(&mut world, 9, 1);
        assert_eq!(levels_walked(&mut world, 3), 4);
    }
}
