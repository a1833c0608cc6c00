//! What runs on the model: recorded traces, synthetic workloads, machine profiles; and what comes out of a run.
//!
//! # What a policy costs
//!
//! A workload is a text, a run is that text under [`Conditions`](synthetic::Conditions), and what was measured is a row of
//! [`METRICS`](outcome::METRICS) each. The workload that is worst for the patch of v4.13, with one mprotect a reclaim cycle:
//!
//! ```
//! use sim_core::drive::clock::RunAhead;
//! use sim_core::{policy, step::era};
//! use workloads::machines::machine;
//! use workloads::outcome::{Input, METRICS};
//! use workloads::synthetic::{self, Conditions};
//!
//! let workload = synthetic::find("alternating").expect("it is built in").workload();
//! let machine = machine(workload.workload.profile.get_ref()).expect("it is built in");
//! let run = |name| {
//!     let on = Conditions {
//!         policy: policy::find(name).expect("a policy"),
//!         era: era::find(workload.workload.era.get_ref()).expect("an era"),
//!         profile: &machine.profile(),
//!         profile_input: &Input::new(machine.name, machine.text.as_bytes()),
//!         seed: 1,
//!         run_ahead: RunAhead::Upto(u64::MAX),
//!     };
//!     workload.run(&on, &mut |_cycles| {}).expect("the machine is large enough")
//! };
//! let extra = METRICS.iter().find(|metric| metric.name == "flushes_extra_per_reclaim_cycle").expect("a column");
//! let (unpatched, patched) = (run("unpatched"), run("patched"));
//! assert_eq!((extra.value)(&unpatched, None).to_string(), "0.000");
//! assert_eq!((extra.value)(&patched, Some(&unpatched)).to_string(), "1.000");
//! ```
//!
//! A sweep is many of those, each in a file of its own ([`sweep`]).
//!
//! # Whether it is safe
//!
//! A [litmus] file is a scenario with the verdicts expected of it:
//!
//! ```
//! use sim_core::drive::explore::Witness;
//! use sim_core::policy;
//! use workloads::litmus::Litmus;
//! use workloads::litmus::check::Found;
//!
//! let text = "\
//! litmus mine
//! title  a thread stores while another one gives the page away and reclaim is at it
//! source the guide
//! era    v4.13
//! page   x rw anon dirty
//! cpu    0 kthread: reclaim x
//! cpu    1: write x; write x
//! cpu    2: madvise x dontneed
//! expect sometimes data batched: it finds nothing to flush
//! ";
//! let litmus = Litmus::parse("mine.litmus", text).expect("every word is right");
//! let batched = policy::find("batched").expect("a policy");
//! let checked = litmus.check(batched, 1_000_000);
//! assert!(litmus.as_expected(batched, &checked));
//! let moves = checked.moves.expect("it has a violation");
//! let witness = Witness::replay(&litmus.race(batched), &moves).to_string();
//! assert!(witness.contains("=> data violation: store of x on CPU1"), "{witness}");
//!
//! let patched = policy::find("patched").expect("a policy");
//! assert_eq!(litmus.check(patched, 1_000_000).found, Found::Never);
//! ```
//!
//! # What a kernel did
//!
//! A recording is replayed from what programs did; what the kernel flushed is looked at afterwards:
//!
//! ```
//! use sim_core::{policy, step::era};
//! use workloads::machines::machine;
//! use workloads::recorded::replay::Timing;
//! use workloads::recorded::report::{Options, report};
//! use workloads::recorded::{Pick, embedded, import};
//!
//! let source = embedded("pageout-dirty-mprotect").expect("it is built in");
//! let recording = import(source.input(), &Pick::Busiest).expect("it is well-formed");
//! let options = Options {
//!     policy: policy::find("pending-generation").expect("a policy"),
//!     era: era::find("v6.18").expect("an era"),
//!     profile: ("zen5_vm", "", &machine("zen5_vm").expect("it is built in").profile()),
//!     timing: Timing::Recorded,
//!     processes: 1,
//! };
//! let report = report(&recording, options).expect("the machine has prices");
//! assert_eq!(report.operations.len(), 78);
//! assert!(report.operations.iter().all(|call| call.recorded_full_ipi == Some(call.predicted_full_ipi)));
//! ```
//!
//! # A policy of your own
//!
//! It is a file and a row of `sim_core::policy`, and then it goes by its name in all of the above.

pub mod calibrate;
pub mod error;
pub mod lackey;
pub mod litmus;
pub mod machines;
pub mod outcome;
pub mod paired;
pub mod recorded;
pub mod speed;
pub mod sweep;
pub mod synthetic;
pub mod timeline;
