//! What an act costs on a machine: the composite formula of shootdown cost, taken apart.
//!
//! A cache line written by another core costs a transfer at its distance, one's own costs an L1 hit. Everything else comes
//! from the profile; no number here is a cost. A shootdown costs what the composite formula says and no more: queueing at
//! every target, the ICR writes, the slowest target (delivery, entry, each request found, flush), and a read per
//! acknowledgement.

use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::machine::profile::{IpiMode, Profile};
use crate::machine::psc::Level;
use crate::machine::walk::{Line, WalkCost};
use crate::nouns::types::{Actor, Cpu, FrameNo, Lock, Mm, Page, Table};
use crate::policy::Touch;
use crate::step::frame::{Act, Path, StepId};
use crate::world::big::Big;
use crate::world::{Request, TlbLevel, World};

/// CPUs that one write in x2APIC cluster mode reaches (Intel SDM vol. 3, 12.12.10.2).
const CLUSTER_CPUS: u16 = 16;
/// log2 of the PTEs in one cache line.
const PTES_PER_LINE_SHIFT: u32 = 3;
/// Acts of a minor fault that touch a line of their own core: `mmap_lock`, the PTE, the PTL, the PTE again, both unlocks.
const FAULT_TOUCHES: u64 = 6;

/// A profile cannot price the mechanism asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unpriced {
    /// Its machine has no interrupts for TLB flushes.
    #[error(
        "this profile flushes by broadcast (ipi.mode = \"none_for_tlb\"); expected one with IPI costs, such as zen5_vm or skx_2s"
    )]
    Interrupts,
    /// No profile has the costs of broadcast invalidations.
    #[error(
        "the policy broadcasts its invalidations, which no profile has the costs of; it can be explored, but not run on the clock"
    )]
    Broadcasts,
    /// No profile has the costs of sweeping at ticks.
    #[error(
        "the policy leaves flushes to the ticks of other CPUs, which no profile has the costs of; it can be explored, but not run on the clock"
    )]
    Ticks,
}

/// A cache line the model tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LineId {
    Mmap(Mm),
    Ptl(Table),
    /// Eight PTEs of a table.
    Ptes(Table, u64),
    /// A level above, of a table's part of the tree.
    Upper(Table, u8),
    Mask(Mm),
    Words(Mm),
    /// A flag of user space.
    Flag(u8),
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    /// Who wrote it last.
    writer: Option<Cpu>,
    /// Who has read it since; beyond 64 CPUs a reader is taken to have lost it.
    readers: u64,
}

/// The prices of a machine, and who last wrote each line.
#[derive(Clone, Debug)]
pub struct Prices {
    profile: Profile,
    walk: WalkCost,
    lines: FxHashMap<LineId, Owner>,
    /// Targets of the shootdown each CPU has under way, and whether queueing at them takes an interrupt.
    posted: Vec<Vec<(Cpu, bool)>>,
}

impl Prices {
    /// The prices of a machine whose shootdowns are interrupts.
    ///
    /// # Errors
    /// If its profile has no IPI costs.
    pub fn new(profile: &Profile, cpus: u16) -> Result<Prices, Unpriced> {
        if profile.ipi.mode == IpiMode::NoneForTlb {
            return Err(Unpriced::Interrupts);
        }
        Ok(Prices {
            walk: WalkCost::new(profile),
            profile: profile.clone(),
            lines: FxHashMap::default(),
            posted: vec![Vec::new(); usize::from(cpus)],
        })
    }

    /// The machine.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The interrupts that leave when all of a shootdown's requests are queued and its last ICR write ends at `now`: where
    /// they go and when they arrive. Each leaves with its own write.
    pub fn arrivals(&self, from: Cpu, now: u64) -> Vec<(Cpu, u64)> {
        let icr = self.profile.ipi.icr_write_cyc.unwrap_or(0);
        let (targets, writes) = self.icr_writes(from);
        let arrival = |(to, write): (Cpu, u64)| {
            let distance = self.profile.distance(from.0, to.0);
            (to, now - (writes - write) * icr + self.profile.delivery_cycles(distance))
        };
        targets.into_iter().map(arrival).collect()
    }

    /// Each target that needs an interrupt with the number of the ICR write that sends it, and how many writes that takes.
    fn icr_writes(&self, from: Cpu) -> (Vec<(Cpu, u64)>, u64) {
        let clusters = self.profile.ipi.mode == IpiMode::X2apicCluster;
        let mut targets: Vec<(Cpu, u64)> = Vec::new();
        for &(to, _) in self.posted[usize::from(from.0)].iter().filter(|(_, sent)| *sent) {
            let write = match targets.last() {
                Some(&(last, write)) if clusters && last.0 / CLUSTER_CPUS == to.0 / CLUSTER_CPUS => write,
                Some(&(_, write)) => write + 1,
                None => 1,
            };
            targets.push((to, write));
        }
        let writes = targets.last().map_or(0, |&(_, write)| write);
        (targets, writes)
    }

    /// From an unlock to the waiter's next step.
    pub fn handoff_cycles(&mut self, lock: Lock, from: Cpu, to: Cpu) -> u64 {
        // The hand-over is the transfer of the line: the waiter has it now.
        self.lines.insert(lock_line(lock), Owner { writer: Some(to), readers: 0 });
        self.profile.spin_handoff_cycles(self.profile.distance(from.0, to.0))
    }

    /// What one act costs the CPU that does it. `world` is as the step left it.
    pub fn price(&mut self, who: Actor, act: Act, at: StepId, world: &Big) -> u64 {
        let cpu = who.cpu;
        let p = &self.profile;
        match act {
            Act::Enter(_) => p.kernel.syscall_cyc,
            Act::Lock(lock) => self.write(cpu, lock_line(lock)),
            Act::PteRead(page) if at.path == Path::Unmap => {
                // R4.2 carries the rmap walk that found the PTE.
                let rmap = p.kernel.rmap_unmap_one_cyc;
                rmap + self.read(cpu, ptes(world, page))
            }
            Act::PteRead(page) if at.path == Path::Referenced => {
                p.kernel.rmap_unmap_one_cyc + self.read(cpu, ptes(world, page))
            }
            Act::PteXchg { page, .. } if at.path == Path::Referenced => {
                p.kernel.rmap_unmap_one_cyc + self.write(cpu, ptes(world, page))
            }
            Act::PteRead(page) => self.read(cpu, ptes(world, page)),
            Act::PteXchg { page, .. } => self.write(cpu, ptes(world, page)),
            Act::MaskRead(mm) => self.read(cpu, LineId::Mask(mm)),
            Act::MaskClear(mm) => self.write(cpu, LineId::Mask(mm)),
            Act::Flag(flag, Touch::Read) => self.read(cpu, LineId::Flag(flag)),
            Act::Flag(flag, _) => self.write(cpu, LineId::Flag(flag)),
            Act::Words { mm, touch: Touch::Read, .. } => self.read(cpu, LineId::Words(mm)),
            Act::Words { mm, .. } => self.write(cpu, LineId::Words(mm)),
            Act::FlushBegin { request, .. } => {
                self.posted[usize::from(cpu.0)].clear();
                request.mm.map_or(0, |mm| self.fetch(cpu, LineId::Mask(mm)))
            }
            Act::Post { to, sent } => self.post(cpu, to, sent, world),
            Act::FlushLocal(request) => self.flush(cpu, request, world),
            Act::FlushEnd(_) => {
                let p = &self.profile;
                let reads = self.posted[usize::from(cpu.0)].iter();
                reads.map(|(to, _)| p.ack_read_cycles(p.distance(cpu.0, to.0))).sum()
            }
            Act::IrqEnter { .. } => {
                p.ipi.irq_entry_cyc + p.ipi.pti_extra_cyc.unwrap_or(0) + p.ipi.handler_body_cyc.unwrap_or(0)
            }
            Act::FlushRemote { from, request, wrong_cpu } => {
                // The entry of the queue is a line the initiator wrote.
                let line = p.c2c_cycles(p.distance(from.0, cpu.0));
                let dequeue = p.ipi.csd_dequeue_contended_cyc.unwrap_or(line);
                dequeue + if wrong_cpu { 0 } else { self.flush(cpu, request, world) }
            }
            // Reading is_lazy and loaded_mm of the target.
            Act::Skip(to) => p.c2c_cycles(p.distance(cpu.0, to.0)),
            Act::LeaveLazy(_) => p.inval.cr3_noflush_cyc.unwrap_or(p.cache.l1_cyc),
            Act::IrqExit => p.ipi.irq_exit_cyc,
            Act::Use { level, .. } => self.use_cycles(level.unwrap_or(TlbLevel::L1)),
            Act::Walk { page, updated } => self.walk(cpu, page, updated, world),
            Act::Assist(page) => self.walk(cpu, page, true, world),
            Act::FaultEnter(_) => p.kernel.fault_entry_cyc,
            Act::FaultExit(..) => p.kernel.fault_exit_cyc,
            Act::FaultMap { read_in, .. } => {
                let k = &p.kernel;
                // A whole fault less what its other acts are charged.
                let charged = k.fault_entry_cyc + k.fault_exit_cyc + FAULT_TOUCHES * p.cache.l1_cyc;
                let body = k.minor_fault_anon_cyc.saturating_sub(charged);
                body + if read_in { p.swap.as_ref().map_or(0, |s| s.zram_read_cyc) } else { 0 }
            }
            // The copy is part of the fault's body.
            Act::Copy { .. } if at.path == Path::Fault => 0,
            // The page's whole price less what the rmap walk was charged above.
            Act::Shrink(_) => p.kernel.reclaim_page_clean_cyc.saturating_sub(p.kernel.rmap_unmap_one_cyc),
            // The store that releases the entry is part of the handler's body, as counting is of the system call's, and
            // dropping a reference of freeing.
            Act::Ack(_) | Act::FlushPending(..) | Act::Put(_) => 0,
            Act::Write(_) => p.swap.as_ref().map_or(0, |s| s.zram_write_cyc),
            Act::Return(_)
            | Act::FreeTable(_)
            | Act::Broadcast(_)
            | Act::Clean(_)
            | Act::Lookup(_)
            | Act::Pin(..)
            // What it does with the page is the device's time.
            | Act::Device(..)
            | Act::Copy { .. }
            | Act::Compare(..)
            | Act::Unlock(_)
            | Act::Vma(_)
            | Act::Deferred { .. }
            | Act::Isolate(_)
            | Act::Freeze(FrameNo(_))
            | Act::Free(_)
            | Act::WakeKswapd { .. }
            | Act::KswapdSleeps { .. }
            | Act::DirectReclaim { .. }
            | Act::Keep(_)
            // The device's own time is not the CPU's.
            | Act::Submit { .. }
            | Act::ListEnd => p.cache.l1_cyc,
        }
    }

    /// A CPU loads another address space.
    pub fn switch_cycles(&self) -> u64 {
        self.profile.kernel.ctx_switch_cyc
    }

    /// An access through a translation found here.
    #[inline]
    pub(super) fn use_cycles(&self, level: TlbLevel) -> u64 {
        let l1 = self.profile.cache.l1_cyc;
        match level {
            TlbLevel::Stlb => l1 + self.walk.stlb_hit_cycles(),
            TlbLevel::L1 => l1,
        }
    }

    /// Requests are queued at all targets first; the last one carries the ICR writes.
    fn post(&mut self, cpu: Cpu, to: Cpu, sent: bool, world: &Big) -> u64 {
        self.posted[usize::from(cpu.0)].push((to, sent));
        let p = &self.profile;
        let writes = if world.is_last_target(cpu, to) { self.icr_writes(cpu).1 } else { 0 };
        p.csd_enqueue_cycles(p.distance(cpu.0, to.0)) + writes * p.ipi.icr_write_cyc.unwrap_or(0)
    }

    /// The invalidation itself; nothing if the CPU's generation was already that of the address space.
    fn flush(&self, cpu: Cpu, request: Request, world: &Big) -> u64 {
        let inval = &self.profile.inval;
        match request.span {
            _ if world.last_drop_current(cpu) => 0,
            Some(span) => span.pages * inval.invlpg_cyc.unwrap_or(0),
            None => inval.cr3_flush_cyc.unwrap_or(0),
        }
    }

    /// A walk; `updated` if it set A or D, which makes the line the walker's own.
    fn walk(&mut self, cpu: Cpu, page: Page, updated: bool, world: &Big) -> u64 {
        let levels = world.last_walk(cpu).expect("a walk has just been made");
        let table = world.table_of(page);
        let mut found = [Line::Warm; 4];
        for level in levels.iter() {
            let id = match level {
                Level::Pte => ptes(world, page),
                upper => LineId::Upper(table, upper as u8),
            };
            found[level as usize] = self.line(cpu, id);
            self.read(cpu, id);
        }
        if updated {
            self.write(cpu, ptes(world, page));
        }
        self.walk.walk_cycles(levels, |level| found[level as usize])
    }

    /// In what state a CPU would find a line.
    fn line(&self, cpu: Cpu, id: LineId) -> Line {
        match self.lines.get(&id) {
            None => Line::Cold,
            Some(Owner { writer: Some(writer), readers }) if *writer != cpu && readers & reader(cpu) == 0 => {
                Line::Owned(self.profile.distance(writer.0, cpu.0))
            }
            Some(_) => Line::Warm,
        }
    }

    /// Kernel data is never cold: some earlier call has touched it.
    fn touch_cycles(&self, cpu: Cpu, id: LineId) -> u64 {
        match self.line(cpu, id) {
            Line::Owned(distance) => self.profile.c2c_cycles(distance),
            Line::Warm | Line::Cold => self.profile.cache.l1_cyc,
        }
    }

    /// The transfer of a line that another CPU wrote, if one is needed; what a hit costs is in somebody's body.
    fn fetch(&mut self, cpu: Cpu, id: LineId) -> u64 {
        let line = self.line(cpu, id);
        self.read(cpu, id);
        match line {
            Line::Owned(distance) => self.profile.c2c_cycles(distance),
            Line::Warm | Line::Cold => 0,
        }
    }

    fn read(&mut self, cpu: Cpu, id: LineId) -> u64 {
        let cycles = self.touch_cycles(cpu, id);
        self.lines.entry(id).or_insert(Owner { writer: None, readers: 0 }).readers |= reader(cpu);
        cycles
    }

    fn write(&mut self, cpu: Cpu, id: LineId) -> u64 {
        let cycles = self.touch_cycles(cpu, id);
        self.lines.insert(id, Owner { writer: Some(cpu), readers: 0 });
        cycles
    }
}

fn reader(cpu: Cpu) -> u64 {
    1_u64.checked_shl(u32::from(cpu.0)).unwrap_or(0)
}

fn lock_line(lock: Lock) -> LineId {
    match lock {
        Lock::MmapRead(mm) | Lock::MmapWrite(mm) => LineId::Mmap(mm),
        Lock::Ptl(table) => LineId::Ptl(table),
    }
}

fn ptes(world: &Big, page: Page) -> LineId {
    LineId::Ptes(world.table_of(page), world.vpn(page) >> PTES_PER_LINE_SHIFT)
}
