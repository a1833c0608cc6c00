//! Litmus files.

use sim_core::drive::explore::Options;
use sim_core::policy::{self, PolicyInfo};
use workloads::litmus::witness::Document;
use workloads::litmus::{Litmus, format, promela};

/// States of a search: enough for the first races, and few enough to be quick.
const STATES_MAX: usize = 150;

/// Parses a file, formats it, exports it and begins to explore it.
pub fn text(bytes: &[u8]) {
    let Some(text) = crate::as_text(bytes) else { return };
    let litmus = match Litmus::parse("fuzz", text) {
        Ok(litmus) => litmus,
        Err(error) => return crate::says(&error),
    };
    let formatted = format("fuzz", text).expect("what is read can be formatted");
    let again = Litmus::parse("fuzz", &formatted).unwrap_or_else(|e| panic!("formatting broke it: {e}\n{formatted}"));
    assert_eq!(told(&litmus), told(&again), "formatting changed what it says");
    assert_eq!(format("fuzz", &formatted).as_ref(), Ok(&formatted), "formatting twice is not formatting once");

    let all: Vec<&PolicyInfo> = policy::all().collect();
    let policy = all[crate::digest(bytes) % all.len()];
    match promela::export(&litmus, policy) {
        Ok(model) => assert!(!model.is_empty(), "an empty model"),
        Err(refused) => crate::says(&refused),
    }
    let options = Options { max_states: STATES_MAX, ..Options::default() };
    let checked = litmus.check_with(policy, &options, &mut |_| {});
    if let Some(moves) = checked.moves {
        let document = Document::new(&litmus, text, policy, &moves);
        let json = serde_json::to_string(&document).expect("a document is plain data");
        let read = Document::read("fuzz.json", &json).unwrap_or_else(|e| panic!("a witness that cannot be read: {e}"));
        assert_eq!(read.moves, moves, "a witness is read as it was written");
    }
    litmus.check_with(policy, &Options { reduce: true, symmetry: true, ..options }, &mut |_| {});
}

/// All that a file says, with one blank between words: formatting makes it so.
fn told(litmus: &Litmus) -> String {
    let mut litmus = litmus.clone();
    let reasons = litmus.expects.iter_mut().chain(&mut litmus.declared).map(|expect| &mut expect.reason);
    for text in [&mut litmus.title, &mut litmus.source].into_iter().chain(reasons) {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    std::format!("{litmus:?}")
}
