//! The live view of mmusim: a run that can be stepped, taken back and looked into.
//!
//! A [`Source`](source::Source) is what can be run, and a [`Playback`](playback::Playback) of it goes back and forth; a
//! [`Moment`](moment::Moment) is what a view sees of it. None of them knows a terminal:
//!
//! ```
//! use std::sync::Arc;
//!
//! use sim_core::policy;
//! use sim_tui::moment::Want;
//! use sim_tui::playback::Playback;
//! use sim_tui::program::scenario;
//! use sim_tui::source::Machine;
//! use workloads::litmus::{Litmus, find};
//! use workloads::machines::machine;
//! use workloads::outcome::Input;
//!
//! let skx = machine("skx_2s").expect("it is built in");
//! let machine = Machine { input: Input::new(skx.name, skx.text.as_bytes()), profile: skx.profile() };
//! let file = find("B01-mprotect-ro").expect("it is built in");
//! let litmus = Litmus::parse(file.name, file.text).expect("it is right");
//! let batched = policy::find("batched").expect("a policy");
//!
//! // The race, move by move. Going back is exact.
//! let source = scenario(litmus, batched, Arc::new(machine));
//! let mut playback = Playback::new(source.run(batched).expect("the machine is large enough"));
//! playback.forward(10);
//! let there = playback.moment(&Want::default());
//! playback.forward(u64::MAX);
//! assert!(playback.finished());
//! playback.to_position(10);
//! assert!(playback.moment(&Want::default()) == there);
//! ```
//!
//! [`script`] presses keys and [`picture`] draws the screen, in text or SVG; [`terminal`] does both for a person.

pub mod app;
pub mod engine;
mod follow;
mod glance;
pub mod keys;
pub mod moment;
pub mod pair;
pub mod picture;
pub mod playback;
pub mod program;
pub mod run;
pub mod screen;
pub mod script;
pub mod source;
pub mod speed;
pub mod terminal;
pub mod theme;
pub mod tour;
pub mod ui;
mod words;
