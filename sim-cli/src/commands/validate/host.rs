//! What the running kernel has for it, and which kernel of the model it is.

use std::fs;
use std::path::Path;

use sim_core::policy::{self, PolicyInfo};
use sim_core::step::era::{ERAS, Era};
use workloads::recorded::TRACEPOINTS;

use crate::cli::ValidateArgs;
use crate::perf::Found;

/// The release of the running kernel.
const RELEASE: &str = "/proc/sys/kernel/osrelease";
/// What `MADV_PAGEOUT` came with (1a4e58cce84e).
const PAGEOUT_SINCE: (u32, u32) = (5, 4);
/// Batches are flushed by a broadcast where the processor has one (`arch_tlbbatch_flush()`), which no tracepoint shows.
const BROADCASTS_SINCE: (u32, u32) = (6, 15);
/// The answer sheet.
const ANSWERS: &str = "tlb:tlb_flush";
/// What tells that pages were taken.
const WRITES: &str = "vmscan:mm_vmscan_write_folio";
/// Free swap in KiB: the buffer some times over.
const SWAP_KIB: u64 = 1 << 10;

/// Policies by the first release that has them, as their rows in the registry say.
const POLICIES_SINCE: [((u32, u32), &str); 2] = [((5, 17), "pending-generation"), ((4, 13), "pending-flag")];

/// The running kernel.
pub(super) struct Host {
    /// Its release, as it says.
    pub(super) kernel: String,
    /// What is there to record it.
    pub(super) found: Found,
    /// The policy of its release.
    pub(super) policy: &'static PolicyInfo,
    /// The kernel around that.
    pub(super) era: &'static Era,
}

impl Host {
    pub(super) fn here(args: &ValidateArgs) -> Host {
        let mut found = Found::here(&args.tracefs);
        for name in [ANSWERS, WRITES] {
            need(&mut found, name);
        }
        if free_swap_kib(&args.swaps) < SWAP_KIB {
            found.missing.push(format!(
                "{} has no swap with {SWAP_KIB} KiB free (root: modprobe zram; echo 256M > /sys/block/zram0/disksize; \
                 mkswap /dev/zram0; swapon /dev/zram0)",
                args.swaps.display()
            ));
        }
        let kernel = fs::read_to_string(RELEASE).unwrap_or_default().trim().to_owned();
        let release = release(&kernel);
        if release.is_some_and(|release| release < PAGEOUT_SINCE) {
            found.missing.push(format!("Linux {kernel} has no MADV_PAGEOUT (it came with 5.4)"));
        }
        let era = era_of(release);
        if args.era.is_none() && !kernel.starts_with(&format!("{}.", &era.name[1..])) {
            found
                .notes
                .push(format!("this is Linux {kernel}; the nearest kernel of the model is {} (--era)", era.name));
        }
        if release.is_none_or(|release| release >= BROADCASTS_SINCE) && broadcasts() {
            found.notes.push(
                "this processor flushes for reclaim by a broadcast (INVLPGB), which is not among the recorded flushes"
                    .to_owned(),
            );
        }
        Host { kernel, found, policy: policy_of(release), era }
    }
}

/// A recording can do without it, but then there is nothing to hold a prediction against.
fn need(found: &mut Found, name: &str) {
    let tracepoint = TRACEPOINTS.iter().find(|tracepoint| tracepoint.name == name).expect("a row of the table");
    if !found.present.iter().any(|present| present.name == name) {
        found.notes.retain(|note| !note.contains(name));
        found.missing.push(format!("this kernel has no {name} ({})", tracepoint.tells));
    }
}

/// What is left on the devices of /proc/swaps.
fn free_swap_kib(swaps: &Path) -> u64 {
    let text = fs::read_to_string(swaps).unwrap_or_default();
    let free = |line: &str| {
        // From the end, since a name may have spaces.
        let mut columns = line.split_whitespace().rev().skip(1).map(str::parse::<u64>);
        let (used, size) = (columns.next()?.ok()?, columns.next()?.ok()?);
        Some(size.saturating_sub(used))
    };
    text.lines().skip(1).filter_map(free).sum()
}

/// Major and minor number.
fn release(kernel: &str) -> Option<(u32, u32)> {
    let (major, rest) = kernel.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The youngest era that is not younger than the kernel; for one that does not say how old it is, the youngest of all.
fn era_of(kernel: Option<(u32, u32)>) -> &'static Era {
    let known = |era: &&Era| kernel.is_none_or(|kernel| release(&era.name[1..]).is_some_and(|era| era <= kernel));
    ERAS.iter().rev().find(known).unwrap_or(&ERAS[0])
}

fn policy_of(kernel: Option<(u32, u32)>) -> &'static PolicyInfo {
    let since = POLICIES_SINCE.iter().find(|(since, _)| kernel.is_none_or(|kernel| kernel >= *since));
    let (_, name) = since.unwrap_or(&POLICIES_SINCE[POLICIES_SINCE.len() - 1]);
    policy::find(name).expect("a registered policy")
}

fn broadcasts() -> bool {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = text.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "invlpgb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_of_the_model_by_release() {
        for (kernel, era, policy) in [
            ("6.18.44-fc-v657", "v6.18", "pending-generation"),
            ("7.0.0-rc1", "v6.18", "pending-generation"),
            ("6.1.0-28-amd64", "v5.17", "pending-generation"),
            ("5.15.0", "v4.13", "pending-flag"),
            ("5.17-rc3", "v5.17", "pending-generation"),
            ("3.10.0", "v4.13", "pending-flag"),
            ("", "v6.18", "pending-generation"),
        ] {
            let release = release(kernel);
            assert_eq!((era_of(release).name, policy_of(release).name), (era, policy), "{kernel}");
        }
        for (since, name) in POLICIES_SINCE {
            let kernels = policy::find(name).expect("registered").kernels;
            assert!(kernels.contains(&format!("{}.{}", since.0, since.1)), "{name} is of {kernels}");
        }
    }

    #[test]
    fn what_is_left_of_swap() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("swaps");
        let head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        let rows = "/dev/zram0 partition\t262140\t\t1140\t\t-2\n/swap\\040file file 1000 1000 -3\n";
        for (text, free) in [("", 0), (head, 0), (&format!("{head}{rows}"), 261_000), ("a\nb\n", 0)] {
            fs::write(&path, text).expect("a file");
            assert_eq!(free_swap_kib(&path), free, "{text}");
        }
        assert_eq!(free_swap_kib(Path::new("/nonexistent")), 0);
    }
}
