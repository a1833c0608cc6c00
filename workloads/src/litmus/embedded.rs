//! The catalogue: the litmus files built into the program.
//!
//! To add one, put `NAME.litmus` into `workloads/litmus/` and a row into [`LITMUS`].

/// A litmus file by name.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// What the command line calls it.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

macro_rules! catalogue {
    ($($name:literal)*) => {
        &[$(Builtin { name: $name, text: include_str!(concat!("../../litmus/", $name, ".litmus")) }),*]
    };
}

/// The whole catalogue, by name.
pub static LITMUS: &[Builtin] = catalogue! {
    "B01-dontneed"
    "B01-free"
    "B01-mprotect-after-reclaim"
    "B01-mprotect-none"
    "B01-mprotect-ro"
    "B01-mprotect-ro-cached"
    "B01-mprotect-ro-clean"
    "B01-mprotect-ro-clean-no-assist"
    "B01-mprotect-ro-two-cpus"
    "B01-mprotect-ro-v6.18"
    "B01-mremap"
    "B01-mremap-v4.13"
    "B01-munmap"
    "B01-munmap-mmap"
    "B02-flag-lost-dontneed"
    "B02-flag-lost-mprotect"
    "B02-one-table"
    "B03-flag-before-clear"
    "B04-local-only"
    "B04-local-only-awaited"
    "B04-local-only-own"
    "B05-nested-reclaim"
    "B05-nested-reclaim-fixed"
    "B06-walker-rechecks"
    "B06-walker-retakes-ptl"
    "B07-dsb-by-another-cpu"
    "B07-four-answers"
    "B08-count-for-two"
    "B08-flag-for-two"
    "B10-dontneed"
    "B10-dontneed-early-count"
    "B10-dontneed-no-nesting"
    "B11-ksm-clear-refs"
    "B11-ksm-clear-refs-checks"
    "B12-mremap-reclaim"
    "B12-mremap-reclaim-fixed"
    "B12-mremap-truncate"
    "B12-mremap-truncate-fixed"
    "B14-pfnmap"
    "B14-pfnmap-fixed"
    "B14-pfnmap-no-nesting"
    "B15-uffd-wp"
    "B15-uffd-wp-checks"
    "B15-uffd-wp-reuses"
    "B16-soft-dirty"
    "B16-soft-dirty-checks"
    "B16-soft-dirty-uncounted"
    "B19-dontneed"
    "B19-dontneed-early-rmap"
    "B19-dontneed-late-flush"
    "B19-munmap"
    "B19-munmap-early-rmap"
    "B19-munmap-late-flush"
    "B20-numa-migration"
    "B20-numa-migration-checks"
    "B20-reclaim"
    "B20-reclaim-checks"
    "C1-ksm"
    "C1-ksm-after-fork"
    "C1-ksm-counts"
    "C1-ksm-early-putback"
    "C1-ksm-no-count"
    "C1-ksm-v6.18"
    "C2-mkclean"
    "C2-mkclean-checks-pending"
    "C2-mkclean-flush-before-keeping"
    "C3-gup"
    "C3-gup-no-recheck"
    "C5-mincore"
    "C5-mincore-trusted"
    "C5-mincore-trusted-dirty"
    "C5-mincore-trusted-truncate"
    "C5-mincore-trusted-truncate-pte"
    "C6-uffd-wp"
    "C7-fork"
    "C7-fork-lazy"
    "C8-migration"
    "C8-migration-late-flush"
    "C8-migration-mprotect"
    "M01-flush-before-free"
    "M01-free-before-flush"
    "M01-hidden-by-io"
    "M01-hidden-by-io-shown"
    "M02-reused-before-flush"
    "M03-flush-before-write"
    "M03-write-without-flush"
    "M04-own-cpu-left-out"
    "M04-own-cpu-left-out-dontneed"
    "M04-own-cpu-left-out-mremap"
    "M04-own-cpu-left-out-reclaim"
    "M04-own-cpu-left-out-reused"
    "M05-cpu-left-out"
    "M06-broadcast-not-awaited"
    "M07-irqs-on-while-waiting"
    "M08-ack-after-flush"
    "M08-ack-before-flush"
    "M08-ack-before-flush-freed"
    "M08-ack-before-flush-same-page"
    "M09-batch-per-task"
    "M09-batch-shared"
    "M09-batch-shared-written"
    "M10-batch-taken-for-old"
    "M10-batch-taken-for-old-written"
    "N01-numa"
    "N02-mprotect-unmap-mapping"
    "N02-mprotect-unmap-mapping-v6.18"
    "P14-freed-at-once"
    "P14-munmap"
    "P14-munmap-mmap"
    "P14-munmap-mmap-at-once"
};

/// The file of this name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    LITMUS.iter().find(|builtin| builtin.name == name)
}
