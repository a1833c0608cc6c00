//! The kernel model as a system to search: small world, one program a CPU, interrupts between any two steps.

use crate::drive::engine::{Progress, Setting};
use crate::drive::explore::alike::Twins;
use crate::drive::explore::frames::{pack_frame, unpack_frames};
use crate::drive::explore::heard::Finder;
pub use crate::drive::explore::heard::{Counts, Recorder, Violation};
use crate::drive::explore::memo::Memo;
pub use crate::drive::explore::moves::Move;
use crate::drive::explore::node::NOWHERE;
pub use crate::drive::explore::node::{Node, Parts};
use crate::drive::explore::view::{self, View};
use crate::drive::explore::{Bench, Effect, Interner, Options, Seen, Successor, System};
use crate::nouns::op::{Op, OpKind};
use crate::nouns::types::{Actor, Cpu, Page, Task};
use crate::oracle::{Marks, ghost};
use crate::step::frame::{Frame, Path, Probe, StepId};
use crate::world::World;
use crate::world::small::{CPU_WORDS, CPUS, Scenario, Small};

/// One scenario under one policy and era.
#[derive(Clone, Copy, Debug)]
pub struct Race<'s> {
    /// Who does what.
    pub scenario: &'s Scenario,
    /// Policy and era.
    pub setting: Setting,
}

fn actor(cpu: Cpu) -> Actor {
    Actor { cpu, task: Task(cpu.0) }
}

impl<'s> Race<'s> {
    /// Makes one move in place; false if it is disabled, and the node is then spoilt.
    pub fn make<P: Probe>(&self, node: &mut Node<'s>, mv: Move, probe: &mut P) -> bool {
        let (cpu, over) = match mv {
            Move::Evict(cpu, page) => {
                node.world.tlb_forget(cpu, page);
                return true;
            }
            Move::Deliver(from, to) => {
                return node.world.deliver(from, to, &mut |page, gone| {
                    if !Marks::of(gone).is_clean() {
                        probe.window(to, page, None);
                    }
                });
            }
            Move::Toward(cpu, to) => {
                return Self::toward(node, cpu, to, |node| self.make(node, Move::Step(cpu), probe));
            }
            Move::Step(cpu) => (cpu, None),
            Move::Interrupt(cpu) => (cpu, Some(Path::Irq)),
            Move::Tick(cpu) => (cpu, Some(Path::Held)),
        };
        node.moved |= 1 << cpu.0;
        let stack = &mut node.stacks[usize::from(cpu.0)];
        if let Some(path) = over {
            stack.push(Frame::new(path));
        } else if stack.is_empty() {
            let Some(op) = node.world.program_op(cpu) else {
                return false;
            };
            stack.push(Frame::entry(&op));
        }
        // An interrupt that found the CPU between two operations ends none of them.
        let in_operation = stack.frames().first().is_some_and(|f| !f.path.interrupts());
        if let Progress::Blocked(_) = self.setting.advance(&mut node.world, probe, actor(cpu), stack) {
            return false;
        }
        if stack.is_empty() && in_operation {
            node.world.program_advance(cpu);
        }
        true
    }
}

impl<'s> Race<'s> {
    fn take(&self, node: &mut Node<'s>, mv: Move, counts: Counts) -> Option<Effect> {
        let top = |cpu: Cpu| node.stacks[usize::from(cpu.0)].frames().last();
        let begins = match mv {
            Move::Step(cpu) => top(cpu).map(|f| StepId { path: f.path, pc: f.pc }),
            Move::Interrupt(_) | Move::Tick(_) | Move::Evict(..) | Move::Deliver(..) | Move::Toward(..) => None,
        };
        let own_batch = self.setting.era.protections.batch_per_task;
        let mut finder = Finder { counts, begins, own_batch, broken: false, acts: 0, private: false };
        let alone = |finder: &Finder| matches!(mv, Move::Step(_)) && finder.acts == 1 && finder.private;
        self.make(node, mv, &mut finder).then(|| Effect { broken: finder.broken, alone: alone(&finder) })
    }

    fn cpus(&self) -> usize {
        self.scenario.programs.len()
    }

    /// Is the next thing a CPU does an access to this page?
    fn accesses_next(node: &Node<'s>, cpu: Cpu, page: Page) -> bool {
        let at_access = node.stacks[usize::from(cpu.0)].frames().last().is_none_or(|f| f.path == Path::Access);
        let access = |op: &Op| matches!(op.kind, OpKind::Access(_)) && op.span.contains(node.world.vpn(page));
        at_access && node.world.program_op(cpu).as_ref().is_some_and(access)
    }

    fn moves_of(
        &self,
        node: &Node<'s>,
        n: usize,
        (reduced, twins): (bool, Option<&Twins>),
        out: &mut impl Extend<Move>,
    ) {
        let cpu = Cpu(n as u16);
        Self::steps_of(node, cpu, twins, out);
        if node.world.interrupt_pending(cpu) && !node.stacks[n].irqs_off() {
            out.extend([Move::Interrupt(cpu)]);
        }
        if node.world.may_let_go(cpu) && !node.stacks[n].irqs_off() {
            out.extend([Move::Tick(cpu)]);
        }
        // Listed by who has issued them, so that what a CPU can do is seen in its own part of the state.
        out.extend(
            (0..self.cpus())
                .map(|to| Cpu(to as u16))
                .filter(|&to| node.world.is_issued(cpu, to))
                .map(|to| Move::Deliver(cpu, to)),
        );
        if self.scenario.evictions {
            let held = (0..u32::from(self.scenario.all_pages())).map(Page);
            let held = held.filter(|&p| node.world.tlb_peek(cpu, p).is_some());
            let evicts = held.filter(|&p| !reduced || Self::accesses_next(node, cpu, p));
            out.extend(evicts.map(|p| Move::Evict(cpu, p)));
        }
    }

    fn idle(node: &Node<'s>, n: usize) -> bool {
        node.stacks[n].is_empty() && node.world.program_op(Cpu(n as u16)).is_none()
    }

    /// Every transition, from memory if it can be, without unpacking the state at all if all can.
    fn successors_of<S>(
        &self,
        key: &Parts,
        (options, counts): (&Options, Counts),
        bench: &mut Bench<'_, S>,
        out: &mut Vec<Successor<Parts>>,
    ) -> Seen
    where
        S: System<State = Node<'s>, Memo = Memo>,
    {
        let Bench { parts, state, next, memo, .. } = bench;
        let twins = options.symmetry.then(|| memo.twins(|| self.twins())).filter(|twins| twins.any());
        let twins = twins.as_deref();
        let before = out.len();
        let mut unpacked = false;
        let mut may_end = true;
        memo.site.turn(key, self.cpus(), &mut memo.faces, parts);
        for n in 0..self.cpus() {
            let part = key[1 + n];
            let (view, mut next_kind) = memo.view(part).unwrap_or_else(|| {
                self.unpack(key, parts, state);
                let mut view = View::default();
                self.moves_of(state, n, (options.reduce, twins), &mut view);
                view.set_idle(Self::idle(state, n));
                memo.keep_view(part, view)
            });
            may_end &= view.idle();
            for code in view.codes() {
                let kind = next_kind;
                next_kind += 1;
                let Memo { steps, site, faces, notes, .. } = memo;
                if steps.find(site, (n, kind), (faces, parts), out) {
                    continue;
                }
                if !unpacked {
                    self.unpack(key, parts, state);
                    unpacked = true;
                }
                next.clone_from(state);
                let effect = self.take(next, view::a_move(Cpu(n as u16), code), counts);
                let took = effect.map(|effect| Successor { key: self.pack(next, parts), effect });
                notes.saw = next.world.saw();
                next.world.noted(&mut notes.looked, &mut notes.written);
                steps.keep(site, (n, kind), notes, took, (faces, parts));
                out.extend(took);
            }
        }
        if let Some(twins) = twins {
            for successor in &mut out[before..] {
                successor.key = self.least(&successor.key, twins, memo, next, parts);
            }
        }
        let tested = memo.tested(key[0]).unwrap_or_else(|| {
            self.unpack(key, parts, state);
            let tested = self.tested(state);
            memo.keep_tested(key[0], tested);
            tested
        });
        Seen { tested, may_end, breaks: out[before..].iter().any(|successor| successor.effect.broken) }
    }
}

impl<'s> System for Race<'s> {
    type State = Node<'s>;
    type Action = Move;
    type Key = Parts;
    type Memo = Memo;

    fn initial(&self) -> Node<'s> {
        Node { world: Small::new(self.scenario), stacks: Default::default(), known: NOWHERE, moved: 0 }
    }

    fn pack(&self, node: &Node<'s>, parts: &mut Interner<'_>) -> Parts {
        let mut key = [0; 1 + CPUS];
        node.world.pack_shared(&mut parts.row);
        key[0] = parts.number_row();
        for n in 0..self.cpus() {
            key[1 + n] = if node.world.is_written(n) || node.moved >> n & 1 != 0 {
                node.world.pack_cpu(n, &mut parts.row);
                node.stacks[n].frames().iter().for_each(|f| pack_frame(f, &mut parts.row));
                parts.number_row()
            } else {
                node.known[1 + n]
            };
        }
        key
    }

    fn unpack(&self, key: &Parts, parts: &Interner<'_>, node: &mut Node<'s>) {
        if node.moved != 0 || node.known[0] != key[0] {
            node.world.unpack_shared(parts.part(key[0]));
        }
        for n in 0..self.cpus() {
            if node.moved >> n & 1 != 0 || node.world.is_written(n) || node.known[1 + n] != key[1 + n] {
                let (cpu, frames) = parts.part(key[1 + n]).split_at(CPU_WORDS);
                node.world.unpack_cpu(n, cpu);
                unpack_frames(frames, &mut node.stacks[n]);
            }
        }
        (node.known, node.moved) = (*key, 0);
    }

    fn successors(
        &self,
        key: &Parts,
        options: &Options,
        bench: &mut Bench<'_, Self>,
        out: &mut Vec<Successor<Parts>>,
    ) -> Seen {
        self.successors_of(key, (options, Counts::All), bench, out)
    }

    fn renumber_memo(&self, memo: &mut Memo, new: impl Fn(u32) -> u32) {
        memo.renumber(new);
    }

    fn renumber(&self, key: Parts, new: impl Fn(u32) -> u32) -> Parts {
        let used = 1 + self.cpus();
        std::array::from_fn(|n| if n < used { new(key[n]) } else { 0 })
    }

    fn actions(&self, node: &Node<'s>, out: &mut Vec<Move>) {
        (0..self.cpus()).for_each(|n| self.moves_of(node, n, (false, None), out));
    }

    /// A CPU may lose a translation at any time, but only its own next access to that page can tell, and the oracle hears
    /// the more of a translation the later it goes: so it goes right before that access or never.
    fn reduced_actions(&self, node: &Node<'s>, out: &mut Vec<Move>) {
        (0..self.cpus()).for_each(|n| self.moves_of(node, n, (true, None), out));
    }

    fn actions_under(&self, options: &Options, node: &Node<'s>, out: &mut Vec<Move>) {
        let twins = options.symmetry.then(|| self.twins()).filter(Twins::any);
        (0..self.cpus()).for_each(|n| self.moves_of(node, n, (options.reduce, twins.as_ref()), out));
    }

    fn represent(&self, node: &mut Node<'s>) {
        self.represent_node(node);
    }

    fn apply(&self, node: &mut Node<'s>, action: Move) -> Option<Effect> {
        self.take(node, action, Counts::All)
    }

    fn may_end(&self, node: &Node<'s>) -> bool {
        (0..self.cpus()).all(|n| Self::idle(node, n))
    }

    fn tested(&self, node: &Node<'s>) -> bool {
        // Where nobody promises anything, the frames are what is tested.
        let complete = if self.scenario.promises() { ghost::complete } else { ghost::frame_complete };
        (0..u32::from(self.scenario.all_pages())).any(|p| complete(node.world.ghost(Page(p))))
    }

    fn scope(&self) -> String {
        let Scenario { pages, processes, pages_per_table, programs, evictions, .. } = self.scenario;
        let (tables, operations) = (pages.div_ceil(*pages_per_table), programs.iter().map(Vec::len).sum::<usize>());
        let evictions = if *evictions { "evictions at any time" } else { "no evictions" };
        let cpus = self.cpus();
        format!(
            "CPUs {cpus}, address spaces {processes}, pages {pages}, page tables {tables}, operations {operations}, {evictions}"
        )
    }
}

/// A race in which only some violations count.
#[derive(Clone, Copy, Debug)]
pub struct Only<'s, C>(pub Race<'s>, pub C);

impl<'s, C: Copy + Into<Counts> + Sync> System for Only<'s, C> {
    type State = Node<'s>;
    type Action = Move;
    type Key = Parts;
    type Memo = Memo;

    fn initial(&self) -> Node<'s> {
        self.0.initial()
    }
    fn pack(&self, node: &Node<'s>, parts: &mut Interner<'_>) -> Parts {
        self.0.pack(node, parts)
    }
    fn unpack(&self, key: &Parts, parts: &Interner<'_>, node: &mut Node<'s>) {
        self.0.unpack(key, parts, node);
    }
    fn successors(
        &self,
        key: &Parts,
        options: &Options,
        bench: &mut Bench<'_, Self>,
        out: &mut Vec<Successor<Parts>>,
    ) -> Seen {
        self.0.successors_of(key, (options, self.1.into()), bench, out)
    }
    fn renumber_memo(&self, memo: &mut Memo, new: impl Fn(u32) -> u32) {
        memo.renumber(new);
    }
    fn renumber(&self, key: Parts, new: impl Fn(u32) -> u32) -> Parts {
        self.0.renumber(key, new)
    }
    fn actions(&self, node: &Node<'s>, out: &mut Vec<Move>) {
        self.0.actions(node, out);
    }
    fn reduced_actions(&self, node: &Node<'s>, out: &mut Vec<Move>) {
        self.0.reduced_actions(node, out);
    }
    fn actions_under(&self, options: &Options, node: &Node<'s>, out: &mut Vec<Move>) {
        self.0.actions_under(options, node, out);
    }
    fn represent(&self, node: &mut Node<'s>) {
        self.0.represent(node);
    }
    fn apply(&self, node: &mut Node<'s>, action: Move) -> Option<Effect> {
        self.0.take(node, action, self.1.into())
    }
    fn may_end(&self, node: &Node<'s>) -> bool {
        self.0.may_end(node)
    }
    fn tested(&self, node: &Node<'s>) -> bool {
        self.0.tested(node)
    }
    fn scope(&self) -> String {
        match self.1.into() {
            Counts::All => self.0.scope(),
            Counts::Class(class) => format!("{}, class {}", self.0.scope(), class.name()),
            Counts::Declared(_) => format!("{}, declared contract", self.0.scope()),
        }
    }
}
