//! Benchmark loops: their keys, and their rules.

use serde::Deserialize;
use toml::Spanned;

use super::rules::Rules;
use super::{Rights, StepKind, TABLE_PAGES};
use crate::error::TextError;

/// A benchmark loop, as those of will-it-scale: every thread goes through a region of its own, page by page, again and again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loop {
    /// What is done with each page in turn; once is a round.
    pub each_page: Vec<LoopStep>,
    /// What is done with the whole region after its last page.
    #[serde(default)]
    pub at_end: Vec<LoopStep>,
    /// Each thread is a process of its own.
    #[serde(default)]
    pub processes: bool,
    /// Mean cycles of other work before each step.
    #[serde(default)]
    pub gap_cycles: u64,
}

/// One step of a loop, on the page or the region at hand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoopStep {
    /// What; not `mremap`, and not `work`, for which there is `gap_cycles`.
    #[serde(rename = "do")]
    pub what: Spanned<StepKind>,
    /// The rights that `mprotect` leaves.
    pub rights: Option<Rights>,
}

impl Rules<'_> {
    pub(super) fn looped(&self) -> Result<(), TextError> {
        let workload = &self.workload;
        if let Some(around) = &workload.fault_around_pages
            && !(around.get_ref().is_power_of_two() && u64::from(around.get_ref().get()) <= TABLE_PAGES)
        {
            return self.fail(around, format!("fault_around_pages: expected a power of two up to {TABLE_PAGES}"));
        }
        let Some(looped) = &workload.looped else { return Ok(()) };
        let others = workload.user.is_some() || !workload.operations.is_empty() || !workload.programs.is_empty();
        if others || workload.reclaim.is_some() {
            let message = "loop: expected no [user], [[operations]], [[program]] or [reclaim] beside it";
            return self.fail(looped, message.to_owned());
        }
        let Loop { each_page, at_end, .. } = looped.get_ref();
        if each_page.is_empty() {
            return self.fail(looped, "each_page: expected at least one step".to_owned());
        }
        if let Some(step) = at_end.iter().find(|step| *step.what.get_ref() == StepKind::Migrate) {
            return self.fail(&step.what, "do: \"migrate\" moves one page, expected it in each_page".to_owned());
        }
        for step in each_page.iter().chain(at_end) {
            let kind = *step.what.get_ref();
            if matches!(kind, StepKind::Mremap | StepKind::Work) {
                let message = "do: expected anything but \"mremap\" and \"work\" in a loop (it has gap_cycles)";
                return self.fail(&step.what, message.to_owned());
            }
            if (kind == StepKind::Mprotect) != step.rights.is_some() {
                let message = "do: \"mprotect\" needs rights (\"none\", \"r\" or \"rw\"), and nothing else has them";
                return self.fail(&step.what, message.to_owned());
            }
        }
        Ok(())
    }
}
