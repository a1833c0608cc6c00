//! Recorded traces: the text of `perf script`, plain or compressed, turned into [`Event`]s.
//!
//! [`import`] reads a file, standard input or one of the [`EMBEDDED`] recordings, checks every
//! line, and picks the process the recording is about:
//!
//! ```
//! use workloads::recorded::{Pick, embedded, import};
//!
//! let source = embedded("pageout-dirty-mprotect").expect("is embedded");
//! let recording = import(source.input(), &Pick::Busiest).expect("is well-formed");
//! assert_eq!(recording.target.comm, "pageout");
//! ```

pub mod answer;
pub mod assume;
mod build;
mod calls;
mod embedded;
mod error;
mod event;
mod fields;
mod line;
mod order;
mod pages;
mod perf;
mod pick;
mod ranges;
pub mod replay;
pub mod report;
pub mod script;
mod settle;
mod source;
mod what;

pub use embedded::{EMBEDDED, Embedded, embedded};
pub use error::ImportError;
pub use event::{Call, CallName, Event, ImportSummary, ListStats, Recording, RunState, Target, What};
pub use perf::{import, import_text};
pub use pick::Pick;
pub use source::{Input, decode};
