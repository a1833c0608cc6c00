//! One file a subcommand.

pub(crate) mod compare;
pub(crate) mod list;
pub(crate) mod replay;
