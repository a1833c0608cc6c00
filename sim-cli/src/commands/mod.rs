//! One file a subcommand.

pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod list;
pub(crate) mod replay;
mod witness;
