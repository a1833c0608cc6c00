//! Symmetry of the kernel model: CPUs that differ by nothing but their numbers are exchanged.
//!
//! That is sound only if whatever a state leads to, it leads to as well under other numbers. Two things go by the number: an
//! initiator posts to its targets, and a target serves its initiators, the lowest first. With symmetry on a move names whom it
//! turns to ([`Move::Toward`]), and those that are alike come in any order; where the numbers of two kinds of CPU do not lie
//! apart, these come in any order, too. So the model has more interleavings than without, among them all that it has without,
//! and is closed under renaming: the tests rename every state of some scenarios and compare what it leads to.
//! Frames and pages keep their names: CPUs that are alike name the same ones.
//!
//! Of all the states that differ by such numbers only, the least one, word by word, stands for them.

#[cfg(test)]
mod tests;

use super::alike::Twins;
use super::frames::{pack_frame, unpack_frames};
use super::memo::Memo;
use super::moves::Move;
use super::node::{Node, Parts};
use super::race::Race;
use super::{Interner, System};
use crate::drive::engine::Turn;
use crate::kernel::path::{SERVED, SERVING};
use crate::nouns::cpuset::CpuSet;
use crate::nouns::types::Cpu;
use crate::step::frame::{Frame, Path};
use crate::world::small::{CPU_WORDS, CPUS, Renaming};

impl<'s> Race<'s> {
    /// The CPUs that are alike.
    pub(super) fn twins(&self) -> Twins {
        Twins::of(self.scenario, &self.setting.era.protections)
    }

    /// The ways in which a CPU may go on: one, but where it turns to others.
    pub(super) fn steps_of(node: &Node<'s>, cpu: Cpu, twins: Option<&Twins>, out: &mut impl Extend<Move>) {
        let turn = node.stacks[usize::from(cpu.0)].turn();
        let (targets, serving) = node.world.targets_and_serving(cpu);
        let to = if turn == Some(Turn::Post) { targets } else { serving };
        match (twins, turn) {
            (Some(twins), Some(_)) if !to.is_empty() => out.extend(twins.next(&to).map(|to| Move::Toward(cpu, to))),
            _ => out.extend([Move::Step(cpu)]),
        }
    }

    /// Makes a step of `cpu` that turns to `to`, if it turns to anybody; false if it cannot. Targets told are taken off.
    pub(super) fn toward(node: &mut Node<'s>, cpu: Cpu, to: Cpu, step: impl FnOnce(&mut Node<'s>) -> bool) -> bool {
        let n = usize::from(cpu.0);
        let Some(turn) = node.stacks[n].turn() else { return false };
        if turn == Turn::Serve {
            let others = node.world.serving(cpu);
            if !others.contains(to) {
                return false;
            }
            others.remove(to);
            let others = std::mem::replace(others, CpuSet::from_words([1 << to.0]));
            let made = step(node);
            node.world.serving(cpu).insert_all(&others);
            return made;
        }
        if !node.world.targets(cpu).contains(to) {
            return false;
        }
        node.stacks[n].aim(u64::from(to.0));
        if !step(node) {
            return false;
        }
        if node.stacks[n].aim(0) > u64::from(to.0) {
            node.world.targets(cpu).remove(to);
        }
        true
    }

    /// The part of a state under other numbers: what is shared, or a CPU with its frames.
    fn renamed(part: u32, cpu: Option<usize>, to: Renaming, node: &mut Node<'s>, parts: &mut Interner<'_>) -> u32 {
        match cpu {
            None => {
                node.world.unpack_shared(parts.part(part));
                node.world.rename_shared(to);
                node.world.pack_shared(&mut parts.row);
            }
            Some(n) => {
                let (words, frames) = parts.part(part).split_at(CPU_WORDS);
                node.world.unpack_cpu(n, words);
                unpack_frames(frames, &mut node.stacks[n]);
                node.world.rename_cpu(n, to);
                node.world.pack_cpu_as(n, usize::from(to[n]), &mut parts.row);
                for frame in node.stacks[n].frames() {
                    pack_frame(&renamed_frame(*frame, to), &mut parts.row);
                }
            }
        }
        parts.number_row()
    }

    /// The key that stands for all that differ by the numbers of CPUs that are alike. `scratch` is spoilt.
    pub(super) fn least(
        &self,
        key: &Parts,
        twins: &Twins,
        memo: &mut Memo,
        scratch: &mut Node<'s>,
        parts: &mut Interner<'_>,
    ) -> Parts {
        let cpus = self.scenario.programs.len();
        let mut least = None;
        for (way, to) in twins.renamings.iter().copied().enumerate() {
            let mut under = |part: u32, cpu: Option<usize>, parts: &mut Interner<'_>| {
                if let Some(known) = memo.renamed(part, way) {
                    return known;
                }
                let renamed = Self::renamed(part, cpu, to, scratch, parts);
                // Numbers that only this worker knows change when its batch is taken in.
                if !parts.provisional(part) && !parts.provisional(renamed) {
                    memo.keep_renamed(part, (way, twins.renamings.len()), renamed);
                }
                renamed
            };
            let mut other = [0; 1 + CPUS];
            other[0] = under(key[0], None, parts);
            for n in 0..cpus {
                other[1 + usize::from(to[n])] = under(key[1 + n], Some(n), parts);
            }
            let words = |key: &Parts, n: usize| parts.part(key[n]);
            let less = |than: &Parts| {
                (0..=cpus).map(|n| words(&other, n).cmp(words(than, n))).find(|order| order.is_ne())
                    == Some(std::cmp::Ordering::Less)
            };
            if least.as_ref().is_none_or(less) {
                least = Some(other);
            }
        }
        least.expect("one way changes nothing")
    }

    /// Turns a state into the one that stands for it.
    pub(super) fn represent_node(&self, node: &mut Node<'s>) {
        let twins = self.twins();
        if !twins.any() {
            return;
        }
        let (mut parts, mut scratch) = (Interner::default(), self.initial());
        node.moved = u8::MAX;
        let key = self.pack(node, &mut parts);
        let least = self.least(&key, &twins, &mut Memo::default(), &mut scratch, &mut parts);
        self.unpack(&least, &parts, node);
        // These numbers of parts are of no search.
        node.moved = u8::MAX;
    }
}

/// What a CPU has served last is nothing to the next one it serves.
fn renamed_frame(frame: Frame, to: Renaming) -> Frame {
    let cursor = match frame.path {
        Path::Irq if SERVING.contains(&frame.pc) => 0,
        Path::Irq if SERVED.contains(&frame.pc) && frame.cursor < CPUS as u64 => u64::from(to[frame.cursor as usize]),
        _ => frame.cursor,
    };
    Frame { cursor, ..frame }
}
