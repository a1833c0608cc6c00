//! What the tests of the program share.
#![allow(dead_code, reason = "not every test file needs all of it")]

pub(crate) mod stage;

use assert_cmd::Command;

/// The program with these arguments.
pub(crate) fn mmusim(args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mmusim"));
    command.args(args).env("NO_COLOR", "1");
    command
}

/// What it prints when all is well.
pub(crate) fn stdout(args: &[&str]) -> String {
    let assert = mmusim(args).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("text")
}

/// What it prints when all is well, as JSON.
pub(crate) fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&stdout(&[args, &["--format", "json"]].concat())).expect("JSON")
}

/// It ends with exit code 2, nothing on stdout, and one screen on stderr that has all these parts.
pub(crate) fn expect(args: &[&str], parts: &[&str]) {
    let assert = mmusim(args).assert().code(2).stdout("");
    let text = String::from_utf8(assert.get_output().stderr.clone()).expect("text");
    assert!(text.lines().count() <= 24, "more than a screen:\n{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("panicked"), "{text}");
    for part in parts {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

/// A file of these bytes, and its path.
pub(crate) fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    let path = path.to_str().expect("text").to_owned();
    (directory, path)
}

/// A litmus file of which every word is right.
pub(crate) const LITMUS_FILE: &str = "\
litmus good
title  a race
source a test
era    v4.13
set    dirty_assist on
page   x rw anon dirty
page   y r file clean
cached 1 x W D
cpu    0 kthread: reclaim x
cpu    1: write x; write x
cpu    2: mprotect x r
expect never immediate: a reason
";

/// A text without the policies of one's own in its lists, where they come last.
pub(crate) fn published(text: &str) -> String {
    sim_core::policy::OWN.iter().fold(text.to_owned(), |text, own| text.replace(&format!(", {}", own.name), ""))
}

/// The folder of published policies of this checkout, in a directory of its own: all that `mmusim new policy` asks of a checkout.
pub(crate) fn checkout() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let to = directory.path().join("sim-core/src/policy");
    std::fs::create_dir_all(&to).expect("a directory");
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim-core/src/policy");
    let own: Vec<String> = sim_core::policy::OWN.iter().map(|own| own.name.replace('-', "_")).collect();
    for entry in from.read_dir().expect("the policies") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let is_own =
            |line: &str| own.iter().any(|own| line == format!("mod {own};") || line == format!("    {own}::INFO,"));
        let lines = text.lines().filter(|line| !is_own(line)).flat_map(|line| [line, "\n"]);
        if !own.iter().any(|own| path.ends_with(format!("{own}.rs"))) {
            let name = path.file_name().expect("a name");
            std::fs::write(to.join(name), lines.collect::<String>()).expect("a copy");
        }
    }
    directory
}
