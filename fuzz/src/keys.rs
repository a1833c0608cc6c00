//! Files of key bindings.

use sim_tui::keys::Bindings;
use sim_tui::script;

/// Reads a file of bindings, and what is printed of it; and the same text as keys to be pressed.
pub fn text(bytes: &[u8]) {
    let Some(text) = crate::as_text(bytes) else { return };
    if let Err(message) = script::keys(text) {
        crate::says(&message);
    }
    let bindings = match Bindings::parse("fuzz", text) {
        Ok(bindings) => bindings,
        Err(error) => return crate::says(&error),
    };
    let file = bindings.file();
    let again =
        Bindings::parse("printed", &file).unwrap_or_else(|e| panic!("what was printed cannot be read: {e}\n{file}"));
    assert_eq!(again.file(), file, "what was printed reads as something else");
}
