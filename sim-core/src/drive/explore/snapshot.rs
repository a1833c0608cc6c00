//! The state behind a line of a witness: what PTEs, TLBs and the policy's words hold, and what of it a move changed.

use crate::drive::explore::node::Node;
use crate::nouns::types::{Cpu, Mm, Page, Pte};
use crate::world::World;
use crate::world::small::Scenario;

/// What each thing of interest holds, by its name, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot(Vec<(String, String)>);

impl Snapshot {
    pub(super) fn of(scenario: &Scenario, node: &mut Node<'_>) -> Snapshot {
        let mut held = Vec::new();
        let pages = || (0..u32::from(scenario.all_pages())).map(Page);
        for page in pages() {
            held.push((format!("PTE of {}", scenario.page_name(page)), pte(node.world.pte(page))));
        }
        for cpu in (0..scenario.programs.len()).map(|n| Cpu(n as u16)) {
            for page in pages() {
                let entry = node.world.tlb_peek(cpu, page).map_or("no entry".to_owned(), |entry| {
                    let bits = [(entry.writable, " W"), (entry.dirty, " D")];
                    format!("frame {}{}", entry.frame, set(&bits))
                });
                held.push((format!("TLB of CPU{} for {}", cpu.0, scenario.page_name(page)), entry));
            }
        }
        for mm in (0..scenario.processes).map(|n| Mm(u16::from(n))) {
            let word = node.world.words(mm).batched;
            let of = if scenario.processes > 1 { format!(" of process {}", mm.0) } else { String::new() };
            held.push((format!("tlb_flush_batched{of}"), format!("{word:#x}")));
            held.push((format!("tlb_flush_pending{of}"), node.world.flush_pending(mm).to_string()));
        }
        Snapshot(held)
    }

    /// What is different from an earlier one; empty if nothing is.
    pub(super) fn since(&self, earlier: &Snapshot) -> String {
        let pairs = self.0.iter().zip(&earlier.0);
        let changed = pairs.filter(|(now, then)| now != then).map(|((what, now), _)| format!("{what}: {now}"));
        changed.collect::<Vec<_>>().join(", ")
    }
}

fn pte(pte: Pte) -> String {
    match pte {
        Pte::None => "none".to_owned(),
        Pte::Swap => "swap".to_owned(),
        Pte::Present(p) => {
            let bits = [(p.writable, " W"), (p.dirty, " D"), (p.accessed, " A"), (p.protnone, " PROT_NONE")];
            format!("frame {}{}", p.frame.0, set(&bits))
        }
    }
}

fn set(bits: &[(bool, &str)]) -> String {
    bits.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect()
}
