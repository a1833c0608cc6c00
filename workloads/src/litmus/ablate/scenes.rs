//! What the ablations are tried on.
//!
//! A part of the patch is missed only where it matters: barrier 1 with two page tables, where the page that raises the flag is
//! the one that is missed; barrier 2 with two page tables and two operations that hold `mmap_lock` for read, in the kernel of its day: since
//! 99baac21e458 operations count themselves, and who finds another at work flushes for it.

/// A scenario: pages and programs, without the ablation.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// What it is called.
    pub name: &'static str,
    /// What happens in it, in one line.
    pub title: &'static str,
    /// How many page tables it has.
    pub tables: u8,
    /// The rule by which mremap flushes, if one is in it.
    pub mremap: Option<MremapRule>,
    /// Its `page`, `cached` and `cpu` lines.
    pub lines: &'static str,
}

/// When mremap flushes the old place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MremapRule {
    /// At the end, whatever it found there (v4.13).
    AtTheEnd,
    /// Under the PTLs, if a present PTE moved (v4.19).
    UnderPtl,
}

impl MremapRule {
    /// The release it came with.
    pub fn name(self) -> &'static str {
        match self {
            MremapRule::AtTheEnd => "v4.13",
            MremapRule::UnderPtl => "v4.19",
        }
    }

    /// The value of the switch `mremap_flushes_under_ptl`.
    pub(super) fn value(self) -> &'static str {
        match self {
            MremapRule::AtTheEnd => "off",
            MremapRule::UnderPtl => "on",
        }
    }
}

const fn scene(name: &'static str, tables: u8, title: &'static str, lines: &'static str) -> Scene {
    Scene { name, title, tables, mremap: None, lines }
}

const fn moved(
    name: &'static str,
    (tables, rule): (u8, MremapRule),
    title: &'static str,
    lines: &'static str,
) -> Scene {
    Scene { name, title, tables, mremap: Some(rule), lines }
}

const ONE: &str = "reclaim has cleared x and not flushed; the operation finds no PTE";
const TWO: &str = "two pages under two page tables: reclaim and the operation go from one to the other";

const MREMAP: &str = "\
page   x rw anon dirty
page   y rw anon dirty
cached 1 x W D
cpu    0 kthread: reclaim x
cpu    1: read x
cpu    2: munmap y; mremap x y
";

const MREMAP_TWO_TABLES: &str = "\
page   a rw anon dirty
page   b rw anon dirty table 1
cpu    0 kthread: reclaim a; reclaim b
cpu    1: read b; read b
cpu    2: munmap a; mremap b a
";

/// All of them.
pub static SCENES: &[Scene] = &[
    scene(
        "mprotect",
        1,
        ONE,
        "\
page   x rw anon dirty
cached 1 x W D
cpu    0 kthread: reclaim x
cpu    1: write x
cpu    2: mprotect x r
",
    ),
    scene(
        "munmap",
        1,
        ONE,
        "\
page   x rw anon dirty
cached 1 x W D
cpu    0 kthread: reclaim x
cpu    1: read x
cpu    2: munmap x
",
    ),
    scene(
        "dontneed",
        1,
        ONE,
        "\
page   x rw anon dirty
cached 1 x W D
cpu    0 kthread: reclaim x
cpu    1: read x
cpu    2: madvise x dontneed
",
    ),
    scene(
        "free",
        1,
        ONE,
        "\
page   x rw anon dirty
cached 1 x W D
cpu    0 kthread: reclaim x
cpu    1: write x
cpu    2: madvise x free
",
    ),
    moved("mremap-v4.13", (1, MremapRule::AtTheEnd), ONE, MREMAP),
    moved("mremap-v4.19", (1, MremapRule::UnderPtl), ONE, MREMAP),
    scene(
        "mprotect-two-tables",
        2,
        TWO,
        "\
page   a rw anon dirty
page   b rw anon dirty table 1
cpu    0 kthread: reclaim a; reclaim b
cpu    1: write b; write b
cpu    2: mprotect a r; mprotect b r
",
    ),
    scene(
        "munmap-two-tables",
        2,
        TWO,
        "\
page   a rw anon dirty
page   b rw anon dirty table 1
cpu    0 kthread: reclaim a; reclaim b
cpu    1: read b; read b
cpu    2: munmap a; munmap b
",
    ),
    scene(
        "dontneed-two-tables",
        2,
        TWO,
        "\
page   a rw anon dirty
page   b rw anon dirty table 1
cpu    0 kthread: reclaim a; reclaim b
cpu    1: read b; read b
cpu    2: madvise a dontneed; madvise b dontneed
",
    ),
    scene(
        "free-two-tables",
        2,
        TWO,
        "\
page   a rw anon dirty
page   b rw anon dirty table 1
cpu    0 kthread: reclaim a; reclaim b
cpu    1: write b; write b
cpu    2: madvise a free; madvise b free
",
    ),
    moved("mremap-v4.13-two-tables", (2, MremapRule::AtTheEnd), TWO, MREMAP_TWO_TABLES),
    moved("mremap-v4.19-two-tables", (2, MremapRule::UnderPtl), TWO, MREMAP_TWO_TABLES),
    scene(
        "early-flag",
        1,
        "one page is reclaimed, an mprotect of the other comes first",
        "\
page   a rw anon dirty
page   b rw anon dirty
cpu    0 kthread: reclaim b
cpu    1: write b; write b
cpu    2: mprotect a r; mprotect b r
",
    ),
    scene(
        "early-flag-two-tables",
        2,
        "the same with the pages under two page tables",
        "\
page   a rw anon dirty
page   b rw anon dirty table 1
cpu    0 kthread: reclaim b
cpu    1: write b; write b
cpu    2: mprotect a r; mprotect b r
",
    ),
    scene(
        "parallel-mprotect",
        1,
        "two CPUs have an operation each that holds mmap_lock for write",
        "\
set    nested_gathers off
set    evictions off
page   a rw anon dirty
page   b rw anon dirty
cached 1 b W D
cpu    0 kthread: reclaim b
cpu    1: mprotect b r; write b
cpu    2: mprotect a r
",
    ),
    scene(
        "parallel-mprotect-two-tables",
        2,
        "the same with the pages under two page tables",
        "\
set    nested_gathers off
set    evictions off
page   a rw anon dirty
page   b rw anon dirty table 1
cached 1 b W D
cpu    0 kthread: reclaim b
cpu    1: mprotect b r; write b
cpu    2: mprotect a r
",
    ),
    scene(
        "parallel-dontneed",
        1,
        "two CPUs have an operation each that holds mmap_lock for read",
        "\
set    nested_gathers off
set    evictions off
page   a rw anon dirty
page   b rw anon dirty
cached 1 b W D
cpu    0 kthread: reclaim b
cpu    1: madvise b dontneed; read b
cpu    2: madvise a dontneed
",
    ),
    scene(
        "parallel-dontneed-two-tables",
        2,
        "the same with the pages under two page tables",
        "\
set    nested_gathers off
set    evictions off
page   a rw anon dirty
page   b rw anon dirty table 1
cached 1 b W D
cpu    0 kthread: reclaim b
cpu    1: madvise b dontneed; read b
cpu    2: madvise a dontneed
",
    ),
    scene(
        "parallel-free",
        1,
        "two CPUs have an operation each that holds mmap_lock for read",
        "\
set    nested_gathers off
set    evictions off
page   a rw anon dirty
page   b rw anon dirty
cached 1 b W D
cpu    0 kthread: reclaim b
cpu    1: madvise b free; write b
cpu    2: madvise a free
",
    ),
    scene(
        "parallel-free-two-tables",
        2,
        "the same with the pages under two page tables",
        "\
set    nested_gathers off
set    evictions off
page   a rw anon dirty
page   b rw anon dirty table 1
cached 1 b W D
cpu    0 kthread: reclaim b
cpu    1: madvise b free; write b
cpu    2: madvise a free
",
    ),
    scene(
        "parallel-dontneed-counted",
        2,
        "the same where operations count themselves (99baac21e458)",
        "\
set    evictions off
page   a rw anon dirty
page   b rw anon dirty table 1
cached 1 b W D
cpu    0 kthread: reclaim b
cpu    1: madvise b dontneed; read b
cpu    2: madvise a dontneed
",
    ),
];
