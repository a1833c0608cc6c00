//! Flush policies: when an invalidation may be put off, and when it must be made.
//!
//! A policy knows hooks and a few shared words. It does not know the paths around the hooks, nor how long a cycle is. To add
//! one: a file here and a row in [`OWN`]; `mmusim new policy NAME` writes both (`docs/add-a-policy.md`).

mod arm64_dsb;
mod arm64_flush;
mod batched;
mod clean_only;
mod flag_before_clear;
mod generation_check;
mod immediate;
mod invlpgb;
mod latr;
mod local_only;
mod pending_flag;
mod pending_generation;

use std::fmt::Debug;

use crate::nouns::marks::Class;

/// A flush policy. Hooks that touch shared words do so one access at a time, so that every interleaving exists.
pub trait Policy: Sync + Debug {
    /// R4.3 `should_defer_flush`: may reclaim put off the flush for the PTE it is about to clear?
    /// `remote_in_mask`: a CPU other than the reclaimer's is in `mm_cpumask`.
    fn defer(&self, remote_in_mask: bool) -> bool;

    /// R4.4: may it put the flush off for a PTE that turned out to be dirty?
    fn defers_dirty(&self) -> bool {
        true
    }

    /// Do the words say that a flush is pending? What counts as an extra flush is measured against this.
    fn pending(&self, words: Words) -> bool {
        let _ = words;
        false
    }

    /// What the words say, for readers.
    fn read_out(&self, words: Words) -> String {
        words.batched.to_string()
    }

    /// R4.5a: does each deferred clear issue its invalidation at once, so that the end of the batch only waits?
    fn issues_when_deferring(&self) -> bool {
        false
    }

    /// Z9: may munmap put its own flush off, and return before the other CPUs have made it? What it has unmapped is then held
    /// back until they have.
    fn defers_unmap(&self) -> bool {
        false
    }

    /// The contract it declares where it is weaker than that of the system calls: is a violation of this class none under it?
    fn excuses(&self, class: Class) -> bool {
        let _ = class;
        false
    }

    /// One step of a hook, which makes at most one access to `words`. `pc` is 0 at first and then whatever the previous
    /// step returned; `local` is a register of this execution of the hook, 0 at first.
    fn hook(&self, hook: Hook, pc: u8, words: &mut Words, local: &mut u32) -> HookStep {
        let _ = (hook, pc, words, local);
        HookStep::Done
    }
}

/// Where the kernel asks a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// R4.3: reclaim has decided to put the flush off and is about to clear the PTE; its PTL is held.
    BeforeClear,
    /// R4.6a: reclaim has cleared a PTE and put the flush off; its PTL is held.
    Deferred,
    /// F: an operation is about to trust what it reads under a PTL it has just taken.
    BeforeTrust,
    /// M8, Z9, V5: an operation has found nothing to flush and is about to return.
    NothingOwed,
}

/// What one step of a hook did, and how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookStep {
    /// Nothing (more) to do.
    Done,
    /// One access to the words was made; call again with this `pc`.
    Touched(Touch, u8),
    /// Flush the whole address space on every CPU, then call again with this `pc`.
    FlushMm(u8),
    /// Bring every CPU up to the TLB generation of the address space, then call again with this `pc`.
    CatchUp(u8),
    /// Flush the whole address space on this CPU only, then call again with this `pc`.
    FlushLocal(u8),
    /// Issue a broadcast invalidation of the page at hand and do not wait, then call again with this `pc`.
    Broadcast(u8),
    /// Wait for every broadcast invalidation that this CPU has issued, then call again with this `pc`.
    Sync(u8),
}

/// How a hook touched the words: what the access costs depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Touch {
    /// A load.
    Read,
    /// A store.
    Write,
    /// A locked read-modify-write.
    Atomic,
}

/// The words a policy keeps in each address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Words {
    /// `mm->tlb_flush_batched`: a flag, or the two halves of the generation pair.
    pub batched: u32,
}

/// A row of the registry.
#[derive(Debug)]
pub struct PolicyInfo {
    /// The name on the command line.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// The commit that introduced it.
    pub commit: &'static str,
    /// The kernels that have it.
    pub kernels: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// It is for machines that broadcast invalidations; others interrupt.
    pub broadcast: bool,
    /// The strategy.
    pub strategy: &'static dyn Policy,
}

impl PolicyInfo {
    /// Does it declare a contract that is weaker than that of the system calls?
    pub fn is_weaker(&self) -> bool {
        Class::ALL.into_iter().any(|class| self.strategy.excuses(class))
    }
}

/// All policies whose invalidations are interrupts, in order of history.
pub static POLICIES: &[PolicyInfo] = &[
    immediate::INFO,
    clean_only::INFO,
    batched::INFO,
    local_only::INFO,
    flag_before_clear::INFO,
    generation_check::INFO,
    pending_flag::INFO,
    pending_generation::INFO,
];

/// Policies whose invalidations are broadcasts, for the machines that have them, and one that leaves some to the ticks of other CPUs, for
/// those that have not.
pub static OTHERS: &[PolicyInfo] = &[arm64_dsb::INFO, arm64_flush::INFO, invlpgb::INFO, latr::INFO];

/// Policies of one's own: they are run like any other and are in no published table. A policy that is to be published
/// moves up to [`POLICIES`] or [`OTHERS`], and the tests that fail then name the tables that want a row.
pub static OWN: &[PolicyInfo] = &[
    // `mmusim new policy NAME` adds a row here.
];

/// Policies with one part less or moved: mutants to be explored, in no list of policies.
pub static ABLATED: &[PolicyInfo] = {
    let [unset, cleared_first, local] = pending_flag::ABLATED;
    &[unset, cleared_first, local, pending_generation::STORED]
};

/// `pending-generation` with its restart (`TLB_FLUSH_BATCH_PENDING_LARGE`, 16,383) scaled down to 1, 2 or 3: then an exploration
/// can reach it.
pub fn generation_restarting_after(large: u32) -> Option<&'static dyn Policy> {
    pending_generation::restarting_after(large)
}

/// What a policy starts as: the text of a file for `policy/`, which does what `immediate` does. It is compiled by
/// `tests/template.rs`, so that it cannot rot; `template` and `Template` in it stand for the name.
pub const TEMPLATE: &str = include_str!("../../templates/policy.rs");

/// Every policy but the mutants.
pub fn all() -> impl Iterator<Item = &'static PolicyInfo> + Clone {
    POLICIES.iter().chain(OTHERS).chain(OWN)
}

/// Finds a policy by name or alias.
pub fn find(name: &str) -> Option<&'static PolicyInfo> {
    all().chain(ABLATED).find(|p| p.name == name || p.aliases.contains(&name))
}
