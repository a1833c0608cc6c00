//! The one way to write a file: what each line says stays, only blanks change.

use super::Litmus;
use super::lex::{Line, Text, Token};
use super::words::LINES;
use crate::error::TextError;

/// The text of a file as it should be written. Formatting it again changes nothing.
///
/// # Errors
/// If it is no litmus file.
pub fn format(name: &str, text: &str) -> Result<String, TextError> {
    Litmus::parse(name, text)?;
    let text = Text { name, text };
    let mut out = String::new();
    let (mut start, mut blank) = (0, false);
    for raw in text.text.split('\n') {
        let line = raw.trim_end_matches('\r');
        let written = match text.line(start, line) {
            Some(line) => self::line(text, &line),
            None => line.trim().to_owned(),
        };
        start += raw.len() + 1;
        if written.is_empty() {
            blank = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut blank) {
            out.push('\n');
        }
        out.push_str(&written);
        out.push('\n');
    }
    Ok(out)
}

fn line(text: Text<'_>, line: &Line<'_>) -> String {
    let width = LINES.iter().map(|word| word.name.len()).max().unwrap_or(0);
    let rest = match line.keyword.text {
        "title" | "source" => plain(&line.rest),
        "expect" | "weaker" => match text.halves(&line.rest) {
            Some((head, reason)) => format!("{}: {}", plain(&head), plain(&reason)),
            None => plain(&line.rest),
        },
        _ => marked(&text.words(&line.rest)),
    };
    let comment = line.comment.map_or(String::new(), |comment| format!("  {comment}"));
    format!("{:width$} {rest}{comment}", line.keyword.text).trim_end().to_owned()
}

fn plain(part: &Token<'_>) -> String {
    part.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Words with one blank between them, and none before a `:` or `;`.
fn marked(words: &[Token<'_>]) -> String {
    let mut out = String::new();
    for word in words {
        if !out.is_empty() && ![":", ";"].contains(&word.text) {
            out.push(' ');
        }
        out.push_str(word.text);
    }
    out
}
