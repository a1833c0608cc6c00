//! The big world a scenario of the explorer describes, so that the clock can run what the explorer found.

use super::{Big, Cpu, Page, Profile, Pte, Span, World};
use crate::nouns::types::AccessKind;
use crate::world::small::Scenario;

/// The last page number under the table of another one.
const LAST_OF_TABLE: u64 = 511;

impl Big {
    /// The world of a scenario at its start: pages and frames have the numbers they have in the small world, task n runs on
    /// CPU n.
    pub fn stage(scenario: &Scenario, profile: &Profile) -> Big {
        let pages = u32::from(scenario.all_pages());
        let mut big = Big::new(profile, scenario.programs.len() as u16, pages * 2);
        if scenario.lru {
            big.keep_lru();
        }
        let mms = [big.add_mm(), big.add_mm()];
        let starts = scenario.starting_pages();
        for start in &starts {
            let vpn = scenario.vpn(start.page);
            big.map(start.mm, Span::page(vpn), start.vma());
            if !scenario.lone_tables {
                // A neighbour under the same table, which nobody touches, keeps the table.
                big.map(start.mm, Span::page(vpn | LAST_OF_TABLE), start.vma());
            }
        }
        for n in 0..scenario.pages {
            big.populate(mms[0], scenario.vpn(n));
        }
        big.run_tasks(scenario);
        if scenario.processes > 1 {
            for n in 0..scenario.pages {
                big.populate(mms[1], scenario.vpn(n));
            }
        }
        big.fill(scenario);
        big
    }

    fn run_tasks(&mut self, scenario: &Scenario) {
        for n in 0..scenario.programs.len() {
            let home = scenario.home(Cpu(n as u16));
            self.add_task(home);
            if home.is_some() {
                self.switch_mm(Cpu(n as u16), home, true, &mut |_, _| {});
            }
        }
    }

    /// Frames, PTEs and translations.
    fn fill(&mut self, scenario: &Scenario) {
        let frames: Vec<_> =
            (0..scenario.all_pages()).map(|_| self.alloc_frame().expect("two frames a page")).collect();
        let starts = scenario.starting_pages();
        for (n, &frame) in frames.iter().enumerate() {
            let page = Page(n as u32);
            let Some(start) = starts.iter().find(|start| scenario.page(start.mm, start.page) == page) else {
                self.free_frame(frame);
                continue;
            };
            self.set_folio(frame, start.folio());
            self.set_cached_frame(page, start.of_driver(frame));
            self.pte_xchg(page, Pte::Present(start.pte(frame, scenario.cached_somewhere(page))));
        }
        for cached in &scenario.cached {
            let pte = self.pte(cached.page).present().expect("a cached page is mapped");
            self.tlb_fill(cached.cpu, cached.page, AccessKind::Load, cached.entry(pte), &mut |_, _| {});
        }
    }
}
