//! The composite formula of a shootdown by interrupt, from its initiator and from a target.

use crate::drive::clock::price::Prices;
use crate::drive::clock::price::lines::LineId;
use crate::machine::profile::IpiMode;
use crate::nouns::types::{Cpu, Span};
use crate::world::Request;
use crate::world::big::Big;

/// CPUs that one write in x2APIC cluster mode reaches (Intel SDM vol. 3, 12.12.10.2).
const CLUSTER_CPUS: u16 = 16;

/// What a CPU has under way, as its initiator.
#[derive(Clone, Debug, Default)]
pub(super) struct Shootdown {
    /// Its targets, and whether queueing at them takes an interrupt.
    posted: Vec<(Cpu, bool)>,
    /// It broadcasts, so that its own TLB is flushed with the others.
    pub(super) broadcasts: bool,
    /// Faults of the CPU have put folios by that are on no LRU list yet.
    pub(super) in_lru_batch: bool,
    /// The CPU has freed pages since its last flush.
    pub(super) freed: bool,
}

impl Prices {
    fn shootdown(&mut self, cpu: Cpu) -> &mut Shootdown {
        &mut self.shootdowns[usize::from(cpu.0)]
    }

    /// `flush_tlb_mm_range()`: raises `tlb_gen` and reads `mm_cpumask`. What both cost at home is in somebody's body.
    pub(super) fn begin(&mut self, cpu: (Cpu, u64), request: Request) -> u64 {
        let state = self.shootdown(cpu.0);
        state.posted.clear();
        state.broadcasts = false;
        let Some(mm) = request.mm else { return 0 };
        let p = &self.profile;
        let away = |distance| p.c2c_cycles(distance);
        let raised = if request.catch_up {
            self.lines.read(cpu, LineId::Gen(mm), away)
        } else {
            self.lines.write(cpu, LineId::Gen(mm), 0, away)
        };
        let raised = raised.unwrap_or(0);
        raised + self.lines.read((cpu.0, cpu.1 + raised), LineId::Mask(mm), away).unwrap_or(0)
    }

    /// Requests are queued at all targets first; the last one carries the ICR writes.
    pub(super) fn post(&mut self, cpu: (Cpu, u64), to: Cpu, sent: bool, world: &Big) -> u64 {
        self.shootdown(cpu.0).posted.push((to, sent));
        let sending = self.send((cpu.0, to), world);
        let p = &self.profile;
        // csd_lock(): the entry was released by its target.
        let entry = p.csd_enqueue_cycles(self.lines.distance(cpu.0, to));
        // llist_add() reads the head of the queue before it exchanges it, and so fetches the line twice.
        let away = |distance| p.c2c_cycles(distance);
        let (id, mut ready) = (LineId::Queue(to), cpu.1 + entry);
        ready += self.lines.read((cpu.0, ready), id, away).unwrap_or(0);
        ready += self.lines.write((cpu.0, ready), id, 0, away).unwrap_or(0);
        ready - cpu.1 + sending
    }

    /// The ICR writes for all targets, once the last of them has been turned to.
    pub(super) fn send(&self, (from, to): (Cpu, Cpu), world: &Big) -> u64 {
        let writes = if world.is_last_target(from, to) { self.icr_writes(from) } else { 0 };
        writes * self.profile.ipi.icr_write_cyc.unwrap_or(0)
    }

    /// The interrupts that leave when all of a shootdown's requests are queued and its last ICR write ends at `now`: where
    /// they go and when they arrive. Each leaves with its own write; a target that is idle takes it when it has woken.
    pub fn arrivals(&self, from: Cpu, now: u64, idle: impl Fn(Cpu) -> bool) -> Vec<(Cpu, u64)> {
        let icr = self.profile.ipi.icr_write_cyc.unwrap_or(0);
        let writes = self.icr_writes(from);
        let arrival = |(to, write): (Cpu, u64)| {
            let distance = self.lines.distance(from, to);
            let woken = if idle(to) { self.profile.ipi.idle_wake_cyc } else { 0 };
            (to, now - (writes - write) * icr + self.profile.delivery_cycles(distance) + woken)
        };
        self.interrupted(from).map(arrival).collect()
    }

    /// How many ICR writes a shootdown takes.
    fn icr_writes(&self, from: Cpu) -> u64 {
        self.interrupted(from).last().map_or(0, |(_, write)| write)
    }

    /// Each target that needs an interrupt with the number of the ICR write that sends it.
    fn interrupted(&self, from: Cpu) -> impl Iterator<Item = (Cpu, u64)> {
        let clusters = self.profile.ipi.mode == IpiMode::X2apicCluster;
        let sent = self.shootdowns[usize::from(from.0)].posted.iter().filter(|(_, sent)| *sent);
        sent.scan((None, 0), move |(cluster, write), &(to, _)| {
            let own = Some(to.0 / CLUSTER_CPUS);
            if !clusters || *cluster != own {
                *write += 1;
            }
            *cluster = own;
            Some((to, *write))
        })
    }

    /// Interrupt entry, and `llist_del_all()` of the queue that others have written.
    pub(super) fn enter(&mut self, cpu: (Cpu, u64)) -> u64 {
        let p = &self.profile;
        let entry = p.ipi.irq_entry_cyc + p.ipi.pti_extra_cyc.unwrap_or(0) + p.ipi.handler_body_cyc.unwrap_or(0);
        let head = self.lines.write((cpu.0, cpu.1 + entry), LineId::Queue(cpu.0), 0, |d| p.c2c_cycles(d));
        entry + head.unwrap_or(0)
    }

    /// `flush_tlb_func()` for one entry of the queue: the entry is a line that its initiator wrote, and so is `tlb_gen`.
    pub(super) fn flush_remote(
        &mut self,
        cpu: (Cpu, u64),
        from: Cpu,
        (request, wrong_cpu): (Request, bool),
        world: &Big,
    ) -> u64 {
        let p = &self.profile;
        let entry = p.c2c_cycles(self.lines.distance(from, cpu.0));
        if wrong_cpu {
            return entry;
        }
        // aa44284960d5: who has made a flush as young as this one need not ask for the youngest.
        let asks = self.gen_read_always || !world.last_drop_current(cpu.0);
        let youngest = match request.mm.filter(|_| asks) {
            Some(mm) => self.lines.read((cpu.0, cpu.1 + entry), LineId::Gen(mm), |d| p.c2c_cycles(d)).unwrap_or(0),
            None => 0,
        };
        entry + youngest + self.flush(cpu.0, request, world)
    }

    /// The initiator's own flush, which a broadcast has made already.
    pub(super) fn flush_local(&self, cpu: Cpu, request: Request, world: &Big) -> u64 {
        if self.shootdowns[usize::from(cpu.0)].broadcasts { 0 } else { self.flush(cpu, request, world) }
    }

    /// The invalidation itself; nothing if the CPU's generation was already that of the address space. With page-table isolation
    /// each page goes from the user's PCID, too; the whole of it goes at the next return to user space.
    fn flush(&self, cpu: Cpu, request: Request, world: &Big) -> u64 {
        if world.last_drop_current(cpu) { 0 } else { self.invalidations(request.span) }
    }

    /// The same where no generation is asked.
    pub(super) fn invalidations(&self, span: Option<Span>) -> u64 {
        let inval = &self.profile.inval;
        let isolated = self.profile.ipi.pti_extra_cyc.is_some_and(|extra| extra > 0);
        let user = if isolated { inval.invpcid_single_cyc.unwrap_or(0) } else { 0 };
        match span {
            Some(span) => span.pages * (inval.invlpg_cyc.unwrap_or(0) + user),
            None => inval.cr3_flush_cyc.unwrap_or(0),
        }
    }

    /// Reads every acknowledgement.
    pub(super) fn end(&mut self, cpu: Cpu) -> u64 {
        let p = &self.profile;
        let state = &mut self.shootdowns[usize::from(cpu.0)];
        state.freed = false;
        state.posted.iter().map(|(to, _)| p.ack_read_cycles(self.lines.distance(cpu, *to))).sum()
    }
}
