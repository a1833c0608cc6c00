//! Writes the seeds and a dictionary of every target into a directory, and prints a line for each: its name, and the longest input.
//!
//!     cargo run -p fuzz --example seeds -- DIRECTORY

use std::fs;
use std::path::PathBuf;

use fuzz::TARGETS;
use fuzz::seeds::words;

/// Words of a dictionary at most: libFuzzer tries all of them.
const WORDS_MAX: usize = 400;

fn main() -> std::io::Result<()> {
    let Some(directory) = std::env::args().nth(1).map(PathBuf::from) else {
        eprintln!("expected a directory to write to");
        std::process::exit(2);
    };
    for target in TARGETS {
        let corpus = directory.join(target.name);
        fs::create_dir_all(&corpus)?;
        let seeds = (target.seeds)();
        for (name, bytes) in &seeds {
            fs::write(corpus.join(name), bytes)?;
        }
        let words = words(&seeds);
        let plain = words.iter().filter(|word| word.is_ascii()).take(WORDS_MAX);
        let dictionary: Vec<_> = plain.map(|word| format!("\"{}\"\n", word.replace('\\', "\\\\"))).collect();
        fs::write(directory.join(format!("{}.dict", target.name)), dictionary.concat())?;
        println!("{} {}", target.name, target.max_len);
    }
    Ok(())
}
