//! Where a recording comes from, and how its bytes are had.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::ImportError;

/// First bytes of a zstd frame.
pub(crate) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Most bytes of text an import accepts. Line numbers fit 32 bits below it, and a small compressed
/// file cannot fill the memory.
const MAX_BYTES: u64 = 1 << 30;

/// What to import.
#[derive(Clone, Debug)]
pub enum Input {
    /// A file; `-` means standard input.
    Path(PathBuf),
    /// Bytes at hand.
    Bytes {
        /// What to call them in messages.
        name: String,
        /// Text or compressed text.
        bytes: Cow<'static, [u8]>,
    },
}

/// Reads an input to its end and decompresses it where it starts with the magic number of zstd.
/// Returns its name and the text.
///
/// # Errors
///
/// If the input cannot be read, is damaged, or has more than 1 GiB of text.
pub fn decode(input: Input) -> Result<(String, Vec<u8>), ImportError> {
    let (name, bytes) = match input {
        Input::Bytes { name, bytes } => (name, bytes),
        Input::Path(path) if path.as_os_str() == "-" => {
            let name = "<standard input>".to_owned();
            let bytes = read_all(&name, io::stdin().lock(), 0)?;
            (name, Cow::Owned(bytes))
        }
        Input::Path(path) => {
            let name = path.display().to_string();
            let bytes = read_file(&name, &path)?;
            (name, Cow::Owned(bytes))
        }
    };
    let text = if bytes.starts_with(&ZSTD_MAGIC) {
        decompress(&name, &bytes)?
    } else {
        check_size(&name, &bytes)?;
        bytes.into_owned()
    };
    Ok((name, text))
}

fn read_file(name: &str, path: &Path) -> Result<Vec<u8>, ImportError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ImportError::NotFound { name: name.to_owned(), source },
        io::ErrorKind::IsADirectory => ImportError::Directory { name: name.to_owned() },
        _ => ImportError::unreadable(name, source),
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(ImportError::Directory { name: name.to_owned() });
    }
    read_all(name, file, metadata.len())
}

/// Reads to the end, but not far beyond the limit.
fn read_all(name: &str, reader: impl Read, expected: u64) -> Result<Vec<u8>, ImportError> {
    let capacity = usize::try_from(expected.min(MAX_BYTES)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(capacity);
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|source| ImportError::unreadable(name, source))?;
    check_size(name, &bytes)?;
    Ok(bytes)
}

fn decompress(name: &str, bytes: &[u8]) -> Result<Vec<u8>, ImportError> {
    let mut text = Vec::new();
    let outcome =
        zstd::Decoder::with_buffer(bytes).and_then(|decoder| decoder.take(MAX_BYTES + 1).read_to_end(&mut text));
    if let Err(source) = outcome {
        return Err(ImportError::BadZstd {
            name: name.to_owned(),
            bytes: text.len() as u64,
            lines: newlines(&text),
            source,
        });
    }
    check_size(name, &text)?;
    Ok(text)
}

pub(super) fn check_size(name: &str, bytes: &[u8]) -> Result<(), ImportError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ImportError::TooLarge { name: name.to_owned(), limit: MAX_BYTES });
    }
    Ok(())
}

/// Line ends in some text.
pub(super) fn newlines(text: &[u8]) -> u64 {
    text.split(|&byte| byte == b'\n').count() as u64 - 1
}
