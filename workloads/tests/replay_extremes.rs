//! Recordings that no kernel writes: numbers beyond all bounds end a replay with a result, in no time, and not with a panic.

use sim_core::policy;
use sim_core::step::era;
use workloads::machines::machine;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{Options, Report, report};
use workloads::recorded::{Pick, import_text};

/// Events of one thread, a microsecond each.
fn replay(events: &[String]) -> Report {
    let lines = (0..).zip(events).map(|(n, event)| format!("prog 7/7 [000] 10.{:09}: {event}\n", n * 1000));
    let recording =
        import_text("test", lines.collect::<String>().as_bytes(), &Pick::Busiest).expect("it is well-formed");
    let profile = machine("zen5_vm").expect("a shipped profile").profile();
    let options = Options {
        policy: policy::find("pending-generation").expect("a policy"),
        era: era::find("v6.18").expect("an era"),
        profile: ("zen5_vm", "", &profile),
        timing: Timing::Recorded,
        processes: 1,
    };
    report(&recording, options).expect("zen5_vm has IPI costs")
}

fn fault(address: u64) -> String {
    format!("exceptions:page_fault_user: address={address:#x} ip=0x1 error_code=0x6")
}

fn call(name: &str, arguments: &str, ret: u64) -> [String; 2] {
    [format!("syscalls:sys_enter_{name}: {arguments}"), format!("syscalls:sys_exit_{name}: {ret:#x}")]
}

fn list(event: &str, pages: u32, more: &str) -> String {
    format!(
        "vmscan:{event}: nid=0 nr_scanned={pages} nr_reclaimed={pages} nr_dirty=0 nr_writeback=0 nr_congested=0 nr_immediate=0 \
         nr_activate_anon=0 nr_activate_file=0 nr_ref_keep=0 nr_unmap_fail=0{more}"
    )
}

/// Calls of a thread that overlap: by the model's times `mmap` begins, where nothing was, while the page there is being reclaimed.
#[test]
fn a_page_that_is_reclaimed_stays_until_its_lock_is_free() {
    let text = "\
7 5.000001 execve(\"/bin/sh\", [\"sh\"], 0x7ffe /* 3 vars */) = 0
7 5.000002 brk(NULL) = 0x1000
7 5.000003 brk(0x9000) = 0x9000
7 5.000004 mmap(0x7f1000, 16384, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_FIXED, 3</tmp/a>, 0x26000) = 0x800000 <0.000017>
7 5.000006 clone(child_stack=0x7f0020, flags=CLONE_VM|CLONE_THREAD, child_tidptr=0x7f) = 8
8 5.000007 madvise(0x800000, 65536, MADV_PAGEOUT <unfinished ...>
7 5.000008 mprotect(0x800000, 8192, PROT_NONE) = 0
8 5.000009 <... madvise resumed>) = 0 <0.000002>
7 5.000010 mremap(0x7f1000, 4096, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, 0x7f5000) = 0x7f5000
8 5.000011 madvise(0x800000, 4096, MADV_DONTNEED) = 0
";
    let recording = import_text("test", text.as_bytes(), &Pick::Busiest).expect("it is well-formed");
    let profile = machine("zen5_vm").expect("a shipped profile").profile();
    for policy in policy::POLICIES {
        let era = era::find("v6.18").expect("an era");
        let profile = ("zen5_vm", "", &profile);
        let options = Options { policy, era, profile, timing: Timing::Model, processes: 1 };
        assert!(report(&recording, options).expect("zen5_vm has IPI costs").replayed.duration_cycles > 0);
    }
}

#[test]
fn faults_beyond_user_space_map_nothing() {
    let within = replay(&[fault(0x7000_0000_0000), fault((1 << 56) - 1)]);
    let beyond = [1 << 56, 0xffff_8000_0000_1000, 0xffff_ffff_ff60_0000, u64::MAX];
    let with = |address: &u64| replay(&[fault(0x7000_0000_0000), fault((1 << 56) - 1), fault(*address)]);
    for report in beyond.iter().map(with) {
        assert_eq!(report.inferred, within.inferred);
        assert_eq!(report.replayed.stats.faults, within.replayed.stats.faults);
    }
}

#[test]
fn calls_about_all_there_is_end_at_the_end_of_user_space() {
    let all = u64::MAX;
    for (name, arguments, ret) in [
        ("mprotect", format!("start: 0x1000, len: {all:#x}, prot: 0x1"), 0),
        ("munmap", format!("addr: 0x0, len: {all:#x}"), 0),
        ("madvise", format!("start: 0x0, len_in: {all:#x}, behavior: 0x4"), 0),
        ("mmap", format!("addr: 0x0, len: {all:#x}, prot: 0x3, flags: 0x22, fd: 0xffffffff, off: 0x0"), 1 << 55),
        ("mmap", format!("addr: 0x0, len: {all:#x}, prot: 0x3, flags: 0x22, fd: 0xffffffff, off: 0x0"), 1 << 63),
        (
            "mremap",
            format!("addr: 0x1000, old_len: {all:#x}, new_len: {all:#x}, flags: 0x3, new_addr: {all:#x}"),
            1 << 55,
        ),
        (
            "mremap",
            format!("addr: 0x1000, old_len: 0x8000000000000, new_len: {all:#x}, flags: 0x1, new_addr: 0x0"),
            1 << 55,
        ),
    ] {
        let [enter, exit] = call(name, &arguments, ret);
        let report = replay(&[fault(0x7000_0000_0000), enter, exit, fault(0x7000_0000_0000), fault(1 << 55)]);
        assert_eq!(report.operations.len(), 1, "{name} {arguments}");
    }
}

#[test]
fn lists_longer_than_memory_take_what_is_there() {
    let reclaimed = replay(&[
        fault(0x7000_0000_0000),
        "vmscan:mm_vmscan_memcg_reclaim_begin: order=0 gfp_flags=GFP_KERNEL".to_owned(),
        list("mm_vmscan_lru_shrink_inactive", u32::MAX, " priority=12 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC"),
        format!("vmscan:mm_vmscan_memcg_reclaim_end: nr_reclaimed={}", u64::MAX),
    ]);
    assert_eq!(reclaimed.inferred.victims_unmapped, u64::from(u32::MAX));
    let pages = list("mm_vmscan_reclaim_pages", u32::MAX, "");
    let [enter, exit] = call("madvise", "start: 0x700000000000, len_in: 0x8000, behavior: 0x15", 0);
    let paged_out = replay(&[fault(0x7000_0000_0000), enter, pages.clone(), pages, exit]);
    assert_eq!(paged_out.inferred.made_present, 7, "all pages of the range but the one that has faulted");
}
