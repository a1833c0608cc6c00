//! The accesses of a program as valgrind's lackey prints them.

use std::borrow::Cow;

use workloads::lackey::{Array, Geometry, count};
use workloads::recorded::Input;

/// Small TLBs, which a few accesses fill.
const GEOMETRY: Geometry = Geometry {
    fetch: Array { entries: 4, ways: 2 },
    data: Array { entries: 6, ways: 2 },
    second: Some(Array { entries: 12, ways: 4 }),
};

/// Counts accesses and misses.
pub fn text(bytes: &[u8]) {
    let input = Input::Bytes { name: "fuzz".to_owned(), bytes: Cow::Owned(bytes.to_vec()) };
    let counted = match count(input, &GEOMETRY, &mut |_| {}) {
        Ok(counted) => counted,
        Err(error) => return crate::says(&error),
    };
    let all = [counted.fetches, counted.reads, counted.writes];
    let refs: u64 = all.iter().map(|counts| counts.refs).sum();
    assert_eq!(refs + counted.other_lines, counted.lines, "every line is an access or none");
    let ordered =
        all.iter().all(|counts| counts.second_misses <= counts.first_misses && counts.first_misses <= counts.refs);
    assert!(ordered, "more misses than accesses: {counted:?}");
}
