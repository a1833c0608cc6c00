//! One file a subcommand.

pub(crate) mod ablate;
pub(crate) mod calibrate;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod distinguish;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod plot;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod speed;
pub(crate) mod sweep;
pub(crate) mod tlb;
pub(crate) mod tui;
pub(crate) mod validate;
mod witness;
