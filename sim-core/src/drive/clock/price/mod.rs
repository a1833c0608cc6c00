//! What an act costs on a machine: the composite formula of shootdown cost, taken apart.
//!
//! A cache line written by another core costs a transfer at its distance, one's own costs an L1 hit. Everything else comes
//! from the profile; no number here is a cost. A shootdown costs what the composite formula says and no more: queueing at
//! every target, the ICR writes, the slowest target (delivery, entry, each request found, flush), and a read per
//! acknowledgement. What contention adds is waiting for lines that are on their way to others (`lines`).

mod broadcast;
mod lines;
mod shootdown;
mod sweep;

use thiserror::Error;

use crate::drive::clock::price::broadcast::BroadcastCost;
use crate::drive::clock::price::lines::{Found, LineId, Lines, PTE_LINES};
use crate::drive::clock::price::shootdown::Shootdown;
use crate::drive::clock::price::sweep::Looked;
use crate::kernel::path::UNLINK_VMAS;
use crate::machine::profile::{IpiMode, Profile};
use crate::machine::psc::Level;
use crate::machine::walk::{Line, WalkCost};
use crate::nouns::op::OpKind;
use crate::nouns::types::{Actor, Backing, Cpu, FrameNo, Lock, Mm, Page, Span, Task};
use crate::policy::Touch;
use crate::step::era::{Era, Mechanism};
use crate::step::frame::{Act, Path, StepId};
use crate::world::big::Big;
use crate::world::{TlbLevel, World};

/// log2 of the PTEs in one cache line.
const PTES_PER_LINE_SHIFT: u32 = 3;
/// Acts of a minor fault that touch a line of their own core: `mmap_lock`, the PTE, the PTL, the PTE again, both unlocks.
const FAULT_TOUCHES: u64 = 6;
/// The same of a munmap of one page: `mmap_lock`, the PTL, the PTE, both unlocks, the return.
const MUNMAP_TOUCHES: u64 = 6;

/// A profile cannot price the mechanism asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unpriced {
    /// Its machine has no interrupts for TLB flushes.
    #[error(
        "this profile flushes by broadcast (ipi.mode = \"none_for_tlb\"); expected one with IPI costs, such as zen5_vm or skx_2s"
    )]
    Interrupts,
    /// Its machine does not broadcast invalidations, or nobody knows at what cost.
    #[error(
        "the policy broadcasts its invalidations, which this profile has no costs of; expected one with tlbi_* or invlpgb_* keys, such as kunpeng920_2s or milan_36c"
    )]
    Broadcasts,
    /// The policy has CPUs flush by themselves, and these broadcast.
    #[error(
        "the policy leaves flushes to the ticks of other CPUs, and this machine broadcasts them; expected one with IPI costs, such as hsw_ep_2s16 or skx_2s"
    )]
    Ticks,
}

/// The prices of a machine, and who last wrote each line.
#[derive(Clone, Debug)]
pub struct Prices {
    profile: Profile,
    walk: WalkCost,
    /// What broadcasts cost, where shootdowns are such.
    broadcasts: Option<BroadcastCost>,
    /// A fault takes the lock of its VMA, a line that other threads leave alone, in place of `mmap_lock`.
    vma_locks: bool,
    /// A target reads `tlb_gen` also where it has made the flush already.
    gen_read_always: bool,
    /// These calls put what faults have put by on the LRU lists first.
    zap_drains: bool,
    /// munmap holds `mmap_lock` for reading once its VMAs are gone.
    munmap_downgrades: bool,
    /// More pages are flushed as a whole.
    ceiling_pages: u64,
    lines: Lines,
    looked: Looked,
    shootdowns: Vec<Shootdown>,
    /// By CPU: another CPU of its core has work, too.
    shares_core: Vec<bool>,
}

impl Prices {
    /// The prices of a machine under an era, which is as that machine has it ([`Prices::era_on`]).
    ///
    /// # Errors
    /// If its profile has no costs for the mechanism.
    pub fn new(profile: &Profile, era: &Era, cpus: u16) -> Result<Prices, Unpriced> {
        let interrupts = profile.ipi.mode != IpiMode::NoneForTlb;
        let broadcasts = match era.mechanism {
            Mechanism::IpiSerial | Mechanism::IpiConcurrent if interrupts => None,
            Mechanism::IpiSerial | Mechanism::IpiConcurrent => return Err(Unpriced::Interrupts),
            Mechanism::Broadcast => Some(BroadcastCost::new(profile).ok_or(Unpriced::Broadcasts)?),
        };
        Ok(Prices {
            walk: WalkCost::new(profile),
            profile: profile.clone(),
            broadcasts,
            vma_locks: era.faults_lock_vma,
            gen_read_always: era.reads_mm_gen_always,
            zap_drains: era.zap_drains_lru,
            munmap_downgrades: era.munmap_downgrades,
            ceiling_pages: era.ceiling_pages,
            lines: Lines::with_queues(profile, cpus),
            looked: Looked::new(cpus),
            shootdowns: vec![Shootdown::default(); usize::from(cpus)],
            shares_core: (0..cpus).map(|cpu| profile.siblings(cpu).any(|sibling| sibling < cpus)).collect(),
        })
    }

    /// The era on a machine: how its shootdowns reach other CPUs there, and for whom.
    pub fn era_on(profile: &Profile, era: Era) -> Era {
        let interrupts = profile.ipi.mode != IpiMode::NoneForTlb;
        let tlbi = profile.inval.tlbi_range_limit_pages.filter(|_| !interrupts);
        Era {
            mechanism: if interrupts { era.mechanism } else { Mechanism::Broadcast },
            shrink_list_folios: profile.kernel.swap_cluster_max as u16,
            // MAX_TLBI_OPS of arm64.
            ceiling_pages: tlbi.map_or(era.ceiling_pages, |limit| u64::from(limit) - 1),
            broadcast_min_cpus: profile.inval.invlpgb_min_active_cpus.map_or(0, |cpus| cpus as u16),
            ..era
        }
    }

    /// The machine.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// From an unlock to the waiter's next step.
    pub fn handoff_cycles(&mut self, lock: Lock, from: Cpu, to: Cpu) -> u64 {
        // The hand-over is the transfer of the line: the waiter has it now.
        self.lines.hand_over(lock_line(lock), to);
        self.profile.spin_handoff_cycles(self.lines.distance(from, to))
    }

    /// What one act costs the CPU that begins it at `now`. `world` is as the step left it.
    pub fn price(&mut self, who: Actor, act: &Act, at: StepId, now: u64, world: &Big) -> u64 {
        let cycles = self.alone(who, act, at, now, world);
        // User accesses are left alone: they are hits, for the most part, and run ahead.
        if at.path == Path::Access { cycles } else { self.slowed(who.cpu, cycles) }
    }

    /// What takes so long on a core of its own, where another CPU of the core may have work.
    fn slowed(&self, cpu: Cpu, cycles: u64) -> u64 {
        let shared = self.shares_core[usize::from(cpu.0)];
        let slower = self.profile.machine.smt_slowdown_percent.filter(|_| shared);
        cycles + slower.map_or(0, |percent| cycles * percent / 100)
    }

    /// The same on a core of its own.
    fn alone(&mut self, who: Actor, act: &Act, at: StepId, now: u64, world: &Big) -> u64 {
        let cpu = (who.cpu, now);
        let p = &self.profile;
        match *act {
            Act::Enter(OpKind::Munmap | OpKind::Dontneed | OpKind::Free) => p.kernel.syscall_cyc + self.drain_lru(cpu),
            Act::Enter(_) => p.kernel.syscall_cyc,
            Act::Lock(Lock::MmapRead(mm)) | Act::Unlock(Lock::MmapRead(mm))
                if at.path == Path::Fault && self.vma_locks =>
            {
                self.vma_lock(cpu, mm, who.task, world)
            }
            // `mmap_lock` is counted down; others spin on lines of their own for a PTL.
            Act::Lock(lock) | Act::Unlock(lock @ (Lock::MmapRead(_) | Lock::MmapWrite(_))) => {
                self.write(cpu, lock_line(lock))
            }
            Act::Downgrade(mm) => self.write(cpu, LineId::Mmap(mm)),
            Act::Vma(_) if at == UNLINK_VMAS && world.op(who.task).kind == OpKind::Munmap => self.unlink_vmas(),
            Act::PteRead(_) | Act::PteXchg { .. } => self.pte(cpu, act, at, world),
            Act::MaskRead(mm) => self.read(cpu, LineId::Mask(mm)),
            Act::MaskClear(mm) => self.write(cpu, LineId::Mask(mm)),
            Act::Flag(flag, Touch::Read) => self.read(cpu, LineId::Flag(flag)),
            Act::Flag(flag, _) => self.write(cpu, LineId::Flag(flag)),
            Act::Words { mm, touch: Touch::Read, .. } => self.read(cpu, LineId::Words(mm)),
            Act::Words { mm, .. } => self.write(cpu, LineId::Words(mm)),
            // What counting costs at home is part of the system call's body.
            Act::FlushPending(mm, touch) => self.count(cpu, mm, touch),
            Act::FlushBegin { request, .. } => self.begin(cpu, request),
            Act::Post { to, sent } => self.post(cpu, to, sent, world),
            Act::Broadcast(request) if self.broadcasts.is_none() => self.record(cpu, request, world),
            Act::Broadcast(request) => self.issue(who.cpu, request, world),
            Act::FlushLocal(request) => self.flush_local(who.cpu, request, world),
            Act::FlushEnd(_) => self.end(who.cpu),
            Act::Sync => self.sync_cycles(),
            Act::IrqEnter { .. } => self.enter(cpu),
            Act::FlushRemote { from, request, wrong_cpu } => self.flush_remote(cpu, from, (request, wrong_cpu), world),
            // Reading is_lazy and loaded_mm of the target.
            Act::Skip(to) => p.c2c_cycles(self.lines.distance(who.cpu, to)) + self.send((who.cpu, to), world),
            Act::LeaveLazy(_) => p.inval.cr3_noflush_cyc.unwrap_or(p.cache.l1_cyc),
            // A tick comes under every policy: only what it does for this one is charged.
            Act::IrqExit if at.path == Path::Held => 0,
            Act::IrqExit => p.ipi.irq_exit_cyc,
            Act::Use { level, .. } => self.use_cycles(level.unwrap_or(TlbLevel::L1)),
            Act::Walk { page, updated } => self.walk(cpu, page, updated, world),
            Act::Assist(page) => self.walk(cpu, page, true, world),
            Act::FaultEnter(_) => p.kernel.fault_entry_cyc,
            Act::FaultExit(..) => p.kernel.fault_exit_cyc,
            Act::FaultMap { read_in, pte, around: false, .. } => {
                let k = &p.kernel;
                // A whole fault less what its other acts are charged.
                let charged = k.fault_entry_cyc + k.fault_exit_cyc + FAULT_TOUCHES * p.cache.l1_cyc;
                let body = k.minor_fault_anon_cyc.saturating_sub(charged);
                self.shootdowns[usize::from(who.cpu.0)].in_lru_batch |= pte.dirty;
                body + if read_in { p.swap.as_ref().map_or(0, |s| s.zram_read_cyc) } else { 0 }
            }
            // The copy is part of the fault's body.
            Act::Copy { .. } if at.path == Path::Fault => 0,
            // The page's whole price less what the rmap walk was charged above.
            Act::Shrink(_) => p.kernel.reclaim_page_clean_cyc.saturating_sub(p.kernel.rmap_unmap_one_cyc),
            // The store that releases the entry is part of the handler's body, as dropping a reference is of freeing.
            Act::Ack(_) | Act::Put(_) => 0,
            Act::Free(_) => self.free(cpu),
            Act::Write(_) => p.swap.as_ref().map_or(0, |s| s.zram_write_cyc),
            Act::Return(_)
            | Act::Unlock(_)
            // A page that is mapped along with another has its share in that one's body.
            | Act::FaultMap { .. }
            | Act::FreeTable(_)
            | Act::Clean(_)
            | Act::Lookup(_)
            | Act::Pin(..)
            // What it does with the page is the device's time.
            | Act::Device(..)
            | Act::Copy { .. }
            | Act::Compare(..)
            | Act::Vma(_)
            | Act::Deferred { .. }
            | Act::Isolate(_)
            | Act::Freeze(FrameNo(_))
            | Act::WakeKswapd { .. }
            | Act::KswapdSleeps { .. }
            | Act::DirectReclaim { .. }
            | Act::Keep(_)
            // The device's own time is not the CPU's.
            | Act::Submit { .. }
            | Act::ListEnd => p.cache.l1_cyc,
        }
    }

    /// The lock of a VMA. Neighbouring anonymous mappings are one VMA, and all of an address space are taken to be neighbours; those
    /// of a file are of one thread each.
    fn vma_lock(&mut self, cpu: (Cpu, u64), mm: Mm, task: Task, world: &Big) -> u64 {
        match world.vma(mm, world.op(task).span.first).backing {
            Backing::Anon => self.write(cpu, LineId::AnonVma(mm)),
            _ => self.profile.cache.l1_cyc,
        }
    }

    /// A PTE, and the rmap walk that found it where reclaim looks at one.
    fn pte(&mut self, cpu: (Cpu, u64), act: &Act, at: StepId, world: &Big) -> u64 {
        let rmap = self.profile.kernel.rmap_unmap_one_cyc;
        match *act {
            // R4.2 carries the rmap walk that found the PTE.
            Act::PteRead(page) if matches!(at.path, Path::Unmap | Path::Referenced) => {
                rmap + self.read(cpu, ptes(world, page))
            }
            Act::PteXchg { page, .. } if at.path == Path::Referenced => rmap + self.write(cpu, ptes(world, page)),
            Act::PteXchg { page, .. } => self.write(cpu, ptes(world, page)),
            Act::PteRead(page) => self.read(cpu, ptes(world, page)),
            other => unreachable!("{other:?} is about no PTE"),
        }
    }

    fn count(&mut self, cpu: (Cpu, u64), mm: Mm, touch: Touch) -> u64 {
        let p = &self.profile;
        let away = |distance| p.c2c_cycles(distance);
        let cycles = match touch {
            Touch::Read => self.lines.read(cpu, LineId::Pending(mm), away),
            _ => self.lines.write(cpu, LineId::Pending(mm), 0, away),
        };
        cycles.unwrap_or(0)
    }

    /// `release_pages()`: the first page that is freed after a flush takes the lock of the LRU lists for all of them.
    fn free(&mut self, cpu: (Cpu, u64)) -> u64 {
        let freed = std::mem::replace(&mut self.shootdowns[usize::from(cpu.0.0)].freed, true);
        if freed { self.profile.cache.l1_cyc } else { self.lock_lru(cpu).max(self.profile.cache.l1_cyc) }
    }

    /// `do_munmap()` up to the walk: its VMAs are found, split and taken away. A whole munmap of a page that has just been touched, less
    /// what its other acts are charged; no less than one of them.
    fn unlink_vmas(&self) -> u64 {
        let p = &self.profile;
        let touches = (MUNMAP_TOUCHES + u64::from(self.munmap_downgrades)) * p.cache.l1_cyc;
        let lru = p.kernel.lru_lock_hold_cyc.unwrap_or(0);
        let drain = if self.zap_drains { lru } else { 0 };
        let free = lru.max(p.cache.l1_cyc);
        let charged = p.kernel.syscall_cyc + touches + drain + free + self.invalidations(Some(Span::page(0)));
        p.kernel.munmap_base_cyc.unwrap_or(0).saturating_sub(charged).max(p.cache.l1_cyc)
    }

    /// `lru_add_drain()`, with which these calls begin: the folios that faults of this CPU have put by go on their lists.
    fn drain_lru(&mut self, cpu: (Cpu, u64)) -> u64 {
        let any = std::mem::take(&mut self.shootdowns[usize::from(cpu.0.0)].in_lru_batch);
        if any && self.zap_drains { self.lock_lru(cpu) } else { 0 }
    }

    /// Waits for the lock of the LRU lists and holds it, all with interrupts off.
    fn lock_lru(&mut self, (cpu, now): (Cpu, u64)) -> u64 {
        let p = &self.profile;
        let Some(hold) = p.kernel.lru_lock_hold_cyc else { return 0 };
        hold + self.lines.write((cpu, now), LineId::Lru, hold, |d| p.spin_handoff_cycles(d)).unwrap_or(0)
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

    /// A walk; `updated` if it set A or D, which makes the line the walker's own.
    fn walk(&mut self, cpu: (Cpu, u64), page: Page, updated: bool, world: &Big) -> u64 {
        let levels = world.last_walk(cpu.0).expect("a walk has just been made");
        let table = world.table_of(page);
        let mut found = [Line::Warm; 4];
        for level in levels.iter() {
            let id = match level {
                Level::Pte => ptes(world, page),
                upper => LineId::Upper(table, upper as u8),
            };
            let p = &self.profile;
            found[level as usize] = match self.lines.find(cpu, id, |distance| p.c2c_cycles(distance)).0 {
                Found::Untouched => Line::Cold,
                Found::Own => Line::Warm,
                Found::Away(distance) => Line::Owned(distance),
            };
        }
        if updated {
            self.write(cpu, ptes(world, page));
        }
        self.walk.walk_cycles(levels, |level| found[level as usize])
    }

    /// Kernel data is never cold: some earlier call has touched it.
    fn read(&mut self, cpu: (Cpu, u64), id: LineId) -> u64 {
        let p = &self.profile;
        self.lines.read(cpu, id, |distance| p.c2c_cycles(distance)).unwrap_or(p.cache.l1_cyc)
    }

    fn write(&mut self, cpu: (Cpu, u64), id: LineId) -> u64 {
        let p = &self.profile;
        self.lines.write(cpu, id, 0, |distance| p.c2c_cycles(distance)).unwrap_or(p.cache.l1_cyc)
    }
}

fn lock_line(lock: Lock) -> LineId {
    match lock {
        Lock::MmapRead(mm) | Lock::MmapWrite(mm) => LineId::Mmap(mm),
        Lock::Ptl(table) => LineId::Ptl(table),
    }
}

fn ptes(world: &Big, page: Page) -> LineId {
    let line = (world.vpn(page) >> PTES_PER_LINE_SHIFT) % PTE_LINES as u64;
    LineId::Ptes(world.table_of(page), line as u8)
}
