//! One file a subcommand.

pub(crate) mod compare;
pub(crate) mod list;
