//! The calls of a line of strace: arguments by their names, and results.

use super::event::Call;
use super::fields::{Fault, NUMBER, number};

/// A call whose arguments say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argued<'a> {
    /// One that a recording knows.
    Memory(Call),
    /// The end of the heap that is asked for, or 0.
    Brk(u64),
    /// A new thread, or a new process.
    Clone {
        /// Of the same process.
        thread: bool,
    },
    /// Another program, by its path.
    Execve(&'a str),
    /// Any other.
    Other,
}

type Names = [(&'static str, u32)];

/// mmap(2), mprotect(2): asm-generic/mman-common.h; those of one architecture: asm/mman.h of arm64.
const PROTECTIONS: &Names = &[
    ("PROT_NONE", 0),
    ("PROT_READ", 1),
    ("PROT_WRITE", 2),
    ("PROT_EXEC", 4),
    ("PROT_SEM", 8),
    ("PROT_BTI", 0x10),
    ("PROT_MTE", 0x20),
    ("PROT_GROWSDOWN", 1 << 24),
    ("PROT_GROWSUP", 1 << 25),
];

/// mmap(2), as on x86.
const MAP_FLAGS: &Names = &[
    ("MAP_FILE", 0),
    ("MAP_SHARED", 1),
    ("MAP_PRIVATE", 2),
    ("MAP_SHARED_VALIDATE", 3),
    ("MAP_DROPPABLE", 8),
    ("MAP_FIXED", 0x10),
    ("MAP_ANONYMOUS", 0x20),
    ("MAP_32BIT", 0x40),
    ("MAP_ABOVE4G", 0x80),
    ("MAP_GROWSDOWN", 0x100),
    ("MAP_DENYWRITE", 0x800),
    ("MAP_EXECUTABLE", 0x1000),
    ("MAP_LOCKED", 0x2000),
    ("MAP_NORESERVE", 0x4000),
    ("MAP_POPULATE", 0x8000),
    ("MAP_NONBLOCK", 0x1_0000),
    ("MAP_STACK", 0x2_0000),
    ("MAP_HUGETLB", 0x4_0000),
    ("MAP_SYNC", 0x8_0000),
    // It maps only where nothing is, so it replaces nothing.
    ("MAP_FIXED_NOREPLACE", 0x10_0000),
    ("MAP_UNINITIALIZED", 0x400_0000),
];

/// mremap(2).
const MOVE_FLAGS: &Names = &[("MREMAP_MAYMOVE", 1), ("MREMAP_FIXED", 2), ("MREMAP_DONTUNMAP", 4)];

/// madvise(2): asm-generic/mman-common.h.
const ADVICE: &Names = &[
    ("MADV_NORMAL", 0),
    ("MADV_RANDOM", 1),
    ("MADV_SEQUENTIAL", 2),
    ("MADV_WILLNEED", 3),
    ("MADV_DONTNEED", 4),
    ("MADV_FREE", 8),
    ("MADV_REMOVE", 9),
    ("MADV_DONTFORK", 10),
    ("MADV_DOFORK", 11),
    ("MADV_MERGEABLE", 12),
    ("MADV_UNMERGEABLE", 13),
    ("MADV_HUGEPAGE", 14),
    ("MADV_NOHUGEPAGE", 15),
    ("MADV_DONTDUMP", 16),
    ("MADV_DODUMP", 17),
    ("MADV_WIPEONFORK", 18),
    ("MADV_KEEPONFORK", 19),
    ("MADV_COLD", 20),
    ("MADV_PAGEOUT", 21),
    ("MADV_POPULATE_READ", 22),
    ("MADV_POPULATE_WRITE", 23),
    ("MADV_DONTNEED_LOCKED", 24),
    ("MADV_COLLAPSE", 25),
    ("MADV_HWPOISON", 100),
    ("MADV_SOFT_OFFLINE", 101),
    ("MADV_GUARD_INSTALL", 102),
    ("MADV_GUARD_REMOVE", 103),
];

/// Reads `CALL(ARGUMENTS`, without the closing parenthesis.
pub(super) fn read(given: &str) -> Result<Argued<'_>, Fault<'_>> {
    let (name, list) = given.split_once('(').unwrap_or((given, ""));
    let mut list = List { rest: Some(list) };
    let call = match name {
        "mmap" | "mmap2" => Call::Mmap {
            address: list.number("addr")?,
            length: list.number("length")?,
            protection: list.flags("prot", PROTECTIONS)?,
            flags: list.flags("flags", MAP_FLAGS)?,
            fd: list.descriptor()?,
            offset: list.number("offset")?,
        },
        "munmap" => Call::Munmap { address: list.number("addr")?, length: list.number("length")? },
        "mprotect" | "pkey_mprotect" => Call::Mprotect {
            start: list.number("addr")?,
            length: list.number("length")?,
            protection: list.flags("prot", PROTECTIONS)?,
        },
        "madvise" => Call::Madvise {
            start: list.number("addr")?,
            length: list.number("length")?,
            advice: list.flags("advice", ADVICE)?,
        },
        "mremap" => {
            let (address, old_length) = (list.number("old_address")?, list.number("old_size")?);
            let (new_length, flags) = (list.number("new_size")?, list.flags("flags", MOVE_FLAGS)?);
            // It is printed where the flags give it a meaning.
            let new_address = if flags & 6 == 0 || list.rest.is_none() { 0 } else { list.number("new_address")? };
            Call::Mremap { address, old_length, new_length, flags, new_address }
        }
        "brk" => return list.number("addr").map(Argued::Brk),
        "clone" | "clone3" => return Ok(Argued::Clone { thread: given.contains("CLONE_THREAD") }),
        "fork" | "vfork" => return Ok(Argued::Clone { thread: false }),
        "execve" => return Ok(Argued::Execve(given.split('"').nth(1).unwrap_or("unnamed"))),
        _ => return Ok(Argued::Other),
    };
    Ok(Argued::Memory(call))
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With this value; errors are -1 here, whichever they are.
    Returned(u64),
    /// The thread ended first.
    Never,
}

/// What follows the `=`: a value, and what it means in words; with -y the path of a descriptor follows it at once.
pub(super) fn result(text: &str) -> Option<Ended> {
    let value = text.split_whitespace().next()?;
    let value = value.split_once('<').map_or(value, |(value, _)| value);
    if value == "?" { Some(Ended::Never) } else { number(value).map(Ended::Returned) }
}

/// How long a call took: strace -T.
pub(super) fn took_ns(text: &str) -> u64 {
    let seconds = text.trim_end().strip_suffix('>').and_then(|text| text.rsplit_once('<')).map(|(_, seconds)| seconds);
    seconds.and_then(super::line::nanoseconds).unwrap_or(0)
}

/// Arguments, read from the front.
struct List<'a> {
    rest: Option<&'a str>,
}

impl<'a> List<'a> {
    fn next(&mut self, field: &'static str) -> Result<&'a str, Fault<'a>> {
        let rest = self.rest.filter(|rest| !rest.is_empty()).ok_or(Fault::missing(field, "that argument"))?;
        let (first, rest) = rest.split_once(", ").map_or((rest, None), |(first, rest)| (first, Some(rest)));
        self.rest = rest;
        Ok(first.trim_end_matches(','))
    }

    fn number(&mut self, field: &'static str) -> Result<u64, Fault<'a>> {
        let text = self.next(field)?;
        if text == "NULL" { Ok(0) } else { number(text).ok_or(Fault::new(field, text, NUMBER)) }
    }

    /// Names with `|` between them; strace prints what it has no name for as a number.
    fn flags(&mut self, field: &'static str, names: &Names) -> Result<u32, Fault<'a>> {
        let text = self.next(field)?;
        let without_comment = text.split_once(" /*").map_or(text, |(flags, _)| flags);
        without_comment.split('|').try_fold(0, |flags, name| Some(flags | value(name, names)?)).ok_or(Fault::new(
            field,
            text,
            "names of flags with | between them, or a number",
        ))
    }

    /// With -y its path follows, which may have commas in it; the offset is what comes last.
    fn descriptor(&mut self) -> Result<i32, Fault<'a>> {
        let rest = self.rest.ok_or(Fault::missing("fd", NUMBER))?;
        let (fd, offset) = rest.rsplit_once(", ").ok_or(Fault::missing("offset", NUMBER))?;
        self.rest = Some(offset);
        let digits = fd.split_once('<').map_or(fd, |(digits, _)| digits);
        digits.parse().map_err(|_| Fault::new("fd", fd, NUMBER))
    }
}

fn value(name: &str, names: &Names) -> Option<u32> {
    if let Some((log2, "MAP_HUGE_SHIFT")) = name.split_once("<<") {
        return number(log2).filter(|log2| *log2 < 64).map(|log2| (log2 as u32) << 26);
    }
    let known = names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    known.or_else(|| number(name).and_then(|value| u32::try_from(value).ok()))
}
