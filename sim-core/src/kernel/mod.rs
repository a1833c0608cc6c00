//! The kernel paths, as atomic steps.
//!
//! Nothing here knows which policy is in force or how long a cycle is. Step labels carry the numbers that the comments and
//! witnesses use: R for reclaim, M mprotect, Z zap, P pageout, F pending check (inside a hook), X and G the two sides of
//! a shootdown.

pub mod path;
