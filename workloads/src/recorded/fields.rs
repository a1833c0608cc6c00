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

/// Digits only: no sign.
pub(super) fn digits(text: &str, radix: u32) -> Option<u64> {
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
    separator: &'static str,
    mark: &'static str,
}

impl<'a> Fields<'a> {
    /// `name=value name=value`
    pub(super) fn equals(rest: &'a str) -> Self {
        Self { rest, separator: " ", mark: "=" }
    }

    /// `name: value, name: value`
    pub(super) fn colons(rest: &'a str) -> Self {
        Self { rest, separator: ", ", mark: ": " }
    }

    /// The value of the next field of that name.
    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, Fault<'a>> {
        self.either(field, field)
    }

    /// The same as a number.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, Fault<'a>> {
        self.text(field).and_then(|text| sized(field, text))
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
        let (piece, rest) = self.rest.split_once(self.separator).unwrap_or((self.rest, ""));
        self.rest = rest;
        match piece.split_once(self.mark) {
            Some((name, value)) if !value.contains(' ') => Ok(Some((name, value))),
            _ => Err(Fault::new(wanted, piece, "a name and a value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
