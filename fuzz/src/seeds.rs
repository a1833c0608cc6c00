//! Small texts of every format, from what the program ships and what its tests read. Nothing is kept twice: a corpus is made of them
//! where it is needed (`cargo run -p fuzz --example seeds`).

use std::collections::BTreeSet;

use sim_core::policy::find;
use sim_tui::keys::Bindings;
use workloads::calibrate::CURVES;
use workloads::litmus::witness::Document;
use workloads::litmus::{LITMUS, Litmus};
use workloads::machines::MACHINES;
use workloads::recorded::{EMBEDDED, decode};
use workloads::synthetic::WORKLOADS;

/// A text and its name.
pub type Seed = (String, Vec<u8>);

/// Lines of a piece of a recording.
const PIECE_LINES: usize = 20;
/// Pieces of each recording.
const PIECES: usize = 6;
/// States of the searches for witnesses.
const STATES_MAX: usize = 200_000;
/// Moves of a witness.
const MOVES_MAX: usize = 60;

/// Pieces of the recordings that are built in, plain and compressed, and the first line of every event in them; and numbers that no
/// kernel prints.
pub fn perf() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for recording in EMBEDDED {
        let (name, text) = decode(recording.input()).expect("a recording that is built in");
        let text = String::from_utf8(text).expect("a recording is text");
        seeds.extend(pieces(&name, &text));
        let mut seen = BTreeSet::new();
        let event = |line: &str| line.split(": ").nth(1).map(|event| event.trim().to_owned());
        let firsts = text.lines().filter(|line| event(line).is_some_and(|event| seen.insert(event)));
        seeds.push((format!("{name}-events"), joined(firsts)));
    }
    seeds.push(("extremes".to_owned(), include_bytes!("extremes.perf").to_vec()));
    let smallest = EMBEDDED.iter().min_by_key(|recording| recording.bytes.len()).expect("there are some");
    seeds.push((format!("{}-cut.zst", smallest.name), smallest.bytes[..2048].to_vec()));
    seeds
}

/// Pieces of the text that the importer of ftrace is tested with.
pub fn ftrace() -> Vec<Seed> {
    pieces("threads", include_str!("../../workloads/tests/data/threads.ftrace"))
}

/// The same of strace, and calls that are not in it.
pub fn strace() -> Vec<Seed> {
    let mut seeds = pieces("threads", include_str!("../../workloads/tests/data/threads.strace"));
    let calls = include_str!("calls.strace");
    seeds.push(("calls".to_owned(), calls.as_bytes().to_vec()));
    seeds
}

/// Lines as lackey prints them, usual and unusual.
pub fn lackey() -> Vec<Seed> {
    let text = "==12== Lackey\nI  0401ab73,5\n L 1fff000d48,8\n S 1fff000d4c,32\n M 0402a010,4\nI  04001000,3\nprogram output\n\
                 L 00000ffc,8\n S ffffffffff600000,4096\n==12== \n";
    let usual: Vec<_> = (0_u32..40).map(|n| format!(" L {:08x},{}", 0x0400_0000 + n * 0x0ffc, 1 + n % 16)).collect();
    vec![("kinds".to_owned(), text.as_bytes().to_vec()), ("usual".to_owned(), joined(usual.iter().map(String::as_str)))]
}

/// The catalogue.
pub fn litmus() -> Vec<Seed> {
    named(LITMUS.iter().map(|builtin| (builtin.name, builtin.text)))
}

/// The machines, without their comments.
pub fn profile() -> Vec<Seed> {
    named(MACHINES.iter().map(|machine| (machine.name, machine.text)))
}

/// The workloads.
pub fn workload() -> Vec<Seed> {
    named(WORKLOADS.iter().map(|builtin| (builtin.name, builtin.text)))
}

/// Plans of the documentation and of the results, with fewer points, and the runs of the curves.
pub fn plan() -> Vec<Seed> {
    let plans = [
        ("gaps", include_str!("../../docs/plans/gaps.toml")),
        ("machines", include_str!("../../docs/plans/machines.toml")),
        ("memory", include_str!("../../results/sweeps/memory.toml")),
        ("overlap", include_str!("../../results/sweeps/overlap.toml")),
        ("published", include_str!("../../results/sweeps/published.toml")),
        ("small", include_str!("small.plan.toml")),
    ];
    let mut seeds = named(plans.into_iter());
    for builtin in CURVES {
        let curve = builtin.curve();
        let mut fixed = curve.fixed.clone();
        fixed.insert("profile".to_owned(), curve.profile.get_ref().clone().into());
        let plan = toml::Table::from_iter([("name".to_owned(), curve.name.into()), ("fixed".to_owned(), fixed.into())]);
        seeds.push((builtin.name.to_owned(), plan.to_string().into_bytes()));
    }
    seeds
}

/// Shortest ways to the races of the smaller files.
pub fn witness() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (at, builtin) in LITMUS.iter().enumerate().filter(|(_, builtin)| builtin.text.len() < 1200) {
        let litmus = Litmus::parse(builtin.name, builtin.text).expect("a file that is built in");
        let broken = litmus.expects.iter().filter(|expect| expect.class.is_some());
        let Some(expect) = broken.cycle().nth(at) else { continue };
        let policy = find(expect.policy.name).expect("a policy of the file");
        let checked = litmus.check(policy, STATES_MAX);
        let Some(moves) = checked.moves.filter(|moves| moves.len() <= MOVES_MAX) else { continue };
        let mut document = Document::new(&litmus, builtin.text, policy, &moves);
        document.lines.truncate(1);
        seeds.push((builtin.name.to_owned(), serde_json::to_vec(&document).expect("a document is plain data")));
    }
    seeds
}

/// The usual keys, and some of them bound otherwise.
pub fn keys() -> Vec<Seed> {
    let usual = Bindings::default().file();
    named(
        [
            ("usual", usual.as_str()),
            ("some", "[keys]\nstep = [\"x\", \"ctrl-x\"]\nhelp = [\"\\u00e9\", \"\\\"\", \"f1\"]\nquit = []\n"),
            ("odd", "[keys]\nstep = [\"\\u0018\", \"ctrl-\\u007f\", \"\\\\\", \"'\"]\n"),
            ("pressed", "n n > space ctrl-c tab Q"),
        ]
        .into_iter(),
    )
}

fn named<'t>(texts: impl Iterator<Item = (&'t str, &'t str)>) -> Vec<Seed> {
    texts.map(|(name, text)| (name.to_owned(), joined(text.lines().map(without_comment)))).collect()
}

/// Comments are most of some files, and say nothing to a reader.
fn without_comment(line: &str) -> &str {
    let end = line.find(" #").unwrap_or(line.len());
    line[..end].trim_end()
}

fn pieces(name: &str, text: &str) -> Vec<Seed> {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let step = (lines.len() / PIECES).max(PIECE_LINES);
    let starts = (0..lines.len()).step_by(step).take(PIECES);
    starts.map(|at| (format!("{name}-{at}"), joined(lines[at..].iter().take(PIECE_LINES).copied()))).collect()
}

fn joined<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<u8> {
    lines.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
}

/// The words and numbers of some seeds, and the marks between them: what a change puts in.
pub fn words(seeds: &[Seed]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for text in seeds.iter().filter_map(|(_, bytes)| std::str::from_utf8(bytes).ok()) {
        let parts = text.split(|c: char| c.is_whitespace() || "=:,;\"'()[]{}/".contains(c));
        words.extend(parts.filter(|part| (2..=24).contains(&part.len())).map(str::to_owned));
    }
    words
}
