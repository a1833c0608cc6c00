//! Witnesses in JSON.

use sim_core::drive::clock::along::along;
use sim_core::drive::explore::Witness;
use workloads::litmus::witness::Document;
use workloads::machines::machine;

/// Moves at most: a search finds hundreds, never more.
const MOVES_MAX: usize = 1000;

/// Reads a witness and makes its moves, in cycles.
pub fn text(bytes: &[u8]) {
    let Some(text) = crate::as_text(bytes) else { return };
    let read = match Document::read("fuzz.json", text) {
        Ok(read) => read,
        Err(error) => return crate::says(&error),
    };
    if read.moves.len() > MOVES_MAX {
        return;
    }
    let setting = read.litmus.race(read.policy).setting;
    let profile = machine("skx_2s").expect("it is in the list").profile();
    match along(&read.litmus.scenario, setting, &profile, &read.moves) {
        Ok(timed) => {
            assert_eq!(timed.len(), read.moves.len(), "a move that was not made");
            // What can be gone on the machine is a way of the explorer, too.
            let told = Witness::replay(&read.litmus.race(read.policy), &read.moves);
            assert_eq!(told.cpus, read.litmus.scenario.programs.len());
        }
        Err(unplayable) => crate::says(&unplayable),
    }
}
