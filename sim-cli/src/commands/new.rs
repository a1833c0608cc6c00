//! `mmusim new`: what a policy of one's own starts as, in a checkout.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use sim_core::policy::TEMPLATE;

use crate::Verdict;
use crate::cli::{NewArgs, NewCommand, NewPolicyArgs};
use crate::failure::Failure;
use crate::output::{OutputArgs, aside, write_file};

/// Where policies are, from the root of a checkout.
const POLICIES: &str = "sim-core/src/policy";

/// The file of it that lists them.
const REGISTRY: &str = "mod.rs";

/// How the list begins that a row is added to; it ends with the next line that is [`LIST_ENDS`].
const LIST_BEGINS: &str = "pub static OWN: &[PolicyInfo] = &[";

const LIST_ENDS: &str = "];";

/// Bytes of a name at most: rows of tables have to hold it.
const NAME_MAX: usize = 32;

/// Names that cannot be those of a module or of a type in a policy's file: words of Rust, and what the file or the registry imports.
const RESERVED: [&str; 3] = [
    "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen",
    "hook hook-step if impl in let loop macro match mod move mut override policy policy-info priv pub ref return",
    "self static std struct super trait true try type typeof unsafe unsized use virtual where while words yield",
];

pub(crate) fn run(args: &NewArgs) -> Result<Verdict, Failure> {
    let NewCommand::Policy(args) = &args.what;
    let root = root(args)?;
    let name = Name::check(&args.name)?;
    let directory = root.join(POLICIES);
    let registry = directory.join(REGISTRY);
    let text = fs::read_to_string(&registry).map_err(|e| Failure::io("cannot read", &show(&registry), &e))?;
    let text = registered(&text, &name).ok_or_else(|| {
        let message = format!("{}: no place for a row", show(&registry));
        Failure::new(message, format!("expected lines `mod ...;`, and a list that begins with `{LIST_BEGINS}`"))
    })?;
    let file = directory.join(format!("{}.rs", name.module));
    check_is_free(&directory, &name)?;
    create(&file, &name.file())?;
    if let Err(e) = write_file(&registry, &text) {
        // Without its row it is no policy, so the file goes with it.
        let _ = fs::remove_file(&file);
        return Err(Failure::io("cannot write", &show(&registry), &e));
    }
    let output = OutputArgs { format: None, output: None };
    output.write(&next(&name))?;
    Ok(Verdict::Fine)
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

/// The root of the checkout: the one that is named, or the one around the working directory.
fn root(args: &NewPolicyArgs) -> Result<PathBuf, Failure> {
    let is_checkout = |directory: &Path| directory.join(POLICIES).join(REGISTRY).is_file();
    let expected = format!("expected a checkout of mmusim, with {POLICIES}/{REGISTRY}");
    if let Some(root) = &args.root {
        let message = || format!("{} is no checkout of mmusim", root.display());
        return if is_checkout(root) { Ok(root.clone()) } else { Err(Failure::new(message(), expected)) };
    }
    let here = std::env::current_dir().map_err(|e| Failure::io("cannot tell", "the working directory", &e))?;
    let around = here.ancestors().find(|directory| is_checkout(directory));
    let message = || format!("{} is in no checkout of mmusim", here.display());
    let help = || format!("{expected}: go to one, or name it with --root DIR");
    around.map(Path::to_owned).ok_or_else(|| Failure::new(message(), help()))
}

/// The name of a policy, in the three ways it is written.
struct Name<'a> {
    /// `pending-flag`, on the command line.
    command: &'a str,
    /// `pending_flag`, its file.
    module: String,
    /// `PendingFlag`, its type.
    camel: String,
}

impl Name<'_> {
    /// Only what can be all three.
    fn check(name: &str) -> Result<Name<'_>, Failure> {
        let word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if name.len() > NAME_MAX
            || !name.starts_with(|first: char| first.is_ascii_lowercase())
            || !name.split('-').all(word)
        {
            let message = format!("`{name}` cannot be the name of a policy");
            let help = format!(
                "expected words of lower case letters and digits with `-` in between, as in `pending-flag`, a letter first; \
                 {NAME_MAX} characters at most"
            );
            return Err(Failure::new(message, help));
        }
        if RESERVED.iter().any(|line| line.split(' ').any(|word| word == name)) {
            let message = format!("`{name}` cannot be the name of a policy: its file would not compile");
            return Err(Failure::new(
                message,
                "expected another name: this one is a word of Rust, or of the file itself",
            ));
        }
        let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
        let camel = name.split('-').map(capital).collect();
        Ok(Name { command: name, module: name.replace('-', "_"), camel })
    }

    /// The text of its file.
    fn file(&self) -> String {
        TEMPLATE.replace("\"template\"", &format!("\"{}\"", self.command)).replace("Template", &self.camel)
    }
}

/// Has no policy of the checkout this name or alias, mutants included? The program may have been built from another one, so that it
/// is the files that are asked.
fn check_is_free(directory: &Path, name: &Name<'_>) -> Result<(), Failure> {
    let literal = format!("\"{}\"", name.command);
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|e| Failure::io("cannot read", &show(directory), &e))?;
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let text = fs::read_to_string(path).map_err(|e| Failure::io("cannot read", &show(path), &e))?;
        if text.contains(&literal) {
            let message = format!("`{}` is taken: {} has it", name.command, show(path));
            return Err(Failure::new(
                message,
                "expected a name that no policy has, nor goes by (mmusim list policies)",
            ));
        }
    }
    Ok(())
}

/// The registry with the module and the row of a policy, if it has places for them.
fn registered(text: &str, name: &Name<'_>) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let row = lines.iter().position(|line| line == LIST_BEGINS)?;
    let end = row + lines[row..].iter().position(|line| line == LIST_ENDS)?;
    lines.insert(end, format!("    {}::INFO,", name.module));
    // Modules are in order, as rustfmt would have them.
    let line = format!("mod {};", name.module);
    let is_module = |line: &String| line.starts_with("mod ") && line.ends_with(';');
    let first = lines.iter().position(is_module)?;
    let modules = lines[first..].iter().take_while(|line| is_module(line));
    let before = modules.take_while(|other| **other < line).count();
    lines.insert(first + before, line);
    Some(lines.join("\n") + "\n")
}

/// Writes a file that must not be there yet, whole or not at all.
fn create(path: &Path, content: &str) -> Result<(), Failure> {
    let written = aside(path).and_then(|mut aside| {
        aside.write_all(content.as_bytes())?;
        aside.persist_noclobber(path)?;
        Ok(())
    });
    written.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            let message = format!("{} is there already", path.display());
            Failure::new(message, "expected a name that has no file yet: choose another one, or move the file away")
        }
        _ => Failure::io("cannot write", &show(path), &e),
    })
}

/// What is there, and what to do with it.
fn next(Name { command, module, .. }: &Name<'_>) -> String {
    format!(
        "\
{POLICIES}/{module}.rs    what it does: as `immediate`, so far
{POLICIES}/{REGISTRY}    its row

Change the file, and ask again (docs/tutorial.md, part 6; docs/add-a-policy.md has the hooks):

cargo run --release -- check B01-mprotect-ro --policy {command}
cargo run --release -- check --all --policy {command}
cargo run --release -- compare overlap --policy unpatched --policy patched --policy {command}
cargo test -p sim-core --test differential
"
    )
}
