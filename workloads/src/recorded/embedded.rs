//! The recordings built into the program.

use std::borrow::Cow;

use super::source::Input;

/// A recording built into the program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The name to ask for it.
    pub name: &'static str,
    /// What it shows, in one line.
    pub summary: &'static str,
    /// The compressed text.
    pub bytes: &'static [u8],
}

impl Embedded {
    /// This recording as something to import.
    pub fn input(&self) -> Input {
        Input::Bytes { name: self.name.to_owned(), bytes: Cow::Borrowed(self.bytes) }
    }
}

macro_rules! recording {
    ($name:literal, $summary:literal) => {
        Embedded { name: $name, summary: $summary, bytes: include_bytes!(concat!("../../traces/", $name, ".perf.zst")) }
    };
}

/// The recordings built into the program; `workloads/traces/README.md` tells how they were made.
pub static EMBEDDED: &[Embedded] = &[
    recording!(
        "pageout-dirty-mprotect",
        "two threads; 20 rounds of writing 64 pages, MADV_PAGEOUT, two mprotect calls"
    ),
    recording!(
        "pageout-dirty-mprotect-1thread",
        "one thread; 20 rounds of writing 64 pages, MADV_PAGEOUT, two mprotect calls"
    ),
    recording!(
        "pageout-dirty-munmap",
        "two threads; 20 rounds of writing 64 pages, MADV_PAGEOUT, munmap and a new mmap"
    ),
    recording!(
        "pageout-clean-mprotect",
        "two threads; 20 rounds of two MADV_PAGEOUT, the second on pages only read since the first"
    ),
    recording!(
        "memcg-file-mprotect-cut",
        "one thread overruns its memory cgroup by reading a file, another calls mprotect (a prefix)"
    ),
];

/// The embedded recording of that name.
pub fn embedded(name: &str) -> Option<&'static Embedded> {
    EMBEDDED.iter().find(|recording| recording.name == name)
}
