//! A shootdown from the side of its initiator: `flush_tlb_mm_range()`, `arch_tlbbatch_flush()`, `flush_tlb_multi()`, steps X.

use crate::kernel::path::batch_owner;
use crate::nouns::types::{Actor, Cpu, Mm, Span};
use crate::oracle;
use crate::step::era::{Era, Mechanism};
use crate::step::frame::{Act, Cx, Flow, Frame, Probe, Wait, request_of, steps};
use crate::world::{Request, World};

steps! {
    Begin = "X3" "flush_tlb_info: read mm_cpumask",
    SerialLocal = "X4" "flush_tlb_func() on this CPU",
    Issue = "X6" "tlbi or invlpgb: issue to every CPU",
    Post = "X6" "smp_call_function_many_cond(): queue, send IPI",
    ConcurrentLocal = "X4" "flush_tlb_func() on this CPU, meanwhile",
    Wait = "X6" "wait for every csd lock",
    End = "X7" "flush done",
}

/// Steps that turn to a target, the first perhaps after the local flush.
pub(crate) const POSTING: [u8; 2] = [Step::SerialLocal as u8, Step::Post as u8];

/// There are targets.
const REMOTE: u8 = 1;
/// A mutant: interrupts stay off until the others have acknowledged.
const IRQS_OFF: u8 = 2;

/// Are interrupts off in this frame? Before the first step its flags are those of the request.
pub(super) fn irqs_off(f: &Frame) -> bool {
    f.pc != Step::Begin as u8 && f.flags & IRQS_OFF != 0
}

pub(super) fn step<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor, f: &mut Frame) -> Flow {
    match Step::of(f) {
        Step::Begin => {
            let request = request_of(f);
            let remote = cx.world.request_begin(Actor { task: batch_owner(cx, who), ..who }, request);
            cx.act(who, Act::FlushBegin { request, remote });
            let irqs = if cx.era.protections.irqs_on_while_waiting { 0 } else { IRQS_OFF };
            *f = Frame { flags: if remote { REMOTE | irqs } else { 0 }, ..Frame::new(f.path) };
            f.pc = match cx.era.mechanism {
                Mechanism::IpiSerial => Step::SerialLocal as u8,
                Mechanism::IpiConcurrent if remote => Step::Post as u8,
                Mechanism::IpiConcurrent => Step::ConcurrentLocal as u8,
                // The end of a batch that has issued as it went along only waits.
                Mechanism::Broadcast if request.mm.is_none() && cx.policy.issues_when_deferring() => Step::Wait as u8,
                Mechanism::Broadcast if on_few_cpus(cx, who) => Step::Post as u8,
                Mechanism::Broadcast => Step::Issue as u8,
            };
            Flow::Next
        }
        Step::Issue => {
            let request = cx.world.request(who.cpu);
            let span = request.span.unwrap_or(Span { first: 0, pages: u64::MAX });
            cx.world.broadcast(who.cpu, request.mm, span);
            cx.act(who, Act::Broadcast(request));
            (f.flags, f.pc) = (REMOTE, Step::ConcurrentLocal as u8);
            Flow::Next
        }
        Step::SerialLocal => {
            local(cx, who);
            f.pc = if f.flags & REMOTE != 0 { Step::Post as u8 } else { Step::End as u8 };
            Flow::Next
        }
        Step::Post => {
            let Some(to) = cx.world.next_target(who.cpu, f.cursor as u16) else {
                f.pc = match cx.era.mechanism {
                    Mechanism::IpiSerial => Step::Wait as u8,
                    Mechanism::IpiConcurrent | Mechanism::Broadcast => Step::ConcurrentLocal as u8,
                };
                return Flow::Next;
            };
            f.cursor = u64::from(to.0) + 1;
            if passes_over(cx, who, to) {
                cx.act(who, Act::Skip(to));
            } else {
                let sent = cx.world.post(who.cpu, to);
                cx.act(who, Act::Post { to, sent });
            }
            Flow::Next
        }
        Step::ConcurrentLocal => {
            local(cx, who);
            f.pc = if f.flags & REMOTE != 0 { Step::Wait as u8 } else { Step::End as u8 };
            Flow::Next
        }
        Step::Wait => {
            if cx.world.acks_outstanding(who.cpu) {
                return Flow::Blocked(Wait::Acks);
            }
            // What munmap has left to others is for their ticks; among broadcasts it cannot be told from them.
            let asks = cx.era.mechanism == Mechanism::Broadcast || !cx.policy.defers_unmap();
            if asks && cx.era.protections.waits_for_broadcasts && cx.world.broadcast_pending(who.cpu) {
                return Flow::Blocked(Wait::Broadcasts);
            }
            f.pc = Step::End as u8;
            Flow::Next
        }
        Step::End => {
            let request = cx.world.request(who.cpu);
            if request.mm.is_none() {
                cx.world.batch_clear(batch_owner(cx, who));
            }
            // Whoever has acknowledged too early reads it yet, or the one that takes its place.
            if cx.era.protections.acks_after_flush {
                cx.world.request_end(who.cpu);
            }
            cx.act(who, Act::FlushEnd(request));
            Flow::Return(0)
        }
    }
}

/// X6, `should_flush_tlb()`: a CPU that is not running the address space catches up when it comes back to it. The mutant leaves
/// the last CPU of the mask out.
fn passes_over<W: World, P: Probe>(cx: &Cx<'_, W, P>, who: Actor, to: Cpu) -> bool {
    let request = cx.world.request(who.cpu);
    let elsewhere = request.mm.is_some() && cx.world.loaded(to) != request.mm;
    let idle = cx.era.skips_idle_targets && !request.freed_tables && (cx.world.lazy(to) || elsewhere);
    let left_out = !cx.era.protections.mask_complete && cx.world.next_target(who.cpu, to.0 + 1).is_none();
    idle || left_out
}

/// Is what is to be flushed on fewer CPUs than broadcasts are for?
fn on_few_cpus<W: World, P: Probe>(cx: &Cx<'_, W, P>, who: Actor) -> bool {
    let (mut cpus, mut from) = (1, 0);
    while cpus < cx.era.broadcast_min_cpus {
        let Some(target) = cx.world.next_target(who.cpu, from) else { return true };
        (cpus, from) = (cpus + 1, target.0 + 1);
    }
    false
}

/// X4, with interrupts off: only if this CPU is concerned.
fn local<W: World, P: Probe>(cx: &mut Cx<'_, W, P>, who: Actor) {
    let request = cx.world.request(who.cpu);
    let loaded = cx.world.loaded(who.cpu);
    let concerned = match request.mm {
        Some(mm) => loaded == Some(mm),
        None => cx.world.batch_contains(batch_owner(cx, who), who.cpu),
    };
    if concerned
        && cx.era.protections.flushes_own_cpu
        && let Some(loaded) = loaded
    {
        oracle::drop_entries(cx, who.cpu, extent(cx.era, request, loaded));
        cx.act(who, Act::FlushLocal(request));
    }
}

/// What a CPU with this address space loaded drops for a request. The mutant takes the generation that a batch does not name for
/// one it is up to (G5), and drops nothing; a broadcast has no generation.
pub(super) fn extent(era: &Era, request: Request, loaded: Mm) -> (Mm, Span) {
    let makes = request.mm.is_some() || era.protections.batch_always_flushes || era.mechanism == Mechanism::Broadcast;
    let whole = Span { first: 0, pages: if makes { u64::MAX } else { 0 } };
    (loaded, request.span.unwrap_or(whole))
}
