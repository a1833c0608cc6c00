//! One line of lackey: two letters, a blank, the address in hexadecimal, a comma, the size.

/// Bytes of a page, log2.
pub(super) const PAGE_SHIFT: u32 = 12;
/// Bytes of a page, and of what cachegrind is told to be a line.
pub const PAGE_BYTES: u32 = 1 << PAGE_SHIFT;
const PAGE: u64 = PAGE_BYTES as u64;

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fetch,
    Load,
    Store,
    /// Reads and writes.
    Modify,
}

/// One access. Its address is canonical (57 bits, the rest as the last of them) and its size from 1 to 4096.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) kind: Kind,
    pub(super) address: u64,
    pub(super) size: u64,
}

impl Access {
    /// Does it go on in the next page?
    #[inline]
    pub(super) fn is_across(self) -> bool {
        (self.address & (PAGE - 1)) + self.size > PAGE
    }
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Access(Access),
    /// It begins like an access, and is none.
    Malformed,
    /// Of valgrind itself, or of the program.
    Other,
}

/// Bytes that [`usual`] looks at, whatever the length of the line.
pub(super) const WINDOW: usize = 32;

const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The kind by the first two bytes of a line.
#[inline]
fn kind(first: u8, second: u8) -> Option<Kind> {
    match [first, second] {
        [b'I', b' '] => Some(Kind::Fetch),
        [b' ', b'L'] => Some(Kind::Load),
        [b' ', b'S'] => Some(Kind::Store),
        [b' ', b'M'] => Some(Kind::Modify),
        _ => None,
    }
}

/// An access as lackey prints most of them, and the length of its line: an address of 8 to 15 lower-case digits, and a size of one
/// or two. Digits are read eight at a time, in the bytes of a word: a loop over them, whose end cannot be foreseen, takes
/// longer than the TLBs do.
#[inline]
pub(super) fn usual(text: &[u8; WINDOW]) -> Option<(Access, usize)> {
    let word = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().expect("eight bytes"));
    let kind = kind(text[0], text[1])?;
    let (high, low) = (word(3), word(11));
    let commas = low ^ each(b',');
    // The lowest byte that is 0 has its top bit set here; higher ones need not be right.
    let found = commas.wrapping_sub(each(1)) & !commas & each(0x80);
    let more = found.trailing_zeros() as usize / 8;
    if more > 7 {
        return None;
    }
    // The digits before the comma move to the top, behind zeros.
    let behind = 8 * (7 - more as u32);
    let padded = (low << behind) << 8 | (each(b'0') >> (8 * more as u32));
    let address = u64::from(hexadecimal(high)?) << (4 * more) | u64::from(hexadecimal(padded)?);
    let (size, length) = match text[more + 12..more + 15] {
        [one @ b'1'..=b'9', b'\n', _] => (u64::from(one - b'0'), more + 14),
        [ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\n'] => {
            (u64::from(ten - b'0') * 10 + u64::from(one - b'0'), more + 15)
        }
        _ => return None,
    };
    let usable = text[2] == b' ' && address >> 56 == 0;
    usable.then_some((Access { kind, address, size }, length))
}

/// Eight digits, the first in the lowest byte; lower case.
#[inline]
fn hexadecimal(text: u64) -> Option<u32> {
    // The top bit of a byte says whether the byte is at least so much; bytes below 0x80 do not carry.
    let at_least = |least: u8| text.wrapping_add(each(0x80 - least));
    let decimal = at_least(b'0') & !at_least(b'9' + 1);
    let letter = at_least(b'a') & !at_least(b'f' + 1);
    if text & each(0x80) != 0 || (decimal | letter) & each(0x80) != each(0x80) {
        return None;
    }
    let digits = (text & each(0x0f)) + 9 * (text >> 6 & each(1));
    let bytes = (digits << 4 | digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let shorts = (bytes << 8 | bytes >> 16) & 0x0000_ffff_0000_ffff;
    Some((shorts << 16 | shorts >> 32) as u32)
}

/// Any line, without its newline.
pub(super) fn any(line: &[u8]) -> Line {
    let [first, second, b' ', rest @ ..] = line else { return Line::Other };
    let Some(kind) = kind(*first, *second) else { return Line::Other };
    if !rest.first().is_some_and(u8::is_ascii_hexdigit) {
        return Line::Other;
    }
    access(kind, rest).map_or(Line::Malformed, Line::Access)
}

fn access(kind: Kind, rest: &[u8]) -> Option<Access> {
    let (address, size) = std::str::from_utf8(rest).ok()?.split_once(',')?;
    let unsigned = |text: &str, radix| if text.starts_with('+') { None } else { u64::from_str_radix(text, radix).ok() };
    let (address, size) = (unsigned(address, 16)?, unsigned(size, 10)?);
    let sign = address.cast_signed() >> 56;
    ((sign == 0 || sign == -1) && (1..=PAGE).contains(&size)).then_some(Access { kind, address, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(line: &str) -> [u8; WINDOW] {
        let mut window = [b'\n'; WINDOW];
        window[..line.len()].copy_from_slice(line.as_bytes());
        window
    }

    #[test]
    fn both_ways_to_read_a_line_agree() {
        let starts = ["I  ", " L ", " S ", " M ", "I L", "L  ", "  I", " L:", "== "];
        let addresses = [
            "04001000",
            "0401ab73",
            "1fff000d48",
            "7ffff7fe4b3f",
            "ffffffffffffff",
            "fffffffffffffff",
            "ffffffffff600000",
            "100000000000000",
            "0",
            "4001000",
            "0401AB73",
            "0401ab7g",
            "0401a`73",
            "0401ab7:",
            "0401ab7/",
            "04\u{e9}1ab",
            "",
            "-4001000",
            "0401 ab7",
            "00000000000000000401ab73",
        ];
        let sizes =
            [",1", ",8", ",32", ",512", ",4096", ",4097", ",0", ",08", ",", "", ",+8", ",x", ",8 ", ",8,8", ",1x"];
        let mut accesses = 0;
        let pairs = || starts.iter().flat_map(|start| addresses.map(|address| format!("{start}{address}")));
        for line in pairs().flat_map(|start| sizes.map(|size| format!("{start}{size}"))) {
            if line.len() >= WINDOW {
                continue;
            }
            if let Some((access, length)) = usual(&window(&format!("{line}\n"))) {
                assert_eq!((any(line.as_bytes()), length), (Line::Access(access), line.len() + 1), "{line:?}");
                accesses += 1;
            }
        }
        // Four kinds, addresses that are usual, sizes that are.
        assert_eq!(accesses, 4 * 5 * 3);
    }

    #[test]
    fn addresses_and_sizes() {
        let of = |line: &str| any(line.as_bytes());
        let access = |kind, address, size| Line::Access(Access { kind, address, size });
        assert_eq!(of("I  0401ab73,5"), access(Kind::Fetch, 0x0401_ab73, 5));
        assert_eq!(of(" M 1FFF000d48,4096"), access(Kind::Modify, 0x1f_ff00_0d48, 4096));
        assert_eq!(of(" S 7,1"), access(Kind::Store, 7, 1));
        assert_eq!(of("I  ffffffffff600000,9"), access(Kind::Fetch, 0xffff_ffff_ff60_0000, 9));
        for line in [
            " L 8",
            " L 8,",
            " L 8,0",
            " L 8,4097",
            " L 8,8x",
            " L 8,8 ",
            " L 8,8\r",
            " L 200000000000000,1",
            "I  am",
            " L 8,+8",
        ] {
            assert_eq!(of(line), Line::Malformed, "{line:?}");
        }
        for line in
            ["", "==12== ", "I am", " Let me", "I  was here", " L", " L ", " L +8,8", "I", " X 0401ab73,8", "\u{e9}"]
        {
            assert_eq!(of(line), Line::Other, "{line:?}");
        }
    }

    #[test]
    fn accesses_across_pages() {
        let across = |address, size| Access { kind: Kind::Load, address, size }.is_across();
        assert!(!across(0xff8, 8) && across(0xff9, 8) && !across(0, 4096) && across(1, 4096) && !across(0xfff, 1));
    }
}
