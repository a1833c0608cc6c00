//! The nouns every layer shares: identifiers, rights, page-table entries, operations, marks. No behaviour of any machine or kernel.

pub mod cpuset;
pub mod marks;
pub mod op;
pub mod types;
