//! One file a subcommand.

pub(crate) mod ablate;
pub(crate) mod calibrate;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod distinguish;
pub(crate) mod explain;
pub(crate) mod list;
pub(crate) mod plot;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod speed;
pub(crate) mod sweep;
pub(crate) mod tlb;
mod witness;
