//! What makes no sense of a workload although its types allow it.

use sim_core::step::era;
use toml::Spanned;

use super::{Call, Pattern, Step, StepKind, TABLE_PAGES, Workload};
use crate::error::TextError;
use crate::machines;

/// Larger working sets would not fit into memory here.
const PAGES_MAX: u32 = 1 << 24;
/// As many as hold so many pages: each takes the memory of 512 entries.
const PAGE_TABLES_MAX: u32 = PAGES_MAX / TABLE_PAGES as u32;
/// Minutes of simulated time; far below what the clock can hold.
const DURATION_CYCLES_MAX: u64 = 1_000_000_000_000;

/// A workload that was read, and the text that places are named in.
pub(super) struct Rules<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) workload: Workload,
}

impl Rules<'_> {
    /// The workload, if it keeps them all.
    pub(super) fn kept(self, on_its_machine: bool) -> Result<Workload, TextError> {
        self.surroundings(on_its_machine)?;
        self.working_set()?;
        self.memory()?;
        self.user()?;
        self.operations()?;
        self.programs()?;
        self.looped()?;
        Ok(self.workload)
    }

    pub(super) fn fail<T>(&self, at: &Spanned<T>, message: String) -> Result<(), TextError> {
        Err(TextError::new(self.name, self.text, at.span(), message))
    }

    fn surroundings(&self, on_its_machine: bool) -> Result<(), TextError> {
        let (profile, era) = (&self.workload.profile, &self.workload.era);
        let Some(machine) = machines::machine(profile.get_ref()) else {
            let known: Vec<_> = machines::MACHINES.iter().map(|m| m.name).collect();
            let unknown = profile.get_ref();
            let message = format!("profile: unknown `{unknown}`, expected one of {}", known.join(", "));
            return self.fail(profile, message);
        };
        if era::find(era.get_ref()).is_none() {
            let known: Vec<_> = era::ERAS.iter().map(|e| e.name).collect();
            let unknown = era.get_ref();
            return self.fail(era, format!("era: unknown `{unknown}`, expected one of {}", known.join(", ")));
        }
        let (needed, there) = (self.workload.cpus(), machine.profile().cpus());
        if on_its_machine && needed > there {
            let message =
                format!("cores: {needed} CPUs with those of reclaim, expected at most the {there} of {}", machine.name);
            return self.fail(&self.workload.cores, message);
        }
        Ok(())
    }

    fn working_set(&self) -> Result<(), TextError> {
        let (pages, tables) = (self.workload.pages.get_ref().get(), self.workload.page_tables.get_ref().get());
        let regions = if self.workload.looped.is_some() { self.workload.cores.get_ref().get() } else { 1 };
        for (key, each, most, at) in [
            ("pages", pages, PAGES_MAX, &self.workload.pages),
            ("page_tables", tables, PAGE_TABLES_MAX, &self.workload.page_tables),
        ] {
            if each > most {
                return self.fail(at, format!("{key}: expected at most {most}"));
            }
            if u64::from(each) * u64::from(regions) > u64::from(most) {
                let message = format!("{key}: {each} for each of {regions} threads, expected at most {most} in all");
                return self.fail(at, message);
            }
        }
        if self.workload.duration_cycles.get_ref().get() > DURATION_CYCLES_MAX {
            let message = format!("duration_cycles: expected at most {DURATION_CYCLES_MAX}");
            return self.fail(&self.workload.duration_cycles, message);
        }
        if !pages.is_multiple_of(tables) {
            let message = format!("page_tables: {tables}, expected a divisor of pages ({pages})");
            return self.fail(&self.workload.page_tables, message);
        }
        if u64::from(pages / tables) > TABLE_PAGES {
            let message = format!(
                "pages: {pages} on {tables} page tables, expected at most {TABLE_PAGES} on each: raise page_tables"
            );
            return self.fail(&self.workload.pages, message);
        }
        Ok(())
    }

    fn memory(&self) -> Result<(), TextError> {
        let workload = &self.workload;
        let Some(memory) = &workload.memory else {
            return match &workload.swap {
                Some(swap) => {
                    self.fail(swap, "swap: expected [memory] too: what is written is freed from its lists".to_owned())
                }
                None => Ok(()),
            };
        };
        if let Some(reclaim) = &workload.reclaim {
            return self.fail(reclaim, "reclaim: expected [reclaim] or [memory], not both".to_owned());
        }
        let (frames, marks) = (memory.frames.get_ref().get(), memory.watermarks());
        if frames > PAGES_MAX {
            return self.fail(&memory.frames, format!("frames: expected at most {PAGES_MAX}"));
        }
        let (min, low, high) = (marks.min, marks.low, marks.high);
        if !(min <= low && low <= high) {
            let message = format!("memory: watermarks min {min}, low {low}, high {high}, expected min <= low <= high");
            return self.fail(&memory.frames, message);
        }
        // A frame each may be on its way to a page.
        let least = u64::from(high) + u64::from(workload.cpus()) + 1;
        if u64::from(frames) < least {
            let message =
                format!("frames: {frames}, expected at least {least}: high_pages ({high}) and one for each CPU");
            return self.fail(&memory.frames, message);
        }
        Ok(())
    }

    fn user(&self) -> Result<(), TextError> {
        let Some(user) = &self.workload.user else {
            return match self.workload.looped {
                Some(_) => Ok(()),
                None => self.fail(&self.workload.cores, "cores: expected [user] or [loop], what threads do".to_owned()),
            };
        };
        if *user.stores_percent.get_ref() > 100 {
            return self.fail(&user.stores_percent, "stores_percent: expected 0 to 100".to_owned());
        }
        if *user.written_percent.get_ref() > 100 {
            return self.fail(&user.written_percent, "written_percent: expected 0 to 100".to_owned());
        }
        match (user.pattern, &user.zipf_s) {
            (Pattern::Zipf, None) => {
                self.fail(&user.stores_percent, "user: pattern \"zipf\" needs zipf_s, such as 0.99".to_owned())
            }
            (Pattern::Uniform | Pattern::Sequential, Some(s)) => {
                self.fail(s, "zipf_s: only pattern \"zipf\" has an exponent".to_owned())
            }
            (_, Some(s)) if !(0.0..=4.0).contains(s.get_ref()) => self.fail(s, "zipf_s: expected 0 to 4".to_owned()),
            _ => Ok(()),
        }
    }

    fn operations(&self) -> Result<(), TextError> {
        for operation in &self.workload.operations {
            let mprotect = *operation.call.get_ref() == Call::Mprotect;
            if mprotect != operation.rights.is_some() {
                let message = "call: \"mprotect\" needs rights (\"none\", \"r\" or \"rw\"), and nothing else has them";
                return self.fail(&operation.call, message.to_owned());
            }
            if operation.span_pages.get_ref().get() > self.workload.table_pages() {
                let message = format!(
                    "span_pages: expected at most the {} pages under one page table",
                    self.workload.table_pages()
                );
                return self.fail(&operation.span_pages, message);
            }
        }
        Ok(())
    }

    fn programs(&self) -> Result<(), TextError> {
        let cores = self.workload.cores.get_ref().get();
        let mut seen = Vec::new();
        for program in &self.workload.programs {
            let core = *program.core.get_ref();
            if core >= cores {
                return self.fail(&program.core, format!("core: expected 0 to {}", cores - 1));
            }
            if seen.contains(&core) {
                return self.fail(&program.core, format!("core: {core} has a program already"));
            }
            if program.steps.is_empty() {
                return self.fail(&program.core, format!("steps: the program of core {core} has none"));
            }
            seen.push(core);
            program.steps.iter().try_for_each(|step| self.step(step))?;
        }
        Ok(())
    }

    fn step(&self, step: &Step) -> Result<(), TextError> {
        let kind = *step.what.get_ref();
        if (kind == StepKind::Mprotect) != step.rights.is_some() {
            let message = "do: \"mprotect\" needs rights (\"none\", \"r\" or \"rw\"), and nothing else has them";
            return self.fail(&step.what, message.to_owned());
        }
        let (pages, in_table) = match (&step.pages, kind, step.cycles) {
            (None, StepKind::Work, Some(_)) => return Ok(()),
            (Some(pages), kind, None) if kind != StepKind::Work => (pages, self.workload.table_pages()),
            _ => {
                let message = "do: \"work\" needs cycles, anything else pages, and none has both";
                return self.fail(&step.what, message.to_owned());
            }
        };
        if (kind == StepKind::Mremap) != step.to.is_some() {
            let message = "do: \"mremap\" needs to, the first page of the new place, and nothing else has it";
            return self.fail(&step.what, message.to_owned());
        }
        let total = u64::from(self.workload.pages.get_ref().get());
        for first in [step.first].into_iter().chain(step.to) {
            let end = first.saturating_add(pages.get_ref().get());
            if end > total || first / in_table != (end - 1) / in_table {
                let message =
                    format!("pages: expected a span inside the working set and one page table ({in_table} pages each)");
                return self.fail(pages, message);
            }
        }
        Ok(())
    }
}
