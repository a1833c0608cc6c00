//! The pages of `docs/` are a book: each is in it, and links and commands lead somewhere.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::stdout;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn read(page: &str) -> String {
    fs::read_to_string(docs().join(page)).unwrap_or_else(|e| panic!("docs/{page}: {e}"))
}

/// The pages by name, the table of contents included.
fn pages() -> BTreeSet<String> {
    let names = docs().read_dir().expect("docs").map(|entry| entry.expect("a file").file_name());
    let is_page = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "md");
    names.filter_map(|name| name.into_string().ok()).filter(is_page).collect()
}

/// The page without its blocks of code.
fn prose(text: &str) -> String {
    let parts = text.split("```");
    parts.step_by(2).collect()
}

/// Where the links of a page lead.
fn links(page: &str) -> Vec<String> {
    let text = prose(&read(page));
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// The names of the headings of a page in links, as GitHub and mdbook make them.
fn headings(page: &str) -> BTreeSet<String> {
    let slug = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    let text = prose(&read(page));
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| slug(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let mut listed = links("SUMMARY.md");
    listed.sort();
    let mut pages = pages();
    assert!(pages.remove("SUMMARY.md"));
    assert_eq!(listed, pages.into_iter().collect::<Vec<_>>());
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut followed = 0;
    for page in pages() {
        for link in links(&page).into_iter().filter(|link| !link.starts_with("https://")) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() { &page } else { file };
            // What is not in this folder is not in the book.
            assert!(pages().contains(file), "docs/{page}: no page {file}");
            assert!(heading.is_empty() || headings(file).contains(heading), "docs/{page}: {file} has no #{heading}");
            followed += 1;
        }
    }
    assert!(followed > 40, "{followed} links");
}

#[test]
fn commands_of_the_pages_are_there() {
    let help = stdout(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: BTreeSet<&str> = listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains("compare"));
    let mut seen = BTreeSet::new();
    for page in pages() {
        let text = read(&page);
        for block in text.split("```").skip(1).step_by(2) {
            let Some((language, block)) = block.split_once('\n') else { continue };
            let lines = block.lines().filter(|_| ["sh", "console"].contains(&language));
            for line in lines.filter_map(|line| line.trim_start_matches("$ ").strip_prefix("mmusim ")) {
                let command = line.split_whitespace().next().expect("a word");
                let is_there = commands.contains(command) || command.starts_with('-');
                assert!(is_there, "docs/{page}: there is no `mmusim {command}`");
                seen.insert(command.to_owned());
            }
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
}
