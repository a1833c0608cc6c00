//! Recorded traces: the text of `perf script`, ftrace or strace, plain or compressed, turned into [`Event`]s. One file and one row of
//! [`IMPORTERS`] a kind of text.
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
mod ftrace;
mod import;
mod importer;
mod importers;
mod line;
mod order;
mod pages;
mod parts;
mod perf;
mod pick;
mod ranges;
pub mod replay;
pub mod report;
pub mod script;
mod settle;
mod source;
mod strace;
mod strace_args;
mod tracepoints;
mod wanted;
mod what;

pub use embedded::{EMBEDDED, Embedded, embedded};
pub use error::ImportError;
pub(crate) use error::excerpt;
pub use event::{Call, CallName, Event, ImportSummary, ListStats, Recording, RunState, Target, What};
pub use import::{import, import_text};
pub use importer::Importer;
pub use importers::IMPORTERS;
pub use pick::Pick;
pub(crate) use source::ZSTD_MAGIC;
pub use source::{Input, decode};
pub use wanted::{TRACEPOINTS, Tracepoint};
