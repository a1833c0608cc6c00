//! The tutorial, word for word: every command of `docs/tutorial.md` prints what the page says.

mod common;

use std::path::Path;

use common::{checkout, mmusim};

/// The blocks of a page that are marked with this word.
fn blocks<'p>(page: &'p str, word: &str) -> Vec<&'p str> {
    let fence = format!("```{word}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("the end of the block")).collect()
}

#[test]
fn every_command_prints_what_the_page_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tutorial.md");
    let page = std::fs::read_to_string(path).expect("the tutorial");
    // With the policies of this checkout, of which one is made; that it compiles and what it does then is tested in `workloads`.
    let directory = checkout();
    let litmus = blocks(&page, "text").into_iter().find(|text| text.starts_with("litmus mine")).expect("mine.litmus");
    std::fs::write(directory.path().join("mine.litmus"), litmus).expect("a file");
    let mut commands = 0;
    for block in blocks(&page, "console") {
        for step in format!("\n{block}").split("\n$ mmusim ").skip(1) {
            let (command, expected) = step.split_once('\n').unwrap_or((step, ""));
            let args: Vec<&str> = command.split(' ').collect();
            let assert = mmusim(&args).current_dir(directory.path()).assert().success().stderr("");
            let printed = String::from_utf8(assert.get_output().stdout.clone()).expect("text");
            assert_eq!(printed.trim_end(), expected.trim_end(), "{command}");
            commands += 1;
        }
    }
    assert!(commands >= 7, "{commands} commands");
    assert!(directory.path().join("overlap.svg").exists());
    assert!(directory.path().join("sim-core/src/policy/when_in_doubt.rs").exists());
}
