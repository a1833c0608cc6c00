//! The file of a point: its result and, in the last line, a hash. A file without the right one is as good as none.
//!
//! Files are named by the ids of their points, written aside and renamed. Nothing else says what is done: shards do not know of
//! each other, and whatever ran twice wrote the same bytes.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::outcome::sha256;
use crate::sweep::Point;

/// What the last line begins with.
const TRAILER: &str = "#sha256,";

/// What is there of a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Its result.
    Done(String),
    /// Nothing.
    Missing,
    /// A file that is cut off or changed: to be run again.
    Broken,
    /// What it said when it failed: to be run again.
    Failed(String),
}

impl State {
    /// What it is called in lists.
    pub fn name(&self) -> &'static str {
        match self {
            State::Done(_) => "done",
            State::Missing => "missing",
            State::Broken => "broken",
            State::Failed(_) => "failed",
        }
    }
}

/// The file of a point's result.
pub fn path(directory: &Path, point: &Point) -> PathBuf {
    directory.join(format!("{}.csv", point.id))
}

/// The file that says why a point failed.
pub fn failure_path(directory: &Path, point: &Point) -> PathBuf {
    directory.join(format!("{}.failed", point.id))
}

/// The text of a point's file.
pub fn seal(id: &str, result: &str) -> String {
    format!("{result}{TRAILER}{}\n", hash(id, result))
}

/// What is there of a point.
///
/// # Errors
/// If a file is there and cannot be read.
pub fn state(directory: &Path, point: &Point) -> io::Result<State> {
    let read = |path: PathBuf| match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    };
    let broken = match read(path(directory, point))? {
        Some(bytes) => match opened(&point.id, &bytes) {
            Some(result) => return Ok(State::Done(result.to_owned())),
            None => State::Broken,
        },
        None => State::Missing,
    };
    let failure = read(failure_path(directory, point))?;
    Ok(failure.map_or(broken, |bytes| State::Failed(String::from_utf8_lossy(&bytes).trim_end().to_owned())))
}

/// The result in the bytes of a file, if they are whole and of this point.
fn opened<'b>(id: &str, bytes: &'b [u8]) -> Option<&'b str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (result, trailer) = text.split_at(text.rfind(TRAILER)?);
    (trailer.strip_prefix(TRAILER)?.strip_suffix('\n')? == hash(id, result)).then_some(result)
}

/// With its id: the file of one point under the name of another is broken, too.
fn hash(id: &str, result: &str) -> String {
    sha256(format!("{id}\n{result}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_and_every_changed_byte_is_told() {
        let sealed = seal("a", "x,y\n1,2\n");
        assert_eq!(opened("a", sealed.as_bytes()), Some("x,y\n1,2\n"));
        assert_eq!(opened("b", sealed.as_bytes()), None);
        for cut in 0..sealed.len() {
            assert_eq!(opened("a", &sealed.as_bytes()[..cut]), None, "{cut}");
        }
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(opened("a", &bytes), None, "{at}");
        }
        assert_eq!(opened("a", format!("{sealed}\n").as_bytes()), None);
    }
}
