//! Scenarios that nobody wrote: pages, programs, eras, switches and policies drawn at random, each explored as far as it goes within
//! a bound, and the counts held.
//!
//! The catalogue has the scenarios that matter, one at a time; here paths meet that no file brings together. A count says nothing
//! about safety. It says that no step of a path has changed: that is what the tests are tested with, see `docs/mutation.md`. After a
//! change that was meant: `INSTA_UPDATE=always cargo test -p workloads --test generated`, and read the difference.

use std::fmt::Write;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sim_core::drive::explore::{Options, Order};
use sim_core::policy;
use workloads::litmus::Litmus;

/// Scenarios of a snapshot.
const CASES: usize = 400;
/// Each is explored up to so many states.
const STATES: usize = 1_000;

const BACKINGS: &[&str] = &["anon", "anon", "file", "private"];
const RIGHTS: &[&str] = &["rw", "rw", "rw", "r", "none"];
const DIRTY: &[&str] = &["clean", "dirty"];
/// What follows the second page, and whose process CPU 2 runs.
const LAYOUTS: &[(&str, &str)] = &[("", ""), ("", ""), (" table 1", ""), (" process 1", " process 1")];
const PAGES: &[&str] = &["x", "x", "y", "x..y"];
/// `P` is a page or two, `X` one, and `Y` the other.
const LISTS: &[&str] =
    &["reclaim X", "reclaim X Y", "kswapd", "migrate X", "mkclean P", "ksm X Y", "soft-dirty P", "numa P"];
const CALLS: &[&str] = &[
    "mprotect P r",
    "mprotect P rw",
    "mprotect P none",
    "munmap P",
    "munmap X",
    "mmap X rw",
    "mmap X r private",
    "mmap X rw file",
    "madvise P dontneed",
    "madvise P free",
    "madvise P pageout",
    "munmap Y; mremap X Y",
    "mremap X Y",
    "fork",
    "exit",
    "reclaim X",
    "migrate X",
    "numa P",
    "mincore X",
    "gup X",
    "signal",
    "signal b",
    "await",
    "await b",
    "madvise X free",
    "migrate X",
    "truncate P",
    "soft-dirty P",
    "uffd-wp P",
    "mkclean P",
];
/// Switches that are numbers.
const COUNTS: &[&str] = &[
    "fault_around_pages 2",
    "fault_around_pages 2",
    "broadcast_min_cpus 3",
    "ceiling_pages 1",
    "free_batch_slots 1",
    "shrink_list_folios 1",
];
/// What leaves pages in the page cache, and finds them there.
const AROUND: &[&str] = &[
    "madvise x..y dontneed",
    "madvise X dontneed",
    "read X",
    "read X",
    "write X",
    "munmap X",
    "mmap X rw file",
    "truncate X",
    "reclaim X",
    "mkclean P",
    "madvise P pageout",
];
/// What goes with the memory of a driver.
const DRIVEN: &[&str] = &["mprotect P r", "mprotect P rw", "munmap P", "gup X", "mincore X", "soft-dirty P"];

/// Named here, as the switches are: a row more in a registry changes no draw.
const POLICIES: &[&str] = &[
    "immediate",
    "clean-only",
    "batched",
    "local-only",
    "flag-before-clear",
    "pending-flag",
    "pending-flag",
    "pending-generation",
    "pending-generation",
    "generation-check",
    "arm64-dsb",
    "arm64-flush",
    "invlpgb",
    "latr",
];
const SWITCHES: &[&str] = &[
    "mprotect_gathers",
    "nested_gathers",
    "munmap_downgrades",
    "madvise_gathers",
    "mremap_flushes_under_ptl",
    "rmap_after_flush",
    "pageout_checks_pending",
    "pageout_clears_accessed",
    "lazy_mask",
    "skips_idle_targets",
    "anon_on_trial",
    "synchronous_swap",
    "dirty_assist",
    "flushes_before_keeping",
    "migration_batches",
    "batch_skips_inaccessible",
    "mprotect_grants_write",
    "soft_dirty_excludes_faults",
    "mincore_asks_caches",
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
    "faults_lock_vma",
    "reads_mm_gen_always",
    "zap_drains_lru",
    "ksm_counts_read_only",
    "soft_dirty_counts",
    "wp_fault_checks_pending",
    "wp_reuses",
    "swapin_grants_write",
    "reclaim_may_write",
    "accessible_checks_pending",
    "gup_rechecks_pte",
    "pfnmap_flushes_before_unlink",
    "flush_before_copy",
    "check_in_zap",
    "check_in_free",
    "check_in_mprotect",
    "check_in_mremap",
    "check_under_ptl",
    "flushes_own_cpu",
    "mask_complete",
    "waits_for_broadcasts",
    "acks_after_flush",
    "batch_always_flushes",
    "batch_per_task",
    "irqs_on_while_waiting",
    "lone_tables",
];

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0.next_u32() as usize % n
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn page(&mut self) -> String {
        format!("{} {} {}", self.of(RIGHTS), self.of(BACKINGS), self.of(DIRTY))
    }

    fn operation(&mut self, from: &[&str]) -> String {
        let (x, y) = self.of(&[("x", "y"), ("x", "y"), ("y", "x")]);
        self.of(from).replace('X', x).replace('Y', y).replace('P', self.of(PAGES))
    }

    fn access(&mut self) -> String {
        self.operation(&["read X", "write X"])
    }

    /// So many calls and as many accesses at most, in any order.
    fn program(&mut self, calls: usize) -> String {
        let calls = 1 + self.below(calls);
        let program: Vec<_> =
            (0..2 * calls).map(|_| if self.below(5) < 2 { self.access() } else { self.operation(CALLS) }).collect();
        program[..calls + self.below(calls)].join("; ")
    }

    /// A driver's memory, which its driver takes back.
    fn driver(&mut self) -> String {
        let mut lines = format!("page x {} pfn {}\npage y rw pfn clean", self.of(RIGHTS), self.of(DIRTY));
        lines += self.of(&["\n", " table 1\n"]);
        writeln!(lines, "cpu 0 kthread: {}", self.operation(&["unmap-mapping P", "unmap-mapping x..y"])).unwrap();
        let user = [self.access(), self.operation(DRIVEN), self.access(), self.operation(DRIVEN)];
        writeln!(lines, "cpu 1: {}", user[self.below(2)..2 + self.below(3)].join("; ")).unwrap();
        writeln!(lines, "cpu 2: {}", self.access()).unwrap();
        lines
    }

    /// Pages of a file and what its page cache keeps, where a fault maps the neighbours.
    fn around(&mut self) -> String {
        let pages = [self.of(&["file", "file", "private"]), self.of(&["file", "file", "private"])];
        let dirty = [self.of(DIRTY), self.of(DIRTY)];
        let [x, y] = [0, 1].map(|n| format!("{} {}", pages[n], dirty[n]));
        let mut lines = format!("set fault_around_pages {}\n", self.of(&[2, 2, 4]));
        writeln!(lines, "page x {} {x}\npage y rw {y}", self.of(&["r", "rw", "rw"])).unwrap();
        let calls: Vec<_> = (0..2 + self.below(4)).map(|_| self.operation(AROUND)).collect();
        writeln!(lines, "cpu 0: {}; {}\ncpu 1: {}", calls.join("; "), self.access(), self.operation(AROUND)).unwrap();
        lines
    }

    /// A file, without its last line. Some of them contradict themselves: who reads them says so.
    fn file(&mut self) -> String {
        let mut text = format!("era {}\n", self.of(&["v4.13", "v5.17", "v6.18"]));
        if self.below(4) > 0 {
            text.push_str("set evictions off\n");
        }
        for _ in 0..self.below(3) {
            writeln!(text, "set {} {}", self.of(SWITCHES), self.of(&["on", "off", "off"])).unwrap();
        }
        if self.below(4) == 0 {
            writeln!(text, "set {}", self.of(COUNTS)).unwrap();
        }
        match self.below(14) {
            0 => return text + &self.driver(),
            1 => return text + &self.around(),
            _ => {}
        }
        let (second, process) = self.of(LAYOUTS);
        writeln!(text, "page x {}\npage y {}{second}", self.page(), self.page()).unwrap();
        match self.below(4) {
            // One after the other, as far as reclaim does not come in between: the longest stories take the fewest states.
            0 => writeln!(text, "cpu 0: {}\ncpu 1{process}: {}", self.program(6), self.access()).unwrap(),
            1 => writeln!(text, "cpu 0 kthread: {}\ncpu 1: {}", self.operation(LISTS), self.program(4)).unwrap(),
            2 => writeln!(text, "cpu 0: {}\ncpu 1{process}: {}", self.program(2), self.program(2)).unwrap(),
            _ => {
                let list = [self.operation(LISTS), self.operation(LISTS)].join("; ");
                let user = [self.access(), self.access()].join("; ");
                let call = self.program(1);
                writeln!(text, "cpu 0 kthread: {list}\ncpu 1: {call}\ncpu 2{process}: {user}").unwrap();
            }
        }
        text
    }
}

/// A file without its last line, under a policy; none if who reads it says no.
fn count(file: &str, policy: &str, options: &Options) -> Option<String> {
    let text = format!("litmus t\ntitle t\nsource s\n{file}expect never {policy}: r\n");
    let litmus = Litmus::parse("t", &text).ok()?;
    let checked = litmus.check_with(policy::find(policy).expect(policy), options, &mut |_| {});
    let (verdict, class) = (checked.found.name(), checked.class.map_or("", |class| class.name()));
    let counts = format!("{} states, {} transitions, depth {}", checked.states, checked.transitions, checked.depth);
    Some(format!("{policy}: {verdict} {class} {counts}: {}\n", file.trim_end().replace('\n', "; ")))
}

/// Scenarios that can be read, and what comes of each.
fn counted(seed: u64) -> String {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    // Depth first the end of a run is reached within the bound.
    let options = Options { max_states: STATES, order: Order::Depth, ..Options::default() };
    let drawn = std::iter::repeat_with(|| (draw.file(), draw.of(POLICIES)));
    drawn.filter_map(|(file, policy)| count(&file, policy, &options)).take(CASES).collect()
}

/// Stories that chance is slow to tell: each needs several things to come together.
const WRITTEN: &[&str] = &[
    // Two flags, which the kernel does not see.
    "era v6.18\npage x rw anon clean\ncpu 0: signal; write x; signal b\ncpu 1: await b; await; read x\n",
    // Free drops its PTL once in each table.
    "era v6.18\nset free_drops_ptl on\nset evictions off\npage w rw anon dirty\npage x rw anon dirty\n\
        page y rw anon dirty table 1\npage z rw anon dirty table 1\ncpu 0: madvise w..z free\ncpu 1: read y\n",
    // Where the walker sets no D, a writable translation that is clean is stored through.
    "era v6.18\nset dirty_assist off\npage x rw anon clean\ncached 1 x W\ncpu 0: madvise x free\ncpu 1: write x\n",
    "era v6.18\nset dirty_assist off\nset flush_before_copy off\npage x rw anon clean\ncached 1 x W\n\
        cpu 0 kthread: migrate x\ncpu 1: write x\n",
    "era v4.13\nset evictions off\nset dirty_assist off\npage x rw anon clean\ncached 1 x W\n\
        cpu 0 kthread: reclaim x\ncpu 1: write x\ncpu 2: madvise x free\n",
    "era v4.13\nset evictions off\nset dirty_assist off\npage x rw anon clean\ncached 1 x W\n\
        cpu 0 kthread: reclaim x\ncpu 1: write x\ncpu 2: uffd-wp x\n",
    // A page that is shared with a child, and a CPU of the parent that still stores to it.
    "era v4.13\nset fork_flushes_always off\nset swapin_grants_write off\nset evictions off\npage x rw anon dirty\ncached 1 x W D\n\
        cpu 0 kthread: reclaim x\ncpu 1: write x\ncpu 2: read x; fork\n",
    // What was written while a CPU still stores to it, and is stored to and read by another one.
    "era v4.13\nset evictions off\nset flushes_before_keeping off\nset reclaim_may_write off\npage x rw file dirty\ncached 1 x W D\n\
        cpu 0 kthread: reclaim x; mkclean x\ncpu 1: write x\ncpu 2: read x; write x\n",
    // Who unmaps flushes his own CPU, whatever he leaves to the others.
    "era v6.18\nset evictions off\npage x rw anon dirty\npage y rw anon dirty\ncpu 0: read x; munmap x; read x; munmap y\ncpu 1: read x; read y\n",
    // Who does not count himself in tlb_flush_pending flushes all the same.
    "era v4.13\nset evictions off\nset soft_dirty_counts off\nset pending_until_flushed off\npage x rw anon dirty\n\
        cpu 0: soft-dirty x\ncpu 1: write x\n",
    // One batch for all.
    "era v4.13\nset evictions off\nset batch_per_task off\npage x rw anon dirty\ncpu 0: read x\ncpu 1 kthread: reclaim x\n",
    // Two drivers are after the same memory.
    "era v6.18\nset evictions off\npage x rw pfn clean\npage y rw pfn clean\n\
        cpu 0 kthread: unmap-mapping x..y\ncpu 1: read x\ncpu 2 kthread: unmap-mapping x..y\n",
    // A page that was stored to after MADV_FREE is mapped again, with the rights it had.
    "era v6.18\nset evictions off\npage x rw anon clean\ncpu 0: madvise x free; write x; reclaim x; write x; reclaim x\ncpu 1: read x\n",
    "era v6.18\nset evictions off\npage x rw anon clean\ncpu 0: madvise x free; write x; mprotect x r; reclaim x; write x\ncpu 1: read x\n",
    "era v6.18\nset evictions off\npage x rw anon clean\n\
        cpu 0: madvise x free; write x; numa x; reclaim x; read x; mprotect x none; reclaim x\ncpu 1: read x\n",
    // KSM and pages that are clean, or may be dropped.
    "era v6.18\nset evictions off\npage x rw anon clean\npage y rw anon clean\n\
        cpu 0: madvise y free; ksm x y; reclaim y; reclaim x; read x\ncpu 1: write y\n",
    "era v6.18\nset evictions off\npage x rw anon dirty\npage y rw anon clean\ncpu 0: ksm x y; write x; ksm x y; munmap y\ncpu 1: write x\n",
    "era v6.18\nset evictions off\npage x rw anon clean\npage y rw anon clean\n\
        cpu 0: madvise y free; ksm x y; reclaim y; read y\ncpu 1: write x\n",
    "era v6.18\nset evictions off\npage x rw anon dirty\npage y rw anon dirty\ncpu 0: ksm x y\ncpu 1: gup x; gup y\n",
    // Dirty pages of a file, two in a table, and the list they are written from.
    "era v6.18\nset evictions off\npage x rw file dirty\npage y rw file dirty\ncpu 0: munmap x..y; reclaim x y\ncpu 1: write x; write y\n",
    "era v5.17\nset evictions off\npage x rw file dirty\npage y rw file clean\ncpu 0: munmap x..y\ncpu 1: write x; write y\n",
    // Migration that defers, of pages that are dirty and that somebody unmaps or pins meanwhile.
    "era v6.18\nset migration_batches on\npage x rw anon dirty\ncpu 0 kthread: migrate x\ncpu 1: write x\n",
    "era v6.18\nset evictions off\npage x rw anon dirty\ncpu 0 kthread: migrate x; reclaim x\ncpu 1: madvise x dontneed; write x\n",
    "era v6.18\nset evictions off\npage x rw anon dirty\ncpu 0 kthread: migrate x\ncpu 1: gup x; read x\ncpu 2: munmap x\n",
    // A driver that takes its memory back twice, and pages under two tables.
    "era v6.18\nset evictions off\npage x rw pfn dirty\npage y rw pfn clean\n\
        cpu 0 kthread: unmap-mapping x..y; unmap-mapping x..y\ncpu 1: read x; munmap x..y; read y\n",
    // Truncation waits for the lock of a folio that is being written.
    "era v6.18\nset evictions off\npage x rw file dirty\npage y rw file dirty\ncpu 0: truncate x..y\ncpu 1: mkclean x\n",
    "era v6.18\nset evictions off\nset mechanism ipi-concurrent\npage x rw anon dirty\ncpu 0: munmap x\ncpu 1: read x\n",
];

#[test]
fn counts_of_written_scenarios() {
    let options = Options { max_states: 20_000, ..Options::default() };
    let under =
        |file| ["batched", "pending-generation", "latr"].map(|policy| count(file, policy, &options).expect(file));
    insta::assert_snapshot!(WRITTEN.iter().flat_map(|file| under(file)).collect::<String>());
}

#[test]
fn counts_of_generated_scenarios_0() {
    insta::assert_snapshot!(counted(0));
}

#[test]
fn counts_of_generated_scenarios_1() {
    insta::assert_snapshot!(counted(1));
}

#[test]
fn counts_of_generated_scenarios_2() {
    insta::assert_snapshot!(counted(2));
}

#[test]
fn counts_of_generated_scenarios_3() {
    insta::assert_snapshot!(counted(3));
}
