//! A thread in a benchmark loop over a region of its own.

use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{AccessKind, Backing, Mm, Span};

use crate::synthetic::draw::{Draw, Purpose};
use crate::synthetic::layout::{Layout, backing_of, mmap, rights_of};
use crate::synthetic::schema::{Loop, LoopStep, StepKind, Workload};

/// Where a thread is in its loop.
#[derive(Clone)]
pub(super) struct Looped {
    spec: Loop,
    /// The region, under one page table each.
    spans: Vec<Span>,
    mm: Mm,
    backing: Backing,
    /// The span, and the page in it.
    at: (usize, u64),
    /// The next step: of those for each page, or of those at the end.
    pc: usize,
    ending: bool,
    /// At the end, how far the step at hand is in the region.
    part: usize,
    /// The last step that was given ended a round.
    ended: bool,
    draw: Draw,
}

impl Looped {
    pub(super) fn new(workload: &Workload, spec: &Loop, seed: u64, core: u16, mm: Mm) -> Looped {
        Looped {
            spec: spec.clone(),
            spans: Layout::new(workload).spans_of_core(core).collect(),
            mm,
            backing: backing_of(workload),
            at: (0, 0),
            pc: 0,
            ending: false,
            part: 0,
            ended: false,
            draw: Draw::new(seed, Purpose::Access, core),
        }
    }

    pub(super) fn between_rounds(&self) -> bool {
        self.pc == 0 && !self.ending
    }

    pub(super) fn ends_round(&self) -> bool {
        self.ended
    }

    /// The next operation, and the cycles of work before it.
    pub(super) fn next(&mut self) -> (Op, u64) {
        let work = self.draw.around(0, self.spec.gap_cycles);
        (if self.ending { self.at_end() } else { self.on_page() }, work)
    }

    fn on_page(&mut self) -> Op {
        let (part, page) = self.at;
        let span = Span::page(self.spans[part].first + page);
        let op = self.op(&self.spec.each_page[self.pc], span);
        self.pc += 1;
        self.ended = self.pc == self.spec.each_page.len();
        if self.ended {
            self.pc = 0;
            self.at = if page + 1 < self.spans[part].pages { (part, page + 1) } else { (part + 1, 0) };
            if self.at.0 == self.spans.len() {
                self.at = (0, 0);
                self.ending = !self.spec.at_end.is_empty();
            }
        }
        op
    }

    /// A step at the end is a call for each page table.
    fn at_end(&mut self) -> Op {
        self.ended = false;
        let op = self.op(&self.spec.at_end[self.pc], self.spans[self.part]);
        self.part += 1;
        if self.part == self.spans.len() {
            (self.part, self.pc) = (0, self.pc + 1);
        }
        if self.pc == self.spec.at_end.len() {
            (self.pc, self.ending) = (0, false);
        }
        op
    }

    fn op(&self, step: &LoopStep, span: Span) -> Op {
        match step.what.get_ref() {
            StepKind::Load => Op::access(AccessKind::Load, span.first),
            StepKind::Store => Op::access(AccessKind::Store, span.first),
            StepKind::Mprotect => Op::mprotect(span, rights_of(step.rights)),
            StepKind::Munmap => Op::call(OpKind::Munmap, span),
            StepKind::Mmap => mmap(span, self.backing),
            StepKind::Free => Op::call(OpKind::Free, span),
            StepKind::Dontneed => Op::call(OpKind::Dontneed, span),
            StepKind::Pageout => Op::call(OpKind::Pageout, span),
            StepKind::Msync => Op::call(OpKind::Writeback(self.mm), span),
            StepKind::NumaScan => Op::call(OpKind::NumaScan, span),
            StepKind::Migrate => Op::call(OpKind::Migrate(self.mm), span),
            StepKind::Mremap | StepKind::Work => unreachable!("no loop has these"),
        }
    }
}
