//! What the tests of the program share.

use assert_cmd::Command;

/// The program with these arguments.
pub(crate) fn mmusim(args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mmusim"));
    command.args(args).env("NO_COLOR", "1");
    command
}

/// What it prints when all is well.
#[allow(dead_code, reason = "not every test file needs it")]
pub(crate) fn stdout(args: &[&str]) -> String {
    let assert = mmusim(args).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("text")
}
