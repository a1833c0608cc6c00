//! The timeline of a witness: its moves, at the prices of a machine.

use std::collections::BTreeMap;

use sim_core::drive::clock::along::Timed;
use sim_core::drive::explore::race::Move;
use sim_core::kernel::path::label;
use sim_core::nouns::types::Cpu;
use sim_core::step::frame::Act;

use super::run::Arrows;
use super::{Counter, Mark, What};

/// The marks of the moves of a witness. A move is a slice named by its step; one that no core has a part in is a point. Stale
/// translations are not counted: who holds one is what the violation shows.
pub fn of_witness(moves: &[Timed]) -> Vec<Mark> {
    let (mut marks, mut arrows) = (Vec::new(), Arrows::default());
    let mut pending: BTreeMap<Cpu, i64> = BTreeMap::new();
    for timed in moves {
        let cpu = timed.mv.cpu();
        let Cpu(n) = cpu;
        let end = timed.start_cycles + timed.length_cycles;
        let mut mark = |at_cycles, what| marks.push(Mark { at_cycles, what });
        let step = timed.acts.last().map(|&(_, at)| label(at));
        let name = step.map_or("", |label| label.text);
        match timed.mv {
            Move::Evict(..) => mark(timed.start_cycles, What::Instant(n, "TLB entry evicted".into())),
            Move::Deliver(_, Cpu(to)) => mark(timed.start_cycles, What::Instant(to, "broadcast arrives".into())),
            _ => {
                let arrow = timed.acts.iter().find_map(|&(act, _)| match act {
                    Act::Post { to, .. } => Some(arrows.start(cpu, to)),
                    Act::FlushRemote { from, .. } => arrows.end(from, cpu),
                    _ => None,
                });
                let name = step.map_or(String::new(), |label| format!("{} {name}", label.id));
                mark(
                    timed.start_cycles,
                    What::Begin { cpu: n, name: name.trim().to_owned().into(), about: None, arrow },
                );
                mark(end, What::End(n));
            }
        }
        for &(act, _) in &timed.acts {
            match act {
                Act::Deferred { .. } => *pending.entry(cpu).or_default() += 1,
                Act::FlushEnd(request) if request.mm.is_none() && pending.remove(&cpu).is_some() => {}
                _ => continue,
            }
            mark(end, What::Count(Counter::Pending, pending.values().sum()));
        }
        for violation in &timed.violations {
            mark(end, What::Instant(n, format!("{} violation", violation.class.name()).into()));
        }
    }
    marks.sort_by_key(|mark| mark.at_cycles);
    marks
}
