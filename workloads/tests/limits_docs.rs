//! `docs/limits.md` names tests and litmus files that exist.

use std::path::Path;

use workloads::litmus::find;

/// The names in backticks of a cell, in order.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// What a row points at: a litmus file, or a file of the repository and a test in it.
#[derive(Debug, PartialEq, Eq)]
enum Pointer<'p> {
    Litmus(&'p str),
    Test(&'p str, &'p str),
}

fn pointers(cell: &str) -> Vec<Pointer<'_>> {
    let mut names = names(cell).into_iter();
    let mut found = Vec::new();
    while let Some(name) = names.next() {
        found.push(if Path::new(name).extension().is_some_and(|extension| extension == "rs") {
            Pointer::Test(name, names.next().unwrap_or_else(|| panic!("`{name}` is followed by a test")))
        } else {
            Pointer::Litmus(name)
        });
    }
    found
}

/// Is there such a thing?
fn exists(pointer: &Pointer<'_>) -> bool {
    match pointer {
        Pointer::Litmus(name) => find(name).is_some(),
        Pointer::Test(file, test) => {
            let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file);
            let source = std::fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = source.lines().map(str::trim).collect();
            lines.windows(2).any(|two| two[0] == "#[test]" && two[1] == format!("fn {test}() {{"))
        }
    }
}

#[test]
fn every_limit_is_seen_in_something_that_exists() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md")).unwrap();
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| not there")).collect();
    assert!(rows.len() > 15, "{}", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, seen, _] = cells[..] else { panic!("three cells: {row}") };
        let pointers = pointers(seen);
        assert!(!pointers.is_empty(), "nothing is named: {row}");
        let missing: Vec<_> = pointers.iter().filter(|pointer| !exists(pointer)).collect();
        assert!(missing.is_empty(), "there is no {missing:?}");
    }
}

#[test]
fn what_does_not_exist_is_noticed() {
    for cell in
        ["`B99-nothing`", "`sim-core/tests/paths.rs` `nothing_of_this_name`", "`sim-core/tests/nothing.rs` `main`"]
    {
        assert!(pointers(cell).iter().all(|pointer| !exists(pointer)), "{cell}");
    }
}
