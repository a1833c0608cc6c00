//! A model of the machine without cleverness: plain maps, changed by what the acts say and by nothing else.
#![allow(unreachable_pub)] // One test program uses it.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::machine::tlb::Entry;
use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{
    AccessKind, Actor, Backing, Cpu, FrameNo, Lock, Mm, Page, Present, Pte, Rights, Span, Task,
};
use sim_core::step::frame::{Act, Path, StepId};
use sim_core::world::big::Big;
use sim_core::world::{Folio, Request, Vma, World};

/// One report of a step.
pub type Heard = (Actor, Act, StepId);

/// What is wrong, in words; the message of the failing property.
pub type Check = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}
pub(crate) use ensure;

/// What the hardware needs of a translation.
type Translation = (u32, bool, bool);

fn translation(entry: Entry) -> Translation {
    (entry.frame, entry.writable, entry.dirty)
}

/// Where the test has mapped something; the model looks nowhere else.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Address spaces, numbered from 0.
    pub mms: u16,
    /// The page numbers any operation may name.
    pub vpns: Span,
    /// CPUs, numbered from 0.
    pub cpus: u16,
    /// Tasks, numbered from 0.
    pub tasks: u16,
    /// Frames the allocator has.
    pub frames: u32,
}

/// The naive machine.
#[derive(Clone, Debug)]
pub struct Naive {
    extent: Extent,
    vmas: BTreeMap<(Mm, u64), Vma>,
    ptes: BTreeMap<Page, Pte>,
    /// A superset of what the TLBs hold: evictions are not acts.
    tlbs: BTreeMap<(Cpu, Page), Translation>,
    /// What a CPU runs; none while it borrows an address space or runs something else.
    pub running: BTreeMap<Cpu, Mm>,
    /// Loaded, running or borrowed.
    loaded: BTreeMap<Cpu, Mm>,
    masks: BTreeMap<Mm, BTreeSet<Cpu>>,
    locks: BTreeMap<Lock, Vec<Task>>,
    /// Whose `mremap` has got as far as moving.
    moving: BTreeMap<Task, Mm>,
    /// Frames in use.
    allocated: BTreeSet<FrameNo>,
    /// One past the highest frame that ever was.
    used: u32,
    /// Given up by reclaim, not yet flushed for.
    frozen: BTreeSet<FrameNo>,
    /// Taken by a copy on write that is still flushing: nothing names the new frame yet.
    copying: BTreeSet<Task>,
}

impl Naive {
    /// A machine with nothing in it but these mappings.
    pub fn new(extent: Extent, backings: &[Backing]) -> Naive {
        let mut vmas = BTreeMap::new();
        for (n, &backing) in backings.iter().enumerate() {
            for vpn in extent.vpns.first..extent.vpns.end() {
                vmas.insert((Mm(n as u16), vpn), Vma { mapped: true, rights: Rights::READ_WRITE, backing });
            }
        }
        Naive {
            vmas,
            ptes: BTreeMap::new(),
            tlbs: BTreeMap::new(),
            running: BTreeMap::new(),
            loaded: BTreeMap::new(),
            masks: (0..extent.mms).map(|mm| (Mm(mm), BTreeSet::new())).collect(),
            locks: BTreeMap::new(),
            moving: BTreeMap::new(),
            allocated: BTreeSet::new(),
            used: 0,
            frozen: BTreeSet::new(),
            copying: BTreeSet::new(),
            extent,
        }
    }

    /// A CPU runs an address space, or (`None`) borrows the one it has.
    pub fn switch(&mut self, cpu: Cpu, mm: Option<Mm>, lazy_mask: bool) {
        self.running.remove(&cpu);
        let Some(mm) = mm else { return };
        self.running.insert(cpu, mm);
        if let Some(old) = self.loaded.insert(cpu, mm)
            && old != mm
            && !lazy_mask
        {
            self.masks.get_mut(&old).expect("an address space").remove(&cpu);
        }
        self.masks.get_mut(&mm).expect("an address space").insert(cpu);
    }

    fn pte(&self, page: Page) -> Pte {
        self.ptes.get(&page).copied().unwrap_or_default()
    }

    fn vma(&self, mm: Mm, vpn: u64) -> Vma {
        self.vmas.get(&(mm, vpn)).copied().unwrap_or_default()
    }

    /// Follows what one transition did. `op` is what the actor was in the middle of.
    pub fn replay(&mut self, world: &Big, heard: &[Heard], op: Option<Op>) -> Check {
        for &(who, act, at) in heard {
            self.follow(world, who, act, at, op).map_err(|e| format!("{e}, at {who:?} {act:?} {at:?}"))?;
        }
        Ok(())
    }

    fn follow(&mut self, world: &Big, who: Actor, act: Act, at: StepId, op: Option<Op>) -> Check {
        match act {
            Act::Lock(lock) => self.lock(lock, who.task)?,
            Act::Unlock(lock) => self.unlock(lock, who.task)?,
            Act::Downgrade(mm) => {
                self.unlock(Lock::MmapWrite(mm), who.task)?;
                self.lock(Lock::MmapRead(mm), who.task)?;
            }
            Act::Vma(mm) => self.remap(who.task, mm, op.ok_or("VMAs are changed by calls")?)?,
            Act::Return(OpKind::Mremap) => self.unmap_moved(who.task, op.ok_or("a call")?.span),
            Act::PteXchg { page, old, new } => self.exchange(world, who, (page, old, new))?,
            Act::Use { page, kind, frame, level } => self.access(who.cpu, page, kind, (frame, level.is_none()))?,
            Act::FaultEnter(page) => _ = self.tlbs.remove(&(who.cpu, page)),
            Act::FlushLocal(request) | Act::FlushRemote { request, wrong_cpu: false, .. } => {
                self.flush(world, who.cpu, request);
            }
            Act::LeaveLazy(_) => {
                ensure!(!self.running.contains_key(&who.cpu), "a running CPU gave its address space up");
                self.loaded.remove(&who.cpu);
            }
            Act::MaskClear(mm) => _ = self.masks.get_mut(&mm).expect("an address space").remove(&who.cpu),
            Act::FaultMap { pte, .. } => {
                self.copying.remove(&who.task);
                self.allocate(pte.frame);
            }
            Act::Freeze(frame) => ensure!(self.frozen.insert(frame), "frozen twice"),
            // The frame that a copy on write takes is nobody's until it is mapped.
            Act::Copy { to, .. } => {
                if at.path == Path::Fault {
                    self.copying.insert(who.task);
                }
                self.allocate(to);
            }
            Act::Free(frame) => {
                if at.path == Path::Migrate {
                    // Migration gave up before the copy: nobody has heard of the frame yet.
                    self.allocate(frame);
                }
                self.frozen.remove(&frame);
                ensure!(self.allocated.remove(&frame), "a free frame is freed");
            }
            _ => {}
        }
        Ok(())
    }

    fn allocate(&mut self, frame: FrameNo) {
        self.used = self.used.max(frame.0 + 1);
        self.allocated.insert(frame);
    }

    fn lock(&mut self, lock: Lock, task: Task) -> Check {
        let free = |lock| self.locks.get(&lock).is_none_or(Vec::is_empty);
        let excluded = match lock {
            Lock::MmapRead(mm) => !free(Lock::MmapWrite(mm)),
            Lock::MmapWrite(mm) => !free(Lock::MmapWrite(mm)) || !free(Lock::MmapRead(mm)),
            Lock::Ptl(_) => !free(lock),
        };
        ensure!(!excluded, "a lock was taken that somebody holds");
        self.locks.entry(lock).or_default().push(task);
        Ok(())
    }

    fn unlock(&mut self, lock: Lock, task: Task) -> Check {
        let held = self.locks.entry(lock).or_default();
        let at = held.iter().position(|&t| t == task).ok_or("an unlock by one who does not hold")?;
        held.remove(at);
        Ok(())
    }

    fn remap(&mut self, task: Task, mm: Mm, op: Op) -> Check {
        if op.kind == OpKind::Mprotect {
            return self.protect(mm, op);
        }
        let first = self.vma(mm, op.span.first);
        for vpn in op.span.first..op.span.end() {
            let old = self.vma(mm, vpn);
            let (at, vma) = match op.kind {
                OpKind::Munmap => (vpn, Vma::default()),
                OpKind::Mmap(backing) => (vpn, Vma { mapped: true, rights: op.rights, backing }),
                OpKind::Mremap => (vpn - op.span.first + op.to, old),
                other => unreachable!("{other:?} changes no VMA"),
            };
            if op.kind == OpKind::Mremap {
                ensure!(old == first && old.mapped, "only a whole VMA is moved");
                ensure!(!self.vma(mm, at).mapped, "something is mapped at {at}, where a VMA is moved");
                self.moving.insert(task, mm);
            }
            self.vmas.insert((mm, at), vma);
        }
        Ok(())
    }

    /// mprotect gives the rights to one VMA at a time, in order, to none that has them, and to none behind a hole.
    fn protect(&mut self, mm: Mm, op: Op) -> Check {
        let mut before_hole = (op.span.first..op.span.end()).take_while(|&vpn| self.vma(mm, vpn).mapped);
        let Some(first) = before_hole.find(|&vpn| self.vma(mm, vpn).rights != op.rights) else {
            return Err("there is no VMA left that mprotect changes".to_owned());
        };
        let old = self.vma(mm, first);
        let alike: Vec<u64> = (first..op.span.end()).take_while(|&vpn| self.vma(mm, vpn) == old).collect();
        self.vmas.extend(alike.into_iter().map(|vpn| ((mm, vpn), Vma { rights: op.rights, ..old })));
        Ok(())
    }

    /// The old place of a move goes when it is done, unless it was refused.
    fn unmap_moved(&mut self, task: Task, old: Span) {
        if let Some(mm) = self.moving.remove(&task) {
            (old.first..old.end()).for_each(|vpn| _ = self.vmas.remove(&(mm, vpn)));
        }
    }

    fn exchange(&mut self, world: &Big, who: Actor, (page, old, new): (Page, Pte, Pte)) -> Check {
        ensure!(self.pte(page) == old, "the PTE was {:?}", self.pte(page));
        let ptl = Lock::Ptl(world.table_of(page));
        let held = self.locks.get(&ptl).is_some_and(|held| held.contains(&who.task));
        ensure!(held, "the PTL is not held");
        self.ptes.insert(page, new);
        if let Some(pte) = new.present() {
            self.allocate(pte.frame);
        }
        Ok(())
    }

    fn access(&mut self, cpu: Cpu, page: Page, kind: AccessKind, (frame, walked): (FrameNo, bool)) -> Check {
        let store = kind == AccessKind::Store;
        if walked {
            let Some(pte) = self.pte(page).usable() else {
                return Err("a walk found a translation where there is none".to_owned());
            };
            ensure!(pte.writable || !store, "a walk let a store through a read-only PTE");
            let pte = Present { accessed: true, dirty: pte.dirty || store, ..pte };
            self.ptes.insert(page, Pte::Present(pte));
            self.tlbs.insert((cpu, page), (pte.frame.0, pte.writable, pte.dirty));
        }
        let Some(&(held, writable, dirty)) = self.tlbs.get(&(cpu, page)) else {
            return Err("a hit on a translation that must be gone".to_owned());
        };
        ensure!(held == frame.0, "the translation names frame {held}");
        ensure!(!store || (writable && dirty), "a store went through a translation without W or D");
        ensure!(self.allocated.contains(&frame), "an access reached a free frame");
        Ok(())
    }

    fn flush(&mut self, world: &Big, cpu: Cpu, request: Request) {
        let Some(&mm) = self.loaded.get(&cpu) else { return };
        let hit = |page| world.mm_of(page) == mm && request.span.is_none_or(|span| span.contains(world.vpn(page)));
        self.tlbs.retain(|&(holder, page), _| holder != cpu || !hit(page));
    }

    /// What a test makes a CPU lose.
    pub fn evict(&mut self, cpu: Cpu, page: Page) {
        self.tlbs.remove(&(cpu, page));
    }

    /// Every page that was ever touched.
    pub fn pages(&self, world: &Big) -> Vec<Page> {
        let vpns = self.extent.vpns;
        let of = |mm| (vpns.first..vpns.end()).filter_map(move |vpn| world.page(Mm(mm), vpn));
        (0..self.extent.mms).flat_map(of).collect()
    }

    /// What must hold between any two steps.
    pub fn check(&self, world: &Big) -> Check {
        let pages = self.pages(world);
        for &page in &pages {
            ensure!(world.pte(page) == self.pte(page), "{page:?} is {:?}, not {:?}", world.pte(page), self.pte(page));
            self.check_tlbs(world, page)?;
        }
        for mm in (0..self.extent.mms).map(Mm) {
            let mask = &self.masks[&mm];
            ensure!(world.mask(mm).iter().eq(mask), "mm_cpumask of {mm:?} is {:?}, not {mask:?}", world.mask(mm));
        }
        self.check_frames(world, &pages)
    }

    fn check_tlbs(&self, world: &Big, page: Page) -> Check {
        let mut holders = BTreeSet::new();
        for cpu in (0..self.extent.cpus).map(Cpu) {
            let Some(entry) = world.tlb_peek(cpu, page) else { continue };
            holders.insert(cpu);
            let known = self.tlbs.get(&(cpu, page));
            ensure!(known == Some(&translation(entry)), "{cpu:?} holds {entry:?} of {page:?}, expected {known:?}");
            let usable = self.running.get(&cpu) == Some(&world.mm_of(page));
            let free = !world.folio(FrameNo(entry.frame)).allocated;
            ensure!(!usable || !free, "a free frame: {cpu:?} can use {entry:?} of {page:?}");
        }
        let mut kept = BTreeSet::new();
        let mut from = 0;
        while let Some(cpu) = world.next_holder(page, from) {
            kept.insert(cpu);
            from = cpu.0 + 1;
        }
        ensure!(kept == holders, "{page:?} is held by {holders:?}, and kept as held by {kept:?}");
        Ok(())
    }

    /// A frame is in use while a PTE, a cache, reclaim or a gather has it, and no longer.
    fn check_frames(&self, world: &Big, pages: &[Page]) -> Check {
        let mapped: BTreeSet<FrameNo> =
            pages.iter().filter_map(|&page| self.pte(page).present()).map(|pte| pte.frame).collect();
        let cached: BTreeSet<FrameNo> = pages.iter().filter_map(|&page| world.cached_frame(page)).collect();
        let mut unnamed = 0;
        for frame in self.frames() {
            let folio = world.folio(frame);
            // A dirty file page stays in the rmap until the flush under the PTL that cleared its PTE.
            let in_rmap = |page| {
                let ptl = self.locks.get(&Lock::Ptl(world.table_of(page)));
                self.pte(page) == Pte::None && ptl.is_some_and(|held| !held.is_empty())
            };
            let leaving = world.next_mapping(frame, 0).is_some_and(in_rmap);
            ensure!(
                world.mapped(frame) == mapped.contains(&frame) || leaving,
                "{frame:?}: {:?}, mapped are {mapped:?}",
                world.next_mapping(frame, 0)
            );
            let named = mapped.contains(&frame) || cached.contains(&frame);
            let pinned = folio.pinned() || folio.gathered > 0;
            let in_hand = pinned || self.frozen.contains(&frame);
            match (named || in_hand, folio.allocated) {
                (false, true) => unnamed += 1,
                (true, false) => return Err(format!("{frame:?} is free and yet in use: {folio:?}")),
                _ => {}
            }
            ensure!(folio.allocated || folio == Folio::default(), "{frame:?} is free: {folio:?}");
        }
        // Only a copy under way has a frame that nobody can name; a fresh one is beyond those that were ever seen.
        ensure!(unnamed <= self.copying.len(), "{unnamed} frames are lost, {} being copied to", self.copying.len());
        Ok(())
    }

    /// Frames that were ever handed out.
    fn frames(&self) -> impl Iterator<Item = FrameNo> + use<> {
        (0..self.used).map(FrameNo)
    }

    /// What must hold when nothing is under way.
    pub fn check_quiet(&self, world: &Big) -> Check {
        let mut world = world.clone();
        for task in (0..self.extent.tasks).map(Task) {
            ensure!(world.victims(task) == 0, "{task:?} has isolated pages left");
            ensure!(*world.batch(task) == sim_core::world::Batch::default(), "{task:?} owes a flush");
            ensure!(world.next_to_free(task).is_none(), "{task:?} has frames left to free");
        }
        ensure!(self.locks.values().all(Vec::is_empty), "locks are held: {:?}", self.locks);
        for mm in (0..self.extent.mms).map(Mm) {
            ensure!(*world.flush_pending(mm) == 0, "{mm:?} counts flushes pending");
            self.check_vmas(&world, mm)?;
        }
        for frame in self.frames() {
            let folio = world.folio(frame);
            ensure!(!(folio.isolated || folio.locked || folio.gathered > 0), "{frame:?} is off the LRU: {folio:?}");
            ensure!(!folio.lazyfree || folio.anon, "{frame:?} of a file is lazyfree: {folio:?}");
        }
        let free: BTreeSet<FrameNo> = std::iter::from_fn(|| world.alloc_frame()).collect();
        let all: BTreeSet<FrameNo> = (0..self.extent.frames).map(FrameNo).collect();
        ensure!(free.union(&self.allocated).eq(&all), "lost: neither {free:?} nor {:?}", self.allocated);
        ensure!(free.is_disjoint(&self.allocated), "free and in use: {free:?}, {:?}", self.allocated);
        Ok(())
    }

    /// VMAs, what they allow PTEs to grant, and what the oracle thinks user space was promised.
    fn check_vmas(&self, world: &Big, mm: Mm) -> Check {
        for vpn in self.extent.vpns.first..self.extent.vpns.end() {
            let vma = self.vma(mm, vpn);
            ensure!(world.vma(mm, vpn) == vma, "VMA of {vpn}: {:?}, not {vma:?}", world.vma(mm, vpn));
            let Some(page) = world.page(mm, vpn) else { continue };
            let pte = self.pte(page);
            ensure!(pte == Pte::None || vma.mapped, "{pte:?} where nothing is mapped, at {vpn}");
            if let Some(pte) = pte.usable() {
                ensure!(vma.rights.read() && (vma.rights.write() || !pte.writable), "{pte:?} under {vma:?}");
            }
            let promise = world.promise(page);
            ensure!(
                (promise.mapped, promise.rights) == (vma.mapped, vma.rights),
                "user space was promised {promise:?} at {vpn}, which is {vma:?}"
            );
        }
        Ok(())
    }

    /// With every flush made: no CPU, once it runs an address space, holds more than the PTEs grant.
    pub fn check_grants(&self, world: &Big, cpu: Cpu) -> Check {
        let Some(&mm) = self.running.get(&cpu) else { return Ok(()) };
        for page in self.pages(world) {
            let Some(entry) = world.tlb_peek(cpu, page) else { continue };
            let granted = self.pte(page).usable().is_some_and(|pte| {
                pte.frame.0 == entry.frame && (pte.writable || !entry.writable) && (pte.dirty || !entry.dirty)
            });
            ensure!(world.mm_of(page) != mm || granted, "{cpu:?} keeps {entry:?} of {:?}", self.pte(page));
        }
        Ok(())
    }
}
