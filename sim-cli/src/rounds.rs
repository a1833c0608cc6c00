//! Rounds of MADV_PAGEOUT on the running kernel: what they consist of, the process that makes them, and what of a recording of it
//! belongs to which round.

pub(crate) mod case;
pub(crate) mod held;
pub(crate) mod program;
