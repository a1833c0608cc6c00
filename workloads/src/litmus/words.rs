//! Every word of the language, with what it means: the parser, its messages and `docs/litmus.md` go by these tables.

use sim_core::nouns::types::{Backing, Rights};
use sim_core::oracle::Class;

/// A word and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// What it means.
    pub doc: &'static str,
}

const fn word(name: &'static str, form: &'static str, doc: &'static str) -> Word {
    Word { name, form, doc }
}

/// The words a line begins with.
pub static LINES: &[Word] = &[
    word("litmus", "litmus NAME", "the first line: the name, which is that of the file"),
    word("title", "title TEXT", "what goes wrong, in one line"),
    word("source", "source TEXT", "where the scenario comes from"),
    word("era", "era NAME", "the kernel around the policy (`mmusim list eras`)"),
    word("set", "set SWITCH VALUE", "a switch of the kernel, the machine or the exploration, after the era"),
    word(
        "page",
        "page NAME RIGHTS BACKING clean|dirty [table N] [process N]",
        "a page that is mapped and present at first",
    ),
    word("cached", "cached CPU PAGE [W] [D]", "a translation that a CPU holds at first, with the bits it has"),
    word("cpu", "cpu N [kthread] [process N]: [OPERATION; ...]", "what a CPU does, in order; CPUs are counted from 0"),
    word("expect", "expect never|sometimes CLASS POLICY...: REASON", "the verdict under these policies, and why"),
    word(
        "weaker",
        "weaker never|sometimes CLASS POLICY...: REASON",
        "the same under the contract that a policy declares, if it is weaker than that of the system calls",
    ),
];

/// The words that may follow on a `page` or `cpu` line.
pub static OPTIONS: &[Word] = &[
    word(
        "table",
        "table N",
        "the page-table page it is under, 0 if not said; each table but the last has as many pages",
    ),
    word("process", "process N", "the address space, 0 if not said; with a fork, 1 is the child"),
    word("kthread", "kthread", "the CPU runs a kernel thread and no user code: its address space is nobody's"),
    word("W", "W", "stores are allowed through the translation"),
    word("D", "D", "stores go through it without another walk"),
    word("never", "never", "no interleaving breaks a promise, and some put it to the test"),
    word("sometimes", "sometimes CLASS", "some interleaving breaks a promise of this class"),
];

/// Rights of a page.
pub static RIGHTS: &[(Word, Rights)] = &[
    (word("none", "none", "no access (`PROT_NONE`)"), Rights::NONE),
    (word("r", "r", "read"), Rights::READ),
    (word("rw", "rw", "read and write"), Rights::READ_WRITE),
];

/// What fills a page.
pub static BACKINGS: &[(Word, Backing)] = &[
    (word("anon", "anon", "anonymous memory"), Backing::Anon),
    (word("file", "file", "a shared mapping of a file"), Backing::SharedFile),
    (word("pfn", "pfn", "memory of a driver (`VM_PFNMAP`), mapped from the start"), Backing::Pfn),
    (
        word(
            "private",
            "private",
            "a private mapping of a file; clean it is in the page cache, dirty it has been copied",
        ),
        Backing::PrivateFile,
    ),
];

/// Is its PTE dirty at first?
pub static DIRTINESS: &[(Word, bool)] = &[
    (word("clean", "clean", "PTE.D is clear at first"), false),
    (word("dirty", "dirty", "PTE.D is set at first"), true),
];

/// The operations.
pub static OPERATIONS: &[Word] = &[
    word("read", "read PAGE", "a user load"),
    word("write", "write PAGE", "a user store"),
    word("mprotect", "mprotect SPAN RIGHTS", "`mprotect(2)`"),
    word("munmap", "munmap SPAN", "`munmap(2)`"),
    word(
        "mmap",
        "mmap SPAN RIGHTS [BACKING]",
        "`mmap(2)` of fresh memory at this place, whatever is mapped there; anonymous if not said",
    ),
    word("madvise", "madvise SPAN ADVICE", "`madvise(2)`"),
    word("mremap", "mremap SPAN PAGE", "`mremap(2)` to the place of another page, which must be unmapped by then"),
    word("fork", "fork", "`fork(2)`; the child is process 1"),
    word("exit", "exit", "the last thread of a process ends: everything is unmapped"),
    word(
        "reclaim",
        "reclaim PAGE...",
        "one shrink list of these pages, by kswapd or, on a CPU of a process, by direct reclaim",
    ),
    word("kswapd", "kswapd", "one shrink list from the tail of the LRU"),
    word("mkclean", "mkclean SPAN", "writeback: `page_mkclean()`, then the write"),
    word("numa", "numa SPAN", "one pass of NUMA balancing: PTEs become PROT_NONE hints"),
    word(
        "migrate",
        "migrate PAGE",
        "migration of an anonymous page to another frame, as a NUMA hint fault asks for it",
    ),
    word(
        "mincore",
        "mincore PAGE [trusted]",
        "`mincore(2)`; the caller may trust it, and take a page that is not resident for one that nobody can reach",
    ),
    word(
        "gup",
        "gup PAGE",
        "`pin_user_pages()` for a device that reads the page: gup-fast, and a fault where it finds nothing",
    ),
    word(
        "unmap-mapping",
        "unmap-mapping SPAN",
        "`unmap_mapping_range()` by a driver, which then gives the memory away",
    ),
    word("signal", "signal [NAME]", "user code sets a flag, which the kernel does not see"),
    word("await", "await [NAME]", "user code waits for a flag; interrupts are taken meanwhile"),
    word("truncate", "truncate SPAN", "`ftruncate(2)`: the file pages go, wherever they are mapped"),
    word("ksm", "ksm PAGE PAGE", "KSM: the first page gets the frame of the second, which holds the same"),
    word(
        "soft-dirty",
        "soft-dirty SPAN",
        "`CLEAR_REFS_SOFT_DIRTY`, by the process or, on a `kthread` CPU, by another: the next store to each page faults, to be noted",
    ),
    word(
        "uffd-wp",
        "uffd-wp SPAN",
        "`UFFDIO_WRITEPROTECT`: the next store to each page faults; the monitor lets it through at once",
    ),
];

/// What `madvise` may advise.
pub static ADVICE: &[Word] = &[
    word("dontneed", "dontneed", "`MADV_DONTNEED`: the content is given up"),
    word("free", "free", "`MADV_FREE`: the content may be given up until it is stored to"),
    word("pageout", "pageout", "`MADV_PAGEOUT`: the pages are reclaimed"),
];

/// Operations that other kernels' races need and the model does not have.
pub static NOT_YET: &[&str] = &["collapse", "process_madvise"];

/// The classes of violation.
pub fn class(name: &str) -> Option<Class> {
    Class::ALL.into_iter().find(|class| class.name() == name)
}

/// The names of a table, for a message.
pub(super) fn names<'w>(words: impl IntoIterator<Item = &'w Word>) -> String {
    words.into_iter().map(|word| word.name).collect::<Vec<_>>().join(", ")
}

/// Looks a word up in a table of values.
pub(super) fn value<T: Copy>(table: &[(Word, T)], name: &str) -> Option<T> {
    table.iter().find(|(word, _)| word.name == name).map(|&(_, value)| value)
}
