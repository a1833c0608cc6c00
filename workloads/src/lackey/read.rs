//! The text of lackey, read as it comes: traces are larger than memory, and valgrind may still be at work on the other end of a pipe.

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::arrays::{Arrays, Counts, Geometry};
use super::error::LackeyError;
use super::line::{Kind, Line, WINDOW, any, usual};
use crate::outcome::hexadecimal;
use crate::recorded::{Input, ZSTD_MAGIC, excerpt};

/// Bytes read at a time: few enough to stay in the cache until they are parsed.
const CHUNK: usize = 1 << 17;

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accesses {
    /// Where they came from: the path, or standard input.
    pub name: String,
    /// SHA-256 of the decompressed text, in hexadecimal.
    pub sha256: String,
    /// Fetches.
    pub fetches: Counts,
    /// Data reads, modifies included.
    pub reads: Counts,
    /// Data writes.
    pub writes: Counts,
    /// Reads that write, too.
    pub modifies: u64,
    /// Accesses across two pages.
    pub across: u64,
    /// Lines of the text.
    pub lines: u64,
    /// Those that are no access: of valgrind itself, or of the program.
    pub other_lines: u64,
}

impl Accesses {
    /// The name it goes by in results, which must not depend on where it lies.
    pub fn file_name(&self) -> &str {
        Path::new(&self.name).file_name().and_then(|name| name.to_str()).unwrap_or(&self.name)
    }
}

/// Counts the accesses of an input, and what of them misses. `progress` hears now and then how many were counted.
///
/// # Errors
///
/// If the input cannot be read, a line that begins like an access is none, the last one is cut short, or none is an access.
pub fn count(input: Input, geometry: &Geometry, progress: &mut dyn FnMut(u64)) -> Result<Accesses, LackeyError> {
    let (name, source) = open(input)?;
    let mut reader = Reader { name, lines: 0, other_lines: 0, within: false, arrays: Arrays::new(geometry) };
    let (mut source, compressed) = plain(source).map_err(|error| reader.broken(error, false))?;
    let mut hash = Sha256::new();
    // The window of the last line may reach beyond what was read.
    let mut buffer = vec![0; CHUNK + WINDOW];
    let mut kept = 0;
    loop {
        let read = match source.read(&mut buffer[kept..CHUNK]) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(reader.broken(error, compressed)),
        };
        hash.update(&buffer[kept..kept + read]);
        let filled = kept + read;
        let used = reader.whole_lines(&buffer, filled)?;
        buffer.copy_within(used..filled, 0);
        kept = filled - used;
        if kept == CHUNK {
            reader.long_line(&buffer[..kept])?;
            kept = 0;
        }
        progress(reader.lines - reader.other_lines);
    }
    reader.finish(&buffer[..kept], &hash.finalize())
}

/// Where the bytes come from, and its name.
fn open(input: Input) -> Result<(String, Box<dyn Read>), LackeyError> {
    let path = match input {
        Input::Bytes { name, bytes } => return Ok((name, Box::new(Cursor::new(bytes)))),
        Input::Path(path) if path.as_os_str() == "-" => {
            return Ok(("<standard input>".to_owned(), Box::new(io::stdin().lock())));
        }
        Input::Path(path) => path,
    };
    let name = path.display().to_string();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(LackeyError::NotFound { name }),
        Err(source) => return Err(LackeyError::Unreadable { name, source }),
    };
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(LackeyError::Directory { name });
    }
    Ok((name, Box::new(file)))
}

/// The text behind a source, and whether that was compressed.
fn plain(mut source: Box<dyn Read>) -> io::Result<(Box<dyn Read>, bool)> {
    let mut start = Vec::new();
    source.by_ref().take(ZSTD_MAGIC.len() as u64).read_to_end(&mut start)?;
    let compressed = start == ZSTD_MAGIC;
    let whole = Cursor::new(start).chain(source);
    Ok(if compressed {
        (Box::new(zstd::Decoder::with_buffer(BufReader::new(whole))?), true)
    } else {
        (Box::new(whole), false)
    })
}

struct Reader {
    name: String,
    lines: u64,
    other_lines: u64,
    /// What comes next is the rest of a long line.
    within: bool,
    arrays: Arrays,
}

impl Reader {
    /// Takes the lines that end in the first `filled` bytes, and says how many bytes they are.
    fn whole_lines(&mut self, buffer: &[u8], filled: usize) -> Result<usize, LackeyError> {
        let mut at = 0;
        if self.within {
            let Some(end) = memchr::memchr(b'\n', &buffer[..filled]) else { return Ok(filled) };
            self.within = false;
            self.lines += 1;
            self.other_lines += 1;
            at = end + 1;
        }
        loop {
            if let Some(window) = buffer[at..].first_chunk::<WINDOW>()
                && let Some((access, length)) = usual(window)
                && at + length <= filled
            {
                self.lines += 1;
                self.arrays.access(access);
                at += length;
                continue;
            }
            let Some(length) = memchr::memchr(b'\n', &buffer[at..filled]) else { return Ok(at) };
            self.line(&buffer[at..at + length])?;
            at += length + 1;
        }
    }

    /// One that is not as usual, without its newline.
    fn line(&mut self, line: &[u8]) -> Result<(), LackeyError> {
        match any(line) {
            Line::Access(access) => self.arrays.access(access),
            Line::Malformed => return Err(self.malformed(line)),
            Line::Other => self.other_lines += 1,
        }
        self.lines += 1;
        Ok(())
    }

    /// The beginning of a line that is too long for an access.
    fn long_line(&mut self, start: &[u8]) -> Result<(), LackeyError> {
        if any(start) != Line::Other {
            return Err(self.malformed(start));
        }
        self.within = true;
        Ok(())
    }

    fn malformed(&self, line: &[u8]) -> LackeyError {
        LackeyError::Malformed { name: self.name.clone(), line: self.lines + 1, excerpt: shown(line) }
    }

    fn broken(&self, source: io::Error, compressed: bool) -> LackeyError {
        let name = self.name.clone();
        if compressed {
            LackeyError::BadZstd { name, lines: self.lines, source }
        } else {
            LackeyError::Unreadable { name, source }
        }
    }

    /// `rest`: the last line, if it has no newline.
    fn finish(mut self, rest: &[u8], hash: &[u8]) -> Result<Accesses, LackeyError> {
        if self.within || !rest.is_empty() {
            if any(rest) != Line::Other {
                return Err(LackeyError::CutShort { name: self.name, line: self.lines + 1, excerpt: shown(rest) });
            }
            self.lines += 1;
            self.other_lines += 1;
        }
        if self.lines == self.other_lines {
            return Err(LackeyError::NoAccess { name: self.name, lines: self.lines });
        }
        let of = |kind: Kind| self.arrays.counts[kind as usize];
        let (loads, modifies) = (of(Kind::Load), of(Kind::Modify));
        Ok(Accesses {
            name: self.name,
            sha256: hexadecimal(hash),
            fetches: of(Kind::Fetch),
            reads: Counts {
                refs: loads.refs + modifies.refs,
                first_misses: loads.first_misses + modifies.first_misses,
                second_misses: loads.second_misses + modifies.second_misses,
            },
            writes: of(Kind::Store),
            modifies: modifies.refs,
            across: self.arrays.across,
            lines: self.lines,
            other_lines: self.other_lines,
        })
    }
}

/// The beginning of a line, as text.
fn shown(line: &[u8]) -> String {
    excerpt(&String::from_utf8_lossy(&line[..line.len().min(200)]))
}
