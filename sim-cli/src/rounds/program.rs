//! The program that makes rounds and is recorded: C, in a process of its own.
//!
//! `MADV_PAGEOUT` has no safe wrapper in any crate, and this workspace forbids what is not safe. Apart from that, the fewer calls and
//! faults of its own a recorded program has, the better.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::case::Case;

/// What `build.rs` made of `rounds.c`.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rounds"));

/// Puts the program into a directory; returns it with its arguments for a case. Its threads get this name.
pub(crate) fn program(directory: &Path, case: &Case, rounds: u32, name: &str) -> io::Result<Vec<OsString>> {
    let path = directory.join("rounds");
    fs::write(&path, PROGRAM)?;
    fs::set_permissions(&path, Permissions::from_mode(0o700))?;
    let spin = if case.spinner { "1" } else { "0" };
    let mut words = vec![path.into_os_string(), name.into(), spin.into(), rounds.to_string().into()];
    words.extend(case.steps.iter().map(|step| step.word().into()));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::rounds::case::CASES;

    /// Whatever the machine allows: without swap, `MADV_PAGEOUT` takes nothing.
    #[test]
    fn the_program_knows_every_step() {
        let directory = tempfile::tempdir().expect("a directory");
        for case in CASES {
            // The second thread has no part in the steps, and needs a CPU of its own.
            let alone = Case { spinner: false, ..*case };
            let words = program(directory.path(), &alone, 3, "rounds-1").expect("it can be written");
            let output = Command::new(&words[0]).args(&words[1..]).output().expect("it runs");
            assert!(output.status.success(), "{}: {output:?}", case.name);
        }
        let unknown = Command::new(directory.path().join("rounds")).args(["n", "0", "1", "wrte"]).output();
        assert_eq!(unknown.expect("it runs").status.code(), Some(2));
    }
}
