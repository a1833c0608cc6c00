//! What the export has no text for, and says so.

use std::fmt;

use sim_core::nouns::op::{Op, OpKind};
use sim_core::nouns::types::{Backing, Cpu, Mm, Span};
use sim_core::step::era::Era;
use sim_core::world::small::Scenario;

use super::super::Litmus;
use super::super::switches::{Kind, SWITCHES};

/// Why a file cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The word at fault, as it stands in the file or on the command line.
    pub word: String,
    /// Why.
    pub why: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be exported: {}", self.word, self.why)
    }
}

impl std::error::Error for Refused {}

pub(super) fn refused(word: impl Into<String>, why: &'static str) -> Refused {
    Refused { word: word.into(), why }
}

/// Flags that the text asks for, by their names in capitals.
pub(super) const KNOWN: &[&str] = &[
    "mprotect_gathers",
    "nested_gathers",
    "munmap_downgrades",
    "madvise_gathers",
    "mremap_flushes_under_ptl",
    "rmap_after_flush",
    "dirty_assist",
    "flushes_before_keeping",
    "mkclean_checks_pending",
    "flush_before_free",
    "flush_before_io",
    "pending_until_flushed",
    "fork_flushes_always",
    "flush_dirty_under_ptl",
    "frames_held_until_swept",
    "addresses_held_until_swept",
    "free_drops_ptl",
    "pageout_reenters",
    "recheck_after_relock",
    "nested_reclaim_keeps_batch",
    "flush_pending_counts",
    "isolate_until_flushed",
    "ksm_checks_pending",
    "ksm_checks_references",
    "ksm_flushes_exclusive",
    "ksm_counts_read_only",
    "soft_dirty_counts",
    "wp_fault_checks_pending",
    "wp_reuses",
    "mprotect_grants_write",
    "soft_dirty_excludes_faults",
    "mincore_asks_caches",
    "swapin_grants_write",
    "reclaim_may_write",
    "synchronous_swap",
    "accessible_checks_pending",
    "migration_batches",
    "batch_skips_inaccessible",
    "flush_before_copy",
    "gup_rechecks_pte",
    "pfnmap_flushes_before_unlink",
    "check_in_zap",
    "check_in_free",
    "check_in_mprotect",
    "check_in_mremap",
    "check_under_ptl",
    "acks_after_flush",
    "batch_per_task",
    "flushes_own_cpu",
    "mask_complete",
    "waits_for_broadcasts",
    "batch_always_flushes",
    "irqs_on_while_waiting",
    "evictions",
];

/// Flags that the text takes to be as they are in every kernel, with the reason why it cannot do otherwise.
const FIXED: &[(&str, bool, &str)] = &[("lone_tables", false, "the export frees no page tables")];

/// Flags that make no difference to any verdict: matters of cost, of the order of lists that are not exported, and of CPUs that run
/// something else, which no scenario has.
#[cfg(test)]
const INDIFFERENT: &[&str] = &[
    "lazy_mask",
    "skips_idle_targets",
    "anon_on_trial",
    "pageout_checks_pending",
    "pageout_clears_accessed",
    "faults_lock_vma",
    "reads_mm_gen_always",
    "zap_drains_lru",
];

/// The value of a switch that is on or off.
pub(super) fn is_on(litmus: &Litmus, name: &str) -> Option<bool> {
    let switch = SWITCHES.iter().find(|switch| switch.name == name)?;
    match switch.kind {
        Kind::Flag(field) => Some(*field(&mut Era { ..litmus.era })),
        Kind::Scene(field) => Some(*field(&mut litmus.scenario.clone())),
        Kind::Count(_) | Kind::Mechanism => None,
    }
}

/// Every word of the file that the export would have to leave out.
pub(super) fn check(litmus: &Litmus) -> Result<(), Refused> {
    if let Some(&(word, _, why)) = FIXED.iter().find(|&&(name, value, _)| is_on(litmus, name) == Some(!value)) {
        return Err(refused(word, why));
    }
    let frames = usize::from(litmus.scenario.all_pages()) * 2;
    let Era { free_batch_slots, fault_around_pages, broadcast_min_cpus, .. } = litmus.era;
    if free_batch_slots != 0 && usize::from(free_batch_slots) <= frames {
        return Err(refused("free_batch_slots", "reclaim frees at the end of its list in the export"));
    }
    if fault_around_pages > 1 {
        return Err(refused("fault_around_pages", "a fault maps its own page only in the export"));
    }
    if broadcast_min_cpus > 0 {
        return Err(refused("broadcast_min_cpus", "all flushes are of one kind in the export"));
    }
    if litmus.scenario.starting_pages().iter().any(|start| start.backing == Backing::PrivateFile) {
        return Err(refused("private", "the export has no private mappings of files"));
    }
    if (0..litmus.scenario.programs.len()).any(|cpu| maps_over(&litmus.scenario, cpu)) {
        return Err(refused("mmap", "the export has no text for an mmap over what may be mapped"));
    }
    if let Some(op) = litmus.scenario.programs.iter().flatten().find(|op| may_cross_vmas(&litmus.scenario, op)) {
        let word = if op.kind == OpKind::NumaScan { "numa" } else { op.kind.name() };
        return Err(refused(word, "the export has no text for one over what may be several VMAs"));
    }
    litmus.scenario.programs.iter().flatten().try_for_each(|op| operation(op.kind))
}

/// May the pages of an operation that goes by VMAs be in several, or have a hole between them?
fn may_cross_vmas(scenario: &Scenario, op: &Op) -> bool {
    use OpKind::{Dontneed, Free, Mmap, Mprotect, Mremap, Munmap, NumaScan, UffdWp};
    if op.span.pages < 2 || !matches!(op.kind, Mprotect | NumaScan | UffdWp | Dontneed | Free) {
        return false;
    }
    let inside =
        |span: Span| (0..scenario.pages).map(|n| scenario.vpn(n)).filter(|&vpn| span.contains(vpn)).count() as u64;
    // All starting pages of the span are alike, and it has no hole.
    let starts = scenario.starting_pages();
    let vmas = || starts.iter().filter(|start| op.span.contains(scenario.vpn(start.page))).map(|start| start.vma());
    let alike = vmas().all(|vma| Some(vma) == vmas().next());
    // And what changes VMAs changes all of them or none.
    let cuts = |other: &Op| {
        let spans = [Some(other.span), (other.kind == Mremap).then_some(Span { first: other.to, ..other.span })];
        let changes = matches!(other.kind, Mprotect | Munmap | Mmap(_) | Mremap);
        changes && spans.into_iter().flatten().any(|span| ![0, op.span.pages].contains(&inside(span.clip(op.span))))
    };
    !alike || inside(op.span) != op.span.pages || scenario.programs.iter().flatten().any(cuts)
}

/// May a page be mapped where this CPU maps it? Not if the CPU has unmapped it last, and no other maps there.
fn maps_over(scenario: &Scenario, cpu: usize) -> bool {
    let home = |cpu: usize| scenario.home(Cpu(cpu as u16));
    let maps = |by: usize, op: &Op, vpn: u64| match op.kind {
        OpKind::Fork(child) => Some(child) == home(cpu),
        _ if home(by) != home(cpu) => false,
        OpKind::Mmap(_) => op.span.contains(vpn),
        OpKind::Mremap => op.span.contains(vpn) || Span { first: op.to, ..op.span }.contains(vpn),
        _ => false,
    };
    let unmaps = |op: &Op, vpn: u64| op.kind == OpKind::Munmap && op.span.contains(vpn);
    let others = || (0..scenario.programs.len()).filter(|&other| other != cpu);
    let program = &scenario.programs[cpu];
    program.iter().enumerate().filter(|(_, op)| matches!(op.kind, OpKind::Mmap(_))).any(|(n, op)| {
        (op.span.first..op.span.end()).any(|vpn| {
            let last = program[..n].iter().rev().find(|op| maps(cpu, op, vpn) || unmaps(op, vpn));
            // All of the first process is mapped from the start.
            last.map_or(home(cpu) == Some(Mm(0)), |op| maps(cpu, op, vpn))
                || others().any(|other| scenario.programs[other].iter().any(|op| maps(other, op, vpn)))
        })
    })
}

fn operation(kind: OpKind) -> Result<(), Refused> {
    match kind {
        OpKind::Kswapd => Err(refused("kswapd", "the export has no LRU lists")),
        OpKind::Pageout => Err(refused("pageout", "the export has no text for the walker of MADV_PAGEOUT")),
        OpKind::Exit(_) => Err(refused("exit", "the export has no text for the end of an address space")),
        OpKind::Mmap(Backing::PrivateFile) => Err(refused("private", "the export has no private mappings of files")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A switch that is in no list would be exported as if it were not there.
    #[test]
    fn every_switch_is_known_fixed_or_indifferent() {
        for switch in SWITCHES {
            let flag = matches!(switch.kind, Kind::Flag(_) | Kind::Scene(_));
            let lists = [
                KNOWN.contains(&switch.name),
                FIXED.iter().any(|fixed| fixed.0 == switch.name),
                INDIFFERENT.contains(&switch.name),
            ];
            assert_eq!(lists.iter().filter(|&&listed| listed).count(), usize::from(flag), "{}", switch.name);
        }
    }

    #[test]
    fn what_may_be_several_vmas_is_refused_to_those_who_go_by_them() {
        let alike = "page y rw anon clean";
        let refused = |page: &str, op: &str, other: &str| {
            let text = format!(
                "litmus t\ntitle t\nsource t\nera v6.18\npage x rw anon dirty\n{page}\ncpu 0: {op}\ncpu 1: {other}\n\
                 expect never immediate: t\n"
            );
            let litmus = Litmus::parse("t", &text).unwrap_or_else(|e| panic!("{text}{e}"));
            check(&litmus).err().map(|refused| refused.word)
        };
        let walks = [
            ("mprotect x..y none", "mprotect"),
            ("madvise x..y dontneed", "madvise"),
            ("madvise x..y free", "madvise"),
            ("numa x..y", "numa"),
            ("uffd-wp x..y", "uffd-wp"),
        ];
        for (op, word) in walks {
            let word = Some(word.to_owned());
            for page in ["page y r anon clean", "page y rw file clean", "page y rw anon clean table 1"] {
                assert_eq!(refused(page, op, "read x"), word, "{page}, {op}");
            }
            for cuts in ["munmap x", "mprotect y r", "mremap x y"] {
                assert_eq!(refused(alike, op, cuts), word, "{op} beside {cuts}");
            }
            for whole in ["read x", "mprotect x..y r", "munmap x..y", "madvise x dontneed"] {
                assert_eq!(refused(alike, op, whole), None, "{op} beside {whole}");
            }
        }
        for op in ["munmap x..y", "soft-dirty x..y", "reclaim x y", "mprotect y none"] {
            assert_eq!(refused("page y r anon clean", op, "read x"), None, "{op}");
        }
    }
}
