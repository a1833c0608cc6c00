//! The pieces an event's text is made of: numbers, and lists of named values.

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault<'a> {
    pub(super) field: &'static str,
    /// The text in its place; `None` if the field is missing.
    pub(super) found: Option<&'a str>,
    pub(super) expected: &'static str,
}

impl<'a> Fault<'a> {
    pub(super) fn new(field: &'static str, found: &'a str, expected: &'static str) -> Self {
        Self { field, found: Some(found), expected }
    }

    pub(super) fn missing(field: &'static str, expected: &'static str) -> Self {
        Self { field, found: None, expected }
    }
}

/// Splits at the first `mark`, of ASCII. Lines are short: the search that `str` has for patterns takes longer to set up than this
/// one to end.
#[inline]
pub(super) fn cut<'a, const N: usize>(text: &'a str, mark: &[u8; N]) -> Option<(&'a str, &'a str)> {
    let bytes = text.as_bytes();
    let at = if N == 1 {
        bytes.iter().position(|byte| *byte == mark[0])?
    } else {
        memchr::memchr_iter(mark[0], bytes).find(|&at| bytes[at..].starts_with(mark))?
    };
    Some((&text[..at], &text[at + N..]))
}

/// Splits at the last `mark`, of ASCII.
#[inline]
pub(super) fn cut_last<'a, const N: usize>(text: &'a str, mark: &[u8; N]) -> Option<(&'a str, &'a str)> {
    let bytes = text.as_bytes();
    let end = if N == 1 {
        bytes.iter().rposition(|byte| *byte == mark[0])? + 1
    } else {
        // Marks end in what is rarer than the blank that they begin with.
        memchr::memrchr_iter(mark[N - 1], bytes).map(|at| at + 1).find(|&end| bytes[..end].ends_with(mark))?
    };
    Some((&text[..end - N], &text[end..]))
}

/// Without white space at the start: [`str::trim_start`], which decodes characters, only where there is more than blanks.
#[inline]
pub(super) fn trim_start(text: &str) -> &str {
    if text.as_bytes().first().is_some_and(u8::is_ascii_graphic) { text } else { skip_blanks(text) }
}

fn skip_blanks(text: &str) -> &str {
    const BLANKS: u64 = u64::from_le_bytes(*b"        ");
    let mut bytes = text.as_bytes();
    // Columns are aligned: blanks come by the dozen.
    while let Some((eight, rest)) = bytes.split_first_chunk::<8>() {
        let blanks = (u64::from_le_bytes(*eight) ^ BLANKS).trailing_zeros() as usize / 8;
        if blanks < 8 {
            bytes = &bytes[blanks..];
            break;
        }
        bytes = rest;
    }
    let rest = &text[text.len() - bytes.len()..];
    if rest.as_bytes().first().is_some_and(u8::is_ascii_graphic) { rest } else { rest.trim_start() }
}

/// The same at the end, where lines have a newline.
#[inline]
pub(super) fn trim_end(text: &str) -> &str {
    let blanks = text.bytes().rev().take_while(|&byte| matches!(byte, b' ' | b'\n')).count();
    let rest = &text[..text.len() - blanks];
    if rest.as_bytes().last().is_some_and(u8::is_ascii_graphic) { rest } else { rest.trim_end() }
}

/// What a faulty number should have been.
pub(super) const NUMBER: &str = "a number in range";

/// A decimal number, a hexadecimal one after `0x`, or a negative decimal one in two's complement.
pub(super) fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x") {
        digits(hex, 16)
    } else if let Some(magnitude) = text.strip_prefix('-') {
        0_i64.checked_sub_unsigned(digits(magnitude, 10)?).map(i64::cast_unsigned)
    } else {
        digits(text, 10)
    }
}

/// Digits only: no sign. The radix is 10 or 16.
#[inline]
pub(super) fn digits(text: &str, radix: u32) -> Option<u64> {
    // So many digits fit 64 bits, whatever they are.
    let fit = if radix == 16 { 16 } else { 19 };
    if text.is_empty() || text.len() > fit {
        return long_digits(text, radix);
    }
    text.bytes().try_fold(0_u64, |value, byte| {
        let digit = char::from(byte).to_digit(radix)?;
        Some(value.wrapping_mul(radix.into()).wrapping_add(digit.into()))
    })
}

#[cold]
fn long_digits(text: &str, radix: u32) -> Option<u64> {
    if text.starts_with('+') {
        return None;
    }
    u64::from_str_radix(text, radix).ok()
}

/// A process or thread id: digits, or -1.
pub(super) fn task_id(text: &str) -> Option<i32> {
    if text == "-1" {
        return Some(-1);
    }
    digits(text, 10).and_then(|id| i32::try_from(id).ok())
}

/// A field's text as a number of some size.
pub(super) fn sized<'a, T: TryFrom<u64>>(field: &'static str, text: &'a str) -> Result<T, Fault<'a>> {
    number(text).and_then(|value| T::try_from(value).ok()).ok_or(Fault::new(field, text, NUMBER))
}

/// A list of named values, read from the front.
///
/// Kernels add fields now and then, so those nobody asks for are skipped; what is not of the shape
/// `name, mark, value` is a fault all the same.
pub(super) struct Fields<'a> {
    rest: &'a str,
    form: Form,
    /// Numbers without `0x` are hexadecimal, too.
    hexadecimal: bool,
}

/// How a list is written.
#[derive(Clone, Copy)]
enum Form {
    Equals,
    Colons,
}

impl<'a> Fields<'a> {
    /// `name=value name=value`
    pub(super) fn equals(rest: &'a str) -> Self {
        Self { rest, form: Form::Equals, hexadecimal: false }
    }

    /// `name: value, name: value`
    pub(super) fn colons(rest: &'a str) -> Self {
        Self { rest, form: Form::Colons, hexadecimal: false }
    }

    /// `name: value, name: value`, all in hexadecimal.
    pub(super) fn hexadecimal(rest: &'a str) -> Self {
        Self { rest, form: Form::Colons, hexadecimal: true }
    }

    /// The value of the next field of that name.
    #[inline]
    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, Fault<'a>> {
        // Mostly it is the very next one.
        if let (Form::Equals, Some(value)) =
            (self.form, self.rest.strip_prefix(field).and_then(|rest| rest.strip_prefix('=')))
        {
            let (value, rest) = cut(value, b" ").unwrap_or((value, ""));
            self.rest = rest;
            return Ok(value);
        }
        self.either(field, field)
    }

    /// The same as a number.
    #[inline]
    pub(super) fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, Fault<'a>> {
        let text = self.text(field)?;
        self.sized(field, text)
    }

    /// The text of a field as a number, as they are written here.
    pub(super) fn sized<T: TryFrom<u64>>(&self, field: &'static str, text: &'a str) -> Result<T, Fault<'a>> {
        if !self.hexadecimal {
            return sized(field, text);
        }
        let value = digits(text.strip_prefix("0x").unwrap_or(text), 16);
        value.and_then(|value| T::try_from(value).ok()).ok_or(Fault::new(field, text, NUMBER))
    }

    /// The value of the next field that has one of two names.
    pub(super) fn either(&mut self, field: &'static str, other: &'static str) -> Result<&'a str, Fault<'a>> {
        while let Some((name, value)) = self.next(field)? {
            if name == field || name == other {
                return Ok(value);
            }
        }
        Err(Fault::missing(field, "that field, in the kernel's order"))
    }

    /// Checks the shape of the fields nobody asked for.
    pub(super) fn finish(mut self) -> Result<(), Fault<'a>> {
        while self.next("(any)")?.is_some() {}
        Ok(())
    }

    fn next(&mut self, wanted: &'static str) -> Result<Option<(&'a str, &'a str)>, Fault<'a>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (piece, pair) = match self.form {
            Form::Equals => self.equal(),
            Form::Colons => self.colon(),
        };
        pair.map(Some).ok_or_else(|| Fault::new(wanted, piece, "a name and a value"))
    }

    /// Goes past the next piece: all of it, and what it consists of.
    fn equal(&mut self) -> (&'a str, Option<(&'a str, &'a str)>) {
        let (text, bytes) = (self.rest, self.rest.as_bytes());
        let mark = bytes.iter().position(|byte| matches!(byte, b'=' | b' ')).unwrap_or(bytes.len());
        let end = bytes[mark..].iter().position(|&byte| byte == b' ').map_or(bytes.len(), |after| mark + after);
        self.rest = text.get(end + 1..).unwrap_or_default();
        // Without a mark before its end it has none.
        (&text[..end], (mark < end).then(|| (&text[..mark], &text[mark + 1..end])))
    }

    fn colon(&mut self) -> (&'a str, Option<(&'a str, &'a str)>) {
        let (piece, rest) = cut(self.rest, b", ").unwrap_or((self.rest, ""));
        self.rest = rest;
        (piece, cut(piece, b": ").filter(|(_, value)| !value.as_bytes().contains(&b' ')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts_like_str<const N: usize>(text: &str, mark: &[u8; N]) {
        let pattern = std::str::from_utf8(mark).unwrap();
        assert_eq!(cut(text, mark), text.split_once(pattern), "{text:?} at {pattern:?}");
        assert_eq!(cut_last(text, mark), text.rsplit_once(pattern), "{text:?} at the last {pattern:?}");
    }

    #[test]
    fn cuts_and_trims_as_str_does() {
        for text in [
            "",
            "a",
            "=",
            "a=b",
            " a = b = c ",
            "==>",
            "é ==> é ==> é\n",
            "\u{a0} = ==>=\u{a0}",
            "\t==> \n",
            " ==> \r\n",
        ] {
            cuts_like_str(text, b"=");
            cuts_like_str(text, b" ");
            cuts_like_str(text, b" ==> ");
            cuts_like_str(text, b"==");
            assert_eq!((trim_start(text), trim_end(text)), (text.trim_start(), text.trim_end()), "{text:?}");
        }
    }

    #[test]
    fn numbers() {
        for (text, value) in [
            ("0", Some(0)),
            ("0x7f9f9ca1b000", Some(0x7f9f_9ca1_b000)),
            ("0xffffffffffffffff", Some(u64::MAX)),
            ("0x10000000000000000", None),
            ("-1", Some(u64::MAX)),
            ("-12", Some(u64::MAX - 11)),
            ("-9223372036854775808", Some(1 << 63)),
            ("-9223372036854775809", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("00000000000000000000000000000007", Some(7)),
            ("0x00000000000000000f", Some(15)),
            ("12/3", None),
            ("12:3", None),
            ("0x1g", None),
            ("", None),
            ("-", None),
            ("0x", None),
            ("+1", None),
            ("0x+1", None),
            ("0x-1", None),
            ("--1", None),
            ("1 ", None),
        ] {
            assert_eq!(number(text), value, "{text:?}");
        }
    }

    #[test]
    fn task_ids() {
        assert_eq!(task_id("-1"), Some(-1));
        assert_eq!(task_id("2147483647"), Some(i32::MAX));
        for text in ["-2", "2147483648", "", "+1", "0x1"] {
            assert_eq!(task_id(text), None, "{text:?}");
        }
    }

    #[test]
    fn fields_in_order_with_strangers_between() {
        let mut fields = Fields::equals("a=1 new=x b=0x2 c=3");
        assert_eq!(fields.number::<u8>("a"), Ok(1));
        assert_eq!(fields.number::<u8>("b"), Ok(2));
        assert_eq!(fields.finish(), Ok(()));
        // One begins as another does, and one has no value.
        let mut fields = Fields::equals("ab=1 a= a=2 b=3=4");
        assert_eq!((fields.text("a"), fields.text("a"), fields.text("b")), (Ok(""), Ok("2"), Ok("3=4")));
        assert!(fields.text("c").is_err());
    }

    #[test]
    fn faults_name_the_field() {
        let missing = Fields::equals("a=1").number::<u8>("b").unwrap_err();
        assert_eq!((missing.field, missing.found), ("b", None));
        let large = Fields::equals("a=256").number::<u8>("a").unwrap_err();
        assert_eq!((large.field, large.found), ("a", Some("256")));
        let shapeless = Fields::equals("a 1").text("a").unwrap_err();
        assert_eq!((shapeless.field, shapeless.found), ("a", Some("a")));
        let mut colons = Fields::colons("a: 1, b: 2  rec 1/2 [0] 1.5: x");
        assert_eq!(colons.text("a"), Ok("1"));
        assert!(colons.finish().is_err());
    }
}
