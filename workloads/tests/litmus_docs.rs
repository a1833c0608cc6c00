//! `docs/litmus.md` has every word of the language, as the tables have it.

use workloads::litmus::switches::{MECHANISMS, SWITCHES};
use workloads::litmus::words::{ADVICE, BACKINGS, DIRTINESS, LINES, NOT_YET, OPERATIONS, OPTIONS, RIGHTS, Word};
use workloads::litmus::{Litmus, find, format};

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/litmus.md");
    std::fs::read_to_string(path).unwrap()
}

fn row(form: &str, doc: &str) -> String {
    format!("| `{}` | {doc} |", form.replace('|', "\\|"))
}

/// The rows of all tables, as the page should have them.
fn rows() -> Vec<String> {
    let of = |word: &Word| row(word.form, word.doc);
    let mut rows: Vec<String> = LINES.iter().chain(OPTIONS).chain(OPERATIONS).chain(ADVICE).map(of).collect();
    rows.extend(RIGHTS.iter().map(|(word, _)| of(word)));
    rows.extend(BACKINGS.iter().map(|(word, _)| of(word)));
    rows.extend(DIRTINESS.iter().map(|(word, _)| of(word)));
    rows.extend(SWITCHES.iter().map(|s| row(&format!("{} {}", s.name, s.values()), s.doc)));
    rows.extend(MECHANISMS.iter().map(|(name, _, doc)| row(name, doc)));
    rows
}

#[test]
fn every_word_of_the_language_is_on_the_page() {
    let page = page();
    let missing: Vec<String> = rows().into_iter().filter(|row| !page.lines().any(|line| line == row)).collect();
    assert!(missing.is_empty(), "docs/litmus.md lacks:\n{}", missing.join("\n"));
    for word in NOT_YET {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
}

#[test]
fn every_row_of_the_page_is_a_word_of_the_language() {
    let rows = rows();
    let page = page();
    let found: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let unknown: Vec<_> = found.iter().filter(|line| !rows.iter().any(|row| row == *line)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert_eq!(found.len(), rows.len());
}

#[test]
fn its_example_is_the_file_of_the_catalogue() {
    let page = page();
    let example = page.split("```litmus\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    assert_eq!(example, find("B01-mprotect-ro-cached").unwrap().text);
    assert_eq!(format("example", example).unwrap(), example);
    assert!(Litmus::parse("example", example).is_ok());
}
