//! The file format of a synthetic workload; `rules` has what its types cannot express.

mod looped;
mod rules;

pub use looped::{Loop, LoopStep};

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};

use serde::Deserialize;
use sim_core::world::big::Watermarks;
use toml::Spanned;

use self::rules::Rules;
use crate::error::TextError;

/// Pages under one page-table page.
pub const TABLE_PAGES: u64 = 512;

/// A synthetic workload: one process with one user thread on each core, and reclaim on cores of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// One line for a list.
    pub summary: String,
    /// The machine it is written for.
    pub profile: Spanned<String>,
    /// The surrounding kernel it is written for.
    pub era: Spanned<String>,
    /// User threads, one on each CPU from 0 up.
    pub cores: Spanned<NonZeroU16>,
    /// Pages of the working set; with `loop` those of each thread.
    pub pages: Spanned<NonZeroU32>,
    /// Page-table pages they are spread over, evenly.
    pub page_tables: Spanned<NonZeroU32>,
    /// No thread starts anything after this many cycles.
    pub duration_cycles: Spanned<NonZeroU64>,
    /// What threads without a program do.
    pub user: Option<User>,
    /// What every thread does instead, over pages of its own.
    #[serde(rename = "loop")]
    pub looped: Option<Spanned<Loop>>,
    /// A load of a file page maps those of an aligned window of so many pages (the kernel: 16); only its own if absent.
    pub fault_around_pages: Option<Spanned<NonZeroU16>>,
    /// System calls of these threads, in between.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// What fills the pages of the working set.
    #[serde(default)]
    pub backing: Backing,
    /// Reclaim on a schedule; without it and without `memory` nothing is reclaimed but by `MADV_PAGEOUT`.
    pub reclaim: Option<Spanned<Reclaim>>,
    /// Memory is short: kswapd and direct reclaim work by watermarks, on LRU lists.
    pub memory: Option<Memory>,
    /// A swap device with a queue, in place of one that completes at once (zram).
    pub swap: Option<Spanned<Swap>>,
    /// Threads that follow a program instead.
    #[serde(default, rename = "program")]
    pub programs: Vec<Program>,
}

/// What fills the pages of the working set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backing {
    /// Anonymous memory, in swap before the run.
    #[default]
    Anon,
    /// A private mapping of a file: page cache until the first store.
    PrivateFile,
    /// A shared mapping of a file.
    SharedFile,
}

/// Memory and its watermarks. kswapd runs on the CPU after the user threads: an allocation that finds no more than `low_pages`
/// free wakes it, and it sleeps when more than `high_pages` are. An allocation that finds no more than `min_pages` reclaims
/// itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Page frames.
    pub frames: Spanned<NonZeroU32>,
    /// `WMARK_MIN`; what the kernel sets for so many frames if absent ([`Watermarks::of`]).
    pub min_pages: Option<u32>,
    /// `WMARK_LOW`; as far above `min_pages` as the kernel sets it if absent.
    pub low_pages: Option<u32>,
    /// `WMARK_HIGH`; as far above `min_pages` as the kernel sets it if absent.
    pub high_pages: Option<u32>,
}

impl Memory {
    /// The watermarks, with the kernel's for those that are not given.
    pub fn watermarks(&self) -> Watermarks {
        let frames = self.frames.get_ref().get();
        let min = self.min_pages.unwrap_or(Watermarks::of(frames).min);
        let kernel = Watermarks::above(min, frames);
        Watermarks { min, low: self.low_pages.unwrap_or(kernel.low), high: self.high_pages.unwrap_or(kernel.high) }
    }
}

/// A swap device. Pages are written and read one request each; a full queue makes the next one wait.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// From queueing a request to its completion.
    pub latency_cycles: NonZeroU64,
    /// Requests it takes at a time.
    pub depth: NonZeroU32,
}

/// The accesses of a thread.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Which page comes next.
    pub pattern: Pattern,
    /// The exponent, for `zipf`.
    pub zipf_s: Option<Spanned<f64>>,
    /// How many of 100 accesses to written pages are stores.
    pub stores_percent: Spanned<u8>,
    /// How many of 100 pages are ever written: the first, or for `zipf` the most popular, under each page table.
    pub written_percent: Spanned<u8>,
    /// Mean cycles of other work between two accesses.
    pub gap_cycles: u64,
}

/// Which page a thread accesses next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Some far more often than others; the same ones on all threads.
    Zipf,
    /// Any.
    Uniform,
    /// One after the other; each thread starts at its own place.
    Sequential,
}

/// A system call that every thread makes now and then, on a span drawn anew each time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Which.
    pub call: Spanned<Call>,
    /// The rights that `mprotect` leaves.
    pub rights: Option<Rights>,
    /// Pages of the span, inside one page table.
    pub span_pages: Spanned<NonZeroU64>,
    /// Mean accesses of the thread between two of them.
    pub gap_accesses: NonZeroU64,
    /// Accesses of the thread before it undoes the call: `mprotect` back to read and write, `mmap` after `munmap`,
    /// `mremap` back.
    #[serde(default)]
    pub hold_accesses: u64,
}

/// The system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `mprotect(2)`.
    Mprotect,
    /// `munmap(2)`.
    Munmap,
    /// `mremap(2)` to a place of the thread's own.
    Mremap,
    /// `madvise(MADV_DONTNEED)`.
    Dontneed,
    /// `madvise(MADV_FREE)`.
    Free,
    /// `madvise(MADV_PAGEOUT)`; each is a reclaim cycle.
    Pageout,
    /// `msync(2)`: dirty file pages are written back.
    Msync,
    /// A pass of NUMA balancing: the next access of each page faults.
    NumaScan,
}

/// What `mprotect` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// `PROT_NONE`.
    None,
    /// `PROT_READ`.
    R,
    /// `PROT_READ | PROT_WRITE`.
    Rw,
}

/// Reclaim: kernel threads on the CPUs after the user threads, each with a clock hand over the working set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reclaim {
    /// How many.
    pub cores: Spanned<NonZeroU16>,
    /// Pages of a shrink list; fewer if fewer are present.
    pub list_pages: NonZeroU32,
    /// Shrink lists of a reclaim cycle.
    pub lists_per_cycle: NonZeroU32,
    /// Mean pause before a cycle.
    pub pause_cycles: u64,
}

/// The program of one thread, run again and again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The thread.
    pub core: Spanned<u16>,
    /// What it does, in order.
    pub steps: Vec<Step>,
}

/// One step of a program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What.
    #[serde(rename = "do")]
    pub what: Spanned<StepKind>,
    /// The first page, counted from 0 in the working set.
    #[serde(default)]
    pub first: u64,
    /// The first page of the new place, for `mremap`.
    pub to: Option<u64>,
    /// Pages; for anything but `work`.
    pub pages: Option<Spanned<NonZeroU64>>,
    /// The rights that `mprotect` leaves.
    pub rights: Option<Rights>,
    /// How long `work` takes on average.
    pub cycles: Option<NonZeroU64>,
}

/// What a step of a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Computes, without touching anything the model knows.
    Work,
    /// Loads from each page.
    Load,
    /// Stores to each page.
    Store,
    /// `mprotect(2)`.
    Mprotect,
    /// `munmap(2)`.
    Munmap,
    /// `mmap(2)`, readable and writable.
    Mmap,
    /// `mremap(2)` to `to`, which nothing may be mapped at.
    Mremap,
    /// `madvise(MADV_DONTNEED)`.
    Dontneed,
    /// `madvise(MADV_FREE)`.
    Free,
    /// `madvise(MADV_PAGEOUT)`.
    Pageout,
    /// `msync(2)`: dirty file pages are written back.
    Msync,
    /// A pass of NUMA balancing: the next access of each page faults.
    NumaScan,
    /// Each page moves to another frame, as a hint fault of NUMA balancing asks for it.
    Migrate,
}

impl Workload {
    /// Reads a workload from TOML; `name` (usually the file) is only for error messages.
    ///
    /// # Errors
    /// If the text is not TOML, has a key that no workload has, lacks one, or has a value that makes no sense.
    pub fn parse(name: &str, text: &str) -> Result<Workload, TextError> {
        Workload::read(name, text, true)
    }

    /// The same, for another machine than the one it names: that one may have too few CPUs.
    ///
    /// # Errors
    /// See [`Workload::parse`].
    pub fn parse_for_another_machine(name: &str, text: &str) -> Result<Workload, TextError> {
        Workload::read(name, text, false)
    }

    fn read(name: &str, text: &str, on_its_machine: bool) -> Result<Workload, TextError> {
        let workload: Workload = toml::from_str(text).map_err(|e| TextError::toml(name, text, &e))?;
        Rules { name, text, workload }.kept(on_its_machine)
    }

    /// Pages under each page table.
    pub fn table_pages(&self) -> u64 {
        u64::from(self.pages.get_ref().get() / self.page_tables.get_ref().get())
    }

    /// How many processes there are.
    pub fn processes(&self) -> u16 {
        match &self.looped {
            Some(looped) if looped.get_ref().processes => self.cores.get_ref().get(),
            _ => 1,
        }
    }

    /// Mean cycles of other work between two accesses.
    pub fn gap_cycles(&self) -> u64 {
        self.user.as_ref().map_or(0, |user| user.gap_cycles)
    }

    /// CPUs it needs.
    pub fn cpus(&self) -> u32 {
        let reclaim = self.reclaim.as_ref().map_or(0, |r| u32::from(r.get_ref().cores.get_ref().get()));
        u32::from(self.cores.get_ref().get()) + reclaim + u32::from(self.memory.is_some())
    }
}
