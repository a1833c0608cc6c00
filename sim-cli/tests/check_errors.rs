//! Litmus files that break one rule of the language each: message, line and caret.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use common::{LITMUS_FILE as GOOD, mmusim, published};

/// One operation more than there may be.
const SIXTEEN: &str = "read x; read x; read x; read x; read x; read x; read x; read x; read x; read x; read x; read x; read x; read x; read x; read x";

/// The rule, and what of the good file is replaced by what.
const RULES: &[(&str, &[(&str, &str)])] = &[
    ("the name comes first", &[("litmus good\n", "")]),
    ("a name is one word", &[("litmus good", "litmus good bad")]),
    ("a title has a text", &[("title  a race", "title")]),
    ("a title is there once", &[("source a test", "title another")]),
    ("a source is there", &[("source a test\n", "")]),
    ("a line begins with a word of the language", &[("source a", "sauce a")]),
    ("an era is a known one", &[("v4.13", "v4.12")]),
    ("a switch is a known one", &[("dirty_assist on", "dirty_assit on")]),
    ("a switch has a value", &[("dirty_assist on", "dirty_assist")]),
    ("a switch takes its own values", &[("dirty_assist on", "dirty_assist 1")]),
    ("a count is a number", &[("dirty_assist on", "free_batch_slots off")]),
    ("a mechanism is a known one", &[("dirty_assist on", "mechanism pigeon")]),
    ("a switch is set once", &[("era    v4.13", "era    v4.13\nset dirty_assist off")]),
    ("a page has a name", &[("page   x", "page   1x")]),
    ("names of pages differ", &[("page   y", "page   x")]),
    ("a page has rights", &[("x rw anon", "x rwx anon")]),
    ("a page has a backing", &[("rw anon dirty", "rw shmem dirty")]),
    ("a page is clean or dirty", &[("anon dirty", "anon filthy")]),
    ("a page has no other options", &[("file clean", "file clean huge")]),
    ("tables are few", &[("file clean", "file clean table 9")]),
    ("tables are filled in order", &[("file clean", "file clean table 2")]),
    ("pages are few", &[("cached 1", "page a r anon clean\npage b r anon clean\npage c r anon clean\ncached 1")]),
    (
        "pages of two processes are fewer",
        &[("cached 1", "page a r anon clean\npage b r anon clean process 1\ncached 1")],
    ),
    ("the child of a fork starts empty", &[("file clean", "file clean process 1"), ("write x; write x", "fork")]),
    ("a cached page is a known one", &[("cached 1 x W D", "cached 1 z")]),
    ("a cached translation has W and D", &[("cached 1 x W D", "cached 1 x W X")]),
    ("it grants what its PTE grants", &[("cached 1 x W D", "cached 1 y W")]),
    ("it is of a page with rights", &[("r file clean\ncached 1 x W D", "none file clean\ncached 1 y")]),
    ("there is one of a page", &[("cached 1 x W D", "cached 1 x W D\ncached 1 x")]),
    ("its CPU runs the process", &[("cached 1 x W D", "cached 0 x W D")]),
    ("a CPU has a colon", &[("cpu    1: write", "cpu    1 write")]),
    ("CPUs are counted", &[("cpu    1:", "cpu    2:")]),
    ("CPUs are few", &[("cpu    1:", "cpu    7:")]),
    ("a CPU has no other options", &[("cpu    1:", "cpu    1 idle:")]),
    ("a kernel thread has no process", &[("0 kthread:", "0 kthread process 1:")]),
    ("a CPU has operations between its semicolons", &[("write x; write", "write x;; write")]),
    ("operations are known ones", &[("write x; write", "wriet x; write")]),
    ("the model has the operation", &[("write x; write", "collapse x; write")]),
    ("a kernel thread has no user code", &[("kthread: reclaim x", "kthread: read x")]),
    ("kswapd is a kernel thread", &[("write x; write x", "kswapd")]),
    ("an access is to one page", &[("write x; write", "write x..y; write")]),
    ("an operation names known pages", &[("mprotect x r", "mprotect q r")]),
    (
        "an operation names pages of its process",
        &[("file clean", "file clean process 1"), ("mprotect x r", "mprotect y r")],
    ),
    ("a span goes forward", &[("mprotect x r", "mprotect y..x r")]),
    ("an operation has its arguments", &[("mprotect x r", "mprotect x")]),
    ("and no others", &[("mprotect x r", "mprotect x r now")]),
    ("an advice is a known one", &[("mprotect x r", "madvise x willneed")]),
    ("a page does not move onto itself", &[("mprotect x r", "mremap x..y x")]),
    ("a page is not merged with itself", &[("mprotect x r", "ksm x x")]),
    (
        "there is room where it moves",
        &[("mprotect x r", "mremap x..y z"), ("file clean", "file clean\npage z r file clean")],
    ),
    ("there is one fork", &[("write x; write x", "fork; fork")]),
    ("the child does not fork", &[("cpu    2:", "cpu    2 process 1: fork\ncpu    3:")]),
    ("nobody is left behind", &[("mprotect x r", "exit")]),
    ("a list is of pages in a row", &[("reclaim x", "reclaim y x")]),
    (
        "what is awaited is signalled",
        &[("write x; write x", "write x; await a; await b"), ("mprotect x r", "signal a")],
    ),
    ("flags are few", &[("write x; write x", "signal; signal a; signal b; signal c")]),
    ("a driver takes its own memory back", &[("mprotect x r", "unmap-mapping y")]),
    (
        "memory of a driver is not moved",
        &[("page   y r file", "page   y r pfn"), ("mprotect x r", "munmap y; mremap x y")],
    ),
    ("nor mapped afresh", &[("mprotect x r", "munmap x; mmap x r pfn")]),
    ("mincore is trusted or not", &[("mprotect x r", "mincore x believed")]),
    ("programs are short", &[("write x; write x", SIXTEEN)]),
    ("a verdict has a reason", &[("immediate: a reason", "immediate")]),
    ("and the reason a text", &[("immediate: a reason", "immediate:")]),
    ("a verdict is never or sometimes", &[("never immediate", "often immediate")]),
    ("sometimes has a class", &[("never immediate", "sometimes immediate")]),
    ("a verdict is of known policies", &[("never immediate", "never intermediate")]),
    ("there is one of each policy", &[("never immediate", "never immediate immediate")]),
    ("a weaker contract is a policy's own", &[(": a reason", ": a reason\nweaker never batched: a reason")]),
    ("a verdict is expected", &[("expect never immediate: a reason\n", "")]),
];

/// The good file with a rule broken.
fn bad(rule: &str, replaced: &[(&str, &str)]) -> String {
    replaced.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{rule}: no `{from}`");
        text.replacen(from, to, 1)
    })
}

fn complaint(text: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("bad.litmus"), text).expect("a file");
    let assert = mmusim(&["check", "bad.litmus"]).current_dir(directory.path()).assert().code(2).stdout("");
    String::from_utf8(assert.get_output().stderr.clone()).expect("text")
}

#[test]
fn the_good_file_is_good() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("good.litmus"), GOOD).expect("a file");
    mmusim(&["check", "good.litmus"]).current_dir(directory.path()).assert().code(0);
}

#[test]
fn every_rule_has_its_message_its_line_and_its_caret() {
    let (mut all, mut messages) = (String::new(), BTreeSet::new());
    for (rule, replaced) in RULES {
        let text = complaint(&bad(rule, replaced));
        assert!(text.contains("bad.litmus:") && text.contains("expected"), "{rule}:\n{text}");
        let message = text.lines().next().and_then(|line| line.split_once(": ")).expect("a message").1.to_owned();
        assert!(messages.insert(message.clone()), "{rule}: another rule says `{message}` already");
        writeln!(all, "## {rule}\n{text}").expect("memory is writable");
    }
    assert!(RULES.len() >= 30);
    insta::assert_snapshot!("bad_litmus_files", published(&all));
}
