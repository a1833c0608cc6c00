//! The live view of mmusim: a run that can be stepped, taken back and looked into.

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
