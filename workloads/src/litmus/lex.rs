//! Lines and words, each with its place in the text.

use std::ops::Range;

use super::words;
use crate::error::TextError;

/// A word with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) text: &'t str,
    pub(super) span: Range<usize>,
}

/// A line that is not empty: its first word, and the rest without a comment.
#[derive(Clone, Debug)]
pub(super) struct Line<'t> {
    pub(super) keyword: Token<'t>,
    pub(super) rest: Token<'t>,
    /// With its `#`.
    pub(super) comment: Option<&'t str>,
}

/// The text being read, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    pub(super) name: &'t str,
    pub(super) text: &'t str,
}

impl<'t> Text<'t> {
    pub(super) fn error(self, span: Range<usize>, message: impl Into<String>) -> TextError {
        TextError::new(self.name, self.text, span, message)
    }

    /// The part of the text at a place, without blanks around it.
    fn trimmed(self, span: Range<usize>) -> Token<'t> {
        let text = &self.text[span.clone()];
        let start = span.start + text.len() - text.trim_start().len();
        Token { text: text.trim(), span: start..start + text.trim().len() }
    }

    /// A line that starts at this byte; none if there is nothing but a comment.
    pub(super) fn line(self, start: usize, line: &str) -> Option<Line<'t>> {
        let end = start + line.len();
        let code_end = line.find('#').map_or(end, |at| start + at);
        let code = self.trimmed(start..code_end);
        if code.text.is_empty() {
            return None;
        }
        let length = code.text.find(char::is_whitespace).unwrap_or(code.text.len());
        let keyword = self.trimmed(code.span.start..code.span.start + length);
        let rest = self.trimmed(keyword.span.end..code.span.end);
        Some(Line { keyword, rest, comment: (code_end < end).then(|| self.text[code_end..end].trim_end()) })
    }

    /// All lines with something on them.
    pub(super) fn lines(self) -> impl Iterator<Item = Line<'t>> {
        let mut start = 0;
        self.text.split('\n').filter_map(move |line| {
            let at = start;
            start += line.len() + 1;
            self.line(at, line.trim_end_matches('\r'))
        })
    }

    /// The words of a part; `:` and `;` are words of their own.
    pub(super) fn words(self, part: &Token<'t>) -> Vec<Token<'t>> {
        let mut words = Vec::new();
        let mut start = None;
        let base = part.span.start;
        for (at, c) in part.text.char_indices().chain([(part.text.len(), ' ')]) {
            let mark = matches!(c, ':' | ';');
            if (c.is_whitespace() || mark)
                && let Some(from) = start.take()
            {
                words.push(self.trimmed(base + from..base + at));
            }
            if mark {
                words.push(self.trimmed(base + at..base + at + 1));
            } else if !c.is_whitespace() && start.is_none() {
                start = Some(at);
            }
        }
        words
    }

    /// The parts of a text before and after its first `:`.
    pub(super) fn halves(self, part: &Token<'t>) -> Option<(Token<'t>, Token<'t>)> {
        let colon = part.span.start + part.text.find(':')?;
        Some((self.trimmed(part.span.start..colon), self.trimmed(colon + 1..part.span.end)))
    }
}

/// The words left on a line, taken one by one.
pub(super) struct Words<'t> {
    text: Text<'t>,
    left: std::vec::IntoIter<Token<'t>>,
    /// Where something is missing, if it is.
    end: Range<usize>,
}

impl<'t> Words<'t> {
    pub(super) fn new(text: Text<'t>, part: &Token<'t>) -> Words<'t> {
        Words { text, left: text.words(part).into_iter(), end: part.span.end..part.span.end }
    }

    pub(super) fn of(text: Text<'t>, words: Vec<Token<'t>>, end: usize) -> Words<'t> {
        Words { text, left: words.into_iter(), end: end..end }
    }

    /// The next word, or what was expected there.
    pub(super) fn need(&mut self, expected: &str) -> Result<Token<'t>, TextError> {
        self.next().ok_or_else(|| self.text.error(self.end.clone(), format!("the line ends here; expected {expected}")))
    }

    pub(super) fn next(&mut self) -> Option<Token<'t>> {
        self.left.next()
    }

    pub(super) fn peek(&self) -> Option<&Token<'t>> {
        self.left.as_slice().first()
    }

    /// Nothing more may follow.
    pub(super) fn end(&mut self, form: &str) -> Result<(), TextError> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(self.text.error(word.span, format!("`{}` is too much; expected `{form}`", word.text))),
        }
    }
}

/// The value of the next word in a table.
pub(super) fn choose<T: Copy>(
    text: Text<'_>,
    words: &mut Words<'_>,
    table: &[(words::Word, T)],
    what: &str,
) -> Result<T, TextError> {
    let expected = format!("{what}: {}", words::names(table.iter().map(|(word, _)| word)));
    let word = words.need(&expected)?;
    words::value(table, word.text)
        .ok_or_else(|| text.error(word.span, format!("unknown `{}`; expected {expected}", word.text)))
}
