//! The live view of mmusim: a run that can be stepped, taken back and looked into.

pub mod app;
pub mod engine;
pub mod keys;
pub mod moment;
pub mod picture;
pub mod screen;
pub mod speed;
pub mod terminal;
pub mod theme;
pub mod tour;
pub mod ui;
mod words;
