//! Recordings: text of perf script, ftrace or strace, plain or compressed. Which of them it is, its lines say.

use std::borrow::Cow;

use sim_core::policy::POLICIES;
use sim_core::step::era;
use workloads::machines::machine;
use workloads::recorded::replay::Timing;
use workloads::recorded::report::{Options, Report, report};
use workloads::recorded::{Call, Input, Pick, Recording, What, import};

/// Machines to replay on, the smallest first.
const MACHINES: [&str; 2] = ["zen5_vm", "hsw_ep_2s16"];

/// Pages that a replay has to put in place at most: calls about gigabytes are legitimate, and take their time.
const PAGES_MAX: u64 = 1 << 12;
/// mmap(2) flags and madvise(2) advice that map pages, or ask for them.
const MAP_POPULATE_OR_LOCKED: u32 = 0xa000;
const MADV_PAGEOUT: u32 = 21;
const MADV_POPULATE_WRITE: u32 = 23;

/// Imports a recording and replays it.
pub fn text(bytes: &[u8]) {
    let input = Input::Bytes { name: "fuzz".to_owned(), bytes: Cow::Owned(bytes.to_vec()) };
    let recording = match import(input, &Pick::Busiest) {
        Ok(recording) => recording,
        Err(error) => return crate::says(&error),
    };
    if pages(&recording) > PAGES_MAX {
        return;
    }
    let cpus = u32::from(recording.summary.cpus.max(1));
    let fitting = MACHINES.iter().filter_map(|name| machine(name)).find(|machine| machine.profile().cpus() >= cpus);
    let Some(machine) = fitting else { return };
    let variant = crate::digest(bytes);
    let options = Options {
        policy: &POLICIES[variant % POLICIES.len()],
        era: era::find("v6.18").expect("a registered era"),
        profile: (machine.name, "", &machine.profile()),
        timing: if (variant / POLICIES.len()).is_multiple_of(2) { Timing::Recorded } else { Timing::Model },
        processes: 1,
    };
    let replayed = || report(&recording, options).expect("the machine has prices");
    let report = replayed();
    assert!(
        report.rows.iter().all(|row| row.low <= row.predicted && row.predicted <= row.high),
        "an interval without its estimate"
    );
    let json = |report: &Report| serde_json::to_string(report).expect("a report is plain data");
    // The same again, now and then: replays of one report run side by side.
    if variant.is_multiple_of(16) {
        assert_eq!(json(&report), json(&replayed()), "two replays differ");
    } else {
        json(&report);
    }
}

/// Pages of the calls for which a replay puts every page in place.
fn pages(recording: &Recording) -> u64 {
    let has_faults = recording.has_faults();
    let bytes = recording.events.iter().map(|event| match event.what {
        // A fixed mapping unmaps what it replaces.
        What::Enter(Call::Mmap { length, flags, .. }) if !has_faults || flags & MAP_POPULATE_OR_LOCKED != 0 => length,
        What::Enter(Call::Madvise { length, advice: MADV_PAGEOUT..=MADV_POPULATE_WRITE, .. }) => length,
        What::Enter(Call::Mremap { old_length, new_length, .. }) if !has_faults => {
            old_length.saturating_add(new_length)
        }
        What::Enter(Call::Munmap { length, .. } | Call::Mprotect { length, .. } | Call::Madvise { length, .. })
            if !has_faults =>
        {
            length
        }
        _ => 0,
    });
    bytes.fold(0, |pages, bytes| pages.saturating_add(bytes.div_ceil(4096)))
}
