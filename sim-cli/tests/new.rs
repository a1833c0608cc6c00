//! `mmusim new policy`: a file and a row, or nothing at all.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{checkout, mmusim};

const REGISTRY: &str = "sim-core/src/policy/mod.rs";

/// The files of the policies' folder.
fn files(root: &Path) -> BTreeMap<String, String> {
    let entries = root.join("sim-core/src/policy").read_dir().expect("the policies");
    let read = |entry: fs::DirEntry| {
        (entry.file_name().into_string().expect("text"), fs::read_to_string(entry.path()).expect("text"))
    };
    entries.map(|entry| read(entry.expect("a file"))).collect()
}

/// The lines that one text has more than another, and the line in front of each.
fn added(before: &str, after: &str) -> Vec<String> {
    let mut old = before.lines().peekable();
    let mut last = "";
    let mut added = Vec::new();
    for line in after.lines() {
        if old.next_if_eq(&line).is_none() {
            added.push(format!("{last}\n+ {line}"));
        }
        last = line;
    }
    assert_eq!(old.next(), None, "a line is gone");
    added
}

#[test]
fn a_policy_is_a_file_and_a_row() {
    let root = checkout();
    let before = files(root.path());
    // Anywhere below the root will do.
    let below = root.path().join("sim-core/src");
    let assert = mmusim(&["new", "policy", "flag-2x"]).current_dir(below).assert().success().stderr("");
    let printed = String::from_utf8(assert.get_output().stdout.clone()).expect("text");
    let mut after = files(root.path());
    let file = after.remove("flag_2x.rs").expect("the file");
    let rows = added(&before["mod.rs"], &after["mod.rs"]).join("\n");
    insta::assert_snapshot!(format!("{printed}\n==== mod.rs\n{rows}\n\n==== flag_2x.rs\n{file}"));
    after.insert("mod.rs".to_owned(), before["mod.rs"].clone());
    assert_eq!(after, before, "nothing else is touched, and nothing is left over");
}

#[test]
fn policies_are_added_one_after_the_other() {
    let root = checkout();
    let before = files(root.path());
    for name in ["zeal", "amnesia", "middle-way"] {
        mmusim(&["new", "policy", name, "--root"]).arg(root.path()).assert().success();
    }
    let rows = added(&before["mod.rs"], &files(root.path())["mod.rs"]).join("\n");
    insta::assert_snapshot!(rows);
}

/// It ends with exit code 2 and these parts on stderr, and the folder is as it was.
fn refused(root: &Path, args: &[&str], parts: &[&str]) {
    let before = files(root);
    let assert = mmusim(&[&["new", "policy"], args].concat()).current_dir(root).assert().code(2).stdout("");
    let text = String::from_utf8(assert.get_output().stderr.clone()).expect("text");
    for part in parts {
        assert!(text.contains(part), "{args:?}: no `{part}` in:\n{text}");
    }
    assert_eq!(files(root), before, "{args:?}");
}

#[test]
fn names_are_free_and_can_be_written() {
    let root = checkout();
    // A policy, an alias, and a mutant that is in no list.
    for (taken, file) in
        [("immediate", "immediate"), ("patched", "pending_flag"), ("pending-flag-unset", "pending_flag")]
    {
        refused(root.path(), &[taken], &["is taken", &format!("policy/{file}.rs has it"), "mmusim list policies"]);
    }
    let long = "x".repeat(33);
    for wrong in ["", "Mine", "my policy", "my_policy", "1st", "-x", "x-", "a--b", "../x", "naïve", "x.rs", &long] {
        refused(root.path(), &["--", wrong], &[&format!("`{wrong}` cannot be the name"), "as in `pending-flag`"]);
    }
    for reserved in ["mod", "move", "policy", "hook-step", "std"] {
        refused(root.path(), &[reserved], &["its file would not compile"]);
    }
}

#[test]
fn nothing_is_overwritten() {
    let root = checkout();
    fs::write(root.path().join("sim-core/src/policy/mine.rs"), "// by hand\n").expect("a file");
    refused(root.path(), &["mine"], &["mine.rs is there already", "expected a name that has no file yet"]);
}

#[test]
fn a_registry_without_a_place_is_left_alone() {
    let root = checkout();
    let path = root.path().join(REGISTRY);
    let text = fs::read_to_string(&path).expect("the registry");
    for without in [text.replace("OWN: ", "MINE: "), text.replace("mod ", "pub mod "), text.replace("];", "] ;")] {
        fs::write(&path, without).expect("a file");
        refused(root.path(), &["mine"], &["mod.rs: no place for a row", "pub static OWN: &[PolicyInfo] = &["]);
    }
}

#[test]
fn it_needs_a_checkout() {
    let root = checkout();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let outside = elsewhere.path().to_str().expect("text");
    let expected = "expected a checkout of mmusim, with sim-core/src/policy/mod.rs";
    refused(root.path(), &["mine", "--root", outside], &["is no checkout of mmusim", expected]);
    let assert = mmusim(&["new", "policy", "mine"]).current_dir(&elsewhere).assert().code(2).stdout("");
    let text = String::from_utf8(assert.get_output().stderr.clone()).expect("text");
    assert!(text.contains("is in no checkout of mmusim") && text.contains(expected), "{text}");
    assert_eq!(elsewhere.path().read_dir().expect("it").count(), 0);
}
