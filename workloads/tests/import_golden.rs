//! Counts of the embedded recordings. The expected numbers come from `awk` on the decompressed
//! text, not from the importer.

use workloads::recorded::{CallName, Pick, Recording, RunState, What, embedded, import};

fn recording(name: &str) -> Recording {
    let source = embedded(name).expect("is embedded");
    import(source.input(), &Pick::Busiest).expect("imports")
}

/// Numbers of events, in the order in which [`What`] lists them.
fn kinds(recording: &Recording) -> [usize; 10] {
    let mut counts = [0; 10];
    for event in &recording.events {
        counts[match event.what {
            What::TlbFlush { .. } => 0,
            What::UserFault { .. } => 1,
            What::Enter(_) => 2,
            What::Exit { .. } => 3,
            What::Switch { .. } => 4,
            What::ReclaimBegin => 5,
            What::ReclaimEnd { .. } => 6,
            What::ShrinkInactive(_) => 7,
            What::ReclaimPages(_) => 8,
            What::WriteFolio { .. } => 9,
            What::Exec => panic!("none of them has one"),
        }] += 1;
    }
    counts
}

/// Begun system calls: mmap, munmap, mprotect, madvise, mremap. As many have ended.
fn calls(recording: &Recording) -> [usize; 5] {
    const NAMES: [CallName; 5] =
        [CallName::Mmap, CallName::Munmap, CallName::Mprotect, CallName::Madvise, CallName::Mremap];
    let count = |test: &dyn Fn(What) -> bool| {
        let events = recording.events.iter();
        events.filter(|event| test(event.what)).count()
    };
    NAMES.map(|wanted| {
        let begun = count(&|what| matches!(what, What::Enter(call) if call.name() == wanted));
        let ended = count(&|what| matches!(what, What::Exit { name, .. } if name == wanted));
        assert_eq!(begun, ended, "{wanted:?}");
        begun
    })
}

/// Flushes of reasons 0 to 5, and those of all pages.
fn flushes(recording: &Recording) -> ([usize; 6], usize) {
    let (mut reasons, mut full) = ([0; 6], 0);
    for event in &recording.events {
        if let What::TlbFlush { pages, reason } = event.what {
            reasons[usize::from(reason)] += 1;
            full += usize::from(pages == -1);
        }
    }
    (reasons, full)
}

/// States in which tasks left a CPU: running, sleeping, blocked, other.
fn states(recording: &Recording) -> [usize; 4] {
    let mut counts = [0; 4];
    for event in &recording.events {
        if let What::Switch { prev_state, .. } = event.what {
            counts[match prev_state {
                RunState::Running => 0,
                RunState::Sleeping => 1,
                RunState::Blocked => 2,
                RunState::Other(_) => 3,
            }] += 1;
        }
    }
    counts
}

/// Pages reclaimed, and faults that wrote.
fn reclaimed_and_written(recording: &Recording) -> (u64, usize) {
    let (mut reclaimed, mut written) = (0, 0);
    for event in &recording.events {
        match event.what {
            What::ReclaimEnd { reclaimed: pages } => reclaimed += pages,
            What::ReclaimPages(stats) => reclaimed += u64::from(stats.reclaimed),
            What::UserFault { error_code, .. } => written += usize::from(error_code & 2 != 0),
            _ => {}
        }
    }
    (reclaimed, written)
}

/// What holds for every embedded recording, and where it was read from.
fn check_frame(recording: &Recording, sha256: &str, pid: i32, comm: &str, times: [u64; 2]) {
    assert_eq!(recording.sha256, sha256);
    assert_eq!((recording.target.pid, &*recording.target.comm), (pid, comm));
    let summary = &recording.summary;
    assert_eq!([summary.first_time_ns, summary.last_time_ns], times);
    assert_eq!(summary.lines, recording.events.len() as u64);
    assert_eq!((summary.blank_or_comment, summary.cpus), (0, 2));
    assert!(summary.unknown_events.is_empty());
    assert!(recording.events.is_sorted_by_key(|event| event.time_ns));
    assert!((1..).zip(&recording.events).all(|(line, event)| event.line == line));
}

#[test]
fn pageout_dirty_mprotect() {
    let recording = recording("pageout-dirty-mprotect");
    check_frame(
        &recording,
        "2fd85cde0d3f613f5fee61e4fa09c30be2d10a7b21038d20441c93112a112c7b",
        26809,
        "pageout",
        [3_791_357_475_668, 3_791_395_555_968],
    );
    assert_eq!(kinds(&recording), [3911, 1337, 78, 78, 3, 0, 0, 0, 20, 1280]);
    assert_eq!(calls(&recording), [11, 1, 44, 22, 0]);
    assert_eq!(flushes(&recording), ([0, 1300, 1280, 31, 1300, 0], 3901));
    assert_eq!(states(&recording), [0, 2, 1, 0]);
    assert_eq!(reclaimed_and_written(&recording), (1280, 1303));
    assert_eq!(recording.summary.other_process_events, 0);
}

#[test]
fn pageout_dirty_mprotect_1thread() {
    let recording = recording("pageout-dirty-mprotect-1thread");
    check_frame(
        &recording,
        "32bd6e7bc4ab7a42185fb0c226e7bddb2bd208412dedd9ba5fce199817fd6b04",
        26909,
        "pageout",
        [3_825_162_252_938, 3_825_197_195_898],
    );
    assert_eq!(kinds(&recording), [1358, 1329, 75, 75, 2, 0, 0, 0, 20, 1280]);
    assert_eq!(calls(&recording), [10, 1, 43, 21, 0]);
    assert_eq!(flushes(&recording), ([0, 0, 64, 1229, 65, 0], 131));
    assert_eq!(states(&recording), [0, 1, 1, 0]);
    assert_eq!(reclaimed_and_written(&recording), (1280, 1299));
    assert_eq!(recording.summary.other_process_events, 0);
}

#[test]
fn pageout_dirty_munmap() {
    let recording = recording("pageout-dirty-munmap");
    check_frame(
        &recording,
        "b4d01d98d3d7ad183dd7fb7b5ea9129b55ae211b3c020ce08ce17161f66e2e90",
        26814,
        "pageout",
        [3_793_056_452_327, 3_793_093_807_037],
    );
    assert_eq!(kinds(&recording), [3913, 1335, 158, 158, 5, 0, 0, 0, 20, 1280]);
    assert_eq!(calls(&recording), [51, 41, 4, 62, 0]);
    assert_eq!(flushes(&recording), ([0, 1300, 1280, 33, 1300, 0], 3901));
    assert_eq!(states(&recording), [1, 2, 2, 0]);
    assert_eq!(reclaimed_and_written(&recording), (1280, 1302));
    assert_eq!(recording.summary.other_process_events, 0);
}

#[test]
fn pageout_clean_mprotect() {
    let recording = recording("pageout-clean-mprotect");
    check_frame(
        &recording,
        "1742f59667a330df40204d4dcd0b2ee272fb3d61818655923708bd704e5cee18",
        26834,
        "pageout",
        [3_799_803_742_015, 3_799_844_915_405],
    );
    assert_eq!(kinds(&recording), [4269, 2615, 98, 98, 6, 0, 0, 0, 80, 2560]);
    assert_eq!(calls(&recording), [11, 1, 44, 42, 0]);
    assert_eq!(flushes(&recording), ([0, 1416, 1340, 93, 1420, 0], 4256));
    assert_eq!(states(&recording), [2, 2, 2, 0]);
    assert_eq!(reclaimed_and_written(&recording), (2560, 1302));
    assert_eq!(recording.summary.other_process_events, 0);
}

#[test]
fn memcg_file_mprotect_cut() {
    let recording = recording("memcg-file-mprotect-cut");
    check_frame(
        &recording,
        "3aa53214cdf5cae921899e0c51b3e09e606bdb9d34c5032e9e8c861bbd7c503e",
        25218,
        "filer",
        [3_652_156_687_046, 3_653_349_022_286],
    );
    assert_eq!(kinds(&recording), [96860, 42688, 848, 848, 84475, 745, 745, 2291, 0, 0]);
    assert_eq!(calls(&recording), [11, 1, 834, 2, 0]);
    assert_eq!(flushes(&recording), ([83954, 2119, 2062, 5319, 3337, 69], 5919));
    assert_eq!(states(&recording), [42242, 474, 41670, 89]);
    assert_eq!(reclaimed_and_written(&recording), (31557, 1046));
    let summary = &recording.summary;
    assert_eq!((summary.other_process_events, summary.without_task), (90479, 12));
}
