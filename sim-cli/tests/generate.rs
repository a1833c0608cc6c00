//! Manual pages and completions: there is one for each command, and they say what the command line says.

mod common;

use std::fs;

use common::{expect, mmusim, stdout};

/// The commands of a help text.
fn commands(help: &str) -> Vec<&str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

#[test]
fn each_command_has_a_manual_page() {
    let directory = tempfile::tempdir().expect("a directory");
    mmusim(&["generate", "man", directory.path().to_str().expect("text")]).assert().success().stdout("");
    let help = stdout(&["--help"]);
    let names = commands(&help);
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let page = fs::read_to_string(directory.path().join(format!("mmusim-{name}.1"))).expect(name);
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH DESCRIPTION"), "{page}");
    }
    assert!(directory.path().join("mmusim-sweep-run.1").exists());
    let page = fs::read_to_string(directory.path().join("mmusim-explain.1")).expect("a page");
    insta::assert_snapshot!(page.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn completions_know_every_command() {
    let help = stdout(&["--help"]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&["generate", "completions", shell]);
        for name in commands(&help) {
            assert!(script.contains(name), "{shell}: no {name}");
        }
        assert!(script.contains("pending-generation"), "{shell} knows no policy");
    }
}

#[test]
fn pages_need_a_directory() {
    expect(&["generate", "man", "/nonexistent"], &["/nonexistent is no directory", "expected a directory that exists"]);
}
