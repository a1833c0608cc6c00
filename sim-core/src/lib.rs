//! The mmusim model: a multicore MMU, the kernel paths around TLB flushing, and two drivers that run the same text.
//!
//! What is run is a [`Setting`](drive::engine::Setting): a flush policy in a kernel. The clock runs it in the order of times and says
//! what it costs, the explorer in every order there is and says whether it is safe. Workloads, recordings and litmus files are in the
//! crate `workloads`; here they are written by hand.
//!
//! # What a policy costs
//!
//! A [`Clock`](drive::clock::Clock) takes a world, the work of each core and a machine. Here one core reclaims four pages that another
//! one uses:
//!
//! ```
//! use std::collections::VecDeque;
//!
//! use sim_core::drive::clock::source::{Order, Source, What};
//! use sim_core::drive::clock::{Clock, RunAhead};
//! use sim_core::drive::engine::Setting;
//! # use sim_core::machine::testing::prime_profile;
//! use sim_core::nouns::op::{Op, OpKind};
//! use sim_core::nouns::types::{Cpu, Mm, Span, Task};
//! use sim_core::policy;
//! use sim_core::step::era;
//! use sim_core::world::Cause;
//! use sim_core::world::big::Big;
//! use sim_core::world::small::Scenario;
//!
//! struct Script(Vec<VecDeque<Order>>);
//!
//! impl Source for Script {
//!     fn next(&mut self, cpu: Cpu, _now: u64) -> Option<Order> {
//!         self.0[usize::from(cpu.0)].pop_front()
//!     }
//! }
//!
//! let reclaim = Op::call(OpKind::Reclaim(Mm(0)), Span { first: 0, pages: 4 });
//! let scenario = Scenario::new("four pages", 4, 1, &[&[reclaim], &[]]);
//! let order = Order { task: Task(0), what: What::Op(reclaim), not_before: 0, work: 0, tag: 0, cycle: None };
//! # // Profiles of machines are in `workloads`; of this one each cost is another prime.
//! let profile = prime_profile();
//! let flushes = |name, cause| {
//!     let setting = Setting::of(policy::find(name).expect("a policy"), *era::find("v6.18").expect("an era"));
//!     let script = Script(vec![VecDeque::from([order]), VecDeque::new()]);
//!     let world = Big::stage(&scenario, &profile);
//!     let mut clock = Clock::new(world, script, setting, &profile, RunAhead::Off).expect("it has prices");
//!     clock.run();
//!     assert!(clock.stats.cycles.total() > 0);
//!     clock.stats.flushes.get(&cause).copied()
//! };
//! assert_eq!(flushes("immediate", Cause::PerPage), Some(4));
//! assert_eq!(flushes("batched", Cause::Batch), Some(1));
//! ```
//!
//! # Whether it is safe
//!
//! [`search`](drive::explore::search) tries every order of the steps of a [`Scenario`](world::small::Scenario). `Never` is a proof
//! within the bounds of the scenario; `Sometimes` has the moves of a violation, the fewest there are.
//!
//! ```
//! use sim_core::drive::clock::along::along;
//! use sim_core::drive::engine::Setting;
//! use sim_core::drive::explore::race::Race;
//! use sim_core::drive::explore::{Verdict, Witness, search};
//! # use sim_core::machine::testing::prime_profile;
//! use sim_core::nouns::op::{Op, OpKind};
//! use sim_core::nouns::types::{AccessKind, Mm, Rights, Span};
//! use sim_core::policy;
//! use sim_core::step::era;
//! use sim_core::world::small::Scenario;
//!
//! // CPU0 reclaims a page, CPU1 stores to it twice, CPU2 makes it read-only.
//! let page = Span::page(0);
//! let reclaim = Op::call(OpKind::Reclaim(Mm(0)), page);
//! let store = Op::access(AccessKind::Store, 0);
//! let programs: &[&[Op]] = &[&[reclaim], &[store, store], &[Op::mprotect(page, Rights::READ)]];
//! let scenario = Scenario::new("seed", 1, 1, programs);
//! let under = |name| {
//!     let setting = Setting::of(policy::find(name).expect("a policy"), *era::find("v4.13").expect("an era"));
//!     Race { scenario: &scenario, setting }
//! };
//!
//! let patched = search(&under("patched"), 1_000_000);
//! assert_eq!(patched.verdict, Verdict::Never { vacuous: false });
//!
//! let unpatched = under("unpatched");
//! let Verdict::Sometimes(moves) = search(&unpatched, 1_000_000).verdict else { panic!("the race is not found") };
//! let witness = Witness::replay(&unpatched, &moves).to_string();
//! assert!(witness.trim_end().ends_with("=> permission violation: store of x on CPU1"));
//!
//! // The same moves on a machine: when each starts, and how long it takes.
//! let timed = along(&scenario, unpatched.setting, &prime_profile(), &moves).expect("they can be made");
//! let last = timed.last().expect("there are moves");
//! assert!(last.violations.len() == 1 && last.start_cycles > 0);
//! ```
//!
//! # A policy of your own
//!
//! A [`Policy`](policy::Policy) answers hooks and knows nothing else. This one puts flushes off, and whoever is about to trust a PTE
//! flushes first, owed or not:
//!
//! ```
//! use sim_core::drive::engine::Setting;
//! use sim_core::drive::explore::race::Race;
//! use sim_core::drive::explore::{Verdict, search};
//! use sim_core::nouns::op::{Op, OpKind};
//! use sim_core::nouns::types::{AccessKind, Mm, Rights, Span};
//! use sim_core::policy::{Hook, HookStep, Policy, Words};
//! use sim_core::step::era;
//! use sim_core::world::small::Scenario;
//!
//! #[derive(Debug)]
//! struct WhenInDoubt {
//!     flushes: bool,
//! }
//!
//! impl Policy for WhenInDoubt {
//!     fn defer(&self, remote_in_mask: bool) -> bool {
//!         remote_in_mask
//!     }
//!
//!     fn hook(&self, hook: Hook, pc: u8, _words: &mut Words, _local: &mut u32) -> HookStep {
//!         match (hook, pc) {
//!             (Hook::BeforeTrust, 0) if self.flushes => HookStep::FlushMm(1),
//!             _ => HookStep::Done,
//!         }
//!     }
//! }
//!
//! let page = Span::page(0);
//! let reclaim = Op::call(OpKind::Reclaim(Mm(0)), page);
//! let store = Op::access(AccessKind::Store, 0);
//! let programs: &[&[Op]] = &[&[reclaim], &[store, store], &[Op::mprotect(page, Rights::READ)]];
//! let scenario = Scenario::new("seed", 1, 1, programs);
//! let verdict = |policy| {
//!     let setting = Setting { policy, era: *era::find("v4.13").expect("an era") };
//!     search(&Race { scenario: &scenario, setting }, 1_000_000).verdict
//! };
//! assert_eq!(verdict(&WhenInDoubt { flushes: true }), Verdict::Never { vacuous: false });
//! assert!(matches!(verdict(&WhenInDoubt { flushes: false }), Verdict::Sometimes(_)));
//! ```
//!
//! With a file in [`policy`] and a row in [`policy::OWN`] the command line has it, too: `mmusim new policy NAME` writes both, and
//! `docs/tutorial.md` goes on from there.
//!
//! # Where things are
//!
//! Layers import downwards: [`drive`] (clock and explorer), [`kernel`] (one file a path), [`policy`] and [`oracle`], [`step`] (what
//! paths are made of), [`world`] (what steps act on), [`machine`] (TLBs and profiles), [`nouns`]. `ARCHITECTURE.md` says why.

pub mod drive;
pub mod kernel;
pub mod machine;
pub mod nouns;
pub mod oracle;
pub mod policy;
pub mod step;
pub mod world;
