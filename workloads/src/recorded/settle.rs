//! Where the model and the recording meet: what a fault, a pageout or a list says about the pages there.

use std::sync::Arc;

use sim_core::machine::profile::{Distance, Profile};
use sim_core::nouns::types::{AccessKind, Backing, Cpu, FrameNo, Mm, Page, Present, Pte, Rights, Span, Task};
use sim_core::world::big::Big;
use sim_core::world::{Folio, Vma, World};

use super::assume::{Assumptions, Dirty, FaultAround, MappedLists, UnseenPages};
use super::pages::{Faults, Lru};
use super::ranges::Ranges;
use super::script::{Inferred, List, NextFault};

/// `fault_around_bytes`, 64 KiB by default.
const FAULT_AROUND_PAGES: u64 = 16;
/// What is populated at once, at most: 4 GiB. More does not fit into the memory of what was recorded.
const POPULATE_PAGES_MAX: u64 = 1 << 20;
/// Pages that no recorded fault mapped get page numbers that user space cannot have, one after the other and all over again.
const UNSEEN_PAGES: Span = Span { first: 1 << 35, pages: 1 << 13 };

/// What is mapped where the recording shows nothing: text, data, stack, heap. Read pages come from a file, written ones are
/// private.
pub(super) const UNSEEN: Vma = Vma { mapped: true, rights: Rights::READ_WRITE, backing: Backing::PrivateFile };

/// What is settled the same for all copies of the process.
#[derive(Clone)]
pub(super) struct Known<'s> {
    pub(super) profile: &'s Profile,
    pub(super) assumptions: Assumptions,
    pub(super) faults: Arc<Faults>,
    /// One full shootdown of one other CPU.
    shootdown_cycles: u64,
}

impl Known<'_> {
    pub(super) fn new(profile: &Profile, assumptions: Assumptions, faults: Faults) -> Known<'_> {
        Known { profile, assumptions, faults: Arc::new(faults), shootdown_cycles: shootdown_cycles(profile) }
    }

    /// What the flush of a page takes before it can be written or freed.
    pub(super) fn flush_ns(&self) -> u64 {
        self.profile.ns_from_cycles(self.shootdown_cycles)
    }

    /// A list that was over before even one shootdown could have been made had no mapped page in it.
    fn was_unmapped(&self, list: &List) -> bool {
        match self.assumptions.mapped_lists {
            MappedLists::ByTime => {}
            MappedLists::All => return false,
            MappedLists::None => return list.writes_ns.is_empty(),
        }
        let k = &self.profile.kernel;
        let (Some(fixed), Some(page)) = (k.reclaim_list_cyc, k.reclaim_page_unmapped_cyc) else {
            return false;
        };
        let reclaimed = u64::from(list.stats.reclaimed);
        let limit = fixed + page * reclaimed + self.shootdown_cycles;
        list.writes_ns.is_empty() && self.profile.cycles_from_ns(list.busy_ns) < limit
    }

    /// A writable page may have been written since it was faulted in for reading.
    fn soil(&self, world: &mut Big, page: Page) {
        if self.assumptions.dirty == Dirty::AllWritable
            && let Pte::Present(pte) = world.pte(page)
            && pte.writable
            && !pte.dirty
        {
            world.pte_xchg(page, Pte::Present(Present { dirty: true, ..pte }));
        }
    }
}

/// The price of one full shootdown of one other CPU, from first to last.
fn shootdown_cycles(profile: &Profile) -> u64 {
    let near = Distance::Socket;
    profile.csd_enqueue_cycles(near)
        + profile.ipi.icr_write_cyc.unwrap_or(0)
        + profile.delivery_cycles(near)
        + profile.ipi.irq_entry_cyc
        + profile.ipi.handler_body_cyc.unwrap_or(0)
        + profile.inval.cr3_flush_cyc.unwrap_or(0)
        + profile.ack_read_cycles(near)
}

/// The recorded process, or a copy of it: its address space, and what is known of its pages.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) mm: Mm,
    pub(super) inferred: Inferred,
    pub(super) lru: Lru,
    /// Where nothing is read ahead.
    pub(super) random: Ranges,
    unseen_taken: u64,
}

impl Process {
    pub(super) fn new(mm: Mm, inferred: Inferred) -> Process {
        Process { mm, inferred, lru: Lru::default(), random: Ranges::default(), unseen_taken: 0 }
    }

    /// Makes the model agree with what the fault says about the PTE it met.
    pub(super) fn before_fault(&mut self, cpu: Cpu, world: &mut Big, vpn: u64, kind: AccessKind, present: bool) {
        let vma = world.vma(self.mm, vpn);
        if !vma.mapped {
            self.inferred.mapped_unseen += 1;
            world.set_vma(self.mm, Span::page(vpn), UNSEEN);
        }
        let page = world.populate(self.mm, vpn);
        match (world.pte(page), present) {
            (Pte::Present(_), false) => self.make_absent(world, page),
            (Pte::None | Pte::Swap, true) => {
                let anon = vma.backing == Backing::Anon && kind != AccessKind::Store;
                self.inferred.made_present += u64::from(put(world, page, anon, false, false));
            }
            _ => {}
        }
        // It faulted, so no translation served it.
        if world.tlb_peek(cpu, page).is_some() {
            world.tlb_forget(cpu, page);
        }
    }

    /// A page was not there, whatever was taken to be. Where somebody has the lock of its page table, in a replay in another order than the
    /// recorded one, what they have read of the PTE is to stay so.
    fn make_absent(&mut self, world: &mut Big, page: Page) {
        if !world.ptl_is_held(page) {
            self.inferred.made_absent += 1;
            world.pte_xchg(page, Pte::None);
        }
    }

    /// `do_fault_around()`: the page cache had the page, so it had its neighbours, and they are mapped with it. One that
    /// faults later although no list of file pages came between had not been there.
    pub(super) fn fault_around(&mut self, known: &Known<'_>, world: &mut Big, item: u32, vpn: u64, now: u64) {
        let always = match known.assumptions.fault_around {
            FaultAround::InMemory => false,
            FaultAround::Never => return,
            FaultAround::Always => true,
        };
        if self.random.contains(vpn) {
            return;
        }
        let vma = world.vma(self.mm, vpn);
        let first = vpn & !(FAULT_AROUND_PAGES - 1);
        for neighbour in (first..first + FAULT_AROUND_PAGES).filter(|&n| n != vpn) {
            let next = known.faults.next(neighbour, item);
            if world.vma(self.mm, neighbour) != vma {
                continue;
            }
            if let Some((later, false)) = known.faults.after(neighbour, item)
                && !always
                && !known.faults.reclaims_between(item, later)
            {
                continue;
            }
            let page = world.populate(self.mm, neighbour);
            if world.pte(page) != Pte::None {
                continue;
            }
            if !put(world, page, false, false, false) {
                return;
            }
            self.inferred.faulted_around += 1;
            let pte = world.pte(page).present().expect("just put there");
            self.lru.touched(page, world.folio(pte.frame), next, now);
        }
    }

    /// Pages the kernel mapped without a fault in user mode.
    pub(super) fn populate(&mut self, world: &mut Big, span: Span, write: bool, now: u64) {
        for vpn in span.first..span.first + span.pages.min(POPULATE_PAGES_MAX) {
            let vma = world.vma(self.mm, vpn);
            let page = world.populate(self.mm, vpn);
            if !vma.mapped
                || !vma.rights.read()
                || world.pte(page) != Pte::None
                || (vma.backing == Backing::Anon && !write)
            {
                continue;
            }
            let store = write && vma.rights.write();
            if !put(world, page, store && vma.backing != Backing::SharedFile, store, store) {
                return;
            }
            let pte = world.pte(page).present().expect("just put there");
            self.lru.touched(page, world.folio(pte.frame), NextFault::Never, now);
        }
    }

    /// Pages that `MADV_FREE` left to reclaim: it takes them with file pages, the oldest call first.
    pub(super) fn freed(&mut self, known: &Known<'_>, world: &Big, item: u32, span: Span, now: u64) {
        let mut rest = span;
        while let Some(page) = world.next_page(self.mm, rest) {
            let vpn = world.vpn(page);
            rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
            if let Some(pte) = world.pte(page).present() {
                self.lru.touched(page, world.folio(pte.frame), known.faults.next(vpn, item), now);
            }
        }
    }

    /// A call that goes by VMAs succeeded, so there was no hole in its span.
    pub(super) fn fill_holes(&mut self, world: &mut Big, span: Span) {
        let mut vpn = span.first;
        while vpn < span.end() {
            let end = world.vma_end(self.mm, vpn).min(span.end());
            if !world.vma(self.mm, vpn).mapped {
                world.set_vma(self.mm, Span { first: vpn, pages: end - vpn }, UNSEEN);
            }
            vpn = end;
        }
    }

    /// Nothing was mapped where the kernel puts a new mapping, whatever was taken to be there.
    pub(super) fn before_mmap(&mut self, world: &mut Big, span: Span) {
        let mut rest = span;
        while let Some(page) = world.next_page(self.mm, rest) {
            let vpn = world.vpn(page);
            rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
            if let Pte::Present(_) = world.pte(page) {
                self.make_absent(world, page);
            }
            let mut from = 0;
            while let Some(cpu) = world.next_holder(page, from) {
                from = cpu.0 + 1;
                world.tlb_forget(cpu, page);
            }
        }
        world.set_vma(self.mm, span, Vma::default());
    }

    /// `MADV_PAGEOUT` found as many pages as its lists say, also those the recording did not show becoming present.
    pub(super) fn before_pageout(&mut self, known: &Known<'_>, world: &mut Big, span: Span, lists: &[List]) {
        let scanned: u64 = lists.iter().map(|l| u64::from(l.stats.scanned)).sum();
        let mut there = 0_u64;
        let mut rest = span;
        while let Some(page) = world.next_page(self.mm, rest) {
            let vpn = world.vpn(page);
            there += u64::from(world.pte(page).present().is_some_and(|pte| world.folio(pte.frame).lru));
            known.soil(world, page);
            rest = Span { first: vpn + 1, pages: span.end() - vpn - 1 };
        }
        for vpn in span.first..span.first + span.pages.min(POPULATE_PAGES_MAX) {
            if there >= scanned {
                break;
            }
            let page = world.populate(self.mm, vpn);
            if world.pte(page).present().is_none() && put(world, page, true, true, true) {
                self.inferred.made_present += 1;
                there += 1;
            }
        }
    }

    /// The pages of a list: the least recently faulted ones of the kind the list is about.
    pub(super) fn choose_victims(&mut self, known: &Known<'_>, world: &mut Big, task: Task, list: &List) {
        let wanted = list.stats.reclaimed.max(list.writes_ns.len() as u32);
        if known.was_unmapped(list) {
            self.inferred.victims_unmapped += u64::from(wanted);
            return;
        }
        for taken in 0..wanted {
            let seen = self.lru.take(world, list.stats.file);
            let unseen = list.writes_ns.is_empty()
                && match known.assumptions.unseen_pages {
                    UnseenPages::None => false,
                    UnseenPages::One => taken == 0,
                    UnseenPages::All => true,
                };
            let Some(page) = seen.or_else(|| unseen.then(|| self.unseen(world)).flatten()) else {
                // Nor is there one for the others.
                self.inferred.victims_unmapped += u64::from(wanted - taken);
                break;
            };
            let Pte::Present(pte) = world.pte(page) else { continue };
            let folio = world.folio(pte.frame);
            world.set_folio(pte.frame, Folio { isolated: true, ..folio });
            world.isolate(task, page, pte.frame);
            known.soil(world, page);
        }
    }

    /// A mapped page that no recorded fault mapped.
    fn unseen(&mut self, world: &mut Big) -> Option<Page> {
        for _ in 0..UNSEEN_PAGES.pages {
            let vpn = UNSEEN_PAGES.first + self.unseen_taken % UNSEEN_PAGES.pages;
            self.unseen_taken += 1;
            let page = world.populate(self.mm, vpn);
            if world.pte(page) == Pte::None
                && world.cached_frame(page).is_none()
                && put(world, page, false, false, false)
            {
                self.inferred.victims_unseen += 1;
                return Some(page);
            }
        }
        None
    }
}

/// Puts a page in place without an event, if there is a frame for it.
fn put(world: &mut Big, page: Page, anon: bool, writable: bool, dirty: bool) -> bool {
    let Some(frame): Option<FrameNo> = world.alloc_frame() else { return false };
    world.set_folio(frame, Folio { allocated: true, lru: true, anon, dirty: anon, cached: !anon, ..Folio::default() });
    world.pte_xchg(page, Pte::Present(Present { frame, writable, dirty, accessed: true, protnone: false }));
    true
}

#[cfg(test)]
mod tests {
    use sim_core::machine::tlb::Entry;
    use sim_core::nouns::types::{Actor, Lock};

    use super::*;
    use crate::machines::machine;

    #[test]
    fn a_call_that_succeeded_has_met_no_hole() {
        let mut world = Big::new(&machine("zen5_vm").expect("shipped").profile(), 1, u32::MAX);
        let mm = world.add_mm();
        let known = Vma { backing: Backing::Anon, ..UNSEEN };
        world.set_vma(mm, Span::page(18), known);
        Process::new(mm, Inferred::default()).fill_holes(&mut world, Span { first: 16, pages: 4 });
        let vmas = [15, 16, 17, 18, 19, 20].map(|vpn| world.vma(mm, vpn));
        assert_eq!(vmas, [Vma::default(), UNSEEN, UNSEEN, known, UNSEEN, Vma::default()]);
    }

    #[test]
    fn where_a_mapping_is_put_nothing_is_left() {
        let (mm, cpu, span) = (Mm(0), Cpu(0), Span::page(16));
        let mut world = Big::new(&machine("zen5_vm").expect("shipped").profile(), 1, u32::MAX);
        assert_eq!(world.add_mm(), mm);
        world.switch_mm(cpu, Some(mm), false, &mut |_, _| {});
        world.set_vma(mm, span, UNSEEN);
        let page = world.populate(mm, span.first);
        assert!(put(&mut world, page, false, false, false));
        let frame = world.pte(page).present().expect("just put there").frame.0;
        let entry = Entry { frame, writable: false, dirty: false, executable: true, marks: 0 };
        world.tlb_fill(cpu, page, AccessKind::Load, entry, &mut |_, _| {});
        assert!(world.tlb_peek(cpu, page).is_some());
        let mut process = Process::new(mm, Inferred::default());
        // Not while a reclaimer works on its page table.
        let reclaimer = Actor { task: world.add_task(None), cpu };
        let ptl = Lock::Ptl(world.table_of(page));
        assert!(world.try_lock(reclaimer, ptl));
        process.before_mmap(&mut world, span);
        assert!(world.pte(page).present().is_some());
        assert_eq!(process.inferred.made_absent, 0);
        world.unlock(reclaimer, ptl);
        process.before_mmap(&mut world, span);
        assert_eq!((world.pte(page), world.tlb_peek(cpu, page)), (Pte::None, None));
        assert!(!world.vma(mm, span.first).mapped);
        assert_eq!(process.inferred.made_absent, 1);
    }
}
